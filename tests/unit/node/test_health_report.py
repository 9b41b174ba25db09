from __future__ import annotations

import pytest

from dcos.node.core.report import NodeHealth, NotKnown, Report, Target
from dcos.node.core.units import Health, UnitHealth
from dcos.registry import NodeRole


def unit(id: str, health: int = 0, output: str = "") -> UnitHealth:
    return UnitHealth(id=id, health=health, output=output, description=f"{id} text", name=id.upper())


MASTER = NodeHealth(Target("10.0.0.1", NodeRole.MASTER, "m1", leader=True), (unit("a"), unit("b")), "one")
AGENT = NodeHealth(Target("10.0.0.2", NodeRole.AGENT), (unit("b", 1, "broken"), unit("c")), "two", "s2")
GONE = NodeHealth(Target("10.0.0.3", NodeRole.PUBLIC_AGENT, "s3"), None, mesos_id="s3")
REPORT = Report.of([GONE, AGENT, MASTER], now=1_700_000_000.0)


def test_a_node_is_as_healthy_as_its_worst_unit_and_unknown_without_answer() -> None:
    assert [node.health for node in (MASTER, AGENT, GONE)] == [Health.HEALTHY, Health.UNHEALTHY, Health.UNKNOWN]
    assert NodeHealth(MASTER.target, ()).health == Health.HEALTHY


def test_by_node() -> None:
    assert REPORT.nodes_short() == {
        "nodes": [
            {"host_ip": "10.0.0.1", "health": 0, "role": "master"},
            {"host_ip": "10.0.0.2", "health": 1, "role": "agent"},
            {"host_ip": "10.0.0.3", "health": 3, "role": "agent_public"},
        ]
    }
    assert [one["id"] for one in REPORT.units_of("10.0.0.2")["units"]] == ["b", "c"]
    assert REPORT.units_of("10.0.0.3") == {"units": []}
    shown = REPORT.unit_of("10.0.0.2", "b")
    assert shown == {
        "id": "b",
        "health": 1,
        "output": "broken",
        "description": "b text",
        "help": shown["help"],
        "name": "B",
    }
    assert "--mesos-id=s2" in shown["help"]


def test_by_unit() -> None:
    assert [(one["id"], one["health"]) for one in REPORT.units_short()["units"]] == [("a", 0), ("b", 1), ("c", 0)]
    assert REPORT.unit_short("b") == {"id": "b", "name": "B", "health": 1, "description": "b text"}
    assert REPORT.nodes_of("b") == {
        "nodes": [
            {"host_ip": "10.0.0.1", "health": 0, "role": "master"},
            {"host_ip": "10.0.0.2", "health": 1, "role": "agent"},
        ]
    }
    assert REPORT.node_of("b", "10.0.0.2")["output"] == "broken"


def test_what_nobody_knows() -> None:
    for look in (
        lambda: REPORT.unit_short("x"),
        lambda: REPORT.nodes_of("x"),
        lambda: REPORT.node_of("x", "10.0.0.1"),
        lambda: REPORT.node_of("c", "10.0.0.1"),
        lambda: REPORT.node("10.0.0.9"),
        lambda: REPORT.units_of("10.0.0.9"),
        lambda: REPORT.unit_of("10.0.0.1", "c"),
    ):
        with pytest.raises(NotKnown, match="not found"):
            look()


def test_the_whole_tree() -> None:
    tree = REPORT.tree()
    assert tree["UpdatedTime"] == "2023-11-14T22:13:20Z"
    assert tree["Units"]["b"]["Health"] == 1
    assert [node["IP"] for node in tree["Units"]["b"]["Nodes"]] == ["10.0.0.1", "10.0.0.2"]
    assert tree["Nodes"]["10.0.0.1"]["Leader"] is True
    assert tree["Nodes"]["10.0.0.2"]["Output"] == {"b": "broken", "c": ""}
    assert tree["Nodes"]["10.0.0.3"]["Units"] == []
    assert REPORT.updated_text == "Tue Nov 14 22:13:20 2023"
    assert Report().updated_text == ""
