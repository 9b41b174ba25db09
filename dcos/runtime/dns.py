"""DNS over sockets: serving (UDP and TCP on one address) and asking other servers.

A handler gets the packet and whether it came by TCP. It returns the answer, None for silence, or a coroutine that gives either
later (a forwarded question).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from dcos.runtime.datagrams import Batch, Way
from dcos.runtime.log import get_logger
from dcos.wire import dns

Answer = bytes | Coroutine[Any, Any, bytes | None] | None
Handler = Callable[[bytes, bool], Answer]

_log = get_logger("dns")

EVERYWHERE = ("0.0.0.0", "::")
"""All addresses of a family: answers leave from the one that was asked."""
_BATCH = 64
"""Packets read by one system call."""
_BATCHES = 2
"""Batches before other work gets its turn."""
_LARGEST_QUESTION = 4096
_MAX_WAITING = 4096
"""Questions under way at once; more get SERVFAIL."""
_MAX_CLIENTS = 512
_TCP_IDLE_S = 10.0
_RECEIVE_BUFFER = 1 << 20


@contextlib.asynccontextmanager
async def serve(handler: Handler, host: str, port: int) -> AsyncIterator[tuple[str, int]]:
    """Answer on one address while the block runs; yields (host, port), port 0 picks one free for UDP and TCP."""
    family = _family(host)
    with contextlib.ExitStack() as closing:
        udp = closing.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        udp.setblocking(False)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        tcp = closing.enter_context(socket.socket(family, socket.SOCK_STREAM))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        number = _bind(udp, tcp, host, port)
        waiting = _Waiting(handler)
        reader = _UdpReader(udp, waiting, everywhere=host in EVERYWHERE)
        clients = _TcpClients(waiting)
        loop = asyncio.get_running_loop()
        loop.add_reader(udp.fileno(), reader.readable)
        server = await asyncio.start_server(clients.connected, sock=tcp, limit=2**17, backlog=256)
        try:
            yield host, number
        finally:
            loop.remove_reader(udp.fileno())
            server.close()
            clients.close()
            await waiting.close()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _bind(udp: socket.socket, tcp: socket.socket, host: str, port: int) -> int:
    """Bind both to one number. TCP picks (its free ports are the scarcer), UDP follows."""
    tcp.bind((host, port))
    number = int(tcp.getsockname()[1])
    udp.bind((host, number))
    return number


class _Waiting:
    """Calls the handler; keeps the tasks of answers that come later."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, data: bytes, tcp: bool) -> Answer:
        try:
            return self.handler(data, tcp)
        except Exception:
            return self.failed(data)

    @staticmethod
    def failed(data: bytes) -> bytes | None:
        """The answer when the handler raised the exception that is being handled."""
        _log.exception("answer_failed")
        return dns.failure(data, dns.SERVFAIL)

    def later(
        self, data: bytes, answer: Coroutine[Any, Any, bytes | None], send: Callable[[bytes], None]
    ) -> asyncio.Task[None]:
        """Send it when it is there; at once a failure where too many are under way."""
        if len(self._tasks) >= _MAX_WAITING:
            answer.close()
            answer = _too_many(data)
        task = asyncio.create_task(self._finish(data, answer, send))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @staticmethod
    async def _finish(data: bytes, answer: Coroutine[Any, Any, bytes | None], send: Callable[[bytes], None]) -> None:
        try:
            reply = await answer
        except Exception:
            _log.exception("answer_failed")
            reply = dns.failure(data, dns.SERVFAIL)
        if reply is not None:
            send(reply)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _too_many(data: bytes) -> bytes | None:
    return dns.failure(data, dns.SERVFAIL)


class _UdpReader:
    """Reads what is there, answers at once what can be answered at once."""

    def __init__(self, sock: socket.socket, waiting: _Waiting, *, everywhere: bool) -> None:
        self._socket = sock
        self._waiting = waiting
        self._batch = Batch(sock, _BATCH, _LARGEST_QUESTION, dns.MAX_UDP, everywhere=everywhere)

    def readable(self) -> None:
        for _ in range(_BATCHES):
            try:
                packets = self._batch.receive()
            except OSError as error:
                _log.warning("receive_failed", error=str(error))
                return
            self._answer(packets)
            if len(packets) < _BATCH:
                return

    def _answer(self, packets: list[bytes]) -> None:
        """Answers that are ready leave together; those that come later by themselves."""
        batch, handler = self._batch, self._waiting.handler
        answers, sizes, room = batch.answers, batch.sizes, batch.room
        first = n = 0
        for n, data in enumerate(packets):
            try:
                answer = handler(data, False)
            except Exception:
                answer = self._waiting.failed(data)
            if isinstance(answer, bytes) and (size := len(answer)) <= room:
                at = n * room
                answers[at : at + size] = answer
                sizes[2 * n + 1] = size
                continue
            batch.send(first, n)
            first = n + 1
            if isinstance(answer, bytes):
                self._send(batch.way(n), answer)
            elif answer is not None:
                self._waiting.later(data, answer, functools.partial(self._send, batch.way(n)))
        if packets:
            batch.send(first, n + 1)

    def _send(self, way: Way, reply: bytes) -> None:
        with contextlib.suppress(OSError):  # a full queue or a vanished client: as if lost on the way
            self._socket.sendmsg([reply], way.around, 0, way.peer)


