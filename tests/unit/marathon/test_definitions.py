"""Apps as clients write them: shape, normal form, rules."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dcos.marathon import selector
from dcos.marathon.core import normalize, validate
from dcos.marathon.core.validate import Rules
from dcos.model.marathon import App
from dcos.scheduling import ids
from dcos.wire import marathon as wire

BASE: dict[str, Any] = {"id": "/a", "cmd": "run"}


def canonical(**fields: Any) -> App:
    return normalize.canonical(wire.read({**BASE, **fields}, App), normalize.Defaults())


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("id", {"id": "/A"}, "/id"),
    ("reserved word", {"id": "/a/restart"}, "/id"),
    ("cmd and args", {"args": ["x"]}, "/"),
    ("instances", {"instances": -1}, "/instances"),
    ("cpus", {"cpus": 0}, "/cpus"),
    ("factor", {"backoffFactor": 0.5}, "/backoffFactor"),
    ("constraint", {"constraints": [["hostname", "NEAR"]]}, "/constraints(0)"),
    ("accepted roles", {"acceptedResourceRoles": ["other"]}, "/acceptedResourceRoles"),
    ("no accepted roles", {"acceptedResourceRoles": []}, "/acceptedResourceRoles"),
    ("role", {"role": "other"}, "/role"),
    ("docker without image", {"container": {"type": "DOCKER"}}, "/container/docker"),
    ("volume of two kinds", {"container": {"type": "MESOS", "volumes": [
        {"containerPath": "a", "mode": "RW", "hostPath": "/x", "secret": "s"}]}}, "/container/volumes(0)"),
    ("two networks", {"networks": [{"mode": "host"}, {"mode": "container/bridge"}]}, "/networks"),
    ("network without name", {"networks": [{"mode": "container"}]}, "/networks(0)"),
    ("port names", {"portDefinitions": [{"name": "x"}, {"name": "x"}]}, "/portDefinitions"),
    ("ports", {"portDefinitions": [{"port": 80}, {"port": 80}]}, "/portDefinitions"),
    ("port", {"portDefinitions": [{"port": 70000}]}, "/portDefinitions(0)/port"),
    ("check index", {"healthChecks": [{"portIndex": 3}]}, "/healthChecks(0)"),
    ("check command", {"healthChecks": [{"protocol": "COMMAND"}]}, "/healthChecks(0)/command"),
    ("two agent checks", {"healthChecks": [{"protocol": "MESOS_TCP"}, {"protocol": "MESOS_HTTP"}]}, "/healthChecks"),
    ("readiness port", {"readinessChecks": [{"portName": "no"}]}, "/readinessChecks(0)/portName"),
    ("unreachable", {"unreachableStrategy": {"inactiveAfterSeconds": 9, "expungeAfterSeconds": 1}}, "/unreachableStrategy"),
    ("single", {"labels": {"MARATHON_SINGLE_INSTANCE_APP": "true"}, "instances": 2}, "/instances"),
    ("secrets", {"env": {"A": {"secret": "s"}}, "secrets": {"s": {"source": "x"}}}, "/secrets"),
    ("uri", {"fetch": [{"uri": "x" * 1025}]}, "/fetch(0)/uri"),
    ("volumes in role *", {"container": {"type": "MESOS", "volumes": [
        {"containerPath": "a", "mode": "RW", "persistent": {"size": 1}}]}}, "/role"),
    ("a root volume's path", {"container": {"type": "MESOS", "volumes": [
        {"containerPath": "a", "mode": "RW", "persistent": {"size": 1, "constraints": [["path", "LIKE", "x"]]}}]}},
        "/container/volumes(0)/persistent/constraints"),
    ("maxSize", {"container": {"type": "MESOS", "volumes": [
        {"containerPath": "a", "mode": "RW", "persistent": {"size": 5, "type": "mount", "maxSize": 5}}]}},
        "/container/volumes(0)/persistent/maxSize"),
    ("kind of volume", {"container": {"type": "MESOS", "volumes": [
        {"containerPath": "a", "mode": "RW", "persistent": {"size": 5, "type": "tape"}}]}},
        "/container/volumes(0)/persistent/type"),
    ("limits", {"resourceLimits": {"mem": 1}}, "/resourceLimits/mem"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "path"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_broken_rules(fields: dict[str, Any], path: str) -> None:
    faults = validate.app_faults(canonical(**fields), Rules(), roles={"*"})
    assert path in [fault for fault, _ in faults], faults


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
