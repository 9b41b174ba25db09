"""Apps as clients write them: shape, normal form, rules."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dcos.marathon import selector
from dcos.marathon.core import normalize, validate
from dcos.marathon.core.old_rules import old_faults
from dcos.marathon.core.validate import Rules
from dcos.model.marathon import App
from dcos.scheduling import ids
from dcos.wire import marathon as wire

BASE: dict[str, Any] = {"id": "/a", "cmd": "run"}


def canonical(**fields: Any) -> App:
    return normalize.canonical(wire.read({**BASE, **fields}, App), normalize.Defaults())


def mesos(*volumes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A container with these volumes."""
    return {
        "container": {
            "type": "MESOS",
            "volumes": [{"containerPath": "a", "mode": "RW", **one} for one in volumes],
            **more,
        }
    }


def image(**docker: Any) -> dict[str, Any]:
    return {"container": {"type": "MESOS", "docker": {"image": "x", **docker}}}


def kept(**persistent: Any) -> dict[str, Any]:
    return mesos({"persistent": {"size": 5, **persistent}})


VOLUME, INFO = "/container/volumes(0)", "/container/volumes(0)/persistent"
NO_SECRETS = "Feature secrets is not enabled. Enable with --enable_features secrets)"
CONTAINER_NETWORKS = [{"mode": "container", "name": "x"}, {"mode": "container", "name": "y"}]
MIGRATION = (
    "DCOS_PACKAGE_FRAMEWORK_NAME and DCOS_MIGRATION_API_PATH must be defined when using DCOS_MIGRATION_API_VERSION"
)
FAULTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("id", {"id": "/A"}, "/id", f"must fully match regular expression '{ids.SEGMENT_TEXT}'"),
    ("reserved word", {"id": "/a/restart"}, "/id",
     "must not end with any of these reserved keywords: ., .., restart, tasks, versions"),
    ("cmd and args", {"args": ["x"]}, "/", "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'."),
    ("one letter", {"cmd": "x"}, "/", "must not be an empty string"),
    ("fields of a constraint", {"constraints": [["hostname"]]}, "/constraints(0)",
     "Each constraint must have either 2 or 3 fields"),
    ("operator", {"constraints": [["hostname", "NEAR"]]}, "/constraints(0)",
     "Constraint operator must be one of the following UNIQUE, CLUSTER, GROUP_BY, LIKE, MAX_PER, UNLIKE or IS"),
    ("unused value", {"constraints": [["hostname", "UNIQUE", "x"]]}, "/constraints(0)",
     "Value specified but not used"),
    ("groups", {"constraints": [["hostname", "GROUP_BY", "x"]]}, "/constraints(0)",
     "Value was specified but is not a number"),
    ("most", {"constraints": [["hostname", "MAX_PER", "x"]]}, "/constraints(0)",
     "Value was not specified or is not a number"),
    ("no expression", {"constraints": [["hostname", "LIKE"]]}, "/constraints(0)",
     "A regular expression value must be provided"),
    ("expression", {"constraints": [["hostname", "LIKE", "["]]}, "/constraints(0)",
     "'[' is not a valid regular expression"),
    ("accepted roles", {"acceptedResourceRoles": ["other"]}, "/acceptedResourceRoles",
     "acceptedResourceRoles can only contain * and *"),
    ("no accepted roles", {"acceptedResourceRoles": []}, "/acceptedResourceRoles", "must not be empty"),
    ("role", {"role": "other"}, "/role", "got other, expected one of: [*]"),
    ("docker without image", {"container": {"type": "DOCKER"}}, "/container/docker", "not defined"),
    ("pull config without feature", image(pullConfig={"secret": "s"}), "/container/docker/pullConfig", NO_SECRETS),
    ("pull config without secret", image(pullConfig={"secret": "s"}), "/container/docker/pullConfig",
     "pullConfig.secret must refer to an existing secret"),
    ("pull config of docker", {"container": {"type": "DOCKER", "docker": {"image": "x", "pullConfig": {"secret": "s"}}}},
     "/container/docker/pullConfig", "pullConfig is not supported with Docker containerizer"),
    ("volume of two kinds", mesos({"hostPath": "/x", "secret": "s"}), VOLUME,
     "must define exactly one of hostPath, persistent, external or secret"),
    ("names of volumes", mesos(*2 * [{"external": {"name": "v", "provider": "dvdi"}}]), "/container/volumes",
     "Volume names must be unique"),
    ("file of a secret without feature", mesos({"secret": "s"}), VOLUME, NO_SECRETS),
    ("file of no secret", mesos({"secret": "s"}), VOLUME, "volume.secret must refer to an existing secret"),
    ("two networks", {"networks": [{"mode": "host"}, {"mode": "container/bridge"}]}, "/networks",
     "May specify a single host network, single bridge network, or else 1-to-n container networks"),
    ("same network", {"networks": [CONTAINER_NETWORKS[0]] * 2}, "/networks", "Duplicate networks are not allowed"),
    ("named host network", {"networks": [{"mode": "host", "name": "x"}]},
     "/networks", "Host networks may not have names or labels"),
    ("named bridge", {"networks": [{"mode": "container/bridge", "name": "x"}]},
     "/networks", "Bridge networks may not have names"),
    ("network without name", {"networks": [{"mode": "container"}]}, "/networks",
     "Network name must be specified when container network is selected."),
    ("docker in two networks", {"container": {"type": "DOCKER", "docker": {"image": "x"}}, "networks": CONTAINER_NETWORKS}, "/",
     "may only specify a single container network when using the Docker container engine"),
    ("mapping in no network", {**mesos(portMappings=[{"networkNames": ["z"]}]), "networks": CONTAINER_NETWORKS},
     "/container/portMappings(0)/networkNames(0)", "is not one of (x,y)"),
    ("mapping in any network", {**mesos(portMappings=[{"hostPort": 0}]), "networks": CONTAINER_NETWORKS},
     "/container/portMappings(0)",
     "networkNames must be a single item list when hostPort is specified and more than 1 container network is defined"),
    ("mapping of the host", mesos(portMappings=[{"hostPort": 0}]), "/", "portMappings are not allowed with host-networking"),
    ("port names", {"portDefinitions": [{"name": "x"}, {"name": "x"}]}, "/portDefinitions", "Port names must be unique."),
    ("ports", {"portDefinitions": [{"port": 80}, {"port": 80}]}, "/portDefinitions", "Ports must be unique."),
    ("check index", {"healthChecks": [{"portIndex": 3}]}, "/healthChecks(0)",
     "Health check port indices must address an element of the ports array or container port mappings."),
    ("check command", {"healthChecks": [{"protocol": "COMMAND"}]}, "/healthChecks(0)/command", "not defined"),
    ("check by IPv6", {"healthChecks": [{"ipProtocol": "IPv6"}]}, "/healthChecks(0)",
     "IPv6 can only be used for container type DOCKER and Mesos http/https/tcp health checks"),
    ("two agent checks", {"healthChecks": [{"protocol": "MESOS_TCP"}, {"protocol": "MESOS_HTTP"}]}, "/",
     "AppDefinition can contain at most one Mesos health check"),
    ("readiness port", {"readinessChecks": [{"portName": "no"}]}, "/readinessChecks(0)/portName",
     "No port definition reference for portName no"),
    ("readiness time", {"readinessChecks": [{"portName": "default", "timeoutSeconds": 30}]}, "/readinessChecks(0)/timeoutSeconds",
     "got 30, expected less than 30"),
    ("two readiness checks", {"readinessChecks": [{"portName": "default"}] * 2}, "/readinessChecks/size",
     "got 2, expected 1 or less"),
    ("unreachable", {"unreachableStrategy": {"inactiveAfterSeconds": 9, "expungeAfterSeconds": 1}}, "/unreachableStrategy",
     "inactiveAfterSeconds must be less than or equal to expungeAfterSeconds"),
    ("single", {"labels": {"MARATHON_SINGLE_INSTANCE_APP": "true"}, "instances": 2}, "/",
     "Single instance app may only have one instance"),
    ("single's update", {"labels": {"MARATHON_SINGLE_INSTANCE_APP": "true"}, "upgradeStrategy": {"minimumHealthCapacity": 0.5}},
     "/upgradeStrategy/minimumHealthCapacity", "got 0.5, expected 0.0"),
    ("migration", {"labels": {"DCOS_MIGRATION_API_VERSION": "v1"}}, "/", MIGRATION),
    ("gpus", {"gpus": 1}, "/", "Feature gpu_resources is not enabled. Enable with --enable_features gpu_resources)"),
    ("gpus of docker", {"gpus": 1, "container": {"type": "DOCKER", "docker": {"image": "x"}}}, "/",
     "GPU resources only work with the Mesos containerizer"),
    ("secrets", {"secrets": {"s": {"source": "x"}}}, "/secrets", NO_SECRETS),
    ("source of a secret", {"secrets": {"s": {"source": ""}}}, "/secrets/s/source", "must not be empty"),
    ("variables of secrets", {"env": {"A": {"secret": "s"}}}, "/env",
     "use of secret-references in the environment requires the secrets feature to be enabled"),
    ("variable of no secret", {"env": {"A": {"secret": "s"}}}, "/env/A/secret", "references an undefined secret"),
    ("variable without name", {"env": {"": "x"}}, "/env/keys(0)", "must not be empty"),
    ("variable with a long name", {"env": {"A" * 255: "x"}}, "/env/keys(0)", "variable name must be 254 chars or less"),
    ("volumes in role *", kept(), "/role", "Resident apps cannot have the role *"),
    ("strategy of volumes", {**kept(), "upgradeStrategy": {"maximumOverCapacity": 1}}, "/upgradeStrategy/maximumOverCapacity",
     "got 1.0, expected 0.0"),
    ("unreachable with volumes", {**kept(), "unreachableStrategy": {}}, "/",
     "unreachableStrategy must be disabled for resident tasks"),
    ("size", kept(size=0), f"{INFO}/size", "got 0, expected more than 0"),
    ("path", mesos({"containerPath": "a/b", "persistent": {"size": 1}}), f"{VOLUME}/containerPath", 'value must not contain "/"'),
    ("dots", mesos({"containerPath": "..", "persistent": {"size": 1}}), f"{VOLUME}/containerPath", "can not be one of (.,..)"),
    ("a root volume's path", kept(constraints=[["path", "LIKE", "x"]]), INFO, "Constraints on root volumes are not supported"),
    ("maxSize of root", kept(maxSize=9), INFO, "Only mount volumes can have maxSize"),
    ("maxSize", kept(type="mount", maxSize=5), INFO, "Max size must be larger than size"),
    ("disk by name", kept(type="path", constraints=[["name", "LIKE", "x"]]), f"{INFO}/constraints(0)",
     "Unsupported constraint name,LIKE,x"),
    ("disk by operator", kept(type="path", constraints=[["path", "IS", "x"]]), f"{INFO}/constraints(0)",
     "Operator must be one of LIKE, UNLIKE"),
    ("disk by no operator", kept(type="path", constraints=[["path", "NEAR", "x"]]), f"{INFO}/constraints(0)",
     "unknown constraint operator NEAR"),
    ("disk by expression", kept(type="path", constraints=[["path", "LIKE", "["]]), f"{INFO}/constraints(0)",
     "Invalid regular expression"),
    ("kind of volume", kept(type="tape"), f"{INFO}/type", "error.unknown.enum.literal"),
    ("limits", {"resourceLimits": {"mem": 1}}, "/resourceLimits/mem", "must be greater than or equal to the requested 128"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "path", "text"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_broken_rules(fields: dict[str, Any], path: str, text: str) -> None:
    faults = validate.app_faults(canonical(**fields), Rules(), roles={"*"})
    assert (path, text) in faults


BRIDGE = {"mode": "container/bridge"}
OLD_FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"uris": ["http://x"], "fetch": [{"uri": "http://y"}]}, "/uris", "may not be set in conjunction with fetch"),
    ({"ports": [80, 0, 0, 80]}, "/", "ports must be unique"),
    ({"ipAddress": {}, "ports": [80]}, "/", "cannot specify both an IP address and port"),
    ({"ports": [80], "portDefinitions": [{"port": 81}]}, "/", "cannot specify both ports and port definitions"),
    ({"ipAddress": {}, "networks": [{"name": "x"}]}, "/", "must not specify both networks and ipAddress"),
    ({"container": {"docker": {"image": "x", "network": "HOST"}}, "networks": [BRIDGE]}, "/",
     "must not specify both container.docker.network and networks"),
    ({"container": {"docker": {"image": "x"}}, "ipAddress": {"discovery": {"ports": []}}}, "/ipAddress",
     "ipAddress/discovery is not allowed for Docker containers"),
    ({"networks": [BRIDGE], "portDefinitions": [{}]}, "/", "portDefinitions are only allowed with host-networking"),
    (image(network="HOST"), "/container/docker/network", "must be empty"),
    (image(portMappings=[{}]), "/container/docker/portMappings", "must be empty"),
    (image(parameters=[{"key": "a", "value": "b"}]), "/container/docker/parameters", "must be empty"),
    (image(credential={"principal": "p"}), "/container/docker/credential", "must be empty"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "path", "text"), OLD_FAULTS, ids=[row[2] for row in OLD_FAULTS])
