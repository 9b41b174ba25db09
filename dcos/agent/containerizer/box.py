"""The runtime folder of one container: what is needed to find it again after a restart of the agent.

``<runtime_dir>/containers/<container id>/``: ``box.json`` (below), ``launch`` and ``task`` (scripts), marks of the launcher.
The folder is gone after a reboot, and so is the container.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import msgspec

from dcos.runtime.files import write_atomic


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """``box.json``: how the container was made."""

    launcher: str
    backend: str
    sandbox: str
    user: str | None = None
    description: str = ""
    cpus: int = 0
    """Thousandths."""
    low_priority: bool = False
    """Its cpus are revocable."""
    mem_bytes: int = 0
    cpus_hard: float | None = None
    mem_hard_bytes: int | None = None
    limits_swap: bool = False
    """The hard limit holds for memory and swap together."""
    groups: tuple[int, ...] = ()
    """Ids of groups that its user has beside its own, for volumes."""
    group: str = ""
    """Whose control group it shares, limits included; empty: it has one of its own."""


class Box:
    """A container's folder."""

    def __init__(self, containers: Path, container_id: str, mark: Mark | None = None) -> None:
        self.container_id = container_id
        self.directory = containers / container_id
        self._mark = mark

    @property
    def mark(self) -> Mark:
        """What ``save`` wrote.   Errors: OSError, msgspec.DecodeError for a box that was never finished."""
        if self._mark is None:
            self._mark = msgspec.json.decode((self.directory / "box.json").read_bytes(), type=Mark)
        return self._mark

    @property
    def launch(self) -> Path:
        return self.directory / "launch"

    @property
    def task(self) -> Path:
        return self.directory / "task"

    @property
    def bundle(self) -> Path:
        return self.directory / "bundle"

    @property
    def memory(self) -> Path:
        """What the memory control group told at the end."""
        return self.directory / "memory"

    @property
    def sandbox(self) -> Path:
        return Path(self.mark.sandbox)

    @property
    def pid(self) -> int | None:
        """The main process, once it was started."""
        try:
            return int((self.directory / "pid").read_text())
        except (OSError, ValueError):
            return None

    def save_pid(self, pid: int) -> None:
        write_atomic(self.directory / "pid", f"{pid}\n")

    def save(self) -> None:
        """Make the folder (others may pass through it, not list it) and write the mark."""
        self.directory.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
        self.directory.mkdir(exist_ok=True)
        self.directory.chmod(0o711)
        self.save_mark()

    def save_mark(self) -> None:
        """Write the mark alone.   Errors: OSError when the folder is gone."""
        write_atomic(self.directory / "box.json", msgspec.json.encode(self.mark), mode=0o600)

    def strip(self, kept: Collection[str]) -> None:
        """Remove all but the files of these names: what was started, and its secrets."""
        for path in self.directory.iterdir() if self.directory.is_dir() else ():
            if path.name in kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


def boxes(containers: Path) -> list[Box]:
    """All containers that left a folder."""
    if not containers.is_dir():
        return []
    return [Box(containers, one.name) for one in sorted(containers.iterdir()) if one.is_dir()]
