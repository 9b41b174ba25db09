"""``--launcher=systemd`` (or ``linux``): each task is a transient service of systemd, in ``mesos_executors.slice``.

systemd is the parent of the task's processes, limits them and remembers how the main one ended: the unit stays loaded
(``RemainAfterExit``, or ``failed``) until the agent has looked and removes it, so a task that ends while the agent is
away is reported as it ended. The slice is not part of the agent's unit: stopping or killing that one touches no task.

Source: org.freedesktop.systemd1(5) and systemd.service(5); slice name and limits of Mesos's systemd support.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from dcos.agent.containerizer import processes
from dcos.agent.containerizer.base import ContainerError, Ended, Found, LaunchError, Running
from dcos.agent.containerizer.box import Box, Mark
from dcos.agent.containerizer.limits import PERIOD_US, cpu_shares, cpu_weight, oom_adjustment, quota_us
from dcos.agent.containerizer.memory_report import after_script, die_together
from dcos.agent.core.exits import Exit
from dcos.runtime.files import write_atomic

SLICE = "mesos_executors.slice"
_GROUPS = Path("/sys/fs/cgroup")
RUNTIME = Path("/run/systemd/system")
_SYSTEMD = "org.freedesktop.systemd1"
_MANAGER = "/org/freedesktop/systemd1"
_MANAGER_INTERFACE = "org.freedesktop.systemd1.Manager"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"
_UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists"
_CALL_S = 30.0
_STOPPED_S = 30.0
"""More than systemd gives a unit to stop."""
_EXITED, _KILLED, _DUMPED = 1, 2, 3
_SETTLED = ("active", "failed", "inactive")


def available(runtime: Path = RUNTIME) -> bool:
    """Whether systemd is this machine's manager, with a bus to ask it."""
    return runtime.is_dir() and Path("/run/dbus/system_bus_socket").exists()


def group_slice(group: str) -> str:
    """The slice of the tasks that share a control group. (A dash in its name would make it the child of another.)"""
    return f"mesos_executors-{group.replace('-', '_')}.slice" if group else SLICE


def slice_path(group: str) -> str:
    """Where that slice lies below each hierarchy's root."""
    return f"{SLICE}/{group_slice(group)}" if group else SLICE


def unit_name(container_id: str) -> str:
    return f"mesos-{container_id}.service"