def test_old_spellings_must_not_contradict_new_ones(fields: dict[str, Any], path: str, text: str) -> None:
    assert (path, text) in list(old_faults(wire.fit({**BASE, **fields}, App)))


def test_old_spellings_that_agree_break_none() -> None:
    fields = {"ports": [80, 0], "portDefinitions": [{"port": 80}, {"port": 0}]}
    assert list(old_faults({**BASE, **fields})) == []
    docker = {"image": "x", "network": "BRIDGE", "portMappings": [{"containerPort": 80}]}
    assert list(old_faults({**BASE, "ports": [0], "container": {"type": "DOCKER", "docker": docker}})) == []


def test_a_plain_app_breaks_none() -> None:
    assert validate.app_faults(canonical(), Rules(), roles={"*"}) == []


def test_faults_of_shape_come_together() -> None:
    with pytest.raises(wire.ApiError) as error:
        wire.read({"cmd": 5, "cpus": "1", "env": {"A": 1}, "healthChecks": [{"protocol": "SMOKE"}]}, App)
    assert error.value.status == 422
    assert {one["path"]: one["errors"] for one in error.value.body["details"]} == {
        "/id": ["error.path.missing"],
        "/cmd": ["error.expected.jsstring"],
        "/cpus": ["error.expected.jsnumber"],
        "/env/A": ["error.expected.jsstring"],
        "/healthChecks(0)/protocol": ["error.unknown.enum.literal"],
    }


