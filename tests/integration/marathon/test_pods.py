"""A pod's whole life on real ZooKeeper, master, agent and Marathon: two containers with a shared volume and a health check."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dcos.agent.containerizer import oci
from dcos.agent.containerizer.port_mapper import TABLE
from dcos.dns.core.zone import Naming, task_records
from dcos.model.cluster import ClusterState, RunningTask
from dcos.net.core.vips import collect
from dcos.testing.patience import PATIENCE_S
from dcos.testing.zookeeper import ensemble, why_not
from dcos.wire.mesos_state import Everything, decode_state
from tests.integration.marathon.test_whole_cluster import Cluster

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]

BRIDGES = {"bridged": "dcos-test-pods", "mesos-bridge": "dcos-test-pods2"}
MARKER = str(2_000_000 + 10 * os.getpid())
"""How long the side containers sleep, which tells their processes from those of others."""

SERVE = "echo $MODE > data/index.html && exec python3 -m http.server $ENDPOINT_HTTP --bind 127.0.0.1 --directory data"
CHECK = {
    "http": {"endpoint": "http", "path": "/index.html"},
    "gracePeriodSeconds": 30,
    "intervalSeconds": 2,
    "timeoutSeconds": 1,
    "delaySeconds": 0,
}


def pod(mode: str, instances: int = 1) -> dict[str, Any]:
    return {
        "id": "/shop/pair",
        "environment": {"MODE": mode},
        "containers": [
            {
                "name": "web",
                "resources": {"cpus": 0.1, "mem": 32},
                "exec": {"command": {"shell": SERVE}},
                "endpoints": [{"name": "http", "hostPort": 0, "labels": {"VIP_0": "/pair:80"}}],
                "healthCheck": CHECK,
                "volumeMounts": [{"name": "shared", "mountPath": "data"}],
            },
            {
                "name": "side",
                "resources": {"cpus": 0.1, "mem": 16},
                "exec": {"command": {"shell": f"touch data/side; cp data/* . ; exec sleep {MARKER}"}},
                "volumeMounts": [{"name": "shared", "mountPath": "data"}],
            },
        ],
        "volumes": [{"name": "shared"}],
        "scaling": {"kind": "fixed", "instances": instances},
        "scheduling": {"backoff": {"backoff": 0.1, "backoffFactor": 1.0, "maxLaunchDelay": 1}},
    }


@contextmanager
def running(folder: Path, *agent_flags: str, **settings: str) -> Iterator[Cluster]:
    with ensemble(folder / "zk") as zookeeper:
        made = Cluster(folder, zookeeper)
        try:
            made.start_mesos(*agent_flags, **settings)
            made.start_marathon()
            yield made
            for one in made.ask("GET", "/v2/pods"):
                made.ask("DELETE", f"/v2/pods{one['id']}?force=true")
            made.eventually("everything stopped", made.quiet)
        finally:
            made.end([MARKER])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running(tmp_path) as made:
        yield made


@pytest.fixture
def networked() -> Iterator[Cluster]:
    """Its agent knows the networks ``bridged`` and, with port mappings, ``mesos-bridge``."""
    with tempfile.TemporaryDirectory(prefix="dcos-pods-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        (folder / "networks").mkdir()
        for name, part in (("bridged", 82), ("mesos-bridge", 83)):
            ipam = {"type": "host-local", "subnet": f"172.29.{part}.0/24", "dataDir": str(folder / "addresses")}
            network = {"cniVersion": "0.2.0", "name": name, "type": "bridge", "bridge": BRIDGES[name]}
            network |= {"isGateway": True, "ipMasq": False, "ipam": ipam}
            if name == "mesos-bridge":
                network = {"name": name, "type": "mesos-cni-port-mapper", "delegate": network}
            (folder / "networks" / f"{name}.conf").write_text(json.dumps(network))
        flags = (f"--network_cni_config_dir={folder / 'networks'}", "--network_cni_plugins_dir=/usr/lib/cni")
        try:
            with running(folder, *flags, isolation="posix/cpu,posix/mem,network/cni") as made:
                yield made
        finally:
            for bridge in BRIDGES.values():
                subprocess.run(["ip", "link", "delete", bridge], check=False, capture_output=True)
            subprocess.run(["nft", "delete", "table", "ip", TABLE], check=False, capture_output=True)


def status(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.ask("GET", "/v2/pods/shop/pair::status")
    return found


def page(instance: dict[str, Any], name: str = "index.html") -> str:
    """What the pod's web server says at its host port."""
    [web] = [one for one in instance["containers"] if one["name"] == "web"]
    port = web["endpoints"][0]["allocatedHostPort"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=PATIENCE_S) as answer:
        text: str = answer.read().decode().strip()
        return text


def _seen(cluster: Cluster) -> Everything:
    """What the nodes' services read of the master."""
    url = f"http://127.0.0.1:{cluster.master_port}/state"
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return decode_state(answer.read())


def _running_task(cluster: Cluster, name: str) -> RunningTask:
    [found] = [one for one in _seen(cluster).tasks if one.name == name]
    return found


