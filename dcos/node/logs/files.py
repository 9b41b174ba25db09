"""A way through a file that somebody writes: from a line on, to its end or for ever.

A sandbox's log is rotated while it is followed: its head becomes ``stdout.1`` and is cut off. ``Follower`` then finishes what
it had not read there and goes on in the file, so that no line is lost or told twice while the files are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from dcos.node.core.log_text import last_lines_begin, lines_end
from dcos.node.logs.sandboxes import NoFile, Part

BLOCK = 64 * 1024
LONGEST_LINE = 256 * 1024
"""A longer one is told in parts."""
_KEPT = 20
_SETTLED_S = 0.2


class File(Protocol):
    """As of ``SandboxFile``."""

    async def read(self, offset: int, length: int) -> Part: ...
    async def tag(self) -> str | None: ...
    def beside(self, suffix: str) -> File: ...


@dataclass(frozen=True, slots=True)
class Line:
    text: bytes
    end: int
    """Offset behind it: where reading goes on."""


async def begin(file: File, *, at_end: bool, offset: int, skip: int) -> tuple[int, int]:
    """(offset of the line that is ``skip`` lines from there, size of the file).   Errors: SandboxError."""
    size = (await file.read(0, 1)).size
    at = size if at_end else min(offset, size)
    if skip < 0:
        at = await _lines_back(file, at, -skip)
    elif skip > 0:
        at = await _lines_on(file, at, skip, size)
    return at, size


async def _lines_back(file: File, at: int, count: int) -> int:
    end = at - 1 if at else 0  # the newline that ends the last line begins none
    while end > 0:
        start = max(0, end - BLOCK)
        block = (await file.read(start, end - start)).data
        found, count = last_lines_begin(block, count)
        if found is not None:
            return start + found
        end = start
    return 0


async def _lines_on(file: File, at: int, count: int, size: int) -> int:
    while at < size:
        block = (await file.read(at, min(BLOCK, size - at))).data
        found, count = lines_end(block, count)
        if found is not None:
            return at + found
        if not block:
            break
        at += len(block)
    return at


async def blocks(file: File, at: int, size: int, limit: int) -> AsyncIterator[bytes]:
    """From ``at`` to ``size``, at most ``limit`` lines (0: all).   Errors: SandboxError."""
    left = limit
    while at < size:
        block = (await file.read(at, min(BLOCK, size - at))).data
        if not block:
            return
        at += len(block)
        if limit:
            found, left = lines_end(block, left)
            if found is not None:
                yield block[:found]
                return
        yield block


class Follower:
    """``wait_s``: how often a file is looked at that does not grow."""

    def __init__(self, file: File, offset: int, *, wait_s: float) -> None:
        self._file = file
        self._offset = offset
        self._wait_s = wait_s
        self._known: str | None = None
        self._begun = False
        self._rest = b""

    async def lines(self) -> AsyncIterator[list[Line]]:
        """Lines as they come; an empty list when there was none for a while. After an error it may be called again.

        Errors: SandboxError.
        """
        if not self._begun:
            self._known, self._begun = await self._file.beside(".1").tag(), True
        while True:
            part = await self._read(self._file)
            before = await self._file.beside(".1").tag()
            if before != self._known:
                async for found in self._rotated():
                    yield found
                continue
            if part is not None and part.size < self._offset:  # cut, and nothing was kept
                self._offset, self._rest = 0, b""
                continue
            if part is None or not part.data:
                yield []
                await asyncio.sleep(self._wait_s)
                continue
            if found := self._split(part.data):
                yield found

    async def _read(self, file: File) -> Part | None:
        try:
            return await file.read(self._offset, BLOCK)
        except NoFile:
            return None

    def _split(self, data: bytes) -> list[Line]:
        """What is a line by now; ``_offset`` lies behind ``data`` then."""
        at = self._offset - len(self._rest)
        self._offset += len(data)
        *whole, rest = (self._rest + data).split(b"\n")
        found = []
        for text in whole:
            at += len(text) + 1
            found.append(Line(text, at))
        if len(rest) >= LONGEST_LINE:
            found.append(Line(rest, at + len(rest)))
            rest = b""
        self._rest = rest
        return found

    async def _rotated(self) -> AsyncIterator[list[Line]]:
        """Tell what is left of the files that were cut off; ``_offset`` is in the new one then."""
        before = self._known
        while (now := await self._file.beside(".1").tag()) != self._known:  # it copies first and cuts then
            self._known = now
            await asyncio.sleep(_SETTLED_S)
        tags, are_all = await self._since(before)
        if not are_all:  # where we were is thrown away
            self._offset, self._rest = 0, b""
        for tag in reversed(tags):
            while (part := await self._part_of(tag)) is not None and part.data:
                if found := self._split(part.data):
                    yield found
            if part is None:
                self._offset, self._rest = 0, b""
            else:
                self._offset = max(0, self._offset - part.size)

    async def _since(self, before: str | None) -> tuple[list[str], bool]:
        """(tags of the files that were cut off, from ``_known`` back to behind ``before``; whether all of them are there)."""
        found: list[str] = []
        for number in range(1, _KEPT + 1):
            tag = await self._file.beside(f".{number}").tag()
            if tag is None or tag == before:
                return found, tag == before
            if found or tag == self._known:
                found.append(tag)
        return found, before is None

    async def _part_of(self, tag: str) -> Part | None:
        """What comes next of an old file, whatever it is called by now; None: it is thrown away."""
        while True:
            for number in range(1, _KEPT + 1):
                file = self._file.beside(f".{number}")
                found = await file.tag()
                if found is None:
                    return None
                if found == tag:
                    break
            else:
                return None
            part = await self._read(file)
            if part is not None and await file.tag() == tag:
                return part