class BusError(ContainerError):
    """systemd refused a call; ``name`` is the D-Bus error's."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"systemd: {text}")
        self.name = name


class Bus:
    """One connection to the system bus, made again when it broke."""

    def __init__(self) -> None:
        self._bus: MessageBus | None = None
        self._lock = asyncio.Lock()

    async def call(self, member: str, signature: str = "", *body: Any, path: str = _MANAGER, on: str = "") -> list[Any]:
        """A method of the manager (or of ``on`` at ``path``).   Errors: BusError."""
        message = Message(
            destination=_SYSTEMD,
            path=path,
            interface=on or _MANAGER_INTERFACE,
            member=member,
            signature=signature,
            body=list(body),
        )
        try:
            async with asyncio.timeout(_CALL_S):
                bus = await self._connected()
                reply = await bus.call(message)
        except TimeoutError:
            raise BusError("timeout", f"{member}: no answer within {_CALL_S:g} s") from None
        except (OSError, EOFError, ConnectionError) as error:
            self.close()
            raise BusError("disconnected", f"{member}: {error}") from error
        if reply is None:
            return []
        if reply.message_type is MessageType.ERROR:
            raise BusError(reply.error_name or "", f"{member}: {reply.body[0] if reply.body else reply.error_name}")
        return list(reply.body)

    async def _connected(self) -> MessageBus:
        async with self._lock:
            if self._bus is None or not self._bus.connected:
                self._bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
            return self._bus

    def close(self) -> None:
        if self._bus is not None:
            with contextlib.suppress(OSError):
                self._bus.disconnect()
            self._bus = None


async def set_slice(bus: Bus, name: str, properties: list[list[Any]]) -> None:
    """Make a transient slice, or change the one that is there.   Errors: BusError."""
    try:
        await bus.call("StartTransientUnit", "ssa(sv)a(sa(sv))", name, "fail", properties, [])
    except BusError as error:
        if error.name != _UNIT_EXISTS:
            raise
        await bus.call("SetUnitProperties", "sba(sv)", name, True, properties)


class SystemdLauncher:
    """Transient services. ``unified``: cgroup v2 (else v1 controllers).

    ``memory_bytes`` is what all tasks may ask for together: v2 protects a task's memory no more than its slice's.
    """

    name = "systemd"

    def __init__(self, *, unified: bool, memory_bytes: int = 0) -> None:
        self._bus = Bus()
        self._unified = unified
        self._unprotected_bytes = memory_bytes if unified else 0

    async def start(self, box: Box) -> int:
        properties = unit_properties(box.mark, box, unified=self._unified)
        write_atomic(box.directory / "after", after_script(box.memory))
        name = unit_name(box.container_id)
        try:
            await self._protect_slice()
            await self._bus.call(
                "StartTransientUnit", "ssa(sv)a(sa(sv))", name, "fail", [list(one) for one in properties], []
            )
            pid = await self._main_pid(name)
        except BusError as error:
            raise LaunchError(str(error)) from error
        self._write_unnamed(box, name)
        return pid

    def _write_unnamed(self, box: Box, name: str) -> None:
        """What systemd has no name for, or none of that meaning."""
        place = f"{slice_path(box.mark.group)}/{name}"
        if self._unified:
            die_together(_GROUPS / place)
        else:
            write_unnamed_limits(box.mark, _GROUPS / "memory" / place)

    async def _protect_slice(self) -> None:
        """Once, before the first task."""
        if self._unprotected_bytes:
            low = ["MemoryLow", Variant("t", self._unprotected_bytes)]
            await self._bus.call("SetUnitProperties", "sba(sv)", SLICE, True, [low])
            self._unprotected_bytes = 0

    async def _main_pid(self, name: str) -> int:
        """The pid, also of a task that has ended already."""
        pause = 0.005
        deadline = asyncio.get_running_loop().time() + _CALL_S
        while True:
            service = await self._service(name)
            if service is not None:
                if pid := int(service["MainPID"] or service["ExecMainPID"]):
                    return pid
                if service["ActiveState"] == "failed":
                    raise LaunchError(f"systemd could not start the task: {service['Result']}")
            if asyncio.get_running_loop().time() > deadline:
                raise LaunchError("systemd did not start the task in time")
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.2)

    async def update(self, box: Box) -> None:
        properties = limit_properties(box.mark, unified=self._unified)
        if properties:
            name = unit_name(box.container_id)
            await self._bus.call("SetUnitProperties", "sba(sv)", name, True, [list(one) for one in properties])
            self._write_unnamed(box, name)

    async def limit_group(self, group: str, mark: Mark) -> None:
        """Make the slice of ``group``, or change its limits to those of ``mark``.   Errors: ContainerError."""
        properties = [list(one) for one in limit_properties(mark, unified=self._unified)]
        await set_slice(self._bus, group_slice(group), properties)

    async def drop_group(self, group: str) -> None:
        """Nothing of ``group`` runs any more."""
        await self._quietly(lambda: ("StopUnit", "ss", group_slice(group), "replace"))

    async def find(self, box: Box) -> Found:
        service = await self._service(unit_name(box.container_id))
        if service is None:
            return None
        if service["MainPID"]:
            return Running(int(service["MainPID"]))
        return Ended(await self.wait(box))

    async def wait(self, box: Box) -> Exit:
        name = unit_name(box.container_id)
        pause = 0.01
        ended = False
        while True:
            service = await self._patiently(name)
            if service is None:
                return Exit()
            if pid := int(service["MainPID"]):
                await processes.ended(pid)
                # systemd reaps it a moment later
            elif not ended:
                # the state was asked for before the process: it may still be that of a unit that runs
                ended = True
                continue
            elif service["ActiveState"] in _SETTLED:
                return end_of(service)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def signal(self, box: Box, number: int) -> None:
        await self._quietly(lambda: ("KillUnit", "ssi", unit_name(box.container_id), "all", number))

    async def kill(self, box: Box) -> None:
        name = unit_name(box.container_id)
        pause = 0.01
        for _ in range(100):
            await self._quietly(lambda: ("KillUnit", "ssi", name, "all", 9))
            service = await self._service(name)
            if service is None or not (service["MainPID"] or _members(str(service["ControlGroup"]))):
                return
            _kill_members(str(service["ControlGroup"]))
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.2)
        raise ContainerError(f"{name}: processes survive SIGKILL")

    async def forget(self, box: Box) -> None:
        name = unit_name(box.container_id)
        await self._quietly(lambda: ("StopUnit", "ss", name, "replace"))
        # what is still ending may fail yet, and would stay loaded for it
        deadline = asyncio.get_running_loop().time() + _STOPPED_S
        while asyncio.get_running_loop().time() < deadline:
            service = await self._service(name)
            if service is None or service["ActiveState"] in ("inactive", "failed"):
                break
            await asyncio.sleep(0.02)
        await self._quietly(lambda: ("ResetFailedUnit", "s", name))

    async def cgroup(self, box: Box) -> str | None:
        """The unit's control group path, as systemd names it."""
        service = await self._service(unit_name(box.container_id))
        return str(service["ControlGroup"]) if service is not None and service["ControlGroup"] else None

    def close(self) -> None:
        self._bus.close()

    # ---- asking ------------------------------------------------------------------------------------------------------

    async def _service(self, name: str) -> dict[str, Any] | None:
        """Properties of a loaded unit, None where there is none.   Errors: BusError."""
        try:
            (path,) = await self._bus.call("GetUnit", "s", name)
            (unit,) = await self._bus.call("GetAll", "s", "org.freedesktop.systemd1.Unit", path=path, on=_PROPERTIES)
            (own,) = await self._bus.call("GetAll", "s", "org.freedesktop.systemd1.Service", path=path, on=_PROPERTIES)
        except BusError as error:
            if error.name in (_NO_SUCH_UNIT, "org.freedesktop.DBus.Error.UnknownObject"):
                return None
            raise
        return {key: variant.value for key, variant in (*unit.items(), *own.items())}

    async def _patiently(self, name: str) -> dict[str, Any] | None:
        """As ``_service``, waiting out a bus that restarts."""
        while True:
            try:
                return await self._service(name)
            except BusError:
                await asyncio.sleep(1.0)

    async def _quietly(self, call: Callable[[], tuple[Any, ...]]) -> None:
        """A call whose unit may be gone, or have no process left."""
        with contextlib.suppress(BusError):
            await self._bus.call(*call())


