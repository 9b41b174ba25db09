"""The end of a task's file, and what is added to it: read through its agent, in pieces."""

from __future__ import annotations

from typing import Final

from dcos.cli.tasks import Task
from dcos.client.adminrouter.mesos import Mesos

MOST_BYTES: Final = 1 << 18
"""Looked through for the last lines."""
_PIECE: Final = 1 << 16
_CUT: Final = "�"


class Tail:
    """Of ``file`` in the sandbox of ``task``. A file that became shorter (it was rotated) is read from its beginning."""

    def __init__(self, mesos: Mesos, task: Task, file: str) -> None:
        self._mesos = mesos
        self.task = task
        self._path = f"{mesos.sandbox(task.agent_id, task.raw)}/{file}"
        self._at = 0
        self._is_whole = True
        """What was read last ended with a line."""

    def use(self, mesos: Mesos) -> None:
        """Ask by another connection from now on."""
        self._mesos = mesos

    def last(self, lines: int) -> str:
        """The last ``lines`` of what is there.   Errors: ClientError."""
        size = self._mesos.file_size(self.task.agent_id, self._path)
        self._at = max(0, size - MOST_BYTES) if lines else size
        text = self._read(size)
        return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""

    def more(self) -> str:
        """What was added since the last look.   Errors: ClientError."""
        size = self._mesos.file_size(self.task.agent_id, self._path)
        if size >= self._at:
            return self._read(size)
        self._at, cut = 0, not self._is_whole
        return ("\n" if cut else "") + self._read(size)

    def _read(self, end: int) -> str:
        parts = []
        while self._at < end:
            length = min(_PIECE, end - self._at)
            text = self._mesos.read_file(self.task.agent_id, self._path, self._at, length)
            # a character that the piece's end cut is read with the next piece
            for shorter in range(length - 1, max(length - 4, 0), -1):
                if not text.endswith(_CUT) or self._at + length >= end:
                    break
                text, length = self._mesos.read_file(self.task.agent_id, self._path, self._at, shorter), shorter
            if not text:
                break
            parts.append(text)
            self._at += length
        if parts:
            self._is_whole = parts[-1].endswith("\n")
        return "".join(parts)


class Lines:
    """Whole lines out of pieces of text."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> list[str]:
        *whole, self._held = (self._held + text).split("\n")
        return whole

    def rest(self) -> list[str]:
        """The beginning of a line whose end will not come."""
        held, self._held = self._held, ""
        return [held] if held else []