def test_what_is_written() -> None:
    shown = wire.parse(msgspec.json.encode(wire.app_json(canonical(ports=[0], uris=["http://x/a.zip"]))))
    assert shown["portDefinitions"] == [{"port": 0, "protocol": "tcp", "name": "default", "labels": {}}]
    assert shown["fetch"][0]["extract"] is True
    assert shown["networks"] == [{"mode": "host"}]
    assert shown["upgradeStrategy"] == {"minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0}
    assert shown["unreachableStrategy"] == {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0}
    assert shown["labels"] == {}
    assert {"ports", "uris", "ipAddress", "env", "args", "constraints", "healthChecks"}.isdisjoint(shown)


@pytest.mark.parametrize(
    ("check", "written"),
    [({}, False), ({"protocol": "HTTPS"}, False), ({"ignoreHttp1xx": True}, True), ({"protocol": "TCP"}, None)],
)
def test_whether_1xx_is_ignored_is_written_where_it_counts(check: dict[str, Any], written: bool | None) -> None:
    [shown] = wire.app_json(canonical(healthChecks=[check]))["healthChecks"]
    assert shown.get("ignoreHttp1xx") is written


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"ports": [0, 8080]},
        {"container": {"docker": {"image": "x", "network": "BRIDGE", "portMappings": [{"containerPort": 80}]}}},
        {"ipAddress": {"networkName": "n", "discovery": {"ports": [{"number": 80, "name": "http"}]}}},
        {"labels": {"MARATHON_SINGLE_INSTANCE_APP": "true"}},
        {"unreachableStrategy": "disabled", "healthChecks": [{}]},
    ],
    ids=["plain", "ports", "docker bridge", "ip address", "single", "others"],
)
def test_normal_form_is_stable(fields: dict[str, Any]) -> None:
    once = canonical(**fields)
    again = normalize.canonical(wire.read(wire.app_json(once), App), normalize.Defaults())
    assert again == once


