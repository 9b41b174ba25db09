"""What is told below /public/api/ is valid, whole and true: of every resource, of answers, of what clients may send."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from dcos.marathon import description
from dcos.marathon.core import normalize
from dcos.model.marathon import App
from dcos.model.pods import Pod
from dcos.testing.raml import Description
from dcos.wire import marathon as wire
from tests.unit.marathon.conftest import House, Running

MADE = description.made()
TOLD = Description(MADE)
APP: dict[str, Any] = json.loads(MADE["v2/examples/app.json"])
POD: dict[str, Any] = json.loads(MADE["v2/examples/pod.json"])
GROUP: dict[str, Any] = json.loads(MADE["v2/examples/group.json"])
NAMES = {
    "app_id": "shop/web", "pod_id": "shop/cart", "group_id": "shop", "task_id": "none", "instance_id": "none", "version": "none",
    "deployment_id": "none", "plugin_id": "none", "path": "none",
}  # fmt: skip
SILENT = {"/", "/public/api/{path}"}
"""Paths that the description does not tell of."""


def test_every_name_stands_for_something() -> None:
    TOLD.check()


@pytest.mark.parametrize("path", sorted(MADE))
def test_each_is_a_document_of_its_kind(path: str) -> None:
    text = MADE[path].decode()
    assert TOLD.read(path)
    if path.startswith("v2/types/") or path in ("traits.raml", "annotations.raml"):
        assert text.startswith("#%RAML 1.0 Library\n")
    elif path == "api.raml":
        assert text.startswith("#%RAML 1.0\n")
    elif path.startswith("v2/schema/"):
        Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize(
    ("path", "kind", "example"),
    [("v2/schema/AppDefinition.json", App, APP), ("v2/schema/PodDefinition.json", Pod, POD)],
)
def test_schemas_are_those_of_what_is_read(path: str, kind: type[msgspec.Struct], example: dict[str, Any]) -> None:
    schema = json.loads(MADE[path])
    assert set(schema["properties"]) == {one.encode_name for one in msgspec.structs.fields(kind)}
    validator = Draft202012Validator(schema)
    validator.validate(example)
    validator.validate(json.loads(msgspec.json.encode(wire.read(example, kind))))
    assert not validator.is_valid({**example, "id": 5})


def test_schema_of_an_app_on_all_agents() -> None:
    validator = Draft202012Validator(json.loads(MADE["v2/schema/AppDefinition.json"]))
    assert validator.is_valid({**APP, "instances": "all"})
    assert not validator.is_valid({**APP, "instances": "some"})


@pytest.mark.parametrize("fields", [APP, {"id": "/a", "cmd": "run", "upgradeStrategy": {"steps": [{"percent": 10}]}}])
def test_written_apps_are_of_the_type(fields: dict[str, Any]) -> None:
    written = json.loads(msgspec.json.encode(normalize.canonical(wire.read(fields, App), normalize.Defaults())))
    assert TOLD.faults(written, "app.App") == []
    assert TOLD.faults({**written, "unknown": 1}, "app.App") == ["/unknown: not described"]
    assert TOLD.faults({**written, "cpus": "1"}, "app.App") == ["/cpus: '1' is no number"]


async def test_they_are_served(marathon: Running) -> None:
    for path, kind in (("api.raml", "application/raml+yaml"), ("v2/schema/AppDefinition.json", "application/json")):
        async with marathon.client.get(f"/public/api/{path}") as answer:
            assert (answer.status, answer.content_type, await answer.read()) == (200, kind, MADE[path])
    for path in ("v2/none.raml", "../../api.py", "%2e%2e/description.py"):
        assert (await marathon.ask("GET", f"/public/api/{path}", status=500))["message"] == "URI not found"


async def test_plugins(marathon: Running) -> None:
    for method, path in (("GET", "some"), ("GET", "some/below/it"), ("POST", "some/x"), ("DELETE", "some/x")):
        refused = await marathon.ask(method, f"/v2/plugins/{path}", status=404)
        assert refused == {"message": "No plugin with this pluginId: some"}


async def test_all_that_is_told_is_served_and_the_other_way_round(marathon: Running) -> None:
    told = list(TOLD.methods())
    for method, path, _ in told:
        asked = path.format(**NAMES)
        async with marathon.client.request(method, asked, json=None if method == "GET" else {}) as answer:
            text = await answer.text()
            assert answer.status != 405 or asked == "/v2/events", f"{method} {asked}"
            assert "URI not found" not in text, f"{method} {asked}"
    paths = {path for _, path, _ in told}
    for resource in marathon.client.server.app.router.resources():  # type: ignore[attr-defined]
        begin = resource.canonical.partition("{")[0].rstrip("/")
        known = resource.canonical in SILENT or any(one == begin or one.startswith(begin + "/") for one in paths)
        assert known, resource.canonical


async def test_answers_are_as_told(house: House) -> None:
    async with house.marathon() as marathon:

        async def fits(kind: str, method: str, path: str, body: Any = None, status: int = 200) -> Any:
            answer = await marathon.ask(method, path, body, status)
            assert TOLD.faults(answer, kind) == [], f"{method} {path}"
            return answer

        app = {**APP, "healthChecks": []}  # nobody runs them here
        pod = {**POD, "containers": [{**one, "healthCheck": None} for one in POD["containers"]]}
        failing = {**app, "id": "/shop/none", "cpus": 1000}
        await fits("error.Error", "POST", "/v2/apps", {**APP, "cpus": -1}, 422)
        await fits("error.Error", "POST", "/v2/apps", {**APP, "cpus": "x"}, 422)
        await fits("appInfo.AppInfo", "POST", "/v2/apps", app, 201)
        await fits("pod.Pod", "POST", "/v2/pods", pod, 201)
        await marathon.settled()
        await fits("deploymentResult.DeploymentResult", "POST", "/v2/groups", GROUP, 201)
        await marathon.settled()
        await fits("appInfo.AppInfo", "POST", "/v2/apps", failing, 201)
        await fits("error.LockedError", "PUT", "/v2/apps/shop/none", {"cpus": 2}, 409)
        await marathon.until("refused", lambda: bool(marathon.leader.state.queue["/shop/none"].refusals()))
        every = "".join(
            f"&embed=apps.{one}"
            for one in ("tasks", "readiness", "lastTaskFailure", "taskStats", "extensions", "waits")
        )
        await fits("appInfo.AppList", "GET", f"/v2/apps?{every}")
        shown = await marathon.ask("GET", f"/v2/apps/shop/none?embed=waits{every}", status=200)
        assert TOLD.faults(shown["app"], "appInfo.AppInfo") == []
        assert shown["app"]["waits"]
        await fits("task.TaskList", "GET", "/v2/tasks")
        await fits("pod.Pod[]", "GET", "/v2/pods")
        await fits("podStatus.PodStatus[]", "GET", "/v2/pods/::status")
        await fits("podStatus.PodStatus", "GET", "/v2/pods/shop/cart::status")
        await fits("string[]", "GET", "/v2/pods/shop/cart::versions")
        await fits("group.GroupInfo", "GET", f"/v2/groups?embed=group.groups&embed=group.apps&embed=group.pods{every}")
        await fits("deployment.DeploymentInfo[]", "GET", "/v2/deployments?embed=waits&embed=extensions")
        await fits("queue.Queue", "GET", "/v2/queue?embed=lastUnusedOffers&embed=waits")
        await fits("info.MarathonInfo", "GET", "/v2/info")
        await fits("info.LeaderInfo", "GET", "/v2/leader")
        await fits("metrics.Metrics", "GET", "/metrics")
        await fits("pluginDefinition.PluginDefinitions", "GET", "/v2/plugins")
        await fits("info.LoggerChange", "POST", "/logging", {"logger": "a.b", "level": "info"})
        await fits("deployment.DeploymentPlan", "PUT", "/v2/groups/office?dryRun=true", {"scaleBy": 2})
        [instance] = (await marathon.ask("GET", "/v2/pods/shop/cart::status"))["instances"]
        await fits("instance.Instance", "DELETE", f"/v2/pods/shop/cart::instances/{instance['id']}")
        await fits("task.TaskList", "DELETE", "/v2/apps/shop/web/tasks")
        await fits("appInfo.AppList", "GET", f"/v2/apps?{every}")
        [deployment] = await marathon.ask("GET", "/v2/deployments")
        await fits("deploymentResult.DeploymentResult", "DELETE", f"/v2/deployments/{deployment['id']}")


async def test_autoscaling_is_told_as_described(marathon: Running) -> None:
    policy = {"max": 5, "cpu": 50}
    await marathon.ask("POST", "/v2/apps", {**APP, "autoscaling": policy}, 201)
    told = await marathon.ask("GET", "/v2/apps/shop/web/autoscaling", status=200)
    assert TOLD.faults(told, "appInfo.AutoscalingHistory") == []
    assert told["policy"]["max"] == 5
