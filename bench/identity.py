"""What letting somebody in costs: ``python -m bench.identity``.

Token checks of the decision service (tokens that it knows, tokens that it sees first, with and without permissions), decisions
over its socket, and logins with a password at the cost that bouncer uses. Seconds of one core (process time), so that a busy
machine changes little. The audit log goes to standard error.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from dcos.adminrouter.core.services import Apps, Cluster
from dcos.adminrouter.decide import Decider
from dcos.adminrouter.knowledge import Knowledge
from dcos.adminrouter.recall import Recall
from dcos.adminrouter.where import View, Where
from dcos.client.authority import Authority
from dcos.client.token_keys import Keys
from dcos.iam.passwords import Passwords
from dcos.runtime import http, log
from dcos.runtime.clock import SystemClock
from dcos.wire import jwt

CHECKS = 20_000
FIRST = 3_000
REQUESTS = 4_000
LOGINS = 30
KEY = jwt.generate_key()


def shown(what: str, count: int, seconds: float) -> None:
    print(f"{what:58} {count / seconds:10,.0f}/s   {seconds / count * 1e6:8,.1f} us of one core")


async def main() -> None:
    log.configure("INFO")
    clock = SystemClock()
    async with (
        http.listen(_bouncer(), host="127.0.0.1", port=0) as (host, port),
        http.session() as session,
        aiohttp.ClientSession() as asking,
    ):
        url, logger = f"http://{host}:{port}", log.get_logger("bench")
        keys = Keys(f"{url}/acs/api/v1/auth/jwks", session, clock=clock, rng=random.Random(1), log=logger)
        await keys.refresh()
        end = int(clock.now()) + 3600
        known = jwt.sign("bob", end, KEY)
        fresh = [jwt.sign(f"user{number}", end, KEY) for number in range(FIRST)]

        begin = time.process_time()
        for _ in range(CHECKS):
            await keys.check(known)
        shown("token checks, tokens known", CHECKS, time.process_time() - begin)
        begin = time.process_time()
        for token in fresh:
            await keys.check(token)
        shown("token checks, tokens seen first (RS256)", FIRST, time.process_time() - begin)

        authority = Authority(url, asking, clock=clock, log=logger)
        for name, one in (("token only", None), ("with permission", authority)):
            await _requests(f"decisions over the socket, {name}", _decider(keys, one), known, one is not None)
    passwords = Passwords()
    try:
        hashed = await passwords.hash("a password")
        begin = time.process_time()
        for _ in range(LOGINS):
            assert await passwords.matches("a password", hashed)
        shown("password checks (argon2id, 19 MiB, 2 passes)", LOGINS, time.process_time() - begin)
    finally:
        passwords.close()


def _bouncer() -> web.Application:
    async def jwks(_: web.Request) -> web.Response:
        return web.json_response({"keys": [jwt.to_jwk(KEY.public_key())]})

    async def permissions(_: web.Request) -> web.Response:
        row = {"rid": "dcos:adminrouter:ops", "actions": [{"name": "full", "url": ""}]}
        return web.json_response({"direct": [row], "groups": []})

    app = web.Application()
    app.add_routes(
        [web.get("/acs/api/v1/auth/jwks", jwks), web.get("/acs/api/v1/users/{uid}/permissions", permissions)]
    )
    return app


async def _nothing() -> Any:
    return None


def _knowledge(name: str, fetch: Callable[[], Any]) -> Knowledge[Any]:
    logger = log.get_logger("bench")
    return Knowledge(name, fetch, clock=SystemClock(), log=logger, soft_limit_s=60.0, hard_limit_s=600.0, timeout_s=5.0)


def _decider(keys: Keys, authority: Authority | None) -> Decider:
    async def srv(_: str) -> tuple[str, int] | None:
        return None

    async def apps() -> Apps:
        return Apps()

    async def cluster() -> Cluster:
        return Cluster()

    view = View(
        node_ip="127.0.0.1",
        local={},
        router_port=80,
        agent_router_port=61001,
        apps=_knowledge("apps", apps),
        cluster=_knowledge("cluster", cluster),
        leaders={},
        srv=srv,
        master="127.0.0.1:5050",
    )
    nowhere = Path("/nonexistent")
    where = Where(view, clock=SystemClock())
    return Decider(
        where=where,
        recall=Recall(where.now, clock=SystemClock(), log=log.get_logger("bench")),
        memory=nowhere,
        keys=keys,
        auth=True,
        authority=authority,
        clock=SystemClock(),
        status_socket=nowhere,
        certificate=None,
        cluster_id=nowhere,
        public_ip=None,
    )


async def _requests(what: str, decider: Decider, token: str, permitted: bool) -> None:
    """Client and server are one process: a request costs both."""
    need = "dcos:adminrouter:ops:mesos" if permitted else "token"
    headers = {"Authorization": f"token={token}"}
    with tempfile.TemporaryDirectory(prefix="bench-identity-") as folder:
        socket = Path(folder) / "decide.sock"
        async with (
            http.listen_unix(decider.application(), path=socket),
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(socket))) as client,
        ):
            begin = time.process_time()
            for _ in range(REQUESTS):
                async with client.get(f"http://x/decide/{need}/mesos", headers=headers) as reply:
                    assert reply.status == 200
            shown(f"{what}, client included", REQUESTS, time.process_time() - begin)


if __name__ == "__main__":
    asyncio.run(main())
