"""``/system/checks/v1``: lists and runs checks of this node.   Source: dcos-check-runner's HTTP API.

    GET  /system/checks/v1/                index
    GET  /system/checks/v1/{node,cluster}/ definitions by name
    POST /system/checks/v1/{node,cluster}/ run all, or those named by ``?check=name`` (several times)

``node`` are the poststart checks. 200 says that they ran; ``status`` in the answer says how it is. 404: a named check
is not there.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from dcos.model.checks import CLUSTER, POSTSTART, Check
from dcos.node.checks.running import ConfigError, NotThereError, Runner, chosen, read
from dcos.runtime import http

BASE = "/system/checks/v1"
_KINDS = {"node": POSTSTART, "cluster": CLUSTER}


class Api:
    """``role``: master or agent. The file is read at each request: what an operator changed counts at once."""

    def __init__(self, etc: Path, given: Path | None, role: str, runner: Runner) -> None:
        self._etc, self._given, self._role, self._runner = etc, given, role, runner

    def application(self) -> web.Application:
        app = http.application()
        for path in (BASE, f"{BASE}/"):
            app.router.add_get(path, self._index)
        for word in _KINDS:
            for path in (f"{BASE}/{word}", f"{BASE}/{word}/"):
                app.router.add_get(path, self._list)
                app.router.add_post(path, self._run)
        return app

    async def _index(self, request: web.Request) -> web.Response:
        return http.json_response({"node-poststart": f"{BASE}/node/", "cluster": f"{BASE}/cluster/"})

    async def _list(self, request: web.Request) -> web.Response:
        try:
            checks, _ = self._asked(request)
        except ConfigError as error:
            return http.json_response({"error": str(error)}, status=500)
        except NotThereError as error:
            return http.json_response({"error": str(error)}, status=404)
        return http.json_response({name: check.shown() for name, check in checks.items()})

    async def _run(self, request: web.Request) -> web.Response:
        try:
            checks, environment = self._asked(request)
        except ConfigError as error:
            return http.json_response({"error": str(error)}, status=500)
        except NotThereError as error:
            return http.json_response({"error": str(error)}, status=404)
        return http.json_response(await self._runner.run(checks, environment))

    def _asked(self, request: web.Request) -> tuple[dict[str, Check], dict[str, str]]:
        """Errors: ConfigError, NotThereError."""
        configured = read(self._etc, self._given)
        kind = _KINDS[request.path.removeprefix(BASE).strip("/")]
        checks = chosen(configured.checks.of(kind, self._role), request.query.getall("check", []))
        return checks, dict(configured.environment)
