"""Real ZooKeeper, master, agent and Marathon: what an app writes to its volume outlives failures, updates and the agent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dcos.testing.mesos_cluster import MesosCluster
from dcos.testing.ports import free_port
from dcos.testing.zookeeper import ensemble, why_not

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]

MARKER = str(3_000_000 + 10 * os.getpid())
"""How long the tasks' processes sleep, which tells them from those of others."""
PORT = free_port()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[MesosCluster]:
    with ensemble(tmp_path / "zk") as zookeeper:
        made = MesosCluster(tmp_path, zookeeper)
        try:
            made.start_mesos()
            made.add(
                "marathon", "dcos.marathon", f"--master={zookeeper.url}/mesos", f"--zk={zookeeper.url}/marathon",
                "--http_address=127.0.0.1", "--hostname=127.0.0.1", f"--http_port={PORT}", "--mesos_user=",
                "--zk_session_timeout=6000", "--min_revive_offers_interval=500", "--mesos_role=web",
            )  # fmt: skip
            yield made
        finally:
            made.end((MARKER,))


def test_what_is_written_stays(cluster: MesosCluster) -> None:
    def ask(method: str, path: str, body: Any = None) -> Any:
        return cluster.ask_at(PORT, method, path, body)

    def quiet() -> bool:
        return ask("GET", "/v2/deployments") == []

    def running() -> dict[str, Any] | None:
        found = ask("GET", "/v2/apps/db/tasks")["tasks"]
        return found[0] if len(found) == 1 and found[0]["state"] == "TASK_RUNNING" else None

    def written() -> list[str]:
        files = (cluster.folder / "agent").glob("volumes/roles/web/*/runs")
        return [line for file in files for line in file.read_text().split()]

    def reserved() -> dict[str, Any]:
        [agent] = cluster.ask_at(cluster.master_port, "GET", "/slaves")["slaves"]
        found: dict[str, Any] = agent["reserved_resources_full"]
        return found

    app = {
        "id": "/db",
        "cmd": f"echo $MESOS_TASK_ID >> data/runs; exec sleep {MARKER}",
        "cpus": 0.1,
        "mem": 16,
        "backoffSeconds": 0,
        "container": {
            "type": "MESOS",
            "volumes": [{"containerPath": "data", "mode": "RW", "persistent": {"size": 32}}],
        },
    }
    cluster.eventually("created", lambda: ask("POST", "/v2/apps", app))
    cluster.eventually("deployed", quiet)
    first = cluster.eventually("runs", running)
    [volume] = first["localVolumes"]
    runs = [first["id"]]
    assert written() == runs

    for how, change in (
        ("restarted", lambda: ask("POST", "/v2/apps/db/restart")),
        ("updated", lambda: ask("PUT", "/v2/apps/db", {"env": {"A": "b"}})),
        ("killed", lambda: ask("DELETE", f"/v2/apps/db/tasks/{runs[-1]}")),
    ):
        change()
        cluster.eventually(how, lambda: quiet() and (one := running()) and one["id"] not in runs)
        now = cluster.eventually("runs", running)
        assert now["localVolumes"] == [volume]
        runs.append(now["id"])
        cluster.eventually("written", lambda: written() == runs)
    assert [one.rpartition(".")[2] for one in runs] == ["1", "2", "3", "4"]

    agent = cluster.processes["agent"]
    agent.kill()
    [pid] = cluster.pids(MARKER, 1)
    os.kill(pid, 9)
    agent.start()
    cluster.eventually("on the agent that came back", lambda: (one := running()) and one["id"] not in runs)
    runs.append(cluster.eventually("runs", running)["id"])
    cluster.eventually("all is there", lambda: written() == runs)
    assert list(reserved()) == ["web"]

    ask("DELETE", f"/v2/apps/db/tasks/{runs[-1]}?wipe=true")
    cluster.eventually("another one", lambda: (one := running()) and one["localVolumes"] != [volume])
    cluster.eventually("the old volume is gone", lambda: len(written()) == 1)
    ask("DELETE", "/v2/apps/db")
    cluster.eventually("deleted", quiet)
    cluster.eventually("nothing is reserved", lambda: not reserved())
    cluster.eventually("no volume is left", lambda: not written())
