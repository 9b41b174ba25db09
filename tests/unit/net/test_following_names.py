"""dcos-net's own names after many changes equal those made whole from the last state."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.model.cluster import ClusterAgent, ClusterFramework, ClusterState, Leader, MappedPort, RunningTask, frozen_map
from dcos.model.v1.types import TaskState
from dcos.net.core.names import Names, Node
from dcos.net.core.vips import Addresses

NODE = Node(ip="10.0.0.7", public_ips=("192.0.2.7",), masters=("10.0.0.1",))
tasks = st.builds(
    RunningTask,
    id=st.sampled_from(["a.1", "a.2", "b.1"]),
    framework_id=st.sampled_from(["F", "G"]),
    agent_id=st.sampled_from(["S0", "S1"]),
    name=st.sampled_from(["a", "b_c", "-"]),
    state=st.sampled_from([TaskState.TASK_RUNNING, TaskState.TASK_STAGING]),
    healthy=st.sampled_from([None, True, False]),
    container_ips=st.sampled_from([(), ("9.0.0.1",), ("9.0.0.2", "fd01::2", "no address")]),
    mapped_ports=st.sampled_from([(), (MappedPort(host_port=1, container_port=2),)]),
)
agents = st.builds(
    ClusterAgent,
    id=st.sampled_from(["S0", "S1"]),
    hostname=st.just(""),
    ip=st.sampled_from(["10.0.1.1", "10.0.1.2", "a.host"]),
    port=st.just(5051),
)
frameworks = st.builds(
    ClusterFramework, id=st.sampled_from(["F", "G"]), name=st.sampled_from(["marathon", "other.one", ""])
)
states = st.builds(
    lambda leader, agents, frameworks, tasks: ClusterState(
        revision=1,
        leader=leader,
        agents=frozen_map({one.id: one for one in agents}),
        frameworks=frozen_map({one.id: one for one in frameworks}),
        tasks=frozen_map({(one.framework_id, one.id): one for one in tasks}),
    ),
    st.sampled_from([None, Leader(ip="10.0.0.1", port=5050)]),
    st.lists(agents, max_size=3),
    st.lists(frameworks, max_size=2),
    st.lists(tasks, max_size=6),
)
given_addresses = st.builds(
    Addresses,
    st.dictionaries(st.sampled_from(["w.marathon", "v"]), st.sampled_from(["11.0.0.1", "11.0.0.2"])),
    st.dictionaries(st.sampled_from(["w.marathon", "v"]), st.sampled_from(["fd01:c::1"])),
)


def content(names: Names) -> list[object]:
    zone = names.zones[-1]
    tables = (zone.a, zone.aaaa)
    return [{name: sorted(found) for name, found in table.items()} for table in tables] + [set(zone._children)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(states, given_addresses), min_size=1, max_size=6))
def test_followed_equals_made_whole(history: list[tuple[ClusterState, Addresses]]) -> None:
    followed = Names(NODE)
    for state, addresses in history:
        before = {record for zone in followed.zones for record in zone.records()}
        touched = followed.take(state, addresses)
        whole = Names(NODE)
        whole.take(state, addresses)
        assert content(followed) == content(whole)
        after = {record for zone in followed.zones for record in zone.records()}
        assert {record.name for record in before ^ after} <= touched
