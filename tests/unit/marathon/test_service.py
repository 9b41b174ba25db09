"""Marathon as clients see it, on a fake Mesos: every answer comes through HTTP, every task through the scheduler API."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.model.v1.types import TaskState
from tests.unit.marathon.conftest import House, Running

SLEEP: dict[str, Any] = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": 2}


async def test_an_app_is_created_runs_and_is_shown(marathon: Running) -> None:
    made = await marathon.ask("POST", "/v2/apps", SLEEP, 201)
    assert made["id"] == "/web"
    assert made["tasksRunning"] == 0
    assert len(made["deployments"]) == 1
    assert made["portDefinitions"][0]["name"] == "default"
    assert 10000 <= made["portDefinitions"][0]["port"] <= 20000
    assert "ports" not in made
    await marathon.settled()
    assert marathon.running() == 2

    app = (await marathon.ask("GET", "/v2/apps//web", status=200))["app"]
    assert (app["tasksRunning"], app["tasksStaged"]) == (2, 0)
    assert {task["state"] for task in app["tasks"]} == {"TASK_RUNNING"}
    assert app["deployments"] == []
    [task, _] = app["tasks"]
    assert task["appId"] == "/web"
    assert task["servicePorts"] == [app["portDefinitions"][0]["port"]]
    assert (await marathon.ask("GET", "/v2/apps?label=x"))["apps"] == []
    assert [one["id"] for one in (await marathon.ask("GET", "/v2/apps?id=WE&cmd=sleep"))["apps"]] == ["/web"]
    assert len((await marathon.ask("GET", "/v2/tasks?status=running"))["tasks"]) == 2
    assert (await marathon.ask("GET", "/v2/queue")) == {"queue": []}


async def test_updates_are_acknowledged_and_offers_suppressed_when_idle(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", SLEEP, 201)
    await marathon.settled()
    await marathon.until("acknowledged", lambda: not marathon.mesos.unacknowledged)
    await marathon.until("suppressed", lambda: marathon.mesos.suppressed)


async def test_scaling_up_and_down_keeps_the_others(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", SLEEP, 201)
    await marathon.settled()
    before = set(marathon.mesos.tasks)
    answer = await marathon.ask("PUT", "/v2/apps/web", {"instances": 4}, 200)
    assert set(answer) == {"version", "deploymentId"}
    await marathon.settled()
    assert marathon.running() == 4
    assert before <= set(marathon.mesos.tasks)
    await marathon.ask("PATCH", "/v2/apps/web", {"instances": 1}, 200)
    await marathon.settled()
    assert marathon.running() == 1
    versions = (await marathon.ask("GET", "/v2/apps/web/versions"))["versions"]
    assert len(versions) == 3
    assert versions == sorted(versions, reverse=True)
    old = await marathon.ask("GET", f"/v2/apps/web/versions/{versions[-1]}", status=200)
    assert old["instances"] == 2


async def test_a_rolling_update_replaces_all_and_keeps_capacity(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**SLEEP, "instances": 3}, 201)
    await marathon.settled()
    before = set(marathon.mesos.tasks)
    marathon.mesos.highest = 0
    await marathon.ask("PUT", "/v2/apps/web", {"cmd": "sleep 2000"}, 200)
    await marathon.settled()
    assert marathon.running() == 3
    assert not before & set(marathon.mesos.tasks)
    assert marathon.mesos.highest <= 6
    assert {one.info.command.value for one in marathon.mesos.running() if one.info.command} == {"sleep 2000"}


async def test_a_bad_update_waits_and_can_be_rolled_back(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", SLEEP, 201)
    await marathon.settled()
    marathon.mesos.autorun = False
    answer = await marathon.ask("PUT", "/v2/apps/web", {"cmd": "sleep 1"}, 200)
    await marathon.until("two new staged", lambda: len(marathon.mesos.tasks) == 4)
    assert marathon.running() == 2, "the old ones stay while the new ones are not running"
    locked = await marathon.ask("PUT", "/v2/apps/web", {"cmd": "sleep 3"}, 409)
    assert locked["deployments"] == [{"id": answer["deploymentId"]}]
    [shown] = await marathon.ask("GET", "/v2/deployments")
    assert shown["id"] == answer["deploymentId"]
    assert shown["currentActions"][0]["action"] == "RestartApplication"
    assert "waits" not in shown["currentActions"][0], "clients there are that refuse a member they do not know"
    [shown] = await marathon.ask("GET", "/v2/deployments?embed=waits")
    assert "0 of 2 new ones are healthy" in shown["currentActions"][0]["waits"]
    marathon.mesos.autorun = True
    await marathon.ask("DELETE", f"/v2/deployments/{answer['deploymentId']}", status=200)
    await marathon.settled()
    assert (await marathon.ask("GET", "/v2/apps/web"))["app"]["cmd"] == "sleep 1000"
    assert {one.info.command.value for one in marathon.mesos.running() if one.info.command} == {"sleep 1000"}
    assert len(marathon.mesos.tasks) == 2


async def test_restart_and_delete(marathon: Running, house: House) -> None:
    await marathon.ask("POST", "/v2/apps", SLEEP, 201)
    await marathon.settled()
    before = set(marathon.mesos.tasks)
    await marathon.ask("POST", "/v2/apps/web/restart", status=200)
    await marathon.settled()
    assert marathon.running() == 2
    assert not before & set(marathon.mesos.tasks)
    await marathon.ask("DELETE", "/v2/apps/web", status=200)
    await marathon.settled()
    assert not marathon.mesos.tasks
    missing = await marathon.ask("GET", "/v2/apps/web", status=404)
    assert missing == {"message": "App '/web' does not exist"}
    await marathon.until("forgotten", lambda: not [one for one in house.ensemble.tree() if one.endswith("/web")])


async def test_a_failed_task_is_replaced_after_a_delay_that_can_be_reset(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**SLEEP, "instances": 1, "backoffSeconds": 50}, 201)
    await marathon.settled()
    [task_id] = marathon.mesos.tasks
    marathon.mesos.update(task_id, TaskState.TASK_FAILED, message="exited with 1")
    await marathon.until("waits", lambda: "/web" in marathon.leader.state.queue)
    [entry] = (await marathon.ask("GET", "/v2/queue"))["queue"]
    assert entry["delay"] == {"timeLeftSeconds": 50, "overdue": False}
    app = (await marathon.ask("GET", "/v2/apps/web"))["app"]
    assert app["lastTaskFailure"]["message"] == "exited with 1"
    assert app["lastTaskFailure"]["taskId"] == task_id
    await marathon.ask("DELETE", "/v2/queue/web/delay", status=204)
    await marathon.until("replaced", lambda: marathon.running() == 1)
    [task_id] = marathon.mesos.tasks
    marathon.mesos.update(task_id, TaskState.TASK_FAILED)
    await marathon.until("waits again", lambda: "/web" in marathon.leader.state.queue)
    await marathon.tick(10)
    assert not marathon.mesos.tasks
    await marathon.tick(50)
    await marathon.until("replaced", lambda: marathon.running() == 1)


async def test_a_new_leader_keeps_the_tasks_and_goes_on(house: House) -> None:
    async with house.marathon() as first:
        await first.ask("POST", "/v2/apps", SLEEP, 201)
        await first.settled()
        house.mesos.autorun = False
        await first.ask("PUT", "/v2/apps/web", {"cmd": "sleep 2"}, 200)
        await first.until("new ones staged", lambda: len(house.mesos.tasks) == 4)
        tasks = set(house.mesos.tasks)
    async with house.marathon() as second:
        assert set(house.mesos.tasks) == tasks
        assert len(second.leader.state.deployments) == 1
        house.mesos.autorun = True
        for task_id, task in list(house.mesos.tasks.items()):
            if task.state is TaskState.TASK_STAGING:
                house.mesos.update(task_id, TaskState.TASK_RUNNING)
        await second.settled()
        assert {one.info.command.value for one in house.mesos.running() if one.info.command} == {"sleep 2"}
        assert len(house.mesos.tasks) == 2
        assert house.mesos.highest == 4


async def test_a_new_leader_remembers_what_agents_said_of_health(house: House) -> None:
    check = {"protocol": "MESOS_HTTP", "path": "/"}
    async with house.marathon() as first:
        await first.ask("POST", "/v2/apps", {**SLEEP, "instances": 1, "healthChecks": [check]}, 201)
        await first.until("runs", lambda: first.running() == 1)
        [task_id] = house.mesos.tasks
        house.mesos.update(task_id, TaskState.TASK_RUNNING, healthy=True)
        await first.settled()
        assert (await first.ask("GET", "/v2/apps/web"))["app"]["tasksHealthy"] == 1
    house.mesos.tasks[task_id].agent.transitioning = True
    async with house.marathon() as second:
        assert (await second.ask("GET", "/v2/apps/web"))["app"]["tasksHealthy"] == 1


async def test_tasks_that_a_new_master_does_not_know_yet_are_asked_about_until_it_does(house: House) -> None:
    async with house.marathon() as first:
        await first.ask("POST", "/v2/apps", {**SLEEP, "instances": 1}, 201)
        await first.settled()
    [(task_id, task)] = house.mesos.tasks.items()
    task.agent.transitioning = True

    def asked() -> int:
        return sum(
            any(one.task_id.value == task_id for one in call.reconcile.tasks)
            for call in house.mesos.calls
            if call.reconcile
        )

    async with house.marathon() as second:
        await second.until("asked at once", lambda: asked() > 0)
        for more in (1, 2, 4, 8, 16):
            before = asked()
            await second.tick(more)
            await second.until(f"asked again after {more} s", lambda: asked() > before)  # noqa: B023
        task.agent.transitioning = False
        await second.tick(32)
        await second.until("told", lambda: not second.leader.state.unheard.task_ids)
        before = asked()
        await second.tick(64)
        await second.ask("GET", "/v2/apps/web")
        assert asked() == before, "nothing left to ask about"


async def test_a_task_that_ended_while_nobody_led_is_replaced(house: House) -> None:
    async with house.marathon() as first:
        await first.ask("POST", "/v2/apps", SLEEP, 201)
        await first.settled()
    gone = next(iter(house.mesos.tasks))
    house.mesos.update(gone, TaskState.TASK_KILLED)
    async with house.marathon() as second:
        await second.until("noticed", lambda: "/web" in second.leader.state.queue)
        await second.tick(2)
        await second.until("replaced", lambda: second.running() == 2)
        assert gone not in house.mesos.tasks


async def test_unreachable_tasks_are_replaced_and_killed_when_they_return(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**SLEEP, "instances": 1}, 201)
    await marathon.settled()
    [(lost, task)] = marathon.mesos.tasks.items()
    marathon.mesos.lose(task.agent)
    await marathon.until("replaced", lambda: any(one != lost for one in marathon.mesos.tasks))
    task.agent.reachable = True
    marathon.mesos.update(lost, TaskState.TASK_RUNNING)
    await marathon.until("killed", lambda: lost not in marathon.mesos.tasks)
    assert marathon.running() == 1


async def test_killing_tasks_with_and_without_scaling(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**SLEEP, "instances": 3}, 201)
    await marathon.settled()
    one, two, _ = sorted(marathon.mesos.tasks)
    answer = await marathon.ask("DELETE", f"/v2/apps/web/tasks/{one}", status=200)
    assert answer["task"]["id"] == one
    await marathon.until("replaced", lambda: marathon.running() == 3 and one not in marathon.mesos.tasks)
    answer = await marathon.ask("POST", "/v2/tasks/delete?scale=true", {"ids": [two]}, 200)
    await marathon.settled()
    assert two not in marathon.mesos.tasks
    assert (await marathon.ask("GET", "/v2/apps/web"))["app"]["instances"] == 2
    await marathon.ask("DELETE", "/v2/apps/web/tasks?scale=true&wipe=true", status=400)
    missing = await marathon.ask("DELETE", f"/v2/apps/web/tasks/{one}", status=404)
    assert missing == {"message": f"Task '{one}' does not exist"}


async def test_dependencies_start_in_order(marathon: Running) -> None:
    marathon.mesos.autorun = False
    body = {
        "id": "/shop",
        "apps": [
            {**SLEEP, "id": "web", "instances": 1, "dependencies": ["db"]},
            {**SLEEP, "id": "db", "instances": 1},
        ],
    }
    await marathon.ask("PUT", "/v2/groups", body, 200)
    await marathon.until("db staged", lambda: len(marathon.mesos.tasks) == 1)
    [db] = marathon.mesos.tasks
    assert db.startswith("shop_db.")
    marathon.mesos.autorun = True
    marathon.mesos.update(db, TaskState.TASK_RUNNING)
    await marathon.settled()
    assert len(marathon.mesos.running("shop_web.")) == 1
    group = await marathon.ask("GET", "/v2/groups/shop", status=200)
    assert sorted(one["id"] for one in group["apps"]) == ["/shop/db", "/shop/web"]
    cyclic = {**body, "apps": [body["apps"][0], {**body["apps"][1], "dependencies": ["web"]}]}  # type: ignore[index]
    refused = await marathon.ask("PUT", "/v2/groups", cyclic, 422)
    assert refused["details"][0]["errors"] == ["Dependency graph has cyclic dependencies."]
    await marathon.ask("DELETE", "/v2/groups/shop", status=200)
    await marathon.settled()
    assert not marathon.mesos.tasks


@pytest.mark.parametrize(
    ("body", "status", "path", "text"),
    [
        ({"cmd": "x"}, 422, "/id", "error.path.missing"),
        ({**SLEEP, "cpus": "x"}, 422, "/cpus", "error.expected.jsnumber"),
        ({**SLEEP, "instances": 1.5}, 422, "/instances", "error.expected.int"),
        ({**SLEEP, "container": {"docker": {}}}, 422, "/container/docker/image", "error.path.missing"),
        (
            {**SLEEP, "upgradeStrategy": {"minimumHealthCapacity": 2}},
            422,
            "/upgradeStrategy/minimumHealthCapacity",
            "is greater than 1",
        ),
        (
            {"id": "/web"},
            422,
            "/",
            "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.",
        ),
    ],
    ids=["no id", "text for number", "fraction for integer", "no image", "capacity", "no command"],
)
async def test_bad_apps(marathon: Running, body: dict[str, Any], status: int, path: str, text: str) -> None:
    answer = await marathon.ask("POST", "/v2/apps", body, status)
    assert {"path": path, "errors": [text]} in answer["details"]


async def test_other_refusals(marathon: Running) -> None:
    async with marathon.client.post("/v2/apps", data=b"{") as response:
        assert response.status == 400
        assert (await response.json())["message"] == "Invalid JSON"
    await marathon.ask("POST", "/v2/apps", SLEEP, 201)
    assert await marathon.ask("POST", "/v2/apps", SLEEP, 409) == {"message": "An app with id [/web] already exists."}
    await marathon.ask("PATCH", "/v2/apps/none", {"cpus": 1}, 404)
    assert await marathon.ask("GET", "/v2/nothing", status=500) == {"message": "URI not found"}
    assert await marathon.ask("DELETE", "/v2/deployments/x", status=404) == {
        "message": "DeploymentPlan x does not exist"
    }


async def test_a_lost_epoch_stops_writing(house: House) -> None:
    from dcos.store.journal import Deposed

    async with house.marathon() as first:
        session = house.ensemble.session()
        await session.set("/marathon/state/epoch", b"other")
        with pytest.raises(Deposed):
            await first.leader.repository.save(first.leader.core.handle(_create(), 1.0).effects)


def _create() -> Any:
    from dcos.marathon.core import events

    return events.CreateApp(SLEEP)


@pytest.mark.parametrize("kind", ["application/yaml", "application/x-yaml", "text/yaml; charset=utf-8"])
async def test_yaml_where_json_is_read(marathon: Running, kind: str) -> None:
    body = "id: /web\ncmd: sleep 1\ncpus: 0.1\nmem: 32\nenv: {MODE: on}\n"
    async with marathon.client.post("/v2/apps", data=body, headers={"Content-Type": kind}) as response:
        assert response.status == 201
        assert (await response.json())["env"] == {"MODE": "on"}
    await marathon.settled()
    async with marathon.client.put("/v2/apps/web", data="[a", headers={"Content-Type": kind}) as response:
        assert response.status == 400
        assert (await response.json())["message"] == "Invalid YAML"
