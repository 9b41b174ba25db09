"""Bundles of a node on disk: ``<folder>/<id>/state.json`` and, when it is done, ``file.zip``.

What was in progress when the service ended failed: nobody works on it any more.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from dcos.node.core.bundle import OVER, WITHOUT_FILE, Bundle, Kind, Status, time_text
from dcos.runtime.clock import Clock
from dcos.runtime.files import write_atomic

_LEAST_FREE = 512 * 1024**2
_REMEMBERED_S = 7 * 86400.0


class Exists(Exception):
    """There is one of that id, or was."""


class NoRoom(Exception):
    """The disk is too full for another; the text says how full."""


class Store:
    """Blocking, small files only."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock

    def recover(self) -> None:
        """At start, before anything is made."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for bundle in self.all():
            if bundle.status not in OVER:
                self.save(self.ended(bundle, Status.FAILED, "dcos-diagnostics ended before it was done"))

    def _forget(self) -> None:
        """Bundles without a file are remembered for a week."""
        oldest = time_text(self._clock.now() - _REMEMBERED_S)
        for bundle in self.all():
            if bundle.status in WITHOUT_FILE and bundle.stopped_at and bundle.stopped_at < oldest:
                shutil.rmtree(self.folder / bundle.id, ignore_errors=True)

    def begin(self, id: str, kind: Kind) -> Bundle:
        """Errors: Exists, NoRoom."""
        self._forget()
        found = os.statvfs(self.folder)
        free = found.f_bavail * found.f_frsize
        if free < _LEAST_FREE:
            raise NoRoom(f"{self.folder}: {free >> 20} MB are free, {_LEAST_FREE >> 20} are needed")
        bundle = Bundle(id=id, type=kind, started_at=time_text(self._clock.now()))
        try:
            (self.folder / id).mkdir(mode=0o700)
        except FileExistsError:
            raise Exists(id) from None
        self.save(bundle)
        return bundle

    def save(self, bundle: Bundle) -> None:
        write_atomic(self.folder / bundle.id / "state.json", msgspec.json.encode(bundle), mode=0o600)

    def get(self, id: str) -> Bundle | None:
        try:
            raw = (self.folder / id / "state.json").read_bytes()
        except OSError:
            return None
        try:
            return msgspec.json.decode(raw, type=Bundle)
        except msgspec.MsgspecError as error:
            return Bundle(id=id, type=Kind.LOCAL, status=Status.UNKNOWN, errors=[str(error)])

    def all(self) -> list[Bundle]:
        found = (self.get(path.name) for path in sorted(self.folder.iterdir()) if path.is_dir())
        return [bundle for bundle in found if bundle is not None]

    def file(self, id: str) -> Path:
        return self.folder / id / "file.zip"

    def ended(self, bundle: Bundle, status: Status, *errors: str) -> Bundle:
        return msgspec.structs.replace(
            bundle,
            status=status,
            stopped_at=time_text(self._clock.now()),
            size=self.file(bundle.id).stat().st_size if status is Status.DONE else 0,
            errors=[*bundle.errors, *errors],
        )

    def drop_file(self, id: str) -> None:
        """What was made of it goes; its state stays."""
        for path in (self.folder / id).iterdir():
            if path.name == "state.json":
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
