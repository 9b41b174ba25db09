"""Local clusters: the plan of nodes, control groups, the supervisor's words."""

from __future__ import annotations

import itertools
import os
import re
import socket
from pathlib import Path

import pytest

from dcos import registry
from dcos.install.local import cgroups, cluster, image, loopback, process, supervise
from dcos.install.local.driver import NodeTrouble
from dcos.install.local.resources import agent_overrides, total_mem_mb
from dcos.install.local.spec import ClusterSpec, Folders, SpecError, plan
from dcos.install.prereqs import Prerequisite
from dcos.net.config import PREFIX, Config
from dcos.registry import SERVICES
from dcos.runtime.settings import load
from dcos.testing.ports import free_port


def made(**counts: int) -> ClusterSpec:
    return plan("dcos", "nspawn", "10.213.77", **{"masters": 1, "agents": 1, "public_agents": 1, **counts})


def test_names_and_addresses() -> None:
    spec = made(masters=3, agents=2)
    assert [(node.name, node.role, node.ip) for node in spec.nodes] == [
        ("master1", "master", "10.213.77.11"),
        ("master2", "master", "10.213.77.12"),
        ("master3", "master", "10.213.77.13"),
        ("agent1", "slave", "10.213.77.21"),
        ("agent2", "slave", "10.213.77.22"),
        ("public1", "slave_public", "10.213.77.121"),
    ]
    assert spec.node("agent2") is spec.node("10.213.77.22")
    with pytest.raises(SpecError, match="no node 'x'; there are master1, "):
        spec.node("x")


def test_addresses_never_meet() -> None:
    spec = made(masters=9, agents=100, public_agents=100)
    assert len({node.ip for node in spec.nodes}) == len(spec.nodes)


@pytest.mark.parametrize(
    ("counts", "words"),
    [({"masters": 2}, "masters: 2"), ({"agents": -1}, "agents: -1"), ({"public_agents": 101}, "101")],
)
def test_counts_that_cannot_be(counts: dict[str, int], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        made(**counts)


@pytest.mark.parametrize("name", ["", "A", "1a", "a" * 21, "a/b", "a b", "../x"])
def test_cluster_names(name: str) -> None:
    with pytest.raises(SpecError, match="cluster name"):
        plan(name, "nspawn", "10.213.77", masters=1, agents=0, public_agents=0)


def test_agents_share_the_memory() -> None:
    spec = made()
    first = agent_overrides(spec, spec.node("agent1"), total_mem_mb=8000, cpus=2, free_disk_mb=40000)["MESOS_RESOURCES"]
    assert first.startswith("cpus:2;mem:3000;disk:10000;ports:[")
    assert agent_overrides(spec, spec.node("master1"), total_mem_mb=8000, cpus=2, free_disk_mb=40000) == {}
    assert total_mem_mb("MemTotal:       24684000 kB\n") == 24105


def test_agents_that_are_processes_have_ports_of_their_own() -> None:
    spec = made(agents=3, public_agents=2)
    ranges = [process.agent_ports(spec, node) for node in spec.agents]
    assert len(set(ranges)) == 5
    ends = [tuple(map(int, re.findall(r"\d+", text))) for text in ranges]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ends))


def test_changes_of_the_process_driver_name_real_services() -> None:
    assert set(process.CHANGES) <= {row.name for row in SERVICES}


def test_image_is_named_by_what_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.image_key()
    monkeypatch.setattr(image, "EXTRA", (*image.EXTRA, "vim-tiny"))
    assert image.image_key() != before
    assert {"systemd", "python3", "nginx-light", "libzookeeper-java"} <= set(image.wanted_packages())


def test_membership_and_mounts_speak_of_the_same_hierarchies(tmp_path: Path) -> None:
    for folder in ("cg/memory/jobs", "cg/cpu", "cg/systemd", "cg/unified"):
        (tmp_path / folder).mkdir(parents=True)
    proc = tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "self/cgroup").write_text("4:memory:/jobs\n3:cpuacct,cpu:/\n2:name=systemd:/\n1:pids:/\n0::/\n")
    (proc / "mounts").write_text(
        f"cgroup {tmp_path}/cg/memory cgroup rw,relatime,memory 0 0\n"
        f"cgroup {tmp_path}/cg/cpu cgroup rw,cpu,cpuacct 0 0\n"
        f"cgroup {tmp_path}/cg/systemd cgroup rw,name=systemd 0 0\n"
        f"cgroup2 {tmp_path}/cg/unified cgroup2 rw 0 0\n"
        "tmpfs /tmp tmpfs rw 0 0\n"
    )
    found = cgroups.groups_of(proc=proc)
    assert found["memory"] == tmp_path / "cg/memory/jobs"
    assert found["cpuacct,cpu"] == tmp_path / "cg/cpu"
    assert found[""] == tmp_path / "cg/unified"
    assert "pids" not in found


def unified(folder: Path, *, inner: bool, enabled: str = "") -> Path:
    """A group of cgroup v2 as the kernel shows it; only inner ones have a type."""
    folder.mkdir(parents=True)
    files = {"controllers": "cpuset cpu io memory pids", "subtree_control": enabled, "procs": "1\n22\n"}
    for name, text in files.items():
        (folder / f"cgroup.{name}").write_text(text)
    if inner:
        (folder / "cgroup.type").write_text("domain\n")
    return folder


