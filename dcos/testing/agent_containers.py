"""The agent's container calls, as a client of its HTTP API makes them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from dcos.testing.patience import PATIENCE_S
from dcos.wire import recordio

Json = dict[str, Any]


def container_id(name: str) -> Json:
    """Of ``root.child``."""
    found: Json = {}
    for value in name.split("."):
        found = {"value": value, **({"parent": found} if found else {})}
    return found


class Containers:
    """JSON calls to one agent."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = f"{url}/api/v1"
        self.session = session

    async def call(self, kind: str, body: Json | None = None, **headers: str) -> tuple[int, str]:
        message = {"type": kind, **({kind.lower(): body} if body is not None else {})}
        async with self.session.post(self.url, json=message, headers=headers) as response:
            return response.status, await response.text()

    async def wait(self, name: str) -> Json:
        status, body = await self.call("WAIT_CONTAINER", {"container_id": container_id(name)})
        assert status == 200, (status, body)
        found: Json = json.loads(body)["wait_container"]
        return found

    async def containers(self, **flags: bool) -> list[str]:
        status, body = await self.call("GET_CONTAINERS", flags)
        assert status == 200, body
        found = json.loads(body).get("get_containers", {}).get("containers", [])
        return [name_of(one["container_id"]) for one in found]

    async def session_of(self, name: str, command: str | Json, *, tty: bool = False) -> Stream:
        body: Json = {
            "container_id": container_id(name),
            "command": {"value": command} if isinstance(command, str) else command,
        }
        if tty:
            body["container"] = {"type": "MESOS", "tty_info": {"window_size": {"rows": 30, "columns": 100}}}
        return await self.stream({"type": "LAUNCH_NESTED_CONTAINER_SESSION", "launch_nested_container_session": body})

    async def output_of(self, name: str) -> Stream:
        body = {"container_id": container_id(name)}
        return await self.stream({"type": "ATTACH_CONTAINER_OUTPUT", "attach_container_output": body})

    async def stream(self, message: Json) -> Stream:
        headers = {"Accept": "application/recordio", "Message-Accept": "application/json"}
        return Stream(await self.session.post(self.url, json=message, headers=headers))

    async def type_into(self, name: str, records: AsyncIterator[Json]) -> tuple[int, str]:
        headers = {"Content-Type": "application/recordio", "Message-Content-Type": "application/json"}

        async def body() -> AsyncIterator[bytes]:
            first = {"type": "CONTAINER_ID", "container_id": container_id(name)}
            yield _record(first)
            async for one in records:
                yield _record({"type": "PROCESS_IO", "process_io": one})

        async with self.session.post(self.url, data=body(), headers=headers) as response:
            return response.status, await response.text()


def name_of(one: Json) -> str:
    parent = f"{name_of(one['parent'])}." if "parent" in one else ""
    return f"{parent}{one['value']}"


def _record(body: Json) -> bytes:
    return recordio.frame(json.dumps({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": body}).encode())


def typed(text: str) -> Json:
    return {"type": "DATA", "data": {"type": "STDIN", "data": base64.b64encode(text.encode()).decode()}}


def window(rows: int, columns: int) -> Json:
    tty = {"window_size": {"rows": rows, "columns": columns}}
    return {"type": "CONTROL", "control": {"type": "TTY_INFO", "tty_info": tty}}


async def keys(*records: Json, hold: asyncio.Event | None = None) -> AsyncIterator[Json]:
    """Records one after another; the stream stays open until ``hold``."""
    for one in records:
        yield one
    if hold is not None:
        await hold.wait()


class Stream:
    """An answer that goes on: what was heard so far, by kind."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.heard = {"STDOUT": b"", "STDERR": b""}
        self.beats = 0
        self._decoder = recordio.Decoder()

    async def until(self, condition: Callable[[Stream], Any], timeout_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                data = await self.response.content.readany()
                assert data, f"it ended after {self.heard}"
                self._take(data)

    async def end(self, timeout_s: float = PATIENCE_S) -> Stream:
        """Read to the end."""
        async with asyncio.timeout(timeout_s):
            async for data in self.response.content.iter_any():
                self._take(data)
        return self

    def _take(self, data: bytes) -> None:
        for record in self._decoder.feed(data):
            message = json.loads(record)
            if message["type"] == "DATA":
                self.heard[message["data"]["type"]] += base64.b64decode(message["data"]["data"])
            else:
                assert message["control"]["type"] == "HEARTBEAT"
                self.beats += 1

    @property
    def out(self) -> str:
        return self.heard["STDOUT"].decode()

    @property
    def err(self) -> str:
        return self.heard["STDERR"].decode()

    def close(self) -> None:
        self.response.close()
