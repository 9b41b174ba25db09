"""What nodes tell of themselves, and what ``/v1/nodes`` makes of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dcos.model.cluster import ClusterAgent, ClusterState
from dcos.net import api, roster
from dcos.net.core.names import Node
from dcos.net.roster import Roster, Told
from dcos.store.memory import MemoryEnsemble


class Clock:
    """Every look is a second later."""

    def __init__(self) -> None:
        self.at = 1_700_000_000.0

    def now(self) -> float:
        self.at += 1
        return self.at


class Machine:
    """One node's roster on a session of its own."""

    def __init__(self, ensemble: MemoryEnsemble, ip: str, public: str) -> None:
        self.public = public
        self.store = ensemble.session()
        self.roster = Roster(ip, self.detect, Clock().now)
        self.roster._store = self.store

    async def detect(self) -> tuple[str, ...]:
        return (self.public,)


@contextlib.asynccontextmanager
async def telling(*machines: Machine) -> AsyncIterator[None]:
    """They tell, each has told when the block begins."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.roster.tell(one.store)) for one in machines]
        while len(await roster.everyone(machines[0].store)) < len(machines):
            await asyncio.sleep(0)
        yield
        for task in tasks:
            task.cancel()


async def test_every_node_shows_all_and_force_asks_them_anew() -> None:
    ensemble = MemoryEnsemble()
    first, second = Machine(ensemble, "10.0.0.1", "192.0.2.1"), Machine(ensemble, "10.0.0.2", "192.0.2.2")
    async with telling(first, second):
        shown = await first.roster.shown()
        assert {ip: one.public_ips for ip, one in shown.items()} == {
            "10.0.0.1": ("192.0.2.1",),
            "10.0.0.2": ("192.0.2.2",),
        }
        second.public = "192.0.2.22"
        assert (await first.roster.shown())["10.0.0.2"].public_ips == ("192.0.2.2",)
        assert (await first.roster.shown(force=True))["10.0.0.2"].public_ips == ("192.0.2.22",)
        assert await roster.release(first.store, "10.0.0.2")
        assert not await roster.release(first.store, "10.0.0.2")
        assert set(await first.roster.shown()) == {"10.0.0.1"}


async def test_without_zookeeper_a_node_shows_itself() -> None:
    machine = Machine(MemoryEnsemble(), "10.0.0.1", "192.0.2.1")
    machine.roster._store = None
    await machine.roster.look()
    assert set(await machine.roster.shown(force=True)) == {"10.0.0.1"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("echo 192.0.2.7", ("192.0.2.7",)),
        ("echo 192.0.2.7; echo; echo no address; echo fd00::7", ("192.0.2.7", "fd00::7")),
        ("echo 192.0.2.7; exit 1", ()),
        (None, ()),
    ],
)
async def test_public_addresses_are_what_the_program_prints(
    tmp_path: Path, text: str | None, found: tuple[str, ...]
) -> None:
    command = tmp_path / "detect_ip_public"
    if text is not None:
        command.write_text(f"#!/bin/sh\n{text}\n")
        command.chmod(0o755)
    assert await roster.detect_public_ips(command) == found


def test_entries_are_those_of_the_original() -> None:
    state = ClusterState(agents={"S": ClusterAgent(id="S", hostname="h", ip="10.0.0.9", port=5051)})
    told = {"10.0.0.7": Told(("192.0.2.7",), "seven", 1_700_000_000_123)}
    entries = api.node_entries(state, Node(ip="10.0.0.7", masters=("10.0.0.1",)), told, 0.0)
    assert entries == [
        {"private_ip": "10.0.0.1", "public_ips": [], "hostname": "10.0.0.1", "updated": "1970-01-01T00:00:00.000Z"},
        {"private_ip": "10.0.0.9", "public_ips": [], "hostname": "h", "updated": "1970-01-01T00:00:00.000Z"},
        {
            "private_ip": "10.0.0.7",
            "public_ips": ["192.0.2.7"],
            "hostname": "seven",
            "updated": "2023-11-14T22:13:20.123Z",
        },
    ]


def test_an_agent_that_left_is_shown_no_more_unless_its_node_tells_again() -> None:
    lost = ClusterAgent(id="S", hostname="h", ip="10.0.0.9", port=5051, reachable=False)
    state = ClusterState(agents={"S": lost})
    node, at = Node(ip="10.0.0.7", masters=("10.0.0.1",)), 1_700_000_000.0

    def shown(updated: int, left: dict[str, float]) -> set[str]:
        entries = api.node_entries(state, node, {"10.0.0.9": Told((), "nine", updated)}, at, left)
        return {one["private_ip"] for one in entries}

    there = {"10.0.0.1", "10.0.0.7"}
    assert shown(int(at * 1000) - 1, {"10.0.0.9": at}) == there
    assert shown(int(at * 1000) + 1, {"10.0.0.9": at}) == {*there, "10.0.0.9"}
    assert shown(1, {}) == {*there, "10.0.0.9"}
