"""Pods as clients see them, on a fake Mesos: from definition to the end of instances."""

from __future__ import annotations

import json
from typing import Any

from dcos.model.resources import Resources
from dcos.model.v1 import types as t
from dcos.model.v1.types import TaskState
from tests.unit.marathon.conftest import House, Running

POD: dict[str, Any] = {
    "id": "/shop/pair",
    "labels": {"team": "a"},
    "environment": {"MODE": "fast", "HOST": "mine"},
    "containers": [
        {
            "name": "web",
            "resources": {"cpus": 0.1, "mem": 32},
            "exec": {"command": {"shell": "serve"}},
            "endpoints": [{"name": "http", "hostPort": 0, "protocol": ["tcp"], "labels": {"VIP_0": "/pair:80"}}],
            "healthCheck": {"http": {"endpoint": "http", "path": "/ok"}},
            "volumeMounts": [{"name": "shared", "mountPath": "data"}],
            "lifecycle": {"killGracePeriodSeconds": 1.5},
        },
        {
            "name": "side",
            "resources": {"cpus": 0.2, "mem": 16},
            "exec": {"command": {"argv": ["watch", "it"]}},
            "environment": {"MODE": "slow"},
            "volumeMounts": [{"name": "shared", "mountPath": "/in", "readOnly": True}],
        },
    ],
    "volumes": [{"name": "shared"}],
    "scaling": {"kind": "fixed", "instances": 1},
}


def _healthy(marathon: Running) -> None:
    for task_id, task in list(marathon.mesos.tasks.items()):
        if task.info.health_check is not None:
            marathon.mesos.update(task_id, TaskState.TASK_RUNNING, healthy=True)


async def _deployed(marathon: Running) -> None:
    """What runs reports itself healthy until every deployment is done."""
    for _ in range(20):
        if not marathon.leader.state.deployments:
            return
        await marathon.until("started", lambda: bool(marathon.running()))
        _healthy(marathon)
        for _ in range(50):
            await marathon.tick(0)
    assert not marathon.leader.state.deployments


async def _created(marathon: Running, pod: dict[str, Any] = POD) -> None:
    await marathon.ask("POST", "/v2/pods", pod, 201)
    await _deployed(marathon)


