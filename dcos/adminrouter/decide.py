"""The decision service: what nginx asks on a unix socket, and the few answers that we give ourselves.

``/decide/<need>/<subject>``: ``need`` is ``none``, ``token``, a permission id (full rights on it), or ``service`` (full rights on
``dcos:adminrouter:service:<name>`` of the service that is found); ``subject`` is one of

    token                     nothing but who asks
    acs/<path>                the same; bouncer is asked about that path
    mesos                     the leading Mesos master
    agent/<id>                the agent itself
    agent-router/<id>         the Admin Router on the agent's node
    leader-router/<service>   the Admin Router beside the leading mesos or marathon
    service/<a>/<b>/...       what a path below /service/ names

200 with the headers of ``core/targets.py``, 401, or 403 with the permission that is missing. A request that carries a refusal is
answered with it.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import aiohttp
from aiohttp import web

from dcos.adminrouter import metrics
from dcos.adminrouter.core import services
from dcos.adminrouter.core.locations import NOBODY, SERVICE, TOKEN
from dcos.adminrouter.core.rights import asks_about_itself, service_name
from dcos.adminrouter.core.services import AskDns, Found, LeaderOf, StateError
from dcos.adminrouter.core.site import DECISION_S
from dcos.adminrouter.core.targets import Decision, Refusal, Target, headers, said_answer
from dcos.adminrouter.knowledge import FetchError, Knowledge
from dcos.client.authority import Authority, AuthorityAway, audit_fields
from dcos.client.token_keys import Keys
from dcos.model.permissions import Permission
from dcos.runtime import http, log
from dcos.runtime.clock import Clock
from dcos.wire.authorization import token_in
from dcos.wire.jwt import TokenError

_log = log.get_logger("dcos-adminrouter")
_CHALLENGE = {"WWW-Authenticate": "oauthjwt", "X-Accel-Expires": "1"}
_SERVICES = "dcos:adminrouter:service"
_PERMISSION_S = 3.0
"""How long nginx remembers that somebody may: with the second that permissions are remembered here, less than five."""
_NAME_S = 30.0
"""How long a host name's address is remembered."""


@dataclass(slots=True, kw_only=True)
class View:
    """What decisions are made from. Leaders: ``ip:port``, None while there is none."""

    node_ip: str
    local: dict[str, str]
    """Where leader services listen on this node, by name."""
    router_port: int
    agent_router_port: int
    apps: Knowledge[services.Apps]
    cluster: Knowledge[services.Cluster]
    leaders: dict[str, Knowledge[str]]
    srv: Callable[[str], Awaitable[tuple[str, int] | None]]
    """Ask Mesos-DNS for a framework.   Errors: StateError, FetchError, aiohttp's."""
    master: str | None = None


