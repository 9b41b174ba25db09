"""Secrets from the store to tasks: real ZooKeeper, bouncer, secret store, Admin Router, master, agent, Marathon, Metronome."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError

from dcos.testing.identity import GuardedCluster, why_not
from dcos.testing.patience import PATIENCE_S
from dcos.testing.zookeeper import ensemble

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]

MARKER = str(2_000_000 + 10 * os.getpid())
"""How long the tasks' processes sleep, which tells them from those of others."""
TEXT = f"text-{secrets.token_hex(12)}"
BYTES = b"\0bytes-" + secrets.token_hex(12).encode() + b"\xff"
_USE = (
    "printf %s \"$PASSWORD\" | sha256sum | cut -d' ' -f1 >env.sum; sha256sum <cert.bin | cut -d' ' -f1 >file.sum; "
    "stat -L -c %a cert.bin >file.mode; "
)


def _sum(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


@pytest.fixture
def cluster() -> Iterator[GuardedCluster]:
    folder = Path(tempfile.mkdtemp(prefix="dcos-secrets-"))
    folder.chmod(0o755)  # for nginx's user
    try:
        with ensemble(folder / "zk") as zookeeper:
            made = GuardedCluster(folder, zookeeper)
            try:
                made.start_identity()
                made.start_mesos(*made.agent_flags(), isolation="posix/cpu,posix/mem,filesystem/linux")
                _start_schedulers(made)
                yield made
            finally:
                made.end([MARKER])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start_schedulers(cluster: GuardedCluster) -> None:
    zk = cluster.zookeeper.url
    cluster.add(
        "marathon", "dcos.marathon", f"--master={zk}/mesos", f"--zk={zk}/marathon", "--http_address=127.0.0.1",
        "--hostname=127.0.0.1", f"--http_port={cluster.port('marathon')}", "--mesos_user=",
        "--min_revive_offers_interval=500", "--enable_features=vips,task_killing,secrets",
    )  # fmt: skip
    cluster.add(
        "metronome", "dcos.metronome", f"--master={zk}/mesos", f"--zk={zk}/metronome", "--http_address=127.0.0.1",
        "--hostname=127.0.0.1", f"--http_port={cluster.port('metronome')}", "--mesos_user=",
        "--min_revive_offers_interval=500", "--features_enable=secrets",
    )  # fmt: skip


def _put_bytes(cluster: GuardedCluster, path: str, raw: bytes) -> None:
    headers = {
        "Authorization": f"token={cluster.tokens['admin']}",
        "Content-Type": "application/octet-stream",
    }
    url = f"http://127.0.0.1:{cluster.port('router')}/secrets/v1/secret/default/{path}"
    with urllib.request.urlopen(
        urllib.request.Request(url, data=raw, method="PUT", headers=headers), timeout=PATIENCE_S
    ) as answer:
        assert answer.status == 201


def _marathon(cluster: GuardedCluster, method: str, path: str, body: Any = None) -> Any:
    return cluster.ask_at(cluster.port("marathon"), method, path, body)


def _sandboxes(cluster: GuardedCluster, name: str) -> list[Path]:
    return [one.parent for one in (cluster.folder / "agent").rglob(name) if "latest" not in one.parts]


def _used(cluster: GuardedCluster) -> bool:
    """Whether every task that wrote down what it saw saw the right thing."""
    found = _sandboxes(cluster, "file.mode")
    for sandbox in found:
        if not (sandbox / "file.mode").read_text().strip():
            return False
        assert (sandbox / "env.sum").read_text().strip() == _sum(TEXT.encode())
        assert (sandbox / "file.sum").read_text().strip() == _sum(BYTES)
        assert (sandbox / "file.mode").read_text().strip() == "400"
    return bool(found)


def test_apps_pods_and_jobs_read_their_secrets_and_nobody_else_does(cluster: GuardedCluster) -> None:
    put = cluster.through("PUT", "/secrets/v1/secret/default/dev/password", {"value": TEXT})
    assert (put.status, put.text) == (201, "")
    _put_bytes(cluster, "dev/cert", BYTES)
    assert cluster.through("GET", "/secrets/v1/secret/default/dev/password", uid=None).status == 401

    app = {
        "id": "/dev/db", "cmd": f"{_USE} exec sleep {MARKER}", "cpus": 0.1, "mem": 32,
        "env": {"PASSWORD": {"secret": "password"}},
        "secrets": {"password": {"source": "dev/password"}, "cert": {"source": "dev/cert"}},
        "container": {"type": "MESOS", "volumes": [{"containerPath": "cert.bin", "secret": "cert"}]},
        "labels": {"DCOS_SPACE": "/forged"},
    }  # fmt: skip
    cluster.eventually("app taken", lambda: _marathon(cluster, "POST", "/v2/apps", app))
    cluster.eventually("app saw its secrets", lambda: _used(cluster))

    thief = {**app, "id": "/prod/db", "labels": {"DCOS_SPACE": "/dev/db"}, "backoffSeconds": 3600}
    _marathon(cluster, "POST", "/v2/apps", thief)
    failure = cluster.eventually(
        "refused", lambda: _marathon(cluster, "GET", "/v2/apps//prod/db")["app"].get("lastTaskFailure")
    )
    assert failure["state"] == "TASK_FAILED"
    assert "secret 'dev/password': a task of '/prod/db' may not read it" in failure["message"]

    pod = {
        "id": "/dev/pod",
        "environment": {"PASSWORD": {"secret": "password"}},
        "secrets": {"password": {"source": "dev/password"}, "cert": {"source": "dev/cert"}},
        "volumes": [{"name": "cert", "secret": "cert"}],
        "containers": [
            {
                "name": "one", "resources": {"cpus": 0.1, "mem": 32},
                "exec": {"command": {"shell": f"{_USE} exec sleep {MARKER}"}},
                "volumeMounts": [{"name": "cert", "mountPath": "cert.bin"}],
            }
        ],
    }  # fmt: skip
    _marathon(cluster, "POST", "/v2/pods", pod)
    cluster.eventually("pod saw its secrets", lambda: _used(cluster) and len(_sandboxes(cluster, "file.mode")) == 2)

    job = {
        "id": "dev.nightly",
        "run": {
            "cmd": _USE, "cpus": 0.1, "mem": 32, "disk": 0, "env": {"PASSWORD": {"secret": "password"}},
            "secrets": {"password": {"source": "dev/password"}, "cert": {"source": "dev/cert"}},
            "volumes": [{"containerPath": "cert.bin", "secret": "cert"}],
        },
    }  # fmt: skip
    cluster.ask_at(cluster.port("metronome"), "POST", "/v1/jobs", job)
    cluster.ask_at(cluster.port("metronome"), "POST", "/v1/jobs/dev.nightly/runs", {})
    cluster.eventually("job saw its secrets", lambda: _used(cluster) and len(_sandboxes(cluster, "file.mode")) == 3)

    _nothing_leaks(cluster)
    _zookeeper_is_closed(cluster)

    for path in ("/v2/apps//dev/db", "/v2/apps//prod/db", "/v2/pods//dev/pod"):
        _marathon(cluster, "DELETE", path + "?force=true")
    cluster.eventually("all ended", lambda: not cluster.pid_of(MARKER))
    runtime = cluster.folder / "run"
    cluster.eventually("no secret left", lambda: not _holding(runtime))


def test_containers_inside_a_task_read_what_the_task_may(cluster: GuardedCluster) -> None:
    """Through the agent's API: by environment and as a file; the task's path decides, and a container of its own has none."""
    for path in ("dev/password", "word"):
        assert cluster.through("PUT", f"/secrets/v1/secret/default/{path}", {"value": TEXT}).status == 201
    _put_bytes(cluster, "dev/cert", BYTES)
    app = {
        "id": "/dev/db", "cmd": f"exec sleep {MARKER}", "cpus": 0.1, "mem": 32,
        "env": {"PASSWORD": {"secret": "password"}}, "secrets": {"password": {"source": "dev/password"}},
    }  # fmt: skip
    cluster.eventually("app taken", lambda: _marathon(cluster, "POST", "/v2/apps", app))
    cluster.eventually("app runs", lambda: cluster.pid_of(MARKER))
    (container,) = cluster.ask_at(cluster.agent_port, "GET", "/containers")
    root = {"value": container["container_id"]}

    def launch(identity: dict[str, Any], password: str, cert: str | None = None) -> Any:
        volumes = [{"mode": "RO", "container_path": "cert.bin", "source": _source(cert)}] if cert else []
        variable = {"name": "PASSWORD", "type": "SECRET", "secret": _reference(password)}
        call = {
            "container_id": identity,
            "command": {"value": _USE, "environment": {"variables": [variable]}},
            "container": {"type": "MESOS", "volumes": volumes},
        }
        kind = "LAUNCH_NESTED_CONTAINER" if "parent" in identity else "LAUNCH_CONTAINER"
        body = {"type": kind, kind.lower(): call}
        return cluster.ask_at(cluster.agent_port, "POST", "/api/v1", body)

    launch({"value": "inner", "parent": root}, "dev/password", "dev/cert")
    cluster.eventually("inner saw its secrets", lambda: _used(cluster))
    with pytest.raises(OSError, match="a task of '/dev/db' may not read it"):
        launch({"value": "thief", "parent": root}, "prod/password")
    with pytest.raises(OSError, match="may not read it"):
        launch({"value": "alone"}, "dev/password")
    launch({"value": "open"}, "word")
    cluster.eventually("it saw the one without a folder", lambda: len(_sandboxes(cluster, "env.sum")) == 2)
    _marathon(cluster, "DELETE", "/v2/apps//dev/db?force=true")
    cluster.eventually("all ended", lambda: not cluster.pid_of(MARKER))
    cluster.eventually("no secret left", lambda: not _holding(cluster.folder / "run"))


def _reference(path: str) -> dict[str, Any]:
    return {"type": "REFERENCE", "reference": {"name": path}}


def _source(path: str) -> dict[str, Any]:
    return {"type": "SECRET", "secret": _reference(path)}


def _needles() -> list[bytes]:
    raw = [TEXT.encode(), BYTES]
    return [*raw, *(base64.b64encode(one).rstrip(b"=") for one in raw), *(one.hex().encode() for one in raw)]


def _holding(folder: Path) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink() and any(one in path.read_bytes() for one in _needles()):
                found.append(path)
        except OSError:
            continue
    return found


def _nothing_leaks(cluster: GuardedCluster) -> None:
    """Values are in the containers' own files alone, and there only for their users."""
    runtime = cluster.folder / "run"
    holding = _holding(cluster.folder)
    assert holding, "the test looks in the right place"
    for path in holding:
        assert path.is_relative_to(runtime), f"{path} holds a secret"
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, f"{path} can be read by others"
    answers = [
        cluster.ask_at(port, "GET", path)
        for port, paths in (
            (cluster.master_port, ("/state", "/tasks", "/frameworks")),
            (cluster.agent_port, ("/state", "/containers")),
            (cluster.port("marathon"), ("/v2/apps?embed=apps.tasks", "/v2/pods", "/v2/tasks", "/v2/info")),
            (cluster.port("metronome"), ("/v1/jobs?embed=activeRuns&embed=history",)),
        )
        for path in paths
    ]
    for call in ("GET_TASKS", "GET_EXECUTORS", "GET_STATE"):
        answers += [
            cluster.ask_at(port, "POST", "/api/v1", {"type": call})
            for port in (cluster.master_port, cluster.agent_port)
        ]
    text = json.dumps(answers, default=str).encode()
    assert b"dev/password" in text, "references are shown"
    assert not any(one in text for one in _needles())
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except OSError:
            continue
        assert not any(one in line for one in _needles()), line


def _zookeeper_is_closed(cluster: GuardedCluster) -> None:
    """Who shows no credential sees nothing of identity and secrets; who has them sees no secret in the clear."""
    hosts = cluster.zookeeper.url.removeprefix("zk://")
    anyone = KazooClient(hosts=hosts)
    anyone.start()
    try:
        iam = ("/dcos/iam", "/dcos/iam/users", "/dcos/iam/users/admin", "/dcos/iam/keys/signing", "/dcos/iam/acls")
        for path in (*iam, "/dcos-secrets/default"):
            for action in (anyone.get, anyone.get_children, anyone.delete, lambda one: anyone.set(one, b"mine")):
                with pytest.raises(NoAuthError):
                    action(path)
        with pytest.raises(NoAuthError):
            anyone.create("/dcos/iam/users/eve", b"")
        owner = KazooClient(hosts=hosts, auth_data=[("digest", "dcos_secrets:two")])
        owner.start()
        try:
            names = owner.get_children("/dcos-secrets/default")
            assert len(names) == 2
            for name in names:
                raw = owner.get(f"/dcos-secrets/default/{name}")[0]
                assert not any(one in raw for one in _needles())
        finally:
            owner.stop()
            owner.close()
    finally:
        anyone.stop()
        anyone.close()
