"""Autoscaling: the decision, what becomes of it, and how values are measured."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from dcos.client import prometheus
from dcos.client.prometheus import NoValue
from dcos.marathon.core import events, usage
from dcos.marathon.core.agents import Agent, Cluster
from dcos.marathon.core.autoscale import Advice, Sample, decide
from dcos.marathon.core.usage import Count, Usage
from dcos.marathon.measure import HttpSources, Measurer
from dcos.model.marathon_growth import Autoscaling, QueryTarget
from dcos.model.marathon_state import AgentRef
from tests.unit.marathon.conftest import House, Running

CPU = Autoscaling(min=1, max=10, cpu=50.0)
APP: dict[str, Any] = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": 2}


def advice(policy: Autoscaling, instances: int, sample: Sample, **more: Any) -> Advice:
    given: dict[str, Any] = {"history": (), "scaled_at": 0.0, "watched_since": 0.0, "now": 1000.0, **more}
    return decide(policy, instances, sample, **given)


@pytest.mark.parametrize(
    ("policy", "instances", "sample", "wanted", "word"),
    [
        (CPU, 2, Sample(cpu=100.0), 4, "grows from 2 to 4"),
        (CPU, 2, Sample(cpu=53.0), 2, "2 instances are right"),
        (CPU, 4, Sample(cpu=10.0), 1, "shrinks from 4 to 1"),
        (CPU, 2, Sample(cpu=1000.0), 6, "at most 6 at once"),
        (CPU, 8, Sample(cpu=100.0), 10, "bounded to 1..10"),
        (CPU, 20, Sample(), 10, "20 is outside 1..10"),
        (CPU, 3, Sample(troubles=("agent h: 401",)), 3, "cpu unknown; agent h: 401"),
        (Autoscaling(max=9, cpu=50.0, mem=50.0), 4, Sample(cpu=10.0), 4, "does not shrink while a metric is unknown"),
        (Autoscaling(max=9, cpu=50.0, mem=50.0), 4, Sample(cpu=10.0, mem=75.0), 6, "mem 75 of 50"),
        (Autoscaling(max=9, query=QueryTarget(query="q", target=10.0)), 2, Sample(query=50.0), 5, "query 25 of 10"),
    ],
)
def test_decisions(policy: Autoscaling, instances: int, sample: Sample, wanted: int, word: str) -> None:
    made = advice(policy, instances, sample)
    assert (made.wanted, word in made.text) == (wanted, True), made.text


def test_cool_down_and_the_memory_of_higher_numbers() -> None:
    cooling = advice(CPU, 2, Sample(cpu=100.0), scaled_at=990.0)
    assert (cooling.wanted, cooling.asked) == (2, 4)
    assert "cools down for 50 s more" in cooling.text
    lately = (Advice(900.0, 4, 3, 4, ""),)
    kept = advice(CPU, 4, Sample(cpu=10.0), history=lately)
    assert kept.wanted == 3
    assert "3 were needed within the last 300 s" in kept.text
    assert advice(CPU, 4, Sample(cpu=10.0), watched_since=900.0).wanted == 4, "a new leader waits"


@given(st.integers(1, 30), st.floats(0, 1000), st.integers(1, 5), st.integers(5, 20))
def test_advice_stays_in_bounds_and_settles(instances: int, load: float, low: int, high: int) -> None:
    """``load``: percent of one instance's cpu, shared by all."""
    policy = Autoscaling(min=low, max=high, cpu=50.0, cooldown_seconds=0.0, scale_down_seconds=0.0)
    for _ in range(20):
        made = advice(policy, instances, Sample(cpu=load / instances))
        assert low <= made.wanted <= high
        if made.wanted == instances:
            break
        instances = made.wanted
    else:
        raise AssertionError("it never rests")


def test_usage() -> None:
    before = {"a": Usage(10.0, 1.0), "b": Usage(10.0, 5.0)}
    after = {"a": Usage(20.0, 6.0, 64 * usage.MIB), "b": Usage(20.0, 1.0), "c": Usage(20.0, 9.0)}
    assert usage.cpu_percent(before, after, 0.5) == [100.0, 20.0]
    assert usage.mem_percent(after, 128) == [50.0]
    assert usage.average([1.0, 3.0], 3) == 2.0
    assert usage.average([1.0], 3) is None
    assert usage.total([2.0], 2) == 4.0
    assert usage.rate(Count(1.0, 5.0), Count(1.5, 9.0)) is None


