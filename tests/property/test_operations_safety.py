"""Reservations and volumes under any order of orders, broken links, dead agents and new leaders.

The real cores of the master and of agents' operations, with queues between them that can be cut at any point. Nothing may
be given twice or leak; whenever nothing is under way both sides agree; an operation happens once and has one end.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dcos.agent.core.operation_events import ChangeVolumes, OperationAsked, SaveResources, VolumesChanged
from dcos.agent.core.operations import Operations
from dcos.master.core import effects
from dcos.master.core.events import Operate
from dcos.master.core.registry import AgentEntry, Standing
from dcos.model.conversions import ConversionError, conversion, stacked
from dcos.model.resource_kinds import Kind
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    FrameworkInfo,
    FrameworkInfoCapabilityType,
    OfferOperation,
    OperationID,
    OperationStatus,
    Resource,
    Task,
    TaskState,
)
from dcos.model.values import Amount
from dcos.testing.fake_agent import CAPABILITIES
from dcos.wire import agent_link
from tests.unit.master.operation_makers import create, destroy, grow, res, reserve, shrink, unreserve
from tests.unit.master.stage import AWARE, Stage, framework_info, launch, task

PICK = st.integers(0, 1000)
FLAGS = "cpus:4;mem:1024;disk:100;disk(a):40;ports:[1-10]"
ROLES = ("a", "a/b", "c")
SHARING = (*AWARE, FrameworkInfoCapabilityType.SHARED_RESOURCES)
KINDS = ("reserve", "unreserve", "create", "destroy", "grow", "shrink", "launch", "nonsense")


@dataclass
class Twin:
    """An agent: its operations, its disk, its tasks, and the link's two queues."""

    info: AgentInfo
    pid: str
    link: str | None = None
    down: deque[agent_link.MasterMessage] = field(default_factory=deque)
    up: deque[agent_link.AgentMessage] = field(default_factory=deque)
    saved: SaveResources = field(default_factory=lambda: SaveResources((), ()))
    tasks: dict[tuple[str, str], Task] = field(default_factory=dict)
    frameworks: dict[str, FrameworkInfo] = field(default_factory=dict)
    core: Operations = field(init=False)
    numbers: Any = field(default_factory=lambda: itertools.count(1))
    pending: list[bytes] = field(default_factory=list)
    """Operations whose volumes are being changed."""

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """The process (again), with what it had saved."""
        self.core = Operations(lambda: next(self.numbers).to_bytes(16, "big"))
        self.pending = []
        self.core.restore(self.info.resources, self.saved.resources, self.saved.operations)
        self.take()

    def take(self) -> None:
        for save in self.core.saves:
            if isinstance(save, SaveResources):
                # as bytes, so that nothing survives that is not written
                self.saved = msgspec.json.decode(msgspec.json.encode(save), type=SaveResources)
            elif isinstance(save, ChangeVolumes):
                self.pending.append(save.uuid)
        if self.link is not None:
            self.up.extend(self.core.messages)
        self.core.saves, self.core.messages = [], []

    def hear(self, message: agent_link.MasterMessage) -> None:
        match message:
            case agent_link.Registered():
                self.info = msgspec.structs.replace(self.info, id=AgentID(value=message.agent_id))
                self.core.connected(message.agent_id, 0.0)
            case agent_link.ApplyOperation():
                owner = message.framework_id.value if message.framework_id is not None else None
                self.core.asked(OperationAsked(message.operation_uuid, message.info, owner, 0.0))
            case agent_link.AcknowledgeOperation():
                self.core.acknowledged(message.operation_uuid, message.status_uuid)
            case agent_link.RunTask():
                assert not self.core.missing(message.task.resources), "what a task needs was ordered before it"
                framework = message.framework
                assert framework.id is not None
                self.frameworks[framework.id.value] = framework
                self.tasks[framework.id.value, message.task.task_id.value] = Task(
                    name="t",
                    task_id=message.task.task_id,
                    framework_id=framework.id,
                    agent_id=message.task.agent_id,
                    state=TaskState.TASK_RUNNING,
                    resources=message.task.resources,
                )
        self.take()

    def told(self) -> tuple[agent_link.AgentFramework, ...]:
        return tuple(
            agent_link.AgentFramework(
                info=info, tasks=tuple(one for (owner, _), one in self.tasks.items() if owner == name)
            )
            for name, info in self.frameworks.items()
        )


