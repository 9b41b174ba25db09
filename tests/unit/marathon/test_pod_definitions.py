"""Pods' definitions: canonical form, rules with their texts, and what becomes of networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from dcos.marathon.core.common_rules import Rules
from dcos.marathon.core.normalize import Defaults
from dcos.marathon.core.pod_normalize import canonical
from dcos.marathon.core.pod_validate import pod_faults
from dcos.model.marathon_state import AgentRef
from dcos.model.pods import Pod
from dcos.model.resources import Resources
from dcos.model.run_spec import is_upgrade, scaled
from dcos.scheduling import pods
from dcos.scheduling.build import TaskSettings
from dcos.scheduling.constraints import NOWHERE
from dcos.scheduling.match import Match, Place, Policy, demand_of, match
from dcos.wire import marathon as wire

DEFAULTS = Defaults(role="*", network_name="dcos")
INSTANCE = "p.instance-11111111-1111-1111-1111-111111111111"
SECRETS = {"s": {"source": "/path"}}


def container(**more: Any) -> dict[str, Any]:
    return {"name": "c", "resources": {"cpus": 0.1, "mem": 32}, "exec": {"command": {"shell": "run"}}, **more}


def pod(**more: Any) -> Pod:
    body = {"id": "/p", "containers": [container()], **more}
    return canonical(wire.read(body, Pod), DEFAULTS)


def with_container(**more: Any) -> dict[str, Any]:
    return {"containers": [container(**more)]}


def with_endpoint(**more: Any) -> dict[str, Any]:
    return with_container(endpoints=[{"name": "http", **more}])


NAMES_TWICE = "endpoint names nust be unique across all containers"
BROKEN: list[tuple[str, dict[str, Any], str, str]] = [
    ("none", {"containers": []}, "/containers", "must not be empty"),
    ("twice", {"containers": [container(), container()]}, "/containers", "container names must be unique"),
    ("idle", {"containers": [{"name": "c", "resources": {}}]}, "/containers(0)", "must have an exec, an image or both"),
    (
        "both commands",
        with_container(exec={"command": {"shell": "x", "argv": ["x"]}}),
        "/containers(0)/exec/command",
        "must have exactly one of shell and argv",
    ),
    (
        "no words",
        with_container(exec={"command": {"argv": []}}),
        "/containers(0)/exec/command/argv",
        "must not be empty",
    ),
    (
        "port on the host's network",
        with_endpoint(containerPort=80),
        "/containers(0)/endpoints(0)/containerPort",
        "is not allowed when using host-mode networking",
    ),
    (
        "no port in a container network",
        {"networks": [{"mode": "container", "name": "n"}], **with_endpoint()},
        "/containers(0)/endpoints(0)/containerPort",
        "is required when using container-mode networking",
    ),
    (
        "same protocol",
        with_endpoint(protocol=["tcp", "tcp"]),
        "/containers(0)/endpoints(0)/protocol",
        "Duplicate protocols within the same endpoint are not allowed",
    ),
    (
        "same names",
        with_container(endpoints=[{"name": "a"}, {"name": "a"}]),
        "/",
        NAMES_TWICE,
    ),
    (
        "same host ports",
        with_container(endpoints=[{"name": "a", "hostPort": 80}, {"name": "b", "hostPort": 80}]),
        "/",
        "host ports must be unique across all containers",
    ),
    (
        "no such endpoint",
        with_container(healthCheck={"http": {"endpoint": "http"}}),
        "/containers(0)/healthCheck/http/endpoint",
        "contained in the container endpoints",
    ),
    (
        "two checks",
        with_container(healthCheck={"exec": {"command": {"shell": "x"}}, "tcp": {"endpoint": "http"}}),
        "/containers(0)/healthCheck",
        "Only one of http, tcp, or command may be specified",
    ),
    (
        "slow check",
        with_container(healthCheck={"exec": {"command": {"shell": "x"}}, "timeoutSeconds": 60}),
        "/containers(0)/healthCheck/timeoutSeconds",
        "got 60, expected less than 60",
    ),
    (
        "mount of nothing",
        with_container(volumeMounts=[{"name": "v", "mountPath": "x"}]),
        "/containers(0)/volumeMounts(0)/name",
        "Referenced Volume in VolumeMount should exist",
    ),
    (
        "unused volume",
        {"volumes": [{"name": "v"}]},
        "/volumes(0)",
        "volume must be referenced by at least one container",
    ),
    (
        "volume kinds",
        {"volumes": [{"name": "v", "host": "/x", "secret": "s"}]},
        "/volumes(0)",
        "must define at most one of host, persistent and secret",
    ),
    ("secret", {"environment": {"A": {"secret": "s"}}}, "/environment/A/secret", "references an undefined secret"),
    (
        "feature",
        {"secrets": SECRETS},
        "/secrets",
        "Feature secrets is not enabled. Enable with --enable_features secrets)",
    ),
    (
        "capacity",
        {"scheduling": {"upgrade": {"minimumHealthCapacity": 2}}},
        "/scheduling/upgrade/minimumHealthCapacity",
        "is greater than 1",
    ),
    (
        "constraint",
        {"scheduling": {"placement": {"constraints": [{"fieldName": "@zone", "operator": "NEAR"}]}}},
        "/scheduling/placement/constraints(0)",
        "Constraint operator must be one of the following UNIQUE, CLUSTER, GROUP_BY, LIKE, MAX_PER, UNLIKE or IS",
    ),
    (
        "accepted",
        {"scheduling": {"placement": {"acceptedResourceRoles": ["x"]}}},
        "/acceptedResourceRoles",
        "acceptedResourceRoles can only contain * and *",
    ),
    (
        "seccomp",
        {"linuxInfo": {"seccomp": {"unconfined": True}}},
        "/linuxInfo/seccomp",
        "Seccomp configuration on executor level is not supported",
    ),
    (
        "seccomp of a container",
        with_container(linuxInfo={"seccomp": {"profileName": "p", "unconfined": True}}),
        "/containers(0)/linuxInfo/seccomp",
        "Seccomp unconfined can NOT be true when Profile is defined",
    ),
    (
        "shared memory",
        with_container(linuxInfo={"ipcInfo": {"mode": "SHARE_PARENT", "shmSize": 16}}),
        "/containers(0)/linuxInfo/ipcInfo",
        "ipcInfo shmSize can NOT be set when mode is SHARE_PARENT",
    ),
    (
        "several networks",
        {
            "networks": [{"name": "a"}, {"name": "b"}],
            **with_endpoint(containerPort=80, hostPort=0),
        },
        "/containers(0)/endpoints(0)",
        "networkNames must be a single item list when hostPort is specified and more than 1 container network is defined",
    ),
    ("executor", {"executorResources": {"mem": 16}}, "/executorResources/mem", "got 16, expected 32 or more"),
    ("executor's disk", {"executorResources": {"disk": 0}}, "/executorResources/disk", "got 0, expected more than 0"),
    (
        "nothing",
        with_container(resources={"cpus": 0, "mem": 0}),
        "/containers(0)/resources",
        "must not all be 0: Mesos runs nothing without resources",
    ),
    ("role", {"role": "x"}, "/role", "got x, expected one of: [*]"),
    (
        "limits",
        with_container(resourceLimits={"cpus": 0.05}),
        "/containers(0)/resourceLimits/cpus",
        "must be greater than or equal to the requested 0.1",
    ),
    (
        "limits of shared groups",
        {"legacySharedCgroups": True, **with_container(resourceLimits={"mem": "unlimited"})},
        "/containers(0)/resourceLimits",
        "resourceLimits cannot be defined if legacySharedCgroups is enabled",
    ),
    (
        "networks",
        {"networks": [{"mode": "host"}, {"mode": "host"}]},
        "/networks",
        "May specify a single host network, single bridge network, or else 1-to-n container networks",
    ),
]


@pytest.mark.parametrize(("body", "path", "text"), [one[1:] for one in BROKEN], ids=[one[0] for one in BROKEN])
def test_each_rule_names_its_member(body: dict[str, Any], path: str, text: str) -> None:
    assert (path, text) in pod_faults(pod(**body), Rules(), roles={"*"})


def test_a_good_pod_has_no_faults_and_its_canonical_form_stays() -> None:
    made = pod(
        networks=[{"mode": "container/bridge"}],
        secrets=SECRETS,
        environment={"PASSWORD": {"secret": "s"}},
        volumes=[{"name": "v"}, {"name": "h", "host": "/srv"}, {"name": "k", "secret": "s"}],
        **with_container(
            endpoints=[{"name": "http", "containerPort": 80, "protocol": ["tcp", "udp"]}],
            volumeMounts=[{"name": name, "mountPath": name} for name in ("v", "h", "k")],
            check={"tcp": {"endpoint": "http"}},
            image={"kind": "DOCKER", "id": "busybox", "pullConfig": {"secret": "s"}},
        ),
    )
    assert pod_faults(made, Rules(features=frozenset({"secrets"})), roles={"*"}) == []
    assert made.endpoints[0].host_port == 0
    assert canonical(replace(made, legacy_shared_cgroups=False), DEFAULTS) == made
    assert canonical(made, DEFAULTS) == made
    shown = wire.pod_json(made)
    assert canonical(wire.read(shown, Pod), DEFAULTS) == made
    assert msgspec.json.decode(msgspec.json.encode(made), type=Pod) == made


def test_the_guides_example_is_good() -> None:
    guide = Path(__file__).parents[3] / "docs" / "guides" / "pods.md"
    example = guide.read_text(encoding="utf-8").partition("```json\n")[2].partition("```")[0]
    assert pod_faults(pod(**msgspec.json.decode(example)), Rules(), roles={"*"}) == []


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"containers": []}, "/id", "error.path.missing"),
        ({"id": "/p"}, "/containers", "error.path.missing"),
        ({"id": "/p", "containers": [{"name": "c"}]}, "/containers(0)/resources", "error.path.missing"),
        ({"id": "/p", "containers": [container(endpoints="x")]}, "/containers(0)/endpoints", "error.expected.jsarray"),
        (
            {"id": "/p", "containers": [container(image={"kind": "APPC", "id": "x"})]},
            "/containers(0)/image/kind",
            "error.unknown.enum.literal",
        ),
    ],
)
def test_wrong_shapes(body: dict[str, Any], path: str, code: str) -> None:
    with pytest.raises(wire.ApiError) as caught:
        wire.read(body, Pod)
    assert {"path": path, "errors": [code]} in caught.value.body["details"]


def test_scaling_is_no_upgrade() -> None:
    one = pod()
    assert not is_upgrade(one, scaled(one, 5))
    assert is_upgrade(one, pod(labels={"a": "b"}))


# ---- launching -------------------------------------------------------------------------------------------------------


def launched(made: Pod, offered: str = "cpus:1;mem:512;disk:100;ports:[31000-31009]") -> tuple[pods.Launch, Match]:
    place = Place(AgentRef(host="h", agent_id="S1"), "*", Resources.parse(offered))
    found = match(demand_of(made, Policy()), place, NOWHERE, Policy(), 0)
    assert isinstance(found, Match), found
    return pods.launch(made, place, found, INSTANCE, TaskSettings(bridge_name="br"), "F1"), found


def test_parts_sum_up_to_what_was_taken() -> None:
    made = pod(containers=[container(name=name, resources={"cpus": 0.0015, "mem": 1.5, "disk": 1}) for name in "abc"])
    launch, found = launched(made)
    whole = sum((Resources.of(one.resources) for one in launch.group.tasks), Resources.of(launch.executor.resources))
    assert whole == found.resources


def test_a_bridge_maps_host_ports_on_the_executor() -> None:
    endpoints = [{"name": "http", "containerPort": 80, "protocol": ["tcp", "udp"]}, {"name": "any"}]
    launch, found = launched(pod(networks=[{"mode": "container/bridge"}], **with_container(endpoints=endpoints)))
    assert launch.executor.container is not None
    [network] = launch.executor.container.network_infos
    assert network.name == "br"
    first, second = found.host_ports
    assert [(one.host_port, one.container_port, one.protocol) for one in network.port_mappings] == [
        (first, 80, "tcp"),
        (first, 80, "udp"),
        (second, second, "tcp"),
    ]


def test_a_container_network_tells_container_ports() -> None:
    networks = [{"mode": "container", "name": "a"}, {"mode": "container"}]
    check = {"tcp": {"endpoint": "http"}}
    endpoints = [
        {"name": "http", "containerPort": 80},
        {"name": "out", "containerPort": 81, "hostPort": 0, "networkNames": ["dcos"]},
    ]
    launch, found = launched(pod(networks=networks, **with_container(endpoints=endpoints, healthCheck=check)))
    assert found.host_ports[0] == 0
    assert launch.executor.container is not None
    first, second = launch.executor.container.network_infos
    assert (first.name, first.port_mappings, second.name) == ("a", (), "dcos")
    assert [one.container_port for one in second.port_mappings] == [81]
    [task] = launch.group.tasks
    assert task.discovery is not None
    assert task.discovery.ports is not None
    inner, outer = task.discovery.ports.ports
    assert (inner.number, outer.number) == (80, found.host_ports[1])
    assert inner.labels is not None
    labels = {one.key: one.value for one in inner.labels.labels}
    assert labels == {"network-scope": "container", "network-name": "a"}
    assert task.health_check is not None
    assert task.health_check.tcp is not None
    assert task.health_check.tcp.port == 80
    assert task.command is not None
    assert task.command.environment is not None
    variables = {one.name: one.value for one in task.command.environment.variables}
    assert (variables["ENDPOINT_HTTP"], variables["EP_CONTAINER_HTTP"]) == ("80", "80")
    assert "EP_HOST_HTTP" not in variables


def test_secrets_travel_as_references() -> None:
    made = pod(
        secrets=SECRETS,
        volumes=[{"name": "k", "secret": "s"}],
        **with_container(environment={"A": {"secret": "s"}}, volumeMounts=[{"name": "k", "mountPath": "key"}]),
    )
    [task] = launched(made)[0].group.tasks
    assert task.command is not None
    assert task.command.environment is not None
    [variable] = [one for one in task.command.environment.variables if one.name == "A"]
    assert variable.value is None
    assert variable.secret is not None
    assert variable.secret.reference is not None
    assert variable.secret.reference.name == "/path"
    assert task.container is not None
    [volume] = task.container.volumes
    assert volume.source is not None
    assert volume.source.secret is not None