async def test_a_pod_is_created_runs_and_is_shown(marathon: Running) -> None:
    async with marathon.client.head("/v2/pods") as probe:
        assert probe.status == 200
    async with marathon.client.post("/v2/pods", json=POD) as answer:
        assert answer.status == 201
        made = await answer.json()
        deployment = answer.headers["Marathon-Deployment-Id"]
    assert made["networks"] == [{"mode": "host"}]
    assert made["executorResources"] == {"cpus": 0.1, "mem": 32.0, "disk": 10.0}
    assert made["scheduling"] == {
        "backoff": {"backoff": 1.0, "backoffFactor": 1.15, "maxLaunchDelay": 300.0},
        "upgrade": {"minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0},
        "placement": {"constraints": [], "acceptedResourceRoles": []},
        "killSelection": "YOUNGEST_FIRST",
        "unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
    }
    assert made["version"]
    assert "versionInfo" not in made
    [shown] = await marathon.ask("GET", "/v2/deployments", status=200)
    assert (shown["id"], shown["affectedPods"], shown["affectedApps"]) == (deployment, ["/shop/pair"], [])
    assert [one["actions"] for one in shown["steps"]] == [
        [{"action": "StartPod", "pod": "/shop/pair"}],
        [{"action": "ScalePod", "pod": "/shop/pair"}],
    ]
    await marathon.until("started", lambda: marathon.running() == 2)
    status = await marathon.ask("GET", "/v2/pods/shop/pair::status", status=200)
    assert status["status"] == "DEGRADED"
    [instance] = status["instances"]
    assert (instance["status"], instance["message"]) == ("DEGRADED", "at least one container is not healthy")
    _healthy(marathon)
    await marathon.settled()

    status = await marathon.ask("GET", "/v2/pods//shop/pair::status", status=200)
    assert (status["status"], status["spec"]["id"]) == ("STABLE", "/shop/pair")
    [instance] = status["instances"]
    assert instance["status"] == "STABLE"
    assert instance["specReference"] == f"/v2/pods/shop/pair::versions/{made['version']}"
    assert instance["resources"] == {"cpus": 0.4, "mem": 80, "disk": 10, "gpus": 0}
    web, side = instance["containers"]
    [endpoint] = web["endpoints"]
    assert endpoint["healthy"] is True
    assert 31000 <= endpoint["allocatedHostPort"] <= 31999
    assert [(one["name"], one["value"], one["reason"]) for one in web["conditions"]] == [
        ("healthy", "true", "health-reported-by-mesos")
    ]
    assert (side["name"], side["status"], side["endpoints"], side["conditions"]) == ("side", "TASK_RUNNING", [], [])
    assert len(await marathon.ask("GET", "/v2/pods/::status", status=200)) == 1
    assert [one["id"] for one in await marathon.ask("GET", "/v2/pods", status=200)] == ["/shop/pair"]
    tasks = (await marathon.ask("GET", "/v2/tasks", status=200))["tasks"]
    assert {one["appId"] for one in tasks} == {"/shop/pair"}
    assert len(tasks) == 2


async def test_what_the_agent_is_told_to_launch(marathon: Running) -> None:
    await _created(marathon)
    [executor] = marathon.mesos.executors
    web, side = [one.info for one in marathon.mesos.tasks.values()]
    assert executor.type is t.ExecutorInfoType.DEFAULT
    instance_id = web.task_id.value.split(".web.")[0]
    assert executor.executor_id.value == f"instance-{instance_id}"
    own = Resources.of(executor.resources)
    assert (own.scalar("cpus"), own.scalar("mem"), own.scalar("disk")) == (100, 32000, 10000)
    [port] = [number for one in executor.resources if one.ranges for number in (one.ranges.range[0].begin,)]
    share = Resources.of(side.resources)
    assert (share.scalar("cpus"), share.scalar("mem"), share.scalar("disk")) == (200, 16000, 0)
    assert web.discovery is not None
    assert web.discovery.ports is not None
    [found] = web.discovery.ports.ports
    assert (found.number, found.name, found.protocol, web.discovery.name) == (port, "http", "tcp", "pair.shop")
    assert found.labels is not None
    assert {one.key: one.value for one in found.labels.labels} == {"VIP_0": "/pair:80", "network-scope": "host"}
    assert web.health_check is not None
    assert web.health_check.http is not None
    assert (web.health_check.http.port, web.health_check.http.path) == (port, "/ok")
    assert web.kill_policy is not None
    assert web.kill_policy.grace_period is not None
    assert web.kill_policy.grace_period.nanoseconds == 1_500_000_000
    assert web.command is not None
    assert web.command.environment is not None
    variables = {one.name: one.value for one in web.command.environment.variables}
    assert variables["HOST"].startswith("10.0.0.")
    assert (variables["MODE"], variables["ENDPOINT_HTTP"], variables["EP_HOST_HTTP"]) == ("fast", str(port), str(port))
    assert variables["MESOS_EXECUTOR_ID"] == executor.executor_id.value
    assert (variables["MARATHON_CONTAINER_ID"], variables["MARATHON_APP_LABEL_TEAM"]) == ("web", "a")
    assert side.command is not None
    assert side.command.environment is not None
    assert (side.command.shell, side.command.value, side.command.arguments) == (False, "watch", ("watch", "it"))
    assert {one.name: one.value for one in side.command.environment.variables}["MODE"] == "slow"
    assert side.container is not None
    [volume] = side.container.volumes
    assert volume.mode is t.VolumeMode.RO
    assert volume.source is not None
    assert volume.source.sandbox_path is not None
    assert (volume.source.sandbox_path.type, volume.source.sandbox_path.path) == ("PARENT", "volumes/shared")


async def test_one_container_that_fails_takes_the_instance_with_it(marathon: Running) -> None:
    await _created(marathon)
    web, side = marathon.mesos.tasks
    marathon.mesos.autorun = False
    marathon.mesos.update(side, TaskState.TASK_FAILED, message="Command exited with status 3")
    await marathon.until("torn down", lambda: web not in marathon.mesos.tasks)
    await marathon.until("forgotten", lambda: not marathon.leader.state.instances)
    told = await marathon.ask("GET", "/v2/pods/shop/pair::status?embed=waits", status=200)
    assert [one["kind"] for one in told["waits"]] == ["backoff"]
    [entry] = (await marathon.ask("GET", "/v2/queue", status=200))["queue"]
    assert (entry["pod"]["id"], entry["count"], entry["delay"]["overdue"]) == ("/shop/pair", 1, False)
    status = await marathon.ask("GET", "/v2/pods/shop/pair::status", status=200)
    assert "waits" not in status
    [ended] = status["terminationHistory"]
    assert ended["message"] == "Command exited with status 3"
    assert {one["lastKnownState"] for one in ended["containers"]} == {"TASK_KILLED", "TASK_FAILED"}
    [failed] = [one for one in ended["containers"] if one["lastKnownState"] == "TASK_FAILED"]
    assert failed["termination"] == {"exitCode": 3, "message": "Command exited with status 3"}
    marathon.mesos.autorun = True
    await marathon.tick(5)
    await marathon.until("replaced", lambda: marathon.running() == 2)
    assert not {web, side} & set(marathon.mesos.tasks)


async def test_a_container_that_finishes_ends_the_instance_without_delay(marathon: Running) -> None:
    await _created(marathon)
    web, side = marathon.mesos.tasks
    marathon.mesos.update(side, TaskState.TASK_FINISHED)
    await marathon.until("replaced", lambda: marathon.running() == 2 and web not in marathon.mesos.tasks)
    assert not marathon.leader.state.delays


async def test_scaling_and_updating(marathon: Running) -> None:
    await _created(marathon)
    before = set(marathon.mesos.tasks)
    await marathon.ask("PUT", "/v2/pods/shop/pair", {**POD, "scaling": {"kind": "fixed", "instances": 2}}, 200)
    [deployment] = await marathon.ask("GET", "/v2/deployments")
    assert deployment["steps"] == [{"actions": [{"action": "ScalePod", "pod": "/shop/pair"}]}]
    await _deployed(marathon)
    assert before < set(marathon.mesos.tasks)
    changed = {**POD, "labels": {"team": "b"}}
    await marathon.ask("PUT", "/v2/pods/shop/pair", changed, 200)
    [deployment] = await marathon.ask("GET", "/v2/deployments")
    assert deployment["steps"] == [{"actions": [{"action": "RestartPod", "pod": "/shop/pair"}]}]
    locked = await marathon.ask("PUT", "/v2/pods/shop/pair", POD, 409)
    assert locked["deployments"] == [{"id": deployment["id"]}]
    await _deployed(marathon)
    assert marathon.running() == 2
    assert not before & set(marathon.mesos.tasks)
    versions = await marathon.ask("GET", "/v2/pods/shop/pair::versions", status=200)
    assert len(versions) == 3
    old = await marathon.ask("GET", f"/v2/pods/shop/pair::versions/{versions[-1]}", status=200)
    assert (old["labels"], old["scaling"]["instances"]) == ({"team": "a"}, 1)
    missing = await marathon.ask("GET", "/v2/pods/shop/pair::versions/2001-01-01T00:00:00.000Z", status=404)
    assert missing == {"message": "Pod '/shop/pair' does not exist in version 2001-01-01T00:00:00.000Z"}


async def test_deleting_stops_all_instances(marathon: Running) -> None:
    await _created(marathon)
    async with marathon.client.delete("/v2/pods/shop/pair") as answer:
        assert answer.status == 202
        assert await answer.read() == b""
        assert answer.headers["Marathon-Deployment-Id"]
    await marathon.until("gone", lambda: not marathon.mesos.tasks)
    await marathon.settled()
    await marathon.until("forgotten", lambda: not marathon.leader.state.versions)
    for method, path in (("GET", ""), ("GET", "::status"), ("GET", "::versions"), ("DELETE", "")):
        refused = await marathon.ask(method, f"/v2/pods/shop/pair{path}", status=404)
        assert refused == {"message": "Pod '/shop/pair' does not exist"}


async def test_killing_instances(marathon: Running) -> None:
    await _created(marathon, {**POD, "scaling": {"kind": "fixed", "instances": 2}})
    one, two = marathon.leader.state.instances
    answer = await marathon.ask("DELETE", f"/v2/pods/shop/pair::instances/{one}", status=200)
    assert (answer["instanceId"], answer["state"]["condition"]) == (one, "Running")
    await marathon.until("replaced", lambda: marathon.running() == 4 and one not in marathon.leader.state.instances)
    answer = await marathon.ask("DELETE", "/v2/pods/shop/pair::instances", [one, two], 200)
    assert [shown["instanceId"] for shown in answer] == [two]
    await marathon.until("killed", lambda: two not in marathon.leader.state.instances)
    assert (await marathon.ask("DELETE", f"/v2/pods/shop/pair::instances/{one}", status=404))["message"]
    refused = await marathon.ask("DELETE", "/v2/pods/shop/pair::instances", ["what"], 422)
    assert refused["details"][0]["path"] == "/(0)"


async def test_pods_live_in_groups(marathon: Running) -> None:
    await _created(marathon)
    group = await marathon.ask("GET", "/v2/groups/shop", status=200)
    assert [(one["id"], one["status"], one["spec"]["labels"]) for one in group["pods"]] == [
        ("/shop/pair", "STABLE", {"team": "a"})
    ]
    root = await marathon.ask("GET", "/v2/groups", status=200)
    assert [one["id"] for one in root["groups"][0]["pods"]] == ["/shop/pair"]
    assert root["version"] == root["groups"][0]["version"] == group["pods"][0]["spec"]["version"]
    bare = await marathon.ask("GET", "/v2/groups/shop?embed=group.apps", status=200)
    assert "pods" not in bare
    app = {"id": "web", "cmd": "sleep 1", "cpus": 0.1, "mem": 16}
    await marathon.ask("PUT", "/v2/groups/shop", {"apps": [app]}, 200)
    await marathon.settled()
    assert set(marathon.leader.state.pods) == {"/shop/pair"}
    taken = await marathon.ask("POST", "/v2/apps", {**app, "id": "/shop/pair"}, 409)
    assert taken == {"message": "A pod with id [/shop/pair] already exists."}
    taken = await marathon.ask("POST", "/v2/pods", {**POD, "id": "/shop/web"}, 409)
    assert taken == {"message": "An app with id [/shop/web] already exists."}
    taken = await marathon.ask("POST", "/v2/pods", POD, 409)
    assert taken == {"message": "A pod with id [/shop/pair] already exists."}
    assert (await marathon.ask("POST", "/v2/pods", {**POD, "id": "/shop"}, 409))["message"]
    await marathon.ask("DELETE", "/v2/groups/shop", status=200)
    await marathon.settled()
    assert not marathon.leader.state.pods
    assert not marathon.mesos.tasks


async def test_a_new_leader_takes_pods_over(house: House) -> None:
    async with house.marathon() as first:
        await _created(first)
        _healthy(first)
        before = set(house.mesos.tasks)
        pod = await first.ask("GET", "/v2/pods/shop/pair")
    async with house.marathon() as second:
        await second.until("subscribed", lambda: second.leader.state.subscribed)
        assert await second.ask("GET", "/v2/pods/shop/pair", status=200) == pod
        status = await second.ask("GET", "/v2/pods/shop/pair::status", status=200)
        assert status["status"] == "STABLE"
        assert set(house.mesos.tasks) == before
        assert all(second.leader.state.is_healthy(one) for one in second.leader.state.instances.values())


async def test_unreachable_and_back(marathon: Running) -> None:
    await _created(marathon, {**POD, "scheduling": {"unreachableStrategy": "disabled"}})
    [agent] = {task.agent.id for task in marathon.mesos.tasks.values()}
    marathon.mesos.lose(marathon.mesos.agents[agent])
    [instance_id] = marathon.leader.state.instances
    await marathon.until("noticed", lambda: marathon.leader.state.instances[instance_id].is_unreachable)
    status = await marathon.ask("GET", "/v2/pods/shop/pair::status", status=200)
    [instance] = status["instances"]
    assert (instance["status"], instance["message"]) == ("DEGRADED", "pod instance has become unreachable")
    marathon.mesos.agents[agent].reachable = True
    for task_id in list(marathon.mesos.tasks):
        marathon.mesos.update(task_id, TaskState.TASK_RUNNING)
    await marathon.until("back", lambda: marathon.leader.state.instances[instance_id].condition == "Running")


async def test_the_role_of_a_group_is_enforced(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/groups", {"id": "/shop", "enforceRole": True}, 201)
    refused = await marathon.ask("POST", "/v2/pods", {**POD, "role": "other"}, 422)
    assert refused["details"] == [{"path": "/role", "errors": ["got other, expected one of: [shop]"]}]
    made = await marathon.ask("POST", "/v2/pods", POD, 201)
    assert made["role"] == "shop"


async def test_the_id_of_the_path_counts(marathon: Running) -> None:
    refused = await marathon.ask("PUT", "/v2/pods/other", POD, 400)
    assert refused == {"message": "'/other' does not match definition's id ('/shop/pair')"}


async def test_a_deployment_is_rolled_back(marathon: Running) -> None:
    await _created(marathon)
    marathon.mesos.autorun = False
    async with marathon.client.put("/v2/pods/shop/pair", json={**POD, "labels": {"team": "b"}}) as answer:
        deployment = answer.headers["Marathon-Deployment-Id"]
    await marathon.ask("DELETE", f"/v2/deployments/{deployment}", status=200)
    assert (await marathon.ask("GET", "/v2/pods/shop/pair"))["labels"] == {"team": "a"}
    marathon.mesos.autorun = True
    for task_id in list(marathon.mesos.tasks):
        marathon.mesos.update(task_id, TaskState.TASK_RUNNING)
    await _deployed(marathon)
    assert marathon.running() == 2
    async with marathon.client.post("/v2/pods", json={**POD, "id": "/other"}) as answer:
        deployment = answer.headers["Marathon-Deployment-Id"]
    await marathon.ask("DELETE", f"/v2/deployments/{deployment}", status=200)
    await marathon.until("gone again", lambda: not marathon.leader.state.instances_of("/other"))
    assert set(marathon.leader.state.pods) == {"/shop/pair"}


async def test_an_id_is_free_again_when_the_last_instance_has_ended(marathon: Running) -> None:
    await _created(marathon)
    [agent] = {task.agent.id for task in marathon.mesos.tasks.values()}
    marathon.mesos.agents[agent].reachable = False  # kills are not answered
    await marathon.ask("DELETE", "/v2/pods/shop/pair", status=202)
    leaving = await marathon.ask("GET", "/v2/pods/shop/pair::status", status=200)
    assert leaving["status"] == "TERMINAL"
    assert (await marathon.ask("GET", "/v2/pods/shop/pair", status=404))["message"]
    app = {"id": "/shop/pair", "cmd": "sleep 1", "cpus": 0.1, "mem": 16}
    await marathon.ask("POST", "/v2/apps?force=true", app, 409)
    marathon.mesos.agents[agent].reachable = True
    await marathon.tick(20)
    await marathon.until("forgotten", lambda: not marathon.leader.state.versions)
    await marathon.ask("POST", "/v2/apps", app, 201)
    await marathon.settled()
    assert marathon.running() == 1


async def test_what_the_event_stream_tells_of_pods(marathon: Running) -> None:
    kinds = ["pod_created_event", "pod_updated_event", "pod_deleted_event", "deployment_info", "instance_changed_event"]
    heard = marathon.service.bus.attach(kinds, "test")
    await _created(marathon)
    await marathon.ask("PUT", "/v2/pods/shop/pair", {**POD, "scaling": {"kind": "fixed", "instances": 0}}, 200)
    await marathon.settled()
    await marathon.ask("DELETE", "/v2/pods/shop/pair", status=202)
    await marathon.settled()
    told = [heard.queue.get_nowait().decode() for _ in range(heard.queue.qsize())]
    bodies = [json.loads(one.partition("\ndata: ")[2]) for one in told]
    asked = [(one["eventType"], one["uri"]) for one in bodies if "uri" in one]
    assert asked == [
        ("pod_created_event", "/v2/pods"),
        ("pod_updated_event", "/v2/pods/shop/pair"),
        ("pod_deleted_event", "/v2/pods/shop/pair"),
    ]
    actions = {
        (one["action"], one["pod"]) for body in bodies if "plan" in body for one in body["currentStep"]["actions"]
    }
    assert actions == {(f"{what}Pod", "/shop/pair") for what in ("Start", "Scale", "Stop")}
    changes = [one["condition"] for one in bodies if one["eventType"] == "instance_changed_event"]
    assert changes[0] == "Provisioned"
    assert changes[-1] == "Killed"
    assert "Running" in changes


async def test_pods_are_updated_in_steps_too(marathon: Running) -> None:
    def pod(command: str) -> dict[str, Any]:
        container = {
            "name": "c",
            "resources": {"cpus": 0.1, "mem": 32},
            "exec": {"command": {"shell": command}},
        }
        upgrade = {"maximumOverCapacity": 0.5, "steps": [{"instances": 1, "pause": True}]}
        return {
            "id": "/p",
            "containers": [container],
            "scaling": {"kind": "fixed", "instances": 3},
            "scheduling": {"upgrade": upgrade},
        }

    def commands() -> list[str]:
        return sorted(str(one.info.command.value) for one in marathon.mesos.running() if one.info.command)

    await marathon.ask("POST", "/v2/pods", pod("x"), 201)
    await marathon.settled()
    await marathon.ask("PUT", "/v2/pods/p", pod("y"), 200)
    await marathon.until("canary", lambda: commands() == ["x", "x", "y"])
    await marathon.until(
        "noted",
        lambda: any(
            one.reached_at for made in marathon.leader.state.deployments.values() for one in made.rollouts.values()
        ),
    )
    [deployment] = await marathon.ask("GET", "/v2/deployments?embed=waits")
    assert [(one["pod"], one["kind"]) for one in deployment["waits"]] == [("/p", "rollout")]
    await marathon.ask("PUT", f"/v2/deployments/{deployment['id']}", {"action": "continue"}, 200)
    await marathon.settled()
    assert commands() == ["y", "y", "y"]
    wrong = await marathon.ask(
        "POST", "/v2/pods", {**pod("x"), "id": "/q", "scheduling": {"upgrade": {"steps": [{}]}}}, 422
    )
    assert wrong["details"][0]["path"] == "/scheduling/upgrade/steps(0)"
