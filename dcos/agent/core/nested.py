"""Names of nested containers, and what is wrong with a call that concerns containers.

A nested container is named by its own value and its parents; as text ``root.child.grandchild``.

Source: validation of Mesos's agent calls and of container ids.
"""

from __future__ import annotations

from collections.abc import Iterator

from dcos.model.message_rules import command_problem, container_problem, shares_no_cgroups
from dcos.model.resource_messages import reservations_of
from dcos.model.resource_rules import gpus_problem, named_problem
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import CommandInfo, ContainerID, ContainerInfo

_NAME_MAX = 255
_CONTAINER_MAX = 242
_UNFIT = frozenset("./\\ ")


def chain(container_id: ContainerID) -> tuple[str, ...]:
    """Its values from the root down."""
    values: list[str] = []
    one: ContainerID | None = container_id
    while one is not None:
        values.append(one.value)
        one = one.parent
    return tuple(reversed(values))


def text(container_id: ContainerID) -> str:
    """``root.child``"""
    return ".".join(chain(container_id))


def of_text(name: str) -> ContainerID:
    """The opposite of ``text``."""
    found: ContainerID | None = None
    for value in name.split("."):
        found = ContainerID(value=value, parent=found)
    assert found is not None
    return found


def is_below(name: str, parent: str) -> bool:
    """Whether the container ``name`` is nested in ``parent``, at any depth; both as text."""
    return name.startswith(f"{parent}.")


def id_problem(container_id: ContainerID) -> str | None:
    """Why it cannot name a container."""
    value = container_id.value
    if not value:
        return "ID must not be empty"
    if len(value.encode()) > _NAME_MAX:
        return f"ID must not be greater than {_NAME_MAX} characters"
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value) or _UNFIT & set(value):
        return f"'ContainerID.value' '{value}' contains invalid characters"
    if len(value) > _CONTAINER_MAX:
        return f"'ContainerID.value' '{value}' exceeds {_CONTAINER_MAX} characters"
    if container_id.parent is not None:
        problem = id_problem(container_id.parent)
        if problem is not None:
            return f"'ContainerID.parent' is invalid: {problem}"
    return None


def call_problem(call: v1.Call) -> str | None:
    """What is wrong with a call about containers, in upstream's order; None for others."""
    if call.type is None:
        return "Expecting 'type' to be present"
    member = _MEMBERS.get(call.type)
    if member is None:
        return None
    body = getattr(call, member)
    if body is None:
        return f"Expecting '{member}' to be present"
    if call.type is v1.CallType.ATTACH_CONTAINER_INPUT:
        return _input_problem(body)
    return next(_problems(member, body, nested=call.type in _NESTED), None)


def _problems(member: str, body: object, *, nested: bool) -> Iterator[str]:
    container_id: ContainerID | None = getattr(body, "container_id", None)
    if container_id is not None:
        problem = id_problem(container_id)
        if problem is not None:
            yield f"'{member}.container_id' is invalid: {problem}"
        if nested and container_id.parent is None:
            yield f"Expecting '{member}.container_id.parent' to be present"
    if isinstance(body, v1.CallLaunchContainer):
        yield from _resources_problems(body)
    command: CommandInfo | None = getattr(body, "command", None)
    if command is not None and (problem := command_problem(command)) is not None:
        yield f"'{member}.command' is invalid: {problem}"
    container: ContainerInfo | None = getattr(body, "container", None)
    if container is not None and (problem := container_problem(container)) is not None:
        yield f"'{member}.container' is invalid: {problem}"
    if isinstance(body, v1.CallLaunchContainer | v1.CallLaunchNestedContainer):
        yield from _depth_problems(member, body)
    elif isinstance(body, v1.CallLaunchNestedContainerSession) and shares_no_cgroups(container):
        yield (
            f"'{member}.container.linux_info' is invalid: 'share_cgroups' cannot be set to 'false' for nested container"
            " sessions"
        )


