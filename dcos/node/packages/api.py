"""What of ``/pkgpanda/`` reads.   Source: pkgpanda's HTTP API.

    GET /repository/, /active/              ids, a JSON array
    GET /repository/{id}, /active/{id}      {"id", "name", "version"}; 404 {"error"}

What changes packages (POST, PUT, DELETE) is 405: the installer puts packages on a node and takes them away.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from dcos.node.packages.installed import PackageId, active, package_id, repository
from dcos.runtime import http

_READ_ONLY = "packages of this node are changed by its installer (dcos_install.sh) only"
_LISTS: dict[str, Callable[[Path], tuple[PackageId, ...]]] = {"repository": repository, "active": active}


def application(opt: Path) -> web.Application:
    """``opt``: ``/opt/mesosphere``."""
    app = http.application()
    for word, found in _LISTS.items():
        for path in (f"/{word}", f"/{word}/"):
            app.router.add_get(path, _all(opt, found))
            app.router.add_put(path, _refused)
        app.router.add_get(f"/{word}/{{id}}", _one(opt, found, word))
        for method in ("POST", "DELETE"):
            app.router.add_route(method, f"/{word}/{{id}}", _refused)
    return app


def _all(opt: Path, found: Callable[[Path], tuple[PackageId, ...]]) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return http.json_response([one.id for one in found(opt)])

    return answer


def _one(opt: Path, found: Callable[[Path], tuple[PackageId, ...]], word: str) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        asked = request.match_info["id"]
        try:
            wanted = package_id(asked)
        except ValueError as error:
            return http.json_response({"error": str(error)}, status=404)
        if wanted not in found(opt):
            where = "is not active" if word == "active" else "is not on this node"
            return http.json_response({"error": f"package {asked} {where}"}, status=404)
        return http.json_response(wanted)

    return answer


async def _refused(request: web.Request) -> web.Response:
    return http.json_response({"error": _READ_ONLY}, status=405, headers={"Allow": "GET, HEAD"})
