"""What single rows of the API's reference say of requests and answers.   Source: Marathon 1.11, its REST API and resources."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dcos.marathon.config import Config
from dcos.marathon.core import backoff, events
from dcos.marathon.core.backoff import Delay
from dcos.marathon.core.state import State
from dcos.marathon.probes import targets
from dcos.marathon.service import framework_info
from dcos.model.marathon import App, VersionInfo
from dcos.model.v1.scheduler import CallType
from dcos.model.v1.types import (
    AgentID,
    CheckStatusInfo,
    CheckStatusInfoCommand,
    CheckStatusInfoHttp,
    CheckStatusInfoTcp,
    TaskID,
    TaskState,
    TaskStatus,
)
from tests.unit.marathon.conftest import House, Running
from tests.unit.marathon.test_matching import Core, offer

APP: dict[str, Any] = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32}
NEVER = "2001-01-01T00:00:00.000Z"


# ---- what is read ----------------------------------------------------------------------------------------------------


async def test_unknown_members_and_types_of_bodies_are_ignored(marathon: Running) -> None:
    body = b'{"id": "/web", "cmd": "sleep 1000", "instances": 0, "fancy": {"a": 1}, "user": null}'
    async with marathon.client.post("/v2/apps", data=body, headers={"Content-Type": "text/plain"}) as response:
        made = await response.json()
    assert response.status == 201
    assert {"fancy", "user"}.isdisjoint(made)


async def test_the_id_of_the_path_counts(marathon: Running) -> None:
    await marathon.ask("PUT", "/v2/apps/web", {**APP, "id": "/other", "instances": 0}, 201)
    assert list(marathon.leader.state.apps) == ["/web"]


@pytest.mark.parametrize(
    "path", ["/v2/apps/web/versions/{}", "/v2/pods/pod::versions/{}", "/v2/groups/versions/{}"], ids=lambda one: one[4:]
)
async def test_versions_are_iso_8601(marathon: Running, path: str) -> None:
    container = {"name": "c", "resources": {"cpus": 0.1, "mem": 32}, "exec": {"command": {"shell": "sleep 1"}}}
    pod = {"id": "/pod", "containers": [container], "scaling": {"instances": 0}}
    for where, body in (("/v2/apps", {**APP, "instances": 0}), ("/v2/pods", pod)):
        await marathon.ask("POST", where, body, 201)
    listed = await marathon.ask("GET", path.removesuffix("/{}"), status=200)
    version = (listed["versions"] if isinstance(listed, dict) else listed)[0]
    assert len(version) == len(NEVER)
    shown = await marathon.ask("GET", path.format(version), status=200)
    other = version.replace("Z", "000%2B00:00")
    assert await marathon.ask("GET", path.format(other), status=200) == shown, "the same moment in other words"
    assert f"in version {NEVER}" in (await marathon.ask("GET", path.format(NEVER), status=404))["message"]
    for bad in ("nonsense", "2020-01-01", "2020-01-01T00:00:00"):
        refused = await marathon.ask("GET", path.format(bad), status=422)
        assert refused == {"message": f"Invalid timestamp provided '{bad}'. Expecting ISO-8601 datetime string."}
    refused = await marathon.ask("PUT", "/v2/apps/web", {"version": "nonsense"}, 422)
    assert refused["message"].startswith("Invalid timestamp provided 'nonsense'.")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("cmd=SLEEP", ["/shop/db", "/shop/web"]),
        ("cmd=none", []),
        ("id=WE", ["/shop/web"]),
        ("label=tier==front", ["/shop/web"]),
        ("label=tier&id=db", []),
        ("", ["/shop/db", "/shop/web"]),
    ],
)
async def test_lists_of_apps_are_narrowed(marathon: Running, query: str, found: list[str]) -> None:
    for name, labels in (("web", {"tier": "front"}), ("db", {})):
        await marathon.ask("POST", "/v2/apps", {**APP, "id": f"/shop/{name}", "labels": labels, "instances": 0}, 201)
    assert sorted(one["id"] for one in (await marathon.ask("GET", f"/v2/apps?{query}"))["apps"]) == found


# ---- what is answered ------------------------------------------------------------------------------------------------


async def test_whatever_makes_a_deployment_names_it(marathon: Running) -> None:
    requests: list[tuple[str, str, Any, int]] = [
        ("POST", "/v2/apps", APP, 201),
        ("PUT", "/v2/apps/web", {"cpus": 0.2}, 200),
        ("PATCH", "/v2/apps/web", {"cpus": 0.3}, 200),
        ("PUT", "/v2/apps", [{"id": "/web", "cpus": 0.4}], 200),
        ("POST", "/v2/apps/web/restart", None, 200),
        ("DELETE", "/v2/apps/web/tasks?scale=true", None, 200),
        ("POST", "/v2/groups", {"id": "/shop"}, 201),
        ("PUT", "/v2/groups/shop", {"apps": [{**APP, "id": "db"}]}, 200),
        ("DELETE", "/v2/groups/shop", None, 200),
        ("DELETE", "/v2/apps/web", None, 200),
    ]
    for method, path, body, status in requests:
        async with marathon.client.request(method, path, json=body) as response:
            told = await response.json()
        assert response.status == status, (method, path, told)
        if path == "/v2/apps" and method == "POST":
            [deployment] = told["deployments"]
            assert response.headers["Location"].endswith("/v2/apps/web")
            assert [told[f"tasks{one}"] for one in ("Staged", "Running", "Healthy", "Unhealthy")] == [0, 0, 0, 0]
            assert "tasks" not in told
        else:
            assert set(told) == {"version", "deploymentId"}
            assert len(told["version"]) == len(NEVER)
            deployment = {"id": told["deploymentId"]}
        assert response.headers["Marathon-Deployment-Id"] == deployment["id"]
        await marathon.settled()


async def test_members_of_a_deployment(house: House) -> None:
    house.mesos.agents.clear()
    async with house.marathon() as marathon:
        apps = [{**APP, "id": "web", "dependencies": ["db"]}, {**APP, "id": "db"}]
        made = await marathon.ask("PUT", "/v2/groups/shop", {"apps": apps}, 200)
        [shown] = await marathon.ask("GET", "/v2/deployments")
    assert shown == {
        "id": made["deploymentId"],
        "version": made["version"],
        "affectedApps": ["/shop/db", "/shop/web"],
        "affectedPods": [],
        "steps": [
            {"actions": [{"action": "StartApplication", "app": one} for one in ("/shop/db", "/shop/web")]},
            {"actions": [{"action": "ScaleApplication", "app": "/shop/db"}]},
            {"actions": [{"action": "ScaleApplication", "app": "/shop/web"}]},
        ],
        "currentActions": [{"action": "ScaleApplication", "app": "/shop/db", "readinessCheckResults": []}],
        "currentStep": 2,
        "totalSteps": 3,
    }


async def test_what_changes_which_time(marathon: Running) -> None:
    async def info() -> tuple[str, VersionInfo]:
        await marathon.settled()
        app = marathon.leader.state.apps["/web"]
        assert app.version_info is not None
        assert (await marathon.ask("GET", "/v2/apps/web"))["app"]["versionInfo"] == {
            "lastScalingAt": app.version_info.last_scaling_at,
            "lastConfigChangeAt": app.version_info.last_config_change_at,
        }
        return app.version or "", app.version_info

    await marathon.ask("POST", "/v2/apps", APP, 201)
    first, times = await info()
    assert (times.last_scaling_at, times.last_config_change_at) == (first, first)
    marathon.clock.time += 1
    await marathon.ask("PUT", "/v2/apps/web", {"instances": 2}, 200)
    scaled, times = await info()
    assert (times.last_scaling_at, times.last_config_change_at) == (scaled, first)
    assert scaled > first
    marathon.clock.time += 1
    same = await marathon.ask("PUT", "/v2/apps/web", {"instances": 2, "cpus": 0.1}, 200)
    assert same["deploymentId"]
    assert await info() == (scaled, times), "nothing changed"
    for body in ({"labels": {"a": "b"}}, None):
        marathon.clock.time += 1
        method, path = ("PUT", "/v2/apps/web") if body else ("POST", "/v2/apps/web/restart")
        before = set(marathon.mesos.tasks)
        await marathon.ask(method, path, body, 200)
        changed, times = await info()
        assert (times.last_scaling_at, times.last_config_change_at) == (changed, changed)
        assert before.isdisjoint(marathon.mesos.tasks), "whatever is not scaling replaces"


async def test_statistics_are_by_age_of_configuration(marathon: Running) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "instances": 2}, 201)
    await marathon.settled()
    marathon.mesos.autorun = False
    marathon.clock.time += 1
    await marathon.ask("PUT", "/v2/apps/web", {"cpus": 0.2}, 200)
    await marathon.until("new ones", lambda: len(marathon.mesos.tasks) == 4)
    [app] = (await marathon.ask("GET", "/v2/apps?embed=apps.taskStats"))["apps"]
    found = {name: one["stats"]["counts"] for name, one in app["tasksStats"].items()}
    new = {"staged": 2, "running": 0, "healthy": 0, "unhealthy": 0}
    old = {"staged": 0, "running": 2, "healthy": 0, "unhealthy": 0}
    assert found == {
        "startedAfterLastScaling": new,
        "withLatestConfig": new,
        "withOutdatedConfig": old,
        "totalSummary": {name: new[name] + old[name] for name in new},
    }
    assert app["tasksStats"]["totalSummary"]["stats"]["lifeTime"]["medianSeconds"] >= 0


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (CheckStatusInfo(http=CheckStatusInfoHttp(status_code=404)), {"http": {"statusCode": 404}}),
        (CheckStatusInfo(tcp=CheckStatusInfoTcp(succeeded=False)), {"tcp": {"succeeded": False}}),
        (CheckStatusInfo(command=CheckStatusInfoCommand(exit_code=3)), {"command": {"exitCode": 3}}),
    ],
)
async def test_results_of_checks_are_told_and_nothing_is_killed(
    marathon: Running, status: CheckStatusInfo, shown: dict[str, Any]
) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "check": {"tcp": {}}}, 201)
    await marathon.settled()
    [task] = marathon.mesos.tasks
    marathon.mesos.update(task, TaskState.TASK_RUNNING, check_status=status)
    await marathon.until("told", lambda: not marathon.mesos.unacknowledged)
    [told] = (await marathon.ask("GET", "/v2/apps/web/tasks"))["tasks"]
    assert told["checkResult"] == shown
    assert list(marathon.mesos.tasks) == [task]


async def test_pods_are_there_for_who_asks(marathon: Running) -> None:
    async with marathon.client.head("/v2/pods") as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_members_of_info(marathon: Running) -> None:
    info = await marathon.ask("GET", "/v2/info", status=200)
    assert {
        *("name", "version", "buildref", "elected", "leader", "frameworkId"),
        *("marathon_config", "zookeeper_config", "http_config"),
    } <= set(info)
    assert info["leader"] == "me:1"
    assert {
        *("features", "master", "hostname", "webui_url", "mesos_role", "local_port_min", "local_port_max"),
        *("env_vars_prefix", "default_network_name", "mesos_leader_ui_url", "max_instances_per_offer"),
        "new_group_enforce_role",
    } <= set(info["marathon_config"])
    zk = ("zk", "zk_timeout", "zk_session_timeout", "zk_connection_timeout", "zk_max_versions", "zk_compression")
    assert set(zk) <= set(info["zookeeper_config"])
    assert set(info["http_config"]) == {"http_port", "https_port"}


def test_what_marathon_is_to_the_master() -> None:
    config = Config(master="zk://a/mesos", zk="zk://a/marathon", enable_features=("gpu_resources", "task_killing"))
    info = framework_info(config, "10.0.0.1:8080", State())
    assert (info.name, info.checkpoint, info.failover_timeout) == ("marathon", True, 604800.0)
    assert info.webui_url == "http://10.0.0.1:8080"
    kinds = {one.type.value for one in info.capabilities if one.type is not None}
    assert kinds == {
        *("PARTITION_AWARE", "MULTI_ROLE", "REGION_AWARE", "RESERVATION_REFINEMENT"),
        *("TASK_KILLING_STATE", "GPU_RESOURCES"),
    }


# ---- time ------------------------------------------------------------------------------------------------------------


def test_delays_grow_to_the_longest_and_are_forgotten() -> None:
    app = App(
        id="/a", backoff_seconds=10, backoff_factor=2, max_launch_delay_seconds=60,
        version_info=VersionInfo(last_scaling_at="v1", last_config_change_at="v1"),
    )  # fmt: skip
    delay: Delay | None = None
    waits = []
    now = 0.0
    for _ in range(5):
        delay = backoff.after_failure(app, delay, now)
        waits.append(delay.until - now)
        now = delay.until
    assert delay is not None
    assert waits == [10, 20, 40, 60, 60]
    assert backoff.waits_until(app, delay, now - 1) == now
    assert backoff.waits_until(app, delay, now) is None
    assert [backoff.is_stale(app, delay, now + one) for one in (60, 61)] == [False, True]
    other = replace(app, version_info=VersionInfo(last_scaling_at="v2", last_config_change_at="v2"))
    assert backoff.waits_until(other, delay, now - 1) is None, "another configuration begins anew"
    assert backoff.is_stale(other, delay, now)


@pytest.mark.parametrize(
    ("end", "delays"),
    [
        (TaskState.TASK_FAILED, True),
        (TaskState.TASK_ERROR, True),
        (TaskState.TASK_FINISHED, False),
        (TaskState.TASK_KILLED, False),
    ],
)
async def test_only_failures_delay(marathon: Running, end: TaskState, delays: bool) -> None:
    await marathon.ask("POST", "/v2/apps", {**APP, "backoffSeconds": 100}, 201)
    await marathon.settled()
    [task] = marathon.mesos.tasks
    marathon.mesos.tasks[task].kills += 1
    marathon.mesos.update(task, end)
    await marathon.until("heard", lambda: not marathon.mesos.unacknowledged)
    assert bool(marathon.leader.state.delays) is delays
    await marathon.ask("POST", "/v2/apps/web/restart?force=true", None, 200)
    assert not marathon.leader.state.delays, "a restart waits for nothing"


async def test_readiness_is_asked_during_deployments_until_it_is_there(marathon: Running) -> None:
    check = {"portName": "default", "intervalSeconds": 3600, "timeoutSeconds": 1}
    await marathon.ask("POST", "/v2/apps", {**APP, "readinessChecks": [check]}, 201)
    await marathon.until("runs", lambda: marathon.running() == 1)
    await marathon.until("known", lambda: len(targets(marathon.leader.state)) == 1)
    [(instance, index)] = targets(marathon.leader.state)
    assert index == -1
    await marathon.leader.ask(events.ReadinessProbed(instance, True, "readinessCheck"))
    await marathon.settled()
    assert targets(marathon.leader.state) == {}
    await marathon.ask("PUT", "/v2/apps/web", {"instances": 2}, 200)
    await marathon.until("the new one only", lambda: len(targets(marathon.leader.state)) == 1)
    assert (instance, -1) not in targets(marathon.leader.state)


async def test_no_service_port_is_left(house: House) -> None:
    house.settings |= {"local_port_min": 10000, "local_port_max": 10001}
    async with house.marathon() as marathon:
        two = {**APP, "portDefinitions": [{"port": 0}, {"port": 0}], "instances": 0}
        made = await marathon.ask("POST", "/v2/apps", two, 201)
        assert sorted(one["port"] for one in made["portDefinitions"]) == [10000, 10001]
        refused = await marathon.ask("POST", "/v2/apps", {**APP, "id": "/other", "instances": 0}, 422)
        assert "no free service port in [10000, 10001]" in str(refused)
        await marathon.ask("DELETE", "/v2/apps/web", status=200)
        await marathon.settled()
        await marathon.ask("POST", "/v2/apps", {**APP, "id": "/other", "instances": 0}, 201)


async def test_what_does_not_get_running_in_time_is_killed(marathon: Running) -> None:
    marathon.mesos.autorun = False
    await marathon.ask("POST", "/v2/apps", APP, 201)
    await marathon.until("staged", lambda: len(marathon.mesos.tasks) == 1)
    [task] = marathon.mesos.tasks
    marathon.mesos.update(task, TaskState.TASK_STAGING)
    await marathon.until("heard", lambda: not marathon.mesos.unacknowledged)
    await marathon.tick(299)
    assert not any(call.type is CallType.KILL for call in marathon.mesos.calls)
    await marathon.tick(2)
    await marathon.until("another is launched", lambda: task not in marathon.mesos.tasks and marathon.mesos.tasks)


def test_the_master_is_asked_after_15_s_and_then_every_600() -> None:
    core = Core()
    core.want("/a")
    core.tell(events.OffersReceived((offer(1),)))
    status = TaskStatus(
        task_id=TaskID(value=core.launched()[0]), state=TaskState.TASK_RUNNING, agent_id=AgentID(value="S1")
    )
    core.tell(events.StatusReceived(status))

    def asked(seconds: float) -> int:
        core.calls.clear()
        core.now += seconds
        core.tell(events.Tick())
        return sum(1 for call in core.calls if call.type is CallType.RECONCILE)

    assert [asked(one) for one in (14, 2, 598, 3, 590, 11)] == [0, 2, 0, 2, 0, 2], "about each task, and about all"


@pytest.mark.parametrize(
    ("inactive_s", "expunge_s", "after_s", "there"),
    [(0, 0, 0, 1), (60, 120, 30, 1), (60, 120, 61, 2), (60, 120, 121, 1)],
    ids=["at once", "waited for", "replaced", "forgotten"],
)
async def test_when_what_cannot_be_reached_is_replaced_and_forgotten(
    marathon: Running, inactive_s: int, expunge_s: int, after_s: float, there: int
) -> None:
    strategy = {"inactiveAfterSeconds": inactive_s, "expungeAfterSeconds": expunge_s}
    await marathon.ask("POST", "/v2/apps", {**APP, "unreachableStrategy": strategy}, 201)
    await marathon.settled()
    [(lost, task)] = marathon.mesos.tasks.items()
    marathon.mesos.lose(task.agent, since=marathon.clock.time)
    instance_id = lost.rpartition("._app")[0]

    def is_forgotten() -> bool:
        return instance_id not in marathon.leader.state.instances

    await marathon.until("heard", lambda: is_forgotten() or marathon.leader.state.instances[instance_id].is_unreachable)
    await marathon.tick(after_s)
    await marathon.until("so many are there", lambda: len(marathon.leader.state.instances) == there)
    assert is_forgotten() is (after_s >= expunge_s)
    assert (marathon.running() > 1 or is_forgotten()) is (after_s >= inactive_s)
