"""The process driver: the same services and table as plain processes on loopback, no nodes needed.

As root in a network namespace of its own, with virtual IPs; elsewhere without, and it says so.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dcos.install.local import loopback
from dcos.runtime import pids
from dcos.testing import netns
from dcos.testing.cluster import LocalCluster, eventually

pytestmark = pytest.mark.e2e

VIP_NAME = "hello-world.marathon.l4lb.thisdcos.directory"


@pytest.fixture(scope="module")
def plain() -> Iterator[LocalCluster]:
    with ExitStack() as stack:
        space = None if netns.why_not() else stack.enter_context(netns.namespaces("plain"))[0]
        made = LocalCluster("e2e-plain", space)
        made.down()
        try:
            made.said = made.up(driver="process")
            yield made
        finally:
            made.down()


def hello(cluster: LocalCluster) -> bool:
    url = cluster.facts["url"]
    reply = cluster.http(
        f"{url}/acs/api/v1/auth/login",
        method="POST",
        body={"uid": cluster.facts["admin"], "password": cluster.password},
    )
    answer = cluster.http(f"{url}/service/hello-world/", token=reply.json()["token"])
    return answer.status == 200 and "Hello" in answer.text


def now(cluster: LocalCluster) -> dict[str, Any]:
    cluster.look_again()
    return cluster.facts


def vip(cluster: LocalCluster) -> str:
    """The address that a node's forwarder gives for the VIP's name."""
    dig = cluster.here("dig", f"@{cluster.ip('agent1')}", "-p", "20053", "+short", "+tries=1", VIP_NAME)
    return subprocess.run(dig, capture_output=True, text=True, timeout=30, check=False).stdout.strip()


def answers_by_vip(cluster: LocalCluster) -> bool:
    return "Hello" in cluster.http(f"http://{vip(cluster)}/", timeout_s=5).text


def test_hello_world_answers_and_status_is_healthy(plain: LocalCluster) -> None:
    eventually("hello-world answers", lambda: hello(plain), within_s=120)
    eventually("dcos status is 0", lambda: plain.dcos("status", check=False).returncode == 0, within_s=120)


def test_virtual_ips_work_where_nftables_may_be_written(plain: LocalCluster) -> None:
    assert plain.space is not None or os.geteuid() != 0 or loopback.no_virtual_ips("127.0.77") != ""
    if plain.space is None:
        assert f"virtual IPs are left out: {plain.facts['no_virtual_ips']}" in plain.said
        assert vip(plain) == ""
        return
    assert plain.facts["no_virtual_ips"] == ""
    number = plain.ip("agent1").split(".")[2]
    eventually("by VIP", lambda: answers_by_vip(plain), within_s=120)
    assert vip(plain).startswith(f"11.{number}.")
    assert plain.space.run("nft", "list", "tables").split() == ["table", "ip", f"dcos_l4lb_{number}"]
    plain.space.run("nft", "delete", "table", "ip", f"dcos_l4lb_{number}")
    eventually("by VIP again", lambda: answers_by_vip(plain), within_s=120)


def test_a_killed_service_is_restarted(plain: LocalCluster) -> None:
    pid = now(plain)["units"]["master1"]["dcos-marathon.service"]["pid"]
    os.kill(pid, signal.SIGKILL)

    def again() -> bool:
        unit = now(plain)["units"]["master1"]["dcos-marathon.service"]
        return bool(unit["active_state"] == "active" and unit["pid"] not in (0, pid))

    eventually("marathon runs again", again, within_s=120)
    eventually("hello-world answers", lambda: hello(plain), within_s=120)


def test_up_takes_over_from_a_killed_supervisor(plain: LocalCluster) -> None:
    tasks = [task["id"] for task in plain.dcos_json("task", "list")]
    service = now(plain)["units"]["master1"]["dcos-mesos-master.service"]["pid"]
    os.kill(now(plain)["supervisor"], signal.SIGKILL)
    told = "services run on without their supervisor; `dcos-install local up --cluster=e2e-plain` takes over"
    eventually("status tells", lambda: told in plain.local("status", check=False).stdout, within_s=120)
    assert hello(plain)
    assert pids.start_time(service) is not None
    plain.up(driver="process")
    assert now(plain)["problems"] == []
    assert plain.facts["units"]["master1"]["dcos-mesos-master.service"]["pid"] not in (0, service)
    assert pids.start_time(service) is None
    assert [task["id"] for task in plain.dcos_json("task", "list")] == tasks


def test_down_leaves_nothing_though_its_supervisor_was_killed(plain: LocalCluster) -> None:
    facts = now(plain)
    running = [unit["pid"] for units in facts["units"].values() for unit in units.values() if unit["pid"]]
    assert running
    os.kill(facts["supervisor"], signal.SIGKILL)
    plain.down()
    assert not os.path.exists(facts["folder"])
    assert [pid for pid in running if pids.start_time(pid) is not None] == []
    with pytest.raises(OSError, match="refused"):
        plain.http(f"{facts['url']}/")
    if plain.space is not None:
        assert plain.space.run("nft", "list", "tables") == ""
        assert plain.space.ip("route", "show") == ""
