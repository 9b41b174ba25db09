"""``/system/health/v1/...``.   Source: dcos-diagnostics; its GUI and CLI are the callers.

Any path of the cluster's health takes the query parameter ``cache``: answer from a new round, not from the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from dcos.node.core.report import Json, NotKnown, Report
from dcos.node.local import LocalHealth
from dcos.node.puller import PATH, Puller
from dcos.node.sources import SourceError
from dcos.runtime import http

View = Callable[[Report, web.UrlMappingMatchInfo], Json]

_VIEWS: tuple[tuple[str, View], ...] = (
    ("/units", lambda report, _: report.units_short()),
    ("/units/{unit}", lambda report, words: report.unit_short(words["unit"])),
    ("/units/{unit}/nodes", lambda report, words: report.nodes_of(words["unit"])),
    ("/units/{unit}/nodes/{ip}", lambda report, words: report.node_of(words["unit"], words["ip"])),
    ("/nodes", lambda report, _: report.nodes_short()),
    ("/nodes/{ip}", lambda report, words: report.node(words["ip"]).short),
    ("/nodes/{ip}/units", lambda report, words: report.units_of(words["ip"])),
    ("/nodes/{ip}/units/{unit}", lambda report, words: report.unit_of(words["ip"], words["unit"])),
    ("/report", lambda report, _: report.tree()),
    ("/report/download", lambda report, _: report.tree()),
)


class Part(Protocol):
    """Further routes."""

    def add_to(self, router: web.UrlDispatcher) -> None: ...


def application(local: LocalHealth, puller: Puller | None, parts: Sequence[Part] = ()) -> web.Application:
    """``puller`` None: an agent, which knows of no other node."""
    app = http.application()
    for part in parts:
        part.add_to(app.router)

    async def own(request: web.Request) -> web.Response:
        try:
            return http.json_response(await local.describe())
        except SourceError as error:
            return web.Response(status=500, text=f"{error}\n")

    for path in (PATH, f"{PATH}/"):
        app.router.add_get(path, own)
    for path, view in _VIEWS:
        handler = _cluster(puller, view, attachment=path.endswith("/download"))
        app.router.add_get(PATH + path, handler)
        app.router.add_get(f"{PATH}{path}/", handler)
    return app


def _cluster(puller: Puller | None, view: View, *, attachment: bool) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        if "cache" in request.query:
            if puller is None:
                return web.Response(status=503, text="this node does not ask others: ask a master\n")
            try:
                await puller.refresh()
            except TimeoutError:
                return web.Response(status=503, text="no new report within a minute\n")
        report = puller.report if puller else Report()
        headers: dict[str, Any] = {"Last-Modified-3DT": report.updated_text} if report.updated else {}
        if attachment:
            headers["Content-Disposition"] = "attachment; filename=health-report.json"
        try:
            return http.json_response(view(report, request.match_info), headers=headers)
        except NotKnown as error:
            return web.Response(status=404, text=f"{error}\n", headers=headers)

    return answer
