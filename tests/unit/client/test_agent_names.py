"""How an agent finds out what a token's account may do: it asks the front door with that token."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from dcos.client.agent_names import FrontDoor
from dcos.client.authority import AuthorityAway
from dcos.model.permissions import NOTHING, Permission
from dcos.runtime import http
from dcos.runtime.http_auth import Unauthorized
from dcos.runtime.log import get_logger
from dcos.wire.claims import claimed_uid


def token(uid: object, mark: str = "good") -> str:
    body = base64.urlsafe_b64encode(json.dumps({"uid": uid}).encode()).decode().rstrip("=")
    return f"e30.{body}.{mark}"


@pytest.mark.parametrize(
    ("given", "uid"),
    [
        (token("bob"), "bob"),
        (token("a@b.c"), "a@b.c"),
        (token(""), ""),
        (token(1), ""),
        (token(None), ""),
        ("", ""),
        ("a.b", ""),
        ("a.!.c", ""),
        ("a.b.c", ""),
        ("a.e30.c", ""),
        ("e30.\xff.c", ""),
        ("a.b.c.d", ""),
    ],
)
def test_whom_a_token_claims_to_speak_for(given: str, uid: str) -> None:
    assert claimed_uid(given) == uid


@dataclass
class Hand:
    """A clock set by hand."""

    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@dataclass
class Bouncer:
    """Behind its door, which looks at tokens."""

    status: int = 200
    rid: str = "dcos:mesos:agent:flags"
    asked: list[str] = field(default_factory=list)

    async def permissions(self, request: web.Request) -> web.Response:
        self.asked.append(request.match_info["uid"])
        if not request.headers["Authorization"].endswith(".good"):
            return web.Response(status=401)
        row = {"rid": self.rid, "actions": [{"name": "read", "url": ""}]}
        return web.json_response({"direct": [row], "groups": []}, status=self.status)


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[FrontDoor, Bouncer, Hand]]:
    bouncer, clock, leader = Bouncer(), Hand(), [""]
    app = http.application()
    app.add_routes([web.get("/acs/api/v1/users/{uid}/permissions", bouncer.permissions)])
    async with http.listen(app, host="127.0.0.1", port=0) as (_, port):
        leader[0] = "127.0.0.1:5050"
        door = FrontDoor(
            f"http://leader.mesos:{port}", ca=None, leader=lambda: leader[0], clock=clock, log=get_logger("test")
        )
        try:
            yield door, bouncer, clock
        finally:
            await door.close()


async def test_what_is_said_holds_for_a_second() -> None:
    async with asking() as (door, bouncer, clock):
        uid, grants = await door.rights(token("bob"))
        assert (uid, grants.allow(Permission("dcos:mesos:agent:flags", "read"))) == ("bob", True)
        bouncer.rid = "dcos:mesos:agent:log"
        assert await door.rights(token("bob")) == (uid, grants)
        clock.at += 1.0
        assert await door.rights(token("bob")) != (uid, grants)
        assert bouncer.asked == ["bob", "bob"]


async def test_a_bad_token_is_nobodys_whatever_it_says() -> None:
    async with asking() as (door, bouncer, _):
        for bad in (token("bob", "bad"), "nonsense", token("")):
            with pytest.raises(Unauthorized):
                await door.rights(bad)
        assert (await door.rights(token("bob")))[0] == "bob"
        with pytest.raises(Unauthorized):
            await door.rights(token("bob", "bad"))
        assert bouncer.asked == ["bob", "bob", "bob"], "what says nothing is not asked about"


async def test_who_is_gone_may_nothing_and_who_is_known_stays_so_for_a_minute() -> None:
    async with asking() as (door, bouncer, clock):
        known = await door.rights(token("bob"))
        bouncer.status = 502
        clock.at += 30
        assert await door.rights(token("bob")) == known
        with pytest.raises(AuthorityAway):
            await door.rights(token("ann"))
        clock.at += 31.0
        with pytest.raises(AuthorityAway):
            await door.rights(token("bob"))
        bouncer.status = 400
        assert await door.rights(token("bob")) == ("bob", NOTHING)


async def test_without_a_leader_nobody_is_known() -> None:
    door = FrontDoor("https://leader.mesos", ca=None, leader=lambda: None, clock=Hand(), log=get_logger("test"))
    with pytest.raises(AuthorityAway):
        await door.rights(token("bob"))
    await door.close()
