"""Every form of name, asked by ``dig`` of a real cluster on loopback; and what is answered while parts of it die.

Two masters with a Mesos-DNS each (127.0.0.11 and .12), an agent (.13), Marathon, and a node's dcos-net (.14) in front.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from dcos.model import names
from dcos.net.core.names import cluster_key
from dcos.testing import zookeeper
from dcos.testing.asking import Asking
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.testing.processes import Processes

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(zookeeper.why_not() is not None, reason=str(zookeeper.why_not())),
    pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (dnsutils)"),
    pytest.mark.timeout(600),
]

MASTERS = ("127.0.0.11", "127.0.0.12")
AGENT, NODE = "127.0.0.13", "127.0.0.14"
CLUSTER_ID = "0a1b2c3d-0000-4000-8000-000000000001"
APP = {
    "id": "/shop/web",
    "cmd": "sleep 1000",
    "cpus": 0.1,
    "mem": 16,
    "instances": 2,
    "portDefinitions": [{"port": 0, "name": "http", "protocol": "tcp", "labels": {"VIP_0": "/shop:80"}}],
}


class Cluster:
    def __init__(self, services: Processes) -> None:
        self.services = services
        self.dns_port, self.node_port = free_port(), free_port()

    def start_master(self, ip: str) -> None:
        self.services.start(
            f"master-{ip}", "dcos.master", f"--zk={self.services.zk}/mesos", f"--ip={ip}", f"--hostname={ip}",
            f"--port={self.services.port('master')}", f"--work_dir={self.services.folder / ip}", "--cluster=test", "--quorum=1",
        )  # fmt: skip

    def start_mesos_dns(self, ip: str) -> None:
        self.services.start(
            f"mesos-dns-{ip}", "dcos.dns", f"--zk={self.services.zk}/mesos", f"--ip={ip}", f"--dns_port={self.dns_port}",
            f"--http_port={self.services.port('mesos-dns-http')}", "--refreshseconds=3600",
        )  # fmt: skip

    def start(self) -> None:
        services = self.services
        for ip in MASTERS:
            self.start_master(ip)
            self.start_mesos_dns(ip)
        services.start(
            "agent", "dcos.agent", f"--master={services.zk}/mesos", f"--ip={AGENT}", f"--port={services.port('agent')}",
            f"--work_dir={services.folder / 'agent'}", f"--runtime_dir={services.folder / 'run'}", "--launcher=posix",
            "--isolation=posix/cpu,posix/mem", f"--hostname={AGENT}", "--no-systemd_enable_support",
            "--resources=cpus:2;mem:1024;disk:1000;ports:[31200-31299]", "--no-switch_user",
        )  # fmt: skip
        services.start_marathon()
        (services.folder / "cluster-id").write_text(CLUSTER_ID + "\n")
        services.start(
            "net", "dcos.net", f"--zk={services.zk}/mesos", f"--ip={NODE}", f"--dns_bind={NODE}:{self.node_port}",
            f"--master_list={','.join(MASTERS)}", f"--mesos_dns_port={self.dns_port}", "--no-manage_network",
            f"--rest_bind={NODE}", f"--rest_port={services.port('net')}", f"--cluster_id_file={services.folder / 'cluster-id'}",
        )  # fmt: skip

    def dig(self, name: str, rtype: str = "A", *options: str, at: tuple[str, int] | None = None) -> list[str]:
        """Answers as ``dig +short`` prints them, sorted; asked of the node's forwarder unless said."""
        host, port = at or (NODE, self.node_port)
        words = ["dig", f"@{host}", "-p", str(port), name, rtype, "+short", "+tries=1", "+timeout=20", *options]
        result = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        return sorted(result.stdout.splitlines()) if result.returncode == 0 else []  # else nobody answered

    def status(self, name: str, rtype: str = "A") -> str:
        words = ["dig", f"@{NODE}", "-p", str(self.node_port), name, rtype, "+tries=1", "+timeout=20"]
        text = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False).stdout
        return text.partition("status: ")[2].partition(",")[0]

    def post(self, path: str, body: Any, method: str = "POST") -> Any:
        request = urllib.request.Request(
            self.services.url("marathon") + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read() or b"null")

    def leader(self) -> str:
        """Address of the leading master."""
        for ip in MASTERS:
            try:
                url = f"http://{ip}:{self.services.port('master')}/master/redirect"
                urllib.request.build_opener(_NoRedirect).open(url, timeout=5)
            except urllib.error.HTTPError as answer:
                return str(answer.headers["Location"]).removeprefix("//").partition(":")[0]
            except OSError:
                continue
        return ""

    def state(self, ip: str = "") -> Any:
        """Of the leading master."""
        with urllib.request.urlopen(
            f"http://{ip or self.leader()}:{self.services.port('master')}/state", timeout=PATIENCE_S
        ) as answer:
            return json.loads(answer.read())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("names")
    with zookeeper.ensemble(folder / "zk") as zk, Processes(folder, zk.url) as services:
        made = Cluster(services)
        made.start()
        services.eventually("a leader has a name", lambda: made.dig("leader.mesos"))
        services.eventually("Marathon takes apps", lambda: made.post("/v2/apps", APP))
        services.eventually("both instances run", lambda: len(tasks(made)) == 2)
        services.eventually("both are named", lambda: len(made.dig("_web-shop._tcp.marathon.mesos", "SRV")) == 2)
        services.eventually(
            "the agent's names too", lambda: made.dig("web-shop.marathon.agentip.dcos.thisdcos.directory")
        )
        yield made


