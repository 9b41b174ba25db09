"""Limits of a container as cgroup numbers.   Source: Mesos cgroups/cpu and cgroups/mem isolators, v1 and v2."""

from __future__ import annotations

import math
import os

from dcos.agent.core.events import Limits

PERIOD_US = 100_000
_MIN_QUOTA_US = 1_000
_MAX_WEIGHT = 10_000


def cpu_shares(cpus: int, *, low: bool = False) -> int:
    """cgroup v1. ``cpus`` in thousandths; ``low``: they are revocable."""
    return max(2, (10 if low else 1024) * cpus // 1000)


def cpu_weight(cpus: int, *, low: bool = False) -> int:
    """cgroup v2."""
    return min(_MAX_WEIGHT, max(1, (1 if low else 100) * cpus // 1000))


def weight_of(shares: int) -> int:
    """cgroup v2's ``cpu.weight`` that weighs among ours as v1's ``cpu.shares`` does."""
    return min(_MAX_WEIGHT, max(1, (100 * shares + 512) // 1024))


def cpus_hard(limits: Limits, *, enable_cfs: bool) -> float | None:
    """The hard limit in cpus: an asked limit, else the request with CFS on; None (or infinity asked): none."""
    if limits.cpus_limit is not None and not (limits.partly_unlimited and not enable_cfs):
        return None if math.isinf(limits.cpus_limit) else limits.cpus_limit
    return limits.cpus / 1000 if enable_cfs else None


def quota_us(cpus: float) -> int:
    """Of each 100 ms period."""
    return max(_MIN_QUOTA_US, int(PERIOD_US * cpus))


def mem_hard(limits: Limits) -> int | None:
    """Bytes; None when infinity was asked for."""
    if limits.mem_limit_bytes is not None:
        return None if math.isinf(limits.mem_limit_bytes) else max(limits.mem_bytes, int(limits.mem_limit_bytes))
    return limits.mem_bytes


def raised(before: int | None, hard: int | None) -> int | None:
    """The hard limit of a container that runs: it is never lowered, for what it uses cannot be taken back."""
    return None if before is None or hard is None else max(hard, before)


def oom_adjustment(request_bytes: int, hard_bytes: int | None) -> int | None:
    """``oom_score_adj`` of a container that may use more than it asked for; None: the kernel's own choice."""
    if hard_bytes is not None and hard_bytes <= request_bytes:
        return None
    return oom_score_adj(request_bytes, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def oom_score_adj(request_bytes: int, total_bytes: int) -> int:
    """Of a task that may use more than it asked for: the less of the machine it asked for, the earlier it goes."""
    if total_bytes <= 0:
        return 0
    return min(1000, max(0, 1000 - 1000 * request_bytes // total_bytes))
