from __future__ import annotations

import pytest

from dcos.model.v1.master import Response, ResponseGetTasks, ResponseType
from dcos.model.v1.types import AgentID, FrameworkID, Task, TaskID, TaskState
from dcos.wire.mesos_codec import JSON, PROTOBUF, Codec, accepted, by_content_type

TASK = Task(
    name="t",
    task_id=TaskID(value="t"),
    framework_id=FrameworkID(value="f"),
    agent_id=AgentID(value="a"),
    state=TaskState.TASK_RUNNING,
)


@pytest.mark.parametrize(
    ("accept", "codec"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/x-protobuf", PROTOBUF),
        ("application/x-protobuf, application/json", JSON),
        ("application/x-protobuf;q=0.9, text/html", PROTOBUF),
        ("application/json;q=0, application/x-protobuf", PROTOBUF),
        ("application/x-protobuf; q=0.0", None),
        ("application/x-protobuf;q=0.05", PROTOBUF),
        ("text/html", None),
    ],
)
def test_what_accept_means(accept: str | None, codec: Codec | None) -> None:
    assert accepted(accept) is codec


def test_content_types_are_exact() -> None:
    assert by_content_type("application/json") is JSON
    assert by_content_type("application/x-protobuf") is PROTOBUF
    assert by_content_type("application/json; charset=utf-8") is None


def test_a_tree_is_the_same_message_in_both() -> None:
    tree = {"type": "GET_TASKS", "get_tasks": {"tasks": [TASK], "completed_tasks": []}}
    message = Response(type=ResponseType.GET_TASKS, get_tasks=ResponseGetTasks(tasks=(TASK,)))
    assert b'"completed_tasks":[]' in JSON.encode(tree, Response)
    for codec in (JSON, PROTOBUF):
        assert codec.decode(codec.encode(tree, Response), Response) == message
        assert codec.decode(codec.encode(message, Response), Response) == message
