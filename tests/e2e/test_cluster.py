"""What a running cluster promises, on real nodes. The tests share one cluster and run in this order."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from dcos.registry import SERVICES, NodeRole, Service
from dcos.testing.cluster import Failed, LocalCluster, eventually, http

pytestmark = pytest.mark.e2e

HELLO = "/service/hello-world/"
VIP_URL = "http://hello-world.marathon.l4lb.thisdcos.directory:80/"
NODE_OF = {NodeRole.MASTER: "master1", NodeRole.AGENT: "agent1", NodeRole.PUBLIC_AGENT: "public1"}


def hello_answers(cluster: LocalCluster) -> bool:
    answer = cluster.get(HELLO, token=cluster.token())
    if answer.status != 200 or "Hello" not in answer.text:
        raise Failed(f"{answer.status} {answer.text[:300]}")
    return True


def hello_tasks(cluster: LocalCluster) -> list[dict[str, object]]:
    answer = cluster.get("/marathon/v2/apps//hello-world/tasks", token=cluster.token())
    tasks: list[dict[str, object]] = answer.json()["tasks"]
    return tasks


def hello_pids(cluster: LocalCluster) -> list[str]:
    """Process ids of hello-world's own process(es) on the agent."""
    found = cluster.sh("agent1", "pgrep -f '[h]ello-world.py|[h]ello_world|[h]ello-world/server' || true").split()
    if not found:
        raise Failed("no hello-world process on agent1")
    return sorted(found)


def settled(cluster: LocalCluster) -> list[str]:
    """hello-world runs exactly as often as wanted and answers; its processes."""
    eventually("hello-world answers", lambda: hello_answers(cluster), within_s=120)
    eventually("one running task", lambda: len(hello_tasks(cluster)) == 1, within_s=120)
    return hello_pids(cluster)


def main_pid(cluster: LocalCluster, node: str, unit: str) -> int:
    return int(cluster.sh(node, f"systemctl show -p MainPID --value {unit}"))


def rows() -> list[tuple[str, Service]]:
    return [(NODE_OF[role], row) for role in NodeRole for row in SERVICES if role in row.on]


def long_running() -> list[tuple[str, Service]]:
    return [(node, row) for node, row in rows() if not row.timer and row.unit != "oneshot.service.in"]


# ---- 1: up -----------------------------------------------------------------------------------------------------------


def test_every_unit_is_active(cluster: LocalCluster) -> None:
    for node, row in long_running():
        eventually(
            f"{row.name} on {node}",
            lambda n=node, r=row: cluster.is_active(n, f"{r.name}.service"),
            within_s=120,
        )
    for node, row in rows():
        if row.timer:
            assert cluster.is_active(node, f"{row.name}.timer"), (node, row.name)


def test_the_web_interface_comes_with_the_package(cluster: LocalCluster) -> None:
    page = cluster.get("/")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    asset = re.findall(r"/assets/[^\"]+\.js", page.text)[0]
    script = cluster.get(asset)
    assert script.status == 200
    assert "immutable" in script.headers["Cache-Control"]


def test_status_says_healthy(cluster: LocalCluster) -> None:
    eventually("dcos status is 0", cluster.healthy, within_s=120)
    text = cluster.dcos("status").stdout
    for node in cluster.nodes():
        assert cluster.ip(node) in text


def test_hello_world_answers_through_admin_router(cluster: LocalCluster) -> None:
    eventually("hello-world through Admin Router", lambda: hello_answers(cluster), within_s=120)
    without_slash = cluster.get(HELLO.rstrip("/"), token=cluster.token())
    assert without_slash.status == 301
    assert without_slash.headers["Location"] == HELLO


@pytest.mark.parametrize("node", ["master1", "public1"])
def test_hello_world_answers_by_its_mesos_dns_name(cluster: LocalCluster, node: str) -> None:
    port = hello_tasks(cluster)[0]["ports"][0]  # type: ignore[index]
    assert "Hello" in eventually(
        "by name",
        lambda: cluster.sh(node, f"curl -sf -m 5 http://hello-world.marathon.mesos:{port}/"),
        within_s=120,
    )


@pytest.mark.parametrize("node", ["master1", "public1", "agent1"])
def test_hello_world_answers_by_its_vip_name(cluster: LocalCluster, node: str) -> None:
    """From other nodes, and from the backend's own (hairpin)."""
    assert "Hello" in eventually("by VIP", lambda: cluster.sh(node, f"curl -sf -m 5 {VIP_URL}"), within_s=120)


