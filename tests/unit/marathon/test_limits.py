"""Every limit of a single member is told by its code at its path: a bit outside is refused, the bound itself is taken."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dcos.model.marathon import App
from dcos.model.marathon_limits import LIMITS, Limit
from dcos.model.pods import Pod
from dcos.wire import marathon as wire
from tests.unit.marathon.conftest import Running

APP: dict[str, Any] = {"id": "/a", "cmd": "run"}


def container(**more: Any) -> dict[str, Any]:
    return {"container": {"type": "MESOS", **more}}


def volume(**more: Any) -> dict[str, Any]:
    return container(volumes=[{"containerPath": "a", "mode": "RW", **more}])


APPS: list[tuple[dict[str, Any], str, str]] = [
    ({"cmd": ""}, "/cmd", "error.minLength"),
    ({"instances": -1}, "/instances", "error.min"),
    ({"cpus": -1}, "/cpus", "error.min"),
    ({"cpus": 0}, "/cpus", "error.min"),
    ({"cpus": 0.0009}, "/cpus", "error.min"),
    ({"mem": -1}, "/mem", "error.min"),
    ({"disk": -0.1}, "/disk", "error.min"),
    ({"gpus": -1}, "/gpus", "error.min"),
    ({"backoffSeconds": -1}, "/backoffSeconds", "error.min"),
    ({"backoffFactor": 0.5}, "/backoffFactor", "error.min"),
    ({"maxLaunchDelaySeconds": -1}, "/maxLaunchDelaySeconds", "error.min"),
    ({"taskKillGracePeriodSeconds": -1}, "/taskKillGracePeriodSeconds", "error.min"),
    ({"executor": "//"}, "/executor", "error.pattern"),
    ({"ports": [80, 65536]}, "/ports(1)", "error.max"),
    ({"uris": [""]}, "/uris(0)", "error.minLength"),
    ({"fetch": [{"uri": ""}]}, "/fetch(0)/uri", "error.minLength"),
    ({"fetch": [{"uri": "x" * 1025}]}, "/fetch(0)/uri", "error.maxLength"),
    ({"fetch": [{"uri": "x", "destPath": ""}]}, "/fetch(0)/destPath", "error.minLength"),
    (container(docker={"image": ""}), "/container/docker/image", "error.minLength"),
    (
        container(docker={"image": "x", "parameters": [{"key": "", "value": "v"}]}),
        "/container/docker/parameters(0)/key",
        "error.minLength",
    ),
    (container(portMappings=[{"containerPort": -1}]), "/container/portMappings(0)/containerPort", "error.min"),
    (container(portMappings=[{"hostPort": 65536}]), "/container/portMappings(0)/hostPort", "error.max"),
    (container(portMappings=[{"servicePort": 65536}]), "/container/portMappings(0)/servicePort", "error.max"),
    (container(portMappings=[{"name": "A"}]), "/container/portMappings(0)/name", "error.pattern"),
    (volume(containerPath=""), "/container/volumes(0)/containerPath", "error.minLength"),
    (volume(hostPath=""), "/container/volumes(0)/hostPath", "error.minLength"),
    (volume(persistent={"size": -1}), "/container/volumes(0)/persistent/size", "error.min"),
    (volume(persistent={"size": 1, "maxSize": -1}), "/container/volumes(0)/persistent/maxSize", "error.min"),
    (volume(external={"provider": "dvdi", "size": -1}), "/container/volumes(0)/external/size", "error.min"),
    ({"portDefinitions": [{"port": 70000}]}, "/portDefinitions(0)/port", "error.max"),
    ({"portDefinitions": [{"name": "-a"}]}, "/portDefinitions(0)/name", "error.pattern"),
    ({"ipAddress": {"networkName": ""}}, "/ipAddress/networkName", "error.minLength"),
    (
        {"ipAddress": {"discovery": {"ports": [{"number": 65536, "name": "a"}]}}},
        "/ipAddress/discovery/ports(0)/number",
        "error.max",
    ),
    *(
        ({"healthChecks": [{name: -1}]}, f"/healthChecks(0)/{name}", "error.min")
        for name in (
            *("gracePeriodSeconds", "intervalSeconds", "maxConsecutiveFailures", "delaySeconds", "port", "portIndex"),
        )
    ),
    *(
        ({"check": {"tcp": {}, name: -1}}, f"/check/{name}", "error.min")
        for name in ("intervalSeconds", "timeoutSeconds", "delaySeconds")
    ),
    ({"check": {"http": {"path": ""}}}, "/check/http/path", "error.minLength"),
    ({"check": {"tcp": {"portIndex": -1}}}, "/check/tcp/portIndex", "error.min"),
    ({"readinessChecks": [{"path": ""}]}, "/readinessChecks(0)/path", "error.minLength"),
    ({"readinessChecks": [{"portName": "8080"}]}, "/readinessChecks(0)/portName", "error.pattern"),
    ({"readinessChecks": [{"intervalSeconds": -1}]}, "/readinessChecks(0)/intervalSeconds", "error.min"),
    (
        {"readinessChecks": [{"httpStatusCodesForReady": [200, 99]}]},
        "/readinessChecks(0)/httpStatusCodesForReady(1)",
        "error.min",
    ),
    ({"unreachableStrategy": {"inactiveAfterSeconds": -1}}, "/unreachableStrategy/inactiveAfterSeconds", "error.min"),
    ({"unreachableStrategy": {"expungeAfterSeconds": -1}}, "/unreachableStrategy/expungeAfterSeconds", "error.min"),
    (
        {"residency": {"relaunchEscalationTimeoutSeconds": -1}},
        "/residency/relaunchEscalationTimeoutSeconds",
        "error.min",
    ),
]


@pytest.mark.parametrize(("fields", "path", "code"), APPS, ids=[f"{row[1]} {row[2]}" for row in APPS])
def test_of_an_app(fields: dict[str, Any], path: str, code: str) -> None:
    with pytest.raises(wire.ApiError) as error:
        wire.fit({**APP, **fields}, App)
    assert (error.value.status, error.value.body) == (
        422,
        {"message": "Invalid JSON", "details": [{"path": path, "errors": [code]}]},
    )


def pod(**more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "resources": {"cpus": 0.1, "mem": 32}, **more}]}


C = "/containers(0)"
PODS: list[tuple[dict[str, Any], str, list[str]]] = [
    (pod(name="A_b"), f"{C}/name", ["error.pattern"]),
    (pod(name="x" * 64), f"{C}/name", ["error.maxLength"]),
    (pod(name=""), f"{C}/name", ["error.minLength", "error.pattern"]),
    (pod(resources={"cpus": -1, "mem": 1}), f"{C}/resources/cpus", ["error.min"]),
    (pod(resources={"cpus": 1, "mem": -1}), f"{C}/resources/mem", ["error.min"]),
    (pod(resources={"cpus": 1, "mem": 1, "disk": -1}), f"{C}/resources/disk", ["error.min"]),
    (pod(resources={"cpus": 1, "mem": 1, "gpus": -1}), f"{C}/resources/gpus", ["error.min"]),
    (pod(environment={"bad variable name": "x"}), f"{C}/environment/bad variable name", ["error.pattern"]),
    ({**pod(), "environment": {"1": "x"}}, "/environment/1", ["error.pattern"]),
    (pod(image={"id": ""}), f"{C}/image/id", ["error.minLength"]),
    (pod(endpoints=[{"name": "A"}]), f"{C}/endpoints(0)/name", ["error.pattern"]),
    (pod(endpoints=[{"name": "a", "hostPort": 65536}]), f"{C}/endpoints(0)/hostPort", ["error.max"]),
    (pod(endpoints=[{"name": "a", "containerPort": -1}]), f"{C}/endpoints(0)/containerPort", ["error.min"]),
    (pod(endpoints=[{"name": "a", "protocol": ["TCP"]}]), f"{C}/endpoints(0)/protocol(0)", ["error.pattern"]),
    (pod(healthCheck={"http": {"endpoint": "a", "path": ""}}), f"{C}/healthCheck/http/path", ["error.minLength"]),
    (pod(healthCheck={"tcp": {"endpoint": "_"}}), f"{C}/healthCheck/tcp/endpoint", ["error.pattern"]),
    *(
        (pod(healthCheck={name: -1}), f"{C}/healthCheck/{name}", ["error.min"])
        for name in (
            *("gracePeriodSeconds", "intervalSeconds", "maxConsecutiveFailures", "timeoutSeconds", "delaySeconds"),
        )
    ),
    (pod(check={"delaySeconds": -1}), f"{C}/check/delaySeconds", ["error.min"]),
    (pod(volumeMounts=[{"name": "V", "mountPath": "x"}]), f"{C}/volumeMounts(0)/name", ["error.pattern"]),
    (pod(volumeMounts=[{"name": "v", "mountPath": ""}]), f"{C}/volumeMounts(0)/mountPath", ["error.minLength"]),
    (pod(artifacts=[{"uri": ""}]), f"{C}/artifacts(0)/uri", ["error.minLength"]),
    (pod(lifecycle={"killGracePeriodSeconds": -1}), f"{C}/lifecycle/killGracePeriodSeconds", ["error.min"]),
    ({**pod(), "volumes": [{"name": "V"}]}, "/volumes(0)/name", ["error.pattern"]),
    ({**pod(), "scaling": {"instances": -1}}, "/scaling/instances", ["error.min"]),
    ({**pod(), "scaling": {"maxInstances": -1}}, "/scaling/maxInstances", ["error.min"]),
    ({**pod(), "scheduling": {"backoff": {"backoff": -1}}}, "/scheduling/backoff/backoff", ["error.min"]),
    ({**pod(), "scheduling": {"backoff": {"backoffFactor": 0}}}, "/scheduling/backoff/backoffFactor", ["error.min"]),
    ({**pod(), "scheduling": {"backoff": {"maxLaunchDelay": -1}}}, "/scheduling/backoff/maxLaunchDelay", ["error.min"]),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "path", "codes"), PODS, ids=[f"{row[1]} {row[2]}" for row in PODS])
def test_of_a_pod(fields: dict[str, Any], path: str, codes: list[str]) -> None:
    with pytest.raises(wire.ApiError) as error:
        wire.read({"id": "/p", **fields}, Pod)
    assert error.value.body == {"message": "Invalid JSON", "details": [{"path": path, "errors": codes}]}


def test_bounds_themselves_are_taken() -> None:
    fields = {
        "cpus": 0.001, "mem": 0, "disk": 0, "instances": 0, "backoffFactor": 1, "executor": "//cmd",
        "portDefinitions": [{"port": 65535, "name": "a-1"}, {"port": 0}],
        "fetch": [{"uri": "x" * 1024}], "healthChecks": [{"gracePeriodSeconds": 0}],
        "readinessChecks": [{"httpStatusCodesForReady": [100, 999]}],
    }  # fmt: skip
    assert wire.read({**APP, **fields}, App).cpus == 0.001


def test_each_limit_names_a_member_and_was_tried() -> None:
    tried = {path.rpartition("/")[2].partition("(")[0] for _, path, _ in (*APPS, *PODS)}
    for kind, limits in LIMITS.items():
        assert set(limits) <= {one.encode_name for one in msgspec.structs.fields(kind)}, kind
        assert set(limits) - {"environment"} <= tried, kind


def test_what_a_list_may_hold() -> None:
    limit = Limit(min_length=1, items=Limit(minimum=1))
    assert limit.faults([], "/x") == [("/x", "error.minLength")]
    assert limit.faults([1, 0], "/x") == [("/x(1)", "error.min")]
    assert limit.faults([True, False], "/x") == []


async def test_all_that_is_wrong_is_told_at_once(marathon: Running) -> None:
    refused = await marathon.ask("POST", "/v2/apps", {"id": "/a", "cmd": "run", "cpus": -1, "mem": "x"}, 422)
    assert refused == {
        "message": "Invalid JSON",
        "details": [
            {"path": "/cpus", "errors": ["error.min"]},
            {"path": "/mem", "errors": ["error.expected.jsnumber"]},
        ],
    }
    group = {"id": "/g", "apps": [{"id": "a", "cmd": "run", "instances": -1}]}
    refused = await marathon.ask("PUT", "/v2/groups", group, 422)
    assert refused["details"] == [{"path": "/apps(0)/instances", "errors": ["error.min"]}]
    await marathon.ask("POST", "/v2/apps", {**APP, "instances": 0}, 201)
    refused = await marathon.ask("PATCH", "/v2/apps/a", {"instances": -1}, 422)
    assert refused["details"] == [{"path": "/instances", "errors": ["error.min"]}]
