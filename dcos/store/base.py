"""What services may do with ZooKeeper: the interface that the real client and the in-memory twin both keep.

Paths are absolute within the store (a chroot is the implementation's business). ``version`` -1 means any. A watch fires
once per change, never loses the last state: iterate, and read the new state from what it yields.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol


class StoreError(Exception):
    """Any trouble with the store. Drawn: StoreError > NoNode, NodeExists, BadVersion, NotEmpty, SessionLost, Disconnected."""


class NoNode(StoreError):
    """The path does not exist."""


class NodeExists(StoreError):
    """The path exists already."""


class BadVersion(StoreError):
    """The node's version is not the expected one: somebody else wrote."""


class NotEmpty(StoreError):
    """The node has children."""


class SessionLost(StoreError):
    """The session ended: ephemeral nodes are gone. The process that leads must end."""


class Disconnected(StoreError):
    """No answer now; the operation may or may not have happened. Retry reads; re-check before repeating writes."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as read. ``version`` counts writes of this node; ``ephemeral`` tells that it dies with its session."""

    data: bytes
    version: int
    created_ms: int = 0
    modified_ms: int = 0
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class Create:
    path: str
    data: bytes = b""
    ephemeral: bool = False
    sequence: bool = False


@dataclass(frozen=True, slots=True)
class Set:
    path: str
    data: bytes
    version: int = -1


@dataclass(frozen=True, slots=True)
class Delete:
    path: str
    version: int = -1


@dataclass(frozen=True, slots=True)
class Check:
    """The transaction fails unless the node has this version (-1: unless it exists)."""

    path: str
    version: int = -1


Operation = Create | Set | Delete | Check


class Store(Protocol):
    """One session with the ensemble."""

    async def get(self, path: str) -> Node | None:
        """The node, or None where there is none."""
        ...

    async def children(self, path: str) -> tuple[str, ...] | None:
        """Names (not paths), sorted; None where there is no such node."""
        ...

    async def create(
        self, path: str, data: bytes = b"", *, ephemeral: bool = False, sequence: bool = False, parents: bool = False
    ) -> str:
        """Create; return the real path (with its sequence number).   Errors: NodeExists, NoNode (parent)."""
        ...

    async def set(self, path: str, data: bytes, *, version: int = -1) -> int:
        """Write; return the new version.   Errors: NoNode, BadVersion."""
        ...

    async def delete(self, path: str, *, version: int = -1, recursive: bool = False) -> None:
        """Errors: NoNode, BadVersion, NotEmpty."""
        ...

    async def transact(self, operations: Sequence[Operation]) -> tuple[str, ...]:
        """All or nothing; returns the real path per operation.   Errors: that of the first failing operation."""
        ...

    def watch_node(self, path: str) -> AsyncIterator[Node | None]:
        """The node now and after every change (changes may be merged; the last state always comes). None: absent."""
        ...

    def watch_children(self, path: str) -> AsyncIterator[tuple[str, ...] | None]:
        """The children's names now and after every change. None: no such node."""
        ...

    async def session_lost(self) -> None:
        """Return when this session is over (expired or closed)."""
        ...

    @property
    def connected(self) -> bool: ...

    async def close(self) -> None:
        """End the session; its ephemeral nodes go at once."""
        ...
