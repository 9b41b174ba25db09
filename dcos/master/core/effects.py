"""What the core wants done. The shell first makes all ``Write``s and ``Keep``s durable in one transaction, then does the
rest in order.
"""

from __future__ import annotations

from dataclasses import dataclass

from dcos.master.core.registry import AgentEntry, Entry, Shelf
from dcos.model.v1 import master, scheduler
from dcos.wire.agent_link import MasterMessage


@dataclass(frozen=True, slots=True)
class Write:
    """Put (or, with None, delete) one agent's entry in the registry."""

    agent: str
    entry: AgentEntry | None


@dataclass(frozen=True, slots=True)
class Keep:
    """Put (or, with None, delete) what an operator has set; as durable as a ``Write``, in the same transaction."""

    shelf: Shelf
    key: str
    """Role, or machine."""
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class ToScheduler:
    stream: str
    event: scheduler.Event


@dataclass(frozen=True, slots=True)
class CloseStream:
    """After what was sent before."""

    stream: str


@dataclass(frozen=True, slots=True)
class ToAgent:
    link: str
    message: MasterMessage


@dataclass(frozen=True, slots=True)
class CloseLink:
    """After what was sent before."""

    link: str


@dataclass(frozen=True, slots=True)
class Publish:
    """To the operators' event streams. ``extension``: only to those that asked for what goes beyond upstream."""

    event: master.Event
    extension: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Reply to a request; ``text`` is the body."""

    request: int
    status: int
    text: str = ""
    missing: str = ""
    """The permission for want of which it is refused."""


@dataclass(frozen=True, slots=True)
class Note:
    """Worth a line in the log."""

    event: str
    about: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Abort:
    """This master must not go on; an operator has to look."""

    why: str


Effect = Write | Keep | Abort | ToScheduler | CloseStream | ToAgent | CloseLink | Publish | Answer | Note
