"""Which offers an app may use, what it takes, and the task that comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.marathon.core import normalize
from dcos.model.marathon import App
from dcos.model.marathon_state import AgentRef
from dcos.model.resources import Resources
from dcos.model.v1 import types as v1
from dcos.scheduling import build, constraints
from dcos.scheduling import match as match_module
from dcos.scheduling.build import TaskSettings
from dcos.scheduling.constraints import NOWHERE, Spread
from dcos.scheduling.match import Match, Place, Policy, Reason, demand_of, match
from dcos.wire import marathon as wire

OFFER = "cpus:2;mem:1024;disk:1000;ports:[31000-31009]"


def app_of(**fields: Any) -> App:
    body = {"id": "/shop/web", "cmd": "run", "cpus": 0.5, "mem": 64, **fields}
    app = normalize.canonical(wire.read(body, App), normalize.Defaults())
    return normalize.with_service_ports(app, None, (), 10000, 10100, 0)


def place_of(resources: str = OFFER, *, role: str = "*", host: str = "h1", **attributes: str) -> Place:
    texts = tuple(
        v1.Attribute(name=name, type=v1.ValueType.TEXT, text=v1.ValueText(value=value))
        for name, value in attributes.items()
    )
    return Place(AgentRef(host=host, agent_id="S1", attributes=texts), role, Resources.parse(resources))


CONSTRAINTS: list[tuple[str, list[str], list[str], bool]] = [
    ("unique, new host", ["hostname", "UNIQUE"], ["h2"], True),
    ("unique, taken host", ["hostname", "UNIQUE"], ["h1"], False),
    ("unique, other name of the field", ["@hostname", "UNIQUE"], ["h1"], False),
    ("cluster, first", ["hostname", "CLUSTER"], [], True),
    ("cluster, same", ["hostname", "CLUSTER"], ["h1"], True),
    ("cluster, other", ["hostname", "CLUSTER"], ["h2"], False),
    ("cluster, given", ["hostname", "CLUSTER", "h1"], [], True),
    ("cluster, given another", ["hostname", "CLUSTER", "h9"], [], False),
    ("like", ["hostname", "LIKE", "h[0-9]"], [], True),
    ("like is a full match", ["hostname", "LIKE", "h"], [], False),
    ("unlike", ["hostname", "UNLIKE", "h[2-9]"], [], True),
    ("no such field", ["rack", "LIKE", ".*"], [], False),
    ("no such field, unlike", ["rack", "UNLIKE", ".*"], [], True),
    ("is", ["hostname", "IS", "h1"], [], True),
    ("is not", ["hostname", "IS", "h2"], [], False),
    ("max per, room", ["hostname", "MAX_PER", "2"], ["h1"], True),
    ("max per, full", ["hostname", "MAX_PER", "2"], ["h1", "h1"], False),
    ("group by, smallest", ["hostname", "GROUP_BY"], ["h1", "h2"], True),
    ("group by, fuller", ["hostname", "GROUP_BY"], ["h1", "h1", "h2"], False),
    ("group by, unseen", ["hostname", "GROUP_BY"], ["h2"], True),
    ("group by number, share", ["hostname", "GROUP_BY", "2"], ["h1"], True),
    ("group by number, share used up", ["hostname", "GROUP_BY", "2"], ["h1", "h1"], False),
    ("group by number, no group left", ["hostname", "GROUP_BY", "2"], ["h2", "h3"], False),
]


@pytest.mark.parametrize(
    ("constraint", "hosts", "allowed"), [row[1:] for row in CONSTRAINTS], ids=[r[0] for r in CONSTRAINTS]
)
def test_constraints(constraint: list[str], hosts: list[str], allowed: bool) -> None:
    spread = Spread({constraint[0]}, [place_of(host=host).agent for host in hosts])
    assert constraints.constraint_fault(constraint) is None
    assert constraints.allows(constraint, place_of().agent, spread, 4) is allowed


AGENT = AgentRef(
    host="h1",
    agent_id="S1",
    region="eu",
    zone="eu-1",
    attributes=(
        v1.Attribute(name="level", type=v1.ValueType.SCALAR, scalar=v1.ValueScalar(value=1.50)),
        v1.Attribute(
            name="ports",
            type=v1.ValueType.RANGES,
            ranges=v1.ValueRanges(range=(v1.ValueRange(begin=1, end=2), v1.ValueRange(begin=5, end=6))),
        ),
        v1.Attribute(name="kinds", type=v1.ValueType.SET, set=v1.ValueSet(item=("b", "a"))),
        v1.Attribute(name="rack", type=v1.ValueType.TEXT, text=v1.ValueText(value="r1")),
    ),
)
FIELDS: list[tuple[list[str], dict[str, int], int, bool]] = [
    (["@hostname", "IS", "h1"], {}, 1, True),
    (["@region", "IS", "eu"], {}, 1, True),
    (["@region", "IS", "us"], {}, 1, False),
    (["@zone", "LIKE", "eu-[12]"], {}, 1, True),
    (["@zone", "UNIQUE"], {"eu-1": 1}, 2, False),
    (["level", "IS", "1.500"], {}, 1, True),
    (["level", "LIKE", "1.5"], {}, 1, True),
    (["level", "IS", "1.51"], {}, 1, False),
    (["ports", "IS", "1"], {}, 1, False),
    (["ports", "LIKE", r"\[1-2,5-6\]"], {}, 1, True),
    (["kinds", "LIKE", r"\{a,b\}"], {}, 1, True),
    (["rack", "CLUSTER", "r1"], {"r2": 1}, 2, True),
    (["rack", "CLUSTER"], {"r1": 2}, 3, True),
    (["rack", "CLUSTER"], {"r2": 1}, 2, False),
    (["rack", "MAX_PER", "0"], {}, 1, False),
    (["rack", "MAX_PER", "2"], {"r1": 1, "r2": 2}, 4, True),
    (["none", "UNIQUE"], {}, 1, False),
    (["none", "CLUSTER"], {}, 1, False),
    (["none", "GROUP_BY"], {}, 1, False),
    (["none", "MAX_PER", "1"], {}, 1, False),
    (["none", "IS", "x"], {}, 1, False),
    (["rack", "GROUP_BY", "3"], {}, 7, True),
    (["rack", "GROUP_BY", "3"], {"r1": 1, "r2": 2, "r3": 2}, 7, True),
    (["rack", "GROUP_BY", "3"], {"r1": 2, "r2": 2, "r3": 2}, 7, True),
    (["rack", "GROUP_BY", "3"], {"r1": 2, "r2": 3, "r3": 1}, 7, False),
    (["rack", "GROUP_BY", "3"], {"r2": 1, "r3": 1, "r4": 1}, 7, False),
    (["rack", "GROUP_BY", "5"], {"r1": 1}, 3, False),
    (["rack", "GROUP_BY", "5"], {"r2": 1}, 3, True),
    (["rack", "GROUP_BY"], {"r1": 1, "r2": 1}, 9, True),
    (["rack", "GROUP_BY"], {"r1": 2, "r2": 1}, 9, False),
    (["rack", "GROUP_BY"], {"r2": 5}, 9, True),
]


@pytest.mark.parametrize(("constraint", "counts", "wanted", "allowed"), FIELDS, ids=[str(row[:3]) for row in FIELDS])
def test_fields_and_operators(constraint: list[str], counts: dict[str, int], wanted: int, allowed: bool) -> None:
    spread = Spread({constraint[0]})
    spread._counts[constraint[0]].update(counts)
    assert constraints.constraint_fault(constraint) is None
    assert constraints.allows(constraint, AGENT, spread, wanted) is allowed


@pytest.mark.parametrize(
    "constraint",
    [
        ["a"],
        ["a", "NEAR"],
        ["a", "UNIQUE", "x"],
        ["a", "LIKE"],
        ["a", "LIKE", "("],
        ["a", "MAX_PER", "x"],
        ["", "UNIQUE"],
    ],
    ids=str,
)
def test_bad_constraints(constraint: list[str]) -> None:
    assert constraints.constraint_fault(constraint)


def test_attributes_read_as_text() -> None:
    scalar = v1.Attribute(name="n", type=v1.ValueType.SCALAR, scalar=v1.ValueScalar(value=4.50))
    ranges = v1.Attribute(
        name="n", type=v1.ValueType.RANGES, ranges=v1.ValueRanges(range=(v1.ValueRange(begin=1, end=2),))
    )
    assert constraints.attribute_text(scalar) == "4.5"
    assert constraints.attribute_text(ranges) == "[1-2]"
    assert constraints.allows(["n", "IS", "4.500"], AgentRef(host="h", agent_id="S", attributes=(scalar,)), NOWHERE, 1)


REASONS: list[tuple[str, dict[str, Any], str, str, Policy, Reason]] = [
    ("role", {"role": "web"}, OFFER, "*", Policy(), Reason.ROLE),
    ("constraint", {"constraints": [["hostname", "LIKE", "x"]]}, OFFER, "*", Policy(), Reason.CONSTRAINT),
    ("only reserved", {}, "cpus(web):2;mem(web):1024", "*", Policy(), Reason.ROLE),
    (
        "unreserved by default",
        {"role": "web"},
        "cpus(web):2;mem(web):1024",
        "web",
        Policy(default_accepted_roles="unreserved"),
        Reason.ROLE,
    ),
    ("cpus", {"cpus": 3}, OFFER, "*", Policy(), Reason.CPUS),
    ("mem", {"mem": 2000}, OFFER, "*", Policy(), Reason.MEM),
    ("disk", {"disk": 2000}, OFFER, "*", Policy(), Reason.DISK),
    ("gpus", {"gpus": 1}, OFFER, "*", Policy(), Reason.GPUS),
    (
        "fixed port",
        {"portDefinitions": [{"port": 80}], "requirePorts": True},
        OFFER,
        "*",
        Policy(),
        Reason.PORTS,
    ),
    ("too many ports", {"ports": [0] * 11}, OFFER, "*", Policy(), Reason.PORTS),
    ("an agent with gpus", {}, OFFER + ";gpus:1", "*", Policy(), Reason.SCARCE),
]


@pytest.mark.parametrize(
    ("fields", "offer", "role", "policy", "reason"), [r[1:] for r in REASONS], ids=[r[0] for r in REASONS]
)
def test_reasons_against_an_offer(
    fields: dict[str, Any], offer: str, role: str, policy: Policy, reason: Reason
) -> None:
    place = place_of(offer, role=role)
    place = Place(place.agent, place.role, place.free, False, place.free.scalar("gpus") > 0)
    assert match(demand_of(app_of(**fields), policy), place, NOWHERE, policy, 0) == (reason,)


def test_reserved_resources_are_taken_first_and_ports_differ() -> None:
    app = app_of(role="slave_public", acceptedResourceRoles=["slave_public", "*"], cpus=1.5, ports=[0, 0, 0])
    place = place_of(
        "cpus(slave_public):1;cpus:1;mem:1024;ports:[1-1];ports(slave_public):[80-81]", role="slave_public"
    )
    found = match(demand_of(app, Policy()), place, NOWHERE, Policy(), 7)
    assert isinstance(found, Match)
    assert found.resources.reserved()["slave_public"].scalar("cpus") == 1000
    assert found.resources.unreserved().scalar("cpus") == 500
    assert sorted(found.host_ports) == [1, 80, 81]
    assert place.free.contains(found.resources)


def task_of(app: App, resources: str = OFFER) -> v1.TaskInfo:
    place = place_of(resources)
    found = match(demand_of(app, Policy()), place, NOWHERE, Policy(), 3)
    assert isinstance(found, Match), found
    return build.task_info(app, place, found, "shop_web.x", TaskSettings(user="root"), enforce_role=False, pick=3)


def made(app: App, resources: str = OFFER) -> tuple[v1.TaskInfo, dict[str, str]]:
    """The task and its variables."""
    info = task_of(app, resources)
    assert info.command is not None
    assert info.command.environment is not None
    return info, {one.name: one.value or "" for one in info.command.environment.variables}


def test_a_command_task_and_its_environment() -> None:
    app = app_of(
        env={"PORT1": "mine", "A": "b"},
        labels={"my-label": "v", "VIP": "x"},
        portDefinitions=[{"port": 0, "name": "http", "labels": {"VIP_0": "/web:80"}}, {"port": 8080}],
        taskKillGracePeriodSeconds=5,
        uris=["http://x/a.tgz", "http://x/b"],
    )
    info, env = made(app)
    assert info.name == "web.shop"
    assert info.command is not None
    assert (info.command.value, info.command.shell, info.command.user) == ("run", True, "root")
    assert [one.extract for one in info.command.uris] == [True, False]
    assert info.container is None
    assert info.kill_policy == v1.KillPolicy(grace_period=v1.DurationInfo(nanoseconds=5_000_000_000))
    assert info.discovery is not None
    assert info.discovery.ports is not None
    first, second = info.discovery.ports.ports
    assert env["PORT0"] == env["PORT"] == env["PORT_HTTP"] == str(first.number)
    assert env["PORT1"] == "mine"
    assert env["PORT_8080"] == str(second.number)
    assert env["PORTS"] == f"{first.number},{second.number}"
    assert env["HOST"] == "h1"
    assert env["MESOS_TASK_ID"] == "shop_web.x"
    assert env["MARATHON_APP_ID"] == "/shop/web"
    assert env["MARATHON_APP_RESOURCE_CPUS"] == "0.5"
    assert env["MARATHON_APP_RESOURCE_MEM"] == "64.0"
    assert env["MARATHON_APP_LABELS"] == "MY_LABEL VIP"
    assert env["MARATHON_APP_LABEL_MY_LABEL"] == "v"
    assert first.labels is not None
    assert {one.key: one.value for one in first.labels.labels} == {"VIP_0": "/web:80", "network-scope": "host"}
    assert info.discovery.name == "web.shop"
    assert all(one.allocation_info and one.allocation_info.role == "*" for one in info.resources)


def test_a_docker_container_on_the_bridge() -> None:
    app = app_of(
        container={
            "type": "DOCKER",
            "docker": {
                "image": "nginx",
                "network": "BRIDGE",
                "portMappings": [{"containerPort": 80, "protocol": "udp,tcp", "name": "web"}],
            },
            "volumes": [{"containerPath": "/data", "hostPath": "/srv", "mode": "RO"}],
        }
    )
    assert app.networks[0].mode == "container/bridge"
    assert app.port_mappings[0].host_port == 0
    info, env = made(app)
    assert info.container is not None
    docker = info.container.docker
    assert docker is not None
    assert docker.network == "BRIDGE"
    assert [(one.container_port, one.protocol) for one in docker.port_mappings] == [(80, "udp"), (80, "tcp")]
    assert info.container.volumes[0].host_path == "/srv"
    assert env["PORT_80"] == env["PORT0"] == str(docker.port_mappings[0].host_port)
    assert env["MARATHON_APP_DOCKER_IMAGE"] == "nginx"
    assert info.discovery is not None
    assert info.discovery.ports is not None
    assert [one.protocol for one in info.discovery.ports.ports] == ["udp", "tcp"]


def test_a_mesos_container_on_a_container_network() -> None:
    app = app_of(
        container={"type": "MESOS", "docker": {"image": "nginx"}, "portMappings": [{"containerPort": 80}]},
        networks=[{"mode": "container", "name": "dcos"}],
        healthChecks=[{"protocol": "MESOS_HTTP", "path": "/ok"}],
    )
    info, env = made(app)
    assert info.container is not None
    assert info.container.mesos is not None
    assert info.container.mesos.image is not None
    assert info.container.network_infos[0].name == "dcos"
    assert env["PORT0"] == "80"
    assert info.health_check is not None
    assert info.health_check.http is not None
    assert (info.health_check.http.port, info.health_check.http.path) == (80, "/ok")
    assert info.discovery is not None
    assert info.discovery.ports is not None
    [port] = info.discovery.ports.ports
    assert port.labels is not None
    assert {one.key: one.value for one in port.labels.labels} == {"network-scope": "container", "network-name": "dcos"}
    assert not any(one.name == "ports" for one in info.resources)


def test_arguments_instead_of_a_shell_command() -> None:
    body = {"id": "/a", "args": ["sleep", "5"]}
    app = normalize.canonical(wire.read(body, App), normalize.Defaults())
    info, _ = made(app)
    assert info.command is not None
    assert (info.command.shell, info.command.value, info.command.arguments) == (False, "sleep", ("sleep", "5"))


@pytest.mark.parametrize(
    ("duration_s", "now", "away"),
    [(None, 99.0, False), (None, 100.0, True), (None, 1e9, True), (60.0, 159.0, True), (60.0, 160.0, False)],
)
def test_an_agent_is_away_for_its_window_only(duration_s: float | None, now: float, away: bool) -> None:
    """Also a schedule that nobody takes back ends (Marathon's Availability)."""
    window = v1.Unavailability(
        start=v1.TimeInfo(nanoseconds=100 * 10**9),
        duration=None if duration_s is None else v1.DurationInfo(nanoseconds=int(duration_s * 1e9)),
    )
    offer = v1.Offer(
        id=v1.OfferID(value="o"),
        framework_id=v1.FrameworkID(value="f"),
        agent_id=v1.AgentID(value="a"),
        hostname="h",
        unavailability=window,
    )
    assert match_module.place_of(offer, now=now, default_role="*").in_maintenance is away
