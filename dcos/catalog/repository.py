"""Packages from where they lie: folders in Universe tree form, and repositories over HTTP.

A folder's broken package is logged and left out; the others stay. A repository that cannot be fetched is an error, unless an
earlier copy is at hand: then that is used and the trouble logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp

from dcos.catalog.core.collection import Collection
from dcos.catalog.core.errors import (
    CatalogError,
    repository_answered,
    repository_not_understood,
    repository_unreachable,
    unsupported_content,
)
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger
from dcos.wire.cosmos import RepositoryEntry, parse_media_type, universe_repository
from dcos.wire.errors import WireError
from dcos.wire.universe import Package, assemble, decode_repository, runs_on

SCHEMAS: Final = (5, 4, 3)
_ACCEPT: Final = ",".join(str(universe_repository(schema)) for schema in SCHEMAS)
_SUPPORTED: Final = tuple(str(universe_repository(schema)) for schema in SCHEMAS)
_MAX_REDIRECTS: Final = 5


def read_tree(root: Path, release: str, log: Logger) -> tuple[Package, ...]:
    """All good packages below ``root`` that run on DC/OS ``release``. ``root`` is the ``packages`` folder or has one in
    ``repo/`` or beside itself."""
    base = next((one for one in (root / "repo/packages", root / "packages", root) if one.is_dir()), root)
    found: list[Package] = []
    for folder in sorted(base.glob("*/*/*")):
        if not folder.is_dir() or folder.name.startswith("_"):
            continue
        try:
            package = _read_package(folder)
        except (WireError, OSError) as error:
            log.warning("package_left_out", folder=str(folder.relative_to(base)), reason=str(error))
            continue
        if runs_on(package, release):
            found.append(package)
    return tuple(found)


def _read_package(folder: Path) -> Package:
    if not folder.name.isdecimal():
        raise WireError(folder.name, "the folder's name must be the release version")
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    package = assemble(int(folder.name), files)
    if package.name != folder.parent.name:
        raise WireError("package.json/name", f"must be the folder's: {folder.parent.name}")
    return package


@dataclass(frozen=True, slots=True)
class _Copy:
    packages: tuple[Package, ...]
    fetched: float


class Shelf:
    """Everything that can be installed. ``builtin`` is the URI that stands for the packages on this machine."""

    def __init__(
        self,
        *,
        builtin: str,
        packages: tuple[Package, ...],
        session: aiohttp.ClientSession,
        clock: Clock,
        log: Logger,
        user_agent: str,
        fresh_s: float = 60.0,
    ) -> None:
        self.builtin = builtin
        self.packages = packages
        self._session = session
        self._clock = clock
        self._log = log
        self._user_agent = user_agent
        self._fresh_s = fresh_s
        self._copies: dict[str, _Copy] = {}
        self._merged: tuple[tuple[tuple[str, tuple[Package, ...]], ...], Collection] | None = None
        self._fetching = asyncio.Lock()

    async def collection(self, entries: Iterable[RepositoryEntry]) -> Collection:
        """The merged packages of ``entries``.   Errors: those of a repository that never could be read."""
        parts = []
        for entry in entries:
            parts.append((entry.uri, await self._packages_of(entry)))
        whole = tuple(parts)
        if self._merged is None or not _same(self._merged[0], whole):
            self._merged = (whole, Collection(whole))
        return self._merged[1]

    async def verify(self, entry: RepositoryEntry) -> None:
        """Read a repository about to be added.   Errors: as a client of ``repository/add`` sees them."""
        if entry.uri != self.builtin:
            self._copies[entry.uri] = _Copy(await self._fetch(entry, adding=True), self._clock.monotonic())

    def forget(self, entries: Iterable[RepositoryEntry]) -> None:
        """Drop copies of repositories that are not in the list."""
        kept = {entry.uri for entry in entries}
        self._copies = {uri: copy for uri, copy in self._copies.items() if uri in kept}

    async def _packages_of(self, entry: RepositoryEntry) -> tuple[Package, ...]:
        if entry.uri == self.builtin:
            return self.packages
        async with self._fetching:
            copy = self._copies.get(entry.uri)
            if copy and self._clock.monotonic() - copy.fetched < self._fresh_s:
                return copy.packages
            try:
                packages = await self._fetch(entry, adding=False)
            except CatalogError as error:
                if copy is None:
                    raise
                self._log.warning("repository_copy_used", name=entry.name, reason=error.message)
                packages = copy.packages
            self._copies[entry.uri] = _Copy(packages, self._clock.monotonic())
            return packages

    async def _fetch(self, entry: RepositoryEntry, *, adding: bool) -> tuple[Package, ...]:
        headers = {"Accept": _ACCEPT, "User-Agent": self._user_agent}
        url = entry.uri
        try:
            for _ in range(_MAX_REDIRECTS):
                async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
                    if answer.status in (301, 302, 303, 307, 308):
                        url = _followed(url, answer.headers.get("Location", ""))
                        continue
                    if answer.status != 200:
                        raise repository_answered(entry.name, entry.uri, answer.status, adding=adding)
                    _check_content(answer.headers.get("Content-Type"))
                    raw = await answer.read()
                    break
            else:
                raise repository_unreachable(entry.name, entry.uri, "too many redirects")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise repository_unreachable(entry.name, entry.uri, str(error) or type(error).__name__) from None
        try:
            packages, broken = await asyncio.to_thread(decode_repository, raw)
        except WireError as error:
            raise repository_not_understood(entry.name, entry.uri, str(error)) from None
        for trouble in broken:
            self._log.warning("package_left_out", repository=entry.name, reason=str(trouble))
        return packages


def _same(old: tuple[tuple[str, tuple[Package, ...]], ...], new: tuple[tuple[str, tuple[Package, ...]], ...]) -> bool:
    return len(old) == len(new) and all(a[0] == b[0] and a[1] is b[1] for a, b in zip(old, new, strict=True))


def _followed(url: str, location: str) -> str:
    target = urljoin(url, location)
    old, new = urlsplit(url).scheme, urlsplit(target).scheme
    if not location or new != old:
        raise CatalogError(
            "UnsupportedRedirect",
            f"Unsupported redirect scheme - supported: {old} actual: {new or 'none'}",
            data={"supported": [old], "actual": new or None},
        )
    return target


def _check_content(content_type: str | None) -> None:
    """Errors: UnsupportedContentType."""
    try:
        actual = parse_media_type(content_type or "")
    except WireError:
        raise unsupported_content(_SUPPORTED, content_type) from None
    if not any(
        actual.essence == wanted.essence and wanted.asked <= actual.asked
        for wanted in map(universe_repository, SCHEMAS)
    ):
        raise unsupported_content(_SUPPORTED, content_type)
