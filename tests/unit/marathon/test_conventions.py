"""What holds for every resource of the API, and the parameters and refusals of each.   Source: Marathon 1.11's REST API."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from dcos.marathon.core import events
from dcos.marathon.core.state import CoreSettings
from dcos.model.v1.types import TaskState
from tests.unit.marathon.conftest import House, Running
from tests.unit.marathon.test_everywhere import see

APP: dict[str, Any] = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "backoffSeconds": 0}


async def headers(marathon: Running, path: str, **given: str) -> dict[str, str]:
    async with marathon.client.get(path, headers=given, allow_redirects=False) as response:
        return {**response.headers, "status": str(response.status)}


# ---- every answer ----------------------------------------------------------------------------------------------------


async def test_headers_of_every_answer(marathon: Running) -> None:
    seen = await headers(marathon, "/v2/apps")
    assert seen["X-Marathon-Leader"] == "http://me:1"
    assert (seen["X-Frame-Options"], seen["X-XSS-Protection"]) == ("DENY", "1; mode=block")
    assert seen["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert "Access-Control-Allow-Origin" not in seen
    assert "Cache-Control" not in await headers(marathon, "/ping")
    front = await headers(marathon, "/")
    assert (front["status"], front["Location"]) == ("302", "/ui/")


@pytest.mark.parametrize(("origins", "allowed"), [(("*",), "*"), (("http://a",), "http://a"), (("http://b",), None)])
async def test_browsers_of_other_origins_only_where_allowed(
    house: House, origins: tuple[str, ...], allowed: str | None
) -> None:
    house.settings["access_control_allow_origin"] = origins
    async with house.marathon() as marathon:
        seen = await headers(marathon, "/v2/apps", Origin="http://a")
    assert seen.get("Access-Control-Allow-Origin") == allowed
    assert seen.get("Access-Control-Max-Age") == ("86400" if allowed else None)


async def test_answers_are_compressed_for_who_can_read_that(marathon: Running) -> None:
    async with marathon.client.get("/v2/info", headers={"Accept-Encoding": "gzip"}, auto_decompress=False) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert b'"marathon"' in gzip.decompress(await response.read())
    async with marathon.client.get("/v2/info", headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize(
    ("accept", "status", "body"),
    [
        ("*/*", 200, b"pong"),
        ("application/json", 200, b'"pong"'),
        ("text/plain", 200, b"pong"),
        ("image/png", 204, b""),
    ],
)
async def test_ping(marathon: Running, accept: str, status: int, body: bytes) -> None:
    async with marathon.client.get("/ping", headers={"Accept": accept}) as response:
        assert (response.status, await response.read()) == (status, body)


@pytest.mark.parametrize("path", ["/v2/artifacts", "/v2/eventSubscriptions", "/v2/schemas", "/nothing"])
async def test_what_is_no_more_is_unroutable(marathon: Running, path: str) -> None:
    assert await marathon.ask("GET", path, status=500) == {"message": "URI not found"}


async def test_methods_that_a_resource_has_not(marathon: Running) -> None:
    async with marathon.client.post("/v2/apps/web") as response:
        assert response.status == 405
        assert "GET" in response.headers["Allow"]
    async with marathon.client.delete("/v2/info") as response:
        assert response.status == 405


async def test_bodies_that_cannot_be_read(marathon: Running) -> None:
    async with marathon.client.post("/v2/apps", data=b'{"id": ') as response:
        said = await response.json()
        assert (response.status, said["message"], type(said["details"])) == (400, "Invalid JSON", str)
    said = await marathon.ask("POST", "/v2/apps", {"cpus": "x"}, 422)
    assert said == {
        "message": "Invalid JSON",
        "details": [
            {"path": "/id", "errors": ["error.path.missing"]},
            {"path": "/cpus", "errors": ["error.expected.jsnumber"]},
        ],
    }


# ---- apps ------------------------------------------------------------------------------------------------------------


async def test_updates_merge_members_unless_told_to_replace(marathon: Running) -> None:
    wanted = {
        **APP,
        "labels": {"a": "b"},
        "env": {"X": "y"},
        "executorResources": {"cpus": 1},
        "resourceLimits": {"mem": 64},
    }
    await marathon.ask("POST", "/v2/apps", wanted, 201)
    await marathon.settled()
    await marathon.ask("PUT", "/v2/apps/web", {"labels": {"c": "d"}}, 200)
    await marathon.settled()
    app = (await marathon.ask("GET", "/v2/apps/web"))["app"]
    assert (app["labels"], app["env"]) == ({"c": "d"}, {"X": "y"})
    assert {"executorResources", "resourceLimits"}.isdisjoint(app), "these two do not stay"
    await marathon.ask("PUT", "/v2/apps/web?partialUpdate=false", {"cmd": "sleep 1"}, 200)
    await marathon.settled()
    app = (await marathon.ask("GET", "/v2/apps/web"))["app"]
    assert (app["labels"], "env" in app, app["cpus"]) == ({}, False, 1.0)
    assert await marathon.ask("PUT", "/v2/apps/new", {"cmd": "sleep 1"}, 201)
    await marathon.ask("PATCH", "/v2/apps/none", {"cmd": "sleep 1"}, 404)


async def test_many_apps_are_one_deployment(marathon: Running) -> None:
    two = [{**APP, "id": "/a"}, {**APP, "id": "/b"}]
    missing = await marathon.ask("PATCH", "/v2/apps", two, 404)
    assert missing["message"] == "App '/a' does not exist"
    made = await marathon.ask("PUT", "/v2/apps", two, 200)
    [deployment] = await marathon.ask("GET", "/v2/deployments")
    assert (deployment["id"], deployment["affectedApps"]) == (made["deploymentId"], ["/a", "/b"])
    await marathon.settled()
    await marathon.ask("PATCH", "/v2/apps", [{"id": "/a", "instances": 2}, {"id": "/b", "instances": 0}], 200)
    await marathon.settled()
    assert marathon.running() == 2
    bad = await marathon.ask("PUT", "/v2/apps", [{"id": "/a"}, {"id": "/b", "cpus": -1}], 422)
    assert [one["path"] for one in bad["details"]] == ["(1)/cpus"]
    bad = await marathon.ask("PUT", "/v2/apps", [{"id": "/a"}, {"instances": 1}], 422)
    assert bad["details"] == [{"path": "(1)/id", "errors": ["error.path.missing"]}]
    await marathon.ask("PUT", "/v2/apps", {"id": "/a"}, 422)


async def test_going_back_to_a_version(marathon: Running) -> None:
    made = await marathon.ask("POST", "/v2/apps", APP, 201)
    await marathon.settled()
    await marathon.ask("PUT", "/v2/apps/web", {"cmd": "sleep 2"}, 200)
    await marathon.settled()
    refused = await marathon.ask("PUT", "/v2/apps/web", {"version": made["version"], "cmd": "sleep 3"}, 422)
    assert refused["message"] == "The 'version' field may only be combined with the 'id' field."
    never = "2001-01-01T00:00:00.000Z"
    refused = await marathon.ask("PUT", "/v2/apps/web", {"version": never}, 404)
    assert refused["message"] == f"App '/web' does not exist in version {never}"
    await marathon.ask("PUT", "/v2/apps/web", {"version": made["version"]}, 200)
    await marathon.settled()
    versions = (await marathon.ask("GET", "/v2/apps/web/versions"))["versions"]
    assert versions == sorted(versions, reverse=True)
    assert len(versions) == 3
    shown = await marathon.ask("GET", f"/v2/apps/web/versions/{versions[0]}")
    assert (shown["cmd"], "app" in shown) == ("sleep 1000", False)
    refused = await marathon.ask("GET", f"/v2/apps/web/versions/{never}", status=404)
    assert refused["message"] == f"App '/web' does not exist in version {never}"


async def test_all_apps_of_a_group_by_a_star(marathon: Running) -> None:
    for app_id in ("/shop/a", "/shop/deep/b", "/other"):
        await marathon.ask("POST", "/v2/apps", {**APP, "id": app_id}, 201)
    await marathon.settled()
    found = await marathon.ask("GET", "/v2/apps/shop/*", status=200)
    assert [one["id"] for one in found["*"]] == ["/shop/a", "/shop/deep/b"]
    tasks = (await marathon.ask("GET", "/v2/apps/shop/*/tasks", status=200))["tasks"]
    assert {one["appId"] for one in tasks} == {"/shop/a", "/shop/deep/b"}
    assert "Group" in (await marathon.ask("GET", "/v2/apps/none/*", status=404))["message"]


async def test_what_is_embedded(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "instances": 2}, 201)
    await marathon.settled()
    lost, _ = marathon.mesos.tasks
    marathon.mesos.update(lost, TaskState.TASK_FAILED, message="it broke")
    await marathon.until("failed", lambda: "/web" in marathon.leader.state.failures)
    [app] = (await marathon.ask("GET", "/v2/apps"))["apps"]
    assert {"tasksRunning", "tasksStaged", "tasksHealthy", "tasksUnhealthy", "deployments"} <= set(app)
    assert {"tasks", "lastTaskFailure", "tasksStats", "readinessCheckResults"}.isdisjoint(app)
    query = "embed=apps.tasks&embed=apps.lastTaskFailure&embed=apps.taskStats&embed=apps.readiness&embed=apps.nonsense"
    [app] = (await marathon.ask("GET", f"/v2/apps?{query}"))["apps"]
    failure = app["lastTaskFailure"]
    assert set(failure) == {"appId", "host", "message", "state", "taskId", "timestamp", "version", "slaveId"}
    assert (failure["taskId"], failure["message"], failure["state"]) == (lost, "it broke", "TASK_FAILED")
    assert app["readinessCheckResults"] == []
    assert app["taskStats"] == app["tasksStats"]
    summary = app["tasksStats"]["totalSummary"]["stats"]
    assert set(summary["counts"]) == {"staged", "running", "healthy", "unhealthy"}
    assert set(summary["lifeTime"]) == {"averageSeconds", "medianSeconds"}
    task = app["tasks"][0]
    assert {"id", "appId", "host", "slaveId", "state", "ports", "stagedAt", "startedAt", "version", "role"} <= set(task)
    [app] = (await marathon.ask("GET", "/v2/apps?embed=failures"))["apps"]
    assert {"tasks", "lastTaskFailure", "deployments"} <= set(app)
    bad = await marathon.ask("GET", "/v2/apps?label=a=", status=422)
    assert bad["message"]


async def test_readiness_keeps_the_last_response(marathon: Running) -> None:
    check = {"portName": "default", "preserveLastResponse": True}
    await marathon.ask("POST", "/v2/apps", {**APP, "readinessChecks": [check]}, 201)
    await marathon.until("runs", lambda: marathon.running() == 1)
    [instance] = marathon.leader.state.instances
    response = {"status": 500, "contentType": "text/plain", "body": "not yet"}
    await marathon.leader.ask(events.ReadinessProbed(instance, False, "readinessCheck", response))
    [deployment] = await marathon.ask("GET", "/v2/deployments")
    [action] = deployment["currentActions"]
    [result] = action["readinessCheckResults"]
    assert result == {
        "name": "readinessCheck",
        "taskId": f"{instance}._app.1",
        "ready": False,
        "lastResponse": response,
    }
    await marathon.leader.ask(events.ReadinessProbed(instance, True, "readinessCheck"))
    await marathon.settled()


# ---- what goes beyond upstream ---------------------------------------------------------------------------------------

EXTENDED: dict[str, Any] = {
    **APP,
    "autoscaling": {"max": 3, "cpu": 50},
    "rebalance": {"by": "rack"},
    "upgradeStrategy": {"maximumOverCapacity": 1, "steps": [{"instances": 1, "pause": True}], "promotion": {}},
}


def extensions_in(app: dict[str, Any]) -> set[str]:
    return {"autoscaling", "rebalance", "instancesMode", "steps", "promotion"} & {*app, *app["upgradeStrategy"]}


async def test_extensions_are_shown_to_who_asks_for_them(marathon: Running) -> None:
    every = {"autoscaling", "rebalance", "steps", "promotion"}
    made = await marathon.ask("POST", "/v2/apps", EXTENDED, 201)
    assert extensions_in(made) == every, "to who sent them"
    await marathon.settled()
    version = made["version"]
    answers = (
        ("/v2/apps", lambda answer: answer["apps"][0]),
        ("/v2/apps/web", lambda answer: answer["app"]),
        (f"/v2/apps/web/versions/{version}", lambda answer: answer),
        ("/v2/groups", lambda answer: answer["apps"][0]),
        (f"/v2/groups/versions/{version}", lambda answer: answer["apps"][0]),
    )
    for path, app_of in answers:
        assert extensions_in(app_of(await marathon.ask("GET", path, status=200))) == set(), path
        assert extensions_in(app_of(await marathon.ask("GET", f"{path}?embed=extensions", status=200))) == every, path
    await marathon.ask("PUT", "/v2/apps/web", {"cmd": "sleep 2", "cpus": 1000}, 200)
    for embed, expected in (("", set()), ("embed=extensions", every)):
        [waiting] = (await marathon.ask("GET", f"/v2/queue?{embed}"))["queue"]
        assert extensions_in(waiting["app"]) == expected
        [deployment] = await marathon.ask("GET", f"/v2/deployments?{embed}")
        assert ("rollouts" in deployment) == bool(expected)


async def test_what_is_read_without_them_and_sent_back_keeps_them(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", EXTENDED, 201)
    await marathon.settled()
    seen = (await marathon.ask("GET", "/v2/apps/web"))["app"]
    known = ("cmd", "cpus", "mem", "instances", "labels", "upgradeStrategy", "env", "portDefinitions")
    await marathon.ask("PUT", "/v2/apps/web", {name: seen[name] for name in known if name in seen}, 200)
    assert not marathon.leader.state.deployments, "nothing changed"
    kept = marathon.leader.state.apps["/web"]
    assert kept.autoscaling is not None
    assert kept.upgrade_strategy is not None
    assert (len(kept.upgrade_strategy.steps), kept.upgrade_strategy.promotion is None) == (1, False)
    gone = {"autoscaling": None, "rebalance": None, "upgradeStrategy": {"steps": [], "promotion": None}}
    await marathon.ask("PUT", "/v2/apps/web", gone, 200)
    await marathon.settled()
    assert extensions_in((await marathon.ask("GET", "/v2/apps/web?embed=extensions"))["app"]) == set()


async def test_the_number_on_all_agents_can_be_sent_back(marathon: Running) -> None:
    await see(marathon)
    await marathon.ask("POST", "/v2/apps", {**APP, "instances": "all"}, 201)
    await marathon.settled()
    for body in ({"instances": 3, "cmd": "sleep 2"}, {"instances": 3}):
        await marathon.ask("PUT", "/v2/apps/web", body, 200)
        await marathon.settled()
        assert marathon.leader.state.apps["/web"].instances_mode == "all"
    await marathon.ask("PUT", "/v2/apps", [{"id": "/web", "instances": 3}], 200)
    assert marathon.leader.state.apps["/web"].instances_mode == "all"
    await marathon.ask("PUT", "/v2/apps/web", {"instances": 2}, 200)
    await marathon.settled()
    assert marathon.leader.state.apps["/web"].instances_mode is None


async def test_events_of_ours_are_told_to_who_asks_for_them(marathon: Running) -> None:
    bus = marathon.service.bus
    plain, named, every = (
        bus.attach([], "a"),
        bus.attach(["autoscaling_event"], "b"),
        bus.attach([], "c", extensions=True),
    )
    for client in (plain, named, every):
        while not client.queue.empty():
            client.queue.get_nowait()
    bus.publish("autoscaling_event", {})
    assert [one.queue.qsize() for one in (plain, named, every)] == [0, 1, 1]
    bus.publish("app_terminated_event", {})
    assert [one.queue.qsize() for one in (plain, named, every)] == [1, 1, 2]


# ---- tasks, deployments, the queue -----------------------------------------------------------------------------------


async def test_tasks_by_state_and_killing_by_host_or_id(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "instances": 3, "constraints": [["hostname", "UNIQUE"]]}, 201)
    await marathon.settled()
    tasks = (await marathon.ask("GET", "/v2/tasks?status=running"))["tasks"]
    assert len(tasks) == 3
    assert all(one["servicePorts"] for one in tasks)
    assert (await marathon.ask("GET", "/v2/tasks?status[]=staging"))["tasks"] == []
    assert len((await marathon.ask("GET", "/v2/tasks?status=nonsense"))["tasks"]) == 3, "others are ignored"
    gone = await marathon.ask("DELETE", "/v2/apps/web/tasks?host=10.0.0.2", status=200)
    assert [one["host"] for one in gone["tasks"]] == ["10.0.0.2"]
    await marathon.until("replaced", lambda: marathon.running() == 3)
    bad = await marathon.ask("POST", "/v2/tasks/delete", {"ids": ["nonsense"]}, 400)
    assert bad["message"].startswith("Invalid task id 'nonsense'.")
    unknown = "web.instance-1de3ac86-5f6b-4b53-b4f5-13a1d4a9b2f0._app.1"
    assert await marathon.ask("POST", "/v2/tasks/delete", {"ids": [unknown]}, 200) == {"tasks": []}
    missing = await marathon.ask("DELETE", f"/v2/apps/web/tasks/{unknown}", status=404)
    assert missing["message"] == f"Task '{unknown}' does not exist"
    both = await marathon.ask("POST", "/v2/tasks/delete?scale=true&wipe=true", {"ids": [unknown]}, 400)
    assert both["message"] == "You cannot use scale and wipe at the same time."


async def test_too_many_deployments(house: House) -> None:
    house.settings["max_running_deployments"] = 1
    house.mesos.agents.clear()
    async with house.marathon() as marathon:
        await marathon.ask("POST", "/v2/apps", APP, 201)
        refused = await marathon.ask("POST", "/v2/apps", {**APP, "id": "/other"}, 403)
        assert refused["message"].startswith("Max number (1) of running deployments is achieved.")


async def test_cancelling_and_undoing(house: House) -> None:
    house.mesos.agents.clear()
    async with house.marathon() as marathon:
        made = await marathon.ask("POST", "/v2/apps", APP, 201)
        assert made["deployments"] == [{"id": (await marathon.ask("GET", "/v2/deployments"))[0]["id"]}]
        [deployment] = made["deployments"]
        locked = await marathon.ask("DELETE", "/v2/apps/web?force=false", status=409)
        assert locked["deployments"] == [deployment]
        async with marathon.client.delete(f"/v2/deployments/{deployment['id']}?force=true") as response:
            assert (response.status, await response.read()) == (202, b"")
        assert await marathon.ask("GET", "/v2/deployments") == []
        made = await marathon.ask("PUT", "/v2/apps/web", {"cpus": 0.2}, 200)
        undone = await marathon.ask("DELETE", f"/v2/deployments/{made['deploymentId']}", status=200)
        assert undone["deploymentId"] != made["deploymentId"]
        assert (await marathon.ask("GET", "/v2/apps/web"))["app"]["cpus"] == 0.1
        missing = await marathon.ask("DELETE", "/v2/queue/none/delay", status=404)
        assert missing["message"] == "Application /none not found in tasks queue."


async def test_members_of_the_queue(house: House) -> None:
    house.mesos.agents.clear()
    house.mesos.agent(1, "cpus:0.01;mem:4096;disk:1000;ports:[31000-31999]", rack="r1")
    async with house.marathon() as marathon:
        await marathon.ask("POST", "/v2/apps", APP, 201)
        await marathon.until("refused", lambda: bool(marathon.leader.state.queue["/web"].refusals()))
        [entry] = (await marathon.ask("GET", "/v2/queue?embed=lastUnusedOffers"))["queue"]
        assert (entry["count"], entry["role"], entry["app"]["id"]) == (1, "*", "/web")
        assert set(entry["delay"]) == {"timeLeftSeconds", "overdue"}
        summary = entry["processedOffersSummary"]
        assert (summary["processedOffersCount"], summary["unusedOffersCount"]) == (1, 1)
        funnel = {one["reason"]: (one["processed"], one["declined"]) for one in summary["rejectSummaryLastOffers"]}
        assert list(funnel) == [
            *("UnfulfilledRole", "UnfulfilledConstraint", "NoCorrespondingReservationFound", "AgentMaintenance"),
            *("InsufficientCpus", "InsufficientMemory", "InsufficientDisk", "InsufficientGpus", "InsufficientPorts"),
            "DeclinedScarceResources",
        ]
        assert (funnel["InsufficientCpus"], funnel["InsufficientMemory"]) == ((1, 1), (0, 0))
        [unused] = entry["lastUnusedOffers"]
        assert (unused["reason"], unused["offer"]["agentId"]) == (["InsufficientCpus"], "S1")
        assert {"id", "hostname", "agentId", "resources", "attributes"} <= set(unused["offer"])
        assert "lastUnusedOffers" not in (await marathon.ask("GET", "/v2/queue"))["queue"][0]


# ---- groups ----------------------------------------------------------------------------------------------------------


async def test_groups_are_made_changed_and_told(marathon: Running) -> None:
    body = {"id": "/shop", "apps": [{**APP, "id": "web", "instances": 3}], "groups": [{"id": "deep"}]}
    await marathon.ask("POST", "/v2/groups", body, 201)
    await marathon.settled()
    taken = await marathon.ask("POST", "/v2/groups", body, 409)
    assert taken["message"] == "Group /shop is already created. Use PUT to change this group."
    taken = await marathon.ask("POST", "/v2/groups", {"id": "/shop/web"}, 409)
    assert taken["message"] == "An app with the path /shop/web already exists."
    planned = await marathon.ask("PUT", "/v2/groups/shop?dryRun=true", {"scaleBy": 0.5}, 200)
    assert planned == {"steps": [{"actions": [{"action": "ScaleApplication", "app": "/shop/web"}]}]}
    await marathon.ask("PUT", "/v2/groups/shop", {"scaleBy": 0.5}, 200)
    await marathon.settled()
    assert marathon.running() == 2, "rounded up"
    refused = await marathon.ask("PUT", "/v2/groups/shop", {"scaleBy": 2, "apps": []}, 422)
    assert "not allowed in conjunction with other properties." in refused["details"][0]["errors"][0]
    stranger = await marathon.ask("PUT", "/v2/groups/shop", {"apps": [{**APP, "id": "/other/web"}]}, 422)
    assert stranger["details"] == [{"path": "/apps(0)/id", "errors": ["Identifier is not child of '/shop'."]}]
    shown = await marathon.ask("GET", "/v2/groups/shop", status=200)
    assert set(shown) == {"id", "apps", "pods", "groups", "dependencies", "version", "enforceRole"}
    assert [one["id"] for one in shown["groups"]] == ["/shop/deep"]
    only = await marathon.ask(
        "GET", "/v2/groups?embed=group.groups&embed=group.apps&embed=group.apps.tasks", status=200
    )
    assert "pods" not in only
    assert len(only["groups"][0]["apps"][0]["tasks"]) == 2
    assert [one["id"] for one in await marathon.ask("GET", "/v2/groups/shop/apps", status=200)] == ["/shop/web"]
    assert (await marathon.ask("GET", "/v2/groups/none", status=404))["message"] == "Group '/none' does not exist"
    kept = await marathon.ask("PUT", "/v2/groups/shop", {"groups": []}, 200)
    assert kept["deploymentId"]
    shown = await marathon.ask("GET", "/v2/groups/shop")
    assert (shown["groups"], len(shown["apps"])) == ([], 1), "lists that are given replace, others stay"


async def test_only_top_groups_enforce_their_role(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/groups", {"id": "/shop", "groups": [{"id": "deep"}]}, 201)
    await marathon.ask("PATCH", "/v2/groups/shop", {"enforceRole": True}, 200)
    assert (await marathon.ask("GET", "/v2/groups/shop"))["enforceRole"] is True
    await marathon.ask("PATCH", "/v2/groups/shop/deep", {"enforceRole": True}, 422)
    refused = await marathon.ask("POST", "/v2/apps", {**APP, "id": "/shop/web", "role": "*"}, 422)
    assert refused["details"] == [{"path": "/role", "errors": ["got *, expected one of: [shop]"]}]


async def test_deleting_the_root_leaves_it(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "id": "/shop/web"}, 201)
    await marathon.settled()
    await marathon.ask("DELETE", "/v2/groups?force=true", status=200)
    await marathon.settled()
    root = await marathon.ask("GET", "/v2/groups")
    assert (root["id"], root["groups"], root["apps"]) == ("/", [], [])


def test_defaults() -> None:
    """Of what no client sets.   Source: Marathon's command line flags."""
    settings = CoreSettings()
    assert (settings.launch_timeout_s, settings.launch_confirm_timeout_s, settings.reservation_timeout_s) == (
        300,
        300,
        20,
    )
    assert (settings.reconcile_initial_s, settings.reconcile_interval_s, settings.scale_check_interval_s) == (
        15,
        600,
        300,
    )
    assert (settings.max_instances_per_offer, settings.launch_tokens, settings.launch_token_refresh_s) == (5, 100, 30)
    assert (settings.offer_matching_timeout_s, settings.min_revive_interval_s, settings.max_versions) == (3, 5, 50)
    assert settings.max_running_deployments == 100
