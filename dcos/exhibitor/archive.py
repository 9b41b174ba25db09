"""ZooKeeper's data as one file, checked, and back.

A backup is a gzipped tar of ``version-2/snapshot.*`` and ``version-2/log.*`` (cut after the last whole transaction), mode 0600
since it holds all that ZooKeeper knows, access lists included. It is checked by reading it again before it gets its name. A
restore checks it once more, unpacks beside the data, and only then puts the data aside and the new in its place.
"""

from __future__ import annotations

import calendar
import gzip
import io
import mmap
import os
import re
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dcos.exhibitor.core import keeping
from dcos.exhibitor.core.datafiles import Damaged, Log, Snapshot, holds_nothing, read_log, read_snapshot, zxid_of
from dcos.exhibitor.core.keeping import Whole

T = TypeVar("T")
FOLDER = "version-2"
_NAME = re.compile(r"zookeeper-(\d{8}T\d{6}Z)-([0-9a-f]+)\.tar\.gz")
_LEVEL = 6
MAX_BYTES = 64 * 2**30
"""Of all members of a backup together: more is not unpacked."""


@dataclass(frozen=True, slots=True)
class Backup:
    """``made``: seconds since 1970; ``last``: the zxid it goes up to; ``size`` in bytes."""

    name: str
    made: float
    last: int
    size: int


@dataclass(frozen=True, slots=True)
class Folders:
    """Where ZooKeeper has its snapshots and its logs."""

    snapshots: Path
    logs: Path


def snapshots_in(folder: Path) -> dict[int, Snapshot | Damaged]:
    """All of ``folder/version-2``, read whole."""
    return {
        zxid: _judged(path, lambda data, zxid=zxid: read_snapshot(zxid, data))  # type: ignore[misc]
        for zxid, path in _files(folder, "snapshot")
    }


def logs_in(folder: Path) -> dict[int, Log | Damaged]:
    """Those in which anything was written."""
    empty = set(empty_logs(folder))
    return {zxid: _judged(path, read_log) for zxid, path in _files(folder, "log") if path not in empty}


def empty_logs(folder: Path) -> tuple[Path, ...]:
    """Logs without even a header.   Errors: OSError."""
    return tuple(path for _, path in _files(folder, "log") if _judged(path, holds_nothing) is True)


def check_data(folders: Folders) -> Whole:
    """Snapshots are read first: what they hold is in the logs by then.   Errors: Damaged, OSError."""
    snapshots = snapshots_in(folders.snapshots)
    return keeping.select(snapshots, logs_in(folders.logs))


def make(folders: Folders, into: Path, *, now: float) -> Backup | None:
    """Write a backup of a server's data, running or not; None if the newest one goes as far already.

    Errors: Damaged (nothing whole to copy), OSError.
    """
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    snapshots = snapshots_in(folders.snapshots)
    logs = logs_in(folders.logs)
    whole = keeping.select(snapshots, logs)
    if any(one.last == whole.last for one in listed(into)[:1]):
        return None
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    name = f"zookeeper-{stamp}-{whole.last:x}.tar.gz"
    descriptor, temporary = tempfile.mkstemp(prefix=".making-", dir=into)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=_LEVEL, mtime=int(now)) as zipped:
                _write(zipped, folders, whole, logs)
            raw.flush()
            os.fsync(raw.fileno())
        found = check(Path(temporary))
        if found.last != whole.last:
            raise Damaged(f"the backup goes to zxid {found.last:x} instead of {whole.last:x}")
        Path(temporary).rename(into / name)
        _sync(into)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return Backup(name, now, whole.last, (into / name).stat().st_size)


def _write(out: gzip.GzipFile, folders: Folders, whole: Whole, logs: dict[int, Log | Damaged]) -> None:
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        members = [(folders.snapshots, f"snapshot.{whole.snapshot:x}", -1)]
        for zxid in whole.logs:
            log = logs[zxid]
            assert isinstance(log, Log)  # select takes whole ones only
            members.append((folders.logs, f"log.{zxid:x}", log.length))
        for folder, name, length in members:
            with (folder / FOLDER / name).open("rb") as file:
                status = os.fstat(file.fileno())
                member = tarfile.TarInfo(f"{FOLDER}/{name}")
                member.size = status.st_size if length < 0 else length
                member.mtime, member.mode = int(status.st_mtime), 0o600
                tar.addfile(member, file)


