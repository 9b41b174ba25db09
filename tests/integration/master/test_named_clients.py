"""A master that lets nobody in without a name, and everybody in a cluster who talks to it.

Secrets lie in files for one user; no process shows one in its arguments.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dnslib
import pytest

from dcos.testing.mesos_cluster import MesosCluster
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.testing.zookeeper import ensemble, why_not

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
    pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx on PATH (nginx-light)"),
]
NAMES = ("agent", "dns", "net", "router", "marathon", "metronome", "person")
HOST = "127.0.0.1"


def secret_of(name: str) -> str:
    return f"secret-of-{name}-{os.getpid()}"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: the sockets below it have room for 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="dcos-names-") as name:
        yield Path(name)


@pytest.fixture
def cluster(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MesosCluster]:
    monkeypatch.setenv("DCOS_ROOT", str(folder))
    for path in ("opt/mesosphere/etc", "opt/mesosphere/active/dcos-metadata/etc", "var/lib/dcos"):
        (folder / path).mkdir(parents=True)
    every = [{"principal": name, "secret": secret_of(name)} for name in NAMES]
    private(folder / "credentials", json.dumps({"credentials": every}))
    for one in every:
        private(folder / f"credential-{one['principal']}", json.dumps(one))
        private(folder / f"secret-{one['principal']}", one["secret"] + "\n")
    with ensemble(folder / "zk") as zookeeper:
        made = MesosCluster(folder, zookeeper)
        try:
            yield made
        finally:
            made.end([])


def private(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def ask(port: int, path: str, name: str | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(f"http://{HOST}:{port}{path}")
    if name is not None:
        word = base64.b64encode(f"{name}:{secret_of(name)}".encode()).decode()
        request.add_header("Authorization", f"Basic {word}")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None


def addresses(port: int, name: str) -> list[str]:
    with contextlib.suppress(TimeoutError):
        reply = dnslib.DNSRecord.parse(dnslib.DNSRecord.question(name).send(HOST, port, timeout=2))
        return sorted(str(one.rdata) for one in reply.rr)
    return []


def test_everybody_names_himself(cluster: MesosCluster) -> None:
    folder, zk = cluster.folder, cluster.zookeeper.url
    dns, dns_http, net, net_http, router, marathon, metronome = (free_port() for _ in range(7))
    cluster.add(
        "master", "dcos.master", f"--zk={zk}/mesos", f"--ip={HOST}", f"--port={cluster.master_port}",
        f"--hostname={HOST}", f"--credentials={folder}/credentials", "--authenticate_http_readonly",
        "--authenticate_http_readwrite", "--authenticate_http_frameworks", "--http_framework_authenticators=basic",
        "--authenticate_agents",
    )  # fmt: skip
    cluster.add(
        "agent", "dcos.agent", f"--master={zk}/mesos", f"--ip={HOST}", f"--port={cluster.agent_port}",
        f"--work_dir={folder}/agent", f"--runtime_dir={folder}/run-agent", "--launcher=posix",
        "--isolation=posix/cpu,posix/mem", f"--hostname={HOST}", "--no-systemd_enable_support", "--no-switch_user",
        "--resources=cpus:4;mem:2048;disk:1000;ports:[31000-31099]", f"--credential={folder}/credential-agent",
    )  # fmt: skip
    upstream = {
        "zk": f"{zk}/mesos",
        "mesosAuthentication": "basic",
        "mesosCredentials": {"principal": "dns", "secret": secret_of("dns")},
    }
    private(folder / "mesos-dns.json", json.dumps(upstream))
    cluster.add(
        "dns", "dcos.dns", f"--config={folder}/mesos-dns.json", f"--ip={HOST}", f"--dns_port={dns}",
        f"--http_port={dns_http}",
    )  # fmt: skip
    cluster.add(
        "net", "dcos.net", f"--zk={zk}/mesos", f"--ip={HOST}", f"--dns_bind={HOST}:{net}", f"--rest_port={net_http}",
        "--no-manage_network", f"--mesos_credential={folder}/credential-net",
    )  # fmt: skip
    for name, port in (("marathon", marathon), ("metronome", metronome)):
        cluster.add(
            name, f"dcos.{name}", f"--master={zk}/mesos", f"--zk={zk}/{name}", f"--http_address={HOST}",
            f"--hostname={HOST}", f"--http_port={port}", "--mesos_user=",
            f"--mesos_authentication_principal={name}", f"--mesos_authentication_secret_file={folder}/secret-{name}",
        )  # fmt: skip
    cluster.add(
        "router", "dcos.adminrouter", f"--zk={zk}/mesos", f"--ip={HOST}", f"--http_port={router}", "--https_port=0",
        "--activate_auth_module=false", "--access_log=off", f"--mesos_credential={folder}/credential-router",
    )  # fmt: skip
    here = cluster.master_port

    def frameworks() -> dict[str, str]:
        status, state = ask(here, "/state", "person")
        if status != 200:
            return {}
        return {one["name"]: one.get("principal", "") for one in state["frameworks"] if one["active"]}

    cluster.eventually("subscribed", lambda: set(frameworks()) == {"marathon", "metronome"})
    assert frameworks() == {"marathon": "marathon", "metronome": "metronome"}
    cluster.eventually("registered", lambda: (ask(here, "/state-summary", "person")[1] or {}).get("slaves"))
    for path in ("/state", "/state-summary", "/slaves", "/metrics/snapshot", "/files/browse?path=/", "/weights"):
        assert ask(here, path)[0] == 401, path
        assert ask(here, path, "nobody")[0] == 401, path
    assert ask(here, "/health")[0] == 200

    cluster.eventually("DNS knows the cluster", lambda: addresses(dns, "slave.mesos") == [HOST])
    cluster.eventually("the forwarder serves", lambda: addresses(net, "ready.spartan") == [HOST])
    metrics = f"http://{HOST}:{net_http}/v1/metrics/default"

    def agents_seen() -> bool:
        with urllib.request.urlopen(metrics, timeout=PATIENCE_S) as answer:
            return b"mesos_listener_agents 1" in answer.read()

    cluster.eventually("dcos-net sees the agent", agents_seen)
    summary = cluster.eventually("the way through", lambda: ask(router, "/mesos/master/state-summary")[1])
    assert len(summary["slaves"]) == 1
    assert ask(router, "/cache/master/state-summary")[0] == 401, "this one asks nobody for a token"

    shown = b"".join((Path("/proc") / str(one.child.pid) / "cmdline").read_bytes() for one in children(cluster))
    for name in NAMES:
        assert secret_of(name).encode() not in shown
        assert secret_of(name) not in cluster.logs()
    assert "mesosCredentials" not in json.dumps(ask(dns_http, "/v1/config")[1])
    assert secret_of("dns") not in json.dumps(ask(dns_http, "/v1/config")[1])


def children(cluster: MesosCluster) -> list[Any]:
    return list(cluster.processes.values())