@dataclass(slots=True, kw_only=True)
class Decider:
    """Answers sub-requests."""

    view: View
    keys: Keys
    auth: bool
    authority: Authority | None
    """Who knows permissions; None: they are not checked."""
    clock: Clock
    status_socket: Path
    cluster_id: Path
    public_ip: str | None
    counts: metrics.Counts = field(default_factory=metrics.Counts)
    _names: dict[str, tuple[str, float]] = field(default_factory=dict)

    # ---- HTTP ----------------------------------------------------------------------------------------------------

    def application(self) -> web.Application:
        app = http.application(client_max_size=0, middlewares=(self._refusals,))
        app.add_routes(
            [
                web.get(r"/decide/{need}/{subject:[\s\S]*}", self.decide),
                web.get("/metadata", self.metadata),
                web.get("/nginx/metrics", self.metrics),
                web.get("/nginx/status", self.status),
            ]
        )
        return app

    @web.middleware
    async def _refusals(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        refusal = said_answer(request.headers)
        if refusal is not None:
            return web.Response(status=refusal.status, text=refusal.text + "\n", headers={"Cache-Control": "no-store"})
        return await handler(request)

    async def decide(self, request: web.Request) -> web.Response:
        self.counts.decisions += 1
        path = unquote(request.raw_path, errors="surrogateescape")
        _, _, need, subject = path.split("/", 3)
        good_s, uid = float(DECISION_S), ""
        if need != "none" and self.auth:
            token = token_in(request.headers.get("Authorization", ""))
            try:
                if token is None:
                    raise TokenError("missing")
                claims = await self.keys.check(token)
            except TokenError as error:
                self.counts.refused(error.reason)
                return web.Response(status=401, headers=_CHALLENGE)
            uid = claims.uid
            if claims.exp is not None:
                good_s = min(good_s, claims.exp - self.clock.now())
        if ":" in need and not asks_about_itself(uid, subject, request.headers.get("X-Dcos-Method", "")):
            refused = await self._refused(request, uid, Permission(need))
            if refused is not None:
                return refused
        decision = await self._where(subject, forwarded=bool(request.headers.get("DCOS-Forwarded")))
        if need == SERVICE:
            refused = await self._refused(request, uid, Permission(f"{_SERVICES}:{service_name(subject, decision)}"))
            if refused is not None:
                return refused
        if isinstance(decision, Refusal):
            self.counts.unanswered += 1
            good_s = min(good_s, 1.0)
        if need not in (TOKEN, NOBODY) and self.authority is not None:
            good_s = min(good_s, _PERMISSION_S)
        said = headers(decision) if decision is not None else {}
        if uid.isascii() and uid.isprintable():
            said["X-Dcos-Uid"] = uid
        return web.Response(headers={**said, "X-Accel-Expires": str(int(good_s))})

    async def _refused(self, request: web.Request, uid: str, wanted: Permission) -> web.Response | None:
        """The answer to somebody who may not; None: may, or nobody asks."""
        if not self.auth or self.authority is None:
            return None
        try:
            allowed = (await self.authority.grants(uid)).allow(wanted)
        except AuthorityAway:
            self.counts.unanswered += 1
            return web.Response(status=503)
        source = request.headers.get("X-Real-IP", "unknown")
        reason = "granted" if allowed else "not granted"
        said = audit_fields("adminrouter_master", uid, wanted, allowed=allowed, reason=reason, source=source)
        _log.info("audit", action=wanted.action, **said)
        if allowed:
            return None
        self.counts.refused("permission")
        missing = wanted.rid if wanted.rid.isascii() and wanted.rid.isprintable() else _SERVICES
        return web.Response(status=403, headers={"X-Dcos-Missing": missing, "X-Dcos-Uid": uid, "X-Accel-Expires": "1"})

    async def metadata(self, _: web.Request) -> web.Response:
        cluster_id = self.cluster_id.read_text(encoding="utf-8").strip() if self.cluster_id.exists() else ""
        shown = {"PUBLIC_IPV4": self.public_ip or self.view.node_ip, "CLUSTER_ID": cluster_id}
        return web.Response(text=json.dumps(shown), content_type="application/json")

    async def metrics(self, _: web.Request) -> web.Response:
        text = await metrics.prometheus(self.counts, self.status_socket)
        return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def status(self, _: web.Request) -> web.Response:
        return web.Response(text=await metrics.page(self.counts, self.status_socket), content_type="text/html")

    # ---- where to ------------------------------------------------------------------------------------------------

    async def _where(self, subject: str, *, forwarded: bool) -> Decision | None:
        """None: only the token was asked about."""
        kind, _, rest = subject.partition("/")
        match kind:
            case "token" | "acs":
                return None
            case "mesos":
                return Target(address=self.view.master) if self.view.master else services.NO_MASTER
            case "agent":
                return await self._agent(rest)
            case "agent-router":
                found = await self._agent(rest)
                if isinstance(found, Refusal):
                    return found
                ip = found.address.rpartition(":")[0]
                return Target(address=f"{ip}:{self.view.agent_router_port}")
            case "leader-router":
                return await self._leader_router(rest, forwarded=forwarded)
            case "service":
                return await self._service(rest, forwarded=forwarded)
            case _:
                return Refusal(f"404 Not Found: nothing is known about {kind if kind.isalnum() else 'this'}")

    async def _agent(self, identity: str) -> Target | Refusal:
        cluster = await self.view.cluster.get()
        if cluster is None:
            return services.NO_CLUSTER
        address = cluster.agents.get(identity)
        if address is None and await self.view.cluster.after_miss():
            cluster = self.view.cluster.peek()
            address = cluster.agents.get(identity) if cluster else None
        if not address:
            return Refusal(f"404 Not Found: agent `{identity}` unknown.")
        host, _, port = address.rpartition(":")
        return await self._at(host, port)

    async def _leader_router(self, name: str, *, forwarded: bool) -> Decision:
        """The Admin Router on the leader's node; our own when that is this one."""
        if name == "mesos":
            leader = self.view.master
        else:
            leader = await self.view.leaders[name].get() if name in self.view.leaders else None
        if forwarded or not leader:
            return Refusal(f"503 Service Unavailable: {name.capitalize()} leader is unknown")
        return await self._at(leader.rpartition(":")[0], str(self.view.router_port), forwarded=True)

    async def _service(self, path: str, *, forwarded: bool) -> Decision:
        """Two tries: what is known may be older than a service that was just started."""
        decision = await self._resolved(path, forwarded=forwarded)
        if decision == services.NOT_FOUND:
            newer = await asyncio.gather(self.view.apps.after_miss(), self.view.cluster.after_miss())
            if any(newer):
                decision = await self._resolved(path, forwarded=forwarded)
        return decision

    async def _resolved(self, path: str, *, forwarded: bool) -> Decision:
        apps, cluster = await asyncio.gather(self.view.apps.get(), self.view.cluster.get())
        skip = 0
        while True:
            match services.resolve(path, apps, cluster, skip):
                case Refusal() as refusal:
                    return refusal
                case LeaderOf(name):
                    return await self._leading(name, forwarded=forwarded)
                case Found() as found:
                    ip = await self._address_of(found.target.host)
                    if ip is None:
                        return Refusal("503 Service Unavailable: the service's host is unknown")
                    return services.proxied(found, ip)
                case AskDns(segments, name):
                    try:
                        record = await self.view.srv(name)
                    except (aiohttp.ClientError, FetchError, StateError, TimeoutError, OSError) as error:
                        _log.info("mesos_dns_failed", error=f"{type(error).__name__} {error}")
                        return services.NO_DNS
                    if record is not None:
                        return Target(
                            address=services.address(*record),
                            strip=len(segments),
                            location=services.location_of(segments),
                        )
                    skip = len(segments)

    async def _leading(self, name: str, *, forwarded: bool) -> Decision:
        """The leading instance: on this node directly, on another by its Admin Router."""
        known = self.view.leaders.get(name)
        leader = await known.get() if known else None
        unknown = Refusal(f"503 Service Unavailable: {name.capitalize()} leader is unknown")
        if not leader:
            return unknown
        ip = await self._address_of(leader.rpartition(":")[0])
        if ip is None:
            return unknown
        if ip == self.view.node_ip:
            return Target(address=self.view.local[name], strip=1, location=f"/service/{name}")
        if forwarded:
            return unknown
        address = services.address(ip, self.view.router_port)
        return Target(address=address, location=f"/service/{name}", forwarded=True)

    async def _at(self, host: str, port: str, *, forwarded: bool = False) -> Target | Refusal:
        ip = await self._address_of(host.strip("[]"))
        if ip is None or not port.isdigit():
            return Refusal("503 Service Unavailable: the host's address is unknown")
        return Target(address=services.address(ip, int(port)), forwarded=forwarded)

    async def _address_of(self, host: str) -> str | None:
        """``host`` if it is an address, else what the system's resolver says, remembered for a while."""
        try:
            services.address(host, 1)
        except ValueError:
            pass
        else:
            return host
        now = self.clock.monotonic()
        known, until = self._names.get(host, ("", 0.0))
        if now < until:
            return known
        try:
            async with asyncio.timeout(5.0):
                found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            return None
        if len(self._names) > 1024:
            self._names.clear()
        ip = str(sorted(found, key=lambda row: row[0])[0][4][0])
        self._names[host] = ip, now + _NAME_S
        return ip
