"""Packages from where a person points: a URL, a zip, a repository's JSON, a Universe tree, one package or one release of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from dcos.catalog.archive import read_zip
from dcos.catalog.core.contents import Contents
from dcos.catalog.core.errors import CatalogError
from dcos.catalog.fetch import Fetcher, Limits
from dcos.catalog.repository import read_tree
from dcos.runtime import http
from dcos.wire.cosmos import RepositoryEntry
from dcos.wire.errors import WireError
from dcos.wire.universe import DESCRIPTION, Broken, Package, broken, decode_repository, of_folder

EVERY_RELEASE = "999999"
"""Newer than any package asks for."""
MAX_BYTES = 512 * 1024**2


class SourceError(Exception):
    """It cannot be read, or what is asked for is not in it."""


def read(source: str, release: str = EVERY_RELEASE) -> Contents:
    """``release``: of the DC/OS that the packages are for.   Errors: SourceError."""
    try:
        if source.startswith(("http://", "https://")):
            return asyncio.run(_fetched(source, release))
        path = Path(source)
        if path.is_dir():
            return _of_folders(path, release)
        if path.suffix == ".zip":
            with path.open("rb") as file:
                return read_zip(file, release, max_bytes=MAX_BYTES)
        packages, bad = decode_repository(path.read_bytes())
        return Contents.for_release(packages, bad, release)
    except CatalogError as error:
        raise SourceError(f"{source}: {error.message}") from None
    except (WireError, OSError) as error:
        raise SourceError(f"{source}: {error}") from None


async def _fetched(url: str, release: str) -> Contents:
    async with http.session() as session:
        limits = Limits(size=MAX_BYTES, seconds=600.0)
        fetcher = Fetcher(session, release=release, user_agent=f"dcos-install dcos/{release}", limits=limits)
        return await fetcher.fetch(RepositoryEntry(url, url), adding=False)


def _of_folders(path: Path, release: str) -> Contents:
    path = path.resolve()
    if (path / DESCRIPTION).is_file():
        return _of_releases([path], release)
    below = sorted(file.parent for file in path.glob(f"*/{DESCRIPTION}"))
    if below:
        return _of_releases(below, release)
    found = read_tree(path, release)
    if not (found.packages or found.broken or found.too_new):
        raise SourceError(f"{path}: holds no packages")
    return found


def _of_releases(folders: Iterable[Path], release: str) -> Contents:
    good: list[Package] = []
    bad: list[Broken] = []
    for folder in folders:
        files = files_of(folder)
        try:
            good.append(of_folder(folder.parent.name, folder.name, files))
        except WireError as error:
            bad.append(broken(str(folder), files.get(DESCRIPTION, b""), error))
    return Contents.for_release(good, bad, release)


def files_of(folder: Path) -> dict[str, bytes]:
    """By name."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


def chosen(packages: Sequence[Package], wanted: Sequence[str], *, latest: bool) -> tuple[Package, ...]:
    """Those that ``wanted`` names as ``name`` or ``name=version``, all without any; ``latest``: of each name the highest release.

    Errors: SourceError for what is not there.
    """
    found: list[Package] = []
    for text in wanted:
        name, _, version = text.partition("=")
        matching = [one for one in packages if one.name == name and version in ("", one.version)]
        if not matching:
            raise SourceError(f"there is no package {name}" + (f" of version {version}" if version else ""))
        found += [one for one in matching if one not in found]
    if not wanted:
        found = list(packages)
    if latest:
        newest = {one.name: one for one in sorted(found, key=lambda one: one.release_version)}
        found = [one for one in found if newest[one.name] is one]
    return tuple(found)
