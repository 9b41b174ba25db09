"""How much of what is over a master remembers, and what it keeps of a task's statuses."""

from __future__ import annotations

from dcos.master.core.events import Teardown
from dcos.master.core.state import Rules
from dcos.model.v1.types import AgentID, FrameworkID, TaskID, TaskState, TaskStatus
from dcos.wire import agent_link
from tests.unit.master.stage import Stage, framework_info


def test_the_last_ones_are_remembered() -> None:
    stage = Stage(Rules(max_completed_tasks=2, max_completed_frameworks=2, max_unreachable_tasks=2))
    agent, _ = stage.agent()
    frameworks = [stage.subscribe(framework_info(failover_timeout=100.0))[0]]
    for number in range(3):
        stage.run_task(frameworks[0], f"t{number}")
        stage.update(frameworks[0], f"t{number}", TaskState.TASK_FINISHED)
        stage.wait(6)
    assert [one.id for one in stage.state.frameworks[frameworks[0]].completed] == ["t1", "t2"]
    for number in range(3):
        stage.run_task(frameworks[0], f"u{number}")
        stage.wait(6)
    stage.wait(100)
    assert agent not in stage.state.agents
    assert list(stage.state.frameworks[frameworks[0]].unreachable) == ["u1", "u2"]
    frameworks += [stage.subscribe()[0] for _ in range(2)]
    for one in frameworks:
        stage.do(Teardown(stage.now, 1, one))
    assert list(stage.state.completed) == frameworks[1:]
    assert stage.subscribe(framework_info(framework_id=frameworks[1]))[0] == ""
    assert stage.subscribe(framework_info(framework_id=frameworks[0]))[0] == frameworks[0], "forgotten"


def test_of_each_state_in_a_row_the_last_status_is_kept_without_its_data() -> None:
    stage = Stage()
    agent, link = stage.agent()
    framework, stream = stage.subscribe()
    stage.run_task(framework)
    for number, (state, healthy) in enumerate((("RUNNING", True), ("RUNNING", False), ("KILLING", None))):
        status = TaskStatus(
            task_id=TaskID(value="t"),
            state=TaskState(f"TASK_{state}"),
            agent_id=AgentID(value=agent),
            healthy=healthy,
            data=b"much",
            uuid=bytes([number] * 16),
        )
        stage.say(
            link,
            agent_link.StatusUpdate(
                framework_id=FrameworkID(value=framework), status=status, latest_state=status.state
            ),
        )
    kept = stage.state.frameworks[framework].tasks["t"].message.statuses
    assert [(one.state.removeprefix("TASK_"), one.healthy, one.data) for one in kept] == [
        ("RUNNING", False, None),
        ("KILLING", None, None),
    ]
    assert stage.statuses(stream)[-1].data == b"much"
