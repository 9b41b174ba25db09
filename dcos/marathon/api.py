"""Marathon's HTTP API: the frame, which is whether this instance leads or proxies, errors, headers and what is counted.

Resources of apps are in ``api_apps``, of tasks, deployments and the queue in ``api_tasks``, of groups in ``api_groups``, of pods
in ``api_pods``, of the instance itself in ``api_system``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, web

from dcos.client.leader_proxy import LeaderProxy, Trouble
from dcos.marathon.backup import Wish
from dcos.marathon.config import Config
from dcos.marathon.core.errors import Invalid, Locked, Refused
from dcos.marathon.core.rights import narrowed
from dcos.marathon.core.scheduler import Result
from dcos.marathon.core.state import State
from dcos.marathon.leader import Leader
from dcos.marathon.metrics import Metrics
from dcos.marathon.stream import Bus
from dcos.model.marathon_state import Deployment, iso
from dcos.runtime import http
from dcos.runtime.http import json_response
from dcos.runtime.tls import scheme
from dcos.wire import marathon as wire
from dcos.wire import yaml_text

VIA = "X-Marathon-Via"
LEADER = "X-Marathon-Leader"
OWN_BUSINESS = frozenset({"/ping", "/v2/leader", "/metrics", "/metrics/prometheus", "/logging", "/config"})
"""What an instance answers itself, whether it leads or not."""
NOT_STORED = "The store did not answer in time; what was asked for may still happen."
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Service:
    """What handlers need. ``leader`` is None while this instance does not lead."""

    config: Config
    own: str
    """host:port of this instance."""
    bus: Bus
    proxy: LeaderProxy
    metrics: Metrics
    abdicate: Callable[[], None]
    wish: Callable[[Wish], Awaitable[None]]
    """Note what the next leader shall do first."""
    secured: bool = False
    """Whether HTTPS is served on a port of its own."""
    leader: Leader | None = None
    leading: str | None = None
    """host:port of the leader that the election knows."""


SERVICE: web.AppKey[Service] = web.AppKey("service", Service)


def leader_of(request: web.Request) -> Leader:
    leader = request.app[SERVICE].leader
    if leader is None:
        raise wire.ApiError(503, {"message": "This instance does not lead any more."})
    return leader


SEEN: web.RequestKey[Callable[[str], bool]] = web.RequestKey("seen")
"""Which apps, pods and groups the caller may read, where that is not all."""


def state_of(request: web.Request) -> State:
    """Everything; for a reader with few rights, what it may see."""
    state = leader_of(request).state
    may_read = request.get(SEEN)
    if may_read is None or request.method not in ("GET", "HEAD"):
        return state
    return narrowed(state, may_read)


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
async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    metrics = request.app[SERVICE].metrics
    metrics.active_requests += 1
    begin = metrics.now()
    try:
        response = await handler(request)
    finally:
        metrics.active_requests -= 1
    if request.path != "/v2/events":
        metrics.answered(request.method, response.status, metrics.now() - begin, response.content_length or 0)
    return response


@web.middleware
async def answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Proxy when not leading; turn refusals into their bodies; set the headers that every answer has."""
    service = request.app[SERVICE]
    own_business = request.path in OWN_BUSINESS and request.method == "GET"
    if service.leader is None and not own_business:
        return await service.proxy.handle(request)
    try:
        response = await handler(request)
    except wire.ApiError as error:
        response = json_response(error.body, status=error.status)
    except Refused as error:
        if request.method != "GET" and request.path.startswith(("/v2/apps", "/v2/groups", "/v2/pods")):
            version = iso(service.leader.now()) if service.leader else ""
            service.bus.publish("group_change_failed", {"groupId": "/", "version": version, "reason": error.text})
        made = refusal(error)
        response = json_response(made.body, status=made.status)
    except TimeoutError:
        response = json_response({"message": NOT_STORED}, status=503)
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
        response.headers[LEADER] = f"{scheme()}://{service.own}"
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


def application(service: Service, *more: Any) -> web.Application:
    """The whole API; resources add their routes with ``add_routes``. ``more``: middlewares for requests that are not proxied."""
    app = http.application(middlewares=(counted, answers, *more))
    app[SERVICE] = service
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


def published(request: web.Request, kind: str, **fields: Any) -> None:
    request.app[SERVICE].bus.publish(kind, {"clientIp": request.remote or "", "uri": request.path, **fields})
