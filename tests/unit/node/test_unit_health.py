from __future__ import annotations

import pytest

from dcos.node.core.units import (
    MISSING,
    Health,
    UnitState,
    expected_units,
    judge,
    name_and_description,
    resting_units,
    unit_health,
)
from dcos.registry import SERVICES, NodeRole


def state(active: str = "active", sub: str = "running", **more: object) -> UnitState:
    return UnitState(load_state="loaded", active_state=active, sub_state=sub, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("unit", "healthy", "says"),
    [
        pytest.param(state(), True, "", id="running"),
        pytest.param(state("activating", "start"), True, "", id="starting"),
        pytest.param(state("active", "waiting"), True, "", id="a timer"),
        pytest.param(MISSING, False, "not loaded", id="no such unit"),
        pytest.param(state("failed", "failed"), False, "is failed", id="failed"),
        pytest.param(state("deactivating", "stop-sigterm"), False, "is deactivating", id="stopping"),
        pytest.param(state("active", "running", exec_main_status=1), False, "status 1", id="ended badly"),
        pytest.param(state("inactive", "dead", exec_main_status=2), False, "status 2", id="inactive, ended badly"),
        pytest.param(state("inactive", "dead"), False, "not running", id="stopped"),
        pytest.param(state("inactive", "dead", condition_result=False), True, "", id="condition does not hold"),
        pytest.param(state("activating", "auto-restart"), False, "never been active", id="never came up"),
        pytest.param(
            state("activating", "auto-restart", active_enter_timestamp=5.0, inactive_enter_timestamp=6.0),
            False,
            "flapping",
            id="flapping",
        ),
        pytest.param(
            state("activating", "auto-restart", active_enter_timestamp=6.0, inactive_enter_timestamp=5.0),
            True,
            "",
            id="restarting after a good life",
        ),
    ],
)
def test_health(unit: UnitState, healthy: bool, says: str) -> None:
    health, reason = judge("x.service", unit, rests=False)
    assert health == (Health.HEALTHY if healthy else Health.UNHEALTHY)
    assert says in reason
    assert bool(reason) is not healthy


def test_a_unit_behind_a_timer_may_rest_but_not_fail() -> None:
    assert judge("x.service", state("inactive", "dead"), rests=True)[0] == Health.HEALTHY
    assert judge("x.service", state("inactive", "dead", exec_main_status=1), rests=True)[0] == Health.UNHEALTHY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Marathon: Keeps services running", ("Marathon", "Keeps services running")),
        ("no colon", ("x.service", "no colon")),
        ("a: b: c", ("x.service", "a b c")),
        ("", ("x.service", "")),
    ],
)
def test_description_is_split(text: str, expected: tuple[str, str]) -> None:
    assert name_and_description("x.service", text) == expected


def test_every_service_of_ours_has_a_name() -> None:
    for row in SERVICES:
        split = name_and_description("x.service", f"{row.title}: {row.summary}")
        assert split == (row.title, row.summary)


def test_units_come_from_the_service_table() -> None:
    master, agent = expected_units(NodeRole.MASTER), expected_units(NodeRole.AGENT)
    assert {"dcos-exhibitor.service", "dcos-gen-resolvconf.timer", "dcos-gen-resolvconf.service"} <= set(master)
    assert "dcos-mesos-slave.service" in agent
    assert "dcos-mesos-master.service" not in agent
    assert "dcos-mesos-slave-public.service" in expected_units(NodeRole.PUBLIC_AGENT)
    assert "dcos-gen-resolvconf.service" in resting_units(NodeRole.MASTER)
    assert "dcos-marathon.service" not in resting_units(NodeRole.MASTER)


def test_what_the_api_shows() -> None:
    shown = unit_health("x.service", state("failed", "failed", description="X: does x"), rests=False)
    assert (shown.id, shown.health, shown.name, shown.description) == ("x.service", 1, "X", "does x")
    assert "failed" in shown.output
