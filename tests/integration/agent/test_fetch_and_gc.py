"""Downloads with the cache, and old sandboxes going."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from dcos.model.v1.types import CommandInfo, CommandInfoURI, TaskInfo
from dcos.testing.ports import free_port
from dcos.testing.users import SOMEBODY

Make = Callable[..., TaskInfo]


@pytest.fixture
async def origin() -> AsyncIterator[tuple[str, list[str]]]:
    """A web server; its URL and the paths asked for."""
    asked: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path == "/moved":
            raise web.HTTPFound("/file")
        if request.path == "/missing":
            return web.Response(status=404, text="no")
        return web.Response(text="content")

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app, handle_signals=False)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}", asked
    await runner.cleanup()


async def test_http_and_cache(running: Any, master: Any, make_task: Make, origin: tuple[str, list[str]]) -> None:
    url, asked = origin
    uris = (
        CommandInfoURI(value=f"{url}/file?x=1", cache=True, output_file="deep/kept"),
        CommandInfoURI(value=f"{url}/moved"),
    )
    for name in ("one", "two"):
        command = CommandInfo(value="cat deep/kept moved; touch deep/mine", uris=uris, user=SOMEBODY)
        await master.run(make_task(name, command))
        await master.state(name, "TASK_FINISHED")
        assert (running.sandbox(name) / "stdout").read_text() == "contentcontent"
    assert asked == ["/file", "/moved", "/file", "/moved", "/file"]
    bad = CommandInfo(value="true", uris=(CommandInfoURI(value=f"{url}/missing"),))
    await master.run(make_task("bad", bad))
    failed = await master.state("bad", "TASK_FAILED")
    assert "answered 404" in (failed.message or "")


async def test_old_sandboxes_go(agent: Any, master: Any, make_task: Make) -> None:
    await agent.start("--gc_delay=100ms", "--disk_watch_interval=200ms")
    await master.registered()
    await master.run(make_task("stays"))
    await master.run(make_task("goes", "exit 0"))
    await master.state("goes", "TASK_FINISHED")
    await master.state("stays", "TASK_RUNNING")
    gone = [agent.work / "slaves/m-S0/frameworks/m-0000/executors/goes"]
    gone.append(agent.work / "meta/slaves/m-S0/frameworks/m-0000/executors/goes")
    async with asyncio.timeout(20):
        while any(one.exists() for one in gone):
            await asyncio.sleep(0.1)
    assert agent.sandbox("stays").resolve().is_dir()
