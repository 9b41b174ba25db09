"""What the kernel counts for a container's control groups, under the names of Mesos's statistics; cgroup v1 and v2.

Only groups that are not the agent's own count: a task without limits may share those. What no group tells is left out.
Source: kernel cgroup documentation; ResourceStatistics of mesos.proto.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PROC = Path("/proc")
# statistics' name: (v1's line of memory.stat, v2's)
_MEMORY = {
    "mem_rss_bytes": ("total_rss", "anon"),
    "mem_anon_bytes": ("total_rss", "anon"),
    "mem_cache_bytes": ("total_cache", "file"),
    "mem_file_bytes": ("total_cache", "file"),
    "mem_mapped_file_bytes": ("total_mapped_file", "file_mapped"),
    "mem_unevictable_bytes": ("total_unevictable", "unevictable"),
    "mem_swap_bytes": ("total_swap", ""),
}
Figures = dict[str, float]


def figures(pid: int) -> Figures:
    """Of the control groups of process ``pid``, or of its child where it only waits for one (runc's client)."""
    found = _of(pid)
    if not found:
        for child in _children(pid):
            found = found or _of(child)
    return found


def memory_folder(pid: int) -> Path | None:
    """That control group which counts the memory of ``pid``, or of its child where it only waits for one; None: ours."""
    for one in (pid, *_children(pid)):
        for controllers, folder in _folders(one):
            if "memory" in controllers.split(",") or (not controllers and (folder / "memory.stat").exists()):
                return folder
    return None


def total(parts: Sequence[Mapping[str, float]]) -> Figures:
    """Sums of those figures that every part has."""
    if not parts:
        return {}
    names = set(parts[0]).intersection(*parts[1:])
    return {name: sum(part[name] for part in parts) for name in names}


def _of(pid: int) -> Figures:
    out: Figures = {}
    for controllers, folder in _folders(pid):
        names = controllers.split(",")
        if not controllers:
            _unified(folder, out)
        if "cpuacct" in names:
            tick = os.sysconf("SC_CLK_TCK")
            lines = _lines(folder / "cpuacct.stat")
            for name, key in (("user", "cpus_user_time_secs"), ("system", "cpus_system_time_secs")):
                if name in lines:
                    out[key] = lines[name] / tick
        if "cpu" in names:
            lines = _lines(folder / "cpu.stat")
            if lines.get("nr_periods"):
                out["cpus_nr_periods"] = lines["nr_periods"]
                out["cpus_nr_throttled"] = lines.get("nr_throttled", 0)
                out["cpus_throttled_time_secs"] = lines.get("throttled_time", 0) / 1e9
        if "memory" in names:
            _memory(folder, out, version=0)
            _one(folder / "memory.usage_in_bytes", "mem_total_bytes", out)
            _one(folder / "memory.memsw.usage_in_bytes", "mem_total_memsw_bytes", out)
    return out


def _unified(folder: Path, out: Figures) -> None:
    """v2, or its hierarchy beside v1's, which only counts time."""
    lines = _lines(folder / "cpu.stat")
    if "user_usec" in lines:
        out.setdefault("cpus_user_time_secs", lines["user_usec"] / 1e6)
        out.setdefault("cpus_system_time_secs", lines["system_usec"] / 1e6)
    if lines.get("nr_periods"):
        out["cpus_nr_periods"] = lines["nr_periods"]
        out["cpus_nr_throttled"] = lines.get("nr_throttled", 0)
        out["cpus_throttled_time_secs"] = lines.get("throttled_usec", 0) / 1e6
    _memory(folder, out, version=1)
    _one(folder / "memory.current", "mem_total_bytes", out)
    _one(folder / "memory.swap.current", "mem_swap_bytes", out)


def _memory(folder: Path, out: Figures, *, version: int) -> None:
    lines = _lines(folder / "memory.stat")
    for name, keys in _MEMORY.items():
        if keys[version] in lines:
            out[name] = lines[keys[version]]


def _folders(pid: int) -> list[tuple[str, Path]]:
    """(controllers, folder) of each hierarchy where ``pid`` is not where we are; controllers are empty for v2."""
    ours = dict(_groups("self"))
    found = []
    for controllers, path in _groups(str(pid)):
        if ours.get(controllers) == path or path == "/":
            continue
        if controllers:
            root = _ROOT / controllers.removeprefix("name=")
        else:
            root = _ROOT / "unified" if (_ROOT / "unified").is_dir() else _ROOT
        found.append((controllers, root / path.lstrip("/")))
    # v2 last: its time is finer than v1's, but counts only where v1 has none
    return sorted(found, key=lambda one: not one[0])


def _groups(process: str) -> list[tuple[str, str]]:
    try:
        lines = (_PROC / process / "cgroup").read_text().splitlines()
    except OSError:
        return []
    parts = [line.split(":", 2) for line in lines]
    return [(one[1], one[2]) for one in parts if len(one) == 3]


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for one in (_PROC / str(pid) / "task" / str(pid) / "children").read_text().split()]
    except OSError:
        return []


def _lines(path: Path) -> dict[str, int]:
    """A file of names and numbers."""
    try:
        text = path.read_text()
    except OSError:
        return {}
    out = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.isdigit():
            out[name] = int(value)
    return out


def _one(path: Path, name: str, out: Figures) -> None:
    try:
        out[name] = int(path.read_text())
    except (OSError, ValueError):
        return