def tasks(cluster: Cluster) -> list[dict[str, Any]]:
    found = cluster.services.get("marathon", "/v2/apps//shop/web/tasks")["tasks"]
    return [task for task in found if task["state"] == "TASK_RUNNING"]


def test_every_form_of_name(cluster: Cluster) -> None:
    leader, port = cluster.leader(), cluster.services.port("master")
    agent_port = cluster.services.port("agent")
    running = tasks(cluster)
    tag = names.agent_tag(running[0]["slaveId"])
    own = {f"web-shop-{names.task_tag(one['id'])}-{tag}": one["ports"][0] for one in running}
    targets = sorted(f"0 1 {number} {name}.marathon.mesos." for name, number in own.items())
    on_agent = sorted(f"0 1 {number} {name}.marathon.slave.mesos." for name, number in own.items())
    wanted: dict[tuple[str, str], list[str]] = {
        ("leader.mesos", "A"): [leader],
        ("master.mesos", "A"): [leader],
        ("master0.mesos", "A"): [leader],
        ("_leader._tcp.mesos", "SRV"): [f"0 1 {port} leader.mesos."],
        ("_leader._udp.mesos", "SRV"): [f"0 1 {port} leader.mesos."],
        ("slave.mesos", "A"): [AGENT],
        ("_slave._tcp.mesos", "SRV"): [f"0 1 {agent_port} slave.mesos."],
        ("marathon.mesos", "A"): ["127.0.0.1"],
        ("mesos", "NS"): ["ns1.mesos."],
        ("web-shop.marathon.mesos", "A"): [AGENT],
        ("WEB-shop.Marathon.mesos", "A"): [AGENT],
        ("web-shop.*.marathon.mesos", "A"): [AGENT],
        ("web-shop.marathon.mesos", "AAAA"): [],
        ("web-shop.marathon.slave.mesos", "A"): [AGENT],
        ("0.web-shop.marathon.mesos", "A"): [AGENT],
        ("1.web-shop.marathon.mesos", "A"): [AGENT],
        **{(f"{name}.marathon.mesos", "A"): [AGENT] for name in own},
        **{(f"{name}.marathon.slave.mesos", "A"): [AGENT] for name in own},
        ("_web-shop._tcp.marathon.mesos", "SRV"): targets,
        ("_http._web-shop._tcp.marathon.mesos", "SRV"): targets,
        ("_web-shop._udp.marathon.mesos", "SRV"): [],
        ("_web-shop._tcp.marathon.slave.mesos", "SRV"): on_agent,
        ("_web-shop._udp.marathon.slave.mesos", "SRV"): on_agent,
        # what the node itself answers
        ("ready.spartan", "A"): ["127.0.0.1"],
        ("ns.spartan", "A"): ["198.51.100.1"],
        ("zk-1.zk", "A"): [MASTERS[0]],
        ("zk-2.zk", "A"): [MASTERS[1]],
        ("zk-5.zk", "A"): [MASTERS[0]],
        ("localhost", "A"): ["127.0.0.1"],
        ("localhost", "AAAA"): ["::1"],
        ("thisnode.thisdcos.directory", "A"): [NODE],
        ("leader.dcos.thisdcos.directory", "A"): [leader],
        ("master.dcos.thisdcos.directory", "A"): sorted(MASTERS),
        ("web-shop.marathon.agentip.dcos.thisdcos.directory", "A"): [AGENT],
        ("web-shop.marathon.autoip.dcos.thisdcos.directory", "A"): [AGENT],
        ("web-shop.marathon.containerip.dcos.thisdcos.directory", "A"): [AGENT],
        ("web-shop.marathon.agentip.dcos.thisdcos.global", "A"): [AGENT],
        ("leader.mesos.thisdcos.directory", "A"): [leader],
        ("web-shop.marathon.mesos.thisdcos.directory", "A"): [AGENT],
        ("web-shop.marathon.mesos.thisdcos.global", "A"): [AGENT],
        ("_web-shop._tcp.marathon.mesos.thisdcos.directory", "SRV"): [one + "thisdcos.directory." for one in targets],
    }
    assert {key: cluster.dig(*key) for key in wanted} == wanted
    assert {key: cluster.dig(*key, "+tcp") for key in wanted} == wanted
    (soa,) = cluster.dig("mesos", "SOA")
    assert soa.startswith("ns1.mesos. root.ns1.mesos. ")
    assert soa.endswith(" 60 600 86400 60")
    (vip,) = cluster.dig("shop.marathon.l4lb.thisdcos.directory")
    key = cluster_key(CLUSTER_ID)
    for alias in (
        "l4lb.thisdcos.global",
        "dclb.thisdcos.directory",
        "dclb.thisdcos.global",
        f"l4lb.{key}.dcos.directory",
    ):
        assert cluster.dig(f"shop.marathon.{alias}") == [vip], alias
    assert cluster.dig(f"leader.mesos.{key}.dcos.directory") == [leader]
    for ip in MASTERS:
        assert cluster.dig("ns1.mesos", at=(ip, cluster.dns_port)) == [ip]
        assert cluster.dig("_web-shop._tcp.marathon.mesos", "SRV", at=(ip, cluster.dns_port)) == targets
    statuses = {
        "nothing.mesos": "NXDOMAIN",
        "marathon.slave.mesos": "NOERROR",
        "nothing.thisdcos.directory": "NXDOMAIN",
        "nothing.spartan": "NXDOMAIN",
        "nothing.marathon.mesos.thisdcos.directory": "NXDOMAIN",
        "example.com": "SERVFAIL",
    }
    assert {name: cluster.status(name) for name in statuses} == statuses


