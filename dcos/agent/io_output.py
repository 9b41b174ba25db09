"""What a process writes, on its way to those who listen.

A patient listener (the owner of a session) slows the process down when it is slow itself. Others are cut off when they
are ``ROOM`` bytes behind, and hurt nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import StrEnum

ROOM = 4 * 1024 * 1024


class Kind(StrEnum):
    STDOUT = "STDOUT"
    STDERR = "STDERR"


Chunk = tuple[Kind, bytes]


class Listener:
    """One reader of an output."""

    def __init__(self, *, patient: bool) -> None:
        self.patient = patient
        self.lost = False
        """It was too slow; what came since is not in it."""
        self._chunks: deque[Chunk] = deque()
        self._bytes = 0
        self._over = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def next(self) -> Chunk | None:
        """What comes next; None at the end."""
        while not self._chunks:
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        chunk = self._chunks.popleft()
        self._bytes -= len(chunk[1])
        if self._bytes < ROOM:
            self._room.set()
        return chunk

    def take(self, chunk: Chunk) -> None:
        if self._over:
            return
        if self._bytes >= ROOM and not self.patient:
            self.lost = True
            self.end()
            return
        self._chunks.append(chunk)
        self._bytes += len(chunk[1])
        if self._bytes >= ROOM:
            self._room.clear()
        self._news.set()

    async def roomy(self) -> None:
        await self._room.wait()

    def end(self) -> None:
        """Nothing more comes; what is there can still be read."""
        self._over = True
        self._news.set()
        self._room.set()


class Output:
    """Gives every chunk to every listener."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._over = False
        self._somebody = asyncio.Event()

    def listen(self, *, patient: bool = False) -> Listener:
        listener = Listener(patient=patient)
        if self._over:
            listener.end()
        else:
            self._listeners.add(listener)
            self._somebody.set()
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        listener.end()

    async def heard(self) -> None:
        """Wait for the first listener that ever comes."""
        await self._somebody.wait()

    async def put(self, chunk: Chunk) -> None:
        """Hand it round, and wait for the patient ones."""
        for listener in tuple(self._listeners):
            listener.take(chunk)
            if listener.patient:
                await listener.roomy()

    def end(self) -> None:
        self._over = True
        self._somebody.set()
        for listener in self._listeners:
            listener.end()
        self._listeners.clear()
