"""Asking several DNS servers at once: who answers wins, whoever else is dead, silent, useless, a liar or out of reach."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from dcos.runtime import dns as sockets
from dcos.runtime.dns import Server
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.wire import dns

pytestmark = pytest.mark.integration

HOST = "127.0.0.1"
QUESTION = dns.make_query(77, "web.example", dns.A)
UNREACHABLE = Server("255.255.255.255", 53)
"""Nothing may be sent there."""
Say = Callable[[bytes, bool], sockets.Answer]


def says(rcode: int) -> Say:
    return lambda data, tcp: dns.failure(data, rcode)


def silent(data: bytes, tcp: bool) -> None:
    return None


@contextlib.asynccontextmanager
async def servers(*what: Say | None) -> AsyncIterator[list[Server]]:
    """One each; None: nobody is there."""
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for say in what:
            port = free_port()
            if say is not None:
                _, port = await stack.enter_async_context(sockets.serve(say, HOST, 0))
            found.append(Server(HOST, port))
        yield found


async def ask(found: list[Server], *, tcp: bool = False, timeout_s: float = PATIENCE_S) -> int | None:
    """The code of the answer."""
    reply = await sockets.ask_first(found, QUESTION, tcp=tcp, timeout_s=timeout_s)
    if reply is None:
        return None
    assert reply[:2] == QUESTION[:2], "under the id of who asked"
    return dns.rcode_of(reply)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize(
    ("what", "code"),
    [
        ((), None),
        ((None,), None),
        ((None, None, None, None), None),
        ((says(0),), 0),
        ((None, says(0)), 0),
        ((says(2), says(3)), 3),
        ((says(2), None), 2),
        ((says(5), says(2), says(2)), 5),
        ((says(2), None, says(0)), 0),
        ((None, None, None, None, says(0)), 0),
        ((silent, says(0)), 0),
        ((silent, silent, silent, says(0)), 0),
    ],
)
async def test_the_best_answer_there_is(what: tuple[Say | None, ...], code: int | None, tcp: bool) -> None:
    async with servers(*what) as found:
        assert await ask(found, tcp=tcp) == code


async def test_nobody_answers_in_time() -> None:
    async with servers(silent, silent) as found:
        assert await ask(found, timeout_s=0.2) is None
        assert [one.failures for one in found] == [1, 1]


async def test_who_was_silent_comes_last_from_then_on() -> None:
    asked: list[int] = []

    def counted(number: int, say: Say) -> Say:
        def answer(data: bytes, tcp: bool) -> sockets.Answer:
            asked.append(number)
            return say(data, tcp)

        return answer

    async with servers(counted(0, silent), counted(1, silent), counted(2, says(0))) as found:
        assert await ask(found) == 0
        assert [one.failures for one in found] == [1, 1, 0]
        asked.clear()
        assert await ask(found) == 0
        assert 2 in asked
        assert len(asked) <= 2, "the one that answers, and the best of the others"


async def test_servers_out_of_reach_are_passed_over() -> None:
    async with servers(says(0)) as found:
        assert await ask([UNREACHABLE, UNREACHABLE, UNREACHABLE, *found]) == 0
        assert await ask([UNREACHABLE]) is None


async def test_other_answers_than_to_the_question_are_not_heard() -> None:
    def lies(data: bytes) -> list[bytes]:
        good = dns.failure(data, 3) or b""
        other = dns.failure(dns.make_query(0, "other.example", dns.A), 3) or b""
        return [bytes((data[0] ^ 1,)) + good[1:], data[:2] + other[2:], data, b"", b"x" * 40]

    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar:
        liar.bind((HOST, 0))
        liar.setblocking(False)
        asking = asyncio.create_task(ask([Server(*liar.getsockname())]))
        async with asyncio.timeout(PATIENCE_S):
            data, peer = await loop.sock_recvfrom(liar, 512)
        for reply in (*lies(data), dns.failure(data, 0) or b""):
            liar.sendto(reply, peer)
        assert await asking == 0


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
async def test_nothing_is_left_when_nobody_waits_any_more(tcp: bool) -> None:
    async with servers(silent, silent, says(0)) as found:
        before = len(os.listdir("/proc/self/fd"))
        asking = asyncio.create_task(ask(found[:2], tcp=tcp))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert await ask(found) == 0
        async with asyncio.timeout(PATIENCE_S):
            while len(os.listdir("/proc/self/fd")) > before:  # connections of TCP end a moment later
                await asyncio.sleep(0.05)