def listed(folder: Path) -> list[Backup]:
    """Those of a folder, newest first; other files are passed over."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if match := _NAME.fullmatch(path.name):
            made = time.strptime(match[1], "%Y%m%dT%H%M%SZ")
            found.append(Backup(path.name, float(calendar.timegm(made)), int(match[2], 16), path.stat().st_size))
    return sorted(found, key=lambda one: (one.made, one.name), reverse=True)


def prune(folder: Path, *, now: float, max_age_s: float) -> tuple[str, ...]:
    """Delete what is older than ``max_age_s``, never the newest; names of those that went.   Errors: OSError."""
    gone = keeping.outdated({one.name: one.made for one in listed(folder)}, now, max_age_s)
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    return gone


def check(path: Path) -> Whole:
    """Read a backup whole: its form, each snapshot and log with all checksums.   Errors: Damaged, OSError."""
    with tempfile.TemporaryDirectory(prefix=".checking-", dir=path.parent) as folder:
        _unpack(path, Path(folder))
        return check_data(Folders(Path(folder), Path(folder)))


def restore(path: Path, folders: Folders, *, now: float) -> tuple[Whole, tuple[Path, ...]]:
    """Put a backup in the place of a stopped server's data, owned as the folders are.

    What was there stays beside it as ``version-2.before-<time>``: (what came back, where the old data is).
    Errors: Damaged, OSError; the data is as it was then.
    """
    places = tuple(dict.fromkeys((folders.snapshots, folders.logs)))
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    with tempfile.TemporaryDirectory(prefix=".restoring-", dir=folders.snapshots) as unpacked:
        _unpack(path, Path(unpacked))
        whole = check_data(Folders(Path(unpacked), Path(unpacked)))
        for place in places:
            _fill(Path(unpacked) / FOLDER, place, folders)
        aside = []
        try:
            for place in places:
                if (place / FOLDER).exists():
                    old = place / f"{FOLDER}.before-{stamp}"
                    (place / FOLDER).rename(old)
                    aside.append(old)
        except OSError:
            for old in aside:
                old.rename(old.parent / FOLDER)
            raise
        for place in places:
            (place / f".{FOLDER}.new").rename(place / FOLDER)
            _sync(place)
    return whole, tuple(aside)


def _fill(source: Path, place: Path, folders: Folders) -> None:
    """The part of ``source`` that belongs to ``place``, ready beside the data."""
    new = place / f".{FOLDER}.new"
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(mode=0o700)
    owner = place.stat()
    os.chown(new, owner.st_uid, owner.st_gid)
    for file in sorted(source.iterdir()):
        kind = zxid_of(file.name)
        if kind is None or place != (folders.snapshots if kind[0] == "snapshot" else folders.logs):
            continue
        target = new / file.name
        shutil.copyfile(file, target)
        target.chmod(0o600)
        os.chown(target, owner.st_uid, owner.st_gid)
        with target.open("rb") as written:
            os.fsync(written.fileno())
    _sync(new)


def _unpack(path: Path, into: Path) -> None:
    """Members of known names only, as 0600.   Errors: Damaged, OSError."""
    (into / FOLDER).mkdir(mode=0o700)
    total = 0
    try:
        with tarfile.open(path, mode="r:gz") as tar:
            for member in tar:
                folder, _, name = member.name.partition("/")
                if folder != FOLDER or zxid_of(name) is None or not member.isfile():
                    raise Damaged(f"holds {member.name!r}, which is no file of ZooKeeper")
                total += member.size
                if total > MAX_BYTES:
                    raise Damaged(f"holds more than {MAX_BYTES} bytes")
                source = tar.extractfile(member)
                assert source is not None  # it is a file
                target = os.open(into / FOLDER / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(target, "wb") as file:
                    shutil.copyfileobj(source, file, io.DEFAULT_BUFFER_SIZE * 16)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, FileExistsError) as error:
        raise Damaged(f"is no whole archive: {error}") from error


def clean(folders: Folders, keep: int) -> tuple[str, ...]:
    """Delete snapshots beyond the newest ``keep`` whole ones and the logs that none of these needs; names of what went.

    A damaged snapshot counts for nothing and goes only when newer whole ones stay.   Errors: OSError.
    """
    snapshots = snapshots_in(folders.snapshots)
    whole = [zxid for zxid, one in snapshots.items() if isinstance(one, Snapshot)]
    old, logs = keeping.superfluous(whole, (zxid for zxid, _ in _files(folders.logs, "log")), keep)
    oldest = min((zxid for zxid in whole if zxid not in old), default=0)
    damaged = [zxid for zxid, one in snapshots.items() if isinstance(one, Damaged) and zxid < oldest] if old else []
    gone = [(folders.snapshots, f"snapshot.{zxid:x}") for zxid in (*old, *damaged)]
    gone += [(folders.logs, f"log.{zxid:x}") for zxid in logs]
    for place, name in gone:
        (place / FOLDER / name).unlink(missing_ok=True)
    return tuple(name for _, name in gone)


def _files(folder: Path, kind: str) -> Iterator[tuple[int, Path]]:
    place = folder / FOLDER
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        named = zxid_of(path.name)
        if named is not None and named[0] == kind:
            yield named[1], path


def _judged(path: Path, read: Callable[[memoryview], T]) -> T | Damaged:
    try:
        with _mapped(path) as data:
            return read(data)
    except Damaged as error:
        return error
    except FileNotFoundError:
        return Damaged("went away")


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            yield memoryview(b"")
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as data:
            try:
                yield data
            except Damaged as error:
                raise Damaged(*error.args) from None  # without frames that hold on to the mapping


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
