"""Connections that come at once are all served; taken addresses are named."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from aiohttp import web

from dcos.runtime import http


async def _ask(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()


def _application() -> web.Application:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="here")

    made = http.application()
    made.add_routes([web.get("/", answer)])
    return made


async def test_many_at_once() -> None:
    async with http.listen(_application(), host="127.0.0.1", port=0) as (host, port):
        answers = await asyncio.gather(*(_ask(host, port) for _ in range(300)))
    assert all(answer.endswith(b"here") for answer in answers)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_who_waits_to_be_served_at_the_end_is_let_go(turns: int) -> None:
    async with http.listen(_application(), host="127.0.0.1", port=0) as (host, port):
        clients = [socket.create_connection((host, port), timeout=10) for _ in range(120)]
        for _ in range(turns):
            await asyncio.sleep(0)
    for client in clients:
        with client, contextlib.suppress(ConnectionResetError):
            assert await asyncio.to_thread(client.recv, 1) == b""


async def test_every_address_of_a_name() -> None:
    async with http.listen(_application(), host="localhost", port=0) as (host, port):
        assert (await _ask(host, port)).endswith(b"here")


async def test_nobody_answers_afterwards() -> None:
    async with http.listen(_application(), host="127.0.0.1", port=0) as (host, port):
        pass
    with pytest.raises(ConnectionRefusedError):
        await _ask(host, port)


async def test_a_taken_address_is_named() -> None:
    async with http.listen(_application(), host="127.0.0.1", port=0) as (host, port):
        with pytest.raises(OSError, match=rf"127\.0\.0\.1 port {port}: Address already in use"):
            async with http.listen(_application(), host=host, port=port):
                pass
