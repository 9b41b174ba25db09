"""Names and forms of what is measured: v0 and Prometheus."""

from __future__ import annotations

import math
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from dcos.node.core import exposition
from dcos.node.core.exposition import Family
from dcos.node.core.points import (
    Container,
    Point,
    app_message,
    container_message,
    node_message,
    of_container,
)

OWN = {"mesos_id": "S1", "cluster_id": "C", "hostname": "10.0.0.1"}
CONTAINER = Container(
    "c1", framework_id="F", framework_name="marathon", executor_id="e", task_id="web.1", task_name="web",
    labels={"DCOS_SERVICE_NAME": "x"},
)  # fmt: skip
STATISTICS = {"timestamp": 10.5, "cpus_limit": 0.5, "mem_total_bytes": 4096, "net_rx_bytes": 7, "perf": {}}


def by_name(message: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in message["datapoints"]}


def test_a_node() -> None:
    message = node_message(
        [
            Point("system", {"load1": 0.25, "n_cpus": 2.0}, at=1.9),
            Point("cpu", {"usage_idle": 90.0}, {"cpu": "cpu0"}),
            Point("cpu", {"usage_idle": 80.0, "usage_total": 20.0}, {"cpu": "cpu-total"}),
            Point("disk", {"total": 100.0}, {"path": "/", "device": "sda", "fstype": "ext4"}),
            Point("swap", {"in": 5.0}, kind="counter"),
            Point("mesos", {"x": 1.0}),
        ],
        OWN,
    )
    assert message["dimensions"] == OWN
    assert message["datapoints"] == [
        {"name": "load.1min", "value": 0.25, "unit": "count", "timestamp": "1970-01-01T00:00:01Z"},
        {"name": "cpu.cores", "value": 2, "unit": "count", "timestamp": "1970-01-01T00:00:01Z"},
        {"name": "cpu.total", "value": 20, "unit": "percent", "timestamp": "1970-01-01T00:00:00Z"},
        {"name": "cpu.idle", "value": 80, "unit": "percent", "timestamp": "1970-01-01T00:00:00Z"},
        {
            "name": "filesystem.capacity.total",
            "value": 100,
            "unit": "bytes",
            "timestamp": "1970-01-01T00:00:00Z",
            "tags": {"path": "/"},
        },
    ]


def test_a_container() -> None:
    message = container_message(CONTAINER, STATISTICS, OWN)
    found = by_name(message)
    assert set(found) == {"cpus.limit", "mem.total", "net.rx.bytes"}
    assert (found["mem.total"]["value"], found["mem.total"]["unit"]) == (4096, "bytes")
    assert found["mem.total"]["tags"] == {
        "container_id": "c1",
        "source": "",
        "framework_id": "F",
        "executor_id": "e",
        "executor_name": "",
    }
    assert message["dimensions"] == {
        **OWN,
        "container_id": "c1",
        "framework_id": "F",
        "framework_name": "marathon",
        "executor_id": "e",
        "task_id": "web.1",
        "task_name": "web",
        "labels": {"DCOS_SERVICE_NAME": "x"},
    }


def test_an_app() -> None:
    points = [
        Point("up.time", {"value": 3.5}, {"container_id": "c1", "metric_type": "gauge", "colour": "red"}, at=1.0),
        Point("wait", {"count": 2.0, "sum": math.nan}, {"container_id": "c1", "metric_type": "timing"}),
    ]
    found = by_name(app_message(points, CONTAINER, OWN))
    assert set(found) == {"up.time", "wait.count", "wait.sum"}
    assert found["up.time"]["tags"] == {"colour": "red"}
    assert found["wait.sum"]["value"] == "", "what is no number is an empty text"
    assert list(by_name(app_message(points, CONTAINER, OWN, only="wait.count"))) == ["wait.count"]


def test_prometheus_reads_what_is_told() -> None:
    families: dict[str, Family] = {}
    common = {"host": "10.0.0.1", "dcos_cluster_name": 'a "b" \\ \n c', "empty": ""}
    exposition.add(families, of_container(CONTAINER, STATISTICS), common)
    exposition.add(families, [Point("mesos", {"master/uptime_secs": 5.5}, {"state": "leader"}, "untyped")], common)
    exposition.add(families, [Point("up.time", {"value": math.inf}, {"a-b": "c"})], {})
    exposition.add(families, [Point("net", {"bytes_recv": 1e15}, {"interface": "eth0"}, "counter")], {})
    read = {
        sample.name: sample
        for family in text_string_to_metric_families(exposition.text(families).decode())
        for sample in family.samples
    }
    assert set(read) == {
        "cpus_limit", "mem_total_bytes", "net_rx_bytes", "mesos_master_uptime_secs", "up_time", "net_bytes_recv_total",
    }  # fmt: skip
    assert read["mem_total_bytes"].labels == {
        "host": "10.0.0.1",
        "dcos_cluster_name": 'a "b" \\ \n c',
        "container_id": "c1",
        "service_name": "marathon",
        "task_name": "web",
    }
    assert read["mesos_master_uptime_secs"].value == 5.5
    assert read["up_time"].labels == {"a_b": "c"}
    assert read["up_time"].value == math.inf


def test_a_series_is_told_once() -> None:
    families: dict[str, Family] = {}
    exposition.add(families, [Point("x", {"value": 1.0}), Point("x", {"value": 2.0})], {})
    assert exposition.text(families) == b"# HELP x Telegraf collected metric\n# TYPE x gauge\nx 2\n"
