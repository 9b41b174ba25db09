"""dcos-log as a process, with a real journald, the agent's own files endpoints and its rotation of logs."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from dcos.agent.log_rotation import rotate
from dcos.runtime import http
from dcos.runtime.attached import Attached, Files, FilesEndpoints
from dcos.testing.journald import Journald, journald, why_not
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
]

START = "import sys; from dcos.node.logs.service import main; sys.exit(main())"
AS_SYSTEMD = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""
RUN = "/v2/task/frameworks/F/executors/e/runs/c"
TOKEN = {"Authorization": "token=a.b.c"}
EVENTS = {"Accept": "text/event-stream"}
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def journal() -> Iterator[Journald]:
    with tempfile.TemporaryDirectory(prefix="dcos-log-") as name, journald(Path(name)) as running:
        yield running


class Agent:
    """The agent's files endpoints over one sandbox, and the masters' list of tasks."""

    def __init__(self, sandbox: Path) -> None:
        self.sandbox = sandbox
        self.tasks: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()

    def application(self) -> web.Application:
        ids = "/frameworks/F/executors/e/runs/c"
        endpoints = FilesEndpoints(Files(lambda: iter((Attached(ids, self.sandbox),))))
        app = web.Application(middlewares=[self._noted])
        app.router.add_get("/files/browse", endpoints.browse)
        app.router.add_get("/files/download", endpoints.download)
        app.router.add_get("/mesos/master/tasks", self._tasks)
        return app

    @web.middleware
    async def _noted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.tokens.add(request.headers.get("Authorization"))
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _tasks(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != TOKEN["Authorization"]:
            return web.Response(status=403)
        if id := request.query.get("task_id"):
            return web.json_response({"tasks": [one for one in self.tasks if one["id"] == id]})
        first, count = int(request.query["offset"]), int(request.query["limit"])
        return web.json_response({"tasks": self.tasks[first : first + count]})


class Log:
    """Requests to a dcos-log."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def open(self, path: str, **headers: str) -> Any:
        return self._session.get(f"http://log{path}", headers=headers, allow_redirects=False)

    async def ask(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, str, Any]:
        async with self._session.get(f"http://log{path}", headers=headers, allow_redirects=False) as answer:
            return answer.status, (await answer.read()).decode(errors="replace"), answer.headers

    async def messages(self, path: str) -> list[str]:
        status, text, _ = await self.ask(path, JSON)
        assert status in (200, 204), text
        return [json.loads(line)["fields"]["MESSAGE"] for line in text.splitlines()]


