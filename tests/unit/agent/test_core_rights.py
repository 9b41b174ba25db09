"""The agent runs only what its ACLs let a framework run; refusals and ends are counted by reason."""

from __future__ import annotations

import itertools
import json

from dcos.agent.core.agent import AgentCore
from dcos.agent.core.events import Effect, GroupAssigned, Registered, Send, TaskAssigned
from dcos.agent.core.memory import Rules
from dcos.model.v1.types import (
    AgentID,
    CommandInfo,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    FrameworkInfo,
    TaskID,
    TaskInfo,
    TaskStatus,
)
from dcos.wire import acls
from dcos.wire.agent_link import StatusUpdate

FRAMEWORK = FrameworkInfo(user="alice", name="f", id=FrameworkID(value="F"), principal="p")
RULES = {
    "run_tasks": [
        {"principals": {"values": ["p"]}, "users": {"values": ["alice"]}},
        {"principals": {"type": "ANY"}, "users": {"type": "NONE"}},
    ]
}


def task(name: str, user: str | None = None) -> TaskInfo:
    command = CommandInfo(value="x", user=user)
    return TaskInfo(name=name, task_id=TaskID(value=name), agent_id=AgentID(value="S"), command=command)


def made() -> AgentCore:
    numbers = itertools.count(1)
    rules = Rules(ip="1.1.1.1", acls=acls.parse(json.dumps(RULES)))
    core = AgentCore(rules, lambda: next(numbers).to_bytes(16, "big"))
    core.step(Registered("S", 0.0))
    return core


def told(effects: list[Effect]) -> list[TaskStatus]:
    return [one.message.status for one in effects if isinstance(one, Send) and isinstance(one.message, StatusUpdate)]


def test_a_task_of_another_user_is_refused() -> None:
    core = made()
    (status,) = told(core.step(TaskAssigned(FRAMEWORK, task("a", "root"), "c1", 1.0)))
    assert (status.state, status.reason) == ("TASK_ERROR", "REASON_TASK_UNAUTHORIZED")
    assert status.message == "Task 'a' is not authorized to launch as user 'root'"
    assert core.counters["task_error/source_slave/reason_task_unauthorized"] == 1
    assert not core.frameworks
    assert told(core.step(TaskAssigned(FRAMEWORK, task("b"), "c2", 2.0))) == []
    assert core.frameworks


def test_one_of_a_group_refuses_it_whole() -> None:
    core = made()
    executor = ExecutorInfo(executor_id=ExecutorID(value="e"), type=ExecutorInfoType.DEFAULT)
    group = (task("a"), task("b", "root"))
    statuses = told(core.step(GroupAssigned(FRAMEWORK, executor, group, ("c", "c-1", "c-2"), 1.0)))
    assert {(one.task_id.value, str(one.reason)) for one in statuses} == {
        ("a", "REASON_TASK_GROUP_UNAUTHORIZED"),
        ("b", "REASON_TASK_GROUP_UNAUTHORIZED"),
    }
