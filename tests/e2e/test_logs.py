"""Logs of units and tasks on real nodes, through the front door."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from dcos.testing.cluster import LocalCluster, eventually
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