def test_leader_names_resolve_everywhere(cluster: LocalCluster) -> None:
    for node in cluster.nodes():
        for name in ("leader.mesos", "master.mesos", "ready.spartan"):
            assert cluster.sh(node, f"getent ahostsv4 {name}").strip(), (node, name)


def test_a_second_install_changes_nothing(cluster: LocalCluster) -> None:
    before = main_pid(cluster, "agent1", "dcos-mesos-slave.service")
    text = cluster.local(
        "up", "--driver=nspawn", "--masters=1", "--agents=1", "--public-agents=2", timeout_s=600
    ).stdout
    assert main_pid(cluster, "agent1", "dcos-mesos-slave.service") == before, text


# ---- 6: closed doors -------------------------------------------------------------------------------------------------

PROTECTED = (
    "/mesos/state", "/marathon/v2/apps", HELLO, "/package/search", "/capabilities", "/acs/api/v1/users", "/exhibitor/",
    "/mesos_dns/v1/version", "/net/v1/vips", "/system/health/v1", "/system/health/v1/nodes", "/metadata",
    "/pkgpanda/active.buildinfo.full.json", "/agent/x/state", "/slave/x/state", "/cosmos/service/describe",
    "/system/v1/agent/x/logs", "/system/v1/leader/mesos/x", "/navstar/lashup/key", "/dcos-metadata/bootstrap-config.json",
)  # fmt: skip
OPEN = (
    "/", "/dcos-metadata/dcos-version.json", "/dcos-metadata/ui-config.json", "/acs/api/v1/auth/jwks",
    "/acs/api/v1/auth/providers",    "/exhibitor/exhibitor/v1/cluster/status", "/cache/master/state-summary", "/nginx/status",
)  # fmt: skip


@pytest.mark.parametrize("path", PROTECTED)
def test_no_or_bad_token_is_401(cluster: LocalCluster, path: str) -> None:
    for token in (None, "x.y.z", cluster.token()[:-6] + "AAAAAA"):
        answer = cluster.get(path, token=token)
        assert answer.status == 401, (path, token and "bad", answer.text[:200])
        assert answer.headers["WWW-Authenticate"] == "oauthjwt"


@pytest.mark.parametrize("path", OPEN)
def test_open_routes_need_no_token(cluster: LocalCluster, path: str) -> None:
    assert cluster.get(path).status == 200


def test_wrong_password_does_not_say_which_part_was_wrong(cluster: LocalCluster) -> None:
    url = f"http://{cluster.ip('master1')}/acs/api/v1/auth/login"
    answers = [
        http(url, method="POST", body={"uid": uid, "password": "wrong-password"})
        for uid in (cluster.facts["admin"], "nobody-here")
    ]
    assert [answer.status for answer in answers] == [401, 401]
    assert answers[0].text == answers[1].text


def test_nothing_listens_where_it_need_not(cluster: LocalCluster) -> None:
    """Every TCP and UDP listener of ours is a row of the service table, on the addresses that the row names."""
    ours = re.compile(r'users:\(\("(python3?|dcos[^"]*|nginx|java)"')
    for role, node in NODE_OF.items():
        ip = cluster.ip(node)
        wanted: set[tuple[str, str, int]] = set()
        for row in SERVICES:
            for port in row.ports if role in row.on else ():
                binds = {"loopback": ["127.0.0.1"], "node": [ip], "any": ["*"]}.get(port.bind, port.bind.split(","))
                if port.on_masters is not None and role is NodeRole.MASTER:
                    assert port.on_masters[0] == "any"
                    binds = ["*"]
                wanted |= {(protocol, bind, port.number) for protocol in port.protocols for bind in binds}
        for line in cluster.sh(node, "ss -Hlntup").splitlines():
            protocol, _, _, _, local = line.split()[:5]
            address, _, number = local.rpartition(":")
            address = address.split("%")[0].strip("[]").removeprefix("::ffff:")
            if not ours.search(line) or (protocol == "udp" and int(number) > 32767 and address not in ("0.0.0.0", "*")):
                continue
            if is_task_port(cluster, int(number)):
                continue
            anywhere = address in ("0.0.0.0", "*", "::")
            allowed = {bind for kind, bind, port in wanted if kind == protocol and port == int(number)}
            assert "*" in allowed or (
                not anywhere and (address in allowed or (address == "127.0.0.1" and ip in allowed))
            ), f"{node}: {line}"


