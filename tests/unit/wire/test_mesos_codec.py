from __future__ import annotations

import msgspec
import pytest

from dcos.model.v1.master import Response, ResponseGetTasks, ResponseType
from dcos.model.v1.types import AgentID, FrameworkID, Task, TaskID, TaskState
from dcos.wire.mesos_codec import JSON, PROTOBUF, Codec, Run, accepted, by_content_type
from dcos.wire.spliced import Spliced

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


def test_parts_that_are_encoded_already_make_the_same_message() -> None:
    other = msgspec.structs.replace(TASK, name="x" * 300)
    message = Response(
        type=ResponseType.GET_TASKS, get_tasks=ResponseGetTasks(tasks=(TASK, other), completed_tasks=(other,) * 300)
    )
    for codec in (JSON, PROTOBUF):
        first, second = codec.fragment(TASK, Task), codec.fragment(other, Task)
        head = codec.encode(ResponseGetTasks(tasks=(TASK,)), ResponseGetTasks)
        members = {"tasks": Run([first, second]), "unreachable_tasks": Run([]), "completed_tasks": Run([second] * 300)}
        tasks = codec.compose(ResponseGetTasks, members)
        made = codec.compose(Response, {"type": ResponseType.GET_TASKS, "get_tasks": tasks})
        assert codec.decode(made.joined(), Response) == message
        assert len(made.joined()) == made.size
        extended = codec.compose(ResponseGetTasks, {"completed_tasks": Run([second])}, head)
        assert codec.decode(extended.joined(), ResponseGetTasks) == ResponseGetTasks(
            tasks=(TASK,), completed_tasks=(other,)
        )
        several = codec.compose(ResponseGetTasks, {"tasks": [Spliced(codec.encode(TASK, Task))] * 2})
        assert codec.decode(several.joined(), ResponseGetTasks) == ResponseGetTasks(tasks=(TASK, TASK))
    assert JSON.compose(ResponseGetTasks, {"tasks": [], "completed_tasks": Run([])}).joined() == (
        b'{"tasks":[],"completed_tasks":[]}'
    )
