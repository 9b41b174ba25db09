"""Real ZooKeeper, master, agent and Marathon as processes: an app's whole life, over restarts of Marathon."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dcos.testing.mesos_cluster import MesosCluster, Process
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.testing.zookeeper import ensemble, why_not

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]

MARKERS = M1, M2, M3 = tuple(str(1_000_000 + 10 * os.getpid() + number) for number in range(3))
"""How long the tasks' processes sleep, which tells them from those of others."""


@dataclass
class Cluster(MesosCluster):
    marathon_ports: dict[str, int] = field(default_factory=dict)

    def start_marathon(self, name: str = "marathon", *flags: str) -> Process:
        port = self.marathon_ports.setdefault(name, free_port())
        return self.add(
            name, "dcos.marathon", f"--master={self.zookeeper.url}/mesos", f"--zk={self.zookeeper.url}/marathon",
            "--http_address=127.0.0.1", "--hostname=127.0.0.1", f"--http_port={port}", "--mesos_user=",
            "--zk_session_timeout=6000", "--min_revive_offers_interval=500", *flags,
        )  # fmt: skip

    def ask(self, method: str, path: str, body: Any = None, *, marathon: str = "marathon") -> Any:
        return self.ask_at(self.marathon_ports[marathon], method, path, body)

    def tasks(self, app: str, state: str = "TASK_RUNNING", marathon: str = "marathon") -> dict[str, Any]:
        found = self.ask("GET", f"/v2/apps{app}/tasks", marathon=marathon)["tasks"]
        return {one["id"]: one for one in found if one["state"] == state}

    def quiet(self, marathon: str = "marathon") -> bool:
        return self.ask("GET", "/v2/deployments", marathon=marathon) == []


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ensemble(tmp_path / "zk") as zookeeper:
        made = Cluster(tmp_path, zookeeper)
        try:
            made.start_mesos()
            made.start_marathon()
            yield made
            for app in made.ask("GET", "/v2/apps")["apps"]:
                made.ask("DELETE", f"/v2/apps{app['id']}")
            made.eventually("everything stopped", made.quiet)
        finally:
            made.end(MARKERS)


def test_the_life_of_an_app(cluster: Cluster) -> None:
    web = {"id": "/web", "cmd": f"exec sleep {M1}", "cpus": 0.1, "mem": 16, "instances": 2, "backoffSeconds": 0}
    cluster.eventually("created", lambda: cluster.ask("POST", "/v2/apps", web))
    cluster.eventually("deployed", cluster.quiet)
    assert len(cluster.tasks("/web")) == 2
    cluster.pids(M1, 2)

    cluster.ask("PUT", "/v2/apps/web", {"instances": 3})
    cluster.eventually("scaled", cluster.quiet)
    before = set(cluster.tasks("/web"))
    assert len(before) == 3

    cluster.ask("PUT", "/v2/apps/web", {"cmd": f"exec sleep {M2}"})
    cluster.eventually("updated", cluster.quiet, 90)
    after = set(cluster.tasks("/web"))
    assert len(after) == 3
    assert not before & after
    cluster.pids(M2, 3)
    cluster.eventually("old ones gone", lambda: not cluster.pid_of(M1))

    victim = cluster.pid_of(M2)[0]
    os.kill(victim, signal.SIGKILL)
    replaced = cluster.eventually(
        "replaced", lambda: victim not in (now := cluster.pid_of(M2)) and len(now) == 3 and now
    )
    cluster.eventually("three running", lambda: len(cluster.tasks("/web")) == 3)
    running = set(cluster.tasks("/web"))
    failure = cluster.ask("GET", "/v2/apps/web")["app"]["lastTaskFailure"]
    assert failure["state"] in ("TASK_FAILED", "TASK_KILLED")

    cluster.processes["marathon"].kill()
    cluster.start_marathon()
    cluster.eventually("leads again", lambda: set(cluster.tasks("/web")) == running)
    time.sleep(3)
    assert cluster.pid_of(M2) == replaced, "a restart of Marathon touches no task"

    cluster.ask("POST", "/v2/apps/web/restart")
    cluster.eventually("restarted", cluster.quiet, 90)
    assert not running & set(cluster.tasks("/web"))

    cluster.ask("DELETE", "/v2/apps/web")
    cluster.eventually("deleted", cluster.quiet)
    cluster.eventually("no process left", lambda: not cluster.pid_of(M2))


