"""What is measured, and how the two APIs call it.

A ``Point`` is Telegraf's: a measurement with fields and tags. Prometheus sees ``<measurement>_<field>`` with the tags as labels;
the v0 API sees the names of dcos-metrics, which a table translates.   Source: dcos-metrics, Telegraf's inputs in DC/OS 2.x.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Point:
    """``kind``: gauge, counter or untyped, of all fields. ``at``: Unix seconds."""

    name: str
    fields: Mapping[str, float]
    tags: Mapping[str, str] = field(default_factory=dict)
    kind: str = "gauge"
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Container:
    """A container and whose it is."""

    id: str
    framework_id: str = ""
    framework_name: str = ""
    framework_role: str = ""
    framework_principal: str = ""
    executor_id: str = ""
    executor_name: str = ""
    source: str = ""
    task_id: str = ""
    task_name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def tags(self) -> dict[str, str]:
        """Of its series at Prometheus."""
        return {
            "container_id": self.id,
            "service_name": self.framework_name,
            "executor_name": self.executor_name,
            "task_name": self.task_name,
        }


_NODE: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "system": (
        ("load1", "load.1min", "count"),
        ("load5", "load.5min", "count"),
        ("load15", "load.15min", "count"),
        ("n_cpus", "cpu.cores", "count"),
        ("uptime", "system.uptime", "count"),
    ),
    "processes": (("total", "process.count", "count"),),
    "cpu": (
        ("usage_total", "cpu.total", "percent"),
        ("usage_user", "cpu.user", "percent"),
        ("usage_system", "cpu.system", "percent"),
        ("usage_idle", "cpu.idle", "percent"),
        ("usage_iowait", "cpu.wait", "percent"),
    ),
    "mem": (
        ("total", "memory.total", "bytes"),
        ("free", "memory.free", "bytes"),
        ("buffered", "memory.buffers", "bytes"),
        ("cached", "memory.cached", "bytes"),
    ),
    "swap": (("total", "swap.total", "bytes"), ("free", "swap.free", "bytes"), ("used", "swap.used", "bytes")),
    "disk": (
        ("total", "filesystem.capacity.total", "bytes"),
        ("used", "filesystem.capacity.used", "bytes"),
        ("free", "filesystem.capacity.free", "bytes"),
        ("inodes_total", "filesystem.inode.total", "count"),
        ("inodes_used", "filesystem.inode.used", "count"),
        ("inodes_free", "filesystem.inode.free", "count"),
    ),
    "net": (
        ("bytes_recv", "network.in", "bytes"),
        ("bytes_sent", "network.out", "bytes"),
        ("packets_recv", "network.in.packets", "count"),
        ("packets_sent", "network.out.packets", "count"),
        ("drop_in", "network.in.dropped", "count"),
        ("drop_out", "network.out.dropped", "count"),
        ("err_in", "network.in.errors", "count"),
        ("err_out", "network.out.errors", "count"),
    ),
}
"""Measurement to (its field, name, unit)."""
_SHOWN_TAGS = {"disk": "path", "net": "interface"}

_STATISTICS = (
    # statistics of Mesos, measurement and field of Prometheus, name and unit of v0
    ("processes", "container", "processes", "processes", "count"),
    ("threads", "container", "threads", "threads", "count"),
    ("cpus_user_time_secs", "cpus", "user_time_secs", "cpus.user.time", "seconds"),
    ("cpus_system_time_secs", "cpus", "system_time_secs", "cpus.system.time", "seconds"),
    ("cpus_limit", "cpus", "limit", "cpus.limit", "count"),
    ("cpus_nr_periods", "cpus", "nr_periods", "cpus.nr.periods", "count"),
    ("cpus_nr_throttled", "cpus", "nr_throttled", "cpus.nr.throttled", "count"),
    ("cpus_throttled_time_secs", "cpus", "throttled_time_secs", "cpus.throttled.time", "seconds"),
    ("mem_total_bytes", "mem", "total_bytes", "mem.total", "bytes"),
    ("mem_total_memsw_bytes", "mem", "total_memsw_bytes", "mem.total.memsw", "bytes"),
    ("mem_limit_bytes", "mem", "limit_bytes", "mem.limit", "bytes"),
    ("mem_soft_limit_bytes", "mem", "soft_limit_bytes", "mem.soft.limit", "bytes"),
    ("mem_cache_bytes", "mem", "cache_bytes", "mem.cache", "bytes"),
    ("mem_rss_bytes", "mem", "rss_bytes", "mem.rss", "bytes"),
    ("mem_mapped_file_bytes", "mem", "mapped_file_bytes", "mem.mapped.file", "bytes"),
    ("mem_swap_bytes", "mem", "swap_bytes", "mem.swap", "bytes"),
    ("mem_unevictable_bytes", "mem", "unevictable_bytes", "mem.unevictable", "bytes"),
    ("mem_low_pressure_counter", "mem", "low_pressure_counter", "mem.low.pressure", "count"),
    ("mem_medium_pressure_counter", "mem", "medium_pressure_counter", "mem.medium.pressure", "count"),
    ("mem_critical_pressure_counter", "mem", "critical_pressure_counter", "mem.critical.pressure", "count"),
    ("disk_limit_bytes", "disk", "limit_bytes", "disk.limit", "bytes"),
    ("disk_used_bytes", "disk", "used_bytes", "disk.used", "bytes"),
    *(
        (f"net_{way}_{what}", "net", f"{way}_{what}", f"net.{way}.{what}", "bytes" if what == "bytes" else "count")
        for way in ("rx", "tx")
        for what in ("packets", "bytes", "errors", "dropped")
    ),
)


def of_container(container: Container, statistics: Mapping[str, Any]) -> list[Point]:
    """As Prometheus gets them: what is not known is not there."""
    fields: dict[str, dict[str, float]] = {}
    for known, measurement, name, _, _ in _STATISTICS:
        value = statistics.get(known)
        if isinstance(value, int | float):
            fields.setdefault(measurement, {})[name] = float(value)
    at = float(statistics.get("timestamp") or 0.0)
    return [Point(name, values, container.tags, "untyped", at) for name, values in fields.items()]


def container_message(container: Container, statistics: Mapping[str, Any], dimensions: Json) -> Json:
    """``/containers/<id>`` of v0."""
    tags = {
        "container_id": container.id,
        "source": container.source,
        "framework_id": container.framework_id,
        "executor_id": container.executor_id,
        "executor_name": container.executor_name,
    }
    when = _time(float(statistics.get("timestamp") or 0.0))
    points = [
        _datapoint(name, statistics[known], unit, when, tags)
        for known, _, _, name, unit in _STATISTICS
        if isinstance(statistics.get(known), int | float)
    ]
    return {"datapoints": points, "dimensions": dimensions | dimensions_of(container)}


def dimensions_of(container: Container) -> Json:
    found: Json = {
        "container_id": container.id,
        "executor_id": container.executor_id,
        "framework_name": container.framework_name,
        "framework_id": container.framework_id,
        "framework_role": container.framework_role,
        "framework_principal": container.framework_principal,
        "task_name": container.task_name,
        "task_id": container.task_id,
        "labels": dict(container.labels),
    }
    return {name: value for name, value in found.items() if value}


def node_message(points: Iterable[Point], dimensions: Json) -> Json:
    """``/node`` of v0: of the processors all together, of swap how much there is."""
    found = []
    for point in points:
        if point.name == "cpu" and point.tags.get("cpu") != "cpu-total":
            continue
        shown = _SHOWN_TAGS.get(point.name)
        tags = {shown: point.tags[shown]} if shown is not None else None
        for known, name, unit in _NODE.get(point.name, ()):
            if known in point.fields:
                found.append(_datapoint(name, point.fields[known], unit, _time(point.at), tags))
    return {"datapoints": found, "dimensions": dimensions}


def app_message(points: Sequence[Point], container: Container, dimensions: Json, *, only: str = "") -> Json:
    """``/containers/<id>/app[/<metric>]`` of v0."""
    found = []
    for point in points:
        for known, value in sorted(point.fields.items()):
            name = point.name if known == "value" and len(point.fields) == 1 else f"{point.name}.{known}"
            if not only or name == only:
                tags = {key: text for key, text in point.tags.items() if key not in ("metric_type", *container.tags)}
                found.append(_datapoint(name, value, "", _time(point.at), tags))
    return {"datapoints": found, "dimensions": dimensions | dimensions_of(container)}


def _datapoint(name: str, value: float, unit: str, when: str, tags: Mapping[str, str] | None) -> Json:
    """What is no number is an empty text, as JSON knows none such."""
    shown: Any = value
    if isinstance(value, float):
        shown = "" if not math.isfinite(value) else int(value) if value.is_integer() else value
    made: Json = {"name": name, "value": shown, "unit": unit, "timestamp": when}
    return made | ({"tags": dict(tags)} if tags else {})


def _time(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z")
