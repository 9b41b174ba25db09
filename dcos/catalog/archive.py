"""A repository as a zip archive: ``repo/packages/<Letter>/<name>/<release>/*`` and ``repo/meta/*``, as DC/OS up to 1.10 read it.

Nothing is unpacked to disk. An archive comes from outside and may lie, so everything in it is limited: the size of its directory,
of a file, of all files together. What is wrong with one package (a link, a file twice, an encrypted one) leaves that
package out.   Source: cosmos universe v2 repositories, Python's zipfile for the end of an archive.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Mapping
from typing import IO, Final

import msgspec

from dcos.catalog.core.contents import Contents
from dcos.wire.errors import WireError
from dcos.wire.universe import DESCRIPTION, FILES, MAX_PACKAGES, NOT_JSON, TEMPLATE, Broken, Package, broken, of_folder

MAX_DIRECTORY_BYTES: Final = 8 * 1024**2
"""All of Universe needs 0.6 MB. Each entry costs memory before anything of it is read."""
MAX_FILE_BYTES: Final = 4 * 1024**2
_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR_BYTES: Final = 20
_READ: Final = frozenset({DESCRIPTION, TEMPLATE, *FILES})
_PLACE = re.compile(r"(?P<root>(?:[^/]+/)*?)repo/(?P<kind>packages|meta)/(?P<rest>.+)")
_LINK: Final = 0o120000
_FORMAT: Final = 0o170000
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_Files = dict[str, list[zipfile.ZipInfo]]


def read_zip(file: IO[bytes], release: str, *, max_bytes: int) -> Contents:
    """``file`` can be sought; ``max_bytes``: of all that is read of it, unpacked.   Errors: WireError."""
    _check_end(file)
    try:
        with zipfile.ZipFile(file) as archive:
            folders, meta = _sorted_out(archive)
            reader = _Reader(archive, max_bytes)
            _check_version(reader, meta)
            return _read(reader, folders, release)
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, OSError, ValueError, NotImplementedError) as error:
        if isinstance(error, WireError):
            raise
        raise WireError("", f"is not a readable zip archive ({error})") from None


def _check_end(file: IO[bytes]) -> None:
    """Refuse a directory that is too large before any of it is read.   Errors: WireError."""
    size = file.seek(0, 2)
    start = max(0, size - _END.size - 0xFFFF)
    file.seek(start)
    tail = file.read()
    last = len(tail) - _END.size
    if last < 0:
        raise WireError("", "is not a zip archive")
    plain = tail[last : last + 4] == b"PK\x05\x06" and tail[-2:] == b"\0\0"
    at = last if plain else tail.rfind(b"PK\x05\x06")
    if at < 0 or at > last:
        raise WireError("", "is not a zip archive, or its end is missing")
    _, _, _, _, entries, directory, _, _ = _END.unpack_from(tail, at)
    if tail[max(0, at - _LOCATOR_BYTES) : at].startswith(b"PK\x06\x07") or directory == 0xFFFFFFFF or entries == 0xFFFF:
        raise WireError("", "is a zip64 archive, which a catalog never needs")
    if directory > MAX_DIRECTORY_BYTES:
        raise WireError("", f"has a directory of more than {MAX_DIRECTORY_BYTES} bytes")
    file.seek(0)


def _sorted_out(archive: zipfile.ZipFile) -> tuple[Mapping[str, _Files], _Files]:
    """Entries by package folder (``D/demo/0``) and file name; those of ``meta``.   Errors: WireError."""
    folders: dict[str, _Files] = defaultdict(lambda: defaultdict(list))
    meta: _Files = defaultdict(list)
    roots = set()
    for entry in archive.infolist():
        place = _PLACE.fullmatch(entry.filename)
        if place is None or entry.is_dir():
            continue
        roots.add(place["root"])
        if place["kind"] == "meta":
            meta[place["rest"]].append(entry)
            continue
        folder, _, name = place["rest"].rpartition("/")
        if folder.count("/") == 2:
            folders[folder][name].append(entry)
    if len(roots) > 1:
        raise WireError("", f"holds several catalogs: {', '.join(f'{root}repo' for root in sorted(roots)[:3])}")
    if not folders:
        raise WireError("", "has no repo/packages")
    if len(folders) > MAX_PACKAGES:
        raise WireError("", f"has more than {MAX_PACKAGES} packages")
    return folders, meta


class _Reader:
    def __init__(self, archive: zipfile.ZipFile, max_bytes: int) -> None:
        self._archive = archive
        self._left = max_bytes

    def read(self, name: str, entries: list[zipfile.ZipInfo]) -> bytes:
        """One file, which must be there once.   Errors: WireError, those of zipfile."""
        if len(entries) > 1:
            raise WireError(name, "is in the archive more than once")
        (entry,) = entries
        if (entry.external_attr >> 16) & _FORMAT == _LINK:
            raise WireError(name, "is a symbolic link")
        if entry.flag_bits & 1:
            raise WireError(name, "is encrypted")
        if entry.compress_type not in _METHODS:
            raise WireError(name, "is packed by another method than deflate")
        with self._archive.open(entry) as opened:
            data = opened.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise WireError(name, f"is larger than {MAX_FILE_BYTES} bytes")
        self._left -= len(data)
        if self._left < 0:
            raise TooMuch("unpacked, it is larger than the limit")
        return data


class TooMuch(WireError):
    """The whole archive is refused."""

    def __init__(self, rule: str) -> None:
        super().__init__("", rule)


class _Version(msgspec.Struct, frozen=True):
    version: str


def _check_version(reader: _Reader, meta: _Files) -> None:
    """Errors: WireError."""
    entries = meta.get("version.json")
    if not entries:
        return
    try:
        found = msgspec.json.decode(reader.read("repo/meta/version.json", entries), type=_Version).version
    except NOT_JSON as error:
        raise WireError("repo/meta/version.json", str(error)) from None
    if found.partition(".")[0] not in ("2", "3", "4", "5"):
        raise WireError("repo/meta/version.json", f"names version {found[:40]}; 2 to 5 are known")


def _read(reader: _Reader, folders: Mapping[str, _Files], release: str) -> Contents:
    good: list[Package] = []
    bad: list[Broken] = []
    for folder, files in sorted(folders.items()):
        _, name, number = folder.split("/")
        read: dict[str, bytes] = {}
        try:
            for file, entries in files.items():
                if file in _READ:
                    read[file] = reader.read(file, entries)
            good.append(of_folder(name, number, read))
        except TooMuch:
            raise
        except (WireError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            bad.append(broken(f"repo/packages/{folder}", read.get(DESCRIPTION, b""), error))
    return Contents.for_release(good, bad, release, "zip")
