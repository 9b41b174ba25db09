"""A zone that followed many changes equals one built whole from the last state; its kept answers are those of a new one."""

from __future__ import annotations

import dnslib
from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.client.cluster import Cluster
from dcos.dns.core.zone import Naming, ZoneMaker
from dcos.model import names
from dcos.model.cluster import (
    ClusterAgent,
    ClusterFramework,
    ClusterState,
    DiscoveryPort,
    Leader,
    RunningTask,
    frozen_map,
)
from dcos.model.v1.types import TaskState
from dcos.model.zone import Zone
from dcos.wire import dns
from dcos.wire.mesos_state import Everything, FrameworkGone, TaskChanged, TaskSeen

AGENTS = tuple(ClusterAgent(id=f"x-S{n}", hostname="", ip=f"10.0.1.{n}", port=5051) for n in range(3))
FRAMEWORKS = tuple(ClusterFramework(id=key, name=name) for key, name in (("F", "marathon"), ("G", "other")))
NAMING = Naming(ip_sources=("netinfo", "host"))
MASTERS = (("10.0.0.1", 5050), ("10.0.0.2", 5050))

agents = st.builds(
    ClusterAgent,
    id=st.sampled_from(["x-S0", "x-S1", "x-S2"]),
    hostname=st.just(""),
    ip=st.sampled_from(["10.0.1.1", "10.0.1.2", "some.host", "unknown.host"]),
    port=st.sampled_from([5051, 5052]),
    reachable=st.booleans(),
)
frameworks = st.builds(
    ClusterFramework,
    id=st.sampled_from(["F", "G"]),
    name=st.sampled_from(["marathon", "other.one", ""]),
    hostname=st.sampled_from(["10.0.0.3", "some.host", ""]),
    port=st.sampled_from([None, 15101]),
)
ports = st.builds(
    DiscoveryPort,
    number=st.sampled_from([80, 53]),
    name=st.sampled_from(["", "http"]),
    protocol=st.sampled_from(["", "tcp", "udp"]),
)
tasks = st.builds(
    RunningTask,
    id=st.sampled_from(["a.1", "a.2", "b.1"]),
    framework_id=st.sampled_from(["F", "G"]),
    agent_id=st.sampled_from(["x-S0", "x-S1", "x-S2"]),
    name=st.sampled_from(["a", "b_c", "x" * 200, "-"]),
    state=st.sampled_from([TaskState.TASK_RUNNING, TaskState.TASK_RUNNING, TaskState.TASK_KILLING]),
    healthy=st.sampled_from([None, True, False]),
    host_ports=st.sampled_from([(), (31000,), (31000, 31001)]),
    discovery_name=st.sampled_from(["", "a", "b_c"]),
    discovery_ports=st.lists(ports, max_size=2).map(tuple),
    container_ips=st.sampled_from([(), ("9.0.0.1",), ("9.0.0.2", "fd01::2")]),
    labels=st.sampled_from([(), ((names.INDEX_LABEL, "0"),)]),
)
states = st.builds(
    lambda leader, agents, frameworks, tasks: ClusterState(
        revision=1,
        leader=leader,
        agents=frozen_map({one.id: one for one in agents}),
        frameworks=frozen_map({one.id: one for one in frameworks}),
        tasks=frozen_map({(one.framework_id, one.id): one for one in tasks}),
    ),
    st.sampled_from([None, Leader(ip="10.0.0.1", port=5050), Leader(ip="10.0.0.9", port=5050)]),
    st.lists(agents, max_size=3),
    st.lists(frameworks, max_size=2),
    st.lists(tasks, max_size=6),
)
hosts = st.sampled_from([{}, {"some.host": "10.9.9.9"}, {"some.host": "10.9.9.8"}])


def content(zone: Zone) -> dict[str, object]:
    """Everything that an answer can depend on; the order of records is nobody's business."""
    return {
        **{
            kind: {name: sorted(found) for name, found in table.items()}
            for kind, table in (("a", zone.a), ("aaaa", zone.aaaa))
        },
        "srv": {name: sorted(found) for name, found in zone.srv.items()},
        "inner": set(zone._children),
        "soa": zone.soa,
    }


def everything(data: bytes | None) -> object:
    """An answer without the order of its records."""
    assert data is not None
    record = dnslib.DNSRecord.parse(data)
    sections = [sorted(map(str, section)) for section in (record.rr, record.auth, record.ar)]
    return record.header.rcode, record.header.tc, sections


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(states, hosts), min_size=1, max_size=6))
def test_followed_equals_built_whole(history: list[tuple[ClusterState, dict[str, str]]]) -> None:
    maker = ZoneMaker(NAMING)
    kept = dns.ReadyAnswers(lambda name: (maker.zone, name) if names.is_ancestor("mesos", name) else None)
    asked: set[tuple[str, int]] = set()
    for serial, (state, known) in enumerate(history):
        followed = maker.make(state, serial=serial, masters=MASTERS, listeners=("10.0.0.1",), hosts=known)
        kept.forget(followed.touched())
        new = ZoneMaker(NAMING)
        whole = new.make(state, serial=serial, masters=MASTERS, listeners=("10.0.0.1",), hosts=known)
        assert content(followed) == content(whole)
        assert maker.tasks == new.tasks
        fresh = dns.ReadyAnswers(lambda name, zone=whole: (zone, name))  # type: ignore[misc]
        asked |= {
            (name, qtype)
            for table, qtype in ((whole.a, dns.A), (whole.aaaa, dns.AAAA), (whole.srv, dns.SRV))
            for name in table
        }
        for name, qtype in (*asked, ("mesos", dns.SOA), ("marathon.mesos", dns.ANY)):
            question = dns.make_query(7, name, qtype, udp_size=4096)
            assert everything(kept.answer(question)) == everything(fresh.answer(question))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(tasks, st.sampled_from([TaskState.TASK_RUNNING, TaskState.TASK_FINISHED])), max_size=30))
def test_events_one_by_one(events: list[tuple[RunningTask, TaskState]]) -> None:
    """States tell of every task that changed."""
    cluster = Cluster()
    cluster.apply(Everything(agents=AGENTS, frameworks=FRAMEWORKS, tasks=()), Leader(ip="10.0.0.1", port=5050))
    maker = ZoneMaker(NAMING)
    for serial, (task, state) in enumerate(events):
        cluster.apply(TaskSeen(task))
        cluster.apply(
            TaskChanged(
                framework_id=task.framework_id,
                task_id=task.id,
                state=state,
                healthy=task.healthy,
                container_ips=(),
                mapped_ports=(),
                at=1.0,
            )
        )
        if serial % 7 == 3:
            cluster.apply(FrameworkGone("G"))
        if serial % 3:
            continue  # several changes are taken as one
        followed = maker.make(cluster.state, serial=serial)
        assert content(followed) == content(ZoneMaker(NAMING).make(cluster.state, serial=serial))


@settings(max_examples=100, deadline=None)
@given(states)
def test_nothing_is_left_when_all_is_gone(state: ClusterState) -> None:
    maker = ZoneMaker(NAMING)
    maker.make(state, serial=1)
    zone = maker.make(ClusterState(revision=2), serial=2)
    assert content(zone) == content(ZoneMaker(NAMING).make(ClusterState(revision=2), serial=2))
    assert not zone._given
