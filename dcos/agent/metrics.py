"""``/metrics/snapshot``: flat numbers under Mesos's names.   Source: Mesos docs/monitoring.md, agent metrics."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from dcos.agent.containerizer.containerizer import Containerizer
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.state import ExecutorRun, Phase
from dcos.agent.daemon import Daemon
from dcos.agent.fetcher import Fetcher
from dcos.agent.gc import GarbageCollector
from dcos.model.resources import Resources
from dcos.model.v1.types import TaskState
from dcos.runtime.timing import Timer

_LIVE = {
    "staging": TaskState.TASK_STAGING,
    "starting": TaskState.TASK_STARTING,
    "running": TaskState.TASK_RUNNING,
    "killing": TaskState.TASK_KILLING,
}
_ENDED = ("finished", "failed", "killed", "lost", "gone")


def snapshot(
    daemon: Daemon,
    containerizer: Containerizer,
    fetcher: Fetcher,
    collector: GarbageCollector,
    pulls: Mapping[str, Timer],
    *,
    uptime_s: float,
    images: bool,
) -> dict[str, float]:
    """Every metric, sorted by name. ``pulls``: how long images took; ``images``: whether containers may have any."""
    core = daemon.core
    out: dict[str, float] = {
        "containerizer/fetcher/cache_size_total_bytes": fetcher.cache_bytes,
        "containerizer/fetcher/cache_size_used_bytes": fetcher.cache_used(),
        "containerizer/fetcher/task_fetches_failed": fetcher.failed,
        "containerizer/fetcher/task_fetches_succeeded": fetcher.succeeded,
        "containerizer/mesos/container_destroy_errors": containerizer.destroy_errors,
        # Bundles are removed with their containers; there are no bind mounts of root file systems.
        "containerizer/mesos/provisioner/bind/remove_rootfs_errors": 0,
        "containerizer/mesos/provisioner/remove_container_errors": 0,
        # There are no resource providers.
        "resource_provider_manager/events/disconnect": 0,
        "resource_provider_manager/events/subscribe": 0,
        "resource_provider_manager/subscribed": 0,
        "gc/path_removals_failed": collector.failed,
        "gc/path_removals_pending": collector.pending,
        "gc/path_removals_succeeded": collector.removed,
        "slave/container_launch_errors": containerizer.launch_errors,
        "slave/executor_directory_max_allowed_age_secs": collector.max_age_s(),
        "slave/recovery_errors": daemon.recovery_errors,
        "slave/recovery_time_secs": daemon.recovery_s,
        "slave/registered": core.registered,
        "slave/uptime_secs": uptime_s,
        "slave/valid_status_updates": core.counters.get("updates", 0),
        "slave/invalid_status_updates": core.counters.get("invalid_updates", 0),
        "slave/valid_framework_messages": core.counters.get("messages", 0),
        "slave/invalid_framework_messages": core.counters.get("invalid_messages", 0),
        "slave/frameworks_active": len(core.frameworks),
    }
    if containerizer.gids is not None:
        out["volume_gid_manager/volume_gids_total"] = containerizer.gids.total
        out["volume_gid_manager/volume_gids_free"] = containerizer.gids.free
    if images:
        out["containerizer/mesos/filesystem/containers_new_rootfs"] = containerizer.in_images()
    now = asyncio.get_running_loop().time()
    for name, timer in pulls.items():
        out |= timer.metrics(name, now)
    out |= _tasks(core) | _executors(core)
    out.update((f"slave/{name}", count) for name, count in core.counters.items() if name.startswith("task_"))
    out |= _resources(core.operations.total, core.allocated())
    out |= system()
    return {name: float(out[name]) for name in sorted(out)}


def _tasks(core: AgentCore) -> dict[str, float]:
    states = [run.state for _, _, run in core.runs()]
    out: dict[str, float] = {f"slave/tasks_{name}": states.count(state) for name, state in _LIVE.items()}
    for name in _ENDED:
        out[f"slave/tasks_{name}"] = core.counters.get(f"tasks/TASK_{name.upper()}", 0)
    return out


def _executors(core: AgentCore) -> dict[str, float]:
    counts = dict.fromkeys(("registering", "running", "terminating", "terminated"), 0.0)
    for framework in core.frameworks.values():
        for executor in framework.executors.values():
            counts[_executor_state(executor)] += 1
    counts["preempted"] = float(core.counters.get("executors_preempted", 0))
    return {f"slave/executors_{name}": count for name, count in counts.items()}


def _executor_state(executor: ExecutorRun) -> str:
    if executor.life is not None:
        return str(executor.life.standing)
    runs = executor.tasks.values()
    if all(run.phase is Phase.ENDED for run in runs):
        return "terminated"
    if executor.silent:
        return "terminating"
    return "running" if any(run.phase is Phase.RUNNING for run in runs) else "registering"


def _resources(total: Resources, used: Resources) -> dict[str, float]:
    out: dict[str, float] = {}
    for suffix, have, taken in (
        ("", total.non_revocable(), used.non_revocable()),
        ("_revocable", total.revocable(), used.revocable()),
    ):
        for name in ("cpus", "gpus", "mem", "disk"):
            all_, some = have.scalar(name) / 1000, taken.scalar(name) / 1000
            out[f"slave/{name}{suffix}_total"] = all_
            out[f"slave/{name}{suffix}_used"] = some
            out[f"slave/{name}{suffix}_percent"] = some / all_ if all_ else 0.0
    return out


def system() -> dict[str, float]:
    """The machine's load and memory."""
    one, five, fifteen = os.getloadavg()
    page = os.sysconf("SC_PAGE_SIZE")
    return {
        "system/cpus_total": float(os.cpu_count() or 0),
        "system/load_1min": one,
        "system/load_5min": five,
        "system/load_15min": fifteen,
        "system/mem_total_bytes": float(os.sysconf("SC_PHYS_PAGES") * page),
        "system/mem_free_bytes": float(os.sysconf("SC_AVPHYS_PAGES") * page),
    }
