"""The control group above a Docker container: where it lies, what it weighs, what is read in it, and that it goes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from dcos.agent.containerizer.box import Box, Mark
from dcos.agent.containerizer.docker_groups import DockerGroups
from dcos.agent.containerizer.limits import cpu_shares, cpu_weight, weight_of
from dcos.agent.containerizer.systemd import Bus, BusError

MB = 2**20
OWNER = hashlib.sha256(b"/w").hexdigest()[:8]
FOLDER = f"mesos/docker_{OWNER}_c_1"
SLICE = f"mesos_executors-docker_{OWNER}_c_1.slice"
V2 = {"CgroupVersion": "2", "CgroupDriver": "cgroupfs", "SecurityOptions": ["name=seccomp,profile=builtin"]}
COUNTED = {
    "memory.events": "low 0\nhigh 0\nmax 40\noom 1\noom_kill 1\noom_group_kill 0\n",
    "memory.stat": "anon 0\n",
    "memory.max": "max\n",
    "memory.peak": str(64 * MB),
}


class Asked(Bus):
    """A systemd that keeps what it was asked for. ``there``: slices that exist."""

    def __init__(self, *there: str) -> None:
        super().__init__()
        self.there = there
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def call(self, member: str, signature: str = "", *body: Any, path: str = "", on: str = "") -> list[Any]:
        if member == "StartTransientUnit" and body[0] in self.there:
            raise BusError("org.freedesktop.systemd1.UnitExists", "it is there")
        properties = next((one for one in body if isinstance(one, list)), [])
        self.calls.append((f"{member} {body[0]}", {name: value.value for name, value in properties}))
        return []


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def box(folder: Path, cpus: int = 2000) -> Box:
    made = Box(folder, "c-1", Mark(launcher="posix", backend="docker", sandbox="/s", cpus=cpus, mem_bytes=64 * MB))
    made.save()
    return made


def groups(folder: Path, bus: Bus | None = None) -> DockerGroups:
    (folder / "cgroup").mkdir(exist_ok=True)
    return DockerGroups(folder / "cgroup", owner="/w", cgroups_root="mesos", bus=bus)


def kernel_files(folder: Path) -> None:
    for name, text in {**COUNTED, "cpu.weight": "100"}.items():
        (folder / name).write_text(text)


async def test_a_folder_of_the_cgroupfs_driver(tmp_path: Path) -> None:
    one, made = box(tmp_path), groups(tmp_path)
    host: dict[str, Any] = {"CpuShares": 2048}
    await made.make(one, host, V2)
    folder = tmp_path / "cgroup" / FOLDER
    assert host["CgroupParent"] == f"/{FOLDER}"
    assert (folder.parent / "cgroup.subtree_control").exists(), "no controllers for those below"
    assert made.report(one) is None, "the kernel counts nothing there yet"
    kernel_files(folder)
    await made.update(box(tmp_path, cpus=500))
    assert (folder / "cpu.weight").read_text() == "50"
    report = groups(tmp_path).report(box(tmp_path))
    assert report is not None
    assert (report.kills, report.most, report.limit) == (1, 64 * MB, None)
    for file in folder.iterdir():
        file.unlink()
    (folder / "left-by-docker").mkdir()
    await made.remove(one)
    await made.remove(one)
    assert not folder.exists()


async def test_a_slice_of_the_systemd_driver(tmp_path: Path) -> None:
    bus = Asked()
    one, made = box(tmp_path), groups(tmp_path, bus)
    host: dict[str, Any] = {"CpuShares": 1024}
    await made.make(one, host, {**V2, "CgroupDriver": "systemd"})
    assert host["CgroupParent"] == SLICE
    bus.there = (SLICE,)
    await made.update(box(tmp_path))
    await made.remove(one)
    (start, first), (change, second), (stop, _) = bus.calls
    assert (start, change, stop) == (f"StartTransientUnit {SLICE}", f"SetUnitProperties {SLICE}", f"StopUnit {SLICE}")
    assert (first["CPUWeight"], second["CPUWeight"], second["MemoryLow"]) == (100, 200, 64 * MB)
    folder = tmp_path / "cgroup/mesos_executors.slice" / SLICE
    folder.mkdir(parents=True)
    kernel_files(folder)
    report = made.report(one)
    assert report is not None
    assert report.kills == 1


@pytest.mark.parametrize(
    ("host", "info"),
    [
        ({}, {**V2, "CgroupVersion": "1"}),
        ({}, {"CgroupDriver": "cgroupfs"}),
        ({}, {**V2, "CgroupDriver": "none"}),
        ({}, {**V2, "CgroupDriver": "systemd"}),
        ({}, {**V2, "SecurityOptions": ["name=rootless"]}),
        ({"CgroupParent": "/mine"}, V2),
        ({"BlkioWeight": 500}, V2),
    ],
    ids=["v1", "before 1.41", "no driver", "no systemd here", "rootless", "own parent", "own weight of disks"],
)
async def test_none_where_there_can_be_none(tmp_path: Path, host: dict[str, Any], info: dict[str, Any]) -> None:
    one, made = box(tmp_path), groups(tmp_path)
    asked = {"CpuShares": 1024, **host}
    await made.make(one, asked, info)
    assert asked == {"CpuShares": 1024, **host}
    assert made.report(one) is None
    await made.update(one)
    await made.remove(one)
    assert list((tmp_path / "cgroup").iterdir()) == []


async def test_none_where_the_agent_may_not_make_one(tmp_path: Path) -> None:
    one, made, host = box(tmp_path), groups(tmp_path), {"CpuShares": 1024}
    (tmp_path / "cgroup/mesos").write_text("in the way")
    await made.make(one, host, V2)
    assert host == {"CpuShares": 1024}
    assert made.report(one) is None


async def test_what_dead_agents_left_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Asked()
    made = groups(tmp_path, bus)
    above = tmp_path / "cgroup/mesos"
    names = {"lives": "c_1", "left": "c_2", "in use": "c_3", "another agent's": ""}
    for what, name in names.items():
        folder = above / (f"docker_{OWNER}_{name}" if name else "docker_00000000_c_2")
        folder.mkdir(parents=True)
        (folder / "cgroup.events").write_text(f"populated {int(what == 'in use')}\nfrozen 0\n")
    slice = tmp_path / "cgroup/mesos_executors.slice" / SLICE.replace("c_1", "c_4")
    slice.mkdir(parents=True)
    (slice / "cgroup.events").write_text("populated 0\n")
    removed: list[str] = []
    # only the kernel lets a folder go that has files
    monkeypatch.setattr(Path, "rmdir", lambda self: removed.append(self.name))
    await made.sweep(lambda: ["c-1"])
    assert removed == [f"docker_{OWNER}_c_2"]
    assert [name for name, _ in bus.calls] == [f"StopUnit {slice.name}"]


@pytest.mark.parametrize("cpus", [1, 10, 100, 250, 1000, 4500, 64_000])
def test_it_weighs_what_other_tasks_of_its_size_do(cpus: int) -> None:
    assert weight_of(cpu_shares(cpus)) == cpu_weight(cpus)
