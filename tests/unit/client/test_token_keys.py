"""Tokens while the keys to check them with are not known yet, and afterwards."""

from __future__ import annotations

import random
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dcos.client.token_keys import Keys
from dcos.runtime import log
from dcos.runtime.clock import SystemClock
from dcos.wire import jwt

KEY = jwt.generate_key()


async def test_who_asks_before_a_key_is_known_waits_for_the_next_look() -> None:
    """A first look that failed a moment ago refuses nobody."""
    looks: list[int] = []

    async def jwks(_: web.Request) -> web.Response:
        looks.append(1)
        if len(looks) == 1:
            return web.Response(status=503)
        return web.json_response({"keys": [jwt.to_jwk(KEY.public_key())]})

    app = web.Application()
    app.router.add_get("/jwks", jwks)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        made: dict[str, Any] = {"clock": SystemClock(), "rng": random.Random(1), "log": log.get_logger("test")}
        keys = Keys(str(server.make_url("/jwks")), session, **made)
        assert not await keys.refresh()
        assert (await keys.check(jwt.sign("bob", None, KEY))).uid == "bob"
        assert len(looks) == 2
        with pytest.raises(jwt.TokenError):
            await keys.check(jwt.sign("bob", None, jwt.generate_key()))
        assert len(looks) == 2, "a strange signature makes nobody look again at once"
