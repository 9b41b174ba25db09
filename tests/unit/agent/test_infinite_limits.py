"""A limit of infinity is the text ``Infinity`` in every JSON, never ``null``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from dcos.agent import render
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import AgentID, FrameworkID, Task, TaskID, TaskState, ValueScalar
from dcos.runtime.mesos_http import json_body
from dcos.wire import mesos_json

TASK = Task(
    name="t",
    task_id=TaskID(value="t"),
    framework_id=FrameworkID(value="F"),
    agent_id=AgentID(value="S"),
    state=TaskState.TASK_RUNNING,
    limits={"cpus": ValueScalar(value=float("inf")), "mem": ValueScalar(value=64.0)},
)


def body(answer: Any) -> Any:
    return msgspec.json.decode(json_body(make_mocked_request("GET", "/"), answer).body or b"")


def test_of_the_agent_s_state() -> None:
    assert body(render.task_json(TASK))["limits"] == {"cpus": "Infinity", "mem": 64.0}


def test_of_calls() -> None:
    answer = v1.Response(type=v1.ResponseType.GET_TASKS, get_tasks=v1.ResponseGetTasks(launched_tasks=(TASK,)))
    (shown,) = body(answer)["get_tasks"]["launched_tasks"]
    assert shown["limits"] == {"cpus": {"value": "Infinity"}, "mem": {"value": 64.0}}
    assert mesos_json.decode(msgspec.json.encode(shown), Task).limits == TASK.limits


@pytest.mark.parametrize(("value", "shown"), [(1.5, 1.5), (float("inf"), "Infinity"), (float("-inf"), "-Infinity")])
def test_numbers(value: float, shown: object) -> None:
    number: Callable[[float], object] = mesos_json.number
    assert number(value) == shown
