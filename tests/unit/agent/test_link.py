"""The agent's side of the link: what is said while a registration is under way."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

from dcos.agent.link import AgentLink, LinkBroken, Read
from dcos.model.v1.types import AgentInfo, ExecutorID, FrameworkID
from dcos.runtime.log import get_logger
from dcos.wire import agent_link
from dcos.wire.recordio import Decoder, frame


async def test_the_end_of_an_executor_is_not_lost_between_hello_and_registration() -> None:
    """The first words counted it as alive, so the master would think so for as long as the link lives."""
    said: asyncio.Queue[bytes] = asyncio.Queue()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    @contextlib.asynccontextmanager
    async def dial(leader: str, body: AsyncIterator[bytes]) -> AsyncIterator[Read]:
        async def pump() -> None:
            async for data in body:
                said.put_nowait(data)

        pumping = asyncio.create_task(pump())
        try:
            yield heard.get
        finally:
            pumping.cancel()

    async def receive(message: agent_link.MasterMessage, leader: str) -> None:
        return None

    link = AgentLink(
        hello=lambda: agent_link.Register(
            agent=AgentInfo(hostname="h"), pid="slave(1)@10.0.0.1:5051", version="1.11.0", boot_id="b"
        ),
        receive=receive,
        lost=lambda leader: None,
        backoff_factor_s=0.0,
        rng=random.Random(1),
        log=get_logger("test"),
        dial=dial,
    )
    running = asyncio.create_task(link.run())
    link.lead("10.0.0.2:5050")
    messages = []
    decoder = Decoder()

    async def next_words() -> None:
        for record in decoder.feed(await said.get()):
            messages.append(type(agent_link.decode_agent_message(record)))

    await next_words()
    link.send(
        agent_link.ExitedExecutor(framework_id=FrameworkID(value="f"), executor_id=ExecutorID(value="e"), status=0)
    )
    heard.put_nowait(frame(agent_link.encode(agent_link.Registered(agent_id="a", master_id="m", ping_timeout_s=75.0))))
    await next_words()
    assert messages == [agent_link.Register, agent_link.ExitedExecutor]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_tries_are_ever_further_apart() -> None:
    """A random time of up to the factor before the first, twice as much before each other, never more than a minute."""
    limits: list[float] = []

    class Rng(random.Random):
        def uniform(self, a: float, b: float) -> float:
            assert a == 0
            limits.append(b)
            return 0.0

    dialled = asyncio.Semaphore(0)

    @contextlib.asynccontextmanager
    async def dial(leader: str, body: AsyncIterator[bytes]) -> AsyncIterator[Read]:
        dialled.release()
        raise LinkBroken("nobody there")
        yield  # type: ignore[unreachable]

    async def receive(message: agent_link.MasterMessage, leader: str) -> None:
        return None

    link = AgentLink(
        hello=lambda: agent_link.Register(agent=AgentInfo(hostname="h"), pid="p", version="1.11.0", boot_id="b"),
        receive=receive,
        lost=lambda leader: None,
        backoff_factor_s=1.0,
        rng=Rng(),
        log=get_logger("test"),
        dial=dial,
    )
    running = asyncio.create_task(link.run())
    link.lead("10.0.0.2:5050")
    async with asyncio.timeout(60):
        for _ in range(9):
            await dialled.acquire()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert limits[:9] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