async def sample(marathon: Running, **values: float) -> dict[str, Any]:
    await marathon.leader.ask(events.Sampled("/web", Sample(**values)))  # type: ignore[arg-type]
    await marathon.settled()
    shown: dict[str, Any] = await marathon.ask("GET", "/v2/apps/web/autoscaling", status=200)
    return shown


async def test_it_scales_and_explains_itself(marathon: Running) -> None:
    policy = {"min": 1, "max": 4, "cpu": 50, "cooldownSeconds": 60, "scaleDownSeconds": 100}
    made = await marathon.ask("POST", "/v2/apps", {**APP, "autoscaling": policy}, 201)
    assert made["autoscaling"]["cpu"] == 50
    await marathon.settled()
    tasks = set(marathon.mesos.tasks)
    assert (await sample(marathon, cpu=100.0))["history"][0]["applied"] is False
    marathon.clock.time += 61
    shown = await sample(marathon, cpu=100.0)
    assert shown["instances"] == 4
    assert shown["history"][0]["explanation"] == "cpu 100 of 50; grows from 2 to 4"
    assert marathon.running() == 4
    assert tasks <= set(marathon.mesos.tasks), "nothing is restarted"
    marathon.clock.time += 61
    assert (await sample(marathon, cpu=10.0))["instances"] == 4
    marathon.clock.time += 101
    assert (await sample(marathon, cpu=10.0))["instances"] == 1
    assert marathon.running() == 1
    await marathon.ask("PUT", "/v2/apps/web", {"autoscaling": {**policy, "dryRun": True}}, 200)
    await marathon.settled()
    marathon.clock.time += 61
    shown = await sample(marathon, cpu=500.0)
    assert shown["instances"] == 1
    assert "dry run: nothing is changed" in shown["history"][0]["explanation"]
    assert marathon.running() == 1
    await marathon.ask("PUT", "/v2/apps/web", {"autoscaling": None}, 200)
    await marathon.settled()
    gone = await marathon.ask("GET", "/v2/apps/web/autoscaling", status=404)
    assert gone["message"] == "App '/web' has no autoscaling"
    missing = await marathon.ask("GET", "/v2/apps/none/autoscaling", status=404)
    assert "does not exist" in missing["message"]


@pytest.mark.parametrize(
    ("policy", "path", "text"),
    [
        ({"max": 3}, "/autoscaling", "at least one of"),
        ({"max": 0, "cpu": 1}, "/autoscaling/max", "at least min"),
        ({"max": 3, "cpu": -1}, "/autoscaling/cpu", "more than 0"),
        ({"max": 3, "requests": {"target": 1, "portIndex": 4}}, "/autoscaling/requests/portIndex", "1 ports"),
        ({"max": 3, "query": {"query": " ", "target": 1}}, "/autoscaling/query/query", "must not be empty"),
    ],
)
async def test_bad_policies_say_why(marathon: Running, policy: dict[str, Any], path: str, text: str) -> None:
    answer = await marathon.ask("POST", "/v2/apps", {**APP, "autoscaling": policy}, 422)
    assert answer["details"][0]["path"] == path
    assert text in answer["details"][0]["errors"][0]


