"""Real ZooKeeper, master, agent and Marathon: volumes of an app and of a pod on the agent's own disk, on a PATH disk and on MOUNT
disks (a folder and tmpfs mounts) keep what was written through failures, restarts, updates and the end of the agent."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount"),
]

MARKERS = APP_SLEEPS, POD_SLEEPS = tuple(str(3_500_000 + 10 * os.getpid() + number) for number in range(2))
PORT = free_port()
KINDS = ("root", "path", "mount")
WRITE = "for kind in root path mount; do echo $MESOS_TASK_ID >> $kind/runs; done"


@contextmanager
def tmpfs(where: Path) -> Iterator[None]:
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(where)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


def disk(kind: str, root: Path, size: int) -> dict[str, Any]:
    source = {"type": kind.upper(), kind: {"root": str(root)}}
    return {"name": "disk", "type": "SCALAR", "scalar": {"value": size}, "disk": {"source": source}}


def resources(folder: Path) -> str:
    simple: list[dict[str, Any]] = [
        {"name": name, "type": "SCALAR", "scalar": {"value": value}}
        for name, value in (("cpus", 2), ("mem", 512), ("disk", 500))
    ]
    ports = {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 31000, "end": 31099}]}}
    disks = [disk("path", folder / "path", 200), *(disk("mount", folder / f"mount{one}", 4) for one in (1, 2))]
    return json.dumps([*simple, ports, *disks])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[MesosCluster]:
    (tmp_path / "path").mkdir()
    with ExitStack() as stack:
        for number in (1, 2):
            stack.enter_context(tmpfs(tmp_path / f"mount{number}"))
        zookeeper = stack.enter_context(ensemble(tmp_path / "zk"))
        made = MesosCluster(tmp_path, zookeeper)
        try:
            made.start_mesos(f"--resources={resources(tmp_path)}")
            made.add(
                "marathon", "dcos.marathon", f"--master={zookeeper.url}/mesos", f"--zk={zookeeper.url}/marathon",
                "--http_address=127.0.0.1", "--hostname=127.0.0.1", f"--http_port={PORT}", "--mesos_user=",
                "--zk_session_timeout=6000", "--min_revive_offers_interval=500", "--mesos_role=web",
            )  # fmt: skip
            yield made
        finally:
            made.end(MARKERS)


def app() -> dict[str, Any]:
    volumes = [
        {"containerPath": "root", "mode": "RW", "persistent": {"size": 16}},
        {"containerPath": "path", "mode": "RW", "persistent": {"type": "path", "size": 16}},
        {"containerPath": "mount", "mode": "RW", "persistent": {"type": "mount", "size": 1, "maxSize": 8}},
    ]
    return {
        "id": "/db",
        "cmd": f"{WRITE}; exec sleep {APP_SLEEPS}",
        "cpus": 0.1,
        "mem": 16,
        "backoffSeconds": 0,
        "container": {"type": "MESOS", "volumes": volumes},
    }


def pod(**labels: str) -> dict[str, Any]:
    """Its first container writes, its second one sees the same volumes."""
    mounts = [{"name": kind, "mountPath": kind} for kind in KINDS]
    look = "until test -s root/runs -a -s path/runs -a -s mount/runs; do sleep 0.2; done"
    containers = [
        {
            "name": name,
            "resources": {"cpus": 0.1, "mem": 16},
            "exec": {"command": {"shell": f"{first}; exec sleep {POD_SLEEPS}"}},
            "volumeMounts": mounts,
        }
        for name, first in (("writer", WRITE), ("reader", look))
    ]
    persistent = ({"size": 16}, {"type": "path", "size": 16}, {"type": "mount", "size": 1})
    return {
        "id": "/pair",
        "labels": labels,
        "containers": containers,
        "volumes": [{"name": kind, "persistent": one} for kind, one in zip(KINDS, persistent, strict=True)],
        "scheduling": {"backoff": {"backoff": 0, "backoffFactor": 1, "maxLaunchDelay": 1}},
    }


def test_each_kind_of_disk_keeps_what_was_written(cluster: MesosCluster) -> None:
    def ask(method: str, path: str, body: Any = None) -> Any:
        return cluster.ask_at(PORT, method, path, body)

    def quiet() -> bool:
        return ask("GET", "/v2/deployments") == []

    def written(task: str) -> dict[str, list[str]]:
        """By kind of disk the runs of a task's app or pod that it keeps."""
        places = {
            "root": (cluster.folder / "agent").glob("volumes/roles/web/*/runs"),
            "path": (cluster.folder / "path").glob("volumes/roles/web/*/runs"),
            "mount": cluster.folder.glob("mount[12]/runs"),
        }
        found = {}
        for kind, files in places.items():
            texts = [file.read_text().split() for file in files]
            found[kind] = next((lines for lines in texts if lines and lines[0].startswith(task)), [])
        return found

    def app_task() -> str | None:
        found = [one["id"] for one in ask("GET", "/v2/apps/db/tasks")["tasks"] if one["state"] == "TASK_RUNNING"]
        return found[0] if len(found) == 1 and len(cluster.pid_of(APP_SLEEPS)) == 1 else None

    def pod_task() -> str | None:
        shown = ask("GET", "/v2/pods/pair::status")
        if shown["status"] != "STABLE" or len(cluster.pid_of(POD_SLEEPS)) != 2:
            return None
        [instance] = shown["instances"]
        return next(one["containerId"] for one in instance["containers"] if one["name"] == "writer")

    def goes_on(what: str, task: Callable[[], str | None], runs: list[str]) -> None:
        """Another run of the same instance, with everything that was written before it."""
        new = cluster.eventually(f"runs: {what}", lambda: (one := task()) and one not in runs and quiet() and one)
        assert isinstance(new, str)
        runs.append(new)
        name = runs[0].partition(".")[0]
        cluster.eventually(f"written: {what}", lambda: written(name) == dict.fromkeys(KINDS, runs))

    def reserved() -> dict[str, Any]:
        [agent] = cluster.ask_at(cluster.master_port, "GET", "/slaves")["slaves"]
        found: dict[str, Any] = agent["reserved_resources_full"]
        return found

    of_app: list[str] = []
    of_pod: list[str] = []
    cluster.eventually("created", lambda: ask("POST", "/v2/apps", app()))
    goes_on("the app", app_task, of_app)
    ask("POST", "/v2/pods", pod())
    goes_on("the pod", pod_task, of_pod)

    ask("POST", "/v2/apps/db/restart")
    goes_on("the app restarted", app_task, of_app)
    ask("PUT", "/v2/pods/pair", pod(team="a"))
    goes_on("the pod updated", pod_task, of_pod)
    ask("DELETE", f"/v2/apps/db/tasks/{of_app[-1]}")
    goes_on("the app's task killed", app_task, of_app)
    [instance] = ask("GET", "/v2/pods/pair::status")["instances"]
    assert len(instance["localVolumes"]) == 3
    ask("DELETE", f"/v2/pods/pair::instances/{instance['id']}")
    goes_on("the pod's instance killed", pod_task, of_pod)

    agent = cluster.processes["agent"]
    agent.kill()
    for marker in MARKERS:
        os.kill(cluster.pid_of(marker)[0], 9)
    agent.start()
    goes_on("the app after the agent's end", app_task, of_app)
    goes_on("the pod after the agent's end", pod_task, of_pod)
    assert [one.rpartition(".")[2] for one in (*of_app, *of_pod)] == [*"1234", *"1234"]
    sources = [one["disk"].get("source", {}).get("type", "ROOT") for one in reserved()["web"] if "disk" in one]
    assert sorted(sources) == ["MOUNT", "MOUNT", "PATH", "PATH", "ROOT", "ROOT"]

    ask("DELETE", "/v2/apps/db")
    ask("DELETE", "/v2/pods/pair")
    cluster.eventually("deleted", quiet)
    cluster.eventually("nothing is reserved", lambda: not reserved())
    cluster.eventually(
        "no volume is left", lambda: not any(written("db").values()) and not any(written("pair").values())
    )
    assert all(not list((cluster.folder / f"mount{one}").iterdir()) for one in (1, 2)), "the mounts stay, empty"
