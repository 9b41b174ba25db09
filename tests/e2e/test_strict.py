"""``security: strict`` on real nodes: the cluster works, and whoever has no credentials gets nothing from any port."""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Iterator

import pytest

from dcos.registry import NodeRole, services_on
from dcos.testing.cluster import LocalCluster, eventually
from tests.e2e.conftest import gather_logs
from tests.e2e.outside import runs_from_outside

pytestmark = pytest.mark.e2e

NAMES = (53, 61053)
"""Ports of names, which are for everybody."""
CHECKS_TOKENS = {5050: "/health", 5051: "/health", 8080: "/v2/apps", 8443: "/v2/apps", 9000: "/v1/jobs"}
CLOSED_ROUTES = (
    "/mesos/state",
    "/marathon/v2/apps",
    "/service/metronome/v1/jobs",
    "/service/hello-world/",
    "/acs/api/v1/users",
    "/secrets/v1/secret/default/?list=true",
    "/package/list",
    "/exhibitor/exhibitor/v1/cluster/list",
    "/mesos_dns/v1/version",
    "/net/v1/vips",
    "/system/health/v1/nodes",
    "/metadata",
)


@pytest.fixture(scope="module")
def strict(nodes_can_boot: None) -> Iterator[LocalCluster]:
    made = LocalCluster(f"{os.environ.get('DCOS_E2E_CLUSTER', 'e2e')}-strict")
    made.down()
    try:
        made.up(masters=1, agents=1, public_agents=0, security="strict")
        yield made
    finally:
        gather_logs(made)
        made.down()


def asked(cluster: LocalCluster, node: str, url: str, *flags: str, user: str = "nobody") -> str:
    """Status of one request from a process on a node; 000: no answer."""
    words = " ".join(("curl -gks -o /dev/null -m 20 -w '%{http_code}'", *flags, f"'{url}'"))
    return cluster.sh(node, f"runuser -u {user} -- {words} || true", timeout_s=60).strip()


def listening(cluster: LocalCluster, node: str) -> list[tuple[str, int]]:
    """(address, port) of every listening socket of our services on a node."""
    found = []
    for line in cluster.sh(node, "ss -Hltnp").splitlines():
        local, process = line.split()[3], line.split()[-1]
        if any(f'("{name}' in process for name in ("dcos-", "nginx", "java")):
            address, _, port = local.rpartition(":")
            found.append((address.replace("0.0.0.0", "127.0.0.1"), int(port)))
    return found


def test_all_parts_are_healthy_and_the_app_answers(strict: LocalCluster) -> None:
    """That hello-world answers through Admin Router, ``up`` has seen."""
    eventually("no problems", strict.healthy, within_s=120)
    assert strict.get("/service/hello-world/", token=strict.token()).status == 200
    assert "hello-world" in strict.dcos("task", "list").stdout


def test_a_job_runs_and_a_task_reads_its_secret(strict: LocalCluster, tmp_path: object) -> None:
    """Metronome, the store, the agent's login and its trust in the front door; no variable of our TLS reaches a task."""
    token = strict.token()
    url = f"{strict.scheme}://{strict.ip('master1')}"
    answer = strict.http(
        f"{url}/secrets/v1/secret/default/word", token=token, method="PUT", body={"value": "open sesame"}
    )
    assert answer.status in (201, 409), answer.text
    job = {
        "id": "say",
        "run": {
            "cmd": 'test "$WORD" = "open sesame" && test -z "$(env | grep LIBPROCESS_SSL)"',
            "cpus": 0.1,
            "mem": 32,
            "disk": 0,
            "env": {"WORD": {"secret": "word"}},
            "secrets": {"word": {"source": "word"}},
        },
    }
    answer = strict.http(f"{url}/service/metronome/v1/jobs", token=token, method="POST", body=job)
    assert answer.status == 201, answer.text
    strict.http(f"{url}/service/metronome/v1/jobs/say/runs", token=token, method="POST", body={})

    def succeeded() -> bool:
        shown = strict.get("/service/metronome/v1/jobs/say?embed=history", token=token).json()
        assert shown["history"]["failureCount"] == 0, shown
        return bool(shown["history"]["successCount"] == 1)

    eventually("the job succeeds", succeeded, within_s=120)


def test_a_framework_from_outside_with_an_executor_of_its_own(strict: LocalCluster) -> None:
    runs_from_outside(strict, strict.sh("master1", "cat /opt/mesosphere/etc/ca-bundle.crt"))


def test_a_process_without_credentials_gets_nothing_from_any_port(strict: LocalCluster) -> None:
    for node, role in (("master1", NodeRole.MASTER), ("agent1", NodeRole.AGENT)):
        known = {port.number for row in services_on(role) for port in row.ports if "tcp" in port.protocols}
        seen = listening(strict, node)
        assert {port for _, port in seen} <= known, "every port is in the service table"
        # a master alone has no quorum, agents' diagnostics have a socket, and their Admin Router is there over TLS alone
        unused = {2888, 3888} if role is NodeRole.MASTER else {1050, 61001}
        assert known - {port for _, port in seen} == unused, "and every port of the table was tried"
        for address, port in seen:
            if port in NAMES:
                continue
            where = f"{address}:{port}"
            path = CHECKS_TOKENS.get(port, "/")
            plain, secured = (asked(strict, node, f"{scheme}://{where}{path}") for scheme in ("http", "https"))
            if port == 80:
                assert plain == "308", "leads to HTTPS and does nothing else"
            elif port == 443:
                assert plain == "400"
                for route in CLOSED_ROUTES:
                    assert asked(strict, node, f"https://{where}{route}") == "401", route
            elif port == 61002:
                assert (plain, secured) == ("400", "400"), "nginx says what is missing: TLS, a certificate"
            elif port in CHECKS_TOKENS:
                assert (plain, secured) == ("000", "401"), where
                if port == 5051:
                    for way in (
                        "/state",
                        "/api/v1",
                        "/slave(1)/api/v1",
                        "/api/v1/executor",
                        "/api/v1/executor/../state",
                    ):
                        said = asked(strict, node, f"https://{where}{way}", "--path-as-is -X POST")
                        assert said in ("401", "404"), way
            else:
                assert (plain, secured) == ("000", "000"), where


