"""What nginx remembers: how long, in which file, and how it is taken back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dcos.adminrouter.core.memory import REFUSED, Good, file_of
from dcos.adminrouter.core.targets import Decision, Refusal, Target
from dcos.adminrouter.recall import Recall, take_back
from dcos.runtime.clock import SystemClock
from dcos.runtime.log import get_logger

VERSION_5, VERSION_6 = (number.to_bytes(8, "little") for number in (5, 6))


@pytest.mark.parametrize(
    ("good", "left_s", "expected"),
    [
        (Good(), 1e9, (5, 1, 60)),
        (Good(), 30.9, (5, 1, 24)),
        (Good(), 4.0, (3, 0, 0)),
        (Good(), 1.9, (0, 0, 0)),
        (Good(), -5.0, (0, 0, 0)),
        (Good().while_allowed(), 1e9, (1, 1, 60)),
        (Good().while_allowed(), 3.0, (1, 1, 1)),
        (REFUSED, 1e9, (1, 0, 0)),
    ],
)
def test_nothing_is_good_beyond_the_token(good: Good, left_s: float, expected: tuple[int, int, int]) -> None:
    cut = good.until(left_s)
    assert (cut.fresh_s, cut.while_asking_s, cut.while_away_s) == expected
    # nginx counts whole seconds of the clock's, so each may last one longer
    assert cut.fresh_s == 0 or cut.longest_s <= left_s


def test_the_header_is_what_nginx_reads() -> None:
    assert Good().header() == "max-age=5, stale-while-revalidate=1, stale-if-error=60"


def test_a_file_is_over_after_it_was_taken_back(tmp_path: Path) -> None:
    file = tmp_path / "a"
    assert not take_back(file)
    file.write_bytes(VERSION_5 + b"\xff" * 100)
    assert take_back(file)
    assert file.read_bytes() == VERSION_5 + bytes(8) + b"\xff" * 92


def test_a_file_of_another_form_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(VERSION_6 + b"\xff" * 100)
    assert take_back(file)
    assert not file.exists()


def test_every_part_of_what_was_asked_counts(tmp_path: Path) -> None:
    parts = [("token=a", "", "service/first/web"), ("token=a", "", "service/service/web")]
    parts += [("token=b", "", "service/first/web"), ("token=a", "true", "service/first/web")]
    parts += [("token=a", "", "token/first/web"), ("token=\udcff", "", "service/first/web")]
    files = {file_of(tmp_path, *one) for one in parts}
    assert len(files) == len(parts)
    assert all(file.parent.name == file.name[-1] and len(file.name) == 32 for file in files)


class _World:
    """Decisions by subject, that a test changes."""

    def __init__(self, folder: Path) -> None:
        self.decisions: dict[str, Decision] = {}
        self.folder = folder
        self.recall = Recall(self._decide, clock=SystemClock(), log=get_logger("test"))

    async def _decide(self, subject: str, forwarded: bool) -> Decision | None:
        assert not forwarded
        return self.decisions.get(subject)

    def told(self, subject: str, *, good_s: float = 60.0) -> Path:
        file = self.folder / subject.replace("/", "_")
        file.write_bytes(VERSION_5 + b"\xff" * 100)
        self.recall.told(file, subject, False, self.decisions[subject], good_s=good_s)
        return file

    def is_over(self, file: Path) -> bool:
        return file.read_bytes()[8:16] == bytes(8)


async def test_only_what_comes_out_differently_is_taken_back(tmp_path: Path) -> None:
    world = _World(tmp_path)
    world.decisions = {"service/a": Target(address="10.0.0.1:1"), "service/b": Target(address="10.0.0.1:2")}
    world.decisions["service/c"] = Refusal("404 Not Found: service not found.")
    a, b, c = (world.told(name) for name in world.decisions)
    old = world.told("service/a", good_s=-1)
    assert old == a
    a = world.told("service/a")
    keeping = asyncio.create_task(world.recall.keep())
    world.decisions["service/a"] = Target(address="10.0.0.1:9")
    world.decisions["service/c"] = Target(address="10.0.0.1:3")
    world.recall.changed()
    async with asyncio.timeout(60):
        while not (world.is_over(a) and world.is_over(c)):
            await asyncio.sleep(0.01)
    assert not world.is_over(b)
    # an answer that was under way is written over it, and caught by the second look
    a.write_bytes(VERSION_5 + b"\xff" * 100)
    async with asyncio.timeout(60):
        while not world.is_over(a):
            await asyncio.sleep(0.01)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
