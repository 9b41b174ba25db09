"""Containers that calls make, as they are remembered, and what can be wrong with a call.

NestedError             why, for the caller
  NoSwitchboard         nobody can attach to this container
  NoContainer           there is none of this name
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from dcos.agent.containerizer.box import Box
from dcos.agent.io_session import ProcessIo
from dcos.model.v1.types import (
    CommandInfo,
    ContainerID,
    ContainerInfo,
    Resource,
    TaskState,
    TaskStatusReason,
    ValueScalar,
)


class NestedError(Exception):
    """A call about a container cannot be fulfilled: says why."""


class NoSwitchboard(NestedError):
    """Nobody can attach to this container."""


class NoContainer(NestedError):
    """There is none of this name."""


class Termination(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a container ended; ``exit_status`` as wait(2) gives it."""

    exit_status: int | None = None
    state: TaskState | None = None
    reason: TaskStatusReason | None = None
    message: str | None = None


class Saved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``nested.json``: what a later agent must know."""

    name: str
    session: bool = False
    pid: int | None = None
    born: int | None = None
    """When process ``pid`` started, in the kernel's ticks: another one of the same number differs."""


class Launched(StrEnum):
    NEW = "new"
    ALREADY = "already"


@dataclass(frozen=True, slots=True)
class Request:
    """A container to launch."""

    container_id: ContainerID
    command: CommandInfo
    container: ContainerInfo | None = None
    resources: tuple[Resource, ...] = ()
    limits: dict[str, ValueScalar] = field(default_factory=dict, hash=False)
    session: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a nested container goes.

    ``box`` is what it enters and ``parent`` what it inherits from; they differ where the parent itself is a guest. A task
    group's root runs nothing itself: one of its tasks is entered, and there is no ``parent``.
    """

    box: Box
    parent: Box | None
    base: Path
    """The executor's sandbox, or a standalone container's: below it all sandboxes lie."""
    sandbox: Path
    user: str | None


@dataclass(slots=True, eq=False)
class Nested:
    """One container. ``io`` is what can be attached to."""

    container_id: ContainerID
    name: str
    box: Box
    session: bool
    io: ProcessIo | None = None
    pid: int | None = None
    inner_pid: Path | None = None
    termination: Termination | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    work: asyncio.Task[Any] | None = None
    doomed: bool = False
    """Its parent ended, maybe while it was being started."""

    def finish(self, termination: Termination) -> None:
        if self.termination is None:
            self.termination = termination
            self.over.set()


def own_root(box: Box) -> bool:
    """Whether its backend made something for it alone (a guest has its host's)."""
    return (box.directory / "bundle").exists()
