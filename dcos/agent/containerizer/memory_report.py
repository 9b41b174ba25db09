"""What a container's memory control group tells at its end: whether the kernel killed for want of memory, and in whose words.

The files are read where they are, or from a copy that was made while they were there (``AFTER``): both have the kernel's
names, of cgroup v1 or v2.   Source: kernel cgroup documentation; Mesos cgroups/mem isolator (message).
"""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from dcos.agent.core.exits import Exit
from dcos.model.v1.types import Resource, ValueScalar, ValueType

CHILD = "container"
"""The group of an image's processes, below its unit's."""
_KILLS = (("memory.oom_control", "oom_kill"), ("memory.events", "oom_kill"))
_LIMIT = ("memory.limit_in_bytes", "memory.max")
_MOST = ("memory.max_usage_in_bytes", "memory.peak")
_STAT = "memory.stat"
_FILES = (*(name for name, _ in _KILLS), *_LIMIT, *_MOST, _STAT)
_UNLIMITED = 2**60
_AFTER = """#!/bin/sh
# After the task, still in its control group: keep what that knows of memory, for it goes with the task.
while IFS=: read -r _ controllers path; do
    case "$controllers" in
    '') group=/sys/fs/cgroup${path%/.control} ;;
    *memory*) group=/sys/fs/cgroup/memory$path ;;
    *) continue ;;
    esac
    [ -d "$group/@child@" ] && group=$group/@child@
    [ -e "$group/memory.stat" ] || continue
    mkdir -p @target@
    for name in @files@; do
        [ -e "$group/$name" ] && cat "$group/$name" >@target@/$name
    done
done </proc/self/cgroup
exit 0
"""


def after_script(target: Path) -> str:
    """Copies the files of the group that it runs in to ``target``."""
    words = {"@target@": shlex.quote(str(target)), "@child@": CHILD, "@files@": " ".join(_FILES)}
    script = _AFTER
    for mark, word in words.items():
        script = script.replace(mark, word)
    return script


def die_together(group: Path) -> None:
    """Where memory runs out on cgroup v2, the kernel ends all of a container.

    ``OOMPolicy=kill`` would say so too; but then systemd also ends what reads the group's numbers after the task.
    """
    with contextlib.suppress(OSError):
        file = group / "memory.oom.group"
        if file.exists():
            file.write_text("1")


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """Bytes; None where the kernel does not tell, ``limit`` also where there is none."""

    kills: int
    limit: int | None
    most: int | None
    stat: str

    @property
    def words(self) -> str:
        """Upstream's message of a task that wanted more memory than it may have."""
        asked = bytes_text(self.limit) if self.limit is not None else "unlimited"
        most = bytes_text(self.most) if self.most is not None else "unknown"
        return f"Memory limit exceeded: Requested: {asked} Maximum Used: {most}\n\nMEMORY STATISTICS: \n{self.stat}\n"


def read_report(folder: Path) -> MemoryReport | None:
    """Of a control group or a copy of its files; None where there is neither."""
    stat = _text(folder / _STAT)
    if stat is None:
        return None
    kills = 0
    for name, key in _KILLS:
        for line in (_text(folder / name) or "").splitlines():
            words = line.split()
            if len(words) == 2 and words[0] == key:
                kills = max(kills, int(words[1]))
    return MemoryReport(kills, _number(folder, _LIMIT), _number(folder, _MOST), stat)


def with_memory(end: Exit, report: MemoryReport | None) -> Exit:
    """``end``, and whether memory ran out. One that ended well wanted nothing more."""
    if report is None or end.succeeded or not (report.kills or end.out_of_memory):
        return end
    return replace(end, out_of_memory=True, limitation=report.words, limited=memory_resource(report.limit))


def _number(folder: Path, names: tuple[str, ...]) -> int | None:
    for name in names:
        text = (_text(folder / name) or "").strip()
        if text.isdigit():
            return int(text) if int(text) < _UNLIMITED else None
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def bytes_text(value: int) -> str:
    """The largest unit that divides it: ``64MB``."""
    for exponent, unit in ((40, "TB"), (30, "GB"), (20, "MB"), (10, "KB")):
        if value and value % 2**exponent == 0:
            return f"{value >> exponent}{unit}"
    return f"{value}B"


def memory_resource(limit: int | None) -> tuple[Resource, ...]:
    """What was exceeded, as a limitation names it."""
    if limit is None:
        return ()
    return (Resource(name="mem", type=ValueType.SCALAR, scalar=ValueScalar(value=limit / 2**20), role="*"),)
