"""Component packages on this node's disk.   Source: pkgpanda's layout.

``packages/<name>--<version>/`` are all that are there; ``active/<name>`` are links to those in use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

_ID = re.compile(r"(?P<name>[A-Za-z0-9@_+:.-]*?[A-Za-z0-9@_+:.])--(?P<version>[A-Za-z0-9@_+:.-]+)")


class PackageId(msgspec.Struct, frozen=True):
    """``name--version``."""

    id: str
    name: str
    version: str


def package_id(text: str) -> PackageId:
    """Errors: ValueError."""
    match = _ID.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not the id of a package: name--version")
    return PackageId(text, match["name"], match["version"])


def repository(opt: Path) -> tuple[PackageId, ...]:
    """All packages that are there, by id.   Errors: OSError."""
    return _sorted(entry.name for entry in (opt / "packages").iterdir() if entry.is_dir() and not entry.is_symlink())


def active(opt: Path) -> tuple[PackageId, ...]:
    """Those in use. A link that leads nowhere is none.   Errors: OSError."""
    return _sorted(
        entry.readlink().name for entry in (opt / "active").iterdir() if entry.is_symlink() and entry.is_dir()
    )


def _sorted(names: Iterator[str]) -> tuple[PackageId, ...]:
    """Other folders that somebody put there are left out."""
    return tuple(package_id(name) for name in sorted(set(names)) if _ID.fullmatch(name))
