"""Metrics as tables: all of them, or cpu, memory and disk at a glance.   No I/O.   Source: dcoscli's metrics tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Json = dict[str, Any]
SUMMARY_HEADER: Final = ("CPU", "MEM", "DISK")
_NODE: Final = (
    *("load.1min", "cpu.total", "memory.total", "memory.free"),
    *("filesystem.capacity.total", "filesystem.capacity.used"),
)
_TASK: Final = (
    *("cpus.user.time", "cpus.system.time", "cpus.throttled.time", "mem.total", "mem.limit"),
    *("disk.used", "disk.limit"),
)
"""What the summaries are made of."""


def _named(points: Sequence[Json], name: str) -> Json | None:
    """The datapoint ``name``; of file systems that of the root. Names with underscores are those of later releases."""
    for one in points:
        tags: Mapping[str, Any] = one.get("tags") or {}
        same = str(one.get("name", "")).replace("_", ".") == name.replace("_", ".")
        if same and (not name.startswith("filesystem.") or tags.get("path") == "/"):
            return one
    return None


def _value(points: Sequence[Json], name: str) -> float:
    found = _named(points, name)
    value = found.get("value") if found is not None else 0
    return float(value) if isinstance(value, int | float) else 0.0


def details(points: Sequence[Json], *, tags: bool) -> list[tuple[str, ...]]:
    """Rows NAME, VALUE and, where wanted, TAGS."""
    rows: list[tuple[str, ...]] = []
    for one in points:
        shown = (str(one.get("name", "")), _shown(one.get("value"), str(one.get("unit", ""))))
        said = ", ".join(f"{key}: {value}" for key, value in sorted((one.get("tags") or {}).items()))
        rows.append((*shown, said) if tags else shown)
    return rows


def _shown(value: Any, unit: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if unit == "bytes":
        return f"{value / 2**30:.2f}GiB"
    if unit == "percent":
        return f"{value:.2f}%"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def of_node(points: Sequence[Json]) -> tuple[str, str, str]:
    """Load and share of cpu in use, memory and root disk in use."""
    total, disk = _value(points, "memory.total"), _value(points, "filesystem.capacity.total")
    return (
        f"{_value(points, 'load.1min'):.2f} ({_value(points, 'cpu.total'):.2f}%)",
        _used(total - _value(points, "memory.free"), total),
        _used(_value(points, "filesystem.capacity.used"), disk),
    )


def of_task(points: Sequence[Json]) -> tuple[str, str, str]:
    """Seconds of cpu used, and their share of what it would have used unthrottled; memory and disk in use of their limits."""
    cpu = _value(points, "cpus.user.time") + _value(points, "cpus.system.time")
    wanted = cpu + _value(points, "cpus.throttled.time")
    return (
        f"{cpu:.2f} ({100 * cpu / wanted if wanted else 0:.2f}%)",
        _used(_value(points, "mem.total"), _value(points, "mem.limit")),
        _used(_value(points, "disk.used"), _value(points, "disk.limit")),
    )


def _used(amount: float, limit: float) -> str:
    return f"{amount / 2**30:.2f}GiB ({100 * amount / limit if limit else 0:.2f}%)"


def summary_points(points: Sequence[Json], *, node: bool) -> list[Json]:
    """What the summary is made of, for programs."""
    found = (_named(points, name) for name in (_NODE if node else _TASK))
    return [one for one in found if one is not None]