def test_health_checks_and_two_instances_of_marathon(cluster: Cluster) -> None:
    server = "exec python3 -m http.server $PORT0 --bind 127.0.0.1"
    check = {"path": "/", "gracePeriodSeconds": 30, "intervalSeconds": 1, "timeoutSeconds": 5}
    app = {
        "id": "/site",
        "cmd": server,
        "cpus": 0.1,
        "mem": 32,
        "healthChecks": [check],
        "portDefinitions": [{"port": 0, "name": "http", "labels": {"VIP_0": "/site:80"}}],
    }
    cluster.eventually("created", lambda: cluster.ask("POST", "/v2/apps", app))
    cluster.eventually("deployed", cluster.quiet)
    shown = cluster.ask("GET", "/v2/apps/site")["app"]
    assert shown["tasksHealthy"] == 1
    [task] = shown["tasks"]
    assert task["healthCheckResults"][0]["alive"] is True
    with urllib.request.urlopen(f"http://{task['host']}:{task['ports'][0]}/", timeout=PATIENCE_S) as answer:
        assert answer.status == 200

    grouped = {"id": "/team", "enforceRole": True}
    cluster.ask("POST", "/v2/groups", grouped)
    cluster.ask("POST", "/v2/apps", {"id": "/team/job", "cmd": f"exec sleep {M3}", "cpus": 0.1, "mem": 16})
    cluster.eventually("deployed in the group's role", cluster.quiet)
    [job] = cluster.tasks("/team/job").values()
    assert job["role"] == "team"

    second = cluster.start_marathon("second")
    cluster.eventually("follows", lambda: cluster.ask("GET", "/ping", marathon="second") == b"pong")
    proxied = cluster.eventually("proxied", lambda: cluster.ask("GET", "/v2/apps/site", marathon="second"))
    assert proxied["app"]["id"] == "/site"
    cluster.processes["marathon"].kill(signal.SIGTERM)
    cluster.eventually(
        "the second leads",
        lambda: cluster.ask("GET", "/v2/leader", marathon="second")["leader"].endswith(
            str(cluster.marathon_ports["second"])
        ),
    )
    kept = cluster.eventually("task kept", lambda: cluster.tasks("/site", marathon="second"))
    assert set(kept) == {task["id"]}
    cluster.start_marathon()
    cluster.eventually("back as a follower", lambda: cluster.ask("GET", "/v2/info")["leader"])
    assert second.child is not None


def test_neither_the_master_nor_zookeeper_take_tasks_with_them(cluster: Cluster) -> None:
    app = {"id": "/web", "cmd": f"exec sleep {M1}", "cpus": 0.1, "mem": 16, "instances": 2}
    cluster.eventually("created", lambda: cluster.ask("POST", "/v2/apps", app))
    cluster.eventually("deployed", cluster.quiet)
    pids = cluster.pids(M1, 2)

    cluster.processes["master"].kill()
    cluster.processes["master"].start()
    cluster.eventually("scaled", lambda: cluster.ask("PUT", "/v2/apps/web?force=true", {"instances": 3}))
    cluster.eventually("a third one on the new master", lambda: len(cluster.tasks("/web")) == 3)
    assert set(pids) <= set(cluster.pid_of(M1))
    cluster.eventually("deployed", cluster.quiet)
    tasks = set(cluster.tasks("/web"))

    cluster.zookeeper[0].kill()
    time.sleep(1)
    cluster.zookeeper[0].start()

    def supervised() -> bool:
        cluster.supervise()
        return set(cluster.tasks("/web")) == tasks

    cluster.eventually("the same tasks", supervised)
    cluster.eventually("stays so", lambda: supervised() and cluster.ask("PUT", "/v2/apps/web", {"instances": 2}))
    cluster.eventually("scaled down", lambda: supervised() or (cluster.quiet() and len(cluster.tasks("/web")) == 2))
    assert len(set(pids) & set(cluster.pid_of(M1))) >= 1
