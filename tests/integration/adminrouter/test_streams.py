"""What flows: WebSockets, event streams, uploads, redirects that services send."""

from __future__ import annotations

import asyncio
import socket
import time

import aiohttp
import pytest

from dcos.testing.patience import PATIENCE_S
from tests.integration.adminrouter.front_door import AUTH, FrontDoor

pytestmark = pytest.mark.integration


async def test_websockets_pass_with_a_token_only(door: FrontDoor) -> None:
    url = f"http://127.0.0.1:{door.port}/service/web/ws"
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, headers=AUTH) as link:
            for word in ("a", "b"):
                await link.send_str(word)
                assert await link.receive_str() == f"you said {word}"
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url)
        assert caught.value.status == 401


async def test_events_arrive_as_they_are_sent(door: FrontDoor) -> None:
    url = f"http://127.0.0.1:{door.port}/service/web/sse"
    arrived = []
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session, session.get(url, headers=AUTH) as reply:
        assert reply.headers["Content-Type"] == "text/event-stream"
        async for line in reply.content:
            if line.strip():
                arrived.append(line.strip())
                door.world.heard()  # the next is not sent before
    assert arrived == [b"data: 0", b"data: 1", b"data: 2"]


@pytest.mark.parametrize(("name", "first_comes_alone"), [("big", True), ("web", False)])
async def test_request_buffering_is_the_apps_choice(door: FrontDoor, name: str, first_comes_alone: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    head = f"POST /service/{name}/upload HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTH['Authorization']}\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n".encode())
    await writer.drain()
    early = b""
    try:
        async with asyncio.timeout(PATIENCE_S if first_comes_alone else 1.0):
            while b"first" not in early:
                early += await reader.read(4096)
    except TimeoutError:
        pass
    assert (b"first 5" in early) == first_comes_alone
    writer.write(b"5\r\nworld\r\n0\r\n\r\n")
    await writer.drain()
    async with asyncio.timeout(PATIENCE_S):
        answer = early + await reader.read()
    assert b"total 10" in answer
    writer.close()
    await writer.wait_closed()


async def test_a_refused_upload_ends_at_once(door: FrontDoor) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(b"POST /service/web/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nhello")
    await writer.drain()
    async with asyncio.timeout(PATIENCE_S):
        assert (await reader.readline()).startswith(b"HTTP/1.1 401")
    writer.close()


async def test_a_leaving_client_ends_the_stream_behind(door: FrontDoor) -> None:
    """Marathon's events through the front door: the upstream notices that nobody listens."""
    before = len(door.world.state.listeners)
    async with aiohttp.ClientSession() as session:
        reply = await session.get(f"http://127.0.0.1:{door.port}/marathon/v2/events", headers=AUTH)
        async with asyncio.timeout(PATIENCE_S):
            while len(door.world.state.listeners) == before:
                await asyncio.sleep(0.05)
        door.world.event("app_terminated_event")
        assert await reply.content.readline() == b"event: app_terminated_event\r\n"
        reply.close()
    deadline = time.monotonic() + PATIENCE_S
    while len(door.world.state.listeners) > before:
        assert time.monotonic() < deadline
        door.world.event()
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("http://cluster.test/x", "/service/web/x"),
        ("https://cluster.test/x?y=1", "/service/web/x?y=1"),
        ("/x", "/service/web/x"),
        ("/", "/service/web/"),
        ("/service/web/x", "/service/web/x"),
        ("http://cluster.test/service/web/x", "/service/web/x"),
        ("http://elsewhere.test/x", "http://elsewhere.test/x"),
        ("//elsewhere.test/x", "//elsewhere.test/x"),
        ("x", "x"),
    ],
)
def test_redirects_of_services(door: FrontDoor, sent: str, arrives: str) -> None:
    reply = door.ask(f"/service/web/redirect?to={sent.replace('?', '%3F').replace('&', '%26')}", headers=AUTH)
    assert (reply.status, reply.headers["Location"]) == (302, arrives)


def test_redirects_of_nested_services(door: FrontDoor) -> None:
    assert door.ask("/service/group/web/redirect?to=/x", headers=AUTH).headers["Location"] == "/service/group/web/x"


def test_two_requests_on_one_connection(door: FrontDoor) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as link:
        for path in ("/service/web/one", "/service/big/two"):
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTH['Authorization']}\r\n\r\n".encode())
            got = b""
            while path.rpartition("/")[2].encode() not in got:
                got += link.recv(65536)
            assert got.startswith(b"HTTP/1.1 200")
            while not got.endswith((b"\r\n\r\n", b"}")):
                got += link.recv(65536)
