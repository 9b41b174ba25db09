"""Listening for many at once.

uvloop takes one new connection in a turn of its loop. A busy process has few turns a second: when a whole cluster came at once,
the kernel's queue overflowed, and who was not heard tried again only after 1, 3, 7 or 15 seconds. Here one turn takes up to
``_TAKEN`` out of that queue, which costs little, and begins to serve up to ``_SERVED``, which costs more.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable

from dcos.runtime import log

_log = log.get_logger("http")
_TAKEN = 256
_SERVED = 48
"""Each costs about 0.2 ms until its first words are read, and others wait meanwhile."""
_BACKLOG = 4096
"""Connections that may wait to be accepted; the kernel's own limit is this by default."""
_PAUSE_S = 1.0
_FIRST_BYTE_S = 60.0
_HANDSHAKE = b"\x16"
"""What each TLS connection begins with, and no HTTP request."""
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class _Listener:
    def __init__(
        self,
        address: socket.socket,
        serve: Callable[[], asyncio.BaseProtocol],
        tls: ssl.SSLContext | None,
        plain_too: bool,
    ) -> None:
        self._socket = address
        self._serve = serve
        self._tls = tls
        self._plain_too = plain_too
        self._loop = asyncio.get_running_loop()
        self._taken: deque[socket.socket] = deque()
        """They are served in the next turns."""
        self._next: set[socket.socket] = set()
        """Those whose task has not begun."""
        self._coming: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._start()

    def _start(self) -> None:
        self._loop.add_reader(self._socket, self._take)

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for task in self._coming:
            task.cancel()
        for taken in (*self._taken, *self._next):
            taken.close()
        self._taken.clear()

    def _take(self) -> None:
        if not self._taken:
            self._loop.call_soon(self._serve_some)
        for _ in range(_TAKEN):
            try:
                taken, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                _log.error("cannot_accept", error=str(error), again_in_s=_PAUSE_S)
                self._loop.remove_reader(self._socket)
                self._pause = self._loop.call_later(_PAUSE_S, self._start)
                return
            taken.setblocking(False)
            self._taken.append(taken)

    def _serve_some(self) -> None:
        for _ in range(min(_SERVED, len(self._taken))):
            taken = self._taken.popleft()
            self._next.add(taken)
            task = self._loop.create_task(self._hand_over(taken))
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)
        if self._taken:
            self._loop.call_soon(self._serve_some)

    async def _hand_over(self, taken: socket.socket) -> None:
        self._next.discard(taken)
        try:
            tls = self._tls
            if tls is not None and self._plain_too and not await self._begins_with_tls(taken):
                tls = None
            await self._loop.connect_accepted_socket(self._serve, taken, ssl=tls)
        except (OSError, TimeoutError) as error:
            _log.debug("no_connection", error=str(error))
            taken.close()

    async def _begins_with_tls(self, taken: socket.socket) -> bool:
        """By the first byte, which stays unread.   Errors: TimeoutError (none came), OSError."""
        readable = asyncio.Event()
        self._loop.add_reader(taken, readable.set)
        try:
            async with asyncio.timeout(_FIRST_BYTE_S):
                await readable.wait()
        except BaseException:
            taken.close()
            raise
        finally:
            self._loop.remove_reader(taken)
        return taken.recv(1, socket.MSG_PEEK) == _HANDSHAKE


@contextlib.asynccontextmanager
async def accepting(
    host: str,
    port: int,
    serve: Callable[[], asyncio.BaseProtocol],
    *,
    tls: ssl.SSLContext | None = None,
    plain_too: bool = False,
) -> AsyncIterator[tuple[str, int]]:
    """Give each connection to ``host`` (all its addresses) a protocol; yields the first address; port 0 picks a free one.

    ``plain_too``: beside TLS, connections without it are served.
    Errors: OSError: an address is taken or not this machine's.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with contextlib.ExitStack() as stack:
        first: tuple[str, int] | None = None
        for family, address in dict.fromkeys((row[0], row[4][:2]) for row in found):
            try:
                bound = socket.create_server(address, family=socket.AddressFamily(family), backlog=_BACKLOG)
            except OSError as error:
                raise OSError(error.errno, f"{address[0]} port {port}: {error.strerror}") from error
            bound.setblocking(False)
            stack.callback(_Listener(bound, serve, tls, plain_too).close)
            first = first or (str(bound.getsockname()[0]), int(bound.getsockname()[1]))
        if first is None:
            raise OSError(errno.EADDRNOTAVAIL, f"{host}: no address")
        yield first
