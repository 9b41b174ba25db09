"""The network in memory: ordered connections between hosts, with delay, loss, partitions, half-open ends.

A connection is like TCP: what is sent comes in order or not at all. A lost message breaks the connection (retransmission is
part of the delay). A cut path holds messages back; after ``give_up_s`` the sender's end breaks, and the other end learns
only by its own sending. A process that dies sends FIN; a machine that loses power sends nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from dcos.testing.sim.process import Life
from dcos.testing.sim.trace import Trace

_FIN = object()


class Refused(ConnectionError):
    """The other side answered with an HTTP status that is none of success."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(f"{status} {text}".strip())
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Answer:
    """The first thing a server says."""

    status: int
    text: str = ""


Handler = Callable[["End", str, Any], Coroutine[Any, Any, None]]


class End:
    """One side of a connection. Belongs to a life."""

    def __init__(self, network: Network, life: Life) -> None:
        self._network = network
        self.life = life
        self.peer: End = self
        self.closed = False
        self.broken = False
        self.mute = False
        """What it sends from now on is lost: the connection breaks, though nobody knows yet."""
        self.held: deque[Any] = deque()
        """Sent by this end, not through yet."""
        self.last_at = 0.0
        self.greeting = ""
        """What the server's first answer said."""
        self._inbox: deque[Any] = deque()
        self._over = False
        self._waiter: asyncio.Future[None] | None = None
        life.belongings[self] = None

    async def read(self) -> Any:
        """The next message; b"" after the end.   Errors: ConnectionResetError."""
        while not self._inbox:
            if self.broken or self.closed:
                raise ConnectionResetError("connection reset by peer")
            if self._over:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._inbox.popleft()

    async def write(self, message: Any) -> None:
        """Errors: ConnectionResetError once the break is known here."""
        if self.closed or self.broken:
            raise ConnectionResetError("connection reset by peer")
        self._network.send(self, message)

    def close(self) -> None:
        """The other side reads to the end."""
        if not self.closed:
            self.closed = True
            self._network.send(self, _FIN)
        self.life.belongings.pop(self, None)
        self._wake()

    def died(self, *, silent: bool) -> None:
        if not silent:
            self._network.send(self, _FIN)
        self.closed = True

    def arrive(self, message: Any) -> None:
        if message is _FIN:
            self._over = True
        else:
            self._inbox.append(message)
        self._wake()

    def break_(self) -> None:
        self.broken = True
        self.held.clear()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Network:
    """Hosts are names; an address is where a life listens."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rng: random.Random, trace: Trace) -> None:
        self._loop = loop
        self._rng = rng
        self._trace = trace
        self.delay_s = 0.002
        """Mean of what a message takes."""
        self.loss = 0.0
        """Part of messages that break their connection."""
        self.give_up_s = 60.0
        self.messages = 0
        self._cut: set[tuple[str, str]] = set()
        self._off: set[str] = set()
        self._listeners: dict[str, tuple[Life, Handler]] = {}
        self._stuck: dict[End, None] = {}
        self._open: dict[End, None] = {}

    # ---- what faults do ----------------------------------------------------------------------------------------------

    def cut(self, source: str, target: str) -> None:
        """From now on nothing passes from ``source`` to ``target``."""
        self._cut.add((source, target))

    def heal(self, source: str, target: str) -> None:
        self._cut.discard((source, target))
        for end in [one for one in self._stuck if (one.life.host, one.peer.life.host) == (source, target)]:
            self._release(end)

    def power(self, host: str, *, on: bool) -> None:
        if on:
            self._off.discard(host)
            for end in [one for one in self._stuck if one.peer.life.host == host]:
                self._release(end)
        else:
            self._off.add(host)

    def passes(self, source: str, target: str) -> bool:
        return (source, target) not in self._cut and source not in self._off and target not in self._off

    def reset_some(self, share: float) -> int:
        """Break a part of all connections."""
        chosen = [end for end in self._open if not end.closed and self._rng.random() < share]
        for end in chosen:
            self.reset(end)
        return len(chosen)

    # ---- connections -------------------------------------------------------------------------------------------------

    def listen(self, address: str, life: Life, handler: Handler) -> None:
        """Until the life ends or another listens."""
        self._listeners[address] = (life, handler)

    async def connect(self, life: Life, address: str, path: str, body: Any = None) -> End:
        """Returns once the other side answered 200. Who gives up before may still be served, as with TCP.

        Errors: Refused, ConnectionError.
        """
        near = End(self, life)
        self._loop.call_later(self._delay(), self._knock, near, address, path, body, self._loop.time() + self.give_up_s)
        try:
            answer = await near.read()
            if answer == b"":
                raise ConnectionResetError("closed without an answer")
            if answer.status // 100 != 2:
                raise Refused(answer.status, answer.text)
            near.greeting = answer.text
        except BaseException:
            near.close()
            raise
        return near

    def _knock(self, near: End, address: str, path: str, body: Any, until: float) -> None:
        """A request arrives, or tries again while the path is cut."""
        found = self._listeners.get(address)
        host = found[0].host if found is not None else address.partition(":")[0]
        source = near.life.host
        if not (self.passes(source, host) and self.passes(host, source)):
            if self._loop.time() < until:
                self._loop.call_later(1.0, self._knock, near, address, path, body, until)
            else:
                near.break_()
        elif found is None or not found[0].alive:
            self._loop.call_later(self._delay(), near.break_)
        else:
            server, handler = found
            far = End(self, server)
            near.peer, far.peer = far, near
            self._open[near] = None
            if near.closed:
                far.arrive(_FIN)
            server.spawn(self._serve(handler, far, path, body), f"{server.name}{path}")

    async def _serve(self, handler: Handler, end: End, path: str, body: Any) -> None:
        try:
            await handler(end, path, body)
        except Refused as error:
            if not end.closed and not end.broken:
                await end.write(Answer(error.status, error.text))
        except ConnectionError:
            pass
        finally:
            if end.life.alive:
                end.close()

    def send(self, end: End, message: Any) -> None:
        self.messages += 1
        if end.broken or end.mute or end.peer is end:
            return
        if self.loss and self._rng.random() < self.loss:
            self.reset(end)
            return
        end.last_at = max(end.last_at + 1e-6, self._loop.time() + self._delay())
        self._loop.call_at(end.last_at, self._arrive, end, message)

    def reset(self, end: End) -> None:
        """Both sides learn it, each after its own delay."""
        for one in (end, end.peer):
            one.mute = True
            self._loop.call_later(self._delay(), one.break_)
        self._forget(end)

    def _arrive(self, end: End, message: Any) -> None:
        if end.broken:
            return
        if end.held or not self.passes(end.life.host, end.peer.life.host):
            if not end.held:
                self._stuck[end] = None
                self._loop.call_later(self.give_up_s * self._rng.uniform(0.7, 1.3), self._give_up, end, message)
            end.held.append(message)
            return
        self._hand_over(end, message)

    def _hand_over(self, end: End, message: Any) -> None:
        peer = end.peer
        if peer.broken or peer.closed:
            if message is not _FIN:
                self._loop.call_later(self._delay(), end.break_)
            self._forget(end)
            return
        peer.arrive(message)

    def _release(self, end: End) -> None:
        if self.passes(end.life.host, end.peer.life.host):
            self._stuck.pop(end, None)
            held, end.held = end.held, deque()
            for message in held:
                self._hand_over(end, message)

    def _give_up(self, end: End, message: Any) -> None:
        if end.held and end.held[0] is message:
            self._stuck.pop(end, None)
            end.break_()
            self._forget(end)

    def _forget(self, end: End) -> None:
        self._open.pop(end, None)
        self._open.pop(end.peer, None)

    def store_delay(self) -> float:
        """For one way to ZooKeeper: near, whatever else is slow."""
        return 0.0003 + self._rng.expovariate(1000.0)

    def _delay(self) -> float:
        return 0.0005 + self._rng.expovariate(1.0 / self.delay_s)