def end_of(service: dict[str, Any]) -> Exit:
    """From ``ExecMainCode`` (as siginfo's si_code) and ``ExecMainStatus``; out of memory as systemd knows it (v2)."""
    out_of_memory = service["Result"] == "oom-kill"
    code, status = int(service["ExecMainCode"]), int(service["ExecMainStatus"])
    if code == _EXITED:
        return Exit(code=status, out_of_memory=out_of_memory)
    if code in (_KILLED, _DUMPED):
        return Exit(signal=status, out_of_memory=out_of_memory, core_dumped=code == _DUMPED)
    return Exit(out_of_memory=out_of_memory)


def _members(group: str) -> bool:
    """Whether a control group or one below it has processes, in the hierarchy that systemd keeps its units in."""
    if not group:
        return False
    for root in ("unified", "systemd", ""):
        for file in (Path("/sys/fs/cgroup") / root / group.lstrip("/")).glob("**/cgroup.procs"):
            with contextlib.suppress(OSError):
                if file.read_text().strip():
                    return True
    return False


def _kill_members(group: str) -> None:
    """All at once, faster than they can fork; only cgroup v2 can (Linux 5.14)."""
    for root in ("unified", ""):
        with contextlib.suppress(OSError):
            file = Path("/sys/fs/cgroup") / root / group.lstrip("/") / "cgroup.kill"
            if group and file.exists():
                file.write_text("1")