@contextlib.contextmanager
def running(root: Path, *flags: str, door: socket.socket | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """``door``: a socket that it gets as from systemd."""
    environ = {**os.environ, "DCOS_ROOT": str(root)}
    command = [sys.executable, "-c", START, "--role=agent", "--ip=127.0.0.1", *flags]
    if door is not None:
        command = [sys.executable, "-c", AS_SYSTEMD, str(door.fileno()), *command]
    process = subprocess.Popen(command, env=environ, pass_fds=[door.fileno()] if door is not None else [])
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


@contextlib.asynccontextmanager
async def asking(path: Path) -> AsyncIterator[Log]:
    connector = aiohttp.UnixConnector(path=str(path), limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                await Log(session).ask("/")
                break
            except (aiohttp.ClientConnectionError, OSError):
                assert time.monotonic() < deadline, "dcos-log does not answer"
                await asyncio.sleep(0.05)
        yield Log(session)


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dcos-log-") as name:
        (Path(name) / "run/dcos").mkdir(parents=True)
        yield Path(name)


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[tuple[Agent, int]]:
    (tmp_path / "sandbox").mkdir()
    made, port = Agent(tmp_path / "sandbox"), free_port()
    async with http.listen(made.application(), host="127.0.0.1", port=port):
        yield made, port


@pytest.fixture
async def log(root: Path, journal: Journald, agent: tuple[Agent, int]) -> AsyncIterator[Log]:
    port = agent[1]
    flags = (f"--agent_port={port}", f"--admin_router=http://127.0.0.1:{port}", "--follow_interval=50ms")
    work = root / "var/lib/mesos/slave/meta/slaves"
    work.mkdir(parents=True)
    (work / "latest").symlink_to("S1")
    with running(root, *flags, f"--journal={journal.folder}"):
        async with asking(root / "run/dcos/dcos-log.sock") as made:
            yield made


@contextlib.asynccontextmanager
async def events(log: Log, path: str, **headers: str) -> AsyncIterator[Callable[[], Any]]:
    """Yields what waits for the next event: (id, its data)."""
    async with log.open(path, **EVENTS, **headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["X-Accel-Buffering"] == "no"

        async def next_one() -> tuple[str, Any]:
            id = ""
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    line = (await answer.content.readline()).decode().rstrip("\n")
                    if line.startswith("id: "):
                        id = line[4:]
                    if line.startswith("data: "):
                        return id, json.loads(line[6:])

        yield next_one


# ---- the journal -----------------------------------------------------------------------------------------------------


async def test_ranges_and_their_cursors(log: Log, journal: Journald) -> None:
    for number in range(20):
        journal.write(f"entry {number}", UNIT="range.service", SYSLOG_IDENTIFIER=f"id-{number % 2}")
    journal.sync()
    of = "filter=unit:range.service"
    everything = [f"entry {number}" for number in range(20)]
    assert await log.messages(f"/v1/range/?{of}") == everything
    assert await log.messages(f"/v1/range/?{of}&limit=3") == everything[:3]
    assert await log.messages(f"/v1/range/?{of}&skip_prev=4") == everything[-4:]
    assert await log.messages(f"/v1/range/?{of}&skip_next=18") == everything[18:]
    assert await log.messages(f"/v1/range/?{of}&read_reverse=true&limit=2") == ["entry 19", "entry 18"]
    assert await log.messages(f"/v1/range/?{of}&read_reverse=true&skip_prev=17") == ["entry 2", "entry 1", "entry 0"]
    assert await log.messages(f"/v1/range/?{of}&filter=SYSLOG_IDENTIFIER:id-1&limit=2") == ["entry 1", "entry 3"]

    status, text, headers = await log.ask(f"/v1/range/?{of}&skip_prev=50&limit=1", JSON)
    assert (status, headers["X-Journal-Skip-Prev"], headers["X-Journal-Skip-Next"]) == (200, "20", "0")
    first = json.loads(text)
    assert first["fields"]["UNIT"] == "range.service"
    assert first["realtime_timestamp"] > 1_600_000_000_000_000
    assert first["monotonic_timestamp"] > 0
    at = f"{of}&cursor={first['cursor'].replace(';', '%3B').replace('=', '%3D')}"
    assert await log.messages(f"/v1/range/?{at}&limit=2") == everything[:2]
    assert await log.messages(f"/v1/range/?{at}&skip_next=5&limit=1") == ["entry 5"]
    assert await log.messages(f"/v1/range/?{at}&skip_next=5&skip_prev=2&limit=1") == ["entry 3"]
    assert await log.messages(f"/v1/range/?{at}&skip_next=20") == []
    assert await log.messages(f"/v2/component?{at}&skip=3&limit=1") == ["entry 3"]

    status, text, headers = await log.ask(f"/v1/range/?{of}&limit=1")
    assert headers["Content-Type"] == "text/plain"
    assert text.endswith(": entry 0\n")
    assert len(text) == len("2026-01-01 00:00:00: entry 0\n")
    assert (await log.ask("/v1/range/?filter=unit:nobody.service"))[0] == 204


async def test_a_range_is_read_over_all_files(log: Log, journal: Journald) -> None:
    for number in range(600):
        journal.write(f"{number}", UNIT="long.service")
        if number % 250 == 100:
            journal.sync()
            journal.rotate()
    journal.sync()
    assert await log.messages("/v1/range/?filter=unit:long.service") == [str(number) for number in range(600)]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/range/?limit=x", "limit"),
        ("/v1/stream/?limit=1", "limit: a stream has none"),
        ("/v1/range/?filter=a:b:c", "one colon"),
        ("/v1/range/?cursor=nonsense", "no cursor"),
        ("/v1/fields/MESSAGE", "not listed"),
        ("/v2/component?skip=many", "skip"),
    ],
)
async def test_bad_words_are_named(log: Log, path: str, says: str) -> None:
    status, text, _ = await log.ask(path)
    assert status == 400
    assert says in text


async def test_what_values_a_field_has(log: Log, journal: Journald) -> None:
    journal.write("x", STREAM="STDOUT")
    journal.write("x", STREAM="STDERR")
    journal.sync()
    assert json.loads((await log.ask("/v1/fields/stream"))[1]) == ["STDERR", "STDOUT"]


async def test_a_tasks_entries_and_downloads(log: Log, journal: Journald) -> None:
    ids = {"FRAMEWORK_ID": "F1", "EXECUTOR_ID": "e1"}
    for number in range(3):
        journal.write(f"task {number}", CONTAINER_ID="c1", **ids)
        journal.write("another", CONTAINER_ID="c2", **ids)
    journal.sync()
    task = "/v1/range/framework/F1/executor/e1/container/c1"
    assert await log.messages(task) == ["task 0", "task 1", "task 2"]
    async with log.open(f"{task}/download?postfix=a/b") as answer:
        assert answer.headers["Content-Disposition"] == "attachment; filename=task-c1-a_b.log.gz"
        lines = gzip.decompress(await answer.read()).decode().splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == ["task 0", "task 1", "task 2"]
    async with log.open("/v1/range/download?filter=container_id:c1&limit=1") as answer:
        assert answer.headers["Content-Disposition"] == "attachment; filename=root-range.log.gz"
        assert gzip.decompress(await answer.read()).endswith(b": task 0\n")


async def test_a_component_is_followed_over_a_rotation(log: Log, journal: Journald) -> None:
    for number in range(3):
        journal.write(f"old {number}", UNIT="dcos-x.service")
    journal.write("of another", UNIT="dcos-y.service")
    journal.sync()
    assert await log.messages("/v2/component/dcos-x?cursor=END&skip=-2") == ["old 1", "old 2"]
    async with events(log, "/v2/component/dcos-x?skip=-1") as next_one:
        assert (await next_one())[1]["fields"]["MESSAGE"] == "old 2"
        journal.write("new 0", UNIT="dcos-x.service")
        assert (await next_one())[1]["fields"]["MESSAGE"] == "new 0"
        journal.rotate()
        journal.write("new 1", UNIT="dcos-x.service")
        id, entry = await next_one()
        assert entry["fields"]["MESSAGE"] == "new 1"
        assert entry["cursor"] == id
    journal.write("new 2", UNIT="dcos-x.service")
    async with events(log, "/v1/stream/?filter=unit:dcos-x.service&skip_prev=9", **{"Last-Event-ID": id}) as next_one:
        assert (await next_one())[1]["fields"]["MESSAGE"] == "new 2"


async def test_who_waits_for_a_unit_that_never_wrote_hears_it(log: Log, journal: Journald) -> None:
    async with events(log, "/v2/component/dcos-silent?skip=-10") as next_one:
        journal.write("at last", UNIT="dcos-silent.service")
        assert (await next_one())[1]["fields"]["MESSAGE"] == "at last"


async def test_a_crowd_follows_and_too_many_are_sent_away(root: Path, journal: Journald) -> None:
    with running(root, f"--journal={journal.folder}", "--max_answers=150"):
        async with asking(root / "run/dcos/dcos-log.sock") as log, contextlib.AsyncExitStack() as crowd:
            heard = [await crowd.enter_async_context(events(log, "/v2/component/crowd?skip=-1")) for _ in range(150)]
            assert (await log.ask("/v2/component"))[0] == 503
            journal.write("to all", UNIT="crowd.service")
            told = await asyncio.gather(*(next_one() for next_one in heard))
            assert {entry["fields"]["MESSAGE"] for _, entry in told} == {"to all"}
        async with asking(root / "run/dcos/dcos-log.sock") as log:
            deadline = time.monotonic() + PATIENCE_S
            while (await log.ask("/v2/component?limit=1"))[0] != 200:
                assert time.monotonic() < deadline, "those who left still have their places"
                await asyncio.sleep(0.05)


# ---- tasks' files ----------------------------------------------------------------------------------------------------


async def test_lines_of_a_file(log: Log, agent: tuple[Agent, int]) -> None:
    (agent[0].sandbox / "stdout").write_bytes(b"".join(b"line %d\n" % number for number in range(20_000)))
    status, text, headers = await log.ask(f"{RUN}/stdout?cursor=END&skip=-3", TOKEN)
    assert (status, text) == (200, "line 19997\nline 19998\nline 19999\n")
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert (await log.ask(f"{RUN}/stdout?limit=2", TOKEN))[1] == "line 0\nline 1\n"
    assert (await log.ask(f"{RUN}/stdout?cursor=7&limit=1", TOKEN))[1] == "line 1\n"
    assert (await log.ask(f"{RUN}/stdout?cursor=BEG&skip=15000&limit=1", TOKEN))[1] == "line 15000\n"
    assert len((await log.ask(f"{RUN}/stdout", TOKEN))[1].splitlines()) == 20_000
    (agent[0].sandbox / "stderr").touch()
    assert (await log.ask(f"{RUN}/stderr", TOKEN))[:2] == (200, "")
    assert (await log.ask(f"{RUN}/nothing", TOKEN))[0] == 204
    assert (await log.ask(f"{RUN}/nothing/download", TOKEN))[0] == 404
    assert (await log.ask(f"{RUN}/stdout?cursor=here", TOKEN))[0] == 400
    assert (await log.ask(f"{RUN}/stdout"))[0] == 401
    assert agent[0].tokens == {TOKEN["Authorization"]}, "the agent is asked as who asks"


async def test_files_are_listed_and_downloaded_in_parts(log: Log, agent: tuple[Agent, int]) -> None:
    data = bytes(range(256)) * 1000
    (agent[0].sandbox / "data").write_bytes(data)
    listed = json.loads((await log.ask(f"{RUN}/files/browse", TOKEN))[1])
    assert [(one["path"].rpartition("/")[2], one["size"]) for one in listed] == [("data", len(data))]
    async with log.open(f"{RUN}/data/download", **TOKEN) as answer:
        assert "attachment" in answer.headers["Content-Disposition"]
        assert await answer.read() == data
    async with log.open(f"{RUN}/data/download", **TOKEN, Range="bytes=1000-1999") as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes 1000-1999/{len(data)}"
        assert await answer.read() == data[1000:2000]


async def test_a_task_that_writes_much_is_followed_while_its_log_is_rotated(log: Log, agent: tuple[Agent, int]) -> None:
    """Nothing is lost or told twice; who goes away and comes back with the last id goes on there."""
    file = agent[0].sandbox / "stdout"
    file.write_bytes(b"begin\n")
    count = 60_000

    def write() -> None:
        with file.open("ab", buffering=0) as out:
            for first in range(0, count, 1000):
                out.write(b"".join(b"line %d of many\n" % number for number in range(first, first + 1000)))
                rotate(file, max_size=100_000, keep=20)
                time.sleep(0.25 if first % 5000 == 0 else 0)

    writing = asyncio.create_task(asyncio.to_thread(write))
    async with events(log, f"{RUN}/stdout", **TOKEN) as next_one:
        _, event = await next_one()
        fields = {"AGENT_ID": "S1", "EXECUTOR_ID": "e", "FRAMEWORK_ID": "F", "CONTAINER_ID": "c", "FILE": "stdout"}
        assert event == {"fields": {"MESSAGE": "begin", **fields}}
        for number in range(count):
            last, event = await next_one()
            assert event["fields"]["MESSAGE"] == f"line {number} of many"
    await writing
    assert int(last) == file.stat().st_size
    with file.open("ab") as out:
        out.write(b"once more\n")
    async with events(log, f"{RUN}/stdout?cursor=BEG", **TOKEN, **{"Last-Event-ID": last}) as next_one:
        assert (await next_one())[1]["fields"]["MESSAGE"] == "once more"


async def test_a_task_is_found_by_a_part_of_its_id(log: Log, agent: tuple[Agent, int]) -> None:
    status = {"state": "TASK_RUNNING", "container_status": {"container_id": {"value": "c2", "parent": {"value": "c1"}}}}
    one = {"framework_id": "F", "slave_id": "S1", "state": "TASK_RUNNING", "executor_id": "", "statuses": []}
    agent[0].tasks = [{**one, "id": f"filler.{number}"} for number in range(2500)]
    agent[0].tasks += [{**one, "id": "pod.x.web", "executor_id": "e", "statuses": [status]}]
    where = "/system/v1/agent/S1/logs/v2/task/frameworks/F/executors/e/runs/c1/tasks/pod.x.web"
    for path, rest in (
        ("/v2/task/pod.x.web?cursor=END&skip=-10", "stdout?cursor=END&skip=-10"),
        ("/v2/task/x.we/file/stderr", "stderr"),
        ("/v2/task/x.we/file/logs/a%20b/download", "logs/a%20b/download"),
        ("/v2/task/pod.x.web/browse", "files/browse"),
        ("/v2/task/pod.x.web/download", "stdout/download"),
    ):
        code, _, headers = await log.ask(path, TOKEN)
        assert (code, headers["Location"]) == (303, f"{where}/{rest}")
    assert (await log.ask("/v2/task/filler.7", TOKEN))[:2] == (
        404,
        "task filler.7 has no sandbox: it never was in a container\n",
    )
    assert (await log.ask("/v2/task/filler", TOKEN))[0] == 400
    assert (await log.ask("/v2/task/nobody", TOKEN))[0] == 404
    assert (await log.ask("/v2/task/pod.x.web", {"Authorization": "token=other"}))[0] == 403
    assert (await log.ask("/v2/task/pod.x.web"))[0] == 401


# ---- the process -----------------------------------------------------------------------------------------------------


async def test_the_socket_that_systemd_holds_is_taken(root: Path, journal: Journald) -> None:
    path = root / "held.sock"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen(16)
        for _ in range(2):
            with running(root, f"--journal={journal.folder}", door=door):
                async with asking(path) as log:
                    assert (await log.ask("/v2/component?limit=1"))[0] == 200
            assert path.exists(), "it stays while the service is away"
    assert not (root / "run/dcos/dcos-log.sock").exists()


async def test_without_a_journal_it_says_so(root: Path) -> None:
    with running(root):
        async with asking(root / "run/dcos/dcos-log.sock") as log:
            status, text, _ = await log.ask("/v2/component/dcos-marathon")
            assert (status, text) == (503, "this node has no journal: its services do not run below systemd\n")
