"""A DNS server on all addresses of a machine: what is asked of one address is answered from that one, in batches too."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Sequence

import pytest

from dcos.runtime import datagrams
from dcos.runtime import dns as sockets
from dcos.testing import netns
from dcos.testing.netns import Namespace
from dcos.wire import dns

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
]

ADDRESSES = {"0.0.0.0": ("10.77.0.1", "10.77.0.9"), "::": ("fd77::1", "fd77::9")}
PORT, EACH = 5353, 40


def answer(data: bytes, tcp: bool) -> sockets.Answer:
    """One of three questions is answered later, one with more than a batch has room for."""
    reply = dns.failure(data, dns.NOERROR)
    assert reply is not None
    if b"later" in data:
        return afterwards(reply)
    return reply + bytes(dns.MAX_UDP) if b"large" in data else reply


async def afterwards(reply: bytes) -> bytes:
    await asyncio.sleep(0)
    return reply


async def ask_all(everywhere: str, client: Namespace) -> tuple[int, list[int]]:
    """Most packets that the server read at once; and how many answers each address of the server gave."""
    loop = asyncio.get_running_loop()
    servers = ADDRESSES[everywhere]
    family = socket.AF_INET6 if ":" in everywhere else socket.AF_INET
    batches = [0]
    receive = datagrams.Batch.receive

    def counted(self: datagrams.Batch) -> list[bytes]:
        packets = receive(self)
        batches.append(len(packets))
        return packets

    async with sockets.serve(answer, everywhere, PORT):
        clients = [client.inside(lambda: socket.socket(family, socket.SOCK_DGRAM)) for _ in servers]
        try:
            datagrams.Batch.receive = counted  # type: ignore[method-assign]
            for sock, server in zip(clients, servers, strict=True):
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                sock.connect((server, PORT))  # answers from elsewhere do not get in
            for n, word in zip(range(EACH), itertools.cycle(("now", "later", "large"))):
                for sock in clients:
                    sock.send(dns.make_query(n, f"{word}.example", dns.A))
            got = [0] * len(clients)
            async with asyncio.timeout(60):
                for at, sock in enumerate(clients):
                    while got[at] < EACH:
                        assert len(await loop.sock_recv(sock, 65535)) >= 12
                        got[at] += 1
        finally:
            datagrams.Batch.receive = receive  # type: ignore[method-assign]
            for sock in clients:
                sock.close()
    return max(batches), got


@pytest.mark.parametrize("everywhere", ADDRESSES)
def test_the_address_that_was_asked_answers(everywhere: str) -> None:
    with netns.namespaces("dnsall", "dnsclient") as (node, client):
        netns.join(node, "10.77.0.1/24", client, "10.77.0.2/24")
        more: Sequence[tuple[Namespace, str]] = (
            (node, "10.77.0.9/24"),
            (node, "fd77::1/64"),
            (node, "fd77::9/64"),
            (client, "fd77::2/64"),
        )
        for space, address in more:
            space.ip("addr", "add", address, "dev", "eth0", *(("nodad",) if ":" in address else ()))
        largest, got = node.inside(lambda: asyncio.run(ask_all(everywhere, client)))
    assert got == [EACH, EACH]
    assert largest > 1, "read in batches"
