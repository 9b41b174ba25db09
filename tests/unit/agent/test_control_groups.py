"""Statistics of control groups, on trees of files as the kernel shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dcos.agent.containerizer import control_groups
from dcos.agent.containerizer.memory_report import bytes_text, read_report, with_memory
from dcos.agent.core.exits import Exit


def files(folder: Path, **contents: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(control_groups, "_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(control_groups, "_PROC", tmp_path / "proc")
    return tmp_path


def test_v1(kernel: Path) -> None:
    files(kernel / "proc/self", cgroup="3:cpuacct:/agent\n2:cpu:/agent\n1:memory:/agent\n0::/\n")
    files(kernel / "proc/7", cgroup="3:cpuacct:/mesos/c\n2:cpu:/mesos/c\n1:memory:/mesos/c\n0::/\n")
    files(kernel / "cgroup/cpuacct/mesos/c", cpuacct__stat="user 150\nsystem 50\n")
    files(kernel / "cgroup/cpu/mesos/c", cpu__stat="nr_periods 10\nnr_throttled 3\nthrottled_time 500000000\n")
    files(
        kernel / "cgroup/memory/mesos/c",
        memory__stat="rss 1\ntotal_rss 100\ntotal_cache 50\ntotal_mapped_file 20\ntotal_unevictable 0\ntotal_swap 0\n",
        memory__usage_in_bytes="160\n",
    )
    assert control_groups.figures(7) == {
        "cpus_user_time_secs": 1.5,
        "cpus_system_time_secs": 0.5,
        "cpus_nr_periods": 10,
        "cpus_nr_throttled": 3,
        "cpus_throttled_time_secs": 0.5,
        "mem_rss_bytes": 100,
        "mem_anon_bytes": 100,
        "mem_cache_bytes": 50,
        "mem_file_bytes": 50,
        "mem_mapped_file_bytes": 20,
        "mem_unevictable_bytes": 0,
        "mem_swap_bytes": 0,
        "mem_total_bytes": 160,
    }


def test_v2(kernel: Path) -> None:
    files(kernel / "proc/self", cgroup="0::/system.slice/agent.service\n")
    files(kernel / "proc/7", cgroup="0::/mesos_executors.slice/mesos-c.service\n")
    files(
        kernel / "cgroup/mesos_executors.slice/mesos-c.service",
        cpu__stat="usage_usec 3\nuser_usec 2000000\nsystem_usec 1000000\nnr_periods 4\nnr_throttled 1\nthrottled_usec 250000\n",
        memory__stat="anon 10\nfile 20\nfile_mapped 5\nunevictable 0\n",
        memory__current="35\n",
        memory__swap__current="0\n",
    )
    assert control_groups.figures(7) == {
        "cpus_user_time_secs": 2.0,
        "cpus_system_time_secs": 1.0,
        "cpus_nr_periods": 4,
        "cpus_nr_throttled": 1,
        "cpus_throttled_time_secs": 0.25,
        "mem_rss_bytes": 10,
        "mem_anon_bytes": 10,
        "mem_cache_bytes": 20,
        "mem_file_bytes": 20,
        "mem_mapped_file_bytes": 5,
        "mem_unevictable_bytes": 0,
        "mem_total_bytes": 35,
        "mem_swap_bytes": 0,
    }


def test_shared_groups_tell_nothing(kernel: Path) -> None:
    for name in ("self", "7"):
        files(kernel / "proc" / name, cgroup="1:memory:/same\n")
    files(kernel / "cgroup/memory/same", memory__stat="total_rss 100\n")
    assert control_groups.figures(7) == {}
    files(kernel / "proc/7/task/7", children="8 ")
    files(kernel / "proc/8", cgroup="1:memory:/own\n")
    files(kernel / "cgroup/memory/own", memory__stat="total_rss 5\n")
    assert control_groups.figures(7) == {"mem_rss_bytes": 5, "mem_anon_bytes": 5}


def test_sums() -> None:
    assert control_groups.total([{"a": 1, "b": 2}, {"a": 3}]) == {"a": 4}
    assert control_groups.total([]) == {}


def test_memory_reports(tmp_path: Path) -> None:
    assert read_report(tmp_path / "none") is None
    files(
        tmp_path / "v1",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        memory__limit_in_bytes="67108864\n",
        memory__max_usage_in_bytes="67108864\n",
        memory__stat="cache 0\nrss 66000000\n",
    )
    files(
        tmp_path / "v2",
        memory__events="low 0\noom 1\noom_kill 2\noom_group_kill 0\n",
        memory__max="max\n",
        memory__peak="1000\n",
        memory__stat="anon 0\n",
    )
    end = with_memory(Exit(code=137), read_report(tmp_path / "v1"))
    assert end.out_of_memory
    assert end.limitation == (
        "Memory limit exceeded: Requested: 64MB Maximum Used: 64MB\n\nMEMORY STATISTICS: \ncache 0\nrss 66000000\n\n"
    )
    assert [(one.name, one.scalar.value) for one in end.limited if one.scalar is not None] == [("mem", 64.0)]
    assert with_memory(Exit(code=0), read_report(tmp_path / "v1")) == Exit(code=0)
    two = read_report(tmp_path / "v2")
    assert two is not None
    assert (two.kills, two.limit, two.most) == (2, None, 1000)
    assert [bytes_text(one) for one in (0, 1000, 1024, 3 << 30, 5 << 20)] == ["0B", "1000B", "1KB", "3GB", "5MB"]
