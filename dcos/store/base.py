"""What services may do with ZooKeeper: the interface that the real client and the in-memory twin both keep.

Paths are absolute within the store (a chroot is the implementation's business). ``version`` -1 means any. A watch fires
once per change, never loses the last state: iterate, and read the new state from what it yields.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol


class StoreError(Exception):
    """Any trouble with the store.

    StoreError
      NoNode, NodeExists, BadVersion, NotEmpty    the tree is not as expected
      TooBig, NotAllowed                          refused whatever the tree looks like
      Disconnected                                maybe done, maybe not
      SessionLost                                 over; LeadershipLost (election.py) is one of it
    """


class NoNode(StoreError):
    """The path does not exist."""


class NodeExists(StoreError):
    """The path exists already."""


class BadVersion(StoreError):
    """The node's version is not the expected one: somebody else wrote."""


class NotEmpty(StoreError):
    """The node has children."""


class TooBig(StoreError):
    """More data than one request may carry (``MAX_BYTES``): the server would cut the connection."""


class NotAllowed(StoreError):
    """The node's access list does not let this session do that."""


class SessionLost(StoreError):
    """The session ended: ephemeral nodes are gone. The process that leads must end."""


class Disconnected(StoreError):
    """No answer now; the operation may or may not have happened. Retry reads; re-check before repeating writes."""


MAX_BYTES: Final = 1_000_000
"""Data of one node, or of all operations of one transaction.   Source: ZooKeeper's jute.maxbuffer, 1 MiB with overhead."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as read. ``version`` counts writes of this node; ``ephemeral`` tells that it dies with its session, ``owned``
    that this session is ours. ``birth`` (a transaction number) tells a node from a later one of the same name."""

    data: bytes
    version: int
    created_ms: int = 0
    modified_ms: int = 0
    ephemeral: bool = False
    owned: bool = False
    birth: int = 0


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


def check_path(path: str) -> None:
    """Errors: ValueError unless absolute, without empty, ``.`` and ``..`` parts, without a slash at the end."""
    if path == "/":
        return
    if not path.startswith("/") or any(part in ("", ".", "..") for part in path[1:].split("/")) or "\0" in path:
        raise ValueError(f"{path!r} is not a path: /part/part, no empty parts")


def check_operations(operations: Sequence[Operation]) -> None:
    """Errors: ValueError (path), TooBig."""
    total = 0
    for operation in operations:
        check_path(operation.path)
        if isinstance(operation, Create | Set):
            total += len(operation.data)
    if total > MAX_BYTES:
        raise TooBig(f"{operations[0].path}: {total} bytes in one request, at most {MAX_BYTES}")


class Store(Protocol):
    """One session with the ensemble.

    While the connection is away, reads and writes not yet sent wait for it; a write on its way raises Disconnected. After
    the session's timeout without connection, or when the server says so, everything raises SessionLost, for good.
    """

    async def get(self, path: str) -> Node | None:
        """The node, or None where there is none."""
        ...

    async def exists(self, path: str) -> bool: ...

    async def children(self, path: str) -> tuple[str, ...] | None:
        """Names (not paths), sorted; None where there is no such node."""
        ...

    async def get_many(self, paths: Sequence[str]) -> list[Node | None]:
        """As ``get`` for each, in few requests; not one moment's state."""
        ...

    async def children_of_many(self, paths: Sequence[str]) -> list[tuple[str, ...] | None]:
        """As ``children`` for each, in few requests."""
        ...

    async def create(
        self, path: str, data: bytes = b"", *, ephemeral: bool = False, sequence: bool = False, parents: bool = False
    ) -> str:
        """Create; return the real path (with its sequence number).   Errors: NodeExists, NoNode (parent)."""
        ...

    async def set(self, path: str, data: bytes, *, version: int = -1) -> int:
        """Write; return the new version.   Errors: NoNode, BadVersion, TooBig."""
        ...

    async def delete(self, path: str, *, version: int = -1, recursive: bool = False) -> None:
        """``recursive`` takes all below first, not atomically.   Errors: NoNode, BadVersion, NotEmpty."""
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
