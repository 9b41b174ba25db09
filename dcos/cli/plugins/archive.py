"""Archives of plugins, which come from anywhere: nothing is written outside the folder, and no more than the limits allow."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath
from typing import Final

from dcos.cli.config_store import ConfigError

MAX_FILES: Final = 20_000
MAX_BYTES: Final = 1 << 30
"""Of all files together, unpacked."""
_CHUNK: Final = 1 << 16
_TYPE, _LINK, _FOLDER, _FILE = 0o170000, 0o120000, 0o040000, 0o100000


def is_zip(file: Path) -> bool:
    """By its first bytes. (A program with a zip archive at its end is a program.)"""
    with file.open("rb") as opened:
        return opened.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def unpack(file: Path, target: Path) -> None:
    """Programs in ``bin/``, and what was one in the archive, may be executed.   Errors: ConfigError."""
    try:
        with zipfile.ZipFile(file) as opened:
            entries = opened.infolist()
            if len(entries) > MAX_FILES:
                raise ConfigError(f"{file.name} has more than {MAX_FILES} files")
            left = MAX_BYTES
            for entry in entries:
                left = _entry(opened, entry, target, left)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ConfigError(f"{file.name} cannot be unpacked: {error}") from None


def _entry(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Write one; how many bytes may still be."""
    mode = entry.external_attr >> 16
    path = PurePosixPath(entry.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in entry.filename:
        raise ConfigError(f"{opened.filename} has a file outside of its folder: {entry.filename!r}")
    if mode & _TYPE not in (0, _FILE, _FOLDER):
        raise ConfigError(f"{opened.filename} has something that is neither file nor folder: {entry.filename!r}")
    place = target.joinpath(*path.parts)
    if entry.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        return left
    place.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(entry) as source, place.open("wb") as written:
        while part := source.read(_CHUNK):
            left -= len(part)
            if left < 0:
                raise ConfigError(f"{opened.filename} has more than {MAX_BYTES >> 20} MiB when unpacked")
            written.write(part)
    place.chmod(0o755 if mode & 0o111 or path.parts[0] == "bin" else 0o644)
    return left
