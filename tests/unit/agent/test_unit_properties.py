"""Limits as systemd is told them, on cgroup v1 and v2."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest

from dcos.agent.containerizer.box import Box, Mark
from dcos.agent.containerizer.limits import cpus_hard, mem_hard, oom_score_adj, raised
from dcos.agent.containerizer.runc_spec import User, runtime_spec
from dcos.agent.containerizer.systemd import (
    end_of,
    limit_properties,
    unit_properties,
    write_unnamed_limits,
)
from dcos.agent.core.events import Limits
from dcos.agent.core.exits import Exit

MB = 2**20


def mark(**more: Any) -> Mark:
    common: dict[str, Any] = {"backend": "host", "sandbox": "/s", "cpus": 1500, "mem_bytes": 64 * MB}
    return Mark(launcher="systemd", **common | more)


def told(one: Mark, *, unified: bool) -> dict[str, Any]:
    return {name: value.value for name, value in limit_properties(one, unified=unified)}


@pytest.mark.parametrize(
    ("one", "v1", "v2"),
    [
        (
            mark(mem_hard_bytes=64 * MB, cpus_hard=1.5),
            {"CPUShares": 1536, "MemoryLimit": 64 * MB, "CPUQuotaPerSecUSec": 1_500_000},
            {"CPUWeight": 150, "MemoryLow": 64 * MB, "MemoryMax": 64 * MB, "CPUQuotaPerSecUSec": 1_500_000},
        ),
        (mark(), {"CPUShares": 1536}, {"CPUWeight": 150, "MemoryLow": 64 * MB}),
        (
            mark(cpus=1, cpus_hard=0.001, mem_hard_bytes=128 * MB),
            {"CPUShares": 2, "MemoryLimit": 128 * MB, "CPUQuotaPerSecUSec": 10_000},
            {"CPUWeight": 1, "MemoryLow": 64 * MB, "MemoryMax": 128 * MB, "CPUQuotaPerSecUSec": 10_000},
        ),
        (mark(backend="oci", mem_hard_bytes=MB), {"CPUShares": 1536}, {"CPUWeight": 150, "MemoryLow": 64 * MB}),
        (mark(backend="docker", mem_hard_bytes=MB), {}, {}),
        (mark(group="e", mem_hard_bytes=MB), {"MemoryAccounting": True}, {"MemoryAccounting": True}),
    ],
    ids=["requests", "infinite", "least", "image", "docker", "group"],
)
def test_limits(one: Mark, v1: dict[str, Any], v2: dict[str, Any]) -> None:
    assert told(one, unified=False) == v1
    assert told(one, unified=True) == v2


def test_what_systemd_cannot_name(tmp_path: Path) -> None:
    write_unnamed_limits(mark(mem_hard_bytes=128 * MB, limits_swap=True), tmp_path)
    assert (tmp_path / "memory.soft_limit_in_bytes").read_text() == str(64 * MB)
    assert (tmp_path / "memory.memsw.limit_in_bytes").read_text() == str(128 * MB)
    write_unnamed_limits(mark(), tmp_path / "gone")


@pytest.mark.parametrize(("backend", "delegated"), [("host", False), ("oci", True), ("docker", False)])
def test_only_images_get_groups_of_their_own(backend: str, delegated: bool, tmp_path: Path) -> None:
    one = mark(backend=backend)
    for unified in (False, True):
        names = dict(unit_properties(one, Box(tmp_path, "c", one), unified=unified))
        assert ("Delegate" in names) is delegated
        assert names["OOMPolicy"].value == "continue"


@pytest.mark.parametrize(
    ("service", "end"),
    [
        ({"Result": "success", "ExecMainCode": 1, "ExecMainStatus": 0}, Exit(code=0)),
        ({"Result": "exit-code", "ExecMainCode": 1, "ExecMainStatus": 137}, Exit(code=137)),
        ({"Result": "signal", "ExecMainCode": 2, "ExecMainStatus": 9}, Exit(signal=9)),
        ({"Result": "core-dump", "ExecMainCode": 3, "ExecMainStatus": 11}, Exit(signal=11, core_dumped=True)),
        ({"Result": "oom-kill", "ExecMainCode": 2, "ExecMainStatus": 9}, Exit(signal=9, out_of_memory=True)),
        ({"Result": "success", "ExecMainCode": 0, "ExecMainStatus": 0}, Exit()),
    ],
)
def test_ends(service: dict[str, Any], end: Exit) -> None:
    assert end_of(service) == end


@pytest.mark.parametrize(
    ("limits", "cfs", "cpus", "mem"),
    [
        (Limits(cpus=1000, mem_bytes=64 * MB), False, None, 64 * MB),
        (Limits(cpus=1000, mem_bytes=64 * MB), True, 1.0, 64 * MB),
        (Limits(cpus=1000, mem_bytes=64 * MB, cpus_limit=2.0, mem_limit_bytes=128.0 * MB), False, 2.0, 128 * MB),
        (Limits(cpus=1000, mem_bytes=64 * MB, cpus_limit=math.inf, mem_limit_bytes=math.inf), True, None, None),
    ],
    ids=["requests", "cfs", "limits", "infinite"],
)
def test_hard_limits(limits: Limits, cfs: bool, cpus: float | None, mem: int | None) -> None:
    assert cpus_hard(limits, enable_cfs=cfs) == cpus
    assert mem_hard(limits) == mem


def test_a_hard_limit_of_memory_is_only_raised() -> None:
    for before, asked, wanted in ((64, 96, 96), (96, 64, 96), (64, None, None), (None, 64, None), (0, 64, 64)):
        assert raised(before, asked) == wanted


def test_who_goes_first() -> None:
    assert [oom_score_adj(one, 1000) for one in (0, 100, 999, 1000, 5000)] == [1000, 900, 1, 0, 0]
    assert oom_score_adj(1, 0) == 0


def test_who_may_use_more_than_it_asked_for_goes_first(tmp_path: Path) -> None:
    """Commands by their unit, images by runc, which leaves the processes around them alone; not those that share limits."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    wanted = oom_score_adj(64 * MB, total)
    for hard, expected in ((64 * MB, None), (65 * MB, wanted), (None, wanted)):
        for backend, group in (("host", ""), ("host", "g"), ("oci", ""), ("oci", "g")):
            mark = Mark(
                launcher="systemd", backend=backend, sandbox="/s", group=group, mem_bytes=64 * MB, mem_hard_bytes=hard
            )
            unit = dict(unit_properties(mark, Box(tmp_path, "c", mark), unified=True)).get("OOMScoreAdjust")
            spec = runtime_spec(
                argv=["x"],
                environment={},
                directory="/",
                user=User(0, 0),
                mark=mark,
                cgroups_path="/g",
                mounts=(),
                pid_namespace=True,
                rlimits=None,
            )
            own = None if group else expected
            assert (unit.value if unit is not None else None) == (own if backend == "host" else None)
            if backend == "oci":
                assert spec["process"].get("oomScoreAdj") == own
