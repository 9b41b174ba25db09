"""What waits says why, per agent, and what would help: over HTTP, on a fake Mesos."""

from __future__ import annotations

from typing import Any

from dcos.marathon.core import events
from dcos.marathon.core.agents import Agent, Cluster, Role
from dcos.model.marathon_state import AgentRef
from dcos.model.resources import Resources
from dcos.model.v1.types import TaskState
from tests.unit.marathon.conftest import House, Running

APP: dict[str, Any] = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32}


async def waits(marathon: Running, app: str = "/web") -> dict[str, Any]:
    """The app's reasons by kind."""
    shown = (await marathon.ask("GET", f"/v2/apps{app}?embed=waits", status=200))["app"]
    return {one["kind"]: one for one in shown.get("waits", [])} | {"said": shown.get("explanation", "")}


async def test_each_agent_says_what_speaks_against_it(house: House) -> None:
    house.mesos.agent(4, "cpus:0.05;mem:4096;disk:10;ports:[31000-31999]", rack="r4")
    async with house.marathon() as marathon:
        await marathon.ask("POST", "/v2/apps", {**APP, "instances": 5, "constraints": [["hostname", "UNIQUE"]]}, 201)
        await marathon.until("three placed", lambda: marathon.running() == 3)
        await marathon.until("all refused", lambda: len(marathon.leader.state.queue["/web"].refusals()) == 4)
        found = await waits(marathon)
        offers = found["offers"]
        assert offers["text"] == "2 of 5 instances wait for a fitting offer"
        texts = {one["host"]: one["text"] for one in offers["agents"]}
        assert texts["10.0.0.1"].startswith("hostname UNIQUE: 10.0.0.1 already used by web.instance-")
        assert texts["10.0.0.4"] == "0.1 cpus wanted, 0.05 free (needs 0.05 more)"
        assert offers["helps"] == "another agent, of another hostname"
        assert "agent 10.0.0.4: 0.1 cpus wanted" in found["said"]
        [queued] = (await marathon.ask("GET", "/v2/queue?embed=waits"))["queue"]
        assert queued["waits"] == [offers]
        [deployment] = await marathon.ask("GET", "/v2/deployments?embed=waits")
        assert deployment["waits"] == [{"app": "/web", **offers}]
        assert deployment["explanation"].startswith("/web: 2 of 5 instances wait")
        assert isinstance(deployment["currentActions"][0]["waits"], str)


async def test_constraints_in_words(marathon: Running) -> None:
    rules = {
        "LIKE": (["rack", "LIKE", "r9"], "rack LIKE r9: here it is r1"),
        "UNLIKE": (["rack", "UNLIKE", "r.*"], "rack UNLIKE r.*: r1 matches"),
        "missing": (["gpu", "IS", "yes"], "gpu IS yes: it has no gpu"),
        "CLUSTER": (["rack", "CLUSTER", "r7"], "rack CLUSTER r7: here it is r1, all belong to r7"),
    }
    for number, (rule, text) in enumerate(rules.values()):
        app = f"/a{number}"
        await marathon.ask("POST", "/v2/apps", {**APP, "id": app, "constraints": [rule]}, 201)
        await marathon.until("refused", lambda app=app: len(marathon.leader.state.queue[app].refusals()) == 3)
        found = await waits(marathon, app)
        assert {one["host"]: one["text"] for one in found["offers"]["agents"]}["10.0.0.1"] == text


async def test_back_off_says_until_when_and_for_what(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "backoffSeconds": 50}, 201)
    await marathon.settled()
    [task_id] = marathon.mesos.tasks
    marathon.mesos.update(task_id, TaskState.TASK_FAILED, message="exited with 1")
    await marathon.until("waits", lambda: "/web" in marathon.leader.state.queue)
    found = (await waits(marathon))["backoff"]
    assert found["until"] == "2023-11-14T22:14:10.000Z"
    assert "TASK_FAILED, exited with 1" in found["text"]
    assert "DELETE /v2/queue/web/delay" in found["helps"]


