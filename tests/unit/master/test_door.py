"""Agents' links on bare transports: who gets one, and what happens on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from dcos.master import api_agents, direct_link, streams
from dcos.model.v1.types import AgentInfo, ExecutorID, FrameworkID
from dcos.testing.patience import PATIENCE_S
from dcos.wire import agent_link, recordio
from dcos.wire.chunked import END, Dechunker, chunk
from tests.unit.master.served import Master, serving

HEAD = (
    f"POST {agent_link.PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {agent_link.CONTENT_TYPE}\r\n"
    "Transfer-Encoding: chunked\r\n\r\n"
).encode()
_ID, _EXECUTOR = FrameworkID(value="f"), ExecutorID(value="e")
HELLO = agent_link.Register(agent=AgentInfo(hostname="h"), pid="slave(1)@10.0.0.1:5051", version="1.11.0")


def said(message: agent_link.AgentMessage) -> bytes:
    return chunk(recordio.frame(agent_link.encode(message)))


class Talk:
    """An agent by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._dechunker = Dechunker()
        self._decoder = recordio.Decoder()
        self._heard: list[agent_link.MasterMessage] = []

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def hear(self) -> agent_link.MasterMessage | None:
        """None at the end."""
        while not self._heard:
            data = await self.reader.read(65536)
            if not data:
                return None
            records = self._decoder.feed(self._dechunker.feed(data))
            self._heard += map(agent_link.decode_master_message, records)
        return self._heard.pop(0)


@contextlib.asynccontextmanager
async def talking(master: Master) -> AsyncIterator[Talk]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(master.url.rpartition(":")[2]))
    try:
        yield Talk(reader, writer)
    finally:
        writer.close()


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not what():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("step", [1, 7, 10_000])
async def test_a_link_however_its_bytes_come(step: int) -> None:
    async with serving() as master, talking(master) as agent:
        sent = HEAD + said(HELLO)
        for at in range(0, len(sent), step):
            agent.writer.write(sent[at : at + step])
            await asyncio.sleep(0)
        assert (await agent.head()).startswith(b"HTTP/1.1 200 OK\r\n")
        welcome = await agent.hear()
        assert isinstance(welcome, agent_link.Registered)
        (known,) = master.api.state.agents.values()
        assert known.id == welcome.agent_id
        assert isinstance(master.api.writer.links[known.link or ""], direct_link.DirectLink)
        agent.writer.write(said(agent_link.Unregister()))
        assert isinstance(await agent.hear(), agent_link.Shutdown)
        assert await agent.hear() is None
        await until(lambda: not master.api.state.agents and not master.api.writer.links)


async def test_what_an_agent_says_last_counts() -> None:
    async with serving() as master, talking(master) as agent:
        agent.writer.write(HEAD + said(HELLO))
        await agent.head()
        await agent.hear()
        agent.writer.write(said(agent_link.Unregister()) + END)
        assert await agent.hear() is None
        await until(lambda: not master.api.state.agents and not master.api.writer.links)


async def test_an_agent_that_vanishes_is_disconnected() -> None:
    async with serving() as master:
        async with talking(master) as agent:
            agent.writer.write(HEAD + said(HELLO))
            await agent.head()
            await agent.hear()
        await until(lambda: not next(iter(master.api.state.agents.values())).connected)
        assert master.api.writer.links == {}


@pytest.mark.parametrize("nonsense", [b"zz\r\n", chunk(b"x\n"), chunk(recordio.frame(b'{"type":"NO"}'))])
async def test_nonsense_ends_the_link(nonsense: bytes) -> None:
    async with serving() as master, talking(master) as agent:
        agent.writer.write(HEAD + said(HELLO))
        await agent.head()
        await agent.hear()
        agent.writer.write(nonsense)
        assert await agent.hear() is None
        await until(lambda: not next(iter(master.api.state.agents.values())).connected)


async def test_trouble_with_one_agent_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("bug")

    async with serving() as master:
        with monkeypatch.context() as patched:
            patched.setattr(api_agents, "agent_problem", broken)
            async with talking(master) as agent:
                agent.writer.write(HEAD + said(HELLO))
                await agent.head()
                assert await agent.hear() is None
        async with talking(master) as agent:
            agent.writer.write(HEAD + said(HELLO))
            await agent.head()
            assert isinstance(await agent.hear(), agent_link.Registered)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEAD.replace(b"POST", b"GET"), b"204"),
        (HEAD.replace(b"recordio", b"json"), b"415"),
        (HEAD.replace(b"Host: x\r\n", b"Host: x\r\nExpect: 100-continue\r\n"), b"100"),
        (HEAD.replace(agent_link.PATH.encode(), b"/api/v1"), b"415"),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
async def test_everything_else_is_answered_by_http(head: bytes, status: bytes) -> None:
    async with serving() as master, talking(master) as peer:
        peer.writer.write(head)
        answer = await peer.head()
        assert answer.split()[1] == status
        assert not any(isinstance(one, direct_link.DirectLink) for one in master.api.writer.links.values())


async def test_a_master_that_does_not_lead_says_so() -> None:
    async with serving(lead=False) as master, talking(master) as agent:
        agent.writer.write(HEAD + said(HELLO))
        assert (await agent.head()).split()[1] == b"503"


async def test_an_agent_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_WAITING", 1_000_000)
    async with serving() as master, talking(master) as agent:
        agent.writer.write(HEAD + said(HELLO))
        await agent.head()
        await agent.hear()
        link = next(iter(master.api.writer.links.values()))
        for _ in range(20_000):
            link.send(b"x" * 10_000)
            if not master.api.writer.links:
                break
            await asyncio.sleep(0)
        assert not master.api.writer.links
        assert (await master.get("/health")).status == 200


async def test_an_agent_that_stands_still_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STALL_S", 0.05)
    async with serving() as master, talking(master) as agent:
        agent.writer.write(HEAD + said(HELLO))
        await agent.head()
        await agent.hear()
        next(iter(master.api.writer.links.values())).send(b"x" * 20_000_000)
        await until(lambda: not master.api.writer.links)


async def test_more_than_may_wait_is_read_all_the_same() -> None:
    async with serving() as master, talking(master) as agent:
        agent.writer.write(HEAD + said(HELLO))
        await agent.head()
        await agent.hear()
        wide = agent_link.ExecutorMessage(framework_id=_ID, executor_id=_EXECUTOR, data=b"x" * 200_000)
        before = master.api.state.counters["messages_executor_to_framework"]
        for _ in range(20):
            agent.writer.write(said(wide))
        await until(lambda: master.api.state.counters["messages_executor_to_framework"] == before + 20)
