"""Downloads with the cache, and old sandboxes going."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dcos.model.v1.types import CommandInfo, CommandInfoURI, DrainConfig, DurationInfo, TaskInfo
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.testing.users import SOMEBODY
from dcos.wire.agent_link import DrainAgent

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
    async with asyncio.timeout(PATIENCE_S):
        while any(one.exists() for one in gone):
            await asyncio.sleep(0.1)
    assert agent.sandbox("stays").resolve().is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
async def test_a_full_disk_makes_old_sandboxes_go(agent: Any, master: Any, make_task: Make) -> None:
    """A work_dir on a disk of 16 MB: nothing goes while there is room, and all that ended once it is full."""
    agent.work.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "small", agent.work], check=True)
    try:
        await agent.start("--gc_delay=1weeks", "--disk_watch_interval=100ms")
        await master.registered()
        await master.run(make_task("stays", "sleep 1000"))
        await master.state("stays", "TASK_RUNNING")
        await master.run(make_task("ends", "head -c 2000000 /dev/zero >big"))
        await master.state("ends", "TASK_FINISHED")
        await asyncio.sleep(0.5)
        assert (agent.sandbox("ends") / "big").exists()
        # 0.1 of the disk is to stay free
        await master.run(make_task("fills", "head -c 13200000 /dev/zero >big; sleep 1000"))
        gone = agent.work / "slaves/m-S0/frameworks/m-0000/executors/ends"
        async with asyncio.timeout(PATIENCE_S):
            while gone.exists():
                await asyncio.sleep(0.1)
        assert agent.sandbox("stays").resolve().is_dir()
        assert (agent.sandbox("fills") / "big").exists()
        for name in ("stays", "fills"):
            await master.kill(name)
            await master.state(name, "TASK_KILLED")
        await agent.stop()
    finally:
        if agent.process is not None and agent.process.returncode is None:
            await agent.kill()
        agent.end_everything()
        subprocess.run(["umount", "--lazy", agent.work], check=True)


async def test_where_things_are_kept(running: Any, master: Any, make_task: Make) -> None:
    """Paths that operators' scripts know."""
    await master.run(make_task("t"))
    status = await master.state("t", "TASK_RUNNING")
    run = status.container_status.container_id.value
    await master.send(DrainAgent(config=DrainConfig(max_grace_period=DurationInfo(nanoseconds=0))))
    await master.state("t", "TASK_KILLED")
    executor = "frameworks/m-0000/executors/t"
    work: Path = running.work
    assert (work / "meta/slaves/latest").resolve() == work / "meta/slaves/m-S0"
    for name in ("meta/boot_id", "meta/slaves/m-S0/slave.info", "meta/slaves/m-S0/frameworks/m-0000/framework.info"):
        assert (work / name).is_file(), name
    assert (work / "meta/slaves/m-S0/frameworks/m-0000/framework.pid").read_text() == "@0.0.0.0:0"
    meta = work / "meta/slaves/m-S0" / executor
    assert int((meta / f"runs/{run}/pids/forked.pid").read_text()) == status.container_status.executor_pid
    assert (meta / "executor.info").is_file()
    assert (meta / "runs/latest").resolve() == meta / "runs" / run
    async with asyncio.timeout(PATIENCE_S):
        while not (meta / f"runs/{run}/executor.sentinel").is_file():
            await asyncio.sleep(0.05)
    for name in ("task.info", "task.updates"):
        assert (meta / f"runs/{run}/tasks/t/{name}").is_file()
    sandbox = work / "slaves/m-S0" / executor / "runs"
    assert (sandbox / "latest").resolve() == sandbox / run
    assert (sandbox / run).stat().st_mode & 0o777 == 0o750
