"""What the kernel tells of this machine.

Source: Telegraf's inputs cpu, mem, swap, disk, net, processes, system (names of measurements and fields).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import psutil

from dcos.node.core.points import Point

_TIMES = ("user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
_SLEEPS = {
    "R": "running", "S": "sleeping", "D": "blocked", "Z": "zombies", "T": "stopped", "t": "stopped", "X": "dead", "I": "idle",
}  # fmt: skip
_NO_DISKS = frozenset(
    ("proc", "sysfs", "tmpfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "squashfs", "mqueue", "nsfs")
)


class Machine:
    """Shares of the processors are those since the last look. Blocking, for some milliseconds."""

    def __init__(self) -> None:
        self._before = self._times()

    @staticmethod
    def _times() -> dict[str, dict[str, float]]:
        each = {f"cpu{number}": one for number, one in enumerate(psutil.cpu_times(percpu=True))}
        whole = {"cpu-total": psutil.cpu_times(), **each}
        return {name: {key: getattr(one, key, 0.0) for key in _TIMES} for name, one in whole.items()}

    def points(self, now: float) -> list[Point]:
        return [*self._cpu(now), *_memory(now), *_disks(now), *_network(now), _processes(now), *_system(now)]

    def _cpu(self, now: float) -> Iterator[Point]:
        before, self._before = self._before, self._times()
        for name, times in self._before.items():
            spent = {key: max(0.0, value - before.get(name, times)[key]) for key, value in times.items()}
            # what guests use is in user and nice already
            total = sum(value for key, value in spent.items() if not key.startswith("guest"))
            if total <= 0:
                continue
            fields = {f"usage_{key}": 100 * value / total for key, value in spent.items()}
            # not Telegraf's, but what v0 calls cpu.total
            yield Point("cpu", fields | {"usage_total": 100 - fields["usage_idle"]}, {"cpu": name}, at=now)


def _memory(now: float) -> Iterator[Point]:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    yield Point(
        "mem",
        {
            "total": memory.total,
            "available": memory.available,
            "used": memory.used,
            "free": memory.free,
            "cached": memory.cached,
            "buffered": memory.buffers,
            "active": memory.active,
            "inactive": memory.inactive,
            "slab": memory.slab,
            "shared": memory.shared,
            "used_percent": 100 * memory.used / memory.total,
            "available_percent": 100 * memory.available / memory.total,
        },
        at=now,
    )
    fields = {"total": swap.total, "used": swap.used, "free": swap.free, "used_percent": swap.percent}
    yield Point("swap", fields, at=now)
    yield Point("swap", {"in": swap.sin, "out": swap.sout}, kind="counter", at=now)


def _disks(now: float) -> Iterator[Point]:
    seen = set()
    for part in psutil.disk_partitions(all=True):
        if part.fstype in _NO_DISKS or part.device in seen or (part.fstype == "overlay" and part.mountpoint != "/"):
            continue
        try:
            found = os.statvfs(part.mountpoint)
        except OSError:
            continue
        if not found.f_blocks:
            continue
        seen.add(part.device)
        free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        yield Point(
            "disk",
            {
                "total": total,
                "free": free,
                "used": used,
                "used_percent": 100 * used / (used + free) if used + free else 0.0,
                "inodes_total": found.f_files,
                "inodes_free": found.f_ffree,
                "inodes_used": found.f_files - found.f_ffree,
            },
            {"path": part.mountpoint, "device": part.device.rpartition("/")[2], "fstype": part.fstype},
            at=now,
        )


def _network(now: float) -> Iterator[Point]:
    for name, one in psutil.net_io_counters(pernic=True).items():
        fields = {
            "bytes_sent": one.bytes_sent,
            "bytes_recv": one.bytes_recv,
            "packets_sent": one.packets_sent,
            "packets_recv": one.packets_recv,
            "err_in": one.errin,
            "err_out": one.errout,
            "drop_in": one.dropin,
            "drop_out": one.dropout,
        }
        yield Point("net", fields, {"interface": name}, "counter", now)


def _processes(now: float) -> Point:
    counts: Counter[str] = Counter(dict.fromkeys(_SLEEPS.values(), 0))
    threads = 0
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b") ")[2].split()
        except OSError:
            continue
        counts["total"] += 1
        counts[_SLEEPS.get(fields[0].decode(), "unknown")] += 1
        threads += int(fields[17])
    return Point(
        "processes", {**{key: float(count) for key, count in counts.items()}, "total_threads": threads}, at=now
    )


def _system(now: float) -> Iterator[Point]:
    one, five, fifteen = os.getloadavg()
    count = float(os.cpu_count() or 0)
    yield Point("system", {"load1": one, "load5": five, "load15": fifteen, "n_cpus": count}, at=now)
    with open("/proc/uptime", encoding="ascii") as file:
        yield Point("system", {"uptime": float(int(float(file.read().split()[0])))}, kind="counter", at=now)
