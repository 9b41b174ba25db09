"""Names of nested containers, and calls about them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dcos.agent.core.nested import call_problem, chain, id_problem, io_problem, is_below, of_text, text
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import (
    CommandInfo,
    ContainerID,
    ContainerInfo,
    ContainerInfoType,
    Environment,
    EnvironmentVariable,
    LinuxInfo,
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceReservationInfo,
    ResourceReservationInfoType,
    ResourceRevocableInfo,
    TTYInfo,
    ValueScalar,
    ValueType,
    Volume,
    VolumeMode,
)


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


FIRST = of_text("root.first")
SECOND = of_text("root.first.second")
OWN = ContainerInfo(type=ContainerInfoType.MESOS, linux_info=LinuxInfo(share_cgroups=False))
UNSET = ContainerInfo(type=ContainerInfoType.MESOS, volumes=(Volume(mode=VolumeMode.RO, container_path="a"),))
NO_VALUE = CommandInfo(environment=Environment(variables=(EnvironmentVariable(name="X"),)))
CPUS = Resource(name="cpus", type=ValueType.SCALAR, scalar=ValueScalar(value=1.0))
RESERVED = msgspec.structs.replace(
    CPUS, reservations=(ResourceReservationInfo(type=ResourceReservationInfoType.STATIC, role="r"),)
)
KEPT = ResourceDiskInfo(persistence=ResourceDiskInfoPersistence(id="p"), volume=UNSET.volumes[0])
Launch, Nested, Session = v1.CallLaunchContainer, v1.CallLaunchNestedContainer, v1.CallLaunchNestedContainerSession
KINDS = {
    Launch: v1.CallType.LAUNCH_CONTAINER,
    Nested: v1.CallType.LAUNCH_NESTED_CONTAINER,
    Session: v1.CallType.LAUNCH_NESTED_CONTAINER_SESSION,
}
INVALID = "is invalid: containers nested at the second level or greater cannot"
UNSET_SAID = "Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'"
VALUE_SAID = "Environment variable 'X' of type 'VALUE' must have a value set"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (Launch(container_id=FIRST, container=OWN, resources=(RESERVED,)), None),
        (Nested(container_id=FIRST, container=OWN), None),
        (Launch(container_id=SECOND, resources=(CPUS,)), f"'launch_container' {INVALID} specify resources"),
        (
            Launch(container_id=SECOND, limits={"cpus": ValueScalar(value=1.0)}),
            f"'launch_container' {INVALID} specify resource limits",
        ),
        (Launch(container_id=SECOND, container=OWN), f"'launch_container' {INVALID} set 'share_cgroups' to 'false'"),
        (
            Nested(container_id=SECOND, container=OWN),
            f"'launch_nested_container' {INVALID} set 'share_cgroups' to 'false'",
        ),
        (
            Session(container_id=FIRST, container=OWN),
            "'launch_nested_container_session.container.linux_info' is invalid: 'share_cgroups' cannot be set to 'false'"
            " for nested container sessions",
        ),
        (
            Session(container_id=FIRST, container=UNSET),
            f"'launch_nested_container_session.container' is invalid: {UNSET_SAID}",
        ),
        (Nested(container_id=FIRST, command=NO_VALUE), f"'launch_nested_container.command' is invalid: {VALUE_SAID}"),
        (
            Launch(container_id=of_text("root"), resources=(RESERVED,)),
            "'launch_container.resources' must be unreserved",
        ),
        (
            Launch(container_id=of_text("root"), resources=(msgspec.structs.replace(CPUS, name="disk", disk=KEPT),)),
            "'launch_container.resources' may not use persistent volumes",
        ),
        (
            Launch(
                container_id=of_text("root"),
                resources=(msgspec.structs.replace(CPUS, revocable=ResourceRevocableInfo()),),
            ),
            "'launch_container.resources' must be non-revocable",
        ),
        (
            Launch(
                container_id=FIRST,
                resources=(msgspec.structs.replace(CPUS, name="gpus", scalar=ValueScalar(value=0.5)),),
            ),
            "Invalid GPU resources: The 'gpus' resource must be an unsigned integer",
        ),
        (
            Launch(container_id=FIRST, resources=(msgspec.structs.replace(CPUS, scalar=ValueScalar(value=-1.0)),)),
            "Invalid resources: Resource 'cpus' is invalid: Invalid scalar resource: value <= 0",
        ),
    ],
)
def test_launches(body: Any, words: str | None) -> None:
    kind = KINDS[type(body)]
    assert call_problem(v1.Call(type=kind, **{kind.lower(): body})) == words


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
