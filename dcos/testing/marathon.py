"""A Marathon that keeps apps in memory and pretends that they run: enough of /v2 for its clients' tests.

Stateful: what is posted is listed, scaled, deleted; each change is a deployment that ends when ``settle`` is called (or at
once). With ``token`` set, requests without it get 401.
"""

from __future__ import annotations

import itertools
from typing import Any

from aiohttp import web

from dcos.testing.marathon_pods import FakePods

App = dict[str, Any]

VERSION = "2026-01-02T03:04:05.{:03d}Z"


class FakeMarathon:
    def __init__(self, *, token: str | None = None, settled: bool = True) -> None:
        self.apps: dict[str, App] = {}
        self.pods = FakePods()
        self.groups: set[str] = set()
        """Groups at the top, without their slash, besides those that apps are in."""
        self.versions: dict[str, list[App]] = {}
        self.deployments: dict[str, dict[str, Any]] = {}
        self.seen_authorization: list[str | None] = []
        self._token = token
        self._settled = settled
        self._numbers = itertools.count(1)

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        routes = app.router
        routes.add_get("/ping", _pong)
        routes.add_get("/v2/info", self._info)
        routes.add_get("/v2/apps", self._list)
        routes.add_post("/v2/apps", self._create)
        routes.add_put("/v2/apps", self._put_many)
        routes.add_get("/v2/deployments", self._deployments)
        routes.add_delete("/v2/deployments/{id}", self._stop_deployment)
        routes.add_get("/v2/queue", self._queue)
        routes.add_get("/v2/tasks", self._tasks)
        routes.add_get("/v2/groups", self._groups)
        routes.add_get("/v2/groups/", self._groups)
        routes.add_get("/v2/apps/{id:.+}/versions", self._versions)
        routes.add_get("/v2/apps/{id:.+}/versions/{version}", self._version)
        routes.add_post("/v2/apps/{id:.+}/restart", self._restart)
        routes.add_delete("/v2/apps/{id:.+}/tasks", self._kill)
        routes.add_get("/v2/apps/{id:.+}/tasks", self._app_tasks)
        routes.add_get("/v2/apps/{id:.+}", self._show)
        routes.add_put("/v2/apps/{id:.+}", self._update)
        routes.add_delete("/v2/apps/{id:.+}", self._delete)
        self.pods.add_routes(routes)
        return app

    def settle(self) -> None:
        """All deployments are done: what was wanted runs."""
        self.deployments.clear()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.seen_authorization.append(request.headers.get("Authorization"))
        if self._token is not None and request.headers.get("Authorization") != f"token={self._token}":
            return web.json_response({"message": "no"}, status=401, headers={"WWW-Authenticate": "acsjwt"})
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _groups(self, _: web.Request) -> web.Response:
        named = {app_id.split("/")[1] for app_id in self.apps if app_id.count("/") > 1} | self.groups
        return web.json_response({"id": "/", "apps": [], "groups": [{"id": f"/{name}"} for name in sorted(named)]})

    # ---- apps ----

    def shown(self, app: App) -> App:
        tasks = self.tasks_of(app)
        healthy = len(tasks) if app.get("healthChecks") else 0
        return app | {
            "tasksStaged": 0,
            "tasksRunning": len(tasks),
            "tasksHealthy": healthy,
            "tasksUnhealthy": 0,
            "deployments": [{"id": key} for key, one in self.deployments.items() if app["id"] in one["affectedApps"]],
        }

    def tasks_of(self, app: App) -> list[dict[str, Any]]:
        if any(app["id"] in one["affectedApps"] for one in self.deployments.values()):
            return []
        name = app["id"].strip("/").replace("/", "_")
        return [
            {
                "id": f"{name}.{index}",
                "appId": app["id"],
                "host": "10.0.0.2",
                "slaveId": "a-S0",
                "state": "TASK_RUNNING",
                "ports": [31000 + index],
                "stagedAt": VERSION.format(1),
                "startedAt": VERSION.format(2),
                "version": app["version"],
                "role": "slave_public",
                "healthCheckResults": [{"alive": True}] if app.get("healthChecks") else [],
            }
            for index in range(app["instances"])
        ]

    def _deploy(self, app_id: str, action: str) -> dict[str, str]:
        number = next(self._numbers)
        deployment_id = f"deployment-{number}"
        deployment = {
            "id": deployment_id,
            "version": VERSION.format(number),
            "affectedApps": [app_id],
            "affectedPods": [],
            "steps": [{"actions": [{"action": action, "app": app_id}]}],
            "currentActions": [{"action": action, "app": app_id, "readinessCheckResults": []}],
            "currentStep": 1,
            "totalSteps": 1,
        }
        if not self._settled:
            self.deployments[deployment_id] = deployment
        return {"version": VERSION.format(number), "deploymentId": deployment_id}

    def _store(self, app: App) -> App:
        kept = {"instances": 1, "cpus": 1.0, "mem": 128.0, "disk": 0.0, "labels": {}, "env": {}} | app
        kept["version"] = VERSION.format(next(self._numbers))
        self.apps[app["id"]] = kept
        self.versions.setdefault(app["id"], []).insert(0, kept)
        return kept

    def _locked(self, request: web.Request, app_id: str) -> web.Response | None:
        holding = [key for key, one in self.deployments.items() if app_id in one["affectedApps"]]
        if not holding or request.query.get("force") == "true":
            return None
        message = "App is locked by one or more deployments. Override with the option '?force=true'."
        return web.json_response({"message": message, "deployments": [{"id": key} for key in holding]}, status=409)

    async def _list(self, request: web.Request) -> web.Response:
        label = request.query.get("label")
        apps = [app for app in self.apps.values() if label is None or label in app["labels"]]
        return web.json_response({"apps": [self.shown(app) for app in apps]})

    async def _create(self, request: web.Request) -> web.Response:
        app = await request.json()
        app_id = app.get("id")
        if not isinstance(app_id, str):
            details = [{"path": "/id", "errors": ["error.path.missing"]}]
            return web.json_response({"message": "Invalid JSON", "details": details}, status=422)
        app["id"] = "/" + app_id.strip("/")
        if app["id"] in self.apps:
            return web.json_response({"message": f"An app with id [{app['id']}] already exists."}, status=409)
        self._store(app)
        deployment = self._deploy(app["id"], "StartApplication")
        shown = self.shown(self.apps[app["id"]]) | {"deployments": [{"id": deployment["deploymentId"]}]}
        return web.json_response(shown, status=201)

    def _find(self, request: web.Request) -> tuple[str, App | None]:
        app_id = "/" + request.match_info["id"].strip("/")
        return app_id, self.apps.get(app_id)

    async def _show(self, request: web.Request) -> web.Response:
        app_id, app = self._find(request)
        if app is None:
            return _missing(app_id)
        return web.json_response({"app": self.shown(app) | {"tasks": self.tasks_of(app)}})

    async def _update(self, request: web.Request) -> web.Response:
        app_id, app = self._find(request)
        if locked := self._locked(request, app_id):
            return locked
        change = await request.json()
        partial = request.query.get("partialUpdate", "true") == "true" and app is not None
        self._store({**(app if partial and app else {}), **change, "id": app_id})
        return web.json_response(self._deploy(app_id, "ScaleApplication"), status=200 if app else 201)

    async def _put_many(self, request: web.Request) -> web.Response:
        apps = await request.json()
        for app in apps:
            self._store(self.apps.get(app["id"], {}) | app)
        return web.json_response(self._deploy(apps[0]["id"], "ScaleApplication"))

    async def _delete(self, request: web.Request) -> web.Response:
        app_id, app = self._find(request)
        if app is None:
            return _missing(app_id)
        del self.apps[app_id]
        return web.json_response(self._deploy(app_id, "StopApplication"))

    async def _restart(self, request: web.Request) -> web.Response:
        app_id, app = self._find(request)
        if app is None:
            return _missing(app_id)
        if locked := self._locked(request, app_id):
            return locked
        return web.json_response(self._deploy(app_id, "RestartApplication"))

    async def _kill(self, request: web.Request) -> web.Response:
        app_id, app = self._find(request)
        if app is None:
            return _missing(app_id)
        host = request.query.get("host", "*")
        killed = [task for task in self.tasks_of(app) if host in ("*", task["host"])]
        if request.query.get("scale") == "true":
            self._store(app | {"instances": app["instances"] - len(killed)})
            return web.json_response(self._deploy(app_id, "ScaleApplication"))
        return web.json_response({"tasks": killed})

    async def _app_tasks(self, request: web.Request) -> web.Response:
        app_id, app = self._find(request)
        return _missing(app_id) if app is None else web.json_response({"tasks": self.tasks_of(app)})

    async def _versions(self, request: web.Request) -> web.Response:
        app_id, app = self._find(request)
        if app is None:
            return _missing(app_id)
        return web.json_response({"versions": [one["version"] for one in self.versions[app_id]]})

    async def _version(self, request: web.Request) -> web.Response:
        app_id, _ = self._find(request)
        wanted = request.match_info["version"]
        for one in self.versions.get(app_id, []):
            if one["version"] == wanted:
                return web.json_response(one)
        return web.json_response({"message": f"App '{app_id}' does not exist in version {wanted}"}, status=404)

    # ---- the rest ----

    async def _deployments(self, _: web.Request) -> web.Response:
        return web.json_response(list(self.deployments.values()))

    async def _stop_deployment(self, request: web.Request) -> web.Response:
        deployment = self.deployments.pop(request.match_info["id"], None)
        if deployment is None:
            message = f"DeploymentPlan {request.match_info['id']} does not exist"
            return web.json_response({"message": message}, status=404)
        if request.query.get("force") == "true":
            return web.Response(status=202)
        return web.json_response(self._deploy(deployment["affectedApps"][0], "ScaleApplication"))

    async def _queue(self, _: web.Request) -> web.Response:
        return web.json_response({"queue": []})

    async def _tasks(self, _: web.Request) -> web.Response:
        return web.json_response({"tasks": [task for app in self.apps.values() for task in self.tasks_of(app)]})

    async def _info(self, _: web.Request) -> web.Response:
        return web.json_response({"name": "marathon", "version": "1.11.24", "elected": True, "leader": "10.0.0.1:8080"})


async def _pong(_: web.Request) -> web.Response:
    return web.Response(text="pong")


def _missing(app_id: str) -> web.Response:
    return web.json_response({"message": f"App '{app_id}' does not exist"}, status=404)
