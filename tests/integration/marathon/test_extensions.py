"""What goes beyond upstream, with a real ZooKeeper, master, agent and Marathon: rollouts, all agents, autoscaling.

Each test leaves what it made to the next one, which may build on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from dcos.testing.ports import free_port
from dcos.testing.zookeeper import ensemble, why_not
from tests.integration.marathon.test_whole_cluster import Cluster

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]

MARKERS = M1, M2, M3, M4 = tuple(str(2_000_000 + 10 * os.getpid() + number) for number in range(4))
BUSY_S = 120
"""A busy task ends by itself by then, whatever happens to the test."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    tmp_path = tmp_path_factory.mktemp("extensions")
    with ensemble(tmp_path / "zk") as zookeeper:
        made = Cluster(tmp_path, zookeeper)
        try:
            made.start_mesos()
            made.start_marathon()
            made.eventually("leads", lambda: made.ask("GET", "/v2/info")["frameworkId"])
            yield made
            for app in made.ask("GET", "/v2/apps")["apps"]:
                made.ask("DELETE", f"/v2/apps{app['id']}")
            for pod in made.ask("GET", "/v2/pods"):
                made.ask("DELETE", f"/v2/pods{pod['id']}")
            made.eventually("everything stopped", made.quiet)
        finally:
            made.end(MARKERS)


def app(name: str, **more: Any) -> dict[str, Any]:
    return {"id": f"/{name}", "cpus": 0.1, "mem": 16, "backoffSeconds": 0, **more}


def test_a_canary_waits_goes_on_and_is_aborted(cluster: Cluster) -> None:
    upgrade = {"minimumHealthCapacity": 1, "maximumOverCapacity": 0.5, "steps": [{"instances": 1, "pause": True}]}
    web = app("web", cmd=f"exec sleep {M1}", instances=2, upgradeStrategy=upgrade)
    cluster.ask("POST", "/v2/apps", web)
    cluster.eventually("deployed", cluster.quiet)
    before = cluster.pids(M1, 2)

    def update(command: str) -> str:
        made = cluster.ask("PUT", "/v2/apps/web", {"cmd": f"exec sleep {command}"})["deploymentId"]
        cluster.eventually(
            "the canary runs and is waited for",
            lambda: (
                [
                    wait["kind"]
                    for one in cluster.ask("GET", "/v2/deployments?embed=waits")
                    for wait in one.get("waits", [])
                ]
                == ["rollout"]
            ),
        )
        return str(made)

    deployment = update(M2)
    cluster.pids(M2, 1)
    [kept] = cluster.pid_of(M1)
    assert kept in before
    cluster.ask("PUT", f"/v2/deployments/{deployment}", {"action": "abort"})
    cluster.eventually("rolled back", cluster.quiet)
    cluster.pids(M1, 2)
    assert kept in cluster.pid_of(M1), "what never changed was not touched"
    assert not cluster.pid_of(M2)

    deployment = update(M2)
    cluster.processes["marathon"].kill()
    cluster.start_marathon()
    cluster.eventually("led again", lambda: cluster.ask("PUT", f"/v2/deployments/{deployment}", {"action": "continue"}))
    cluster.eventually("deployed", cluster.quiet)
    cluster.pids(M2, 2)
    cluster.eventually("old ones gone", lambda: not cluster.pid_of(M1))


def test_one_on_every_agent(cluster: Cluster) -> None:
    cluster.ask("POST", "/v2/apps", app("daemon", cmd=f"exec sleep {M3}", instances="all"))
    cluster.eventually("deployed", cluster.quiet)
    cluster.pids(M3, 1)
    shown = cluster.ask("GET", "/v2/apps/daemon?embed=extensions")["app"]
    assert (shown["instances"], shown["instancesMode"]) == (1, "all")
    second = cluster.add(
        "second", "dcos.agent", f"--master={cluster.zookeeper.url}/mesos", "--ip=127.0.0.1", f"--port={free_port()}",
        f"--work_dir={cluster.folder / 'second'}", f"--runtime_dir={cluster.folder / 'run2'}", "--launcher=posix",
        "--isolation=posix/cpu,posix/mem", "--hostname=127.0.0.1", "--no-systemd_enable_support",
        "--resources=cpus:1;mem:256;disk:100;ports:[32000-32009]", "--no-switch_user",
    )  # fmt: skip
    cluster.eventually("on the new agent too", lambda: len(cluster.pid_of(M3)) == 2)
    tasks = cluster.eventually("told", lambda: len(found := cluster.tasks("/daemon")) == 2 and found)
    assert len({one["slaveId"] for one in tasks.values()}) == 2
    assert cluster.ask("GET", "/v2/apps/daemon")["app"]["instances"] == 2
    assert second.child is not None


def pod(name: str, command: str, scaling: dict[str, Any]) -> dict[str, Any]:
    container = {"name": "one", "resources": {"cpus": 0.1, "mem": 16}, "exec": {"command": {"shell": command}}}
    return {"id": f"/{name}", "containers": [container], "scaling": scaling}


def test_a_pod_on_every_agent(cluster: Cluster) -> None:
    cluster.ask("POST", "/v2/pods", pod("each", f"exec sleep {M4}", {"kind": "all"}))
    cluster.eventually("on both agents", lambda: len(cluster.pid_of(M4)) == 2)
    cluster.eventually("deployed", cluster.quiet)
    status = cluster.ask("GET", "/v2/pods/each::status")
    assert (status["status"], status["spec"]["scaling"]) == ("STABLE", {"kind": "all", "instances": 2})
    assert len({one["agentId"] for one in status["instances"]}) == 2
    cluster.ask("DELETE", "/v2/pods/each")
    cluster.eventually("gone", lambda: not cluster.pid_of(M4))


BUSY = f"""exec timeout {BUSY_S} python3 -c 'import time
end = time.time() + {BUSY_S}
while time.time() < end:
    pass'"""
GROWS = {"min": 1, "max": 2, "cpu": 50, "intervalSeconds": 2, "cooldownSeconds": 0}


def test_a_busy_pod_grows(cluster: Cluster) -> None:
    cluster.ask("POST", "/v2/pods", pod("busy-pair", BUSY, {"autoscaling": GROWS}))
    shown = cluster.eventually(
        "grown",
        lambda: (found := cluster.ask("GET", "/v2/pods/busy-pair::autoscaling"))["instances"] == 2 and found,
        BUSY_S,
    )
    [applied] = [one for one in shown["history"] if one["applied"]]
    assert "grows from 1 to 2" in applied["explanation"]
    cluster.ask("DELETE", "/v2/pods/busy-pair?force=true")
    cluster.eventually("gone", lambda: cluster.quiet() and not cluster.ask("GET", "/v2/pods"))


def test_a_busy_app_grows(cluster: Cluster) -> None:
    wanted = app("busy", cmd=BUSY, autoscaling=GROWS)
    cluster.ask("POST", "/v2/apps", wanted)
    cluster.eventually("one runs", lambda: cluster.tasks("/busy"))
    cluster.eventually("grown", lambda: cluster.ask("GET", "/v2/apps/busy")["app"]["instances"] == 2, BUSY_S)
    history = cluster.ask("GET", "/v2/apps/busy/autoscaling")["history"]
    [applied] = [one for one in history if one["applied"]]
    assert "grows from 1 to 2" in applied["explanation"]
    assert applied["metrics"]["cpu"] > 50
