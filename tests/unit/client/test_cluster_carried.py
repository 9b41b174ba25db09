"""A new leading master knows agents from its registry before their tasks: nothing that runs may vanish meanwhile."""

from __future__ import annotations

import json

import msgspec
import pytest

from dcos.client.cluster import Cluster
from dcos.model.cluster import ClusterAgent, ClusterFramework, Leader, RunningTask
from dcos.model.v1.types import TaskState
from dcos.wire.mesos_state import AgentGone, AgentSeen, Everything, FrameworkGone, Heartbeat, TaskSeen, decode_event

AGENTS = tuple(ClusterAgent(id=f"S{n}", hostname="", ip=f"10.0.0.{n}", port=5051) for n in range(2))
FRAMEWORK = ClusterFramework(id="F", name="marathon")
TASKS = tuple(
    RunningTask(id=f"t{n}", framework_id="F", agent_id=f"S{n % 2}", name="t", state=TaskState.TASK_RUNNING)
    for n in range(4)
)
FIRST, SECOND = Leader(ip="10.0.1.1", port=5050), Leader(ip="10.0.1.2", port=5050)


@pytest.fixture
def cluster() -> Cluster:
    """The second leader has just told that it knows both agents from its registry, and nothing else."""
    made = Cluster()
    made.apply(Everything(agents=AGENTS, frameworks=(FRAMEWORK,), tasks=TASKS), FIRST)
    made.apply(Everything(agents=(), frameworks=(), tasks=(), recovered=frozenset({"S0", "S1", "S9"})), SECOND)
    return made


def known(cluster: Cluster) -> tuple[list[str], list[str]]:
    state = cluster.state
    return sorted(state.agents), sorted(task_id for _, task_id in state.tasks)


def test_everything_stays(cluster: Cluster) -> None:
    assert known(cluster) == (["S0", "S1"], ["t0", "t1", "t2", "t3"])
    assert cluster.state.frameworks == {"F": FRAMEWORK}
    assert cluster.state.leader == SECOND


def test_what_came_back_without_a_task_has_ended_it(cluster: Cluster) -> None:
    cluster.apply(AgentSeen(AGENTS[0]))
    cluster.apply(TaskSeen(TASKS[0]))
    cluster.apply(Heartbeat())
    assert known(cluster) == (["S0", "S1"], ["t0", "t1", "t2", "t3"])
    revision = cluster.revision
    assert cluster.apply(Heartbeat())
    assert cluster.revision == revision + 1
    assert cluster.state.changed is None, "who follows changes has to look"
    assert known(cluster) == (["S0", "S1"], ["t0", "t1", "t3"])


def test_a_task_told_to_have_ended_is_gone_at_once(cluster: Cluster) -> None:
    cluster.apply(TaskSeen(msgspec.structs.replace(TASKS[0], state=TaskState.TASK_FINISHED)))
    assert known(cluster) == (["S0", "S1"], ["t1", "t2", "t3"])


def test_an_agent_given_up_takes_its_tasks_along(cluster: Cluster) -> None:
    cluster.apply(AgentGone("S1"))
    assert known(cluster) == (["S0"], ["t0", "t2"])


def test_nobody_is_waited_for_for_ever(cluster: Cluster) -> None:
    cluster.apply(AgentSeen(AGENTS[0]))
    for task in TASKS[::2]:
        cluster.apply(TaskSeen(task))
    for _ in range(47):
        cluster.apply(Heartbeat())
    assert known(cluster) == (["S0", "S1"], ["t0", "t1", "t2", "t3"])
    cluster.apply(Heartbeat())
    assert known(cluster) == (["S0"], ["t0", "t2"])


def test_frameworks_that_end_meanwhile(cluster: Cluster) -> None:
    cluster.apply(FrameworkGone("F"))
    for _ in range(60):
        cluster.apply(Heartbeat())
    assert known(cluster) == ([], [])


def test_a_leader_that_knows_all_is_believed(cluster: Cluster) -> None:
    cluster.apply(Everything(agents=AGENTS[:1], frameworks=(FRAMEWORK,), tasks=TASKS[:1]), FIRST)
    assert known(cluster) == (["S0"], ["t0"])
    cluster.apply(AgentSeen(AGENTS[1]))
    for _ in range(60):
        assert not cluster.apply(Heartbeat())
    assert known(cluster) == (["S0", "S1"], ["t0"])


def test_the_stream_names_recovered_agents() -> None:
    state = {"get_agents": {"agents": [], "recovered_agents": [{"id": {"value": "S1"}, "hostname": "h"}]}}
    event = decode_event(json.dumps({"type": "SUBSCRIBED", "subscribed": {"get_state": state}}).encode())
    assert isinstance(event, Everything)
    assert event.recovered == {"S1"}


def test_an_agent_that_is_unreachable_is_kept_as_long_as_tasks_may_run_on_it() -> None:
    cluster = Cluster()
    cluster.apply(Everything(agents=AGENTS, frameworks=(FRAMEWORK,), tasks=TASKS), FIRST)
    lost = [msgspec.structs.replace(task, state=TaskState.TASK_UNREACHABLE) for task in TASKS if task.agent_id == "S1"]
    for task in lost:
        cluster.apply(TaskSeen(task))
    assert cluster.apply(AgentGone("S1"))
    assert cluster.state.changed is None, "who follows changes has to look"
    assert known(cluster) == (["S0", "S1"], ["t0", "t1", "t2", "t3"])
    assert {agent.id: agent.reachable for agent in cluster.state.agents.values()} == {"S0": True, "S1": False}
    cluster.apply(AgentSeen(AGENTS[1]))
    assert cluster.state.agents["S1"].reachable


def test_an_agent_that_is_gone_is_forgotten_when_its_tasks_have_ended() -> None:
    cluster = Cluster()
    cluster.apply(Everything(agents=AGENTS, frameworks=(FRAMEWORK,), tasks=TASKS), FIRST)
    for task in TASKS[1::2]:
        cluster.apply(TaskSeen(msgspec.structs.replace(task, state=TaskState.TASK_GONE_BY_OPERATOR)))
    assert cluster.apply(AgentGone("S1"))
    assert known(cluster) == (["S0"], ["t0", "t2"])