class Cluster(RuleBasedStateMachine):
    @initialize(agents=st.integers(1, 2))
    def begin(self, agents: int) -> None:
        self.stage = Stage()
        self.leaders = itertools.count(1)
        self.names = itertools.count(1)
        self.twins: dict[str, Twin] = {}
        self.infos: dict[str, FrameworkInfo] = {}
        self.ends: dict[tuple[str, str], set[bytes]] = {}
        self.unacknowledged: list[tuple[str, str, OperationStatus]] = []
        for number in range(agents):
            info = AgentInfo(hostname="host", resources=Resources.parse(FLAGS).messages())
            self.join(Twin(info, f"slave(1)@10.0.0.{number}:5051"))
        for role in ROLES:
            self.subscribe(framework_info("f", role, capabilities=SHARING, failover_timeout=1e9))

    # ---- the world ---------------------------------------------------------------------------------------------------

    def sort_out(self) -> None:
        """What the master said goes into the queues."""
        links = {twin.link: twin for twin in self.twins.values()}
        for effect in self.stage.effects:
            match effect:
                case effects.ToAgent(link, message) if link in links:
                    links[link].down.append(message)
                case effects.CloseLink(link) if link in links:
                    links[link].link = None
                    links[link].down.clear()
                    links[link].up.clear()
                    links[link].core.registered = False
                case effects.ToScheduler(stream, event) if event.update_operation_status is not None:
                    framework = self.stage.state.streams[stream]
                    self.ended(framework, event.update_operation_status.status)
        self.stage.clear()

    def ended(self, framework: str, status: OperationStatus) -> None:
        assert status.operation_id is not None
        if status.uuid is None:
            assert status.state in ("OPERATION_ERROR", "OPERATION_UNREACHABLE")
            return
        assert status.state == "OPERATION_FINISHED", status.message
        ends = self.ends.setdefault((framework, status.operation_id.value), set())
        ends.add(status.uuid.value)
        assert len(ends) == 1, "one operation, one end"
        self.unacknowledged.append((framework, status.operation_id.value, status))

    def join(self, twin: Twin) -> None:
        link = twin.link = f"link-{next(self.stage.numbers)}"
        common: dict[str, Any] = {
            "agent": twin.info,
            "pid": twin.pid,
            "version": "1.11.0",
            "capabilities": CAPABILITIES,
            "checkpointed_resources": twin.core.checkpointed(),
        }
        if twin.info.id is None:
            self.stage.say(link, agent_link.Register(**common))
        else:
            operations = twin.core.link_operations()
            self.stage.say(link, agent_link.Reregister(frameworks=twin.told(), operations=operations, **common))
        agent_id = self.stage.state.links[link]
        twin.info = msgspec.structs.replace(twin.info, id=AgentID(value=agent_id))
        self.twins[agent_id] = twin
        self.sort_out()

    def part(self, twin: Twin) -> None:
        if twin.link is not None:
            link, twin.link = twin.link, None
            self.stage.cut(link)
        twin.down.clear()
        twin.up.clear()
        twin.core.registered = False
        self.sort_out()

    def subscribe(self, info: FrameworkInfo) -> None:
        framework, _ = self.stage.subscribe(info)
        record = self.stage.state.frameworks[framework]
        self.infos[framework] = record.info
        self.sort_out()

    def twin(self, pick: int) -> Twin:
        return list(self.twins.values())[pick % len(self.twins)]

    # ---- orders ------------------------------------------------------------------------------------------------------

    def make(self, kind: str, have: Resources, role: str, pick: int, *, named: bool) -> OfferOperation | None:
        """An operation that ``have`` mostly allows."""
        found = [(one, amount) for one, amount in have if _fits(kind, one)]
        if not found:
            return None
        one, amount = found[pick % len(found)]
        name = f"o{next(self.names)}" if named else None
        size = _size(one, amount)
        part = Resources({one: max(1000, size // 1000 // 2 * 1000) if isinstance(amount, int) else amount})
        if one.indivisible:
            part = Resources({one: 1})
        messages = part.messages()
        match kind:
            case "reserve":
                return reserve(*(_reserved(message, role) for message in messages), id=name)
            case "unreserve":
                return unreserve(*messages, id=name)
            case "create":
                volume = res(f"disk:{_size(*next(iter(part))) / 1000}", volume=f"v{pick % 3}", shared=pick % 4 == 0)
                return create(msgspec.structs.replace(volume, reservations=one.reservations), id=name)
            case "destroy":
                return destroy(*messages, id=name)
            case "grow":
                addition = msgspec.structs.replace(res("disk:1"), reservations=one.reservations)
                return grow(messages[0], addition, id=name)
            case "shrink":
                return shrink(messages[0], 1.0, id=name)
            case _:
                return reserve(res("cpus:1000", role), id=name)

    @rule(
        pick=PICK,
        kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
        named=st.booleans(),
        keep=st.booleans(),
    )
    def accept(self, pick: int, kinds: list[str], named: bool, keep: bool) -> None:
        self.accept_some(pick, kinds, named=named, keep=keep)

    def accept_some(self, pick: int, kinds: list[str], *, named: bool, keep: bool) -> None:
        offers = list(self.stage.state.offers.values())
        if not offers:
            return
        offer = offers[pick % len(offers)]
        have = offer.resources
        operations = []
        for kind in kinds:
            if kind == "launch":
                part = [message for one in have for message in Resources(dict([one])).messages()]
                info = task(f"t{next(self.names)}", offer.agent, "cpus:0.5;mem:32")
                extra = tuple(one for one in part if one.reservations)[:1]
                operations.append(launch(msgspec.structs.replace(info, resources=(*info.resources, *extra))))
                continue
            made = self.make(kind, have, offer.role, pick, named=named)
            if made is not None:
                operations.append(made)
                with contextlib.suppress(ConversionError):
                    have = conversion(stacked(made)).apply(have)
        self.stage.accept(offer.framework, [offer.message], operations, 0.0 if keep else 5.0)
        self.sort_out()

    @rule(pick=PICK, kind=st.sampled_from(KINDS[:6]), role=st.sampled_from(ROLES))
    def operate(self, pick: int, kind: str, role: str) -> None:
        agents = list(self.stage.state.agents.values())
        if not agents:
            return
        agent = agents[pick % len(agents)]
        made = self.make(kind, agent.total, role, pick, named=False)
        if made is not None:
            self.stage.do(Operate(self.stage.now, next(self.stage.numbers), agent.id, made))
            self.sort_out()

    @rule(pick=PICK, volume=st.booleans())
    def use(self, pick: int, volume: bool) -> None:
        """The usual: reserve, make a volume, launch."""
        kinds = ["reserve", *(("create", "launch") if volume else ("launch",))]
        self.accept_some(pick, kinds, named=True, keep=True)

    @rule(pick=PICK)
    def finish_task(self, pick: int) -> None:
        twin = self.twin(pick)
        if twin.link is None or not twin.tasks:
            return
        key = list(twin.tasks)[pick % len(twin.tasks)]
        framework = self.stage.state.frameworks.get(key[0])
        if framework is None or key[1] not in framework.tasks or framework.tasks[key[1]].is_terminal:
            return
        if self.stage.state.agents[framework.tasks[key[1]].agent].link != twin.link:
            return
        del twin.tasks[key]
        self.stage.update(key[0], key[1], TaskState.TASK_FINISHED)
        self.sort_out()

    @rule(pick=PICK)
    def acknowledge(self, pick: int) -> None:
        if not self.unacknowledged:
            return
        framework, name, status = self.unacknowledged.pop(pick % len(self.unacknowledged))
        assert status.uuid is not None
        call = scheduler.CallAcknowledgeOperationStatus(
            agent_id=status.agent_id, uuid=status.uuid.value, operation_id=OperationID(value=name)
        )
        kind = CallType.ACKNOWLEDGE_OPERATION_STATUS
        self.stage.call(framework, Call(type=kind, acknowledge_operation_status=call))
        self.sort_out()

    # ---- time and trouble --------------------------------------------------------------------------------------------

    @rule(pick=PICK, count=st.integers(1, 6))
    def deliver_down(self, pick: int, count: int) -> None:
        twin = self.twin(pick)
        for _ in range(min(count, len(twin.down))):
            twin.hear(twin.down.popleft())

    @rule(pick=PICK, count=st.integers(1, 6))
    def deliver_up(self, pick: int, count: int) -> None:
        twin = self.twin(pick)
        for _ in range(min(count, len(twin.up))):
            assert twin.link is not None
            self.stage.say(twin.link, twin.up.popleft())
        self.sort_out()

    @rule(pick=PICK)
    def volumes_done(self, pick: int) -> None:
        twin = self.twin(pick)
        if twin.pending:
            twin.core.volumes_changed(VolumesChanged(twin.pending.pop(pick % len(twin.pending)), None, 0.0))
            twin.take()

    @rule(pick=PICK, crash=st.booleans())
    def cut(self, pick: int, crash: bool) -> None:
        twin = self.twin(pick)
        self.part(twin)
        if crash:
            twin.start()

    @rule(pick=PICK)
    def come_back(self, pick: int) -> None:
        twin = self.twin(pick)
        if twin.link is None:
            self.join(twin)

    @rule()
    @precondition(lambda self: bool(self.twins))
    def fail_over(self) -> None:
        """Another leader, which knows the registry only."""
        entries = tuple(
            (agent.id, AgentEntry(info=agent.info, standing=Standing.ADMITTED, since=0.0))
            for agent in self.stage.state.agents.values()
        )
        for twin in self.twins.values():
            twin.link = None
            twin.down.clear()
            twin.up.clear()
            twin.core.registered = False
        self.stage = Stage(master_id=f"m{next(self.leaders)}", agents=entries)
        for info in self.infos.values():
            self.subscribe(info)

    @rule(seconds=st.sampled_from([1.0, 6.0]))
    def wait(self, seconds: float) -> None:
        for link in list(self.stage.state.links):
            self.stage.say(link, agent_link.Pong())
        self.stage.wait(seconds)
        self.sort_out()

    @rule()
    def silence(self) -> None:
        """Agents answer no pings and do not come back: all are unreachable."""
        self.stage.wait(700.0)
        self.sort_out()
        assert not self.stage.state.agents

    @rule(pick=PICK)
    def tear_down(self, pick: int) -> None:
        """A framework goes for good, another takes its role."""
        framework = list(self.infos)[pick % len(self.infos)]
        info = self.infos.pop(framework)
        self.stage.call(framework, Call(type=CallType.TEARDOWN))
        self.unacknowledged = [one for one in self.unacknowledged if one[0] != framework]
        self.sort_out()
        self.subscribe(msgspec.structs.replace(info, id=None))

    def teardown(self) -> None:
        """Once everything was delivered, everything is settled."""
        if not hasattr(self, "stage"):
            return
        for twin in self.twins.values():
            if twin.link is None:
                self.join(twin)
        for _ in range(6):
            for twin in self.twins.values():
                while twin.down:
                    twin.hear(twin.down.popleft())
                while twin.pending:
                    self.volumes_done(0)
                    for one in self.twins.values():
                        while one.pending:
                            one.core.volumes_changed(VolumesChanged(one.pending.pop(), None, 0.0))
                            one.take()
                while twin.up:
                    assert twin.link is not None
                    self.stage.say(twin.link, twin.up.popleft())
                self.sort_out()
            while self.unacknowledged:
                self.acknowledge(0)
        for agent_id, twin in self.twins.items():
            # a leader that came after a framework went does not know that it will not come back
            orphans = {uuid for uuid, run in twin.core.runs.items() if run.framework_id not in self.infos}
            assert set(twin.core.runs) == orphans == set(self.stage.state.agents[agent_id].operations)
            assert twin.core.total == self.stage.state.agents[agent_id].total
            twin.start()
            assert twin.core.total == self.stage.state.agents[agent_id].total

    # ---- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_given_twice_and_nothing_leaks(self) -> None:
        if not hasattr(self, "stage"):
            return
        state = self.stage.state
        for agent in state.agents.values():
            assert agent.total.quantities() == Resources.of(agent.info.resources).quantities()
            taken = EMPTY
            holders: Iterable[Resources] = (
                *(one.resources for one in agent.tasks.values() if one.holds),
                *(one.resources for one in agent.offers.values()),
            )
            for resources in holders:
                assert (agent.total - taken).contains(resources.exclusive())
                assert agent.total.contains(resources)
                taken += resources.exclusive()
            free = state.allocator.free(agent.id)
            assert free.exclusive() == (agent.total - taken).exclusive()
            assert free.shared() == agent.total.shared()
            for offer in agent.offers.values():
                assert all(kind.role == "*" or _may(kind.role, offer.role) for kind, _ in offer.resources)

    @invariant()
    def sides_agree_when_nothing_is_under_way(self) -> None:
        if not hasattr(self, "stage"):
            return
        for agent_id, twin in self.twins.items():
            agent = self.stage.state.agents.get(agent_id)
            if agent is not None and twin.link is not None and agent.link == twin.link and not twin.down:
                assert twin.core.total == agent.total

    @invariant()
    def agents_keep_what_they_have(self) -> None:
        if not hasattr(self, "stage"):
            return
        for twin in self.twins.values():
            assert twin.core.total.quantities() == Resources.of(twin.info.resources).quantities()


def _may(reserved: str, role: str) -> bool:
    return role == reserved or role.startswith(reserved + "/")


def _fits(kind: str, one: Kind) -> bool:
    volume = one.persistence_id is not None
    match kind:
        case "reserve":
            return not volume and one.type == "SCALAR" and (not one.reservations or one.role == "a")
        case "unreserve":
            return one.dynamically_reserved and not volume
        case "create":
            return one.name == "disk" and bool(one.reservations) and not volume
        case "destroy" | "grow" | "shrink":
            return volume
    return True


def _size(one: Kind, amount: Amount) -> int:
    if one.indivisible:
        return one.size
    return amount if isinstance(amount, int) else 0


def _reserved(message: Resource, role: str) -> Resource:
    (entry,) = res("cpus:1", role).reservations
    return msgspec.structs.replace(message, reservations=(*message.reservations, entry))


TestOperations = Cluster.TestCase
TestOperations.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
