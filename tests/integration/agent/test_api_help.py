"""``/help`` of the agent tells of every endpoint there is; profilers behind their switches; what containers wait for."""

from __future__ import annotations

import asyncio
import marshal
from types import SimpleNamespace
from typing import Any, cast

import aiohttp

from dcos.agent.api import Api
from dcos.agent.config import Config
from dcos.agent.views import Views
from dcos.model.acls import EVERYTHING
from dcos.model.v1.types import CommandInfo, CommandInfoURI
from dcos.testing.ports import free_port


async def fetch(agent: Any, path: str, **headers: str) -> tuple[int, str, Any]:
    async with aiohttp.ClientSession() as session, session.get(agent.url + path, headers=headers) as answer:
        body = await answer.read()
        text = body.decode(errors="replace")
        return answer.status, text, await answer.json() if "json" in answer.content_type else body


def test_every_endpoint_has_a_page_and_every_page_an_endpoint() -> None:
    config = Config(master="m:1", work_dir=cast(Any, "/nowhere"), memory_profiling=True)
    views = SimpleNamespace(config=config, acls=EVERYTHING, daemon=SimpleNamespace(core=None), attached=tuple)
    api = Api(cast(Views, views), cast(Any, SimpleNamespace(handle=None)), cast(Any, SimpleNamespace()))
    told = {f"/{page.process}{page.path}".removeprefix("/slave(1)") for page in api.help.pages}
    assert told == api.paths


async def test_help_profilers_and_statistics_of_the_system(agent: Any, master: Any) -> None:
    await agent.start("--memory_profiling", env={"LIBPROCESS_ENABLE_PROFILER": "1"})
    await master.registered()
    status, text, _ = await fetch(agent, "/help")
    assert (status, "> [/slave(1)][/slave(1)]" in text) == (200, True)
    assert "> [/slave(1)/state][/slave(1)/state]" in (await fetch(agent, "/help/slave(1)"))[1]
    for form in ("/help/slave(1)/state", "/slave(1)/help/slave(1)/state", "/help/slave%281%29/state/"):
        assert (await fetch(agent, form))[1].startswith("### USAGE ###\n>        /slave(1)/state\n")
    assert '<a href="/help/slave(1)/flags">' in (await fetch(agent, "/help/slave(1)", Accept="text/html"))[1]
    listed = (await fetch(agent, "/help?format=json"))[2]
    assert {one["id"] for one in listed["processes"]} >= {"slave(1)", "files", "metrics", "system", "logging"}
    assert (await fetch(agent, "/help/nobody"))[:2] == (400, "No help available for '/nobody'.\n")
    assert {"id": "slave(1)", "events": []} in (await fetch(agent, "/__processes__"))[2]

    assert (await fetch(agent, "/profiler/start"))[1] == "Profiler started.\n"
    await fetch(agent, "/state")
    assert any(name == "_state" for _, _, name in marshal.loads((await fetch(agent, "/profiler/stop"))[2]))
    assert (await fetch(agent, "/memory-profiler/start"))[0] == 200
    assert (await fetch(agent, "/memory-profiler/state"))[2]["profiling_active"] is True
    assert "bytes in" in (await fetch(agent, "/memory-profiler/download/text"))[1]
    assert (await fetch(agent, "/memory-profiler/stop"))[0] == 200

    assert set((await fetch(agent, "/system/stats.json"))[2]) == {
        *("avg_load_1min", "avg_load_5min", "avg_load_15min"),
        *("cpus_total", "mem_total_bytes", "mem_free_bytes"),
    }
    assert (await fetch(agent, "/logging/toggle"))[1] == "0\n"
    assert (await fetch(agent, "/logging/toggle?level=1&duration=10secs"))[0] == 200
    assert (await fetch(agent, "/logging/toggle"))[1] == "1\n"


async def test_profilers_are_off_unless_asked_for(running: Any) -> None:
    assert (await fetch(running, "/profiler/start"))[0] == 400
    assert (await fetch(running, "/memory-profiler/start"))[0] == 404


async def test_what_a_container_waits_for_is_shown(running: Any, master: Any, make_task: Any) -> None:
    assert (await fetch(running, "/containerizer/debug"))[2] == {"pending": []}
    port, silent = free_port(), asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        uri = CommandInfoURI(value=f"http://127.0.0.1:{port}/slow")
        await master.run(make_task("slow", CommandInfo(value="true", uris=(uri,))))
        while not (pending := (await fetch(running, "/slave(1)/containerizer/debug"))[2]["pending"]):
            await asyncio.sleep(0.05)
        assert (pending[0]["component"], pending[0]["operation"]) == ("fetcher", "fetch")
        assert list(pending[0]["args"]) == ["containerId"]
        silent.set()
        await master.state("slow", "TASK_FAILED")
    assert (await fetch(running, "/containerizer/debug"))[2] == {"pending": []}
