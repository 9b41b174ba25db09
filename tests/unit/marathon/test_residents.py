"""Apps with persistent volumes: their reservations are made, kept, used again and given back."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dcos.model.conversions import conversion
from dcos.model.marathon_state import Condition, Goal
from dcos.model.resource_kinds import Kind
from dcos.model.resources import Resources
from dcos.model.v1 import types as t
from tests.unit.marathon.conftest import House, Running

APP: dict[str, Any] = {
    "id": "/shop/db",
    "cmd": "run",
    "cpus": 0.5,
    "mem": 64,
    "disk": 10,
    "backoffSeconds": 0,
    "container": {
        "type": "MESOS",
        "volumes": [{"containerPath": "data", "mode": "RW", "persistent": {"size": 100}}],
    },
}


@pytest.fixture
def house() -> House:
    made = House(settings={"mesos_role": "web"})
    made.mesos.role = "web"
    for number in (1, 2, 3):
        made.mesos.agent(number, rack=f"r{number}")
    return made


def reserved(running: Running) -> list[Kind]:
    """Everything that is reserved on any agent and not in use."""
    return [kind for agent in running.mesos.agents.values() for kind, _ in agent.free if kind.reservations]


def volumes(running: Running) -> set[str]:
    """Of running tasks and on agents."""
    used = [one for task in running.mesos.tasks.values() for one in task.info.resources]
    ids = {one.disk.persistence.id for one in used if one.disk is not None and one.disk.persistence is not None}
    kinds = [kind for group in running.mesos._groups for kind, _ in group.resources] + reserved(running)
    return ids | {kind.persistence_id for kind in kinds if kind.persistence_id}


async def deployed(running: Running, **fields: Any) -> dict[str, Any]:
    await running.ask("POST", "/v2/apps", {**APP, **fields}, 201)
    await running.settled()
    [task, *_] = (await running.ask("GET", "/v2/apps/shop/db"))["app"]["tasks"]
    assert isinstance(task, dict)
    return task


async def test_it_is_launched_on_a_reservation_of_its_own(marathon: Running) -> None:
    task = await deployed(marathon)
    [volume] = task["localVolumes"]
    assert volume["containerPath"] == "data"
    assert volume["persistenceId"] == f"shop_db#data#{volume['uuid']}"
    assert volume["runSpecId"] == "/shop/db"
    assert task["id"].endswith("._app.1")
    [running] = marathon.mesos.running()
    assert volumes(marathon) == {volume["persistenceId"]}
    for one in running.info.resources:
        [reservation] = one.reservations
        assert reservation.role == "web"
        assert reservation.labels is not None
        labels = {label.key: label.value for label in reservation.labels.labels}
        assert labels == {"marathon_framework_id": "F1", "marathon_task_id": task["id"].removesuffix("._app.1")}
    app = (await marathon.ask("GET", "/v2/apps/shop/db"))["app"]
    assert app["residency"] == {"relaunchEscalationTimeoutSeconds": 3600, "taskLostBehavior": "WAIT_FOREVER"}
    assert app["upgradeStrategy"] == {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0}
    assert app["unreachableStrategy"] == "disabled"


async def test_failures_restarts_and_updates_keep_agent_and_volume(marathon: Running) -> None:
    task = await deployed(marathon)
    marathon.mesos.update(task["id"], t.TaskState.TASK_FAILED)
    await marathon.until("again", lambda: marathon.running() == 1)
    await marathon.ask("POST", "/v2/apps/shop/db/restart", {}, 200)
    await marathon.settled()
    await marathon.ask("PUT", "/v2/apps/shop/db", {"cmd": "run 2"}, 200)
    await marathon.settled()
    [now] = (await marathon.ask("GET", "/v2/apps/shop/db"))["app"]["tasks"]
    assert now["id"] == task["id"].removesuffix("1") + "4"
    assert now["localVolumes"] == task["localVolumes"]
    assert now["slaveId"] == task["slaveId"]
    [running] = marathon.mesos.running()
    assert running.info.command is not None
    assert running.info.command.value == "run 2"
    assert not reserved(marathon)


async def test_scaling_down_keeps_the_volume_for_scaling_up(marathon: Running) -> None:
    await deployed(marathon, instances=2, constraints=[["hostname", "UNIQUE"]])
    before = volumes(marathon)
    assert len(before) == 2
    await marathon.ask("PUT", "/v2/apps/shop/db", {"instances": 1}, 200)
    await marathon.settled()
    assert marathon.running() == 1
    [stopped] = [one for one in marathon.leader.state.instances.values() if one.goal is Goal.STOPPED]
    assert stopped.condition is Condition.KILLED
    told = {one["id"]: one for one in (await marathon.ask("GET", "/v2/apps/shop/db/tasks"))["tasks"]}
    resting = told.pop(stopped.task.id)
    assert (resting["ports"], {"startedAt", "stagedAt", "version"} & set(resting)) == ([], set())
    assert all({"startedAt", "stagedAt", "version"} <= set(one) for one in told.values())
    await marathon.ask("PUT", "/v2/apps/shop/db", {"instances": 2}, 200)
    await marathon.settled()
    assert marathon.running() == 2
    assert volumes(marathon) == before


@pytest.mark.parametrize("how", ["wipe", "delete", "gone"])
async def test_what_is_given_up_is_released(marathon: Running, how: str) -> None:
    task = await deployed(marathon)
    before = volumes(marathon)
    if how == "wipe":
        await marathon.ask("DELETE", f"/v2/apps/shop/db/tasks/{task['id']}?wipe=true", status=200)
        await marathon.until("another one", lambda: marathon.running() == 1 and task["id"] not in marathon.mesos.tasks)
    elif how == "delete":
        await marathon.ask("DELETE", "/v2/apps/shop/db", status=200)
        await marathon.settled()
    else:
        agent = marathon.mesos.tasks[task["id"]].agent
        marathon.mesos.update(task["id"], t.TaskState.TASK_GONE_BY_OPERATOR)
        marathon.mesos.tasks.pop(task["id"], None)
        del marathon.mesos.agents[agent.id]
        await marathon.until("another one", lambda: marathon.running() == 1)
    await marathon.until("released", lambda: not reserved(marathon))
    assert not before & volumes(marathon)
    for _ in range(3):
        await marathon.tick(61)
        marathon.mesos.offer()
    if how != "gone":
        await marathon.until("forgotten", lambda: not marathon.leader.state.releases)


async def test_a_reservation_of_nobody_is_given_back(house: House) -> None:
    async with house.marathon() as one:
        task = await deployed(one)
        one.mesos.autorun = False
        one.mesos.update(task["id"], t.TaskState.TASK_FAILED)
        await one.until("waits", lambda: bool(reserved(one)))
    for path in [path for path in house.ensemble.tree() if "/instance/" in path and "shop_db" in path]:
        store = house.ensemble.session()
        await store.delete(path)
        await store.close()
    house.mesos.autorun = True
    async with house.marathon() as two:
        await two.until("released", lambda: not reserved(two) and two.running() == 1)


async def test_a_new_leader_goes_on_with_the_reservation(house: House) -> None:
    async with house.marathon() as one:
        task = await deployed(one)
        before = volumes(one)
        agent = one.mesos.tasks[task["id"]].agent
        agent.filtered = True
        one.mesos.suppressed = True
        one.mesos.update(task["id"], t.TaskState.TASK_FAILED)
        await one.until("rests", lambda: not one.running())
    async with house.marathon() as two:
        await two.until("launched again", lambda: two.running() == 1)
        assert volumes(two) == before
        [instance] = two.leader.state.instances.values()
        assert instance.incarnation == 2


async def test_one_that_cannot_be_reached_is_waited_for(marathon: Running) -> None:
    task = await deployed(marathon)
    agent = marathon.mesos.tasks[task["id"]].agent
    marathon.mesos.lose(agent)
    await marathon.until("known", lambda: all(one.is_unreachable for one in marathon.leader.state.instances.values()))
    await marathon.tick(100_000)
    assert len(marathon.mesos.tasks) == 1
    assert len(marathon.leader.state.instances) == 1
    await marathon.ask("POST", "/v2/apps/shop/db/restart", {}, 200)
    await marathon.tick(10)
    assert marathon.leader.state.deployments, "it waits for the agent"
    agent.reachable = True
    marathon.mesos.update(task["id"], t.TaskState.TASK_RUNNING)
    await marathon.settled()
    [now] = marathon.mesos.running()
    assert now.agent is agent


async def test_one_that_was_never_heard_of_is_not_waited_for(marathon: Running) -> None:
    """Its agent went away with the launch: seed 900085 of the simulation with three agents."""
    marathon.mesos.autorun = False
    await marathon.ask("POST", "/v2/apps", APP, 201)
    await marathon.until("launched", lambda: len(marathon.mesos.tasks) == 1)
    [(lost, task)] = marathon.mesos.tasks.items()
    marathon.mesos.lose(task.agent, since=marathon.clock.time)
    await marathon.until("known", lambda: all(one.is_unreachable for one in marathon.leader.state.instances.values()))
    marathon.mesos.autorun = True
    await marathon.tick(299)
    assert list(marathon.mesos.tasks) == [lost]
    await marathon.tick(2)
    await marathon.settled()
    assert marathon.running() == 1
    task.agent.reachable = True
    marathon.mesos.update(lost, t.TaskState.TASK_RUNNING)
    await marathon.until("killed when it is back", lambda: lost not in marathon.mesos.tasks)
    marathon.mesos.offer()
    await marathon.until("its volume is given back", lambda: len(volumes(marathon)) == 1)


async def test_reservations_that_were_never_made_are_given_up(marathon: Running) -> None:
    marathon.mesos.autorun = False
    await marathon.ask("POST", "/v2/apps", APP, 201)
    await marathon.until("launched", lambda: len(marathon.mesos.tasks) == 1)
    [task] = marathon.mesos.tasks.values()
    del marathon.mesos.tasks[task.info.task_id.value]
    marathon.mesos._status(task, t.TaskState.TASK_ERROR, reason=t.TaskStatusReason.REASON_TASK_INVALID)
    marathon.mesos.autorun = True
    await marathon.until(
        "waits", lambda: [one.condition for one in marathon.leader.state.instances.values()] == [Condition.SCHEDULED]
    )
    await marathon.tick(21)
    await marathon.settled()
    [instance] = marathon.leader.state.instances.values()
    assert instance.id not in task.info.task_id.value
    assert instance.incarnation == 1


async def test_volumes_and_resources_stay_what_they_are(marathon: Running) -> None:
    await deployed(marathon)
    for change, text in (
        ({"cpus": 1}, "Resident Tasks may not change resource requirements!"),
        ({"requirePorts": True}, "Resident Tasks may not change resource requirements!"),
        ({"container": {"type": "MESOS"}}, "Persistent volumes can not be changed!"),
    ):
        refused = await marathon.ask("PUT", "/v2/apps/shop/db", change, 422)
        assert [error for one in refused["details"] for error in one["errors"]] == [text]


async def test_a_pod_keeps_its_volumes_too(marathon: Running) -> None:
    container = {
        "name": "db",
        "exec": {"command": {"shell": "x"}},
        "resources": {"cpus": 0.1, "mem": 32},
        "volumeMounts": [{"name": "data", "mountPath": "/var/data"}],
    }
    pod = {"id": "/pod", "containers": [container], "volumes": [{"name": "data", "persistent": {"size": 50}}]}
    await marathon.ask("POST", "/v2/pods", pod, 201)
    await marathon.settled()
    before = volumes(marathon)
    assert len(before) == 1
    [instance] = (await marathon.ask("GET", "/v2/pods/pod::status"))["instances"]
    assert {one["persistenceId"] for one in instance["localVolumes"]} == before
    marathon.mesos.update(next(iter(marathon.mesos.tasks)), t.TaskState.TASK_FAILED)
    await marathon.until("backs off", lambda: bool(marathon.leader.state.queue.asleep))
    await marathon.tick(2)
    await marathon.until("again", lambda: marathon.running() == 1)
    assert volumes(marathon) == before
    assert next(iter(marathon.mesos.tasks)).endswith(".db.2")
    await marathon.ask("DELETE", "/v2/pods/pod", status=202)
    await marathon.settled()
    await marathon.until("released", lambda: not reserved(marathon))


async def test_a_canary_and_its_end_keep_every_volume(marathon: Running) -> None:
    steps = {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0, "steps": [{"instances": 1, "pause": True}]}
    await deployed(marathon, instances=3, upgradeStrategy=steps)
    before = volumes(marathon)

    def commands() -> list[str]:
        return sorted(str(one.info.command.value) for one in marathon.mesos.running() if one.info.command)

    made = await marathon.ask("PUT", "/v2/apps/shop/db", {"cmd": "run 2"}, 200)
    await marathon.until("canary", lambda: commands() == ["run", "run", "run 2"])
    old = next(key for key, one in marathon.mesos.tasks.items() if one.info.command and one.info.command.value == "run")
    marathon.mesos.update(old, t.TaskState.TASK_FAILED)
    await marathon.tick(1)
    await marathon.until("the old one again", lambda: commands() == ["run", "run", "run 2"])
    await marathon.ask("PUT", f"/v2/deployments/{made['deploymentId']}", {"action": "abort"}, 200)
    await marathon.settled()
    assert commands() == ["run", "run", "run"]
    made = await marathon.ask("PUT", "/v2/apps/shop/db", {"cmd": "run 2"}, 200)
    await marathon.until("canary", lambda: commands() == ["run", "run", "run 2"])
    await marathon.tick(1)
    await marathon.ask("PUT", f"/v2/deployments/{made['deploymentId']}", {"action": "continue"}, 200)
    await marathon.settled()
    assert commands() == ["run 2", "run 2", "run 2"]
    assert volumes(marathon) == before


async def test_an_instance_keeps_its_role_when_its_app_gets_another(marathon: Running) -> None:
    task = await deployed(marathon)
    refused = await marathon.ask("PUT", "/v2/apps/shop/db", {"role": "shop"}, 422)
    assert "force=true" in refused["details"][0]["errors"][0]
    await marathon.ask("PUT", "/v2/apps/shop/db?force=true", {"role": "shop"}, 200)
    await marathon.settled()
    [now] = (await marathon.ask("GET", "/v2/apps/shop/db"))["app"]["tasks"]
    assert (now["role"], now["localVolumes"]) == ("web", task["localVolumes"])


async def test_one_whose_machine_is_back_as_another_agent_goes_on_there(marathon: Running) -> None:
    """The master says no more of tasks of an agent that it gave up and then sent away; its volumes are offered, so it ended."""
    task = await deployed(marathon)
    before = volumes(marathon)
    agent = marathon.mesos.tasks[task["id"]].agent
    marathon.mesos.lose(agent)
    await marathon.until("known", lambda: all(one.is_unreachable for one in marathon.leader.state.instances.values()))
    lost = marathon.mesos.tasks.pop(task["id"])
    del marathon.mesos.agents[agent.id]
    again = marathon.mesos.agent(9)
    again.free = agent.free + Resources.of(lost.info.resources)
    await marathon.tick(1)
    marathon.mesos.offer()
    await marathon.until("launched again", lambda: marathon.running() == 1)
    assert volumes(marathon) == before
    [instance] = marathon.leader.state.instances.values()
    assert (instance.incarnation, instance.agent.agent_id) == (2, again.id)


async def test_what_a_pods_executor_holds_for_a_while_is_given_back_too(marathon: Running) -> None:
    container = {
        "name": "db",
        "resources": {"cpus": 0.1, "mem": 32},
        "exec": {"command": {"shell": "x"}},
        "volumeMounts": [{"name": "data", "mountPath": "data"}],
    }
    pod = {"id": "/pod", "containers": [container], "volumes": [{"name": "data", "persistent": {"size": 50}}]}
    await marathon.ask("POST", "/v2/pods", pod, 201)
    await marathon.settled()
    marathon.mesos._groups[0].left.add("the executor itself")
    await marathon.ask("DELETE", "/v2/pods/pod", status=202)
    await marathon.settled()
    await marathon.until("its tasks' part is given back", lambda: not reserved(marathon))
    marathon.mesos._leave_group("the executor itself")
    assert reserved(marathon)
    for agent in marathon.mesos.agents.values():
        agent.filtered = False  # more than was declined is offered again
    await marathon.tick(10)
    marathon.mesos.offer()
    await marathon.until("the rest too", lambda: not reserved(marathon))
    await marathon.tick(61)
    for agent in marathon.mesos.agents.values():
        agent.filtered = False
    marathon.mesos.offer()
    await marathon.until("forgotten", lambda: not marathon.leader.state.releases)


async def test_one_whose_volume_was_never_made_is_replaced(marathon: Running) -> None:
    """Its agent died between RESERVE and CREATE: seed 3526 of the simulation."""
    marathon.mesos.autorun = False
    await marathon.ask("POST", "/v2/apps", APP, 201)
    await marathon.until("launched", lambda: len(marathon.mesos.tasks) == 1)
    [(task_id, task)] = marathon.mesos.tasks.items()
    [first] = marathon.leader.state.instances
    [volume] = [one for one in task.info.resources if one.disk is not None]
    lost = t.OfferOperation(
        type=t.OfferOperationType.DESTROY,
        destroy=t.OfferOperationDestroy(volumes=(replace(volume, allocation_info=None),)),
    )
    task.info = replace(
        task.info, resources=tuple(conversion(lost).apply(Resources.of(task.info.resources)).messages())
    )
    marathon.mesos.autorun = True
    marathon.mesos.update(task_id, t.TaskState.TASK_GONE)
    await marathon.until("another one", lambda: marathon.running() == 1)
    assert first not in marathon.leader.state.instances
    await marathon.until("given back", lambda: not reserved(marathon))
