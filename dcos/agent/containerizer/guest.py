"""A command that runs inside a running container, beside what runs there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from dcos.agent.containerizer.box import Box
from dcos.model.v1.types import CommandInfo, RLimitInfo


@dataclass(frozen=True, slots=True)
class Guest:
    """``folder`` is the guest's own; what is needed to start it is written there."""

    folder: Path
    command: CommandInfo
    environment: Mapping[str, str] = field(hash=False)
    user: str | None = None
    """None: the container's."""
    directory: Path | None = None
    """On the machine; None: the container's own working directory."""
    tty: str | None = None
    """Path of the terminal that becomes the session's; None: it inherits what its starter has."""
    window: tuple[int, int] | None = None
    """Rows and columns of its terminal; None: it has none."""
    output: Path | None = None
    """Folder whose ``stdout`` and ``stderr`` it appends to; None: it inherits."""
    rlimits: RLimitInfo | None = None
    mounts: tuple[tuple[str, str, bool], ...] = ()
    """(source, target, read only) of what it alone sees, on the machine's own files."""
    exact: bool = True
    """It matters whether a signal ended it; False: an exit status will do."""
    join: bool = True
    """Its script puts itself into the container's control groups; False: its starter does."""


@dataclass(frozen=True, slots=True)
class Entry:
    """``script`` is for /bin/sh as the agent's user, in a session of its own, with an empty environment."""

    script: Path
    inner_pid: Path | None = None
    """File that tells the guest's own pid, where the script's process is only its messenger."""


@runtime_checkable
class Host(Protocol):
    """A backend whose containers take guests."""

    makes_terminals: bool
    """Whether the terminal of a guest is made in the container. Its ``output`` is attended to by the entry; one without
    is handed over at ``reaped.CONSOLE`` in the guest's folder, where its starter listens."""

    async def enter(self, box: Box, guest: Guest) -> Entry:
        """Write the guest's files.   Errors: ContainerError."""
        ...