def test_a_name_comes_and_goes_with_its_task(cluster: Cluster) -> None:
    """By the master's events alone; the agent's own clock says when the task ran and ended."""
    with Asking("short.marathon.mesos", (MASTERS[0], cluster.dns_port)) as asking:
        cluster.post("/v2/apps", {"id": "/short", "cmd": "sleep 1000", "cpus": 0.1, "mem": 16, "instances": 1})
        cluster.services.eventually("it is named", lambda: asking.there)
        time.sleep(0.3)
        cluster.post("/v2/apps//short?force=true", None, "DELETE")
        cluster.services.eventually("it is gone", lambda: len(asking.turns) == 2)

    def statuses() -> dict[str, float]:
        ended = [task for one in cluster.state()["frameworks"] for task in one["completed_tasks"]]
        mine = [task for task in ended if task["name"] == "short"]
        return {one["state"]: one["timestamp"] for task in mine for one in task["statuses"]}

    told = cluster.services.eventually("the master has its statuses", lambda: statuses() or None)
    there, gone = asking.turns
    print(
        f"there {there - told['TASK_RUNNING']:.3f} s after TASK_RUNNING, gone {gone - told['TASK_KILLED']:.3f} s after its end"
    )
    assert not asking.lost


def test_no_question_is_lost_while_a_mesos_dns_dies_or_stands_still(cluster: Cluster) -> None:
    services = cluster.services
    with Asking("web-shop.marathon.mesos", (NODE, cluster.node_port)) as asking:
        services.eventually("it is asked", lambda: asking.asked > 20)
        services.stop(f"mesos-dns-{MASTERS[0]}", signal.SIGKILL)
        already = asking.asked
        services.eventually("it goes on", lambda: asking.asked > already + 100)
        cluster.start_mesos_dns(MASTERS[0])
        services.eventually("it is back", lambda: cluster.dig("leader.mesos", at=(MASTERS[0], cluster.dns_port)))
        os.kill(services.pid(f"mesos-dns-{MASTERS[1]}"), signal.SIGSTOP)
        already = asking.asked
        services.eventually("it goes on", lambda: asking.asked > already + 100)
        os.kill(services.pid(f"mesos-dns-{MASTERS[1]}"), signal.SIGCONT)
    print(asking)
    assert not asking.lost
    assert len(asking.turns) == 1, "the name was always there"


