"""How long a cluster takes to come up and what its services weigh, as ratios to the aims, and where the time goes.

The step "nodes" of the same run is the floor: the same machines booted with systemd and nothing of ours. Run as root:

    make bench                    # warm: the node image and the bundle are cached
    python bench/up.py --cold     # `make up` in a fresh clone: Python environment, bundle and node image made anew
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dcos.registry import NodeRole, services_on
from dcos.testing.cluster import LocalCluster

ROOT = Path(__file__).resolve().parents[1]
AIMS = {"cold": 240.0, "warm": 45.0, "install": 15.0}
MEMORY_AIM_MB = {"master": 600, "slave": 200, "slave_public": 200}
NAME = "bench"


def memory_mb(cluster: LocalCluster, node: str, unit: str) -> tuple[float, float]:
    """Memory of a unit's processes in MB: resident (shared pages counted for each), and proportional (counted once)."""
    script = (
        f"for p in $(systemctl show -p ControlGroup --value {unit} | "
        "xargs -I{} sh -c 'find /sys/fs/cgroup/systemd{} /sys/fs/cgroup/unified{} /sys/fs/cgroup{} -name cgroup.procs "
        "2>/dev/null | xargs cat 2>/dev/null' | sort -u); do awk '/^Pss:/{s+=$2} /^Rss:/{r+=$2} END{print r, s}' "
        "/proc/$p/smaps_rollup; done 2>/dev/null | awk '{r+=$1; s+=$2} END{print r+0, s+0}'"
    )
    resident_kb, proportional_kb = cluster.sh(node, script).split()
    return int(resident_kb) / 1024, int(proportional_kb) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cold", action="store_true", help="make everything anew, in a fresh clone")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dcos-bench-", dir="/var/tmp") as folder:
        if chosen.cold:
            os.environ |= {"DCOS_LOCAL": f"{folder}/local", "DCOS_CACHE": f"{folder}/cache"}
        return measure(chosen, Path(folder))


def measure(chosen: argparse.Namespace, folder: Path) -> int:
    cluster = LocalCluster(NAME)
    cluster.down()
    kind = "cold" if chosen.cold else "warm"
    print(f"{kind} up of 1 master, 1 agent, 1 public agent with hello-world; {os.cpu_count()} cores", flush=True)
    if chosen.cold:
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "clone")], check=True)
        argv = ["make", "up", f"CLUSTER={NAME}", "DRIVER=nspawn"]
    else:
        program = str(Path(sys.executable).with_name("dcos-install"))
        argv = [program, "local", "up", f"--cluster={NAME}", "--driver=nspawn", "--demo"]
    began = time.monotonic()
    subprocess.run(argv, cwd=folder / "clone" if chosen.cold else ROOT, check=True)
    took = time.monotonic() - began
    print(f"\n{kind} up: {took:.1f} s, aim {AIMS[kind]:.0f} s, ratio {took / AIMS[kind]:.2f}")
    steps = json.loads(cluster.local("status", "--json").stdout).get("steps", {})
    for step, seconds in steps.items():
        print(f"  {step:<40} {seconds:6.1f} s")
    time.sleep(20)
    for node, role in (("master1", NodeRole.MASTER), ("agent1", NodeRole.AGENT), ("public1", NodeRole.PUBLIC_AGENT)):
        total = total_proportional = 0.0
        print(f"\n{node} ({role}) when idle: resident MB, proportional MB")
        for row in services_on(role):
            if row.timer:
                continue
            used, proportional = memory_mb(cluster, node, f"{row.name}.service")
            total, total_proportional = total + used, total_proportional + proportional
            print(f"  {row.name:<28} {used:7.1f} {proportional:7.1f}   ratio to the table's {used / row.memory_mb:.2f}")
        aim = MEMORY_AIM_MB[role]
        print(f"  {'all':<28} {total:7.1f} {total_proportional:7.1f}   aim {aim}, ratio {total / aim:.2f}")
    if not chosen.keep:
        cluster.down()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
