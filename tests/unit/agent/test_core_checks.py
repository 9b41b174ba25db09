"""Checks that only inform, and what statuses carry of them; how much of the past is remembered."""

from __future__ import annotations

import pytest

from dcos.agent.core.agent import AgentCore
from dcos.agent.core.events import (
    Checked,
    ContainerExited,
    ContainerStarted,
    Effect,
    KillAsked,
    Probed,
    Send,
    TaskAssigned,
    UpdateAcknowledged,
)
from dcos.agent.core.exits import Exit
from dcos.agent.core.memory import Rules
from dcos.model.v1.types import (
    CheckInfo,
    CheckInfoCommand,
    CheckInfoHttp,
    CheckInfoTcp,
    CheckInfoType,
    CheckStatusInfo,
    CheckStatusInfoCommand,
    CheckStatusInfoHttp,
    CheckStatusInfoTcp,
    CommandInfo,
    HealthCheck,
    HealthCheckType,
    TaskStatus,
)
from dcos.wire.agent_link import StatusUpdate
from tests.unit.agent.core_stage import framework, new_core, task

COMMAND, HTTP, TCP = CheckInfoType.COMMAND, CheckInfoType.HTTP, CheckInfoType.TCP
KINDS = {
    COMMAND: (
        CheckInfo(type=COMMAND, command=CheckInfoCommand(command=CommandInfo(value="x"))),
        CheckStatusInfo(type=COMMAND, command=CheckStatusInfoCommand()),
        CheckStatusInfo(type=COMMAND, command=CheckStatusInfoCommand(exit_code=3)),
    ),
    HTTP: (
        CheckInfo(type=HTTP, http=CheckInfoHttp(port=1)),
        CheckStatusInfo(type=HTTP, http=CheckStatusInfoHttp()),
        CheckStatusInfo(type=HTTP, http=CheckStatusInfoHttp(status_code=404)),
    ),
    TCP: (
        CheckInfo(type=TCP, tcp=CheckInfoTcp(port=1)),
        CheckStatusInfo(type=TCP, tcp=CheckStatusInfoTcp()),
        CheckStatusInfo(type=TCP, tcp=CheckStatusInfoTcp(succeeded=False)),
    ),
}


def sent(core: AgentCore, effects: list[Effect], framework_id: str = "F") -> list[TaskStatus]:
    """Every update, acknowledged at once."""
    out: list[TaskStatus] = []
    waiting = list(effects)
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, Send) and isinstance(one.message, StatusUpdate):
            status = one.message.status
            out.append(status)
            assert status.uuid is not None
            waiting += core.step(UpdateAcknowledged(framework_id, status.task_id.value, status.uuid, 0.0))
    return out


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_status_carries_the_last_result(kind: CheckInfoType) -> None:
    """Empty until there is one; an update only where it changes."""
    check, empty, found = KINDS[kind]
    core = new_core()
    told = sent(core, core.step(TaskAssigned(framework(), task("t", check=check), "c", 0.0)))
    told += sent(core, core.step(ContainerStarted("c", 7, 1.0)))
    assert [(one.state, one.check_status) for one in told] == [("TASK_STARTING", empty), ("TASK_RUNNING", empty)]
    assert sent(core, core.step(Checked("c", empty, 1.5))) == []
    (told_one,) = sent(core, core.step(Checked("c", found, 2.0)))
    assert (told_one.state, told_one.reason) == ("TASK_RUNNING", "REASON_TASK_CHECK_STATUS_UPDATED")
    assert told_one.check_status == found
    assert sent(core, core.step(Checked("c", found, 3.0))) == []
    # a timeout is an empty result again
    (again,) = sent(core, core.step(Checked("c", empty, 4.0)))
    assert again.check_status == empty
    (last,) = sent(core, core.step(ContainerExited("c", Exit(code=0), 5.0)))
    assert (last.state, last.check_status) == ("TASK_FINISHED", empty)


def test_health_and_check_are_told_together_and_nothing_while_killing() -> None:
    check, _, found = KINDS[COMMAND]
    health = HealthCheck(type=HealthCheckType.COMMAND, command=CommandInfo(value="x"))
    core = new_core()
    sent(core, core.step(TaskAssigned(framework(), task("t", check=check, health_check=health), "c", 0.0)))
    sent(core, core.step(ContainerStarted("c", 7, 1.0)))
    sent(core, core.step(Checked("c", found, 2.0)))
    (healthy,) = sent(core, core.step(Probed("c", None, 3.0)))
    assert (healthy.healthy, healthy.check_status) == (True, found)
    (other,) = sent(core, core.step(Checked("c", KINDS[COMMAND][1], 4.0)))
    assert (other.healthy, other.check_status) == (True, KINDS[COMMAND][1])
    core.step(KillAsked("F", "t", 5.0))
    assert sent(core, core.step(Checked("c", found, 6.0))) == []
    assert sent(core, core.step(Probed("c", "sick", 7.0))) == []


def test_how_much_of_the_past_is_kept() -> None:
    """50 frameworks, 150 executors of each or as many as asked for."""
    core = new_core(max_completed_executors=3)
    for number in range(52):
        name = f"F{number}"
        sent(core, core.step(TaskAssigned(framework(name=name), task("t"), f"c{number}", 0.0)), name)
        sent(core, core.step(ContainerExited(f"c{number}", Exit(code=0), 1.0)), name)
    assert core.frameworks == {}
    assert [one.framework_id for one in core.completed_frameworks] == [f"F{one}" for one in range(2, 52)]
    sent(core, core.step(TaskAssigned(framework(), task("stays"), "stays", 0.0)))
    for number in range(5):
        sent(core, core.step(TaskAssigned(framework(), task(f"t{number}"), f"d{number}", 0.0)))
        sent(core, core.step(ContainerExited(f"d{number}", Exit(code=0), 1.0)))
    kept = core.frameworks["F"].completed_executors
    assert [one.executor_id for one in kept] == ["t2", "t3", "t4"]
    assert Rules(ip="").max_completed_executors == 150