def test_an_update_replaces_whole_members() -> None:
    present = wire.app_json(canonical(labels={"a": "1", "b": "2"}, resourceLimits={"cpus": "unlimited"}))
    merged = normalize.overlay(present, {"id": "/a", "labels": {"c": "3"}})
    assert merged["labels"] == {"c": "3"}
    assert merged["cmd"] == "run"
    assert "resourceLimits" not in merged


def test_service_ports_are_kept_and_unique() -> None:
    first = normalize.with_service_ports(canonical(ports=[0, 0]), None, {10000}, 10000, 10003, 0)
    assert normalize.service_ports(first) == (10001, 10002)
    wider = normalize.with_service_ports(canonical(ports=[0, 0, 0]), first, {10000}, 10000, 10003, 0)
    assert normalize.service_ports(wider) == (10001, 10002, 10003)
    with pytest.raises(LookupError):
        normalize.with_service_ports(canonical(ports=[0] * 4), None, {10000}, 10000, 10003, 0)


@pytest.mark.parametrize(
    ("path", "base", "made"),
    [
        ("a", "/", "/a"),
        ("/a//b/", "/", "/a/b"),
        ("../db", "/shop/web", "/shop/db"),
        ("./x", "/g", "/g/x"),
        ("", "/g", "/g"),
    ],
    ids=["relative", "slashes", "above", "dot", "empty"],
)
def test_paths(path: str, base: str, made: str) -> None:
    assert ids.canonical(path, base) == made


def test_task_ids_name_their_instance_and_app() -> None:
    uuid = "1de3ac86-5f6b-4b53-b4f5-13a1d4a9b2f0"
    instance = ids.instance_id("/shop/web", uuid)
    task = ids.task_id(instance, "_app")
    assert task == f"shop_web.instance-{uuid}._app.1"
    assert ids.instance_of(task) == instance
    assert ids.app_of(task) == "/shop/web"
    assert ids.app_of(f"shop_web.{uuid}") == "/shop/web"
    assert ids.instance_of("nonsense") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", True), ("z", False), ("a==1", True), ("a!=1", False), ("z!=1", False), ("a in (1, 2)", True),
        ("a notin (1)", False), ("a,b==x.y", True), (r"c\/d==e", True),
    ],
)  # fmt: skip
def test_label_selectors(text: str, found: bool) -> None:
    assert selector.parse(text)({"a": "1", "b": "x.y", "c/d": "e"}) is found


@pytest.mark.parametrize("text", ["", "a=", "a==", "a b", "in (x)", "a in x"])
def test_bad_selectors(text: str) -> None:
    with pytest.raises(selector.BadSelector):
        selector.parse(text)