async def test_measuring_agents_instances_and_prometheus(house: House) -> None:
    async def statistics(_: web.Request) -> web.Response:
        now = house.clock.time
        running = house.mesos.running()
        return web.json_response(
            [
                {
                    "executor_id": one.info.task_id.value,
                    "statistics": {
                        "timestamp": now,
                        "cpus_user_time_secs": (now - 1_700_000_000.0) * 0.05,
                        "mem_rss_bytes": 16 * usage.MIB,
                    },
                }
                for one in running
            ]
        )

    async def query(request: web.Request) -> web.Response:
        assert request.query["query"] == "load"
        return web.json_response(
            {"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "7"]}]}}
        )

    application = web.Application()
    application.router.add_get("/monitor/statistics", statistics)
    application.router.add_get("/api/v1/query", query)
    async with TestServer(application) as server, aiohttp.ClientSession() as session, house.marathon() as marathon:
        policy = {"max": 9, "cpu": 50, "mem": 50, "query": {"query": "load", "target": 1}, "intervalSeconds": 10}
        await marathon.ask("POST", "/v2/apps", {**APP, "autoscaling": policy}, 201)
        await marathon.settled()
        told: list[events.Event] = []
        url = str(server.make_url("")).rstrip("/")
        measurer = Measurer(
            marathon.leader.state, told.append, marathon.leader.now, HttpSources(session, prometheus_url=url)
        )
        await measurer.look()
        [first] = told
        assert isinstance(first, events.Sampled)
        assert first.sample.cpu is None
        assert "the master did not yet tell of agent" in first.sample.troubles[0]
        address = f"{server.host}:{server.port}"
        agents = {one.id: Agent(AgentRef(one.host, one.id), address=address) for one in house.mesos.agents.values()}
        await marathon.leader.ask(events.ClusterSeen(Cluster(0.0, agents)))
        await measurer.look()
        assert len(told) == 1, "not due yet"
        for _ in range(2):
            marathon.clock.time += 10
            await measurer.look()
        last = told[-1]
        assert isinstance(last, events.Sampled)
        assert last.sample.mem == 50.0
        assert last.sample.query == 7.0
        assert last.sample.cpu == pytest.approx(50.0)
        assert last.sample.troubles == ()


async def test_requests_and_the_metrics_of_rollouts(house: House) -> None:
    answers: dict[str, Any] = {"requests": 0.0, "errors": "0.5"}

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=f"# TYPE http_requests_total counter\nhttp_requests_total {answers['requests']}\n")

    async def query(_: web.Request) -> web.Response:
        return web.json_response(
            {"status": "success", "data": {"resultType": "scalar", "result": [1, answers["errors"]]}}
        )

    application = web.Application()
    application.router.add_get("/stats", metrics)
    application.router.add_get("/api/v1/query", query)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        house.mesos.agents.clear()
        house.mesos.agent(1, f"cpus:4;mem:4096;disk:1000;ports:[{server.port}-{server.port}]").host = "127.0.0.1"
        async with house.marathon() as marathon:
            url = str(server.make_url("")).rstrip("/")
            target = {"target": 10, "path": "/stats"}
            promotion = {"metric": {"query": "errors", "max": 0.1, "prometheusUrl": url}, "maxFailures": 1}
            wanted = {
                **APP,
                "instances": 1,
                "autoscaling": {"max": 9, "requests": target, "intervalSeconds": 10},
                "upgradeStrategy": {"minimumHealthCapacity": 0, "steps": [{"instances": 1}], "promotion": promotion},
            }
            await marathon.ask("POST", "/v2/apps", wanted, 201)
            await marathon.settled()
            told: list[events.Event] = []
            measurer = Measurer(marathon.leader.state, told.append, marathon.leader.now, HttpSources(session))
            await measurer.look()
            marathon.clock.time += 10
            answers["requests"] = 300.0
            await measurer.look()
            last = told[-1]
            assert isinstance(last, events.Sampled)
            assert last.sample.requests == 30.0
            await marathon.ask("PUT", "/v2/apps/web", {"cmd": "sleep 2"}, 200)
            await marathon.until(
                "judged", lambda: any(one.rollouts for one in marathon.leader.state.deployments.values())
            )
            await measurer.look()
            bad = told[-1]
            assert isinstance(bad, events.Measured)
            assert bad.measurement.value == 0.5
            await marathon.leader.ask(bad)
            await marathon.settled()
            assert (await marathon.ask("GET", "/v2/apps/web"))["app"]["cmd"] == "sleep 1000"


def test_answers_of_prometheus() -> None:
    text = '# TYPE http_requests counter\nhttp_requests_total{code="200"} 3\nhttp_requests_total{code="500"} 4\n'
    assert prometheus.counter(text, "http_requests_total") == 7
    assert prometheus.counter(text, "http_requests") == 7
    assert prometheus.first_value("scalar", [1, "2.5"]) == 2.5
    for kind, result in (("vector", []), ("matrix", []), ("vector", [{}])):
        with pytest.raises(NoValue):
            prometheus.first_value(kind, result)
    with pytest.raises(NoValue, match="no series named x"):
        prometheus.counter(text, "x")
