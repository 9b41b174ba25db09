"""The agent's end of the link to the leading master: connect, register, stay, begin again.

States: no leader known -> connecting -> registering -> connected. Whatever breaks it (socket, silence, a ping that says
"not connected", another leader), the link starts anew after a pause that doubles up to a minute.

Source: Mesos agent registration and ping timeout; the messages are in ``dcos/wire/agent_link.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import msgspec

from dcos.runtime import http
from dcos.runtime.credentials import CredentialFile
from dcos.runtime.log import Logger
from dcos.runtime.tls import scheme
from dcos.wire import agent_link, link_proof
from dcos.wire.agent_link import (
    AgentMessage,
    ExitedExecutor,
    MasterMessage,
    Ping,
    Pong,
    Registered,
    Reregister,
    Shutdown,
)
from dcos.wire.errors import WireError
from dcos.wire.recordio import Decoder, frame

MAX_BACKOFF_S = 60.0
FIRST_ANSWER_S = 30.0
_QUEUE = 10_000


class LinkBroken(Exception):
    """The exchange with this master is over: says why."""


Read = Callable[[], Awaitable[bytes]]
"""The next bytes from the master, none at the end."""
Dial = Callable[[str, AsyncIterator[bytes]], AbstractAsyncContextManager[Read]]
"""Opens an exchange with a master (``host:port``) and sends it a body that never ends."""


def proving_dial(credential: CredentialFile | None) -> Dial:
    """Opens exchanges, proving the principal to masters that ask for it."""

    @contextlib.asynccontextmanager
    async def dial(leader: str, body: AsyncIterator[bytes]) -> AsyncIterator[Read]:
        async with http.session(timeout_s=None) as session, _exchange(session, leader, body, credential) as read:
            yield read

    return dial


async def _proof(session: aiohttp.ClientSession, url: str, credential: CredentialFile) -> dict[str, str]:
    """The header that answers the master's challenge; none if it does not ask."""
    async with session.get(url, allow_redirects=False) as answer:
        given = answer.headers.get("WWW-Authenticate", "")
    proof = link_proof.prove(credential.principal, credential.secret, given)
    return {} if proof is None else {"Authorization": proof.header()}


@contextlib.asynccontextmanager
async def _exchange(
    session: aiohttp.ClientSession, leader: str, body: AsyncIterator[bytes], credential: CredentialFile | None
) -> AsyncIterator[Read]:
    url = f"{scheme()}://{leader}{agent_link.PATH}"
    headers = {"Content-Type": agent_link.CONTENT_TYPE}
    if credential is not None:
        headers |= await _proof(session, url, credential)
    response = await session.post(url, data=body, headers=headers, allow_redirects=False)
    try:
        if response.status != 200:
            where = response.headers.get("Location", "")
            raise LinkBroken(f"the master answered {response.status} {where}".strip())
        yield response.content.readany
    finally:
        response.close()


http_dial = proving_dial(None)


