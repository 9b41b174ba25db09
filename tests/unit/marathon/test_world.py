"""Marathon's edges: what it stores, event streams, health probes, proxying."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from dcos.marathon import api
from dcos.marathon.core import health
from dcos.marathon.core.health import Health
from dcos.marathon.core.state import State
from dcos.marathon.persist import SCHEMA, Repository
from dcos.model.marathon import App, HealthCheck
from dcos.model.resources import Resources
from dcos.store.election import Epoch
from dcos.store.journal import SchemaTooNew, decode, encode
from dcos.testing.patience import PATIENCE_S
from tests.unit.marathon.conftest import House, Running

GOLDEN = Path(__file__).parents[2] / "golden/marathon"
APP: dict[str, Any] = {"id": "/shop/web", "cmd": "run", "cpus": 0.1, "mem": 32}


async def test_what_is_stored_is_what_is_known(house: House) -> None:
    async with house.marathon() as first:
        await first.ask("POST", "/v2/apps", APP, 201)
        await first.settled()
        await first.ask("POST", "/v2/apps", {**APP, "id": "/big", "labels": {"x": "y" * 20000}}, 201)
        await first.settled()
        await first.until("stored", lambda: not first.mesos.unacknowledged)
        before = first.leader.state
    async with house.marathon() as second:
        after = second.leader.state
        assert after.apps == before.apps
        assert after.groups == before.groups
        assert after.versions == before.versions
        assert after.framework_id == before.framework_id == "F1"
        assert {one.id: one.version for one in after.instances.values()} == {
            one.id: one.version for one in before.instances.values()
        }
    sizes = [len(data) for path, data in house.ensemble.tree().items() if "/app/" in path]
    assert max(sizes) < 2000, "big documents are deflated"


async def test_a_newer_schema_is_refused(house: House) -> None:
    store = house.ensemble.session()
    await store.create("/marathon/state/schema", b"99", parents=True)
    repository = Repository(store, "/marathon/state", marker="m")
    with pytest.raises(SchemaTooNew):
        await repository.load(Epoch("/marathon/state/epoch", 0))


async def test_a_write_whose_answer_was_lost_is_not_repeated(house: House) -> None:
    async with house.marathon() as one:
        store = one.leader.repository._journal._store
        store.fail_next_write(applied=True)  # type: ignore[attr-defined]
        await one.ask("POST", "/v2/apps", APP, 201)
        store.fail_next_write(applied=False)  # type: ignore[attr-defined]
        await one.ask("POST", "/v2/apps", {**APP, "id": "/other"}, 201)
        await one.settled()
        assert set(one.leader.state.apps) == {"/shop/web", "/other"}
    async with house.marathon() as two:
        assert set(two.leader.state.apps) == {"/shop/web", "/other"}


async def test_old_versions_are_forgotten(house: House) -> None:
    house.settings["zk_max_versions"] = 3
    async with house.marathon() as one:
        await one.ask("POST", "/v2/apps", {**APP, "instances": 0}, 201)
        for number in range(6):
            await one.settled()
            await one.ask("PUT", "/v2/apps/shop/web", {"cpus": 0.1 + number}, 200)
        versions = (await one.ask("GET", "/v2/apps/shop/web/versions"))["versions"]
        assert len(versions) == 3
        oldest = await one.ask("GET", f"/v2/apps/shop/web/versions/{versions[-1]}", status=200)
        await one.settled()
        await one.ask("PUT", "/v2/apps/shop/web", {"version": versions[-1]}, 200)
        assert (await one.ask("GET", "/v2/apps/shop/web"))["app"]["cpus"] == oldest["cpus"]
        refused = await one.ask("PUT", "/v2/apps/shop/web", {"version": versions[-1], "cpus": 1}, 422)
        assert refused["message"] == "The 'version' field may only be combined with the 'id' field."


def test_documents_survive_coding() -> None:
    app = App(id="/a", cmd="x", labels={"k": "v" * 9000}, health_checks=(HealthCheck(),))
    assert len(encode(app)) < 1000
    assert decode(encode(app), App) == app


async def test_the_event_stream(marathon: Running) -> None:
    headers = {"Accept": "text/event-stream"}
    url = "/v2/events?event_type=status_update_event&event_type=deployment_success"
    assert (await marathon.client.get("/v2/events")).status == 405
    async with marathon.client.get(url, headers=headers) as stream:
        assert stream.content_type == "text/event-stream"
        assert "Content-Encoding" not in stream.headers, "whoever can read that"
        await marathon.ask("POST", "/v2/apps", APP, 201)
        kinds = []
        async with asyncio.timeout(PATIENCE_S):
            while kinds[-1:] != ["deployment_success"]:
                line = (await stream.content.readline()).decode().strip()
                if line.startswith("event: "):
                    kinds.append(line.removeprefix("event: "))
                elif line.startswith("data: "):
                    event = json.loads(line.removeprefix("data: "))
                    assert event["eventType"] == kinds[-1]
                    assert event["timestamp"].endswith("Z")
    assert kinds == ["status_update_event", "status_update_event", "deployment_success"]


async def test_an_unhealthy_instance_is_killed_and_replaced(house: House) -> None:
    answers = [200]

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=answers[0])

    application = web.Application()
    application.router.add_get("/ok", answer)
    async with TestServer(application, host="127.0.0.1") as server, house.marathon() as one:
        house.mesos.agents.clear()
        agent = house.mesos.agent(9)
        agent.host = "127.0.0.1"
        agent.free = Resources.parse(f"cpus:4;mem:4096;ports:[{server.port}-{server.port}]")
        house.mesos.offer()
        check = {
            "path": "/ok",
            "gracePeriodSeconds": 0,
            "intervalSeconds": 1,
            "maxConsecutiveFailures": 2,
            "timeoutSeconds": 2,
        }
        await one.ask("POST", "/v2/apps", {**APP, "healthChecks": [check], "backoffSeconds": 0}, 201)
        await one.until("healthy", lambda: not one.leader.state.deployments)
        app = (await one.ask("GET", "/v2/apps/shop/web"))["app"]
        assert app["tasksHealthy"] == 1
        [task] = app["tasks"]
        assert task["healthCheckResults"][0]["alive"] is True
        answers[0] = 503
        await one.until("replaced", lambda: task["id"] not in house.mesos.tasks and one.running() == 1, 8)


@pytest.mark.parametrize(
    ("results", "failures", "alive"),
    [([False], 0, None), ([False, True], 0, True), ([True, False], 1, False), ([True, False, False, True], 0, True)],
    ids=["within grace", "first success", "after success", "recovered"],
)
def test_what_results_mean(results: list[bool], failures: int, alive: bool | None) -> None:
    check = HealthCheck(grace_period_seconds=100, max_consecutive_failures=2)
    state = Health()
    for number, result in enumerate(results):
        state = health.after(check, state, result, "why", started_at=0.0, now=float(number))
    assert state.consecutive_failures == failures
    assert health.overall([state]) is alive


async def test_a_follower_forwards_and_redirects(marathon: Running) -> None:
    leader = f"{marathon.client.host}:{marathon.client.port}"
    async with ClientSession() as session:
        proxy = api.leader_proxy(
            session,
            lambda: leader,
            "follower:1",
            connect_s=2,
            read_s=2,
        )
        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", proxy.handle)
        async with TestServer(application) as server:
            url = f"http://{server.host}:{server.port}"
            async with session.post(f"{url}/v2/apps?force=true", json=APP) as answer:
                assert answer.status == 201
                assert (await answer.json())["id"] == "/shop/web"
                assert answer.headers["X-Marathon-Leader"] == "http://me:1"
            async with session.get(f"{url}/v2/apps//shop/web") as answer:
                assert (await answer.json())["app"]["id"] == "/shop/web"
            async with session.get(f"{url}/v2/events", allow_redirects=False) as answer:
                assert answer.status == 302
                assert answer.headers["Location"] == f"http://{leader}/v2/events"


async def test_no_leader_is_a_bad_gateway() -> None:
    async with ClientSession() as session:
        proxy = api.leader_proxy(
            session,
            lambda: None,
            "follower:1",
            connect_s=1,
            read_s=1,
        )
        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", proxy.handle)
        async with TestServer(application) as server, session.get(server.make_url("/v2/apps")) as answer:
            assert answer.status == 502
            assert (await answer.json())["message"] == "Could not determine the current leader"


async def test_system_resources(marathon: Running) -> None:
    assert await marathon.ask("GET", "/ping", status=200) == b"pong"
    info = await marathon.ask("GET", "/v2/info", status=200)
    assert info["name"] == "marathon"
    assert info["elected"] is True
    assert info["frameworkId"] == "F1"
    assert (await marathon.ask("GET", "/v2/leader", status=200)) == {"leader": "me:1"}
    assert set(await marathon.ask("GET", "/metrics")) >= {"version", "counters", "gauges"}


async def _loaded(house: House, name: str) -> State:
    stored = json.loads((GOLDEN / name).read_bytes())
    store = house.ensemble.session()
    for path, data in stored.items():
        await store.create(f"/marathon/state/{path}", base64.b64decode(data), parents=True)
    await store.create("/marathon/state/epoch")
    state = await Repository(store, "/marathon/state", marker="m").load(Epoch("/marathon/state/epoch", 0))
    node = await store.get("/marathon/state/schema")
    assert node is not None
    assert node.data == str(SCHEMA).encode()
    return state


async def test_state_written_with_schema_2_is_read(house: House) -> None:
    """An app, a pod whose update is under way, and how an instance of it ended."""
    state = await _loaded(house, "schema-2.json")
    assert (set(state.apps), set(state.pods)) == ({"/db"}, {"/shop/pair"})
    assert state.pods["/shop/pair"].labels == {"team": "b"}
    old, new = state.versions["/shop/pair"]
    assert {one.version for one in state.instances.values() if one.app_id == "/shop/pair"} == {old, new}
    assert all(
        {task.name for task in one.tasks} == {"web", "side"} for one in state.instances.values() if one.version == new
    )
    [deployment] = state.deployments.values()
    assert [action.name for step in deployment.steps for action in step.actions] == ["RestartPod"]
    [ended] = state.histories["/shop/pair"].ended
    assert ended.message == "Command exited with status 3"


async def test_state_written_with_schema_1_is_read(house: House) -> None:
    state = await _loaded(house, "schema-1.json")
    assert set(state.apps) == {"/shop/web", "/db"}
    assert set(state.groups) == {"/", "/shop"}
    assert sorted(one.app_id for one in state.instances.values()) == ["/db", "/shop/web", "/shop/web"]
    [deployment] = state.deployments.values()
    assert deployment.affected == {"/shop/web"}
    assert state.framework_id == "F1"
