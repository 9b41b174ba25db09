"""How much of this machine the agents of a local cluster offer: each node sees the whole machine, so they are told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from dcos.install.local.spec import ClusterSpec, NodeSpec
from dcos.install.prereqs import MASTER, SLAVE_PUBLIC
from dcos.registry import service

# For the masters' own services and this machine's other work.
RESERVED_SHARE = 0.25


def agent_service(node: NodeSpec) -> str:
    return "dcos-mesos-slave-public" if node.role == SLAVE_PUBLIC else "dcos-mesos-slave"


def agent_overrides(
    spec: ClusterSpec, node: NodeSpec, *, total_mem_mb: int, cpus: int, free_disk_mb: int
) -> Mapping[str, str]:
    """Variables of a node's agent: its share of memory and disk. CPUs are shared out in full to each: tasks rarely use theirs."""
    if node.role == MASTER:
        return {}
    count = len(spec.agents)
    mem = max(256, int(total_mem_mb * (1 - RESERVED_SHARE)) // count)
    disk = max(1024, free_disk_mb // 2 // count)
    ports = service(agent_service(node)).environment.get("MESOS_RESOURCES", "")
    return {
        "MESOS_RESOURCES": ";".join(
            part for part in (f"cpus:{max(2, cpus)}", f"mem:{mem}", f"disk:{disk}", ports) if part
        )
    }


def share_of_this_machine(spec: ClusterSpec, node: NodeSpec, folder: Path) -> Mapping[str, str]:
    """``agent_overrides`` of the machine as it is now; the disk is that of ``folder``."""
    return agent_overrides(
        spec,
        node,
        total_mem_mb=total_mem_mb(Path("/proc/meminfo").read_text()),
        cpus=cpu_count(),
        free_disk_mb=shutil.disk_usage(folder).free // 2**20,
    )


def total_mem_mb(text: str) -> int:
    """From ``/proc/meminfo``."""
    for line in text.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    return 1024


def cpu_count() -> int:
    return len(os.sched_getaffinity(0))
