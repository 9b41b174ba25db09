"""``/help`` tells of every endpoint there is; the profilers behind their switches; odd paths."""

from __future__ import annotations

import asyncio
import json
import marshal

import pytest

from dcos.master.api_admin import AdminApi
from dcos.master.api_operations import OperationForms
from dcos.master.api_operator import OperatorApi
from dcos.master.api_scheduler import SchedulerApi
from dcos.master.endpoints import PAGES
from dcos.runtime.help_pages import Help
from dcos.runtime.process_pages import MEMORY_PAGES
from tests.unit.master.served import serving

_OWN = (
    "/help",
    "/__processes__",
    "/profiler",
    "/memory-profiler",
    "/files",
    "/logging",
    "/metrics",
    "/system",
    "/registrar(1)",
    "/version",
    "/overlay-",
)
"""Processes of their own, or what stands for them."""


async def test_every_endpoint_has_a_page_and_every_page_an_endpoint() -> None:
    async with serving("--memory_profiling") as master:
        found = set()
        api = master.api
        parts = (SchedulerApi(api), api, AdminApi(api), OperatorApi(api), OperationForms(api))
        for path in {route.path for part in parts for route in part.routes()}:
            if not path.startswith(("/master", "/internal")) and "{" not in path and not path.endswith((".json", "/")):
                found.add(path if path.startswith(_OWN) else f"/master{path}")
        found.add("/system/stats.json")
        told = {f"/{page.process}{page.path}" for page in (*PAGES, *MEMORY_PAGES)}
        assert told == found
        for page in master.api.help.pages:
            answer = await master.get(f"/help/{page.process}{page.path}")
            assert (answer.status, page.summary in answer.text) == (200, True)


async def test_help_is_a_list_of_lists() -> None:
    async with serving() as master:
        answer = await master.get("/help")
        assert answer.headers["Content-Type"].startswith("text/x-markdown")
        assert "> [/master][/master]" in answer.text
        assert "[/master]: /help/master" in answer.text
        assert "> [/master/state][/master/state]" in (await master.get("/help/master")).text
        page = (await master.get("/help/master/state")).text
        assert page.startswith("### USAGE ###\n>        /master/state\n\n### TL;DR; ###\n")
        assert "This endpoint requires authentication iff HTTP authentication is enabled." in page
        assert "This endpoint does not require authentication." in (await master.get("/help/master/health")).text
        shown = await master.get("/help/master", {"Accept": "text/html,*/*"})
        assert shown.headers["Content-Type"].startswith("text/html")
        assert '<a href="/help/master/state">/master/state</a>' in shown.text
        every = (await master.get("/help?format=json")).json
        assert "master" in [one["id"] for one in every["processes"]]
        answer = await master.get("/help/nobody")
        assert (answer.status, answer.text) == (400, "No help available for '/nobody'.\n")
        answer = await master.get("/help/master/nothing")
        assert (answer.status, answer.text) == (400, "No help available for '/master/nothing'.\n")


async def test_who_answers_here() -> None:
    async with serving() as master:
        listed = json.loads((await master.get("/__processes__")).text)
    assert {"id": "master", "events": []} in listed
    assert {"files", "metrics", "registrar(1)", "system"} <= {one["id"] for one in listed}


def test_help_without_pages_is_empty() -> None:
    assert Help(()).markdown("/help") == "## HELP\n\n\n"


async def test_the_profiler_has_to_be_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as master:
        answer = await master.get("/profiler/start")
        assert answer.status == 400
        assert "LIBPROCESS_ENABLE_PROFILER=1" in answer.text
        answer = await master.get("/profiler/stop")
        assert (answer.status, answer.text) == (400, "Profiler not running.\n")
        assert (await master.get("/memory-profiler/start")).status == 404
    monkeypatch.setenv("LIBPROCESS_ENABLE_PROFILER", "1")
    async with serving("--memory_profiling") as master:
        assert (await master.get("/profiler/start")).text == "Profiler started.\n"
        assert (await master.get("/profiler/start")).text == "Profiler already started.\n"
        await master.get("/state")
        async with master.session.get(master.url + "/profiler/stop") as stopped:
            assert "attachment" in stopped.headers["Content-Disposition"]
            assert any(name == "state_" for _, _, name in marshal.loads(await stopped.read()))


async def test_memory_is_watched_for_a_while() -> None:
    async with serving("--memory_profiling") as master:
        assert (await master.get("/memory-profiler/download/text")).status == 400
        assert (await master.get("/memory-profiler/start?duration=2weeks")).status == 400
        assert (await master.get("/memory-profiler/start?duration=soon")).status == 400
        assert (await master.get("/memory-profiler/start?duration=1mins")).status == 200
        assert (await master.get("/memory-profiler/start")).status == 409
        assert (await master.get("/memory-profiler/state")).json["profiling_active"] is True
        assert "traced_bytes" in (await master.get("/memory-profiler/statistics")).json
        assert (await master.get("/memory-profiler/stop")).status == 200
        assert (await master.get("/memory-profiler/state")).json["profiling_active"] is False
        assert (await master.get("/memory-profiler/start?duration=100ms")).status == 200
        while (await master.get("/memory-profiler/state")).json["profiling_active"]:
            await asyncio.sleep(0.02)
        assert "bytes in" in (await master.get("/memory-profiler/download/text")).text
        assert (await master.get("/memory-profiler/stop")).status == 200


@pytest.mark.parametrize("path", ["/../flags", "/master/../../flags", "/a/..%2fflags", "/nothing", "/master/nothing"])
async def test_paths_that_are_none(path: str) -> None:
    async with serving() as master:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(master.url.rpartition(":")[2]))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert b" 404 " in (await reader.read()).split(b"\r\n")[0]
        writer.close()
        await writer.wait_closed()


async def test_operations_are_reconciled_only_for_who_takes_an_answer() -> None:
    """As upstream has it, though the answers are events."""
    async with serving() as master:
        call = {"type": "RECONCILE_OPERATIONS", "framework_id": {"value": "x"}, "reconcile_operations": {}}
        assert (await master.post("/api/v1/scheduler", call, {"Accept": "text/plain"})).status == 406
        assert (await master.post("/api/v1/scheduler", call)).status == 400
