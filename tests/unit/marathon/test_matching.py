"""Offers and the queue: agents that are avoided, disks for volumes, the funnel of refusals, slices, tokens, victims."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from dcos.marathon.core import effects, events, kills, matching
from dcos.marathon.core.normalize import Defaults, canonical
from dcos.marathon.core.scheduler import Scheduler
from dcos.marathon.core.state import CoreSettings, State
from dcos.marathon.views import queue_json
from dcos.model.marathon import App, PersistentVolume
from dcos.model.marathon_state import AgentRef, Condition, Instance, InstanceTask
from dcos.model.resource_kinds import Kind
from dcos.model.resources import Resources
from dcos.model.v1 import types as v1
from dcos.model.v1.scheduler import Call
from dcos.scheduling import volumes
from dcos.scheduling.constraints import NOWHERE
from dcos.scheduling.match import Match, Policy, Reason, demand_of, match, place_of
from dcos.scheduling.volumes import VolumeWish
from dcos.wire import marathon as wire

NOW = 1_700_000_000.0
ROOMY = "cpus:2;mem:1024;disk:1000;ports:[31000-31009]"


def app_of(app_id: str = "/a", **fields: Any) -> App:
    return canonical(wire.read({"id": app_id, "cmd": "run", "cpus": 0.1, "mem": 32, **fields}, App), Defaults())


def offer(number: int = 1, resources: str = ROOMY, *, role: str = "*", **more: Any) -> v1.Offer:
    return v1.Offer(
        id=v1.OfferID(value=f"O{number}"),
        framework_id=v1.FrameworkID(value="F"),
        agent_id=v1.AgentID(value=f"S{number}"),
        hostname=f"h{number}",
        resources=Resources.parse(resources).messages(role),
        allocation_info=v1.ResourceAllocationInfo(role=role),
        **more,
    )


def domain(region: str) -> v1.DomainInfo:
    zone = v1.DomainInfoFaultDomainZoneInfo(name="z")
    return v1.DomainInfo(
        fault_domain=v1.DomainInfoFaultDomain(region=v1.DomainInfoFaultDomainRegionInfo(name=region), zone=zone)
    )


def window(start: float, seconds: float | None = None) -> v1.Unavailability:
    duration = v1.DurationInfo(nanoseconds=int(seconds * 1e9)) if seconds is not None else None
    return v1.Unavailability(start=v1.TimeInfo(nanoseconds=int((NOW + start) * 1e9)), duration=duration)


# ---- agents that are avoided -----------------------------------------------------------------------------------------

HERE: list[tuple[str, dict[str, Any], dict[str, Any], Policy, tuple[Reason, ...]]] = [
    ("another region", {"domain": domain("far")}, {}, Policy(), (Reason.CONSTRAINT,)),
    ("the home region", {"domain": domain("home")}, {}, Policy(), ()),
    ("no region", {}, {}, Policy(), ()),
    ("asked for", {"domain": domain("far")}, {"constraints": [["@region", "IS", "far"]]}, Policy(), ()),
    ("in maintenance", {"unavailability": window(-1)}, {}, Policy(), (Reason.MAINTENANCE,)),
    ("maintenance over", {"unavailability": window(-10, 5)}, {}, Policy(), ()),
    ("maintenance later", {"unavailability": window(60)}, {}, Policy(), ()),
    ("draining", {"unavailability": window(60)}, {}, Policy(draining_s=120), (Reason.MAINTENANCE,)),
    ("several shortages", {"resources": "cpus:0.01;mem:1"}, {}, Policy(), (Reason.CPUS, Reason.MEM)),
    ("gpus kept", {"resources": ROOMY + ";gpus:1"}, {}, Policy(), (Reason.SCARCE,)),
    ("gpus for all", {"resources": ROOMY + ";gpus:1"}, {}, Policy(gpu_scheduling="unrestricted"), ()),
    ("gpus wanted", {"resources": ROOMY + ";gpus:1"}, {"gpus": 1}, Policy(), ()),
]


@pytest.mark.parametrize(("given", "fields", "policy", "reasons"), [row[1:] for row in HERE], ids=[r[0] for r in HERE])
def test_agents_that_are_avoided(
    given: dict[str, Any], fields: dict[str, Any], policy: Policy, reasons: tuple[Reason, ...]
) -> None:
    place = place_of(offer(**given), now=NOW, default_role="*", policy=policy, home_region="home")
    found = match(demand_of(app_of(**fields), policy), place, NOWHERE, policy, 0)
    assert (() if isinstance(found, Match) else found) == reasons


def test_ports_of_several_ranges_and_roles_differ() -> None:
    app = app_of(role="web", acceptedResourceRoles=["web", "*"], portDefinitions=[{"port": 0}] * 4)
    text = "cpus:1;mem:100;ports:[1-1,5-5,9-9];ports(web):[7-7]"
    place = place_of(offer(resources=text, role="web"), now=NOW, default_role="web")
    for pick in range(10):
        found = match(demand_of(app, Policy()), place, NOWHERE, Policy(), pick)
        assert isinstance(found, Match)
        assert sorted(found.host_ports) == [1, 5, 7, 9]
        assert found.resources.reserved()["web"].ranges() == ((7, 7),)


def test_labelled_reservations_are_left_alone() -> None:
    labels = v1.Labels(labels=(v1.Label(key="owner", value="somebody"),))
    entry = v1.ResourceReservationInfo(type=v1.ResourceReservationInfoType.DYNAMIC, role="web", labels=labels)
    kept = Resources({kind.like(reservations=(entry,)): amount for kind, amount in Resources.parse(ROOMY)})
    place = place_of(replace(offer(role="web"), resources=kept.messages("web")), now=NOW, default_role="web")
    assert match(demand_of(app_of(role="web"), Policy()), place, NOWHERE, Policy(), 0) == (Reason.ROLE,)


# ---- disks -----------------------------------------------------------------------------------------------------------


def disk(kind: str, root: str, size: int, profile: str | None = None) -> Resources:
    where = v1.ResourceDiskInfoSourcePath(root=root)
    mount = v1.ResourceDiskInfoSourceMount(root=root)
    source = v1.ResourceDiskInfoSource(
        type=v1.ResourceDiskInfoSourceType(kind),
        path=where if kind == "PATH" else None,
        mount=mount if kind == "MOUNT" else None,
        profile=profile,
    )
    made = Kind.of("disk", disk=v1.ResourceDiskInfo(source=source), size=size * 1000)
    return Resources({made: 1 if made.indivisible else size * 1000})


DISKS = (
    Resources.scalars(disk=100)
    + disk("PATH", "/fast", 50)
    + disk("PATH", "/slow", 80)
    + disk("MOUNT", "/m1", 30)
    + disk("MOUNT", "/m2", 60)
    + disk("MOUNT", "/gold", 40, "gold")
)
CHOICES: list[tuple[str, list[dict[str, Any]], list[str] | None]] = [
    ("root", [{"size": 100}], [""]),
    ("root too big", [{"size": 101}], None),
    ("two share the root", [{"size": 60}, {"size": 40}], ["", ""]),
    ("two do not fit the root", [{"size": 60}, {"size": 41}], None),
    ("the smallest path", [{"size": 40, "type": "path"}], ["/fast"]),
    ("a path of a name", [{"size": 40, "type": "path", "constraints": [["path", "LIKE", "/sl.*"]]}], ["/slow"]),
    ("a path of no name", [{"size": 60, "type": "path", "constraints": [["path", "UNLIKE", "/slow"]]}], None),
    ("the smallest mount", [{"size": 20, "type": "mount"}], ["/m1"]),
    ("a mount by size", [{"size": 31, "type": "mount"}], ["/m2"]),
    ("a mount not too big", [{"size": 31, "type": "mount", "maxSize": 50}], None),
    ("mounts are whole", [{"size": 20, "type": "mount"}, {"size": 20, "type": "mount"}], ["/m1", "/m2"]),
    ("the bigger wish first", [{"size": 20, "type": "mount"}, {"size": 50, "type": "mount"}], ["/m1", "/m2"]),
    ("too many mounts", [{"size": 20, "type": "mount"}] * 3, None),
    ("a profile", [{"size": 20, "type": "mount", "profileName": "gold"}], ["/gold"]),
    ("no such profile", [{"size": 20, "type": "path", "profileName": "gold"}], None),
]


@pytest.mark.parametrize(("wanted", "roots"), [row[1:] for row in CHOICES], ids=[row[0] for row in CHOICES])
def test_disks_for_volumes(wanted: list[dict[str, Any]], roots: list[str] | None) -> None:
    wishes = [VolumeWish(str(index), str(index), wire.read(one, PersistentVolume)) for index, one in enumerate(wanted)]
    found = volumes.choose(wishes, DISKS)
    if roots is None:
        assert found is None
        return
    assert found is not None
    assert [volumes._root(part.kind) for part in found] == roots
    assert DISKS.contains(sum((part.resources for part in found), Resources()))


# ---- the queue -------------------------------------------------------------------------------------------------------


class Core:
    """A subscribed core, its clock standing still unless it is moved."""

    def __init__(self, **settings: Any) -> None:
        numbers = itertools.count(1)
        self.now = NOW
        made = CoreSettings(min_revive_interval_s=0.0, **settings)
        self.core = Scheduler(State(), made, (f"{n:08x}-0000-0000-0000-000000000000" for n in numbers))
        self.core.start(NOW)
        self.calls: list[Call] = []
        self.more = False
        self.tell(events.Subscribed("F", "m", "home"))

    def tell(self, event: events.Event) -> None:
        outcome = self.core.handle(event, self.now)
        self.more = any(isinstance(one, effects.MatchMore) for one in outcome.effects)
        self.calls += [one.call for one in outcome.effects if isinstance(one, effects.Send)]

    def want(self, app_id: str, **fields: Any) -> None:
        self.tell(
            events.PutApps(((app_id, {"id": app_id, "cmd": "run", "cpus": 0.1, "mem": 32, **fields}),), force=True)
        )

    def launched(self) -> list[str]:
        operations = [one for call in self.calls if call.accept for one in call.accept.operations]
        return [info.task_id.value for one in operations if one.launch for info in one.launch.task_infos]

    def queue(self, app_id: str) -> dict[str, Any]:
        return queue_json(self.core.state, self.core.state.queue[app_id], self.now, offers=True)


def test_refusals_form_a_funnel() -> None:
    core = Core()
    core.want("/a", cpus=1, constraints=[["hostname", "UNLIKE", "h3"]])
    core.tell(events.OffersReceived((offer(1, "cpus:0.5;mem:64"), offer(2, "cpus:2;mem:1"), offer(3))))
    core.tell(events.OffersReceived((offer(1, "cpus:0.7;mem:64"),)))
    shown = core.queue("/a")
    summary = shown["processedOffersSummary"]
    assert (summary["processedOffersCount"], summary["unusedOffersCount"]) == (4, 4)
    attempt = {one["reason"]: (one["declined"], one["processed"]) for one in summary["rejectSummaryLaunchAttempt"]}
    assert attempt["UnfulfilledRole"] == (0, 4)
    assert attempt["UnfulfilledConstraint"] == (1, 4)
    assert attempt["InsufficientCpus"] == (2, 3)
    assert attempt["InsufficientMemory"] == (1, 1)
    assert attempt["DeclinedScarceResources"] == (0, 0)
    last = {one["reason"]: (one["declined"], one["processed"]) for one in summary["rejectSummaryLastOffers"]}
    assert last["UnfulfilledRole"] == (0, 3)
    assert last["InsufficientCpus"] == (1, 2)
    reasons = {one["offer"]["hostname"]: one["reason"] for one in shown["lastUnusedOffers"]}
    assert reasons == {"h1": ["InsufficientCpus"], "h2": ["InsufficientMemory"], "h3": ["UnfulfilledConstraint"]}


def test_equal_demands_are_asked_once_and_each_has_its_own_count() -> None:
    core = Core()
    core.want("/a", mem=5000)
    core.tell(events.OffersReceived((offer(1),)))
    core.want("/b", mem=5000)
    core.tell(events.OffersReceived((offer(2),)))
    row = core.core.state.queue.row("*")
    assert row is not None
    assert len(row.shapes) == 1
    counts = [core.queue(app)["processedOffersSummary"]["processedOffersCount"] for app in ("/a", "/b")]
    assert counts == [2, 1]
    core.want("/a", mem=6000)
    assert core.queue("/a")["processedOffersSummary"]["processedOffersCount"] == 2


def test_waiting_apps_take_turns() -> None:
    core = Core(max_instances_per_offer=4)
    core.want("/a", instances=5)
    core.want("/b", instances=5, mem=33)
    core.tell(events.OffersReceived((offer(1),)))
    assert sorted(one[0] for one in core.launched()) == ["a", "a", "b", "b"]


def test_many_shapes_are_asked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "ASKS", 4)
    monkeypatch.setattr(matching, "SLICE", matching.OFFER_WORK + 1)
    core = Core()
    for number in range(9):
        core.want(f"/a{number}", mem=2000 + number)
    core.want("/fits", mem=100)
    core.tell(events.OffersReceived((offer(1), offer(2, "cpus:1;mem:10"))))
    for _ in range(20):
        if not core.more:
            break
        core.tell(events.MatchMore())
    assert [one.rpartition(".instance")[0] for one in core.launched()] == ["fits"]
    assert not core.core.state.offers
    declined = [offer_id.value for call in core.calls if call.decline for offer_id in call.decline.offer_ids]
    assert declined == ["O2"]
    assert core.queue("/a3")["processedOffersSummary"]["processedOffersCount"] >= 1


def test_offers_that_wait_too_long_or_are_rescinded_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "SLICE", 0)
    core = Core()
    core.want("/a")
    core.tell(events.OffersReceived((offer(1), offer(2))))
    core.tell(events.Rescinded("O2"))
    monkeypatch.undo()
    core.now += 4
    core.tell(events.MatchMore())
    assert not core.launched()
    [late] = [call.decline for call in core.calls if call.decline]
    assert [one.value for one in late.offer_ids] == ["O1"]
    assert late.filters is not None
    assert late.filters.refuse_seconds == matching.TIMED_OUT_REFUSE_S


def test_launches_under_way_are_limited_by_tokens() -> None:
    core = Core(launch_tokens=3, max_instances_per_offer=100)
    core.want("/a", instances=10)
    core.tell(events.OffersReceived((offer(1),)))
    assert len(core.launched()) == 3
    status = v1.TaskStatus(
        task_id=v1.TaskID(value=core.launched()[0]), state=v1.TaskState.TASK_RUNNING, agent_id=v1.AgentID(value="S1")
    )
    core.tell(events.StatusReceived(status))
    core.tell(events.OffersReceived((offer(2),)))
    assert len(core.launched()) == 4
    core.now += 31
    core.tell(events.Tick())
    core.tell(events.OffersReceived((offer(3),)))
    assert len(core.launched()) == 7


def test_an_app_that_backs_off_is_not_asked() -> None:
    core = Core()
    core.want("/a", backoffSeconds=5)
    core.tell(events.OffersReceived((offer(1),)))
    [task] = core.launched()
    for state in (v1.TaskState.TASK_RUNNING, v1.TaskState.TASK_FAILED):
        status = v1.TaskStatus(task_id=v1.TaskID(value=task), state=state, agent_id=v1.AgentID(value="S1"))
        core.tell(events.StatusReceived(status))
    core.tell(events.OffersReceived((offer(2),)))
    assert len(core.launched()) == 1
    assert core.queue("/a")["delay"] == {"timeLeftSeconds": 5, "overdue": False}
    core.now += 6
    core.tell(events.Tick())
    core.tell(events.OffersReceived((offer(3),)))
    assert len(core.launched()) == 2


# ---- victims ---------------------------------------------------------------------------------------------------------


def instance(name: str, host: str, condition: Condition = Condition.RUNNING, started: float = 0.0) -> Instance:
    return Instance(
        id=name, app_id="/a", version="", role="*", agent=AgentRef(host=host, agent_id=host), condition=condition,
        tasks=(InstanceTask(id=name),), active_since=started,
    )  # fmt: skip


CREW = [
    instance("old", "h1", started=1),
    instance("young", "h1", started=9),
    instance("staging", "h2", Condition.STAGING),
    instance("starting", "h2", Condition.STARTING),
    instance("lost", "h3", Condition.UNREACHABLE),
    instance("other", "h1", started=5),
]
VICTIMS: list[tuple[str, dict[str, Any], int, tuple[str, ...], list[str]]] = [
    ("by condition, then youngest", {}, 4, (), ["lost", "staging", "starting", "young"]),
    ("oldest first", {"killSelection": "OLDEST_FIRST"}, 5, (), ["lost", "staging", "starting", "old", "other"]),
    ("sentenced come first", {}, 2, ("old",), ["old", "lost"]),
    ("none", {}, 0, ("old",), []),
    ("the fullest group", {"constraints": [["hostname", "GROUP_BY"]]}, 3, (), ["young", "staging", "other"]),
]


@pytest.mark.parametrize(
    ("fields", "count", "sentenced", "chosen"), [row[1:] for row in VICTIMS], ids=[row[0] for row in VICTIMS]
)
def test_victims(fields: dict[str, Any], count: int, sentenced: tuple[str, ...], chosen: list[str]) -> None:
    assert [one.id for one in kills.select(app_of(**fields), CREW, count, sentenced)] == chosen


def test_one_that_is_ending_anyway_goes_first() -> None:
    """Else a scale-down that meets an instance's end takes a healthy one too: seed 14924 of the simulation."""
    ending = instance("ending", "h1", Condition.KILLING, started=1)
    assert [one.id for one in kills.select(app_of(), [*CREW[:2], ending], 1)] == ["ending"]