def _found_by_name_and_vip(cluster: Cluster) -> RunningTask:
    """What dcos-net and Mesos-DNS make of the pod's endpoint: its VIP, its address, its SRV record."""
    seen = _seen(cluster)
    state = ClusterState(
        agents={one.id: one for one in seen.agents},
        frameworks={one.id: one for one in seen.frameworks},
        tasks={(one.framework_id, one.id): one for one in seen.tasks},
    )
    [web] = [one for one in seen.tasks if one.name == "web"]
    [port] = web.discovery_ports
    [(vip, [backend])] = collect(state).backends.items()
    assert (vip.host, vip.port, backend.target, backend.weight) == ("pair.marathon", 80, ("127.0.0.1", port.number), 1)
    records = [tuple(one) for one in task_records(web, "marathon", "127.0.0.1", Naming()).records()]
    assert ("pair-shop.marathon.mesos", "A", "127.0.0.1") in records
    assert any(name == "_http._pair-shop._tcp.marathon.mesos" and str(port.number) in text for name, _, text in records)
    return web


def test_the_life_of_a_pod(cluster: Cluster) -> None:
    cluster.eventually("created", lambda: cluster.ask("POST", "/v2/pods", pod("one")))
    cluster.eventually("deployed", cluster.quiet, 90)
    shown = status(cluster)
    assert shown["status"] == "STABLE"
    [first] = shown["instances"]
    assert [one["status"] for one in first["containers"]] == ["TASK_RUNNING", "TASK_RUNNING"]
    assert page(first) == "one"
    assert page(first, "side") == "", "the other container writes to the same volume"
    cluster.pids(MARKER, 1)

    web = _found_by_name_and_vip(cluster)
    assert web.id == f"{first['id']}.web.1"

    cluster.ask("PUT", "/v2/pods/shop/pair", pod("two", instances=2))
    cluster.eventually("updated and scaled", cluster.quiet, 120)
    shown = status(cluster)
    assert first["id"] not in [one["id"] for one in shown["instances"]]
    assert [page(one) for one in shown["instances"]] == ["two", "two"]

    before = {one["id"] for one in shown["instances"]}
    os.kill(cluster.pid_of(MARKER)[0], signal.SIGKILL)

    def replaced() -> bool:
        found = status(cluster)
        return found["status"] == "STABLE" and {one["id"] for one in found["instances"]} != before

    cluster.eventually("replaced as a whole", replaced, 90)
    shown = status(cluster)
    assert len(before & {one["id"] for one in shown["instances"]}) == 1
    [ended] = [one for one in shown["terminationHistory"] if one["instanceID"] in before]
    assert len(ended["containers"]) == 2

    cluster.processes["marathon"].kill()
    cluster.start_marathon()
    running = {one["id"] for one in shown["instances"]}
    cluster.eventually("led again", lambda: {one["id"] for one in status(cluster)["instances"]} == running)

    cluster.ask("PUT", "/v2/pods/shop/pair", pod("two", instances=1))
    cluster.eventually("scaled down", lambda: cluster.quiet() and len(cluster.pid_of(MARKER)) == 1)
    cluster.ask("DELETE", "/v2/pods/shop/pair")
    cluster.eventually("deleted", lambda: cluster.quiet() and not cluster.pid_of(MARKER))
    assert cluster.ask("GET", "/v2/pods") == []


why_no_networks = oci.usable() or ("" if os.geteuid() == 0 else "only root")


@pytest.mark.skipif(bool(why_no_networks), reason=f"containers cannot have networks here: {why_no_networks}")
def test_containers_of_a_pod_share_an_address_of_their_own(networked: Cluster) -> None:
    fetch = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/')"
    wait = f'until python3 -c "{fetch}"; do sleep 0.2; done; exec sleep {MARKER}'
    wanted = pod("net")
    web, side = wanted["containers"]
    web["exec"]["command"]["shell"] = SERVE.replace(" --bind 127.0.0.1", "")
    web["endpoints"] = [{"name": "http", "containerPort": 8080, "labels": {"VIP_0": "/pair:80"}}]
    side["exec"]["command"]["shell"] = wait
    wanted["networks"] = [{"mode": "container", "name": "bridged"}]
    networked.eventually("created", lambda: networked.ask("POST", "/v2/pods", wanted))
    networked.eventually("deployed", networked.quiet, 90)
    [instance] = status(networked)["instances"]
    [network] = instance["networks"]
    [address] = network["addresses"]
    assert network["name"] == "bridged"
    assert address.startswith("172.29.82.")
    with urllib.request.urlopen(f"http://{address}:8080/", timeout=PATIENCE_S) as answer:
        assert answer.read().strip() == b"net"
    networked.eventually("the other container found it on its own loopback", lambda: networked.pid_of(MARKER))

    wanted["networks"] = [{"mode": "container/bridge"}]
    networked.ask("PUT", "/v2/pods/shop/pair", wanted)
    networked.eventually("moved to the bridge", networked.quiet, 90)
    [instance] = status(networked)["instances"]
    [endpoint] = instance["containers"][0]["endpoints"]
    gateway = "172.29.83.1"  # an address of this machine
    with urllib.request.urlopen(f"http://{gateway}:{endpoint['allocatedHostPort']}/", timeout=PATIENCE_S) as answer:
        assert answer.read().strip() == b"net"
    web = _running_task(networked, "web")
    [port] = web.mapped_ports
    assert (port.host_port, port.container_port) == (endpoint["allocatedHostPort"], 8080)