class AgentLink:
    """One agent's link. ``hello`` makes the first message, ``receive`` takes all but pings, ``lost`` hears of breaks."""

    def __init__(
        self,
        *,
        hello: Callable[[], agent_link.Register | Reregister],
        receive: Callable[[MasterMessage, str], Awaitable[None]],
        lost: Callable[[str], None],
        backoff_factor_s: float,
        rng: random.Random,
        log: Logger,
        dial: Dial = http_dial,
    ) -> None:
        self._hello = hello
        self._receive = receive
        self._lost = lost
        self._backoff_factor_s = backoff_factor_s
        self._rng = rng
        self._log = log
        self._dial = dial
        self._leader: str | None = None
        self._leader_changed = asyncio.Event()
        self._outbox: asyncio.Queue[bytes] | None = None
        self._held: list[bytes] = []
        """Ends of executors that our first words counted as alive, until the master has taken those words."""
        self.connected = False

    @property
    def leader(self) -> str | None:
        """``host:port``"""
        return self._leader

    def send(self, message: AgentMessage) -> bool:
        """Queue for the master; False (and dropped) when not registered there.

        The end of an executor is said once only, so it waits while a registration is under way.
        """
        if self._outbox is None or not self.connected:
            if self._outbox is not None and isinstance(message, ExitedExecutor):
                self._held.append(frame(agent_link.encode(message)))
            return False
        with contextlib.suppress(asyncio.QueueFull):
            self._outbox.put_nowait(frame(agent_link.encode(message)))
            return True
        return False

    def lead(self, leader: str | None) -> None:
        """An election's result: ``host:port``, or none. The same address again is a new master there: try it at once."""
        if leader != self._leader or not self.connected:
            self._leader = leader
            self._leader_changed.set()

    async def run(self) -> None:
        """For ever."""
        attempt = 0
        while True:
            self._leader_changed.clear()
            if self._leader is None:
                await self._leader_changed.wait()
                attempt = 0
                continue
            if await self._paused(attempt):
                attempt = 0
                continue
            leader = self._leader
            registered, reason = await self._until_change(leader)
            attempt = 1 if registered else min(attempt + 1, 16)
            self._log.info("link_down", master=leader, reason=reason, was_registered=registered)

    async def _paused(self, attempt: int) -> bool:
        """Wait a random time before a try; True when the leader changed meanwhile."""
        limit = min(MAX_BACKOFF_S, self._backoff_factor_s * 2**attempt)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._rng.uniform(0, limit)):
                await self._leader_changed.wait()
                return True
        return False

    async def _until_change(self, leader: str) -> tuple[bool, str]:
        """One exchange, cut when another master leads. Whether it got as far as registered, and why it ended."""
        exchange = asyncio.create_task(self._exchange(leader), name="link-exchange")
        change = asyncio.create_task(self._leader_changed.wait(), name="link-leader")
        registered = False
        try:
            await asyncio.wait({exchange, change}, return_when=asyncio.FIRST_COMPLETED)
            registered = self.connected
            if not exchange.done():
                return registered, "another master leads"
            error = exchange.exception()
            if error is None:
                return registered, "the master closed the link"
            if isinstance(error, LinkBroken | aiohttp.ClientError | OSError | WireError | TimeoutError):
                return registered, str(error) or type(error).__name__
            raise error
        finally:
            for task in (exchange, change):
                task.cancel()
            await asyncio.gather(exchange, change, return_exceptions=True)
            if self.connected:
                self.connected = False
                self._lost(leader)
            self._outbox = None

    async def _exchange(self, leader: str) -> None:
        outbox: asyncio.Queue[bytes] = asyncio.Queue(_QUEUE)
        self._outbox, self._held = outbox, []
        outbox.put_nowait(frame(agent_link.encode(self._hello())))

        async def body() -> AsyncIterator[bytes]:
            while True:
                data = await outbox.get()
                while not outbox.empty():
                    data += outbox.get_nowait()
                yield data

        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(FIRST_ANSWER_S):
                read = await stack.enter_async_context(self._dial(leader, body()))
            await self._read(read, leader)

    def _say_held(self) -> None:
        assert self._outbox is not None
        for data in self._held:
            self._outbox.put_nowait(data)
        self._held = []

    async def _read(self, read: Read, leader: str) -> None:
        decoder = Decoder()
        silence_s = FIRST_ANSWER_S
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    data = await read()
            except TimeoutError:
                raise LinkBroken(f"the master was silent for {silence_s:g} s") from None
            if not data:
                return
            for record in decoder.feed(data):
                try:
                    message = agent_link.decode_master_message(record)
                except msgspec.MsgspecError as error:
                    raise LinkBroken(f"a message that is not understood: {error}") from error
                if isinstance(message, Registered):
                    silence_s = message.ping_timeout_s
                    self.connected = True
                    self._say_held()
                elif isinstance(message, Ping):
                    if not message.connected:
                        raise LinkBroken("the master does not count this agent as connected")
                    self.send(Pong())
                    continue
                elif not self.connected and not isinstance(message, Shutdown):
                    raise LinkBroken("the master spoke before registering this agent")
                await self._receive(message, leader)
