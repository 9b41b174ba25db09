"""Authentication and authorization of the master's HTTP API: realms, 401, 403, and what is left out."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dcos.testing.fake_agent import FakeAgent
from dcos.testing.patience import PATIENCE_S
from dcos.wire import recordio
from tests.unit.master.served import JSON, Master, basic, serving

ADMIN, BOB = basic("admin", "s1"), basic("bob", "s2")
REALMS = ("--authenticate_http_readonly", "--authenticate_http_readwrite")


@pytest.fixture
def credentials(tmp_path: Path) -> str:
    file = tmp_path / "credentials.json"
    pairs = [{"principal": "admin", "secret": "s1"}, {"principal": "bob", "secret": "s2"}]
    file.write_text(json.dumps({"credentials": pairs}))
    file.chmod(0o600)
    return f"--credentials=file://{file}"


def acls(**sections: Any) -> str:
    return "--acls=" + json.dumps(sections)


def entity(*values: str, kind: str | None = None) -> dict[str, Any]:
    return {"type": kind} if kind else {"values": list(values)}


async def test_realms(credentials: str) -> None:
    async with serving(*REALMS, credentials) as master:
        for path in ("/health", "/redirect", "/version"):
            assert (await master.get(path)).status in (200, 307), path
        for path in ("/state", "/flags", "/metrics/snapshot", "/files/debug", "/system/stats.json", "/slaves/"):
            refused = await master.get(path)
            assert (refused.status, refused.text) == (401, ""), path
            assert refused.headers["WWW-Authenticate"] == 'Basic realm="mesos-master-readonly"'
            assert (await master.get(path, ADMIN)).status == 200, path
        refused = await master.call("GET_HEALTH")
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="mesos-master-readwrite"')
        assert (await master.call("GET_HEALTH", BOB)).status == 200
        assert (await master.post("/teardown", "frameworkId=x")).status == 401
        assert (await master.post("/api/v1/scheduler", {"type": "REVIVE"})).status == 400


@pytest.mark.parametrize(
    "header",
    [
        basic("admin", "wrong"),
        basic("nobody", "s1"),
        basic("admin", ""),
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic /////w=="},
        {"Authorization": "Bearer x"},
        {"Authorization": ""},
    ],
)
async def test_bad_credentials(credentials: str, header: dict[str, str]) -> None:
    async with serving(*REALMS, credentials) as master:
        assert (await master.get("/state", header)).status == 401


async def test_a_realm_that_is_open_looks_at_no_header(credentials: str) -> None:
    async with serving(credentials) as master:
        assert (await master.get("/state", basic("admin", "wrong"))).status == 200


async def test_names_come_before_the_redirect(credentials: str) -> None:
    async with serving(*REALMS, credentials, lead=False) as master:
        assert (await master.get("/state")).status == 401
        assert (await master.get("/state", ADMIN)).status == 503


async def test_disabled_endpoints() -> None:
    async with serving('--firewall_rules={"disabled_endpoints": {"paths": ["/files/browse", "/api/v1"]}}') as master:
        refused = await master.get("/files/browse")
        assert (refused.status, refused.text) == (403, "Endpoint '/files/browse' is disabled")
        assert (await master.call("GET_HEALTH")).status == 403
        assert (await master.get("/state")).status == 200


def subscribe(principal: str | None = None, user: str = "root", *roles: str) -> dict[str, Any]:
    info: dict[str, Any] = {
        "user": user,
        "name": user,
        "roles": list(roles or ("r",)),
        "failover_timeout": 100,
        "capabilities": [{"type": "MULTI_ROLE"}],
    }
    if principal is not None:
        info["principal"] = principal
    return {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}


@contextlib.asynccontextmanager
async def stream(
    master: Master, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
) -> AsyncIterator[tuple[aiohttp.ClientResponse, asyncio.Queue[dict[str, Any]]]]:
    """The answer, and its records as they come."""
    async with master.session.post(master.url + path, json=body, headers={**JSON, **(headers or {})}) as answer:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def pump() -> None:
            decoder = recordio.Decoder()
            while chunk := await answer.content.readany():
                for record in decoder.feed(chunk):
                    queue.put_nowait(json.loads(record))

        task = asyncio.create_task(pump())
        try:
            yield answer, queue
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
                await task


async def wanted(queue: asyncio.Queue[dict[str, Any]], kind: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            event = await queue.get()
            if event["type"] == kind:
                return event


async def test_schedulers_prove_their_principal(credentials: str) -> None:
    flags = ("--authenticate_http_frameworks", "--http_framework_authenticators=basic")
    async with serving(*flags, credentials) as master:
        refused = await master.post("/api/v1/scheduler", subscribe("bob"))
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="mesos-master-scheduler"')
        refused = await master.post("/api/v1/scheduler", subscribe("admin"), BOB)
        assert refused.status == 400
        assert refused.text == (
            "Failed to validate scheduler::Call: Authenticated principal 'bob' does not match principal 'admin' set in"
            " `FrameworkInfo`"
        )
        async with stream(master, "/api/v1/scheduler", subscribe(), BOB) as (answer, queue):
            framework = (await wanted(queue, "SUBSCRIBED"))["subscribed"]["framework_id"]
            assert master.api.state.frameworks[framework["value"]].info.principal == "bob"
            revive = {"type": "REVIVE", "framework_id": framework}
            headers = {"Mesos-Stream-Id": answer.headers["Mesos-Stream-Id"]}
            assert (await master.post("/api/v1/scheduler", revive, {**headers, **BOB})).status == 202
            stranger = await master.post("/api/v1/scheduler", revive, {**headers, **ADMIN})
            assert stranger.status == 400
            assert stranger.text.startswith("Authenticated principal 'admin' does not match principal 'bob'")


async def test_frameworks_need_their_roles() -> None:
    rules = acls(
        permissive=False, register_frameworks=[{"principals": entity("marathon"), "roles": entity("eng", "eng/%")}]
    )
    async with serving(rules) as master:
        async with stream(master, "/api/v1/scheduler", subscribe("marathon", "root", "eng", "eng/dev")) as (_, queue):
            await wanted(queue, "SUBSCRIBED")
        async with stream(master, "/api/v1/scheduler", subscribe("marathon", "root", "ops", "eng")) as (_, queue):
            error = await wanted(queue, "ERROR")
            text = error["error"]["message"]
            assert text == "Not authorized to register framework  with roles { eng, ops }"
        async with stream(master, "/api/v1/scheduler", subscribe(None, "root", "eng")) as (_, queue):
            await wanted(queue, "ERROR")


VIEWERS = acls(
    view_frameworks=[
        {"principals": entity("admin"), "users": entity(kind="ANY")},
        {"principals": entity("bob"), "users": entity("bob")},
        {"principals": entity(kind="ANY"), "users": entity(kind="NONE")},
    ],
    view_roles=[
        {"principals": entity("bob"), "roles": entity("b")},
        {"principals": entity("bob"), "roles": entity(kind="NONE")},
    ],
    view_flags=[
        {"principals": entity("admin"), "flags": entity(kind="ANY")},
        {"principals": entity(kind="ANY"), "flags": entity(kind="NONE")},
    ],
    get_endpoints=[
        {"principals": entity("admin"), "paths": entity(kind="ANY")},
        {"principals": entity(kind="ANY"), "paths": entity(kind="NONE")},
    ],
    teardown_frameworks=[
        {"principals": entity("admin"), "framework_principals": entity(kind="ANY")},
        {"principals": entity(kind="ANY"), "framework_principals": entity(kind="NONE")},
    ],
    mark_agents_gone=[{"principals": entity("bob"), "agents": entity(kind="NONE")}],
    update_weights=[{"principals": entity("bob"), "roles": entity("b")}],
    set_log_level=[{"principals": entity("bob"), "level": entity(kind="NONE")}],
)


async def test_reads_leave_out_what_may_not_be_seen(credentials: str) -> None:
    async with (
        serving(*REALMS, credentials, VIEWERS) as master,
        stream(master, "/api/v1", {"type": "SUBSCRIBE"}, BOB) as (_, seen),
        stream(master, "/api/v1/scheduler", subscribe(None, "alice", "a")) as (_, alice),
        stream(master, "/api/v1/scheduler", subscribe(None, "bob", "b")) as (_, bob),
    ):
        await wanted(alice, "SUBSCRIBED")
        await wanted(bob, "SUBSCRIBED")
        # The first framework that bob hears of is his.
        added = await wanted(seen, "FRAMEWORK_ADDED")
        assert added["framework_added"]["framework"]["framework_info"]["user"] == "bob"
        for path in ("/state", "/frameworks", "/state-summary"):
            for headers, users in ((ADMIN, ["alice", "bob"]), (BOB, ["bob"])):
                shown = (await master.get(path, headers)).json["frameworks"]
                assert sorted(one["name"] for one in shown) == users, path
        for headers, count in ((ADMIN, 2), (BOB, 1)):
            got = (await master.call("GET_STATE", headers)).json["get_state"]
            assert len(got["get_frameworks"]["frameworks"]) == count
            roles = (await master.get("/roles", headers)).json["roles"]
            assert len(roles) == count
        assert "flags" in (await master.get("/state", ADMIN)).json
        assert "flags" not in (await master.get("/state", BOB)).json
        for path in ("/flags", "/metrics/snapshot", "/logging/toggle", "/files/debug"):
            assert ((await master.get(path, ADMIN)).status, (await master.get(path, BOB)).status) == (200, 403), path
        assert (await master.call("GET_FLAGS", BOB)).status == 403


async def test_changes_that_are_forbidden(credentials: str) -> None:
    async with (
        serving(*REALMS, credentials, VIEWERS) as master,
        FakeAgent(master.url.removeprefix("http://")),
        stream(master, "/api/v1/scheduler", subscribe(None, "alice", "a")) as (_, alice),
    ):
        framework = (await wanted(alice, "SUBSCRIBED"))["subscribed"]["framework_id"]
        form = f"frameworkId={framework['value']}"
        assert (await master.post("/teardown", form, BOB)).status == 403
        assert (await master.call("TEARDOWN", BOB, framework_id=framework)).status == 403
        gone = {"agent_id": {"value": await master.agent()}}
        assert (await master.call("MARK_AGENT_GONE", BOB, **gone)).status == 403
        level = {"level": 1, "duration": {"nanoseconds": 1}}
        assert (await master.call("SET_LOGGING_LEVEL", BOB, **level)).status == 403
        assert framework["value"] in master.api.state.frameworks
        assert (await master.post("/master/teardown", form, ADMIN)).status == 200
        assert framework["value"] not in master.api.state.frameworks