def is_task_port(cluster: LocalCluster, port: int) -> bool:
    return any(port in task["ports"] for task in hello_tasks(cluster))  # type: ignore[operator]


def test_secrets_are_for_their_owner_only(cluster: LocalCluster) -> None:
    loose = cluster.sh(
        "master1",
        "setpriv --reuid=65534 --regid=65534 --clear-groups "
        "grep -rlE 'PRIVATE KEY|argon2id' /opt/mesosphere/etc /etc/mesosphere /var/lib/dcos /run/dcos 2>/dev/null || true",
    )
    assert loose.strip() == ""
    assert cluster.password not in cluster.sh("master1", "cat /proc/*/cmdline | tr '\\0' ' '; journalctl --no-pager -q")


# ---- networks of containers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["mesos-bridge", "dcos"])
def test_an_app_with_an_address_of_its_own(cluster: LocalCluster, tmp_path: Path, network: str) -> None:
    """On the agent's bridge by its ports, on the overlay by its address, on both by a VIP: from every node. It finds names."""
    name, bridge = f"e2e-{network}", network == "mesos-bridge"
    mapping = {"containerPort": 8000, "labels": {"VIP_0": f"/{name}:80"}}
    command = "getent ahostsv4 leader.mesos >index.html && exec python3 -m http.server 8000"
    joined = {"mode": "container/bridge"} if bridge else {"mode": "container", "name": network}
    container = {"type": "MESOS", "portMappings": [mapping]}
    app = {"id": f"/{name}", "cmd": command, "cpus": 0.1, "mem": 64, "container": container, "networks": [joined]}
    file = tmp_path / "app.json"
    file.write_text(json.dumps(app))
    cluster.dcos("marathon", "app", "add", str(file))

    def running() -> dict[str, Any]:
        answer = cluster.get(f"/marathon/v2/apps//{name}/tasks", token=cluster.token())
        (task,) = (one for one in answer.json()["tasks"] if one["state"] == "TASK_RUNNING")
        return dict(task)

    task = eventually("it runs", running, within_s=120)
    address = task["ipAddresses"][0]["ipAddress"]
    assert address.startswith("172.31.254." if bridge else "9.0.")
    direct = f"{task['host']}:{task['ports'][0]}" if bridge else f"{address}:8000"
    for node in cluster.nodes():
        for at in (direct, f"{name}.marathon.l4lb.thisdcos.directory"):
            answer = eventually(f"{at} from {node}", lambda n=node, a=at: fetched(cluster, n, a), within_s=120)
            assert cluster.ip("master1") in answer
    cluster.dcos("marathon", "app", "remove", f"/{name}")


def fetched(cluster: LocalCluster, node: str, at: str) -> str:
    return cluster.sh(node, f"curl -sf -m 5 http://{at}/")


# ---- 3: tasks outlive the agent --------------------------------------------------------------------------------------


def test_restarting_the_agent_leaves_tasks_alone(cluster: LocalCluster) -> None:
    before, task = settled(cluster), hello_tasks(cluster)[0]["id"]
    cluster.sh("agent1", "systemctl restart dcos-mesos-slave")
    eventually("agent is back", lambda: registered(cluster, "agent1"), within_s=120)
    assert settled(cluster) == before
    assert hello_tasks(cluster)[0]["id"] == task


def registered(cluster: LocalCluster, node: str) -> bool:
    state = cluster.get("/mesos/slaves", token=cluster.token()).json()
    return any(one["hostname"] == cluster.ip(node) and one["active"] for one in state["slaves"])


def test_a_killed_task_is_replaced(cluster: LocalCluster) -> None:
    before, task = settled(cluster), hello_tasks(cluster)[0]["id"]
    cluster.sh("agent1", f"kill -9 {' '.join(before)}")
    eventually("another task", lambda: [t["id"] for t in hello_tasks(cluster)] not in ([], [task]), within_s=120)
    assert not set(settled(cluster)) & set(before)


# ---- 2: kill -9 of anything ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("node", "row"), long_running(), ids=[f"{node}-{row.name}" for node, row in long_running()])
def test_kill_9_of_a_service(cluster: LocalCluster, node: str, row: Service) -> None:
    before = settled(cluster)
    unit = f"{row.name}.service"
    old = main_pid(cluster, node, unit)
    cluster.sh(node, f"kill -9 {old}")
    eventually(
        f"{unit} active again with another process",
        lambda: cluster.is_active(node, unit) and main_pid(cluster, node, unit) not in (0, old),
        within_s=120,
    )
    eventually("the app answers", lambda: hello_answers(cluster), within_s=120)
    assert hello_pids(cluster) == before


