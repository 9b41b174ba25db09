"""Which namespaces are kept, by the files of a folder; without a kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dcos.net.core.vips import Service, Target
from dcos.net.namespaces import Balancing, Identity, Namespaces, listed

WANTED = {Service("tcp", "11.0.0.1", 80): (Target("10.0.0.1", 31000),)}
OWN = (0, 1)


class Balance:
    def __init__(self) -> None:
        self.wants: list[tuple[Mapping[Service, tuple[Target, ...]], Any]] = []
        self.ended = False

    async def want(
        self,
        wanted: Mapping[Service, tuple[Target, ...]],
        hosts: Iterable[str] = (),
        changed: Collection[Service] | None = None,
        lost: Collection[tuple[Service, Target]] = (),
    ) -> None:
        self.wants.append((wanted, changed))

    async def keep_repaired(self, every_s: float) -> None:
        await asyncio.get_running_loop().create_future()

    def end(self) -> None:
        self.ended = True


class Node:
    """``spaces``: paths that lead to a namespace; ``ready``: those that have the device."""

    def __init__(self, folder: Path) -> None:
        self.now = 100.0
        self.spaces: dict[str, Identity] = {"/own": OWN}
        self.ready: set[str] = {"/own"}
        self.begun: dict[str, Balance] = {}
        self.removed: list[str] = []
        self.kept = Namespaces(folder, self, repair_s=30.0, clock=lambda: self.now, identify=self.identify, own=OWN)

    def identify(self, path: str) -> Identity:
        if path not in self.spaces:
            raise FileNotFoundError(path)
        return self.spaces[path]

    async def begin(self, path: str) -> Balancing:
        self.begun[path] = Balance()
        return self.begun[path]

    async def remove(self, path: str) -> None:
        self.removed.append(path)

    def is_ready(self, path: str) -> bool:
        return path in self.ready

    def add(self, path: str, number: int) -> None:
        self.spaces[path] = (0, number)
        self.ready.add(path)

    async def look(self, seconds: float = 0.25) -> None:
        self.now += seconds
        await self.kept.look()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "l4lb"
    made.mkdir()
    return made


async def test_begins_with_the_device_and_ends_with_the_file(folder: Path) -> None:
    node = Node(folder)
    await node.kept.want(WANTED, ("10.0.0.1",))
    node.add("/ns/a", 2)
    node.ready.clear()
    (folder / "a").write_text("/ns/a\n")
    await node.look()
    assert not node.begun
    node.ready.add("/ns/a")
    await node.look()
    assert node.begun["/ns/a"].wants == [(WANTED, None)]
    assert len(node.kept) == 1
    await node.kept.want(WANTED, (), [Service("tcp", "11.0.0.1", 80)])
    assert len(node.begun["/ns/a"].wants) == 2
    (folder / "a").unlink()
    await node.look(60)
    assert node.begun["/ns/a"].ended
    assert node.removed == ["/ns/a"]
    assert len(node.kept) == 0


async def test_nothing_is_asked_for_before_anything_is_known(folder: Path) -> None:
    node = Node(folder)
    node.add("/ns/a", 2)
    (folder / "a").write_text("/ns/a")
    await node.look()
    assert node.begun["/ns/a"].wants == []


async def test_what_is_wanted_while_it_begins_is_not_missed(folder: Path) -> None:
    node = Node(folder)
    await node.kept.want(WANTED)
    node.add("/ns/a", 2)
    (folder / "a").write_text("/ns/a")
    begin = node.begin

    async def slowly(path: str) -> Balancing:
        made = await begin(path)
        want = node.begun[path].want

        async def first(*args: Any) -> None:
            await want(*args)
            node.begun[path].want = want  # type: ignore[method-assign]
            await node.kept.want({})

        node.begun[path].want = first  # type: ignore[method-assign]
        return made

    node.begin = slowly  # type: ignore[method-assign]
    await node.look()
    assert [wanted for wanted, _ in node.begun["/ns/a"].wants] == [WANTED, {}]


async def test_containers_of_one_namespace(folder: Path) -> None:
    node = Node(folder)
    node.spaces |= {"/proc/1/ns/net": (0, 5), "/proc/2/ns/net": (0, 5)}
    node.ready |= node.spaces.keys()
    (folder / "a").write_text("/proc/1/ns/net")
    (folder / "b").write_text("/proc/2/ns/net")
    await node.look()
    assert list(node.begun) == ["/proc/1/ns/net"]
    (folder / "a").unlink()
    await node.look(60)
    assert not node.removed
    assert len(node.kept) == 1


async def test_a_namespace_that_is_gone_or_another_now(folder: Path) -> None:
    node = Node(folder)
    node.add("/ns/a", 2)
    (folder / "a").write_text("/ns/a")
    await node.look()
    first = node.begun["/ns/a"]
    del node.spaces["/ns/a"]
    await node.look(60)
    assert first.ended
    assert not node.removed, "there is nothing to remove it from"
    node.add("/ns/a", 3)
    await node.look(10)
    assert node.begun["/ns/a"] is not first


@pytest.mark.parametrize("text", ["", "/own", "relative", "/ns/nobody"])
async def test_files_that_say_nothing_useful(folder: Path, text: str) -> None:
    node = Node(folder)
    (folder / "a").write_text(text)
    for _ in range(30):
        await node.look()
    assert not node.begun
    node.add("/ns/a", 2)
    (folder / "a").write_text("/ns/a")
    await node.look(10)
    assert list(node.begun) == ["/ns/a"]


async def test_a_folder_that_comes_later(folder: Path) -> None:
    folder.rmdir()
    node = Node(folder)
    await node.look(60)
    folder.mkdir()
    node.add("/ns/a", 2)
    (folder / "a").write_text("/ns/a")
    await node.look(60)
    assert list(node.begun) == ["/ns/a"]


def test_what_is_listed(folder: Path) -> None:
    (folder / "a").write_text(" /ns/a \n")
    (folder / ".b").write_text("/ns/b")
    (folder / "c").write_bytes(b"\xff\xfe")
    (folder / "d").mkdir()
    assert listed(folder) == {"a": "/ns/a", "c": "", "d": ""}
    assert listed(folder / "nowhere") == {}
