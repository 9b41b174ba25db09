"""Files of tasks: ``/v2/task/...``.

By a task's id, whoever is asked finds its agent and sends there; at the agent the path says which sandbox. The state of Mesos is
asked through Admin Router with the asker's own token, so nobody finds what he may not see.   Source: dcos-log's API, version 2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

from aiohttp import web

from dcos.node.core import log_text
from dcos.node.core.log_query import BEGIN, END, BadQuery, number
from dcos.node.core.log_text import Form
from dcos.node.core.task_paths import Ambiguous, sandbox
from dcos.node.logs import files
from dcos.node.logs.finding import Finder, FindError
from dcos.node.logs.sandboxes import NoFile, SandboxError, Sandboxes, SandboxFile
from dcos.node.logs.streams import ALIVE_S, HEADERS, Crowded, Places, send

_RUN = "/v2/task/frameworks/{framework}/executors/{executor}/runs/{container}"
_POD = _RUN + "/tasks/{task}"
_PASSED_ON = (
    "Content-Type", "Content-Length", "Content-Range", "Content-Disposition", "Accept-Ranges", "ETag", "Last-Modified",
)  # fmt: skip
_ASKED_ON = ("Range", "If-Range")
_AWAY_S = 120.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TasksApi:
    """``finder`` finds agents; ``sandboxes`` None: no tasks are on this node. ``agent_id``: this agent's."""

    def __init__(
        self,
        finder: Finder,
        sandboxes: Sandboxes | None,
        places: Places,
        *,
        agent_id: Callable[[], str],
        need_authorization: bool,
        wait_s: float,
    ) -> None:
        self._finder = finder
        self._sandboxes = sandboxes
        self._places = places
        self._agent_id = agent_id
        self._need_authorization = need_authorization
        self._wait_s = wait_s

    def add_to(self, router: web.UrlDispatcher) -> None:
        if self._sandboxes is not None:
            for run in (_POD, _RUN):
                router.add_get(f"{run}/files/browse", self._guarded(self._browse))
                router.add_get(f"{run}/{{file:.+}}/download", self._guarded(self._download))
                router.add_get(f"{run}/{{file:.+}}", self._guarded(self._read))
        one = "/v2/task/{id}"
        for path, rest in (
            (one, "stdout"),
            (f"{one}/browse", "files/browse"),
            (f"{one}/download", "stdout/download"),
            (f"{one}/file/{{file:.+}}/download", "{file}/download"),
            (f"{one}/file/{{file:.+}}", "{file}"),
        ):
            router.add_get(path, self._guarded(self._sent_on(rest)))

    def _guarded(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if self._need_authorization and "Authorization" not in request.headers:
                return web.Response(status=401, text="a token is needed: Authorization: token=...\n")
            try:
                with self._places.place():
                    return await handler(request)
            except BadQuery as error:
                return web.Response(status=400, text=f"{error}\n")
            except Crowded:
                return web.Response(status=503, text="too many read logs of this node now: try again\n")
            except (SandboxError, FindError) as error:
                return web.Response(status=error.status, text=error.text)

        return handle

    # ---- finding

    def _sent_on(self, rest: str) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            id = request.match_info["id"]
            try:
                task = await self._finder.find(id, request.headers.get("Authorization"))
            except Ambiguous as error:
                return web.Response(status=400, text=f"{error}\n")
            if task is None:
                return web.Response(status=404, text=f"no task has {id!r} in its id\n")
            path = sandbox(task)
            if path is None:
                return web.Response(status=404, text=f"task {task.id} has no sandbox: it never was in a container\n")
            file = rest.format(file=quote(request.match_info.get("file", ""), safe="/"))
            where = f"/system/v1/agent/{quote(task.slave_id)}/logs/v2/task{path}/{file}"
            query = f"?{request.query_string}" if request.query_string else ""
            return web.Response(status=303, headers=HEADERS | {"Location": where + query})

        return handle

    # ---- files

    def _file(self, request: web.Request) -> SandboxFile:
        assert self._sandboxes is not None
        path = f"{_run_of(request)}/{request.match_info['file']}"
        return self._sandboxes.file(path, request.headers.get("Authorization"))

    async def _browse(self, request: web.Request) -> web.Response:
        assert self._sandboxes is not None
        found = await self._sandboxes.browse(_run_of(request), request.headers.get("Authorization"))
        return web.Response(body=found, content_type="application/json", headers=HEADERS)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        extra = {name: request.headers[name] for name in _ASKED_ON if name in request.headers}
        async with self._file(request).download(extra) as answer:
            kept = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
            out = web.StreamResponse(status=answer.status, headers=HEADERS | kept)
            await out.prepare(request)
            async for piece in answer.content.iter_chunked(files.BLOCK):
                await out.write(piece)
            await out.write_eof()
            return out

    async def _read(self, request: web.Request) -> web.StreamResponse:
        words = request.query
        file = self._file(request)
        follow = log_text.wanted(request.headers.get("Accept", "")) is Form.EVENTS
        skip, limit = number(words, "skip", signed=True), number(words, "limit")
        cursor = words.get("cursor", BEGIN) or BEGIN
        if resumed := request.headers.get("Last-Event-ID"):
            cursor, skip, limit = resumed, 0, 0
        offset = 0 if cursor in (BEGIN, END) else number({"cursor": cursor}, "cursor")
        try:
            at, size = await files.begin(file, at_end=cursor == END, offset=offset, skip=skip)
        except NoFile:
            return web.Response(status=204)
        if not follow:
            pieces = files.blocks(file, at, size, limit)
            return await send(request, pieces, content_type="text/plain; charset=utf-8", headers={})
        resumes_at = offset if resumed else at
        pieces = self._events(request, files.Follower(file, resumes_at, wait_s=self._wait_s), limit)
        return await send(request, pieces, content_type=Form.EVENTS.value, headers={})

    async def _events(self, request: web.Request, follower: files.Follower, limit: int) -> AsyncIterator[bytes]:
        words = request.match_info
        fields = {
            "AGENT_ID": self._agent_id(),
            "EXECUTOR_ID": words["executor"],
            "FRAMEWORK_ID": words["framework"],
            "CONTAINER_ID": words["container"],
            "FILE": words["file"],
        }
        told, silent_s = 0, 0.0
        async for lines in _while_the_agent_comes_back(follower, self._wait_s):
            if limit:
                lines = lines[: limit - told]
            told += len(lines)
            if lines:
                silent_s = 0.0
                yield b"".join(
                    log_text.event({"fields": {"MESSAGE": one.text.decode(errors="replace"), **fields}}, str(one.end))
                    for one in lines
                )
                if limit and told >= limit:
                    return
                continue
            silent_s += self._wait_s
            if silent_s >= ALIVE_S:
                silent_s = 0.0
                yield log_text.ALIVE


async def _while_the_agent_comes_back(follower: files.Follower, wait_s: float) -> AsyncIterator[list[files.Line]]:
    """Its lines, also when the agent is started anew meanwhile.   Errors: SandboxError: it is away for too long."""
    away_s = 0.0
    while True:
        try:
            async for lines in follower.lines():
                away_s = 0.0
                yield lines
        except SandboxError as error:
            if error.status != 502 or away_s >= _AWAY_S:
                raise
        away_s += wait_s
        yield []
        await asyncio.sleep(wait_s)


def _run_of(request: web.Request) -> str:
    """The agent's path of a sandbox, as it is, not escaped."""
    words = request.match_info
    path = f"/frameworks/{words['framework']}/executors/{words['executor']}/runs/{words['container']}"
    return f"{path}/tasks/{words['task']}" if "task" in words else path