def write_unnamed_limits(mark: Mark, group: Path) -> None:
    """What cgroup v1 can limit and systemd has no name for. A task that has ended already has no group."""
    if mark.backend != "host" or mark.group:
        return
    numbers = {"memory.soft_limit_in_bytes": mark.mem_bytes}
    if mark.limits_swap and mark.mem_hard_bytes is not None:
        numbers["memory.memsw.limit_in_bytes"] = mark.mem_hard_bytes
    for name, number in numbers.items():
        with contextlib.suppress(OSError):
            (group / name).write_text(str(number))


def unit_properties(mark: Mark, box: Box, *, unified: bool) -> list[tuple[str, Variant]]:
    """The transient unit of a box."""
    env = shutil.which("env") or "/usr/bin/env"
    argv = [env, "-i", "/bin/sh", str(box.launch)]
    properties = [
        ("Description", Variant("s", mark.description or f"Mesos task container {box.container_id}")),
        ("Slice", Variant("s", group_slice(mark.group))),
        ("Type", Variant("s", "simple")),
        ("ExecStart", Variant("a(sasb)", [[env, argv, False]])),
        # its end is kept until we have read it
        ("RemainAfterExit", Variant("b", True)),
        ("CollectMode", Variant("s", "inactive")),
        ("KillMode", Variant("s", "control-group")),
        ("TimeoutStopUSec", Variant("t", 10_000_000)),
        ("SendSIGKILL", Variant("b", True)),
        # what a task writes goes to its sandbox; before that, to the journal
        ("StandardInput", Variant("s", "null")),
        ("TasksMax", Variant("t", 2**64 - 1)),
        ("OOMPolicy", Variant("s", "continue")),
    ]
    after = [env, "-i", "/bin/sh", str(box.directory / "after")]
    properties.append(("ExecStopPost", Variant("a(sasb)", [[env, after, True]])))
    if mark.backend == "oci":
        # the image's processes have a group of their own below the unit's, which runc makes
        properties.append(("Delegate", Variant("b", True)))
    if mark.backend == "host" and not mark.group:
        adjustment = oom_adjustment(mark.mem_bytes, mark.mem_hard_bytes)
        if adjustment is not None:
            properties.append(("OOMScoreAdjust", Variant("i", adjustment)))
    return properties + limit_properties(mark, unified=unified)


def limit_properties(mark: Mark, *, unified: bool) -> list[tuple[str, Variant]]:
    """Its cgroup's numbers."""
    if mark.backend == "docker":
        # the Docker Engine makes a control group of its own, which has the limits
        return []
    if mark.group:
        # the slice has them; a group of its own is where the kernel counts its kills for want of memory
        return [("MemoryAccounting", Variant("b", True))] if mark.backend != "oci" else []
    properties: list[tuple[str, Variant]] = []
    if unified:
        properties += [
            ("CPUWeight", Variant("t", cpu_weight(mark.cpus, low=mark.low_priority))),
            ("MemoryLow", Variant("t", mark.mem_bytes)),
        ]
    else:
        properties.append(("CPUShares", Variant("t", cpu_shares(mark.cpus, low=mark.low_priority))))
    if mark.backend == "oci":
        # runc makes a group below with the hard limits; what weighs tasks against each other counts in this one only
        return properties
    if mark.mem_hard_bytes is not None:
        properties.append(("MemoryMax" if unified else "MemoryLimit", Variant("t", mark.mem_hard_bytes)))
    if mark.cpus_hard is not None:
        per_second = quota_us(mark.cpus_hard) * (1_000_000 // PERIOD_US)
        properties.append(("CPUQuotaPerSecUSec", Variant("t", per_second)))
    return properties
