"""A limit of infinity in the JSON of old."""

from __future__ import annotations

import msgspec

from dcos.master.core.records import TaskRecord
from dcos.master.v0 import tasks
from dcos.model.resources import EMPTY
from dcos.model.v1.types import AgentID, FrameworkID, Task, TaskID, TaskState, ValueScalar


def test_it_is_a_text() -> None:
    message = Task(
        name="t",
        task_id=TaskID(value="t"),
        framework_id=FrameworkID(value="F"),
        agent_id=AgentID(value="S"),
        state=TaskState.TASK_RUNNING,
        limits={"cpus": ValueScalar(value=float("inf")), "mem": ValueScalar(value=64.0)},
    )
    shown = tasks.task(TaskRecord(message, "F", "S", "*", EMPTY))
    assert msgspec.json.decode(shown)["limits"] == {"cpus": "Infinity", "mem": 64.0}
