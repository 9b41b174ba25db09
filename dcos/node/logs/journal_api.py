"""Answers out of the journal: ``/v1/...`` and ``/v2/component/...``.

v1: ``range`` ends where the journal does now, ``stream`` goes on; v2 goes on where events are asked for. Whoever follows waits
for one common word that the journal grew.   Source: dcos-log's API, versions 1 and 2.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from aiohttp import web

from dcos.node.core import log_text
from dcos.node.core.log_query import BadQuery, Query, field_to_list, first_version, second_version
from dcos.node.core.log_text import Form
from dcos.node.logs.reading import BadCursor, Reading, values
from dcos.node.logs.streams import ALIVE_S, Crowded, Places, send
from dcos.runtime import http
from dcos.runtime.journal import Entry, JournalError, Watch

_MOST_VALUES = 10_000
_PLAIN = re.compile(r"[^0-9A-Za-z._-]+")
_IDS = ("FRAMEWORK_ID", "EXECUTOR_ID", "CONTAINER_ID")
_TASK = "/framework/{framework}/executor/{executor}/container/{container}"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class JournalApi:
    """``folder`` None: this machine's journal; ``reason``: why there is none, if so."""

    def __init__(self, folder: Path | None, watch: Watch | None, places: Places, reason: str = "") -> None:
        self._folder = folder
        self._watch = watch
        self._places = places
        self._reason = reason

    def add_to(self, router: web.UrlDispatcher) -> None:
        for what, handler in (("range", self._range), ("stream", self._stream)):
            for path in (f"/v1/{what}", f"/v1/{what}/", f"/v1/{what}{_TASK}"):
                router.add_get(path, self._guarded(handler))
        for path in ("/v1/range/download", f"/v1/range{_TASK}/download"):
            router.add_get(path, self._guarded(self._download))
        router.add_get("/v1/fields/{field}", self._guarded(self._fields))
        for path in ("/v2/component", "/v2/component/", "/v2/component/{unit}"):
            router.add_get(path, self._guarded(self._component))

    def _guarded(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if self._watch is None:
                return web.Response(status=503, text=f"{self._reason}\n")
            try:
                with self._places.place():
                    return await handler(request)
            except (BadQuery, BadCursor) as error:
                return web.Response(status=400, text=f"{error}\n")
            except Crowded:
                return web.Response(status=503, text="too many read logs of this node now: try again\n")
            except JournalError as error:
                return web.Response(status=500, text=f"the journal cannot be read: {error}\n")

        return handle

    async def _range(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, _first(request), follow=False, ids=False)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, _first(request, stream=True), follow=True, ids=True)

    async def _component(self, request: web.Request) -> web.StreamResponse:
        query = second_version(
            request.query,
            request.query.getall("filter", []),
            unit=request.match_info.get("unit", ""),
            last_event=request.headers.get("Last-Event-ID"),
        )
        follow = log_text.wanted(request.headers.get("Accept", "")) is Form.EVENTS
        return await self._answer(request, query, follow=follow, ids=True)

    async def _fields(self, request: web.Request) -> web.Response:
        field = field_to_list(request.match_info["field"])
        return http.json_response(await asyncio.to_thread(values, self._folder, field, _MOST_VALUES))

    async def _download(self, request: web.Request) -> web.StreamResponse:
        words = request.match_info
        name = "-".join(["task", words["container"]] if "container" in words else ["root", "range"])
        if postfix := _PLAIN.sub("_", request.query.get("postfix", "")):
            name += f"-{postfix}"
        headers = {"Content-Disposition": f"attachment; filename={_PLAIN.sub('_', name)}.log.gz"}
        return await self._answer(request, _first(request), follow=False, ids=False, file=headers)

    async def _answer(
        self, request: web.Request, query: Query, *, follow: bool, ids: bool, file: dict[str, str] | None = None
    ) -> web.StreamResponse:
        """``ids``: events carry cursors; ``file``: headers of a download."""
        form = Form.TEXT if file is not None else log_text.wanted(request.headers.get("Accept", ""))
        reading = await asyncio.to_thread(Reading, self._folder, query)
        try:
            first = await asyncio.to_thread(reading.batch)
            if not first and not follow:
                return web.Response(status=204)
            skipped = {
                "X-Journal-Skip-Next": str(reading.skipped_forward),
                "X-Journal-Skip-Prev": str(reading.skipped_back),
            }
            batches = self._batches(reading, first, follow=follow)
            pieces = _written(batches, form, ids=ids)
            kind = "application/octet-stream" if file is not None else form.value
            headers = skipped | (file or {})
            return await send(request, pieces, content_type=kind, headers=headers, gzip=file is not None)
        finally:
            reading.close()

    async def _batches(self, reading: Reading, first: list[Entry], *, follow: bool) -> AsyncIterator[list[Entry]]:
        """An empty one: nothing came for a while."""
        watch = self._watch
        assert watch is not None
        generation, batch = watch.generation, first
        while True:
            while batch:
                yield batch
                batch = await asyncio.to_thread(reading.batch)
            if not follow:
                return
            grown = watch.changed()
            if generation != watch.generation:
                generation = watch.generation
                await asyncio.to_thread(reading.again)
            batch = await asyncio.to_thread(reading.batch)
            if not batch:
                try:
                    async with asyncio.timeout(ALIVE_S):
                        await grown()
                except TimeoutError:
                    yield []


async def _written(batches: AsyncIterator[list[Entry]], form: Form, *, ids: bool) -> AsyncIterator[bytes]:
    async for batch in batches:
        if batch:
            yield b"".join(
                log_text.entry(form, one.fields, one.cursor, one.realtime_us, one.monotonic_us, id=ids) for one in batch
            )
        elif form is Form.EVENTS:
            yield log_text.ALIVE


def _first(request: web.Request, *, stream: bool = False) -> Query:
    words = request.match_info
    of = dict(zip(_IDS, (words["framework"], words["executor"], words["container"]), strict=True)) if words else {}
    return first_version(
        request.query,
        request.query.getall("filter", []),
        stream=stream,
        last_event=request.headers.get("Last-Event-ID"),
        of=of,
    )
