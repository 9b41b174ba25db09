"""Jobs on a real master and agent: runs, kills, and leaders that go in the middle of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
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
MARKER = str(1_000_005 + 10 * os.getpid())
"""How long the tasks' processes sleep, which tells them from those of others."""


@dataclass
class Cluster(MesosCluster):
    ports: dict[str, int] = field(default_factory=dict)

    def start_metronome(self, name: str) -> None:
        port = self.ports.setdefault(name, free_port())
        self.add(
            name, "dcos.metronome", f"--master={self.zookeeper.url}/mesos", f"--zk={self.zookeeper.url}/metronome",
            "--http_address=127.0.0.1", "--hostname=127.0.0.1", f"--http_port={port}", "--mesos_user=",
            "--zk_session_timeout=6000", "--min_revive_offers_interval=500",
        )  # fmt: skip

    def ask(self, method: str, path: str, body: Any = None, *, at: str = "one") -> Any:
        return self.ask_at(self.ports[at], method, path, body)

    def runs(self, job: str, at: str = "one") -> dict[str, str]:
        return {one["id"]: one["status"] for one in self.ask("GET", f"/v1/jobs/{job}/runs", at=at)}

    def history(self, job: str, at: str = "one") -> Any:
        return self.ask("GET", f"/v1/jobs/{job}?embed=history", at=at)["history"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ensemble(tmp_path / "zk") as zookeeper:
        made = Cluster(tmp_path, zookeeper)
        try:
            made.start_mesos()
            made.start_metronome("one")
            yield made
        finally:
            made.end([MARKER])


def job(job_id: str, command: str, **run: Any) -> dict[str, Any]:
    return {"id": job_id, "run": {"cpus": 0.1, "mem": 32, "disk": 0, "cmd": command, **run}}


def test_runs_end_as_their_commands_do(cluster: Cluster) -> None:
    cluster.eventually("created", lambda: cluster.ask("POST", "/v1/jobs", job("good", "echo done > out && cat out")))
    cluster.ask("POST", "/v1/jobs", job("bad", "exit 3"))
    cluster.ask("POST", "/v1/jobs", job("slow", f"exec sleep {MARKER}"))
    for name in ("good", "bad", "slow"):
        cluster.ask("POST", f"/v1/jobs/{name}/runs", {})
    cluster.eventually("one success", lambda: cluster.history("good")["successCount"] == 1)
    cluster.eventually("one failure", lambda: cluster.history("bad")["failureCount"] == 1)
    cluster.eventually("runs", lambda: len(cluster.pid_of(MARKER)) == 1)
    [run] = cluster.eventually("active", lambda: [one for one, how in cluster.runs("slow").items() if how == "ACTIVE"])
    cluster.ask("POST", f"/v1/jobs/slow/runs/{run}/actions/stop", {})
    cluster.eventually("stopped", lambda: not cluster.pid_of(MARKER) and not cluster.runs("slow"))
    assert cluster.history("slow")["failureCount"] == 1
    assert cluster.ask("GET", "/v1/queue") == []


def test_a_leader_that_goes_neither_loses_nor_doubles_a_run(cluster: Cluster) -> None:
    marker = cluster.folder / "ends"
    command = f"sleep 12; echo x >> {marker}"
    cluster.eventually("created", lambda: cluster.ask("POST", "/v1/jobs", job("once", command)))
    cluster.start_metronome("two")
    cluster.eventually("follows", lambda: cluster.ask("GET", "/v1/jobs", at="two"))
    cluster.ask("POST", "/v1/jobs/once/runs", {})
    [run] = cluster.eventually("active", lambda: [one for one, how in cluster.runs("once").items() if how == "ACTIVE"])
    cluster.processes["one"].kill()
    cluster.eventually(
        "the other leads",
        lambda: cluster.ask("GET", "/leader", at="two")["leader"].endswith(str(cluster.ports["two"])),
    )
    cluster.eventually("it ended", lambda: cluster.history("once", at="two")["successCount"] == 1)
    assert cluster.history("once", at="two")["successfulFinishedRuns"][0]["id"] == run
    assert marker.read_text() == "x\n", "it ran once"
    cluster.start_metronome("one")
    cluster.eventually("asked through the follower", lambda: cluster.history("once")["successCount"] == 1)
