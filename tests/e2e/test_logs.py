"""Logs of units and tasks on real nodes, through the front door."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from dcos.testing.cluster import Failed, LocalCluster, eventually
from tests.e2e.test_cluster import hello_answers, hello_tasks

pytestmark = pytest.mark.e2e


def agent_id(cluster: LocalCluster, node: str) -> str:
    agents = cluster.get("/mesos/slaves", token=cluster.token()).json()["slaves"]
    (found,) = (str(one["id"]) for one in agents if one["hostname"] == cluster.ip(node))
    return found


@pytest.mark.parametrize("node", ["master1", "agent1", "public1"])
def test_units_of_every_node_are_read_through_the_front_door(cluster: LocalCluster, node: str) -> None:
    token = cluster.token()
    here = "" if node == "master1" else f"/agent/{agent_id(cluster, node)}"
    path = f"/system/v1{here}/logs"
    answer = cluster.get(f"{path}/v2/component/dcos-net?skip=-3&limit=3", token=token)
    assert answer.status == 200, answer.text
    assert len(answer.text.splitlines()) == 3
    units = cluster.get(f"{path}/v1/fields/_SYSTEMD_UNIT", token=token).json()
    role = "master" if node == "master1" else "agent"
    assert {"dcos-net.service", f"dcos-log-{role}.service"} <= set(units)
    assert cluster.get(f"{path}/v2/component").status == 401


def test_a_tasks_output_is_found_by_its_id(cluster: LocalCluster) -> None:
    eventually("hello-world answers", lambda: hello_answers(cluster), within_s=120)
    token, task = cluster.token(), str(hello_tasks(cluster)[0]["id"])
    moved = cluster.get(f"/system/v1/logs/v2/task/{quote(task)}/file/stderr?cursor=END&skip=-5", token=token)
    assert moved.status == 303, moved.text
    where = moved.headers["Location"]
    assert where.endswith("/stderr?cursor=END&skip=-5")

    def shown() -> bool:
        hello_answers(cluster)
        answer = cluster.get(where, token=token)
        return answer.status == 200

    eventually("its lines", shown, within_s=120)
    listed = cluster.get(f"{where.rpartition('/')[0]}/files/browse", token=token).json()
    assert {"stdout", "stderr"} <= {one["path"].rpartition("/")[2] for one in listed}
    assert cluster.get(where).status == 401


def test_the_service_may_read_the_journal_and_little_else(cluster: LocalCluster) -> None:
    for node, role in (("master1", "master"), ("agent1", "agent")):
        shown = cluster.sh(node, f"systemctl show -p User -p MainPID --value dcos-log-{role}.service").split()
        assert "dcos_log" in shown
        listing = cluster.sh(node, "stat -c '%U:%G %a' /run/dcos/dcos-log.sock").strip()
        assert listing == "root:dcos_adminrouter 660"


def test_a_diagnostics_bundle_of_all_nodes(cluster: LocalCluster) -> None:
    token, id = cluster.token(), f"e2e-{time.time_ns()}"
    url = f"{cluster.scheme}://{cluster.ip('master1')}/system/health/v1/diagnostics/{id}"
    assert cluster.http(url, token=token, method="PUT", body={}).status == 200
    assert cluster.http(url, method="GET").status == 401

    def done() -> dict[str, object]:
        found = cluster.http(url, token=token).json()
        if found["status"] != "Done":
            raise Failed(str(found))
        return dict(found)

    made = eventually("it is done", done, within_s=300)
    assert made["errors"] == [], "every node has its part"
    folder = f"/var/lib/dcos/dcos-diagnostics/diag-bundles/{id}"
    names = cluster.sh("master1", f"python3 -m zipfile -l {folder}/file.zip")
    for node, role in (("master1", "master"), ("agent1", "agent"), ("public1", "agent_public")):
        for name in ("units/dcos-net.service.log", "commands/units.txt", "dcos-net/vips.json"):
            assert f"{cluster.ip(node)}_{role}/{name}" in names
    assert f"{cluster.ip('master1')}_master/dcos-mesos-master/state.json" in names
    assert f"{cluster.ip('agent1')}_agent/dcos-mesos-slave/state.json" in names
    token_like = "eyJ[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.]"
    unpack = f"cd /tmp && python3 -m zipfile -e {folder}/file.zip bundle"
    found = cluster.sh("master1", f"{unpack} && grep -rlE '{token_like}' bundle; rm -r bundle")
    assert not found.strip(), "tokens"
    assert cluster.http(url, token=token, method="DELETE").json()["status"] == "Deleted"