# ---- 5: everything off and on ----------------------------------------------------------------------------------------


def test_kill_9_of_zookeeper_loses_nothing(cluster: LocalCluster) -> None:
    before = settled(cluster)
    apps = app_ids(cluster)
    cluster.sh("master1", "pkill -9 -f '[Q]uorumPeerMain'")
    eventually("status is healthy", cluster.healthy, within_s=120)
    eventually("the same apps", lambda: app_ids(cluster) == apps, within_s=120)
    assert settled(cluster) == before


def app_ids(cluster: LocalCluster) -> list[str]:
    return sorted(app["id"] for app in cluster.dcos_json("marathon", "app", "list"))


def ours_running(cluster: LocalCluster, node: str) -> str:
    """Units not inactive, and processes, of ours."""
    units = "systemctl list-units --no-legend --plain --state=active,activating,deactivating 'dcos-*.service' 'dcos-*.timer'"
    return cluster.sh(node, f"{units}; pgrep -fa '[Q]uorumPeerMain|[n]ginx|[/]opt/mesosphere' || true").strip()


def test_stop_and_start_of_the_target(cluster: LocalCluster) -> None:
    settled(cluster)
    apps = app_ids(cluster)
    cluster.sh("master1", "systemctl stop dcos.target", timeout_s=300)
    eventually("everything of ours is gone", lambda: not ours_running(cluster, "master1"), within_s=120)
    cluster.sh("master1", "systemctl start dcos.target", timeout_s=300)
    eventually("status is healthy", cluster.healthy, within_s=120)
    eventually("the same apps", lambda: app_ids(cluster) == apps, within_s=120)
    settled(cluster)


# ---- 4: power off and on ---------------------------------------------------------------------------------------------


def test_a_node_that_was_powered_off_rejoins(cluster: LocalCluster) -> None:
    settled(cluster)
    cluster.local("stop", "agent1")
    time.sleep(5)
    cluster.local("start", "agent1", timeout_s=300)
    eventually("agent1 registered", lambda: registered(cluster, "agent1"), within_s=120)
    eventually("hello-world answers", lambda: hello_answers(cluster), within_s=120)
    pids = settled(cluster)
    time.sleep(10)
    assert settled(cluster) == pids, "still the same, and only one"
    state = json.loads(cluster.get("/mesos/state", token=cluster.token()).text)
    running = [
        t
        for f in state["frameworks"]
        for t in f["tasks"]
        if t["state"] == "TASK_RUNNING" and t["name"] == "hello-world"
    ]
    assert len(running) == 1
    eventually("status is healthy", cluster.healthy, within_s=120)


# ---- jobs ------------------------------------------------------------------------------------------------------------


def test_a_job_runs_by_the_command_line(cluster: LocalCluster, tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    run = {"cpus": 0.1, "mem": 32, "disk": 0, "cmd": "echo from a job"}
    schedule = {"id": "default", "cron": "0 3 * * *", "timezone": "Europe/Berlin"}
    job.write_text(json.dumps({"id": "e2e.greeting", "run": run, "schedules": [schedule]}))
    eventually(
        "added",
        lambda: cluster.dcos("job", "add", str(job), check=False).returncode == 0 or listed(cluster),
        within_s=120,
    )
    cluster.dcos("job", "run", "e2e.greeting")
    eventually(
        "it succeeded", lambda: cluster.dcos("job", "history", "e2e.greeting", "-q").stdout.strip(), within_s=120
    )
    assert cluster.get("/service/metronome/v1/jobs", token=None).status == 401
    cluster.dcos("job", "remove", "e2e.greeting")


def listed(cluster: LocalCluster) -> bool:
    return "e2e.greeting" in cluster.dcos("job", "list", "-q", check=False).stdout


# ---- the command line's life of an app -------------------------------------------------------------------------------


def test_uninstall_and_install_again(cluster: LocalCluster) -> None:
    cluster.dcos("package", "uninstall", "hello-world", "--yes")
    eventually("gone", lambda: "/hello-world" not in cluster.dcos("marathon", "app", "list").stdout, within_s=120)
    cluster.dcos("package", "install", "hello-world", "--yes")
    settled(cluster)
