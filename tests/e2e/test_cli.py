"""Our ``dcos`` on real nodes: nodes, tasks, services, quotas, bundles, and what it tells of an app that fails."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dcos.testing.cluster import BIN, Failed, LocalCluster, eventually

pytestmark = pytest.mark.e2e

WORKER, FAILING, POD = "/cli/worker", "/cli/failing", "/cli/pod"
WAIT_S = 120


def documents(home: str) -> list[dict[str, Any]]:
    """A group: one that counts on the node ``home``, one that fails, a pod of two."""
    there = {"acceptedResourceRoles": ["slave_public"], "constraints": [["hostname", "LIKE", home]]}
    count = "n=0; while true; do n=$((n+1)); echo count $n; sleep 1; done"
    sleeper = {
        "exec": {"command": {"shell": "echo from the pod; exec sleep 3600"}},
        "resources": {"cpus": 0.1, "mem": 32},
    }
    return [
        {
            "id": WORKER,
            "cmd": f"echo begun; echo trouble >&2; mkdir made; echo kept > made/file; {count}",
            **{"cpus": 0.1, "mem": 64, **there},
            "labels": {"DCOS_PACKAGE_FRAMEWORK_NAME": "workers"},
        },
        {"id": FAILING, "cmd": "echo hello; echo no such database >&2; exit 7", "cpus": 0.1, "mem": 32},
        {
            "id": POD,
            "containers": [{"name": name, **sleeper} for name in ("one", "two")],
            "networks": [{"mode": "host"}],
        },
    ]


@pytest.fixture(scope="module")
def home(cluster: LocalCluster) -> Iterator[str]:
    """Mesos id of public2, where the worker runs; the group is there for all tests of this file."""
    cluster.dcos("apply", "-f", written(cluster, documents(cluster.ip("public2"))), "--yes")
    try:
        eventually("the worker runs", lambda: state_of(cluster, "worker") == "TASK_RUNNING", within_s=WAIT_S)
        (agent,) = (one["id"] for one in cluster.dcos_json("node") if one.get("hostname") == cluster.ip("public2"))
        yield str(agent)
    finally:
        cluster.dcos("marathon", "group", "remove", "/cli", "--force", check=False)


def written(cluster: LocalCluster, what: list[dict[str, Any]]) -> str:
    file = Path(cluster.facts["dcos_dir"]) / "cli-e2e.json"
    file.write_text(json.dumps(what))
    return str(file)


def state_of(cluster: LocalCluster, name: str) -> str:
    (found,) = cluster.dcos_json("task", "list", name)
    return str(found["state"])


def says(cluster: LocalCluster, text: str, *words: str) -> str:
    """What a command prints, once ``text`` is in it."""

    def look() -> str:
        done = cluster.dcos(*words, check=False)
        if text not in done.stdout:
            raise Failed(f"{words}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
        return done.stdout

    return eventually(f"{' '.join(words)} says {text!r}", look, within_s=WAIT_S)


@contextmanager
def followed(cluster: LocalCluster, *words: str) -> Iterator[Iterator[str]]:
    """Lines that a command which does not end prints."""
    environ = {**os.environ, "DCOS_DIR": str(cluster.facts["dcos_dir"]), "PYTHONUNBUFFERED": "1"}
    argv = cluster.here(str(BIN / "dcos"), *words)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ) as child:
        assert child.stdout is not None
        try:
            yield iter(child.stdout)
        finally:
            child.kill()


def agent_state(cluster: LocalCluster, agent: str) -> str:
    (line,) = (line for line in cluster.dcos("node", "list").stdout.splitlines() if agent in line)
    return next(word for word in ("DRAINED", "DRAINING", "DEACTIVATED", "ACTIVE") if word in line)


# ---- services and tasks ----------------------------------------------------------------------------------------------


def test_what_is_applied_is_seen(cluster: LocalCluster, home: str) -> None:
    again = cluster.dcos("apply", "-f", written(cluster, documents(cluster.ip("public2"))), "--dry-run", "--exit-code")
    assert again.returncode == 0, "nothing differs"
    changed = documents(cluster.ip("public2"))
    changed[0]["labels"]["now"] = "other"
    plan = cluster.dcos("apply", "-f", written(cluster, changed), "--dry-run", "--exit-code", check=False)
    assert (plan.returncode, "labels.now" in plan.stdout) == (2, True), plan.stdout + plan.stderr
    says(cluster, WORKER, "status")
    nodes = {one["ip"] for one in json.loads(cluster.dcos("status", "--json", check=False).stdout)["nodes"]}
    assert nodes == {cluster.ip(node) for node in cluster.nodes()}


def test_tasks(cluster: LocalCluster, home: str, tmp_path: Path) -> None:
    says(cluster, "count 3", "task", "log", "worker", "--lines=100")
    assert cluster.dcos("task", "log", "worker", "stderr").stdout == "trouble\n"
    assert {"made", "stderr", "stdout"} <= set(cluster.dcos("task", "ls", "worker").stdout.split())
    assert "file" in cluster.dcos("task", "ls", "worker", "made", "--long").stdout
    cluster.dcos("task", "download", "worker", "made/file", f"--target-dir={tmp_path}")
    assert (tmp_path / "file").read_text() == "kept\n"
    done = cluster.dcos("task", "exec", "worker", "sh", "-c", "echo inside; cat made/file; exit 5", check=False)
    assert (done.returncode, done.stdout) == (5, "inside\nkept\n")
    says(cluster, "from the pod", "task", "log", "two")
    assert cluster.dcos("task", "exec", "two", "echo", "in the pod").stdout == "in the pod\n"
    alone = cluster.dcos("task", "attach", "--no-stdin", "worker", check=False)
    assert (alone.returncode, "was not launched with a terminal" in alone.stderr) == (1, True), alone.stderr


def test_logs_are_followed_across_nodes(cluster: LocalCluster, home: str) -> None:
    with followed(cluster, "logs", "/cli", "-f", "--lines=1000") as lines:
        wanted = {"| begun", "| count 5", "! trouble", "| from the pod", "! no such database"}
        for line in lines:
            wanted -= {one for one in wanted if one in line}
            if not wanted:
                break
    assert not wanted
    assert "count" in cluster.dcos("service", "log", "workers").stdout
    with followed(cluster, "service", "log", "workers", "--follow", "--lines=1") as lines:
        first = int(next(lines).split()[1])
        assert next(lines) == f"count {first + 1}\n"


def test_an_app_that_fails_is_explained(cluster: LocalCluster, home: str) -> None:
    text = says(cluster, "no such database", "explain", FAILING)
    assert "exited with status 7" in text
    assert "no such database" in str(json.loads(cluster.dcos("explain", FAILING, "--json", check=False).stdout))
    assert "1 of 1 instance runs" in cluster.dcos("explain", WORKER).stdout


def test_metrics(cluster: LocalCluster, home: str) -> None:
    for kind in ("node", "task"):
        what = home if kind == "node" else "worker"
        says(cluster, "CPU", kind, "metrics", "summary", what)
        found = cluster.dcos_json(kind, "metrics", "details", what)
        names = {one["name"] for one in (found["datapoints"] if isinstance(found, dict) else found)}
        assert ({"load.1min", "memory.total"} if kind == "node" else {"mem.limit", "cpus.limit"}) <= names


# ---- nodes -----------------------------------------------------------------------------------------------------------


def test_journals_and_components(cluster: LocalCluster, home: str) -> None:
    assert "dcos-marathon" in cluster.dcos("node", "log", "--leader", "--component=dcos-marathon", "--lines=3").stdout
    entries = [
        json.loads(line)
        for line in cluster.dcos(
            "node", "log", home, "--component=dcos-mesos-slave-public", "--lines=4", "--output=json"
        ).stdout.splitlines()
    ]
    assert len(entries) == 4
    assert all("MESSAGE" in one for one in entries)
    says(cluster, "dcos-mesos-slave-public.service", "node", "list-components", home)
    says(cluster, "dcos-marathon.service", "node", "list-components", "--leader")
    with followed(cluster, "node", "log", home, "--follow", "--lines=1") as lines:
        next(lines)
        cluster.sh("public2", "logger -t cli-e2e seen as it comes")
        assert any("cli-e2e" in line and "seen as it comes" in line for line in lines)


def test_a_node_is_emptied_and_comes_back(cluster: LocalCluster, home: str) -> None:
    try:
        cluster.dcos("node", "drain", home, "--max-grace-period=5s", "--wait", "--interval=0.5")
        assert agent_state(cluster, home) == "DRAINED"
        assert cluster.dcos_json("task", "list", "--agent-id", home) == []
        says(cluster, "hostname LIKE", "explain", WORKER)
    finally:
        cluster.dcos("node", "reactivate", home)
    eventually("the worker is back", lambda: state_of(cluster, "worker") == "TASK_RUNNING", within_s=WAIT_S)
    try:
        cluster.dcos("node", "deactivate", home)
        assert agent_state(cluster, home) == "DEACTIVATED"
        assert state_of(cluster, "worker") == "TASK_RUNNING", "what runs there goes on"
    finally:
        cluster.dcos("node", "reactivate", home)
    assert agent_state(cluster, home) == "ACTIVE"


def test_quotas(cluster: LocalCluster, home: str) -> None:
    cluster.dcos("quota", "create", "cli", "--cpu=2", "--mem=512")
    try:
        assert cluster.dcos_json("quota", "get", "cli")["limit"] == {"cpus": 2.0, "mem": 512.0}
        assert "0 of 2 Cores" in cluster.dcos("quota", "list").stdout
        twice = cluster.dcos("quota", "create", "cli", "--cpu=1", check=False)
        assert twice.returncode == 1, twice.stdout
        cluster.dcos("quota", "update", "cli", "--cpu=3", "--mem=512")
        assert cluster.dcos_json("quota", "get", "cli")["limit"] == {"cpus": 3.0, "mem": 512.0}
    finally:
        cluster.dcos("quota", "delete", "cli")
    assert "Cores" not in cluster.dcos("quota", "list").stdout
    none = cluster.dcos("quota", "create", "no-group", "--cpu=1", check=False)
    assert (none.returncode, "is not an existing Marathon group" in none.stderr) == (1, True), none.stderr


# ---- bundles ---------------------------------------------------------------------------------------------------------


def test_bundles(cluster: LocalCluster, home: str, tmp_path: Path) -> None:
    bundle = cluster.dcos("diagnostics", "create", "--masters").stdout.strip()
    cluster.dcos("diagnostics", "wait", bundle, "--interval=0.5")
    cluster.dcos("diagnostics", "download", bundle, f"--output={tmp_path}/bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        assert any(name.endswith("_master/dcos-mesos-master/state.json") for name in archive.namelist())
    cluster.dcos("diagnostics", "delete", bundle)
    assert {one["id"]: one["status"] for one in cluster.dcos_json("diagnostics", "list")}[bundle] == "Deleted"

    named = cluster.dcos("node", "diagnostics", "create", cluster.ip("public2")).stdout.split()[-1]
    done = eventually("the old way's is there", lambda: made_of(cluster, named), within_s=WAIT_S)
    cluster.dcos("node", "diagnostics", "download", named, f"--location={tmp_path}")
    assert (tmp_path / named).stat().st_size == done
    cluster.dcos("node", "diagnostics", "delete", named)
    assert named not in cluster.dcos("node", "diagnostics", "list").stdout


def made_of(cluster: LocalCluster, bundle: str) -> int:
    """Bytes of a bundle that is whole."""
    running = cluster.dcos_json("node", "diagnostics", "status")
    if any(one["is_running"] for one in running.values()):
        raise Failed(str(running))
    listed = cluster.dcos_json("node", "diagnostics", "list")
    return next(one["file_size"] for found in listed.values() for one in found or () if one["file_name"] == bundle)