def test_the_certificate_of_an_agent_opens_what_agents_need_and_no_more(strict: LocalCluster) -> None:
    """Somebody who took a machine over does not rule the cluster."""
    master = strict.ip("master1")
    own = "--cert /var/lib/dcos/pki/dcos-net.pem"

    def may(path: str, *flags: str) -> str:
        return asked(strict, "agent1", f"https://{master}:{path}", own, *flags, user="root")

    assert may("5050/version") == "200"
    call = json.dumps({"type": "GET_AGENTS"})
    assert may("5050/api/v1", "-H 'Content-Type: application/json'", f"-d '{call}'") == "200"
    for path in ("5050/teardown", "5050/api/v1/scheduler", "5050/machine/down", "5050/quota"):
        assert may(path, "-X POST") == "403", path
    assert may("8181/exhibitor/v1/cluster/status") == "200", "who the masters are"
    for path in (
        "8181/exhibitor/v1/cluster/restart/x",
        "8181/exhibitor/v1/cluster/list",
        "8123/v1/version",
        "1050/system/health/v1",
    ):
        assert may(path) == "403", path
    other = asked(strict, "agent1", f"https://{strict.ip('agent1')}:61002/", own, user="root")
    assert other == "403", "nor does one agent ask another's Admin Router"


def test_a_renewal_is_taken_by_all_services_while_they_run(strict: LocalCluster) -> None:
    token = strict.token()
    before = strict.sh("master1", "systemctl show -p MainPID --value dcos-mesos-master dcos-adminrouter dcos-marathon")
    renew = "set -a; . /opt/mesosphere/etc/certificates; dcos-shell dcos-certificates --renew"
    for node in ("master1", "agent1"):
        strict.sh(node, f"PATH=/opt/mesosphere/bin:$PATH; {renew}", timeout_s=120)

    def shown(port: int) -> str:
        return "".join(ssl.get_server_certificate((strict.ip("master1"), port), timeout=30).split())

    def on_disk(service: str) -> str:
        text = strict.sh("master1", f"cat /var/lib/dcos/pki/{service}.pem")
        return "".join(text.partition("-----END PRIVATE KEY-----")[2].split())

    for port, service in ((443, "dcos-adminrouter"), (5050, "dcos-mesos-master"), (8080, "dcos-marathon")):
        eventually(f"{service} shows it", lambda p=port, s=service: shown(p) == on_disk(s), within_s=240)
    after = strict.sh("master1", "systemctl show -p MainPID --value dcos-mesos-master dcos-adminrouter dcos-marathon")
    assert after == before, "nobody was started anew"
    assert strict.get("/service/hello-world/", token=token).status == 200


def test_logs_of_units_and_of_a_task_are_read_with_a_token(strict: LocalCluster) -> None:
    """The log services ask Admin Router and the agent over TLS, as whoever asks them."""
    token = strict.token()
    tasks = strict.get("/mesos/tasks", token=token).json()["tasks"]
    task = next(one for one in tasks if one["name"] == "hello-world" and one["state"] == "TASK_RUNNING")
    here = f"/system/v1/agent/{task['slave_id']}/logs"
    for path in ("/system/v1/logs", here):
        answer = strict.get(f"{path}/v2/component/dcos-net?skip=-2", token=token)
        assert (answer.status, len(answer.text.splitlines())) == (200, 2), answer.text
    moved = strict.get(f"/system/v1/logs/v2/task/{task['id']}/file/stderr?cursor=END&skip=-3", token=token)
    assert moved.status == 303, moved.text
    answer = strict.get(moved.headers["Location"], token=token)
    assert answer.status == 200, answer.text
    for path in ("/system/v1/logs/v2/component", f"{here}/v2/component", moved.headers["Location"]):
        assert strict.get(path).status == 401


def test_metrics_and_bundles_are_made_over_tls(strict: LocalCluster) -> None:
    """What measures and collects asks with its certificates; nothing of it needs a token of its own."""
    token = strict.token()
    (agent,) = strict.get("/mesos/slaves", token=token).json()["slaves"]
    path = f"/system/v1/agent/{agent['id']}/metrics/v0/containers"

    def measured() -> bool:
        found = [strict.get(f"{path}/{id}", token=token).json() for id in strict.get(path, token=token).json()]
        return any(one["dimensions"].get("task_name") == "hello-world" for one in found)

    eventually("its container is measured", measured, within_s=120)
    url = f"{strict.scheme}://{strict.ip('master1')}/system/health/v1/diagnostics/strict-{time.time_ns()}"
    assert strict.http(url, token=token, method="PUT", body={}).status == 200
    eventually("the bundle is done", lambda: strict.http(url, token=token).json()["status"] == "Done", within_s=300)
    made = strict.http(url, token=token).json()
    assert made["errors"] == []
    file = f"/var/lib/dcos/dcos-diagnostics/diag-bundles/{made['id']}/file.zip"
    names = strict.sh("master1", f"python3 -m zipfile -l {file}")
    for name in (
        "dcos-mesos-master/state.json",
        "dcos-exhibitor/cluster_status.json",
        "units/dcos-marathon.service.log",
    ):
        assert f"{strict.ip('master1')}_master/{name}" in names
    assert f"{strict.ip('agent1')}_agent/dcos-mesos-slave/state.json" in names
