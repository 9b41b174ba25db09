"""Booted nodes without anything installed: they boot, limit, meet, reboot, lose power, and go without a trace."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from dcos.install.command import run
from dcos.install.local import cluster, network, nspawn
from dcos.install.local.driver import NodeTrouble
from dcos.install.local.nspawn import NspawnDriver
from dcos.install.local.spec import SUBNETS, ClusterSpec, Folders, plan
from dcos.runtime import pids
from dcos.testing import netns
from dcos.testing.patience import PATIENCE_S

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]  # the first run builds the node image

BASE = cluster.base_folder()
NAME = "test-nodes"


def mounts() -> list[str]:
    return [line for line in Path("/proc/mounts").read_text().splitlines() if f"/{NAME}/" in line]


def groups() -> list[str]:
    return [str(path) for path in Path("/sys/fs/cgroup").rglob(f"dcos-local-{NAME}-*")]


def links() -> str:
    return run(["ip", "-brief", "link"])


@pytest.fixture(scope="module")
def driver() -> Iterator[NspawnDriver]:
    if os.geteuid() != 0:
        pytest.skip("booting nodes needs root")
    BASE.mkdir(parents=True, exist_ok=True)
    if reason := nspawn.obstacle(BASE):
        pytest.skip(f"nodes cannot be booted here: {reason}")
    folders = Folders(BASE, NAME)
    taken = {spec.prefix for name, spec in cluster.known_clusters(BASE).items() if name != NAME}
    spec = plan(NAME, "nspawn", network.free_prefix(taken), masters=1, agents=1, public_agents=0)
    folders.cluster.mkdir(parents=True, exist_ok=True)
    folders.spec.write_bytes(msgspec.json.encode(spec))
    made = NspawnDriver(folders, spec)
    try:
        made.prepare()
        for node in spec.nodes:
            made.start(node)
        yield made
    finally:
        made.destroy()
        run(["rm", "-rf", str(folders.cluster)])


def sh(driver: NspawnDriver, node: str, script: str) -> str:
    return run(driver.enter(driver.spec.node(node), ["sh", "-c", script]), timeout_s=60)


def test_systemd_runs_and_nothing_else_was_started(driver: NspawnDriver) -> None:
    assert sh(driver, "agent1", "systemctl is-system-running").strip() == "running"
    running = sh(driver, "agent1", "systemctl list-units --type=service --state=running --no-legend --plain")
    assert {line.split()[0] for line in running.splitlines()} == {"dbus.service", "systemd-journald.service"}


def test_nodes_and_this_machine_reach_each_other(driver: NspawnDriver) -> None:
    other = driver.spec.node("master1")
    sh(driver, "agent1", f"ping -c1 -W2 {other.ip} && ping -c1 -W2 master1 && ping -c1 -W2 {driver.spec.host_ip}")
    with pytest.raises(ConnectionRefusedError):  # refused is an answer: nothing listens there yet
        socket.create_connection((other.ip, 5050), timeout=5)


def test_memory_limits_hold(driver: NspawnDriver) -> None:
    hog = "python3 -c 'x = bytearray(300 * 1024 * 1024); print(len(x))'"
    assert "314572800" in sh(driver, "agent1", f"systemd-run --quiet --wait --pipe -p MemoryMax=800M {hog}")
    assert "killed" in sh(driver, "agent1", f"systemd-run --quiet --wait --pipe -p MemoryMax=50M {hog} || echo killed")


def test_a_node_cannot_change_this_machines_kernel_settings(driver: NspawnDriver) -> None:
    sh(driver, "agent1", "sysctl -q -w net.ipv4.ip_forward=1")
    before = Path("/proc/sys/fs/protected_hardlinks").read_text()
    sh(driver, "agent1", "! sysctl -q -w fs.protected_hardlinks=0 2>/dev/null")
    assert Path("/proc/sys/fs/protected_hardlinks").read_text() == before


def boot_id(driver: NspawnDriver, node: str) -> str:
    return sh(driver, node, "stat -c %Y /proc/1; cat /proc/1/stat | cut -d' ' -f22")


@pytest.mark.parametrize("hard", [False, True])
def test_power(driver: NspawnDriver, hard: bool) -> None:
    node = driver.spec.node("agent1")
    sh(driver, "agent1", f"echo kept > /var/lib/kept-{hard}; echo kept > /etc/kept-{hard}; sync")
    before = boot_id(driver, "agent1")
    driver.stop(node, hard=hard)
    assert driver.state(node) == "off"
    with pytest.raises(NodeTrouble, match="agent1 is off"):
        driver.enter(node, ["true"])
    driver.start(node)
    assert boot_id(driver, "agent1") != before
    assert sh(driver, "agent1", f"cat /var/lib/kept-{hard} /etc/kept-{hard}") == "kept\nkept\n"
    assert "kept" not in links()


def test_a_reboot_from_inside(driver: NspawnDriver) -> None:
    before = boot_id(driver, "agent1")
    subprocess.run(driver.enter(driver.spec.node("agent1"), ["systemctl", "reboot"]), capture_output=True, check=False)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if boot_id(driver, "agent1") != before:
                return
        except Exception as trouble:  # off, or on its way
            last = trouble
        time.sleep(0.2)
    pytest.fail(f"the node did not come back: {last}")


def kill_supervisor(driver: NspawnDriver) -> None:
    pid = pids.living(driver.folders.node("agent1") / "machine.pid")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(nspawn.host_has_systemd(), reason="systemd ends the node with its supervisor")
def test_a_node_without_its_supervisor_is_told_and_booted_anew(driver: NspawnDriver) -> None:
    node = driver.spec.node("agent1")
    before = boot_id(driver, "agent1")
    kill_supervisor(driver)
    deadline = time.monotonic() + PATIENCE_S
    while "its supervisor is gone" not in (state := driver.state(node)):
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    driver.start(node)
    assert driver.state(node) == "on"
    assert boot_id(driver, "agent1") != before
    assert pids.living(driver.folders.node("agent1") / "machine.pid") is not None


def test_nothing_is_left(driver: NspawnDriver) -> None:
    assert mounts()
    assert groups()
    driver.destroy()
    assert mounts() == []
    assert groups() == []
    assert not any(NAME in space for space in network.namespaces())
    assert network.host_leg(driver.spec) not in links()
    assert not (driver.folders.nodes / "agent1").exists()


def test_down_after_a_crash(driver: NspawnDriver) -> None:
    """The supervisor and its pid file are gone, the node still runs."""
    node = driver.spec.node("agent1")
    driver.start(node)
    kill_supervisor(driver)
    (driver.folders.node("agent1") / "machine.pid").unlink()
    driver.destroy()
    assert mounts() == []
    assert groups() == []
    assert not any(NAME in space for space in network.namespaces())


@pytest.fixture
def two() -> Iterator[tuple[str, str]]:
    """Names of clusters that have nothing but their networks."""
    if reason := netns.why_not():
        pytest.skip(reason)
    mark = secrets.token_hex(2)
    names = (f"one-{mark}", f"two-{mark}")
    yield names
    for name in names:
        for prefix in SUBNETS:
            network.remove_all(plan(name, "nspawn", prefix, masters=1, agents=0, public_agents=0))


def test_networks_of_clusters_that_do_not_know_each_other_never_meet(two: tuple[str, str]) -> None:
    def keep(name: str) -> ClusterSpec:
        return network.claim(
            name, set(), lambda prefix: plan(name, "nspawn", prefix, masters=1, agents=0, public_agents=0)
        )

    first = keep(two[0])
    late = plan(two[1], "nspawn", first.prefix, masters=1, agents=0, public_agents=0)
    with pytest.raises(network.Taken, match="another cluster's"):  # both found it free, one was faster
        network.make_bridge(late)
    network.remove_all(late)
    network.make_bridge(first)  # whole, and still its own
    assert network.host_leg(first) in links()
    with pytest.raises(network.Taken, match="choose another name"):
        keep(two[0])
    assert keep(two[1]).prefix != first.prefix
    network.remove_all(first)
    assert network.host_leg(first) not in links()
