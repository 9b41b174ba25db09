"""Packages from where they lie: folders in Universe tree form, and repositories over HTTP.

A broken package is left out, kept with what is wrong with it, and the others stay. A repository that cannot be fetched is an
error, unless an earlier copy is at hand: then that is used and the trouble logged.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dcos.catalog.core.collection import Collection
from dcos.catalog.core.contents import Contents
from dcos.catalog.core.errors import CatalogError
from dcos.catalog.core.status import Condition
from dcos.catalog.fetch import Fetcher
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger
from dcos.wire.cosmos import RepositoryEntry
from dcos.wire.errors import WireError
from dcos.wire.universe import DESCRIPTION, Broken, Package, broken, of_folder

FRESH_S: Final = 60.0
"""So long a copy serves without a look at its repository."""
PATIENCE_S: Final = 5.0
"""So long who asks waits for a newer copy where there is one already."""
AGAIN_S: Final = 10.0
"""So long a repository that could not be read at all is not asked again."""


def read_tree(root: Path, release: str) -> Contents:
    """The packages below ``root``, chosen for DC/OS ``release``. ``root`` is the ``packages`` folder or has one in ``repo/`` or
    beside itself."""
    base = next((one for one in (root / "repo/packages", root / "packages", root) if one.is_dir()), root)
    good: list[Package] = []
    bad: list[Broken] = []
    for folder in sorted(base.glob("*/*/*")):
        if not folder.is_dir() or folder.name.startswith("_"):
            continue
        files: dict[str, bytes] = {}
        try:
            files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
            good.append(of_folder(folder.parent.name, folder.name, files))
        except (WireError, OSError) as error:
            bad.append(broken(str(folder.relative_to(base)), files.get(DESCRIPTION, b""), error))
    return Contents.for_release(good, bad, release)


@dataclass(slots=True)
class _Kept:
    """What is known of one repository. Times are monotonic, ``fetched`` is Unix seconds."""

    contents: Contents | None = None
    fetched: float | None = None
    tried: float | None = None
    error: CatalogError | None = None
    """Of the last try."""
    fetching: asyncio.Task[None] | None = None


class Shelf:
    """Everything that can be installed. ``builtin`` is the URI that stands for the packages on this machine, ``own``.

    A repository is fetched by a task of its own, which all who ask share, and which goes on when they do not wait any more;
    ``aclose`` ends them.
    """

    def __init__(
        self,
        *,
        builtin: str,
        own: Contents,
        fetcher: Fetcher,
        clock: Clock,
        log: Logger,
        fresh_s: float = FRESH_S,
        patience_s: float = PATIENCE_S,
        again_s: float = AGAIN_S,
    ) -> None:
        self.builtin = builtin
        self.own = own
        self.files: dict[str, bytes] = {}
        """Files of packages that lie in this service, by URL."""
        self._fetcher = fetcher
        self._clock = clock
        self._log = log
        self._fresh_s = fresh_s
        self._patience_s = patience_s
        self._again_s = again_s
        self._kept: dict[str, _Kept] = {}
        self._merged: tuple[tuple[tuple[str, Contents], ...], Collection] | None = None

    def put(self, package: Package, files: Mapping[str, bytes]) -> None:
        """One package more on this machine, with files of its own."""
        self.own = self.own.joined(Contents((package,)))
        self.files |= files

    async def collection(self, entries: Iterable[RepositoryEntry]) -> Collection:
        """The merged packages of ``entries``.   Errors: those of a repository that never could be read."""
        whole = tuple([(entry.uri, await self._contents(entry)) for entry in entries])
        if self._merged is None or not _same(self._merged[0], whole):
            broken_ones = [bad for _, one in whole for bad in one.broken]
            self._merged = (whole, Collection([(uri, one.packages) for uri, one in whole], broken_ones))
        return self._merged[1]

    async def condition(self, entries: Iterable[RepositoryEntry]) -> tuple[Condition, ...]:
        """How each repository is, after a look at those that are due."""
        found = []
        for entry in entries:
            with contextlib.suppress(CatalogError):
                await self._contents(entry)
            kept = _Kept(self.own) if entry.uri == self.builtin else self._kept.get(entry.uri, _Kept())
            found.append(Condition(entry, kept.contents, kept.fetched, kept.error))
        return tuple(found)

    async def verify(self, entry: RepositoryEntry) -> None:
        """Read a repository about to be added.   Errors: as a client of ``repository/add`` sees them."""
        if entry.uri == self.builtin:
            return
        contents = await self._fetcher.fetch(entry, adding=True)
        kept = self._kept.setdefault(entry.uri, _Kept())
        self._put(entry, kept, contents)

    def forget(self, entries: Iterable[RepositoryEntry]) -> None:
        """Drop copies of repositories that are not in the list."""
        staying = {entry.uri for entry in entries}
        for uri in [uri for uri in self._kept if uri not in staying]:
            work = self._kept.pop(uri).fetching
            if work is not None:
                work.cancel()

    async def aclose(self) -> None:
        work = [kept.fetching for kept in self._kept.values() if kept.fetching is not None]
        self.forget(())
        await asyncio.gather(*work, return_exceptions=True)

    async def _contents(self, entry: RepositoryEntry) -> Contents:
        if entry.uri == self.builtin:
            return self.own
        kept = self._kept.setdefault(entry.uri, _Kept())
        if kept.fetching is None and self._is_due(kept):
            kept.fetching = asyncio.create_task(self._refresh(entry, kept), name=f"fetching {entry.name}")
        if (work := kept.fetching) is not None:
            await asyncio.wait({work}, timeout=self._patience_s if kept.contents is not None else None)
            if work.done() and not work.cancelled():
                work.result()  # what nobody expected shall not be lost
        if kept.contents is not None:
            return kept.contents
        if kept.error is not None:
            raise kept.error
        raise CatalogError("ConcurrentAccess", "Retry operation. The repository was removed meanwhile")

    def _is_due(self, kept: _Kept) -> bool:
        wait = self._fresh_s if kept.contents is not None else min(self._again_s, self._fresh_s)
        return kept.tried is None or self._clock.monotonic() - kept.tried >= wait

    async def _refresh(self, entry: RepositoryEntry, kept: _Kept) -> None:
        try:
            self._put(entry, kept, await self._fetcher.fetch(entry, adding=False))
        except CatalogError as error:
            kept.error, kept.tried = error, self._clock.monotonic()
            event = "repository_failed" if kept.contents is None else "repository_copy_used"
            self._log.warning(event, name=entry.name, reason=error.message)
        finally:
            kept.fetching = None

    def _put(self, entry: RepositoryEntry, kept: _Kept, contents: Contents) -> None:
        if kept.contents is None or kept.contents.broken != contents.broken:
            for one in contents.broken:
                self._log.warning("package_left_out", repository=entry.name, place=one.place, reason=one.reason)
        kept.contents, kept.error = contents, None
        kept.fetched, kept.tried = self._clock.now(), self._clock.monotonic()


def _same(old: tuple[tuple[str, Contents], ...], new: tuple[tuple[str, Contents], ...]) -> bool:
    return len(old) == len(new) and all(a[0] == b[0] and a[1] is b[1] for a, b in zip(old, new, strict=True))