async def test_without_offers_the_operator_api_tells_more(house: House) -> None:
    house.mesos.agents.clear()
    async with house.marathon() as marathon:
        await marathon.ask("POST", "/v2/apps", APP, 201)
        await marathon.until("revived", lambda: not marathon.leader.state.suppressed)
        assert "no agent has offered anything to role *" in (await waits(marathon))["said"]
        seen = Cluster(
            at=0.0,
            agents={
                "S1": Agent(AgentRef("h1", "S1"), Resources.parse("cpus:2;mem:64"), Resources.parse("cpus:2;mem:16")),
                "S2": Agent(AgentRef("h2", "S2"), active=False),
            },
            roles={"*": Role(limits={"cpus": 50}, consumed={"cpus": 20})},
        )
        await marathon.leader.ask(events.ClusterSeen(seen))
        found = await waits(marathon)
        texts = {one["host"]: one["text"] for one in found["offers"]["agents"]}
        assert texts["h1"] == "0.1 cpus wanted, 0 free (needs 0.1 more)"
        assert texts["h2"] == "not connected, deactivated or draining"
        assert found["quota"]["text"] == "quota of role *: 0.02 of 0.05 cpus are used, 0.1 wanted"
        await marathon.leader.ask(events.ClusterSeen(Cluster(0.0, {})))
        assert "the cluster has no agent" in (await waits(marathon))["said"]
        await marathon.leader.ask(events.Disconnected())
        assert list(await waits(marathon)) == ["disconnected", "said"]


async def test_instances_that_are_not_well(marathon: Running) -> None:
    marathon.mesos.autorun = False
    check = {"protocol": "COMMAND", "command": {"value": "true"}, "gracePeriodSeconds": 0}
    await marathon.ask("POST", "/v2/apps", {**APP, "healthChecks": [check], "unreachableStrategy": "disabled"}, 201)
    await marathon.until("staged", lambda: len(marathon.mesos.tasks) == 1)
    assert (await waits(marathon))["starting"]["text"] == "1 instance has yet to get running"
    [task_id] = marathon.mesos.tasks
    marathon.mesos.update(task_id, TaskState.TASK_RUNNING)
    await marathon.until("runs", lambda: marathon.running() == 1)
    marathon.mesos.update(task_id, TaskState.TASK_RUNNING, healthy=False, message="answered 503")
    await marathon.until("told", lambda: bool(marathon.leader.state.health))
    health = (await waits(marathon))["health"]
    assert health["agents"][0]["text"] == "failed 1 times, last: answered 503"
    marathon.mesos.lose(marathon.mesos.tasks[task_id].agent)
    await marathon.until("lost", lambda: any(one.is_unreachable for one in marathon.leader.state.instances.values()))
    assert "unreachable" in await waits(marathon)


async def test_a_dependency_and_events(marathon: Running) -> None:
    group = {
        "id": "/shop",
        "apps": [
            {**APP, "id": "db", "cpus": 100},
            {**APP, "id": "web", "dependencies": ["db"]},
        ],
    }
    headers = {"Accept": "text/event-stream"}
    async with marathon.client.get("/v2/events?event_type=app_waiting_event", headers=headers) as stream:
        await marathon.ask("POST", "/v2/groups", group, 201)
        found = (await waits(marathon, "/shop/web"))["earlierStep"]
        assert "comes after step 2 of 3, which waits for /shop/db" in found["text"]
        await marathon.tick(6)
        await stream.content.readline()
        line = (await stream.content.readline()).decode()
        assert '"appId":"/shop/db"' in line
        assert '"reason":"offers"' in line


async def test_nothing_is_shown_unasked_nor_where_nothing_is_waited_for(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "cpus": 1000}, 201)
    unasked = [
        (await marathon.ask("GET", "/v2/apps/web"))["app"],
        (await marathon.ask("GET", "/v2/queue"))["queue"][0],
        (await marathon.ask("GET", "/v2/deployments"))[0],
    ]
    for shown in unasked:
        assert not {"waits", "explanation"} & set(shown), "some clients fail on members that they do not know"
    await marathon.ask("PUT", "/v2/apps/web?force=true", {"cpus": 0.1}, 200)
    await marathon.settled()
    shown = (await marathon.ask("GET", "/v2/apps/web?embed=waits"))["app"]
    assert not {"waits", "explanation"} & set(shown)


async def test_nothing_is_shown_to_those_who_do_not_ask(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "cpus": 1000}, 201)
    await marathon.until("waits", lambda: "/web" in marathon.leader.state.queue)
    for path in ("/v2/apps/web", "/v2/queue", "/v2/deployments"):
        shown = str(await marathon.ask("GET", path))
        assert "waits" not in shown
        assert "explanation" not in shown
