"""Checks, packages and history on real nodes: by hand, by the timer, through Admin Router."""

from __future__ import annotations

import json

import pytest

from dcos.testing.cluster import Failed, LocalCluster, eventually

pytestmark = pytest.mark.e2e

RUNNER = "/opt/mesosphere/bin/dcos-check-runner"
POSTSTART = "dcos-checks-poststart.service"


def passes(cluster: LocalCluster, node: str) -> bool:
    told = json.loads(cluster.sh(node, f"{RUNNER} check node-poststart", check=False))
    bad = {name: one["output"] for name, one in told["checks"].items() if one["status"]}
    if bad:
        raise Failed(f"{node}: {bad}")
    return True


def test_all_checks_pass_on_every_node(cluster: LocalCluster) -> None:
    for node in cluster.nodes():
        eventually(f"checks of {node}", lambda n=node: passes(cluster, n), within_s=120)
        assert cluster.sh(node, f"{RUNNER} check node-prestart").strip()


def test_the_api_runs_them_as_its_own_user(cluster: LocalCluster) -> None:
    socket = "curl -sf --unix-socket /run/dcos/dcos-checks-api.sock"
    for node in cluster.nodes():
        told = json.loads(cluster.sh(node, f"{socket} -X POST http://checks/system/checks/v1/node/"))
        assert told["status"] == 0, {name: one for name, one in told["checks"].items() if one["status"]}
    token = cluster.token()
    assert "clock_sync" in cluster.get("/system/checks/v1/node/", token=token).json()
    assert cluster.get("/system/checks/v1/node/").status == 401


def test_what_is_wrong_is_told_and_mended(cluster: LocalCluster) -> None:
    """The timer's run fails for a unit that does not run, and succeeds once it does."""

    def result(wanted: str) -> bool:
        return cluster.sh("agent1", f"systemctl show -p Result --value {POSTSTART}").strip() == wanted

    cluster.sh("agent1", "systemctl stop dcos-telegraf.service dcos-telegraf.socket")
    try:
        eventually("the check fails", lambda: result("exit-code"), within_s=150)
        assert "dcos-telegraf.service is not running" in cluster.sh("agent1", f"journalctl -u {POSTSTART} -n 200")
    finally:
        cluster.sh("agent1", "systemctl start dcos-telegraf.socket dcos-telegraf.service")
    eventually("it passes again", lambda: result("success"), within_s=120)
    eventually("status is healthy", cluster.healthy, within_s=120)


def test_packages_and_history_answer_through_admin_router(cluster: LocalCluster) -> None:
    token = cluster.token()
    active = cluster.get("/pkgpanda/active/", token=token).json()
    assert [one.partition("--")[0] for one in active] == ["dcos", "dcos-config"]
    assert cluster.get("/pkgpanda/repository/", token=token).json() == active
    one = cluster.get(f"/pkgpanda/active/{active[0]}", token=token).json()
    assert one == {"id": active[0], "name": "dcos", "version": active[0].partition("--")[2]}

    def kept() -> bool:
        minute = cluster.get("/dcos-history-service/history/minute", token=token).json()
        return len(minute) == 30 and any(sample.get("slaves") for sample in minute)

    eventually("history knows agents", kept, within_s=120)