class _TcpClients:
    """Length-prefixed questions on connections, one after another."""

    def __init__(self, waiting: _Waiting) -> None:
        self._waiting = waiting
        self._writers: set[asyncio.StreamWriter] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= _MAX_CLIENTS:
            writer.close()
            return
        self._writers.add(writer)
        try:
            await self._talk(reader, writer)
        except (OSError, TimeoutError, EOFError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(_TCP_IDLE_S):
                size = int.from_bytes(await reader.readexactly(2), "big")
                data = await reader.readexactly(size)
            answer = self._waiting.ask(data, True)
            reply = answer if isinstance(answer, bytes) else None
            if answer is not None and reply is None:
                got: list[bytes] = []
                await self._waiting.later(data, answer, got.append)  # type: ignore[arg-type]
                reply = got[0] if got else None
            if reply is None:
                return
            writer.write(len(reply).to_bytes(2, "big") + reply)
            async with asyncio.timeout(_TCP_IDLE_S):
                await writer.drain()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


# ---- asking ----------------------------------------------------------------------------------------------------------


class NoAnswer(Exception):
    """A server did not answer in time, or not at all."""


@dataclass(slots=True)
class Server:
    """Another DNS server. ``failures`` counts what went wrong since its last good answer."""

    host: str
    port: int = 53
    failures: int = 0

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_server(text: str, port: int = 53) -> Server:
    """``address`` or ``address:port`` (IPv6 in brackets when with a port).   Errors: ValueError."""
    host, number = text.strip(), port
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        number = int(rest.removeprefix(":")) if rest else port
    elif host.count(":") == 1:
        host, _, rest = host.partition(":")
        number = int(rest)
    socket.getaddrinfo(host, number, flags=socket.AI_NUMERICHOST)
    if not 0 < number < 65536:
        raise ValueError(f"{text}: port must be 1 to 65535")
    return Server(host, number)


async def ask(server: Server, question: bytes, *, tcp: bool = False, timeout_s: float = 5.0) -> bytes:
    """Ask one server, under a random id; the answer's question was checked.   Errors: NoAnswer."""
    asked = secrets.token_bytes(2) + question[2:]
    try:
        async with asyncio.timeout(timeout_s):
            return question[:2] + (await (_ask_tcp if tcp else _ask_udp)(server, asked))[2:]
    except (OSError, TimeoutError, EOFError) as error:
        raise NoAnswer(f"{server}: {error or type(error).__name__}") from error


async def _ask_udp(server: Server, question: bytes) -> bytes:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def told(answer: bytes | OSError) -> None:
        if isinstance(answer, bytes):
            got.set_result(answer)
        else:
            got.set_exception(answer)

    under_way = _UdpQuestion(server, question, told)
    try:
        return await got
    finally:
        under_way.close()


class _UdpQuestion:
    """A question under way to one server. ``told`` hears the answer, or what went wrong, once, unless it is closed before.

    A fresh socket each: its random port is half of the protection against forged answers.   Errors: OSError: it cannot be sent.
    """

    __slots__ = ("_loop", "_question", "_socket", "_told")

    def __init__(self, server: Server, question: bytes, told: Callable[[bytes | OSError], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._question, self._told = question, told
        self._socket = sock = socket.socket(_family(server.host), socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.connect((server.host, server.port))
            sock.send(question)
            self._loop.add_reader(sock, self._readable)
        except BaseException:
            sock.close()
            raise

    def _readable(self) -> None:
        answer: bytes | OSError = b""
        while not answer:
            try:
                data = self._socket.recv(65535)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                answer = error
                break
            if dns.answers(self._question, data):
                answer = data
        self.close()
        self._told(answer)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()


async def _ask_tcp(server: Server, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(len(question).to_bytes(2, "big") + question)
        data = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.close()
    if not dns.answers(question, data):
        raise ConnectionAbortedError("answered another question")
    return data


_NEXT_AFTER_S = 0.3
"""Clients ask again after a second: the third server has to have answered by then."""
USELESS = frozenset({dns.SERVFAIL, dns.REFUSED})
"""Answers that say nothing about the name."""


async def ask_first(
    servers: Sequence[Server], question: bytes, *, tcp: bool = False, timeout_s: float = 5.0
) -> bytes | None:
    """Ask several servers, the first good answer wins; None: no answer from anyone.

    Fewer than three are asked at once; of more, the two with the fewest failures, then one more each time one fails or
    nobody answers for a moment. A SERVFAIL or REFUSED is given only when nobody says better. Who was silent while another one
    that was asked later answered has failed too, so that the next question begins with who answers.
    """
    race = _Race(servers, question, tcp, timeout_s)
    try:
        return await race.won
    finally:
        race.end()


class _Race:
    """One question to several servers, under another id to each; ``won`` gets what ``ask_first`` gives. Made of callbacks: a task
    for each server would cost more than all the rest."""

    def __init__(self, servers: Sequence[Server], question: bytes, tcp: bool, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.won: asyncio.Future[bytes | None] = self._loop.create_future()
        self._question, self._tcp, self._timeout_s = question, tcp, timeout_s
        self._queue = sorted(servers, key=lambda server: server.failures)
        self._running: dict[int, tuple[Server, Callable[[], object], asyncio.TimerHandle | None]] = {}
        """By a number of their own: who is asked, how to stop that, and the end of patience."""
        self._numbers = itertools.count()
        self._silent: list[Server] = []
        self._useless: bytes | None = None
        self._impatience: asyncio.TimerHandle | None = None
        for _ in range(len(self._queue) if len(self._queue) < 3 else 2):
            self._ask_next()
        self._look_for_the_end()

    def end(self) -> None:
        """Nobody waits any more."""
        for _, stop, timer in self._running.values():
            stop()
            if timer is not None:
                timer.cancel()
        self._running.clear()
        if self._impatience is not None:
            self._impatience.cancel()

    def _ask_next(self) -> None:
        """Ask one more, if there is one; who cannot even be sent to has failed, and the one after is asked."""
        while self._queue:
            server, number = self._queue.pop(0), next(self._numbers)
            told = functools.partial(self._told, number)
            timer: asyncio.TimerHandle | None = None
            try:
                if self._tcp:
                    stop: Callable[[], object] = self._by_tcp(server, told)
                else:
                    asked = secrets.token_bytes(2) + self._question[2:]
                    stop = _UdpQuestion(server, asked, told).close
                    timer = self._loop.call_later(self._timeout_s, told, TimeoutError())
            except OSError:
                server.failures += 1
                continue
            self._running[number] = server, stop, timer
            break
        self._wait_for_a_moment()

    def _by_tcp(self, server: Server, told: Callable[[bytes | OSError], None]) -> Callable[[], object]:
        def done(task: asyncio.Task[bytes]) -> None:
            if not task.cancelled():
                told(OSError(str(task.exception())) if task.exception() else task.result())

        task = asyncio.create_task(ask(server, self._question, tcp=True, timeout_s=self._timeout_s))
        task.add_done_callback(done)
        return task.cancel

    def _wait_for_a_moment(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
        self._impatience = self._loop.call_later(_NEXT_AFTER_S, self._nobody_answers) if self._queue else None

    def _nobody_answers(self) -> None:
        self._silent = [server for server, _, _ in self._running.values()]
        self._ask_next()

    def _told(self, number: int, answer: bytes | OSError) -> None:
        server, stop, timer = self._running.pop(number, (None, None, None))
        if server is None or stop is None:
            return
        if timer is not None:
            timer.cancel()
        stop()
        if isinstance(answer, bytes) and dns.rcode_of(answer) not in USELESS:
            server.failures = 0
            for other in self._silent:
                other.failures += other is not server
            self._win(self._question[:2] + answer[2:])
            return
        server.failures += 1
        if isinstance(answer, bytes):
            self._useless = self._useless or self._question[:2] + answer[2:]
        self._ask_next()
        self._look_for_the_end()

    def _look_for_the_end(self) -> None:
        if not self._running and not self._queue:
            self._win(self._useless)

    def _win(self, answer: bytes | None) -> None:
        if not self.won.done():
            self.won.set_result(answer)
