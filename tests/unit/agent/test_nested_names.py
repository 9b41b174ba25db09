"""Names of nested containers, and calls about them."""

from __future__ import annotations

import pytest

from dcos.agent.core.nested import call_problem, chain, id_problem, io_problem, is_below, of_text, text
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import ContainerID, TTYInfo


def test_names_and_texts() -> None:
    name = ContainerID(value="c", parent=ContainerID(value="b", parent=ContainerID(value="a")))
    assert text(name) == "a.b.c"
    assert of_text("a.b.c") == name
    assert chain(name) == ("a", "b", "c")
    assert is_below("a.b.c", "a.b")
    assert is_below("a.b.c", "a")
    assert not is_below("a.bc", "a.b")
    assert not is_below("a", "a")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("fine-1_2", None),
        ("x" * 242, None),
        ("", "ID must not be empty"),
        ("x" * 243, "exceeds 242 characters"),
        ("x" * 256, "ID must not be greater than 255 characters"),
        ("a.b", "contains invalid characters"),
        ("a b", "contains invalid characters"),
        ("a/b", "contains invalid characters"),
        ("a\n", "contains invalid characters"),
        ("..", "contains invalid characters"),
    ],
)
def test_which_ids_are_allowed(value: str, words: str | None) -> None:
    for container_id in (ContainerID(value=value), ContainerID(value="x", parent=ContainerID(value=value))):
        problem = id_problem(container_id)
        assert problem is None if words is None else problem is not None and words in problem


def test_calls_of_other_kinds_are_not_looked_at() -> None:
    assert call_problem(v1.Call(type=v1.CallType.GET_HEALTH)) is None
    assert call_problem(v1.Call(type=v1.CallType.GET_CONTAINERS)) is None
    assert call_problem(v1.Call()) == "Expecting 'type' to be present"


DATA, CONTROL = v1.ProcessIOType.DATA, v1.ProcessIOType.CONTROL
STDIN, STDOUT = v1.ProcessIODataType.STDIN, v1.ProcessIODataType.STDOUT
RESIZE, BEAT = v1.ProcessIOControlType.TTY_INFO, v1.ProcessIOControlType.HEARTBEAT


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (None, "Expecting 'attach_container_input.process_io' to be present"),
        (v1.ProcessIO(), "Expecting 'process_io.type' to be present"),
        (v1.ProcessIO(type=v1.ProcessIOType.UNKNOWN), "'process_io.type' is unknown"),
        (v1.ProcessIO(type=DATA), "Expecting 'process_io.data' to be present"),
        (v1.ProcessIO(type=DATA, data=v1.ProcessIOData()), "Expecting 'process_io.data.type' to be present"),
        (v1.ProcessIO(type=DATA, data=v1.ProcessIOData(type=STDOUT)), "Expecting 'process_io.data.type' to be 'STDIN'"),
        (v1.ProcessIO(type=DATA, data=v1.ProcessIOData(type=STDIN)), "Expecting 'process_io.data.data' to be present"),
        (v1.ProcessIO(type=DATA, data=v1.ProcessIOData(type=STDIN, data=b"")), None),
        (v1.ProcessIO(type=CONTROL), "Expecting 'process_io.control' to be present"),
        (
            v1.ProcessIO(type=CONTROL, control=v1.ProcessIOControl()),
            "Expecting 'process_io.control.type' to be present",
        ),
        (
            v1.ProcessIO(type=CONTROL, control=v1.ProcessIOControl(type=RESIZE)),
            "Expecting 'process_io.control.tty_info' to be present",
        ),
        (
            v1.ProcessIO(type=CONTROL, control=v1.ProcessIOControl(type=RESIZE, tty_info=TTYInfo())),
            "Expecting 'tty_info.window_size' to be present",
        ),
        (
            v1.ProcessIO(type=CONTROL, control=v1.ProcessIOControl(type=BEAT)),
            "Expecting 'process_io.control.heartbeat' to be present",
        ),
    ],
)
def test_records_of_input(message: v1.ProcessIO | None, words: str | None) -> None:
    kind = v1.CallAttachContainerInputType.PROCESS_IO
    assert io_problem(v1.CallAttachContainerInput(type=kind, process_io=message)) == words


def test_only_process_io_may_follow() -> None:
    kind = v1.CallAttachContainerInputType.CONTAINER_ID
    problem = io_problem(v1.CallAttachContainerInput(type=kind, container_id=ContainerID(value="x")))
    assert problem == "Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of: 'CONTAINER_ID'"
