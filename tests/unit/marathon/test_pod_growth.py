"""What apps have beyond upstream, for pods: one on every agent, autoscaling, rebalancing, blue and green."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dcos.marathon.core import events, usage
from dcos.marathon.core.agents import Agent, Cluster
from dcos.marathon.core.autoscale import Sample
from dcos.marathon.measure import HttpSources, Measurer
from dcos.marathon.probes import pod_endpoint
from dcos.model.marathon_state import AgentRef, Condition
from dcos.model.pods import Pod
from dcos.scheduling.pods import executor_id
from tests.unit.marathon.conftest import House, Running
from tests.unit.marathon.test_everywhere import see

CONTAINER: dict[str, Any] = {
    "name": "one",
    "resources": {"cpus": 0.1, "mem": 32},
    "exec": {"command": {"shell": "sleep 1000"}},
}


def pod(scaling: dict[str, Any], name: str = "/pair", **scheduling: Any) -> dict[str, Any]:
    other = {**CONTAINER, "name": "two", "endpoints": [{"name": "http", "hostPort": 0}]}
    backoff = {"backoff": 0, "backoffFactor": 1, "maxLaunchDelay": 1}
    return {
        "id": name,
        "containers": [CONTAINER, other],
        "scaling": scaling,
        "scheduling": {"backoff": backoff, **scheduling},
    }


def hosts(marathon: Running) -> list[str]:
    state = marathon.leader.state
    return sorted(one.agent.host for one in state.instances.values() if one.condition is Condition.RUNNING)


async def test_one_on_each_agent_as_they_come_and_go(marathon: Running) -> None:
    await see(marathon)
    made = await marathon.ask("POST", "/v2/pods", pod({"kind": "all"}), 201)
    assert made["scaling"]["kind"] == "all"
    assert made["scheduling"]["upgrade"]["maximumOverCapacity"] == 0
    await marathon.settled()
    assert hosts(marathon) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert (await marathon.ask("GET", "/v2/pods/pair"))["scaling"] == {"kind": "all", "instances": 3}
    status = await marathon.ask("GET", "/v2/pods/pair::status")
    assert (status["status"], status["spec"]["scaling"]["instances"]) == ("STABLE", 3)

    marathon.mesos.agent(4)
    await see(marathon)
    await marathon.until("on the new one", lambda: len(hosts(marathon)) == 4)
    marathon.mesos.lose(marathon.mesos.agents["S2"])
    await see(marathon)
    await marathon.until("forgotten", lambda: hosts(marathon) == ["10.0.0.1", "10.0.0.3", "10.0.0.4"])
    changed = pod(
        {"kind": "all"}, placement={"constraints": [{"fieldName": "rack", "operator": "LIKE", "value": "r1"}]}
    )
    await marathon.ask("PUT", "/v2/pods/pair", changed, 200)
    await marathon.settled()
    await marathon.until("only where it matches", lambda: hosts(marathon) == ["10.0.0.1"])
    assert marathon.mesos.highest <= 8, "never two on an agent"


async def test_all_and_numbers_change_into_each_other(marathon: Running) -> None:
    await see(marathon)
    await marathon.ask("POST", "/v2/pods", pod({"kind": "fixed", "instances": 1}), 201)
    await marathon.settled()
    kept = set(marathon.mesos.tasks)
    await marathon.ask("PUT", "/v2/pods/pair", pod({"kind": "all"}), 200)
    await marathon.settled()
    assert len(hosts(marathon)) == 3
    assert kept <= set(marathon.mesos.tasks), "nothing is restarted"
    await marathon.ask("PUT", "/v2/pods/pair", pod({"instances": 2}), 200)
    await marathon.settled()
    assert len(hosts(marathon)) == 2


async def test_it_scales_explains_itself_and_keeps_its_number(marathon: Running) -> None:
    policy = {"min": 2, "max": 4, "cpu": 50, "scaleDownSeconds": 100}
    scaled = {"kind": "fixed", "autoscaling": policy}
    made = await marathon.ask("POST", "/v2/pods", pod(scaled), 201)
    assert made["scaling"]["instances"] == 2, "what is not said is the least"
    await marathon.settled()
    tasks = set(marathon.mesos.tasks)
    marathon.clock.time += 61
    await marathon.leader.ask(events.Sampled("/pair", Sample(cpu=100.0)))
    await marathon.settled()
    shown = await marathon.ask("GET", "/v2/pods/pair::autoscaling", status=200)
    assert (shown["instances"], shown["policy"]["max"]) == (4, 4)
    assert shown["history"][0]["explanation"] == "cpu 100 of 50; grows from 2 to 4"
    assert len(hosts(marathon)) == 4
    assert tasks <= set(marathon.mesos.tasks), "nothing is restarted"
    updated = await marathon.ask("PUT", "/v2/pods/pair", {**pod(scaled), "labels": {"a": "b"}}, 200)
    assert updated["scaling"]["instances"] == 4, "an update that does not name the number keeps it"
    await marathon.settled()
    named = await marathon.ask("PUT", "/v2/pods/pair", pod({**scaled, "instances": 3}), 200)
    assert named["scaling"]["instances"] == 3
    await marathon.settled()
    await marathon.ask("PUT", "/v2/pods/pair", pod({"instances": 1}), 200)
    gone = await marathon.ask("GET", "/v2/pods/pair::autoscaling", status=404)
    assert gone["message"] == "Pod '/pair' has no autoscaling"


async def test_measuring_reads_the_executor_and_the_named_endpoint(house: House) -> None:
    async def statistics(_: web.Request) -> web.Response:
        statistics = {"timestamp": house.clock.time, "mem_rss_bytes": 48 * usage.MIB}
        executors = [executor_id(one) for one in marathon.leader.state.instances]
        return web.json_response([{"executor_id": one, "statistics": statistics} for one in executors])

    async def counter(_: web.Request) -> web.Response:
        return web.Response(text=f"http_requests_total {(house.clock.time - start) * 7}\n")

    start = house.clock.time
    application = web.Application()
    application.router.add_get("/monitor/statistics", statistics)
    application.router.add_get("/metrics", counter)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        house.mesos.agents.clear()
        ports = f"ports:[{server.port}-{server.port}]"
        house.mesos.agent(1, f"cpus:4;mem:4096;disk:1000;{ports}").host = "127.0.0.1"
        async with house.marathon() as marathon:
            policy = {"max": 3, "mem": 50, "requests": {"target": 5, "endpoint": "http"}, "intervalSeconds": 10}
            await marathon.ask("POST", "/v2/pods", pod({"autoscaling": policy}), 201)
            await marathon.settled()
            agent = Agent(AgentRef("127.0.0.1", "S1"), address=f"127.0.0.1:{server.port}")
            await marathon.leader.ask(events.ClusterSeen(Cluster(0.0, {"S1": agent})))
            told: list[events.Event] = []
            measurer = Measurer(marathon.leader.state, told.append, marathon.leader.now, HttpSources(session))
            for _ in range(2):
                await measurer.look()
                marathon.clock.time += 10
            last = told[-1]
            assert isinstance(last, events.Sampled)
            assert (last.spec_id, last.sample.requests, last.sample.mem) == ("/pair", 7.0, 50.0)
            assert last.sample.troubles == ()
            [instance] = marathon.leader.state.instances.values()
            spec = marathon.leader.state.spec_of(instance)
            assert isinstance(spec, Pod)
            assert pod_endpoint(spec, instance, "none") is None


@pytest.mark.parametrize(
    ("scaling", "scheduling", "path", "text"),
    [
        ({"autoscaling": {"max": 3}}, {}, "/scaling/autoscaling", "at least one of"),
        (
            {"autoscaling": {"max": 3, "requests": {"target": 1, "endpoint": "ftp"}}},
            {},
            "/scaling/autoscaling/requests/endpoint",
            "the pod has no endpoint 'ftp'",
        ),
        ({"kind": "all", "autoscaling": {"max": 3, "cpu": 1}}, {}, "/scaling/autoscaling", "combined with instances"),
        ({"kind": "all"}, {"rebalance": {}}, "/scheduling/rebalance", "combined with instances"),
        ({"kind": "all"}, {"upgrade": {}}, "/scheduling/upgrade/maximumOverCapacity", "each agent holds one"),
        ({}, {"rebalance": {"maxDisruption": 0}}, "/scheduling/rebalance/maxDisruption", "1 or more"),
    ],
)
async def test_bad_policies_say_why(
    marathon: Running, scaling: dict[str, Any], scheduling: dict[str, Any], path: str, text: str
) -> None:
    answer = await marathon.ask("POST", "/v2/pods", pod(scaling, **scheduling), 422)
    assert answer["details"][0]["path"] == path
    assert text in answer["details"][0]["errors"][0]


async def test_an_agent_that_joins_gets_its_share(house: House) -> None:
    for number in (2, 3):
        del house.mesos.agents[f"S{number}"]
    async with house.marathon() as marathon:
        rebalance = {"by": "rack", "intervalSeconds": 10}
        await marathon.ask("POST", "/v2/pods", pod({"instances": 4}, rebalance=rebalance), 201)
        await marathon.settled()
        assert hosts(marathon) == ["10.0.0.1"] * 4
        marathon.mesos.agent(2, rack="r2")
        for _ in range(1000):
            await see(marathon)
            await marathon.tick(11)
            await asyncio.sleep(0.01)
            assert len(hosts(marathon)) >= 4
            even = Counter(hosts(marathon)) == {"10.0.0.1": 2, "10.0.0.2": 2}
            if even and not marathon.leader.state.moves:
                break
        else:
            raise AssertionError(hosts(marathon))
        assert marathon.mesos.highest == 10, "one pod of two containers at a time"


async def test_pods_switch_with_their_groups(marathon: Running) -> None:
    for name, count in (("blue", 2), ("green", 0)):
        await marathon.ask("POST", "/v2/pods", pod({"instances": count}, f"/shop/{name}/pair"), 201)
        await marathon.settled()
    planned = await marathon.ask("PUT", "/v2/groups/shop/blue?dryRun=true", {"switchTo": "green"}, 200)
    assert [[one["pod"] for one in step["actions"]] for step in planned["steps"]] == [
        ["/shop/green/pair"],
        ["/shop/blue/pair"],
    ]
    await marathon.ask("PUT", "/v2/groups/shop/blue", {"switchTo": "green"}, 200)
    await marathon.settled()
    assert {one.app_id for one in marathon.leader.state.instances.values()} == {"/shop/green/pair"}


async def test_what_waits_for_an_offer_is_listed_as_pending(house: House) -> None:
    house.mesos.agents.clear()
    async with house.marathon() as marathon:
        await marathon.ask("POST", "/v2/pods", pod({"instances": 2}), 201)
        status = await marathon.ask("GET", "/v2/pods/pair::status", status=200)
        assert status["status"] == "DEGRADED"
        first, second = status["instances"]
        assert {one["status"] for one in status["instances"]} == {"PENDING"}
        assert first["containers"] == []
        assert first["resources"] == {"cpus": 0.1, "mem": 32, "disk": 10, "gpus": 0}
        assert first["specReference"].endswith(status["spec"]["version"])
        assert "agentHostname" not in first
        assert (await marathon.ask("GET", "/v2/pods/pair::status"))["instances"] == status["instances"]

        killed = await marathon.ask("DELETE", f"/v2/pods/pair::instances/{first['id']}", status=200)
        assert (killed["instanceId"], killed["state"]["condition"]) == (first["id"], "Scheduled")
        waiting = [one["id"] for one in (await marathon.ask("GET", "/v2/pods/pair::status"))["instances"]]
        assert waiting[0] == second["id"]
        assert first["id"] not in waiting
        assert len(waiting) == 2
        many = await marathon.ask("DELETE", "/v2/pods/pair::instances", [second["id"], "pair.instance-none"], 200)
        assert [one["instanceId"] for one in many] == [second["id"]]

        waiting = [one["id"] for one in (await marathon.ask("GET", "/v2/pods/pair::status"))["instances"]]
        marathon.mesos.agent(1)
        marathon.mesos.offer()
        await marathon.settled()
        assert sorted(marathon.leader.state.instances) == sorted(waiting), "they start under the ids that they had"
        status = await marathon.ask("GET", "/v2/pods/pair::status")
        assert {one["status"] for one in status["instances"]} == {"STABLE"}
