"""One node's bundle: journals of its units, what its services answer, files and outputs of commands; each without secrets."""

from __future__ import annotations

import asyncio
import zipfile
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from dcos.node.core import log_text, redaction
from dcos.node.core.bundle import COMMANDS, endpoints, files
from dcos.node.core.log_query import Query
from dcos.node.core.log_text import Form
from dcos.node.logs.reading import Reading
from dcos.registry import NodeRole
from dcos.runtime import process
from dcos.runtime.journal import JournalError

_ANSWER_BYTES: Final = 64 << 20
_FILE_BYTES: Final = 4 << 20
_COMMAND_S: Final = 20.0
_ENTRIES: Final = 100_000
_JOURNAL_BYTES: Final = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What this node has. ``has_journal``: whether its units write to one; ``ports``: URLs of its services by name."""

    role: NodeRole
    units: Sequence[str]
    has_journal: bool
    etc: Path
    ports: Mapping[str, str]


class Collector:
    """``named``: headers for who asks for a name."""

    def __init__(self, content: Content, session: aiohttp.ClientSession, named: Mapping[str, str]) -> None:
        self._content = content
        self._session = session
        self._named = named

    async def collect(self, target: Path) -> list[str]:
        """Write the zip; what could not be had, in words."""
        errors: list[str] = []
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
            for name, url in endpoints(self._content.role, self._content.ports):
                await self._add(archive, name, self._answer(url), errors)
            for name, path in files(str(self._content.etc)):
                await self._add(archive, f"files/{name}", asyncio.to_thread(_file, Path(path)), errors)
            for name, words in COMMANDS:
                await self._add(archive, f"commands/{name}.txt", _output(words), errors)
            if self._content.has_journal:
                for unit in self._content.units:
                    await self._add(archive, f"units/{unit}.log", asyncio.to_thread(_journal, unit), errors)
            report = "".join(f"{one}\n" for one in errors)
            archive.writestr("summaryErrorsReport.txt", report)
            archive.writestr("summaryReport.txt", "".join(f"{one.filename}\n" for one in archive.infolist()))
        return errors

    async def _add(self, archive: zipfile.ZipFile, name: str, making: Awaitable[bytes], errors: list[str]) -> None:
        try:
            data = await making
        except (aiohttp.ClientError, TimeoutError, OSError, process.ProcessError, JournalError, _Refused) as error:
            errors.append(f"{name}: {error or type(error).__name__}")
            return
        await asyncio.to_thread(archive.writestr, name, data)

    async def _answer(self, url: str) -> bytes:
        async with self._session.get(url, headers=self._named, allow_redirects=False) as answer:
            body = await answer.content.read(_ANSWER_BYTES)
            while more := await answer.content.read(1 << 20):
                body += more
                if len(body) > _ANSWER_BYTES:
                    raise _Refused(f"{url}: more than {_ANSWER_BYTES >> 20} MB")
            if answer.status != 200:
                raise _Refused(f"{url}: status {answer.status}")
        return await asyncio.to_thread(redaction.document, body)


class _Refused(Exception):
    """The text says what was answered."""


async def _output(words: Sequence[str]) -> bytes:
    done = await process.run(words, timeout_s=_COMMAND_S)
    said = done.stdout + (done.stderr if not done.ok else b"")
    return redaction.text(said.decode(errors="replace")).encode()


def _file(path: Path) -> bytes:
    with path.open("rb") as opened:
        return redaction.document(opened.read(_FILE_BYTES))


def _journal(unit: str) -> bytes:
    """Its newest entries, the oldest of them first."""
    reading = Reading(None, Query(unit=unit, tail=True, back=_ENTRIES))
    lines: deque[bytes] = deque()
    size = 0
    try:
        while batch := reading.batch():
            for one in batch:
                line = log_text.entry(Form.TEXT, one.fields, one.cursor, one.realtime_us, one.monotonic_us, id=False)
                lines.append(redaction.text(line.decode(errors="replace")).encode())
                size += len(line)
                while size > _JOURNAL_BYTES:
                    size -= len(lines.popleft())
    finally:
        reading.close()
    return b"".join(lines)
