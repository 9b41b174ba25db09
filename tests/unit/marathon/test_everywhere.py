"""``instances: "all"`` follows the agents; instances have an index."""

from __future__ import annotations

from typing import Any

from dcos.marathon.core import events
from dcos.marathon.core.agents import Agent, Cluster
from dcos.model.marathon_state import AgentRef
from dcos.model.names import INDEX_LABEL
from dcos.model.resources import Resources
from dcos.model.v1.types import TaskState
from dcos.testing.fake_mesos import FakeTask
from tests.unit.marathon.conftest import House, Running

APP: dict[str, Any] = {"id": "/daemon", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": "all"}


async def see(marathon: Running, *inactive: str) -> None:
    """The operator API tells of the agents of the fake Mesos."""
    marathon.clock.time += 1
    agents = {
        one.id: Agent(
            AgentRef(host=one.host, agent_id=one.id, attributes=one.attributes),
            Resources.parse("cpus:4;mem:4096;disk:1000;ports:[31000-31999]"),
            active=one.id not in inactive,
        )
        for one in marathon.mesos.agents.values()
        if one.reachable or one.id in inactive
    }
    await marathon.leader.ask(events.ClusterSeen(Cluster(marathon.clock.time, agents)))


def hosts(marathon: Running) -> list[str]:
    return sorted(one.agent.host for one in marathon.mesos.running())


async def test_one_on_each_agent_as_they_come_and_go(marathon: Running) -> None:
    made = await marathon.ask("POST", "/v2/apps", APP, 201)
    assert made["instancesMode"] == "all"
    assert isinstance(made["instances"], int)
    assert made["upgradeStrategy"]["maximumOverCapacity"] == 0
    await marathon.until("on all that offer", lambda: marathon.running() == 3)
    [deployment] = await marathon.ask("GET", "/v2/deployments?embed=waits")
    assert "agentsUnknown" in {one["kind"] for one in deployment["waits"]}
    await see(marathon)
    await marathon.settled()
    assert hosts(marathon) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    shown = (await marathon.ask("GET", "/v2/apps/daemon?embed=extensions"))["app"]
    assert (shown["instances"], shown["instancesMode"], shown["tasksRunning"]) == (3, "all", 3)

    marathon.mesos.agent(4)
    await see(marathon)
    await marathon.until("on the new one", lambda: marathon.running() == 4)
    marathon.mesos.lose(marathon.mesos.agents["S2"])
    await see(marathon)
    await marathon.until(
        "forgotten",
        lambda: (
            sorted(one.agent.host for one in marathon.leader.state.instances.values())
            == ["10.0.0.1", "10.0.0.3", "10.0.0.4"]
        ),
    )
    assert not marathon.leader.state.queue
    assert (await marathon.ask("GET", "/v2/apps/daemon"))["app"]["instances"] == 3


async def test_constraints_and_updates_one_agent_at_a_time(marathon: Running) -> None:
    app = {**APP, "constraints": [["rack", "UNLIKE", "r2"]]}
    await see(marathon)
    await marathon.ask("POST", "/v2/apps", app, 201)
    await marathon.settled()
    assert hosts(marathon) == ["10.0.0.1", "10.0.0.3"]
    await marathon.ask("PUT", "/v2/apps/daemon", {"cmd": "sleep 2000"}, 200)
    await marathon.settled()
    assert hosts(marathon) == ["10.0.0.1", "10.0.0.3"]
    assert marathon.mesos.highest <= 2, "never two on an agent"
    assert {one.info.command.value for one in marathon.mesos.running() if one.info.command} == {"sleep 2000"}
    await marathon.ask("PUT", "/v2/apps/daemon", {"constraints": [["rack", "LIKE", "r2"]]}, 200)
    await marathon.settled()
    await marathon.until("moved", lambda: hosts(marathon) == ["10.0.0.2"])


async def test_numbers_and_all_change_into_each_other(marathon: Running) -> None:
    await see(marathon)
    await marathon.ask("POST", "/v2/apps", {**APP, "instances": 1}, 201)
    await marathon.settled()
    kept = set(marathon.mesos.tasks)
    await marathon.ask("PUT", "/v2/apps/daemon", {"instances": "all"}, 200)
    await marathon.settled()
    assert marathon.running() == 3
    assert kept <= set(marathon.mesos.tasks)
    refused = await marathon.ask("DELETE", "/v2/apps/daemon/tasks?scale=true", status=422)
    assert "one instance on every matching agent" in refused["message"]
    await marathon.ask("PUT", "/v2/apps/daemon", {"instances": 2}, 200)
    await marathon.settled()
    assert marathon.running() == 2
    shown = (await marathon.ask("GET", "/v2/apps/daemon"))["app"]
    assert "instancesMode" not in shown
    over = {"upgradeStrategy": {"maximumOverCapacity": 1}}
    wrong = await marathon.ask("PUT", "/v2/apps/daemon", {"instances": "all", **over}, 422)
    assert wrong["details"][0]["path"] == "/upgradeStrategy/maximumOverCapacity"


async def test_draining_agents_get_none_and_full_ones_are_waited_for(house: House) -> None:
    """One that drains makes no offers."""
    house.mesos.agent(4, "cpus:0.01;mem:4096;disk:10;ports:[31000-31999]")
    async with house.marathon() as marathon:
        marathon.mesos.agents["S3"].reachable = False
        await see(marathon, "S3")
        await marathon.ask("POST", "/v2/apps", APP, 201)
        await marathon.until("two", lambda: marathon.running() >= 2)
        await marathon.tick(1)
        shown = (await marathon.ask("GET", "/v2/apps/daemon?embed=waits"))["app"]
        assert shown["instances"] == 3, "agent 4 is full now but large enough"
        texts = {one["host"]: one["text"] for one in shown["waits"][0]["agents"]}
        assert "0.1 cpus wanted, 0.01 free" in texts["10.0.0.4"]


def index_of(one: FakeTask) -> str:
    assert one.info.labels is not None
    assert one.info.command is not None
    assert one.info.command.environment is not None
    label = {pair.key: pair.value for pair in one.info.labels.labels}[INDEX_LABEL]
    assert {pair.name: pair.value for pair in one.info.command.environment.variables}[INDEX_LABEL] == label
    return str(label)


async def test_indices_are_reused_by_replacements(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "instances": 3, "backoffSeconds": 0}, 201)
    await marathon.settled()
    by_index = {index_of(one): key for key, one in marathon.mesos.tasks.items()}
    assert sorted(by_index) == ["0", "1", "2"]
    marathon.mesos.update(by_index["1"], TaskState.TASK_FAILED)
    await marathon.until("gone", lambda: by_index["1"] not in marathon.mesos.tasks)
    await marathon.tick(1)
    await marathon.until("replaced", lambda: marathon.running() == 3)
    assert sorted(index_of(one) for one in marathon.mesos.running()) == ["0", "1", "2"]
    await marathon.ask("PUT", "/v2/apps/daemon", {"cmd": "sleep 2", "killSelection": "HIGHEST_INDEX_FIRST"}, 200)
    await marathon.settled()
    assert sorted(index_of(one) for one in marathon.mesos.running()) == ["0", "1", "2"]
    marathon.mesos.update(
        next(key for key, one in marathon.mesos.tasks.items() if index_of(one) == "0"), TaskState.TASK_FAILED
    )
    await marathon.tick(1)
    await marathon.until("replaced", lambda: marathon.running() == 3)
    await marathon.ask("PUT", "/v2/apps/daemon", {"instances": 1}, 200)
    await marathon.settled()
    assert [index_of(one) for one in marathon.mesos.running()] == ["0"], "though it is the youngest"
