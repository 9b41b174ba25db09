"""Talk to nftables by netlink: one socket for as long as this lives, because the kernel tidies up when one is closed, and waits.

Errors: OSError with the kernel's number; ENOENT where there is no such table or set.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Self

from dcos.runtime import netns
from dcos.wire import nftables
from dcos.wire.nftables import Change, Element, Message

_NETFILTER = 12
_SOL_NETLINK, _CAP_ACK = 270, 10
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_ROOM = 1 << 20
_TIMEOUT_S = 60.0


class Netlink:
    """Of the network namespace that the first call comes from, or of that ``inside`` leads to; any thread may call.

    Also a context that closes it.
    """

    def __init__(self, inside: str = "") -> None:
        self._inside = inside
        self._socket: socket.socket | None = None
        self._room = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Later calls open it again."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def change(self, family: str, table: str, changes: Iterable[Change]) -> None:
        """All of ``changes`` or nothing."""
        data, last = nftables.transaction(family, table, changes)
        trouble = 0
        with self._lock, self._talking(2 * len(data)) as sock:
            if last:
                sock.send(data)
            while last:
                for one in _received(sock):
                    trouble = trouble or one.error
                    if one.kind == nftables.ERROR and (one.number == last or (one.number == 0 and one.error)):
                        last = 0
        if trouble:
            raise OSError(trouble, f"nftables: elements of {family} {table}")

    def elements(self, family: str, table: str, name: str) -> list[Element]:
        """Of a set."""
        asked = nftables.list_elements(family, table, name)
        return [each for one in self._listed(asked) for each in nftables.elements(one.body)]

    def rules(self, family: str, table: str) -> dict[str, list[bytes]]:
        """By chain, what each rule does; empty where there is no such table."""
        names = (nftables.chain_of(one.body, table) for one in self._listed(nftables.list_chains(family)))
        found: dict[str, list[bytes]] = {name: [] for name in names if name is not None}
        for one in self._listed(nftables.list_rules(family, table)):
            chain, expressions = nftables.rule_of(one.body)
            found.setdefault(chain, []).append(expressions)
        return found

    def generation(self) -> int | None:
        """Number of transactions that anybody ever made here; None where the kernel does not tell."""
        try:
            with self._lock, self._talking() as sock:
                sock.send(nftables.ask_generation())
                return next((nftables.generation_of(one) for one in _received(sock)), None)
        except OSError:
            return None

    def _listed(self, request: bytes) -> list[Message]:
        found: list[Message] = []
        with self._lock, self._talking() as sock:
            sock.send(request)
            while True:
                for one in _received(sock):
                    if one.kind == nftables.DONE:
                        return found
                    if one.error:
                        raise OSError(one.error, "nftables: listing")
                    found.append(one)

    @contextlib.contextmanager
    def _talking(self, room: int = 0) -> Iterator[socket.socket]:
        """The socket; ``room``: bytes that are sent at once. After trouble with it there is a new one the next time."""
        try:
            if self._socket is None:
                self._socket, self._room = _connect(self._inside), 0
            if room > self._room:
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, max(room, _ROOM))
                self._room = max(room, _ROOM)
            yield self._socket
        except OSError as error:
            if self._socket is not None and error.errno not in (errno.ENOENT, errno.EEXIST):
                self._socket.close()
                self._socket = None
            raise


def _connect(inside: str) -> socket.socket:
    where = (socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
    sock = netns.socket_at(inside, *where) if inside else socket.socket(*where)
    try:
        sock.settimeout(_TIMEOUT_S)
        with contextlib.suppress(OSError):  # more than anybody may have, with CAP_NET_ADMIN
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        sock.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        sock.bind((0, 0))
    except OSError:
        sock.close()
        raise
    return sock


def _received(sock: socket.socket) -> Iterator[Message]:
    return nftables.messages(sock.recv(1 << 18))