def _resources_problems(body: v1.CallLaunchContainer) -> Iterator[str]:
    """Those of a standalone container are not the master's to give."""
    for one in body.resources:
        if (problem := named_problem(one)) is not None:
            yield f"Invalid resources: {problem}"
    for one in body.resources:
        if (problem := gpus_problem(one)) is not None:
            yield f"Invalid GPU resources: {problem}"
    for one in body.resources if body.container_id.parent is None else ():
        if reservations_of(one):
            yield "'launch_container.resources' must be unreserved"
        if one.disk is not None and one.disk.persistence is not None:
            yield "'launch_container.resources' may not use persistent volumes"
        if one.revocable is not None:
            yield "'launch_container.resources' must be non-revocable"


def _depth_problems(member: str, body: v1.CallLaunchContainer | v1.CallLaunchNestedContainer) -> Iterator[str]:
    """Below the first level everything is the first level's."""
    parent = body.container_id.parent
    if parent is None or parent.parent is None:
        return
    said = f"'{member}' is invalid: containers nested at the second level or greater cannot"
    if isinstance(body, v1.CallLaunchContainer):
        if body.resources:
            yield f"{said} specify resources"
        if body.limits:
            yield f"{said} specify resource limits"
    if shares_no_cgroups(body.container):
        yield f"{said} set 'share_cgroups' to 'false'"


def _input_problem(body: v1.CallAttachContainerInput) -> str | None:
    if body.type is None:
        return "Expecting 'attach_container_input.type' to be present"
    if body.type is v1.CallAttachContainerInputType.UNKNOWN:
        return "'attach_container_input.type' is unknown"
    if body.type is v1.CallAttachContainerInputType.CONTAINER_ID:
        if body.container_id is None:
            return "Expecting 'attach_container_input.container_id' to be present"
        problem = id_problem(body.container_id)
        if problem is not None:
            return f"'attach_container_input.container_id' is invalid: {problem}"
    return None


def io_problem(body: v1.CallAttachContainerInput | None) -> str | None:
    """What is wrong with a record that follows the first one of an input stream."""
    if body is None:
        return "Expecting 'attach_container_input' to be present"
    if body.type is not v1.CallAttachContainerInputType.PROCESS_IO:
        return f"Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of: '{body.type or 'UNKNOWN'}'"
    message = body.process_io
    if message is None:
        return "Expecting 'attach_container_input.process_io' to be present"
    match message.type:
        case None:
            return "Expecting 'process_io.type' to be present"
        case v1.ProcessIOType.DATA:
            return _data_problem(message.data)
        case v1.ProcessIOType.CONTROL:
            return _control_problem(message.control)
        case _:
            return "'process_io.type' is unknown"


def _data_problem(data: v1.ProcessIOData | None) -> str | None:
    if data is None:
        return "Expecting 'process_io.data' to be present"
    if data.type is None:
        return "Expecting 'process_io.data.type' to be present"
    if data.type is not v1.ProcessIODataType.STDIN:
        return "Expecting 'process_io.data.type' to be 'STDIN'"
    return None if data.data is not None else "Expecting 'process_io.data.data' to be present"


def _control_problem(control: v1.ProcessIOControl | None) -> str | None:
    if control is None:
        return "Expecting 'process_io.control' to be present"
    match control.type:
        case None:
            return "Expecting 'process_io.control.type' to be present"
        case v1.ProcessIOControlType.TTY_INFO:
            if control.tty_info is None:
                return "Expecting 'process_io.control.tty_info' to be present"
            return None if control.tty_info.window_size else "Expecting 'tty_info.window_size' to be present"
        case v1.ProcessIOControlType.HEARTBEAT:
            return None if control.heartbeat else "Expecting 'process_io.control.heartbeat' to be present"
        case _:
            return "'process_io.control.type' is unknown"


_NESTED = frozenset(
    {
        v1.CallType.LAUNCH_NESTED_CONTAINER,
        v1.CallType.WAIT_NESTED_CONTAINER,
        v1.CallType.KILL_NESTED_CONTAINER,
        v1.CallType.REMOVE_NESTED_CONTAINER,
        v1.CallType.LAUNCH_NESTED_CONTAINER_SESSION,
    }
)
_MEMBERS = {kind: kind.lower() for kind in v1.CallType if "_CONTAINER" in kind and kind != "GET_CONTAINERS"}
