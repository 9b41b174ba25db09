"""Refusals word for word: bodies of what is not there, is locked, has the wrong shape.   Source: Marathon's exception mapper."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.model.marathon import App
from dcos.wire import marathon as wire
from tests.unit.marathon.conftest import House, Running

APP: dict[str, Any] = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32}
POD: dict[str, Any] = {
    "id": "/pod",
    "containers": [{"name": "c", "resources": {"cpus": 0.1, "mem": 32}, "exec": {"command": {"shell": "sleep 1000"}}}],
}
TASK = "web.instance-1de3ac86-5f6b-4b53-b4f5-13a1d4a9b2f0._app.1"
WHEN = "2020-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("method", "path", "body", "text"),
    [
        ("GET", "/v2/apps/none", None, "App '/none' does not exist"),
        ("GET", "/v2/apps/none/tasks", None, "App '/none' does not exist"),
        ("GET", "/v2/apps/none/versions", None, "App '/none' does not exist"),
        ("GET", f"/v2/apps/web/versions/{WHEN}", None, f"App '/web' does not exist in version {WHEN}"),
        ("PATCH", "/v2/apps/none", {"cpus": 1}, "App '/none' does not exist"),
        ("PATCH", "/v2/apps", [{"id": "/none", "cpus": 1}], "App '/none' does not exist"),
        ("PUT", "/v2/apps/web", {"version": WHEN}, f"App '/web' does not exist in version {WHEN}"),
        ("DELETE", "/v2/apps/none", None, "App '/none' does not exist"),
        ("POST", "/v2/apps/none/restart", None, "App '/none' does not exist"),
        ("DELETE", "/v2/apps/none/tasks", None, "App '/none' does not exist"),
        ("DELETE", "/v2/apps/*/tasks", None, "App '/*' does not exist"),
        ("DELETE", "/v2/apps/none/tasks?scale=true", None, "Path '/none' does not exist"),
        ("DELETE", f"/v2/apps/web/tasks/{TASK}", None, f"Task '{TASK}' does not exist"),
        ("GET", "/v2/pods/none", None, "Pod '/none' does not exist"),
        ("GET", "/v2/pods/none::status", None, "Pod '/none' does not exist"),
        ("GET", "/v2/pods/none::versions", None, "Pod '/none' does not exist"),
        ("GET", f"/v2/pods/pod::versions/{WHEN}", None, f"Pod '/pod' does not exist in version {WHEN}"),
        ("DELETE", "/v2/pods/none", None, "Pod '/none' does not exist"),
        ("GET", "/v2/groups/none", None, "Group '/none' does not exist"),
        ("GET", f"/v2/groups/versions/{WHEN}", None, f"Group '/' does not exist in version {WHEN}"),
        ("DELETE", "/v2/groups/none", None, "Group '/none' does not exist"),
        ("DELETE", "/v2/deployments/none", None, "DeploymentPlan none does not exist"),
        ("DELETE", "/v2/queue/none/delay", None, "Application /none not found in tasks queue."),
        ("GET", "/v2/plugins/none", None, "No plugin with this pluginId: none"),
    ],
)
async def test_what_is_not_there(marathon: Running, method: str, path: str, body: Any, text: str) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "instances": 0}, 201)
    await marathon.ask("POST", "/v2/pods", {**POD, "scaling": {"instances": 0}}, 201)
    assert await marathon.ask(method, path, body, 404) == {"message": text}


async def test_scaling_by_tasks_that_are_not_there(marathon: Running) -> None:
    """Of an app without instances upstream says that its path is not there; else nothing changes, and it says so by a deployment
    without steps.   Source: Marathon's TaskKiller."""
    await marathon.ask("POST", "/v2/apps", {**APP, "instances": 0}, 201)
    for path in ("tasks", "tasks?host=*", f"tasks/{TASK}", "tasks/nonsense"):
        scaling = path + ("&" if "?" in path else "?") + "scale=true"
        refused = await marathon.ask("DELETE", f"/v2/apps/web/{scaling}", status=404)
        assert refused == {"message": "Path '/web' does not exist"}
    await marathon.ask("PUT", "/v2/apps/web", {"instances": 1}, 200)
    await marathon.settled()
    await marathon.ask("POST", "/v2/apps", {**APP, "id": "/huge", "cpus": 1000}, 201)
    before = dict(marathon.leader.state.deployments)
    for method, path, body in (
        ("DELETE", f"/v2/apps/web/tasks/{TASK}", None),
        ("DELETE", "/v2/apps/web/tasks/nonsense", None),
        ("DELETE", "/v2/apps/web/tasks?host=nowhere", None),
        ("POST", "/v2/tasks/delete", {"ids": [TASK]}),
        ("DELETE", "/v2/apps/huge/tasks", None),
    ):
        scaling = path + ("&" if "?" in path else "?") + "scale=true"
        assert set(await marathon.ask(method, scaling, body, 200)) == {"version", "deploymentId"}
        assert marathon.leader.state.deployments == before
        assert {one.id: one.instances for one in marathon.leader.state.apps.values()} == {"/web": 1, "/huge": 1}
    assert marathon.running() == 1


