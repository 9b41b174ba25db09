"""The update stream: one in flight, retries, acknowledgements."""

from __future__ import annotations

import pytest

from dcos.agent.core.updates import UpdateStream
from dcos.model.v1.types import TaskID, TaskState, TaskStatus


def status(state: str, uuid: bytes) -> TaskStatus:
    return TaskStatus(task_id=TaskID(value="t"), state=TaskState(state), uuid=uuid)


def test_resent_at_10_30_70_150_seconds_and_then_every_ten_minutes() -> None:
    stream = UpdateStream()
    stream.push(status("TASK_RUNNING", b"a"), 0.0)
    times = []
    for _ in range(11):
        assert stream.due_at is not None
        times.append(stream.due_at)
        assert stream.take_due(stream.due_at) is not None
    assert times[:5] == [0, 10, 30, 70, 150]
    assert times[-1] - times[-2] == 600


def test_one_at_a_time_in_order() -> None:
    stream = UpdateStream()
    for state, uuid in (("TASK_STARTING", b"a"), ("TASK_RUNNING", b"b"), ("TASK_FINISHED", b"c")):
        stream.push(status(state, uuid), 1.0)
    first = stream.take_due(1.0)
    assert first is not None
    assert first.uuid == b"a"
    assert stream.take_due(2.0) is None
    assert stream.acknowledge(b"b", 2.0) is None
    assert stream.acknowledge(b"a", 2.0) is first
    assert stream.acknowledge(b"a", 2.0) is None
    second = stream.take_due(2.0)
    assert second is not None
    assert second.uuid == b"b"
    stream.acknowledge(b"b", 3.0)
    stream.acknowledge(b"c", 3.0)
    assert stream.closed
    assert stream.due_at is None
    assert stream.head is not None
    assert stream.head.uuid == b"c"


@pytest.mark.parametrize("now", [5.0, 5000.0])
def test_registration_sends_at_once_with_the_short_interval(now: float) -> None:
    stream = UpdateStream()
    stream.push(status("TASK_RUNNING", b"a"), 0.0)
    for _ in range(4):
        stream.take_due(stream.due_at or 0.0)
    stream.resend(now)
    assert stream.take_due(now) is not None
    assert stream.due_at == now + 10