class TestUnifiedHierarchy:
    """Hosts that have cgroup v2 alone."""

    def test_one_group_stands_for_all(self, tmp_path: Path) -> None:
        own = unified(tmp_path / "cg/user.slice/x.scope", inner=True)
        (tmp_path / "self").mkdir()
        (tmp_path / "self/cgroup").write_text("0::/user.slice/x.scope\n")
        (tmp_path / "mounts").write_text(f"cgroup2 {tmp_path}/cg cgroup2 rw,nsdelegate 0 0\n")
        assert cgroups.groups_of(proc=tmp_path) == {"": own}

    def test_the_root_hands_controllers_down(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own = unified(tmp_path / "cg", inner=False)
        monkeypatch.setattr(cgroups, "groups_of", lambda: {"": own})
        assert cgroups.make_children("dcos-local-x") == [own / "dcos-local-x"]
        assert (own / "cgroup.subtree_control").read_text() == "+pids"  # a file keeps the last of the five writes
        assert not (own / cgroups.CALLER_LEAF).exists()

    def test_an_inner_group_is_emptied_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own = unified(tmp_path / "cg/scope", inner=True)
        monkeypatch.setattr(cgroups, "groups_of", lambda: {"": own})
        assert cgroups.make_children("dcos-local-x") == [own / "dcos-local-x"]
        assert (own / cgroups.CALLER_LEAF / "cgroup.procs").read_text() == "22"  # the last that was moved

    def test_a_caller_that_was_moved_makes_siblings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own = unified(tmp_path / "cg/scope", inner=True, enabled="cpuset cpu io memory pids")
        monkeypatch.setattr(cgroups, "groups_of", lambda: {"": own / cgroups.CALLER_LEAF})
        assert cgroups.make_children("dcos-local-y") == [own / "dcos-local-y"]
        assert (own / "cgroup.subtree_control").read_text() == "cpuset cpu io memory pids"
        assert not (own / cgroups.CALLER_LEAF).exists()

    def test_processes_and_memory_of_a_node_include_what_is_below(self, tmp_path: Path) -> None:
        node = unified(tmp_path / "dcos-local-x", inner=True)
        unified(node / "payload/init.scope", inner=True)
        (node / "payload/init.scope/cgroup.procs").write_text("300\n")
        (node / "memory.stat").write_text("anon 1000\nfile 5000\nshmem 24\n")
        assert cgroups.processes([node]) == {1, 22, 300}
        assert cgroups.memory_bytes([node]) == 1024


@pytest.mark.parametrize(
    ("text", "usage"), [("total_rss 5\ntotal_shmem 2\nrss 1\n", 7), ("anon 4\nshmem 1\nfile 9\n", 5), ("x 1\n", None)]
)
def test_memory_of_a_group(tmp_path: Path, text: str, usage: int | None) -> None:
    (tmp_path / "memory.stat").write_text(text)
    assert cgroups.memory_bytes([tmp_path / "none", tmp_path]) == usage


@pytest.mark.parametrize(("text", "value"), [("5s", 5.0), ("1min", 60.0), ("2h", 7200.0), ("90secs", 90.0)])
def test_time_spans(text: str, value: float) -> None:
    assert supervise.seconds(text) == value


def test_every_timer_of_the_table_can_be_read() -> None:
    for row in SERVICES:
        for key, value in row.timer:
            if key in ("OnBootSec", "OnUnitActiveSec"):
                assert supervise.seconds(value) > 0


@pytest.mark.parametrize(
    ("environ", "folder"),
    [({"DCOS_LOCAL": "/x"}, "/x")],
)
def test_where_clusters_are_kept(environ: dict[str, str], folder: str) -> None:
    assert cluster.base_folder(environ) == Path(folder)


def test_loopback_networks_in_use_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(registry, "port_of", lambda *_: port)
    first, second, third = (f"127.9.{number}" for number in (1, 2, 3))
    with socket.create_server((f"{second}.11", port)):
        assert loopback.free_prefix({first}, (first, second, third)) == third
        with pytest.raises(NodeTrouble, match="no loopback network is free"):
            loopback.free_prefix({first, third}, (first, second, third))


def test_virtual_ips_need_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert loopback.no_virtual_ips("127.0.77") == "only root may write nftables"


def test_missing_programs_are_told_with_their_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = Prerequisite("zoo", "shows animals", command="zebra", plain=True)
    monkeypatch.setattr(loopback, "PREREQUISITES", (gone, Prerequisite("z", "not for plain processes", command="zz")))
    assert loopback.missing_programs() == (gone,)
    with pytest.raises(NodeTrouble, match="not on this machine: zebra; as root: apt-get install zoo"):
        process.ProcessDriver(Folders(tmp_path, "dcos"), made()).prepare()


def test_what_plain_processes_are_told_of_virtual_ips(tmp_path: Path) -> None:
    spec = plan("dcos", "process", "127.0.79", masters=1, agents=1, public_agents=0)
    driver = process.ProcessDriver(Folders(tmp_path, "dcos"), spec)
    told = driver._filled(process.VIRTUAL_IPS, spec.nodes[0])
    assert (told["DCOS_NET_LOOPBACK_CLUSTER"], told["DCOS_NET_MIN_NAMED_IP"]) == ("79", "11.79.0.0")
    config = load(Config, [], told, prefix=PREFIX)
    assert (config.loopback_cluster, config.max_named_ip, config.enable_ipv6) == (79, "11.79.255.255", False)


def test_another_version_says_what_to_do() -> None:
    text = cluster._other_version(made(), {"a" * 40}, "b" * 40)
    assert "bundle aaaaaaaaaaaa; they now make bbbbbbbbbbbb" in text
    assert "`dcos-install local down --cluster=dcos`, then `up` again" in text
