"""Metrics of nodes, containers and apps on real nodes."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from dcos.testing.cluster import Failed, LocalCluster, eventually
from tests.e2e.apps import Apps
from tests.e2e.test_logs import agent_id

pytestmark = pytest.mark.e2e


def scraped(cluster: LocalCluster, node: str) -> list[Sample]:
    text = cluster.sh(node, f"curl -sf http://{cluster.ip(node)}:61091/metrics")
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def has(cluster: LocalCluster, node: str, *names: str) -> bool:
    missing = set(names) - {sample.name for sample in scraped(cluster, node)}
    if missing:
        raise Failed(f"{node}: no series {', '.join(sorted(missing))}")
    return True


def test_every_node_tells_of_itself_and_its_services(cluster: LocalCluster) -> None:
    common = ("cpu_usage_idle", "mem_available_percent", "disk_used_percent", "system_load5", "net_bytes_recv_total")
    for node, names in (
        ("master1", ("mesos_master_uptime_secs", "zookeeper_avg_latency", "exhibitor_status_code", "nginx_up")),
        ("agent1", ("mesos_slave_uptime_secs", "cpus_user_time_secs", "mem_limit_bytes")),
        ("public1", ("mesos_slave_uptime_secs",)),
    ):
        eventually(f"series of {node}", lambda n=node, s=names: has(cluster, n, *common, *s), within_s=120)
    master = {sample.name: sample for sample in scraped(cluster, "master1")}
    assert master["mesos_master_uptime_secs"].labels["state"] == "leader"
    assert master["zookeeper_avg_latency"].labels["dcos_component_name"] == "ZooKeeper"
    assert any(sample.labels.get("dcos_component_name") == "Marathon" for sample in scraped(cluster, "master1"))
    assert any(sample.labels.get("dcos_component_name") == "DC/OS Net" for sample in scraped(cluster, "agent1"))


def test_the_api_through_the_front_door(cluster: LocalCluster) -> None:
    token, agent = cluster.token(), f"/system/v1/agent/{agent_id(cluster, 'agent1')}/metrics/v0"
    for path in ("/system/v1/metrics/v0", "/system/v1/leader/mesos/metrics/v0", agent):
        assert cluster.get(f"{path}/ping", token=token).json()["ok"] is True
        node = cluster.get(f"{path}/node", token=token).json()
        assert node["dimensions"]["cluster_id"]
        assert {"load.1min", "cpu.total", "memory.total"} <= {one["name"] for one in node["datapoints"]}
        assert cluster.get(f"{path}/node").status == 401
    found = cluster.get(f"{agent}/containers", token=token).json()
    messages = [cluster.get(f"{agent}/containers/{id}", token=token).json() for id in found]
    hello = next(one for one in messages if one["dimensions"].get("task_name") == "hello-world")
    assert hello["dimensions"]["framework_name"] == "marathon"
    assert {"cpus.user.time", "mem.limit"} <= {one["name"] for one in hello["datapoints"]}


@pytest.mark.parametrize("network", ["host", "mesos-bridge"])
def test_a_task_tells_by_statsd(cluster: LocalCluster, apps: Apps, network: str) -> None:
    name = f"statsd-{network}"
    program = (
        "import os, socket, time\n"
        "to = os.environ['STATSD_UDP_HOST'], int(os.environ['STATSD_UDP_PORT'])\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "while True:\n    s.sendto(b'e2e.level:42|g|#network:@where@', to)\n    time.sleep(1)\n"
    ).replace("@where@", network)
    joined = {} if network == "host" else {"container": {"type": "MESOS"}, "networks": [{"mode": "container/bridge"}]}
    apps.add(name, cmd=f'exec python3 -c "{program}"', **joined)

    def told() -> bool:
        for node in ("agent1", "public1", "public2"):
            for sample in scraped(cluster, node):
                if sample.name == "e2e_level" and sample.labels.get("network") == network:
                    return sample.value == 42 and sample.labels.get("task_name") == name
        raise Failed("no series e2e_level")

    eventually("its series", told, within_s=120)
