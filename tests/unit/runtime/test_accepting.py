"""Connections that come at once are all served; taken addresses are named."""

from __future__ import annotations

import asyncio

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
