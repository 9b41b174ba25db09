"""A repository over HTTP, read with limits of size, time and form: a server that lies costs a minute and an error.

The answer is unpacked piece by piece into a file (small ones stay in memory), so that neither a huge answer nor a small one that
unpacks to a huge one is ever held whole.   Source: cosmos UniverseClient.
"""

from __future__ import annotations

import asyncio
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final
from urllib.parse import urljoin, urlsplit

import aiohttp

from dcos.catalog.archive import read_zip
from dcos.catalog.core.contents import Contents
from dcos.catalog.core.errors import (
    CatalogError,
    repository_answered,
    repository_not_understood,
    repository_unreachable,
    unsupported_content,
    unsupported_encoding,
    unsupported_redirect,
)
from dcos.wire.cosmos import RepositoryEntry, parse_media_type, universe_repository
from dcos.wire.errors import WireError
from dcos.wire.universe import decode_repository

SCHEMAS: Final = (5, 4, 3)
ZIP: Final = "application/zip"
_ACCEPT: Final = ",".join([*(str(universe_repository(schema)) for schema in SCHEMAS), f"{ZIP};q=0.1"])
_SUPPORTED: Final = (*(str(universe_repository(schema)) for schema in SCHEMAS), ZIP)
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_CHUNK: Final = 2**16
_TIMES: Final = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
_IN_MEMORY: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``size``: bytes of an answer, packed and unpacked. ``seconds``: for all of it, redirects and further tries included."""

    size: int = 64 * 1024**2
    seconds: float = 60.0
    redirects: int = 5
    tries: int = 3
    """Where there is no connection or an answer of 500 and above."""
    pause_s: float = 1.0
    """Before the second try; each further one waits twice as long."""


class Fetcher:
    """``release``: DC/OS's, which servers and archives are chosen by."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        release: str,
        user_agent: str,
        limits: Limits,
        jitter: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._session = session
        self._release = release
        self._headers = {"Accept": _ACCEPT, "Accept-Encoding": "gzip", "User-Agent": user_agent}
        self._limits = limits
        self._jitter = jitter

    async def fetch(self, entry: RepositoryEntry, *, adding: bool) -> Contents:
        """Errors: those of a repository; ``adding``: once, and as a client of ``repository/add`` sees them."""
        limits = self._limits
        pause = limits.pause_s
        try:
            async with asyncio.timeout(limits.seconds):
                for left in reversed(range(1 if adding else limits.tries)):
                    try:
                        return await self._once(entry, adding)
                    except _MayComeBack as trouble:
                        if not left:
                            raise trouble.error from None
                        await asyncio.sleep(pause * self._jitter())
                        pause *= 2
        except TimeoutError:
            raise repository_unreachable(entry.name, entry.uri, f"not read within {limits.seconds:g} s") from None
        raise AssertionError("there is at least one try")

    async def _once(self, entry: RepositoryEntry, adding: bool) -> Contents:
        url = entry.uri
        try:
            for _ in range(self._limits.redirects + 1):
                async with self._session.get(
                    url, headers=self._headers, allow_redirects=False, auto_decompress=False, timeout=_TIMES
                ) as answer:
                    if answer.status in _REDIRECTS:
                        url = _followed(url, answer.headers.get("Location", ""))
                        continue
                    if answer.status != 200:
                        error = repository_answered(entry.name, entry.uri, answer.status, adding=adding)
                        raise _MayComeBack(error) if answer.status >= 500 else error
                    return await self._read(entry, answer)
        except aiohttp.InvalidURL:
            raise repository_unreachable(entry.name, entry.uri, f"is redirected to what is no URL: {url}") from None
        except (aiohttp.ClientConnectionError, aiohttp.ClientError, ValueError) as error:
            raise _MayComeBack(
                repository_unreachable(entry.name, entry.uri, str(error) or type(error).__name__)
            ) from None
        raise repository_unreachable(entry.name, entry.uri, f"more than {self._limits.redirects} redirects")

    async def _read(self, entry: RepositoryEntry, answer: aiohttp.ClientResponse) -> Contents:
        form = _form(answer.headers.get("Content-Type"))
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            try:
                await self._fill(file, answer)
                return await asyncio.to_thread(_understood, file, form, self._release, self._limits.size)
            except (WireError, zlib.error) as error:
                raise repository_not_understood(entry.name, entry.uri, str(error)) from None

    async def _fill(self, file: IO[bytes], answer: aiohttp.ClientResponse) -> None:
        """Errors: WireError, zlib.error, UnsupportedContentEncoding."""
        limit = self._limits.size
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip"):
            raise unsupported_encoding(("gzip",), encoding)
        if answer.content_length is not None and answer.content_length > limit:
            raise WireError("", f"it says to be of {answer.content_length} bytes; the limit is {limit}")
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS) if encoding != "identity" else None
        came = written = 0
        async for chunk in answer.content.iter_chunked(_CHUNK):
            came += len(chunk)
            while chunk:
                piece = chunk if unpacker is None else unpacker.decompress(chunk, _CHUNK)
                chunk = b"" if unpacker is None else unpacker.unconsumed_tail
                written += len(piece)
                if came > limit or written > limit:
                    raise WireError("", f"it is larger than the limit of {limit} bytes")
                file.write(piece)
        if unpacker is not None and not unpacker.eof:
            raise WireError("", "its compressed data ends too early")


class _MayComeBack(Exception):
    """Trouble that another try may not meet."""

    def __init__(self, error: CatalogError) -> None:
        super().__init__(error.message)
        self.error = error


def _understood(file: IO[bytes], form: str, release: str, limit: int) -> Contents:
    """Errors: WireError."""
    if form == ZIP:
        return read_zip(file, release, max_bytes=limit)
    file.seek(0)
    packages, bad = decode_repository(file.read())
    return Contents(packages, bad, form=form)


def _followed(url: str, location: str) -> str:
    target = urljoin(url, location)
    old, new = urlsplit(url).scheme, urlsplit(target).scheme
    if not location or new != old:
        raise unsupported_redirect(old, new or None)
    return target


def _form(content_type: str | None) -> str:
    """``v5``... or ``application/zip``.   Errors: UnsupportedContentType."""
    try:
        actual = parse_media_type(content_type or "")
    except WireError:
        raise unsupported_content(_SUPPORTED, content_type) from None
    for schema in SCHEMAS:
        wanted = universe_repository(schema)
        if actual.essence == wanted.essence and wanted.asked <= actual.asked:
            return f"v{schema}"
    if actual.essence in (("application", "zip"), ("application", "x-zip-compressed")):
        return ZIP
    raise unsupported_content(_SUPPORTED, content_type)
