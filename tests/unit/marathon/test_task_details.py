"""What single sentences of Marathon's rules for tasks and their health say.

Source: Marathon's TaskBuilder, EnvironmentHelper and HealthCheckActor.
"""

from __future__ import annotations

from typing import Any

import pytest

from dcos.marathon.core import health
from dcos.marathon.core.health import Health
from dcos.model.marathon import HealthCheck
from dcos.model.v1 import types as v1
from dcos.scheduling import build, environment
from dcos.scheduling.build import TaskSettings
from dcos.scheduling.constraints import NOWHERE
from dcos.scheduling.match import Match, Policy, demand_of, match
from tests.unit.marathon.test_placement import OFFER, app_of, made, place_of
from tests.unit.marathon.test_pod_definitions import launched, pod, with_container

BRIDGE = [{"mode": "container/bridge"}]
NETWORK = [{"mode": "container", "name": "n"}]


def mapped(*mappings: dict[str, Any], networks: list[dict[str, str]]) -> dict[str, Any]:
    return {"container": {"docker": {"image": "x"}, "portMappings": list(mappings)}, "networks": networks}


def test_a_prefix_is_for_ports_and_the_host_only() -> None:
    app, place = app_of(portDefinitions=[{"port": 0, "name": "http"}], env={"A": "b"}), place_of(OFFER)
    found = match(demand_of(app, Policy()), place, NOWHERE, Policy(), 3)
    assert isinstance(found, Match)
    settings = TaskSettings(env_vars_prefix="CUSTOM_")
    info = build.task_info(app, place, found, "shop_web.x", settings, enforce_role=True, pick=3)
    assert info.command is not None
    assert info.command.environment is not None
    env = {one.name: one.value for one in info.command.environment.variables}
    port = str(found.host_ports[0])
    assert (env["CUSTOM_PORT0"], env["CUSTOM_PORT_HTTP"], env["CUSTOM_HOST"]) == (port, port, "h1")
    assert {"PORT0", "HOST", "CUSTOM_MARATHON_APP_ID", "CUSTOM_A"}.isdisjoint(env)
    assert (env["MARATHON_APP_ENFORCE_GROUP_ROLE"], env["MARATHON_APP_ID"]) == ("TRUE", "/shop/web")


def test_no_role_is_enforced_unless_a_group_does() -> None:
    assert made(app_of())[1]["MARATHON_APP_ENFORCE_GROUP_ROLE"] == "FALSE"


def test_a_container_port_of_0_is_the_port_of_the_host() -> None:
    info, env = made(app_of(**mapped({"containerPort": 0, "hostPort": 0}, networks=BRIDGE)))
    assert info.container is not None
    assert info.container.docker is not None
    [mapping] = info.container.docker.port_mappings
    assert mapping.container_port == mapping.host_port
    assert env["PORT0"] == env[f"PORT_{mapping.host_port}"] == str(mapping.host_port)


def test_without_a_port_of_the_host_the_container_knows_its_own() -> None:
    _, env = made(app_of(**mapped({"containerPort": 80}, {"containerPort": 0}, networks=NETWORK)))
    assert env["PORT0"] == "80"
    assert int(env["PORT1"]) > 1024


@pytest.mark.parametrize(
    ("networks", "mappings", "host_ports"),
    [
        (BRIDGE, None, [0]),
        (NETWORK, None, [None]),
        (BRIDGE, [], []),
        (BRIDGE, [{"containerPort": 80}], [0]),
        (NETWORK, [{"containerPort": 80}], [None]),
        (NETWORK, [{"containerPort": 80, "hostPort": 0}], [0]),
    ],
    ids=["bridge", "network", "none", "bridge's default", "network's default", "asked for"],
)
def test_default_mappings(networks: Any, mappings: Any, host_ports: list[int | None]) -> None:
    container = {"docker": {"image": "x"}, **({} if mappings is None else {"portMappings": mappings})}
    app = app_of(container=container, networks=networks, requirePorts=True)
    assert [one.host_port for one in app.port_mappings] == host_ports
    if mappings is None:
        assert [(one.container_port, one.name) for one in app.port_mappings] == [(0, "default")]
    assert app.require_ports is False, "for the host's network only"


def test_labels_that_are_too_long_are_no_variables() -> None:
    env = environment.of_labels({"a.b-c": "v", "x" * 512: "v", "long": "v" * 512, "y" * 511: "v" * 511})
    assert env == {
        "MARATHON_APP_LABEL_A_B_C": "v",
        f"MARATHON_APP_LABEL_{'Y' * 511}": "v" * 511,
        "MARATHON_APP_LABELS": f"A_B_C {'Y' * 511}",
    }


@pytest.mark.parametrize(
    ("override", "image", "value"),
    [(None, True, None), (True, True, "run"), (None, False, "run"), (False, False, "run")],
)
def test_words_of_a_pods_container_follow_its_entry_point_or_take_its_place(
    override: bool | None, image: bool, value: str | None
) -> None:
    words = {"command": {"argv": ["run", "fast"]}, "overrideEntrypoint": override}
    more = {"image": {"id": "busybox"}} if image else {}
    launch, _ = launched(pod(**with_container(exec=words, **more)))
    [task] = launch.group.tasks
    assert task.command == v1.CommandInfo(
        shell=False, value=value, arguments=("run", "fast"), environment=task.command and task.command.environment
    )


# ---- health ----------------------------------------------------------------------------------------------------------


def results(check: HealthCheck, *alive: bool, step_s: float = 10.0) -> Health:
    """After one result every ``step_s`` since the start at 0."""
    found = Health()
    for number, one in enumerate(alive, 1):
        found = health.after(check, found, one, "bad", started_at=0.0, now=number * step_s)
    return found


@pytest.mark.parametrize(
    ("most", "alive", "kills"),
    [
        (3, [True, False, False], False),
        (3, [True, False, False, False], True),
        (3, [True, False, False, True, False], False),
        (0, [True, *[False] * 20], False),
        (3, [False, False, False], False),
        (3, [False] * 5, False),
        (3, [False] * 12, True),
        (1, [True, False], True),
    ],
    ids=[
        "two",
        "three",
        "not in a row",
        "0 is never",
        "within grace",
        "mostly within",
        "after grace",
        "once after success",
    ],
)
def test_when_an_instance_is_killed_for_its_health(most: int, alive: list[bool], kills: bool) -> None:
    check = HealthCheck(max_consecutive_failures=most, grace_period_seconds=60)
    assert health.must_kill(check, results(check, *alive)) is kills


def test_failures_within_the_grace_period_say_nothing() -> None:
    check = HealthCheck(grace_period_seconds=60)
    assert health.overall([results(check, False, False)]) is None
    assert health.overall([results(check, *[False] * 7)]) is False
    assert health.overall([results(check, True), results(check, False)]) is None
    assert health.overall([results(check, True), results(check, True, False)]) is False
    assert health.overall([results(check, True)]) is True
    assert health.overall([]) is None