def test_names_stay_while_every_mesos_dns_is_started_anew(cluster: Cluster) -> None:
    services = cluster.services
    with Asking("web-shop.marathon.mesos", (NODE, cluster.node_port)) as asking:
        services.eventually("it is asked", lambda: asking.there)
        for ip in MASTERS:
            services.stop(f"mesos-dns-{ip}", signal.SIGKILL)
        already = asking.asked
        services.eventually("it goes on", lambda: asking.asked > already + 50)
        for ip in MASTERS:
            cluster.start_mesos_dns(ip)
            services.eventually("it is back", lambda ip=ip: cluster.dig("leader.mesos", at=(ip, cluster.dns_port)))
    assert not asking.lost
    assert len(asking.turns) == 1, "the name was always there"


def test_names_stay_while_the_leading_master_dies(cluster: Cluster) -> None:
    services = cluster.services
    dead = cluster.leader()
    (other,) = set(MASTERS) - {dead}
    with Asking("web-shop.marathon.mesos", (NODE, cluster.node_port)) as asking:
        services.eventually("it is asked", lambda: asking.there)
        services.stop(f"master-{dead}", signal.SIGKILL)
        services.eventually("another leads", lambda: cluster.dig("leader.mesos") == [other])
        services.eventually("the agent is with it", lambda: cluster.state(other)["activated_slaves"] == 1)
        services.eventually("and so are the tasks", lambda: len(cluster.state(other)["frameworks"][0]["tasks"]) == 2)
        time.sleep(1)
    print(f"{asking}, turns {len(asking.turns)}")
    assert not asking.lost
    assert len(asking.turns) == 1, "the name was always there"
    assert len(cluster.dig("_web-shop._tcp.marathon.mesos", "SRV")) == 2
    cluster.start_master(dead)
    # a task that ends now is gone, though the new leader never launched it
    cluster.post("/v2/apps//shop/web?force=true", None, "DELETE")
    services.eventually("it is gone", lambda: cluster.dig("web-shop.marathon.mesos") == [])