async def test_what_is_locked(house: House) -> None:
    house.mesos.agents.clear()
    async with house.marathon() as marathon:
        [deployment] = (await marathon.ask("POST", "/v2/apps", APP, 201))["deployments"]
        for method, path, body in (
            ("PUT", "/v2/apps/web", {"cpus": 0.2}),
            ("POST", "/v2/apps/web/restart", None),
            ("DELETE", "/v2/groups", None),
        ):
            assert await marathon.ask(method, path, body, 409) == {
                "message": "App is locked by one or more deployments. Override with the option '?force=true'. "
                "View details at '/v2/deployments/<DEPLOYMENT_ID>'.",
                "deployments": [deployment],
            }
        await marathon.ask(
            "DELETE", "/v2/apps/web", status=200
        )  # what is not wanted any more goes by force unless it is asked not to


async def test_what_exists_already(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "instances": 0}, 201)
    await marathon.ask("POST", "/v2/pods", {**POD, "scaling": {"instances": 0}}, 201)
    taken = await marathon.ask("POST", "/v2/apps", APP, 409)
    assert taken == {"message": "An app with id [/web] already exists."}
    taken = await marathon.ask("POST", "/v2/groups", {"id": "/web"}, 409)
    assert taken == {"message": "An app with the path /web already exists."}
    other = await marathon.ask("PUT", "/v2/pods/other", POD, 400)
    assert other == {"message": "'/other' does not match definition's id ('/pod')"}


async def test_versions_stand_alone(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "instances": 0}, 201)
    refused = await marathon.ask("PUT", "/v2/apps/web", {"version": WHEN, "cpus": 1}, 422)
    assert refused == {"message": "The 'version' field may only be combined with the 'id' field."}
    for app in ("web", "none"):
        both = await marathon.ask("DELETE", f"/v2/apps/{app}/tasks?scale=true&wipe=true", status=400)
        assert both == {"message": "You cannot use scale and wipe at the same time."}


async def test_a_store_that_does_not_answer_in_time(house: House) -> None:
    async with house.marathon() as marathon:
        marathon.leader.answer_s = 0.05
        house.ensemble.disconnect(marathon.store)
        refused = await marathon.ask("POST", "/v2/apps", APP, 503)
        assert refused == {"message": "The store did not answer in time; what was asked for may still happen."}
        house.ensemble.reconnect(marathon.store)
        marathon.leader.answer_s = 60
        await marathon.until("it happened", lambda: marathon.running() == 1)
        await marathon.ask("DELETE", "/v2/apps/web", status=200)


async def test_without_a_leader(marathon: Running) -> None:
    marathon.service.leading = None
    assert await marathon.ask("GET", "/v2/leader", status=404) == {"message": "There is no leader"}
    marathon.service.leader = None
    refused = await marathon.ask("GET", "/v2/apps", status=502)
    assert refused == {"message": "Could not determine the current leader"}


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"cmd": 1}, "/cmd", "error.expected.jsstring"),
        ({"cpus": "1"}, "/cpus", "error.expected.jsnumber"),
        ({"instances": 1.5}, "/instances", "error.expected.int"),
        ({"requirePorts": "yes"}, "/requirePorts", "error.expected.jsboolean"),
        ({"labels": []}, "/labels", "error.expected.jsobject"),
        ({"labels": {"a": 1}}, "/labels/a", "error.expected.jsstring"),
        ({"container": "x"}, "/container", "error.expected.jsobject"),
        ({"args": "x"}, "/args", "error.expected.jsarray"),
        ({"networks": [{"mode": "x"}]}, "/networks(0)/mode", "error.unknown.enum.literal"),
        ({"env": {"A": {}}}, "/env/A/secret", "error.path.missing"),
    ],
)
def test_codes_of_wrong_shapes(fields: dict[str, Any], path: str, code: str) -> None:
    with pytest.raises(wire.ApiError) as error:
        wire.fit({**APP, **fields}, App)
    assert error.value.body == {"message": "Invalid JSON", "details": [{"path": path, "errors": [code]}]}


@pytest.mark.parametrize(
    ("member", "value", "text"),
    [
        ("minimumHealthCapacity", 1.5, "is greater than 1"),
        ("minimumHealthCapacity", -0.5, "is less than 0"),
        ("maximumOverCapacity", 2, "is greater than 1"),
        ("maximumOverCapacity", -1, "is less than 0"),
    ],
)
async def test_capacities(marathon: Running, member: str, value: float, text: str) -> None:
    refused = await marathon.ask("POST", "/v2/apps", {**APP, "upgradeStrategy": {member: value}}, 422)
    assert refused == {
        "message": "Object is not valid",
        "details": [{"path": f"/upgradeStrategy/{member}", "errors": [text]}],
    }


async def test_methods_that_are_not_there(marathon: Running) -> None:
    assert await marathon.ask("DELETE", "/v2/info", status=405) == {"message": "HTTP 405 Method Not Allowed"}
    assert await marathon.ask("GET", "/v2/events", status=405) == {"message": "HTTP 405 Method Not Allowed"}
