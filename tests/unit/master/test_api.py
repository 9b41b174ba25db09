"""The HTTP side over a real socket, with the registry in memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dcos.master.api import Api
from dcos.master.config import Config
from dcos.master.core.events import Recovered
from dcos.master.core.state import State
from dcos.master.persist import Registry, epoch_path
from dcos.master.service import listening, make_info
from dcos.master.writer import Writer
from dcos.runtime import http
from dcos.runtime.clock import SystemClock
from dcos.store.election import Epoch
from dcos.store.memory import MemoryEnsemble
from dcos.store.url import ZkUrl
from dcos.testing.fake_agent import FakeAgent
from dcos.testing.patience import PATIENCE_S
from dcos.wire import agent_link, recordio

GOLDEN = Path(__file__).parents[2] / "golden" / "mesos-1.11"
JSON = {"Content-Type": "application/json"}


@dataclass
class Served:
    url: str
    api: Api
    session: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, str, Mapping[str, str]]:
        async with self.session.get(self.url + path, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers

    async def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, str]:
        data = body if isinstance(body, str) else json.dumps(body)
        async with self.session.post(self.url + path, data=data, headers=headers or JSON) as answer:
            return answer.status, await answer.text()


@contextlib.asynccontextmanager
async def serving(*, lead: bool = True) -> AsyncIterator[Served]:
    config = Config(zk=ZkUrl.parse("zk://h/mesos"), cluster="test")
    state = State(config.rules(), make_info("m", "127.0.0.1", 5050, "localhost"), 1.0)
    writer = Writer(state, SystemClock(), store_timeout_s=5, max_subscribers=2)
    api = Api(writer, config)
    async with listening(api, host="127.0.0.1", port=0) as (port, reception):
        running = asyncio.gather(writer.run(), reception.run())
        async with http.session(headers={"Accept": "*/*"}) as session:
            if lead:
                store = MemoryEnsemble().session()
                await store.create(epoch_path("/mesos"), parents=True)
                writer.registry = Registry(store, "/mesos", Epoch(epoch_path("/mesos"), 0))
                api.leader = state.info
                writer.put(Recovered(writer.now(), await writer.registry.recover()))
                while state.recovered_at is None:
                    await asyncio.sleep(0)
            yield Served(f"http://127.0.0.1:{port}", api, session)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as made:
        yield made


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("scheduler-error-*")))
async def test_errors_are_upstreams(served: Served, name: str) -> None:
    recorded = json.loads((GOLDEN / f"{name}.json").read_text())
    request = recorded["request"]
    got = await served.post(request["POST"], request["body"], {"Content-Type": request["Content-Type"]})
    assert got == (recorded["status"], recorded["body"])


SUBSCRIBE = {
    "type": "SUBSCRIBE",
    "subscribe": {
        "framework_info": {"user": "root", "name": "f", "roles": ["r"], "capabilities": {"type": "MULTI_ROLE"}}
    },
}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (SUBSCRIBE, {**JSON, "Mesos-Stream-Id": "x"}, 400),
        (SUBSCRIBE, {**JSON, "Accept": "text/html"}, 406),
        ({"type": "SUBSCRIBE"}, JSON, 400),
        ({"type": "SUBSCRIBE", "subscribe": {"framework_info": {"name": "f"}}}, JSON, 400),
        ("x", {"Content-Type": "application/x-protobuf"}, 400),
        ({"type": "ACKNOWLEDGE", "framework_id": {"value": "f"}, "acknowledge": {}}, JSON, 400),
    ],
    ids=["stream id", "accept", "no member", "no user", "protobuf", "required"],
)
async def test_bad_calls(served: Served, body: Any, headers: dict[str, str], status: int) -> None:
    assert (await served.post("/api/v1/scheduler", body, headers))[0] == status


async def test_only_post(served: Served) -> None:
    status, _, headers = await served.get("/api/v1/scheduler")
    assert status == 405
    assert headers["Allow"] == "POST"


async def records(answer: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    decoder = recordio.Decoder()
    out: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(out) < count:
            out += [json.loads(record) for record in decoder.feed(await answer.content.readany())]
    return out


async def test_the_scheduler_stream(served: Served) -> None:
    async with served.session.post(served.url + "/master/api/v1/scheduler", json=SUBSCRIBE, headers=JSON) as answer:
        assert answer.status == 200
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert answer.headers["Content-Type"] == "application/json"
        stream = answer.headers["Mesos-Stream-Id"]
        first, second = await records(answer, 2)
        assert (first["type"], second) == ("SUBSCRIBED", {"type": "HEARTBEAT"})
        assert first["subscribed"]["heartbeat_interval_seconds"] == 15.0
        framework = first["subscribed"]["framework_id"]
        revive = {"type": "REVIVE", "framework_id": framework}
        assert await served.post("/api/v1/scheduler", revive, {**JSON, "Mesos-Stream-Id": stream}) == (202, "")
    while served.api.state.frameworks:  # failover timeout 0: gone with its stream
        await asyncio.sleep(0.01)


async def test_the_operators_stream(served: Served) -> None:
    async with served.session.post(served.url + "/api/v1/operator", json={"type": "SUBSCRIBE"}, headers=JSON) as answer:
        first, second = await records(answer, 2)
        assert first["type"] == "SUBSCRIBED"
        assert first["subscribed"]["get_state"]["get_agents"] == {"agents": [], "recovered_agents": []}
        assert second == {"type": "HEARTBEAT"}
        async with FakeAgent(served.url.removeprefix("http://")):
            (added,) = await records(answer, 1)
            assert added["type"] == "AGENT_ADDED"
            assert added["agent_added"]["agent"]["agent_info"]["hostname"] == "127.0.0.1"


async def test_too_many_operators_end_the_oldest(served: Served) -> None:
    async with contextlib.AsyncExitStack() as stack:
        answers = [
            await stack.enter_async_context(
                served.session.post(served.url + "/api/v1", json={"type": "SUBSCRIBE"}, headers=JSON)
            )
            for _ in range(3)
        ]
        await asyncio.wait_for(answers[0].content.read(), PATIENCE_S)
        assert len(served.api.writer.subscribers) == 2


@pytest.mark.parametrize(
    "call",
    [
        "GET_HEALTH",
        "GET_FLAGS",
        "GET_VERSION",
        "GET_METRICS",
        "GET_STATE",
        "GET_AGENTS",
        "GET_FRAMEWORKS",
        "GET_TASKS",
        "GET_EXECUTORS",
        "GET_ROLES",
        "GET_MASTER",
        "GET_WEIGHTS",
        "GET_OPERATIONS",
    ],
)
async def test_operator_reads(served: Served, call: str) -> None:
    body = {"type": call} | ({"get_metrics": {}} if call == "GET_METRICS" else {})
    status, text = await served.post("/api/v1", body)
    assert status == 200
    assert set(json.loads(text)) == {"type", call.lower()}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"type": "TEARDOWN"}, 400),
        ({"type": "TEARDOWN", "teardown": {"framework_id": {"value": "x"}}}, 400),
        ({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": "x"}}}, 404),
        ({"type": "START_MAINTENANCE", "start_maintenance": {}}, 400),
    ],
)
async def test_operator_changes(served: Served, body: dict[str, Any], status: int) -> None:
    assert (await served.post("/api/v1", body))[0] == status


PATHS = (
    "/state",
    "/state-summary",
    "/slaves",
    "/frameworks",
    "/roles",
    "/tasks",
    "/flags",
    "/version",
    "/weights",
    "/quota",
    "/maintenance/schedule",
    "/maintenance/status",
)


@pytest.mark.parametrize("form", ["{}", "/master{}", "{}/"])
async def test_paths(served: Served, form: str) -> None:
    for path in PATHS:
        status, text, headers = await served.get(form.format(path))
        assert (path, status) == (path, 200)
        assert headers["Content-Type"].startswith("application/json")
        json.loads(text)


async def test_jsonp_health_and_redirect(served: Served) -> None:
    status, text, headers = await served.get("/master/version?jsonp=cb")
    assert text.startswith("cb({")
    assert text.endswith("})")
    assert headers["Content-Type"].startswith("text/javascript")
    assert (await served.get("/health"))[:2] == (200, "")
    status, _, headers = await served.get("/redirect")
    assert (status, headers["Location"]) == (307, "//localhost:5050")
    assert (await served.get("/nowhere"))[0] == 404
    for query in ("order=up", "limit=x", "limit=-1", "offset=-1", f"limit={'9' * 50}"):
        assert (await served.get(f"/tasks?{query}"))[0] == 200, "upstream minds none of it"


async def test_big_answers_are_compressed(served: Served) -> None:
    _, _, headers = await served.get("/state", **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"


async def test_a_follower_has_nothing_to_recover() -> None:
    """What ``mesos_master_replog_synchronized`` looks at, on every master."""
    async with serving() as served:
        served.api.state.recovered_at = None
        assert served.api.metrics_now()["registrar/log/recovered"] == 0.0  # it leads and has not read yet
        served.api.leader = make_info("other", "127.0.0.9", 5050, "leader.example")
        assert served.api.metrics_now()["registrar/log/recovered"] == 1.0


async def test_a_follower_sends_to_the_leader() -> None:
    async with serving(lead=False) as served:
        assert (await served.get("/state"))[0] == 503
        served.api.leader = make_info("other", "127.0.0.9", 5050, "leader.example")
        status, _, headers = await served.get("/master/state?x=1")
        assert (status, headers["Location"]) == (307, "//leader.example:5050/master/state?x=1")
        for path in ("/health", "/version", "/flags", "/metrics/snapshot"):
            assert (await served.get(path))[0] == 200
        served.api.leader = served.api.state.info
        assert (await served.get("/state"))[0] == 503
        async with served.session.post(
            served.url + agent_link.PATH, data=b"", headers={"Content-Type": agent_link.CONTENT_TYPE}
        ) as answer:
            assert answer.status == 503


async def test_nonsense_on_the_link_ends_it(served: Served) -> None:
    headers = {"Content-Type": agent_link.CONTENT_TYPE}
    async with served.session.post(
        served.url + agent_link.PATH, data=recordio.frame(b'{"type":"NOPE"}'), headers=headers
    ) as answer:
        assert await asyncio.wait_for(answer.content.read(), PATIENCE_S) == b""
    async with served.session.post(served.url + agent_link.PATH, data=b"", headers=JSON) as answer:
        assert answer.status == 415
