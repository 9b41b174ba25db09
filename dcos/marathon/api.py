"""Marathon's HTTP API: the frame (leading or proxying, errors, headers) and the system resources.

Resources of apps are in ``api_apps``, of tasks, deployments and the queue in ``api_tasks``, of groups in ``api_groups``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, web

from dcos.client.leader_proxy import LeaderProxy, Trouble
from dcos.marathon.config import Config
from dcos.marathon.core.errors import Invalid, Locked, Refused
from dcos.marathon.core.scheduler import Result
from dcos.marathon.core.state import State
from dcos.marathon.leader import Leader
from dcos.marathon.stream import Bus
from dcos.model.marathon_state import Deployment
from dcos.runtime import http
from dcos.runtime.http import json_response
from dcos.wire import marathon as wire
from dcos.wire import yaml_text

VERSION = "1.11.0"
"""The Marathon whose API this is; clients compare it."""
HEARTBEAT_S = 10.0
VIA = "X-Marathon-Via"
LEADER = "X-Marathon-Leader"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Service:
    """What handlers need. ``leader`` is None while this instance does not lead."""

    config: Config
    own: str
    """host:port of this instance."""
    bus: Bus
    proxy: LeaderProxy
    abdicate: Callable[[], None]
    leader: Leader | None = None
    leading: str | None = None
    """host:port of the leader that the election knows."""


SERVICE: web.AppKey[Service] = web.AppKey("service", Service)


def leader_of(request: web.Request) -> Leader:
    leader = request.app[SERVICE].leader
    if leader is None:
        raise wire.ApiError(503, {"message": "This instance does not lead any more."})
    return leader


def state_of(request: web.Request) -> State:
    return leader_of(request).state


def flag(request: web.Request, name: str, default: bool = False) -> bool:
    """A boolean of the query."""
    text = request.query.get(name)
    return default if text is None else text.lower() == "true"


async def body_of(request: web.Request) -> Any:
    """The body: YAML where its type says so, otherwise JSON whatever its type."""
    raw = await request.read()
    if request.content_type not in yaml_text.MEDIA_TYPES:
        return wire.parse(raw)
    try:
        return yaml_text.decode(raw)
    except yaml_text.NotYaml as error:
        raise wire.ApiError(400, {"message": "Invalid YAML", "details": str(error)}) from error


def deployed(result: Result, *, status: int = 200) -> web.Response:
    """The answer of whatever made a deployment."""
    assert isinstance(result, Deployment)
    return json_response(
        {"version": result.version, "deploymentId": result.id},
        status=status,
        headers={"Marathon-Deployment-Id": result.id},
    )


def refusal(error: Refused) -> wire.ApiError:
    match error:
        case Invalid():
            return wire.invalid(error.faults)
        case Locked():
            return wire.locked(error.deployments)
        case _:
            return wire.ApiError(error.status, {"message": error.text})


@web.middleware
async def answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Proxy when not leading; turn refusals into their bodies; set the headers that every answer has."""
    service = request.app[SERVICE]
    own_business = request.path in ("/ping", "/v2/leader", "/metrics") and request.method == "GET"
    if service.leader is None and not own_business:
        return await service.proxy.handle(request)
    try:
        response = await handler(request)
    except wire.ApiError as error:
        response = json_response(error.body, status=error.status)
    except Refused as error:
        made = refusal(error)
        response = json_response(made.body, status=made.status)
    except web.HTTPNotFound:
        response = json_response({"message": "URI not found"}, status=500)
    except web.HTTPMethodNotAllowed as error:
        headers = {"Allow": ", ".join(sorted(error.allowed_methods))}
        response = json_response({"message": "HTTP 405 Method Not Allowed"}, status=405, headers=headers)
    if not response.prepared:
        common_headers(service, request, response)
        if (
            isinstance(response, web.Response)
            and response.body
            and "gzip" in request.headers.get("Accept-Encoding", "")
        ):
            response.enable_compression(web.ContentCoding.gzip)
    return response


def common_headers(service: Service, request: web.Request, response: web.StreamResponse) -> None:
    if service.leader is not None:
        response.headers[LEADER] = f"http://{service.own}"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["X-XSS-Protection"] = "1; mode=block"
    if request.path.startswith("/v2/"):
        response.headers["Cache-Control"] = "no-cache, no-store, must-revalidate"
        response.headers["Pragma"] = "no-cache"
        response.headers["Expires"] = "0"
    origins = service.config.access_control_allow_origin
    origin = request.headers.get("Origin")
    if origins and ("*" in origins or origin in origins):
        response.headers["Access-Control-Allow-Origin"] = "*" if "*" in origins else str(origin)
        response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
        response.headers["Access-Control-Max-Age"] = "86400"


def application(service: Service) -> web.Application:
    """The whole API; resources add their routes with ``add_routes``."""
    app = http.application(middlewares=(answers,))
    app[SERVICE] = service
    app.router.add_get("/", _root)
    app.router.add_get("/ping", _ping)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/v2/info", _info)
    app.router.add_get("/v2/leader", _leader)
    app.router.add_delete("/v2/leader", _abdicate)
    app.router.add_get("/v2/events", _events)
    app.router.add_get("/v2/plugins", _plugins)
    return app


def leader_proxy(
    session: ClientSession, leader: Callable[[], str | None], own: str, *, connect_s: float, read_s: float
) -> LeaderProxy:
    """How an instance that does not lead passes requests on."""

    def trouble(what: Trouble) -> web.Response:
        return json_response({"message": what.value}, status=504 if what is Trouble.SLOW else 502)

    return LeaderProxy(
        session, leader, own, via=VIA, answer=trouble, streams="/v2/events", connect_s=connect_s, read_s=read_s
    )


