"""Who knows the units' states: systemd over D-Bus, or the file that a process supervisor writes.

The file is JSON, replaced as a whole whenever something changes: unit id (``dcos-marathon.service``) -> object with

    load_state              "loaded", or why not
    active_state            "active", "activating", "inactive", "failed", ...
    sub_state               "running", "auto-restart", "dead", ...
    exec_main_status        how the last main process ended (negative: by a signal); not looked at while ``pid`` is set
    description             "Name: text"
    pid                     of the main process, 0 if none runs
    active_enter_timestamp  Unix seconds when it became active last, 0 for never

and, optional, ``inactive_enter_timestamp`` and ``condition_result``. Other members are ignored.

Errors of both: SourceError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus

from dcos.model.layout import Layout
from dcos.node.core.units import MISSING, UnitState

_TIMEOUT_S = 10.0
_AT_ONCE = 64
"""Questions without an answer yet: the bus ends a connection's questions beyond 128 with an error."""


class SourceError(Exception):
    """The units' states cannot be read now; the text says why."""


class UnitSource(Protocol):
    async def states(self, units: Sequence[str]) -> dict[str, UnitState]:
        """The state of each of ``units``; one that does not exist has load state ``not-found``.   Errors: SourceError."""
        ...

    async def close(self) -> None: ...


class FileSource:
    """The supervisor's file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._decoder = msgspec.json.Decoder(dict[str, UnitState])

    async def states(self, units: Sequence[str]) -> dict[str, UnitState]:
        try:
            told = self._decoder.decode(self._path.read_bytes())
        except (OSError, msgspec.MsgspecError) as error:
            raise SourceError(f"{self._path}: {error}") from error
        return {unit: _settled(told.get(unit, MISSING)) for unit in units}

    async def close(self) -> None:
        return None


def _settled(state: UnitState) -> UnitState:
    """A main process that runs has not ended yet, whatever became of the one before."""
    return msgspec.structs.replace(state, exec_main_status=0) if state.pid else state


_SYSTEMD = "org.freedesktop.systemd1"
_MANAGER = f"{_SYSTEMD}.Manager"
_PROPERTIES = "org.freedesktop.DBus.Properties"


class DBusSource:
    """systemd. The connection is kept, and made anew after trouble. ``address`` None: the system bus."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address
        self._bus: MessageBus | None = None
        self._connecting = asyncio.Lock()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def states(self, units: Sequence[str]) -> dict[str, UnitState]:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                bus = await self._connected()
                rows = await _call(bus, "/org/freedesktop/systemd1", _MANAGER, "ListUnitsByNames", "as", [list(units)])
                found = await asyncio.gather(*(self._state(bus, row) for row in rows[0]))
        except (OSError, DBusError, TimeoutError, EOFError) as error:
            await self.close()
            raise SourceError(f"systemd over D-Bus: {error or type(error).__name__}") from error
        return dict.fromkeys(units, MISSING) | dict(found)

    async def _state(self, bus: MessageBus, row: Sequence[Any]) -> tuple[str, UnitState]:
        """``row``: id, description, load state, active state, sub state, followed unit, object path, job ..."""
        unit, description, load_state, active_state, sub_state, _, path = row[:7]
        if load_state != "loaded":
            return unit, UnitState(
                load_state=load_state, active_state=active_state, sub_state=sub_state, description=description
            )
        asked = [
            ("Unit", "ActiveEnterTimestamp"),
            ("Unit", "InactiveEnterTimestamp"),
            ("Unit", "ConditionResult"),
            ("Unit", "ConditionTimestamp"),
        ]
        if unit.endswith(".service"):
            asked += [("Service", "ExecMainStatus"), ("Service", "MainPID")]
        values = await asyncio.gather(*(self._property(bus, path, kind, name) for kind, name in asked))
        entered, left, condition, checked, status, pid = (*values, 0, 0)[:6]
        return unit, UnitState(
            load_state=load_state,
            active_state=active_state,
            sub_state=sub_state,
            exec_main_status=status,
            description=description,
            pid=pid,
            active_enter_timestamp=entered / 1e6,
            inactive_enter_timestamp=left / 1e6,
            condition_result=bool(condition) or not checked,  # false before the first start as well
        )

    async def _property(self, bus: MessageBus, path: str, kind: str, name: str) -> Any:
        async with self._places:
            return (await _call(bus, path, _PROPERTIES, "Get", "ss", [f"{_SYSTEMD}.{kind}", name]))[0].value

    async def _connected(self) -> MessageBus:
        async with self._connecting:
            if self._bus is None or not self._bus.connected:
                await self.close()
                self._bus = await MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM).connect()
            return self._bus

    async def close(self) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.disconnect()


def source_of(kind: str, layout: Layout) -> tuple[UnitSource, bool]:
    """(who knows the units, whether they have a journal). ``kind``: auto, dbus or file:<path>."""
    word, _, path = kind.partition(":")
    if word == "file":
        return FileSource(Path(path)), False
    if word == "dbus" or (Path("/run/systemd/system").is_dir() and layout.root == Path("/")):
        return DBusSource(), True
    return FileSource(layout.run / "units.json"), False


async def _call(bus: MessageBus, path: str, interface: str, member: str, signature: str, body: list[Any]) -> list[Any]:
    """Errors: DBusError."""
    message = Message(
        destination=_SYSTEMD, path=path, interface=interface, member=member, signature=signature, body=body
    )
    reply = await bus.call(message)
    if reply is None:
        raise EOFError("the bus went away")
    if reply.message_type == MessageType.ERROR:
        raise DBusError(reply.error_name or "error", str(reply.body[0]) if reply.body else "")
    return list(reply.body)
