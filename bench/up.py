"""How long a cluster takes to come up and what its services weigh, beside the aims and a floor from the same run.

The floor is the same nodes booted bare (systemd only, nothing installed): what is above it is ours. Run as root:

    make bench                    # warm: the node image and the bundle are cached
    python bench/up.py --cold     # removes both caches first
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dcos.registry import NodeRole, services_on
from dcos.testing.cluster import LocalCluster

AIMS = {"cold": 240.0, "warm": 45.0, "install": 15.0}
MEMORY_AIM_MB = {"master": 600, "slave": 200, "slave_public": 200}
NAME = "bench"


def resident_mb(cluster: LocalCluster, node: str, unit: str) -> float:
    """Resident memory of a unit's processes, shared pages counted once per process (PSS), in MB."""
    script = (
        f"for p in $(systemctl show -p ControlGroup --value {unit} | "
        "xargs -I{} sh -c 'find /sys/fs/cgroup/systemd{} /sys/fs/cgroup/unified{} /sys/fs/cgroup{} -name cgroup.procs "
        "2>/dev/null | xargs cat 2>/dev/null' | sort -u); do awk '/^Pss:/{s+=$2} /^Rss:/{r+=$2} END{print r, s}' "
        "/proc/$p/smaps_rollup; done 2>/dev/null | awk '{r+=$1; s+=$2} END{print r+0, s+0}'"
    )
    rss_kb, _pss_kb = cluster.sh(node, script).split()
    return int(rss_kb) / 1024


def timed(label: str, words: list[str], cluster: LocalCluster) -> float:
    began = time.monotonic()
    done = cluster.local(*words, timeout_s=1800)
    took = time.monotonic() - began
    print(f"\n--- {label}: {took:.1f} s\n{done.stdout}", flush=True)
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cold", action="store_true", help="remove the image and bundle caches first")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    chosen = parser.parse_args()
    cluster = LocalCluster(NAME)
    cluster.down()
    shape = ["--driver=nspawn", "--masters=1", "--agents=1", "--public-agents=1", "--demo"]
    kind = "warm"
    if chosen.cold:
        cluster.local("clean-cache")
        kind = "cold"
    took = timed(f"{kind} up of 1 master, 1 agent, 1 public agent with hello-world", ["up", *shape], cluster)
    print(f"{kind} up: {took:.1f} s, aim {AIMS[kind]:.0f} s, ratio {took / AIMS[kind]:.2f}")
    steps = json.loads(cluster.local("status", "--json").stdout).get("steps", {})
    for step, seconds in steps.items():
        print(f"  {step:<40} {seconds:6.1f} s")
    time.sleep(20)
    for node, role in (("master1", NodeRole.MASTER), ("agent1", NodeRole.AGENT), ("public1", NodeRole.PUBLIC_AGENT)):
        total = 0.0
        print(f"\n{node} ({role}) resident memory when idle, MB")
        for row in services_on(role):
            if row.timer:
                continue
            used = resident_mb(cluster, node, f"{row.name}.service")
            total += used
            print(f"  {row.name:<28} {used:7.1f}   expected {row.memory_mb}, ratio {used / row.memory_mb:.2f}")
        aim = MEMORY_AIM_MB[role]
        print(f"  {'all':<28} {total:7.1f}   aim {aim}, ratio {total / aim:.2f}")
    if not chosen.keep:
        cluster.down()
    print(subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout.strip(), "cores")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
