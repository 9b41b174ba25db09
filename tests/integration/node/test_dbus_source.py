"""The D-Bus source against a real message bus with a stand-in for systemd on it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from dcos.node.core.units import UnitState
from dcos.node.sources import DBusSource, SourceError
from dcos.testing.units import FakeSystemd, UnitSourceContract, private_bus

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="no dbus-daemon (dbus)"),
]


class BusWorld:
    def __init__(self, address: str) -> None:
        self.address = address
        self.systemd = FakeSystemd()
        self.source = DBusSource(address)
        self.up = False

    async def show(self, states: Mapping[str, UnitState]) -> None:
        self.systemd.units = dict(states)
        if not self.up:
            await self.systemd.start(self.address)
            self.up = True

    async def break_down(self) -> None:
        self.systemd.stop()
        self.up = False


class TestDBusSource(UnitSourceContract):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[BusWorld]:
        with private_bus(tmp_path) as address:
            made = BusWorld(address)
            yield made
            await made.source.close()
            made.systemd.stop()


async def test_without_a_bus(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="D-Bus"):
        await DBusSource(f"unix:path={tmp_path}/none").states(["x.service"])


async def test_a_bus_that_was_restarted(tmp_path: Path) -> None:
    source = None
    for _ in range(2):
        with private_bus(tmp_path) as address:
            world = BusWorld(address)
            await world.show({})
            source = source or world.source
            try:
                told = await source.states(["x.service"])
            except SourceError:  # noticed only now that the old bus is gone
                told = await source.states(["x.service"])
            assert told["x.service"].load_state == "not-found"
            world.systemd.stop()
        (tmp_path / "bus").unlink(missing_ok=True)
    assert source is not None
    await source.close()


async def test_more_units_than_a_bus_has_places_for_questions(tmp_path: Path) -> None:
    state = UnitState(load_state="loaded", active_state="active", sub_state="running", pid=7)
    names = [f"dcos-{number}.service" for number in range(60)]
    with private_bus(tmp_path) as address:
        world = BusWorld(address)
        await world.show(dict.fromkeys(names, state))
        try:
            told = await world.source.states(names)
        finally:
            await world.source.close()
            world.systemd.stop()
    assert {one.pid for one in told.values()} == {7}
