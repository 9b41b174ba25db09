"""Runs seeds: ``python -m dcos.testing.sim --seeds 0-499``; one with its trace: ``--seed 17 --trace``."""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from dcos.testing.sim.world import Result, run_seed

_TAIL = 60
_MEMORY = Path("/dev/shm")


def seeds_of(text: str) -> list[int]:
    """``3``, ``0-499``, ``1,5,9-12``."""
    out: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        out += range(int(first), int(last) + 1) if dash else [int(first)]
    return out


def repeat(seed: int) -> str:
    return f"python -m dcos.dev sim --seed {seed} --trace"


def report(result: Result) -> str:
    """Why a seed failed and how to see it again."""
    lines = [f"seed {result.seed} FAILED after {result.virtual_s:.1f} virtual seconds:"]
    lines += [f"  {one}" for one in result.problems[:10]]
    lines += [f"  ... and {len(result.problems) - 10} more"] if len(result.problems) > 10 else []
    return "\n".join([*lines, f"  repeat it: {repeat(result.seed)}"])


def run(seeds: Iterable[int], *, trace: bool, limit_s: float | None, every: int = 100) -> list[Result]:
    """Each seed in turn; failures are told at once. Stops early after ``limit_s`` real seconds."""
    began = time.monotonic()
    done: list[Result] = []
    where = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    gc.freeze()
    gc.disable()
    for seed in seeds:
        if limit_s is not None and time.monotonic() - began > limit_s:
            break
        folder = Path(tempfile.mkdtemp(prefix="dcos-sim-", dir=where))
        try:
            result = run_seed(seed, folder, keep_trace=trace)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        done.append(result)
        if trace:
            print("\n".join(result.trace))
        if not result.ok:
            print(report(result), flush=True)
        if len(done) % 20 == 0:
            gc.collect()
        if len(done) % every == 0:
            print(f"{len(done)} seeds, {time.monotonic() - began:.1f} s", flush=True)
    return done


def share(seeds: list[int], jobs: int, limit_s: float | None) -> int:
    """Deal the seeds out to ``jobs`` processes; they print for themselves."""
    limit = () if limit_s is None else ("--limit", str(limit_s))
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "dcos.testing.sim", "--seeds", ",".join(map(str, seeds[number::jobs])), *limit]
        )
        for number in range(jobs)
    ]
    return max(child.wait() for child in children)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dcos.dev sim", description=__doc__)
    parser.add_argument("--seed", "--seeds", dest="seeds", type=seeds_of, default=seeds_of("0-499"))
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    parser.add_argument("--limit", type=float, default=None, help="real seconds after which no further seed begins")
    parser.add_argument("--jobs", type=int, default=1, help="processes to share the seeds")
    asked = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # the order of sets is part of a run: a seed says the same everywhere only if hashes do
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "dcos.testing.sim", *sys.argv[1:]])
    if asked.jobs > 1:
        return share(asked.seeds, asked.jobs, asked.limit)
    began = time.monotonic()
    done = run(asked.seeds, trace=asked.trace, limit_s=asked.limit)
    took = time.monotonic() - began
    failed = [one for one in done if not one.ok]
    print(
        f"{len(done)} seeds in {took:.1f} s ({took / max(1, len(done)):.3f} s each): {len(failed)} failed;"
        f" {sum(one.virtual_s for one in done) / 3600:.1f} virtual hours, {sum(one.faults for one in done)} faults,"
        f" {sum(one.tasks for one in done)} tasks, {sum(one.messages for one in done)} messages"
    )
    if len(done) == 1:
        print(f"digest {done[0].digest}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
