"""The decision service: what nginx asks on a unix socket, and the few answers that we give ourselves.

``/decide/<need>/<subject>``: ``need`` is ``none``, ``token``, a permission id (full rights on it), or ``service`` (full rights on
``dcos:adminrouter:service:<name>`` of the service that is found); ``subject`` is one of

    token                     nothing but who asks
    acs/<method>/<path>       the same; bouncer is asked about that path
    mesos                     the leading Mesos master
    agent/<id>                the agent itself
    agent-router/<id>         the Admin Router on the agent's node
    leader-router/<service>   the Admin Router beside the leading mesos or marathon
    first/<a>                 what a path below /service/ names by its first segment alone
    service/<a>/<b>/...       what it names by as many segments as it takes

200 with the headers of ``core/targets.py``, 401, or 403 with the permission that is missing; no answer while nothing is known:
then nginx goes on with what it was told before. Where there is no such thing it asks ``/decide-finally/...``, which says so in
words (200). A request that carries a refusal is answered with it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from dcos.adminrouter import metrics
from dcos.adminrouter.core.locations import NOBODY, SERVICE, TOKEN
from dcos.adminrouter.core.memory import REFUSED, Good, file_of
from dcos.adminrouter.core.rights import asks_about_itself, service_name
from dcos.adminrouter.core.targets import Longer, Refusal, headers, said_answer
from dcos.adminrouter.recall import Recall
from dcos.adminrouter.where import Where
from dcos.client.authority import Authority, AuthorityAway, audit_fields
from dcos.client.token_keys import Keys
from dcos.model.permissions import Permission
from dcos.runtime import http, log
from dcos.runtime.clock import Clock
from dcos.wire.authorization import token_in
from dcos.wire.jwt import TokenError

_log = log.get_logger("dcos-adminrouter")
_CHALLENGE = {"WWW-Authenticate": "oauthjwt", "Cache-Control": REFUSED.header()}
_SERVICES = "dcos:adminrouter:service"
_GOOD = Good()


def _no_answer(request: web.Request) -> web.Response:
    """End the connection. Of all errors, nginx uses old answers within the bound they came with only after this one."""
    if request.transport is not None:
        request.transport.close()
    return web.Response(status=503)


async def _few_headers(_: web.Request, response: web.StreamResponse) -> None:
    """nginx reads all headers of an answer that it remembers at each request: none is there without need."""
    for name in ("Date", "Server"):
        response.headers.popall(name, None)
    if response.content_length == 0:
        response.headers.popall("Content-Type", None)


@dataclass(slots=True, kw_only=True)
class Decider:
    """Answers sub-requests."""

    where: Where
    recall: Recall
    memory: Path
    """Folder of nginx's memory."""
    keys: Keys
    auth: bool
    authority: Authority | None
    """Who knows permissions; None: they are not checked."""
    clock: Clock
    status_socket: Path
    certificate: Path | None
    cluster_id: Path
    public_ip: str | None
    counts: metrics.Counts = field(default_factory=metrics.Counts)

    # ---- HTTP ----------------------------------------------------------------------------------------------------

    def application(self) -> web.Application:
        app = http.application(client_max_size=0, middlewares=(self._refusals,))
        app.on_response_prepare.append(_few_headers)
        app.add_routes(
            [
                web.get(r"/{how:decide|decide-finally}/{need}/{subject:[\s\S]*}", self.decide),
                web.get("/alive", self.alive),
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
        _, how, asked = path.split("/", 2)
        finally_ = how == "decide-finally"
        need, _, subject = asked.partition("/")
        good, uid = _GOOD, ""
        if need != NOBODY and self.auth:
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
                good = good.until(claims.exp - self.clock.now())
        if ":" in need and not asks_about_itself(uid, subject):
            refused = await self._refused(request, uid, Permission(need))
            if refused is not None:
                return refused
        forwarded = bool(request.headers.get("DCOS-Forwarded"))
        decision = await self.where.asked(subject, forwarded=forwarded)
        if need == SERVICE and not isinstance(decision, Longer):
            refused = await self._refused(request, uid, Permission(f"{_SERVICES}:{service_name(subject, decision)}"))
            if refused is not None:
                return refused
        if need not in (TOKEN, NOBODY) and self.authority is not None:
            good = good.while_allowed()
        if isinstance(decision, Refusal):
            self.counts.unanswered += 1
            good = REFUSED
            if decision.passing and not finally_:
                return _no_answer(request)
        if decision is not None and not finally_:
            self.recall.told(self._file(request, asked), subject, forwarded, decision, good_s=good.longest_s)
        said = headers(decision) if decision is not None else {}
        if uid.isascii() and uid.isprintable():
            said["X-Dcos-Uid"] = uid
        return web.Response(headers={**said, "Cache-Control": good.header()})

    def _file(self, request: web.Request, asked: str) -> Path:
        """Where nginx keeps the answer."""
        authorization, forwarded = (request.headers.get(name, "") for name in ("Authorization", "DCOS-Forwarded"))
        return file_of(self.memory, authorization, forwarded, asked)

    async def _refused(self, request: web.Request, uid: str, wanted: Permission) -> web.Response | None:
        """The answer to somebody who may not; None: may, or nobody asks."""
        if not self.auth or self.authority is None:
            return None
        try:
            allowed = (await self.authority.grants(uid)).allow(wanted)
        except AuthorityAway:
            self.counts.unanswered += 1
            return _no_answer(request)
        source = request.headers.get("X-Real-IP", "unknown")
        reason = "granted" if allowed else "not granted"
        said = audit_fields("adminrouter_master", uid, wanted, allowed=allowed, reason=reason, source=source)
        _log.info("audit", action=wanted.action, **said)
        if allowed:
            return None
        self.counts.refused("permission")
        missing = wanted.rid if wanted.rid.isascii() and wanted.rid.isprintable() else _SERVICES
        return web.Response(
            status=403, headers={"X-Dcos-Missing": missing, "X-Dcos-Uid": uid, "Cache-Control": REFUSED.header()}
        )

    async def alive(self, _: web.Request) -> web.Response:
        return web.Response(text="yes\n")

    async def metadata(self, _: web.Request) -> web.Response:
        cluster_id = self.cluster_id.read_text(encoding="utf-8").strip() if self.cluster_id.exists() else ""
        shown = {"PUBLIC_IPV4": self.public_ip or self.where.view.node_ip, "CLUSTER_ID": cluster_id}
        return web.Response(text=json.dumps(shown), content_type="application/json")

    async def metrics(self, _: web.Request) -> web.Response:
        text = await metrics.prometheus(self.counts, self.status_socket, self.certificate)
        return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def status(self, _: web.Request) -> web.Response:
        return web.Response(text=await metrics.page(self.counts, self.status_socket), content_type="text/html")