# ---- system resources ------------------------------------------------------------------------------------------------


async def _root(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/ui/"})


async def _ping(request: web.Request) -> web.StreamResponse:
    accept = request.headers.get("Accept", "*/*")
    if "*/*" in accept or "text/plain" in accept or "text/*" in accept:
        return web.Response(text="pong")
    if "application/json" in accept or "application/*" in accept:
        return json_response("pong")
    return web.Response(status=204)


async def _metrics(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    gauges: dict[str, Any] = {"marathon.leadership.leading.gauge": {"value": int(service.leader is not None)}}
    if service.leader is not None:
        state = service.leader.state
        running = sum(1 for one in state.instances.values() if one.condition == "Running")
        gauges |= {
            "marathon.apps.active.gauge": {"value": len(state.apps)},
            "marathon.pods.active.gauge": {"value": len(state.pods)},
            "marathon.groups.active.gauge": {"value": len(state.groups)},
            "marathon.deployments.active.gauge": {"value": len(state.deployments)},
            "marathon.instances.running.gauge": {"value": running},
            "marathon.instances.staged.gauge": {"value": len(state.instances) - running},
            "marathon.instances.launch-queue.gauge": {"value": sum(one.total for one in state.queue.values())},
        }
    return json_response(
        {"version": "4.0.0", "counters": {}, "gauges": gauges, "histograms": {}, "meters": {}, "timers": {}}
    )


async def _info(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    config = service.config
    state = state_of(request)
    return json_response(
        {
            "name": config.framework_name,
            "version": VERSION,
            "buildref": "unknown",
            "elected": service.leader is not None,
            "leader": service.leading,
            "frameworkId": state.framework_id,
            "marathon_config": {
                "master": _without_credentials(config.master),
                "failover_timeout": int(config.failover_timeout),
                "framework_name": config.framework_name,
                "checkpoint": config.checkpoint,
                "local_port_min": config.local_port_min,
                "local_port_max": config.local_port_max,
                "hostname": config.hostname,
                "webui_url": config.webui_url,
                "mesos_role": config.mesos_role,
                "mesos_user": config.mesos_user,
                "mesos_leader_ui_url": config.mesos_leader_ui_url,
                "mesos_bridge_name": config.mesos_bridge_name,
                "default_network_name": config.default_network_name,
                "env_vars_prefix": config.env_vars_prefix or None,
                "task_launch_timeout": int(config.task_launch_timeout * 1000),
                "task_launch_confirm_timeout": int(config.task_launch_confirm_timeout * 1000),
                "reconciliation_initial_delay": int(config.reconciliation_initial_delay * 1000),
                "reconciliation_interval": int(config.reconciliation_interval * 1000),
                "min_revive_offers_interval": int(config.min_revive_offers_interval * 1000),
                "decline_offer_duration": int(config.decline_offer_duration * 1000),
                "max_instances_per_offer": config.max_instances_per_offer,
                "new_group_enforce_role": config.new_group_enforce_role,
                "leader_proxy_connection_timeout_ms": int(config.leader_proxy_connection_timeout * 1000),
                "leader_proxy_read_timeout_ms": int(config.leader_proxy_read_timeout * 1000),
                "features": list(config.enable_features),
                "executor": "//cmd",
                "ha": True,
            },
            "zookeeper_config": {
                "zk": _without_credentials(config.zk),
                "zk_timeout": int(config.zk_session_timeout * 1000),
                "zk_session_timeout": int(config.zk_session_timeout * 1000),
                "zk_connection_timeout": int(config.zk_session_timeout * 1000),
                "zk_max_versions": config.zk_max_versions,
                "zk_compression": True,
                "zk_compression_threshold": 4096,
            },
            "http_config": {"http_port": config.http_port, "https_port": None},
        }
    )


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return scheme + separator + rest.rpartition("@")[2]


async def _leader(request: web.Request) -> web.StreamResponse:
    leading = request.app[SERVICE].leading
    if leading is None:
        raise wire.not_found("There is no leader")
    return json_response({"leader": leading})


async def _abdicate(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    for option in ("backup", "restore"):
        if option in request.query:
            raise wire.refused(f"'{option}' is not supported here: back ZooKeeper up instead.")
    asyncio.get_running_loop().call_later(0.5, service.abdicate)
    return json_response({"message": "Leadership abdicated"})


async def _plugins(request: web.Request) -> web.StreamResponse:
    return json_response({"plugins": []})


async def _events(request: web.Request) -> web.StreamResponse:
    """Server-sent events until the client goes, is too slow, or we lose leadership."""
    service = request.app[SERVICE]
    if "text/event-stream" not in request.headers.get("Accept", ""):
        return json_response({"message": "HTTP 405 Method Not Allowed"}, status=405, headers={"Allow": "GET"})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    common_headers(service, request, response)
    await response.prepare(request)
    address = request.remote or ""
    subscriber = service.bus.attach(request.query.getall("event_type", []), address)
    try:
        while not subscriber.overrun.is_set():
            try:
                frame = await asyncio.wait_for(subscriber.queue.get(), HEARTBEAT_S)
            except TimeoutError:
                frame = b"\r\n"
            await response.write(frame)
    except ConnectionResetError:
        pass
    finally:
        service.bus.detach(subscriber, address)
    return response


def published(request: web.Request, kind: str, **fields: Any) -> None:
    request.app[SERVICE].bus.publish(kind, {"clientIp": request.remote or "", "uri": request.path, **fields})
