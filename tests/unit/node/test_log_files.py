"""A way through a file: from a line on, and through its rotation. The file is one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.node.logs import files
from dcos.node.logs.files import Follower, Line, begin, blocks
from dcos.node.logs.sandboxes import NoFile, Part


class Folder:
    """Files by name, and how often each was changed."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.changes: dict[str, int] = {}
        self._count = 0
        self.reads = 0

    def write(self, name: str, data: bytes) -> None:
        self._count += 1
        self.data[name] = self.data.get(name, b"") + data
        self.changes[name] = self._count

    def rotate(self, name: str, keep: int = 9) -> None:
        """As the agent does."""
        for number in range(keep - 1, 0, -1):
            if f"{name}.{number}" in self.data:
                self.data[f"{name}.{number + 1}"] = self.data[f"{name}.{number}"]
                self.changes[f"{name}.{number + 1}"] = self.changes[f"{name}.{number}"]
        cut = max(0, len(self.data[name]) - 3)
        self._count += 1
        self.data[f"{name}.1"], self.changes[f"{name}.1"] = self.data[name][:cut], self._count
        self.data[name] = self.data[name][cut:]


class Twin:
    def __init__(self, folder: Folder, name: str) -> None:
        self.folder, self.name = folder, name

    async def read(self, offset: int, length: int) -> Part:
        self.folder.reads += 1
        if self.name not in self.folder.data:
            raise NoFile(self.name)
        data = self.folder.data[self.name]
        return Part(data[offset : offset + length], len(data))

    async def tag(self) -> str | None:
        return str(self.folder.changes[self.name]) if self.name in self.folder.data else None

    def beside(self, suffix: str) -> Twin:
        return Twin(self.folder, self.name + suffix)


@pytest.fixture
def folder() -> Folder:
    return Folder()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BLOCK", 7)
    monkeypatch.setattr(files, "_SETTLED_S", 0.0)


TEXTS = st.lists(st.sampled_from([b"", b"one", b"a longer line"]), max_size=8)


@given(TEXTS, st.integers(-9, 9), st.booleans(), st.booleans())
def test_begin(texts: list[bytes], skip: int, at_end: bool, open_end: bool) -> None:
    whole = b"".join(text + b"\n" for text in texts) + (b"open" if open_end else b"")
    folder = Folder()
    folder.write("f", whole)
    lines = whole.splitlines(keepends=True)
    index = (len(lines) if at_end else 0) + skip
    wanted = len(b"".join(lines[: max(0, index)]))

    async def look() -> tuple[int, int]:
        return await begin(Twin(folder, "f"), at_end=at_end, offset=0, skip=skip)

    before, files.BLOCK = files.BLOCK, 5
    try:
        assert asyncio.run(look()) == (wanted, len(whole))
    finally:
        files.BLOCK = before


async def test_a_number_of_lines(folder: Folder, small: None) -> None:
    folder.write("f", b"1\n22\n333\n4444\n")
    file = Twin(folder, "f")
    assert b"".join([block async for block in blocks(file, 2, 14, 2)]) == b"22\n333\n"
    assert b"".join([block async for block in blocks(file, 2, 14, 0)]) == b"22\n333\n4444\n"
    folder.write("f", b"later\n")
    assert b"".join([block async for block in blocks(file, 0, 14, 9)]) == b"1\n22\n333\n4444\n"


class Heard:
    """What a follower told, as far as one asked."""

    def __init__(self, folder: Folder, offset: int = 0) -> None:
        self._lines: AsyncIterator[list[Line]] = Follower(Twin(folder, "f"), offset, wait_s=0.0).lines()

    async def all(self) -> list[tuple[str, int]]:
        """Until there is nothing more for now."""
        found: list[Line] = []
        async for lines in self._lines:
            if not lines:
                break
            found += lines
        return [(line.text.decode(), line.end) for line in found]


async def test_a_file_that_grows(folder: Folder, small: None) -> None:
    folder.write("f", b"one\ntw")
    heard = Heard(folder)
    assert await heard.all() == [("one", 4)]
    folder.write("f", b"o\nthree\n")
    assert await heard.all() == [("two", 8), ("three", 14)]


async def test_a_rotated_file_is_followed_without_a_gap(folder: Folder, small: None) -> None:
    folder.write("f", b"one\n")
    heard = Heard(folder)
    assert await heard.all() == [("one", 4)]
    told = []
    for number in range(20):
        folder.write("f", f"line {number}\nhalf of {number} ".encode())
        if number % 3:
            folder.rotate("f")
        if number % 4 == 1:
            folder.write("f", b"more\n")
            folder.rotate("f")
            told += await heard.all()
        folder.write("f", b"and the rest\n")
    told += await heard.all()
    text = "\n".join(text for text, _ in told) + "\n"
    expected = ""
    for number in range(20):
        expected += f"line {number}\nhalf of {number} "
        if number % 4 == 1:
            expected += "more\n"
        expected += "and the rest\n"
    assert text == expected
    assert told[-1][1] == len(folder.data["f"])


async def test_what_was_thrown_away_is_a_gap_and_no_end(folder: Folder, small: None) -> None:
    folder.write("f", b"one\n")
    heard = Heard(folder)
    await heard.all()
    for number in range(5):
        folder.write("f", f"line {number}\n".encode())
        folder.rotate("f", keep=2)
    texts = [text for text, _ in await heard.all()]
    assert texts[-1] == "line 4"
    assert "line 0" not in texts
    folder.data["f"] = b""  # emptied, and nothing was kept
    assert await heard.all() == []
    folder.write("f", b"new\n")
    assert [text for text, _ in await heard.all()][-1:] == ["new"]


async def test_a_file_that_goes_and_comes(folder: Folder, small: None) -> None:
    folder.write("f", b"one\n")
    heard = Heard(folder)
    await heard.all()
    del folder.data["f"]
    assert await heard.all() == []
    folder.write("f", b"x\n")
    assert await heard.all() == [("x", 2)]


async def test_an_endless_line_is_told_in_parts(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LONGEST_LINE", 8)
    monkeypatch.setattr(files, "BLOCK", 5)
    folder.write("f", b"x" * 23 + b"\nend\n")
    told = await Heard(folder).all()
    assert "".join(text for text, _ in told) == "x" * 23 + "end"
    assert max(len(text) for text, _ in told) <= 13
    assert told[-1] == ("end", 28)
