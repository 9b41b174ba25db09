"""Unit states for tests: the contract that every ``UnitSource`` keeps, and a stand-in for systemd on a bus of its own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from dcos.node.core.units import UnitState
from dcos.node.sources import SourceError, UnitSource

RUNNING = UnitState(
    load_state="loaded",
    active_state="active",
    sub_state="running",
    description="Marathon: Keeps services running",
    pid=4711,
    active_enter_timestamp=1_700_000_000.25,
)
RESTARTING = UnitState(
    load_state="loaded",
    active_state="activating",
    sub_state="auto-restart",
    exec_main_status=3,
    description="Cosmos: Lists packages",
    active_enter_timestamp=1_700_000_000.0,
    inactive_enter_timestamp=1_700_000_050.0,
)
UNMET = UnitState(load_state="loaded", active_state="inactive", sub_state="dead", condition_result=False)
TIMER = UnitState(load_state="loaded", active_state="active", sub_state="waiting", active_enter_timestamp=1.5)

STATES = {
    "dcos-marathon.service": RUNNING,
    "dcos-cosmos.service": RESTARTING,
    "dcos-calico.service": UNMET,
    "dcos-gen-resolvconf.timer": TIMER,
}


class UnitWorld(Protocol):
    """A supervisor of units with a source that reads it."""

    source: UnitSource

    async def show(self, states: Mapping[str, UnitState]) -> None:
        """From now on the units are these."""
        ...

    async def break_down(self) -> None:
        """From now on nobody knows the units."""
        ...


class UnitSourceContract:
    """A test class derives from it and gives the fixture ``world``."""

    async def test_states_are_told_as_they_are(self, world: UnitWorld) -> None:
        await world.show(STATES)
        assert await world.source.states(list(STATES)) == STATES

    async def test_only_what_is_asked_is_told(self, world: UnitWorld) -> None:
        await world.show(STATES)
        assert await world.source.states(["dcos-marathon.service"]) == {"dcos-marathon.service": RUNNING}
        assert await world.source.states([]) == {}

    async def test_a_unit_that_does_not_exist_is_not_found(self, world: UnitWorld) -> None:
        await world.show(STATES)
        told = await world.source.states(["dcos-nothing.service"])
        assert told["dcos-nothing.service"].load_state == "not-found"
        assert told["dcos-nothing.service"].active_state == "inactive"

    async def test_changes_are_seen(self, world: UnitWorld) -> None:
        await world.show({"dcos-cosmos.service": RESTARTING})
        await world.source.states(["dcos-cosmos.service"])
        await world.show({"dcos-cosmos.service": RUNNING})
        assert await world.source.states(["dcos-cosmos.service"]) == {"dcos-cosmos.service": RUNNING}

    async def test_trouble_is_told_and_got_over(self, world: UnitWorld) -> None:
        await world.show(STATES)
        await world.source.states(list(STATES))
        await world.break_down()
        with pytest.raises(SourceError):
            await world.source.states(list(STATES))
        await world.show(STATES)
        assert await world.source.states(list(STATES)) == STATES


class FakeSystemd:
    """Answers for ``org.freedesktop.systemd1`` what dcos-diagnostics asks: ListUnitsByNames and properties."""

    def __init__(self) -> None:
        self.units: dict[str, UnitState] = {}
        self._bus: MessageBus | None = None

    async def start(self, address: str) -> None:
        self._bus = await MessageBus(bus_address=address).connect()
        self._bus.add_message_handler(self._answer)
        await self._bus.request_name("org.freedesktop.systemd1")

    def stop(self) -> None:
        if self._bus is not None:
            self._bus.disconnect()
            self._bus = None

    def _answer(self, message: Message) -> Message | bool | None:
        if message.message_type != MessageType.METHOD_CALL:
            return None
        if message.member == "ListUnitsByNames":
            rows = [self._row(name) for name in message.body[0]]
            return Message.new_method_return(message, "a(ssssssouso)", [rows])
        if message.member == "Get":
            return Message.new_method_return(message, "v", [self._property(message.path or "", *message.body)])
        return None

    def _row(self, name: str) -> list[Any]:
        state = self.units.get(name)
        words = (
            [state.description, state.load_state, state.active_state, state.sub_state]
            if state
            else [name, "not-found", "inactive", "dead"]
        )
        return [name, *words, "", _path(name), 0, "", "/"]

    def _property(self, path: str, interface: str, name: str) -> Variant:
        state = next(state for unit, state in self.units.items() if _path(unit) == path)
        values = {
            "ActiveEnterTimestamp": Variant("t", round(state.active_enter_timestamp * 1e6)),
            "InactiveEnterTimestamp": Variant("t", round(state.inactive_enter_timestamp * 1e6)),
            "ConditionResult": Variant("b", state.condition_result),
            "ConditionTimestamp": Variant("t", 1),
            "ExecMainStatus": Variant("i", state.exec_main_status),
            "MainPID": Variant("u", state.pid),
        }
        return values[name]


def _path(unit: str) -> str:
    escaped = "".join(char if char.isalnum() else f"_{ord(char):02x}" for char in unit)
    return f"/org/freedesktop/systemd1/unit/{escaped}"


_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_replies_per_connection">128</limit>
</busconfig>
"""


@contextlib.contextmanager
def private_bus(folder: Path) -> Iterator[str]:
    """A message bus that only this test knows, as strict as a machine's with many questions at once; yields its address."""
    address = f"unix:path={folder}/bus"
    config = folder / "bus.conf"
    config.write_text(_BUS)
    daemon = subprocess.Popen(
        ["dbus-daemon", f"--config-file={config}", "--nofork", "--nosyslog", f"--address={address}", "--print-address"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert daemon.stdout is not None
    try:
        daemon.stdout.readline()
        yield address
    finally:
        daemon.terminate()
        daemon.wait()
        daemon.stdout.close()
