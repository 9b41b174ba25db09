"""The samples: the newest in memory, all of the windows as files, ``<folder>/{minute,hour}/<time>.state-summary.json``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dcos.node.core.slots import HOUR, MINUTE, Window
from dcos.runtime.files import write_atomic

GAP = b"{}"
WINDOWS = (MINUTE, HOUR)


class Store:
    """Blocking. ``now``: Unix seconds when a sample was taken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.last = GAP
        self._newest: dict[str, int] = {}

    def open(self) -> None:
        """Make the folders; what is in them is shown from now on.   Errors: OSError."""
        for window in WINDOWS:
            (self._folder / window.name).mkdir(parents=True, exist_ok=True)

    def put(self, sample: bytes | None, now: float) -> None:
        """One more; None: nobody answered. The hour has the first of each of its slots that is no gap.   Errors: OSError."""
        self.last = GAP if sample is None else sample
        for window in WINDOWS:
            folder, slot = self._folder / window.name, window.slot(now)
            self._newest[window.name] = slot
            path = folder / window.file(slot)
            if sample is not None and not path.exists():
                write_atomic(path, sample, mode=0o600)
            for file in window.over((entry.name for entry in folder.iterdir()), slot):
                (folder / file).unlink(missing_ok=True)

    def read(self, window: Window, now: float) -> Iterator[bytes]:
        """The samples of a window, oldest first, one at a time: the whole may be large."""
        newest = self._newest.get(window.name, window.slot(now))
        for slot in window.slots(newest):
            found = GAP
            with contextlib.suppress(OSError):
                found = (self._folder / window.name / window.file(slot)).read_bytes() or GAP
            yield found
