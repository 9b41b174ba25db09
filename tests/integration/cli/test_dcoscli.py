"""The official ``dcos`` command line from PyPI (see ``conftest.py``) against our services, through Admin Router: every command of
``dcos marathon``, ``job``, ``node``, ``service`` and ``task``."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from dcos.testing.processes import Processes
from dcos.testing.zookeeper import why_not
from tests.integration.cli.conftest import Cli

NO_NGINX = None if shutil.which("nginx") else "no nginx on PATH (nginx-light)"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif((why_not() or NO_NGINX) is not None, reason=str(why_not() or NO_NGINX)),
]
MARKER = str(4_000_000 + os.getpid())
"""How long the tasks' processes sleep: they end with the cluster's tasks."""

APP = {
    "id": "/sleeper",
    "cmd": "echo hello from the task; echo trouble >&2; for n in $(seq 1000); do echo $n >> seconds; sleep 1; done",
    "cpus": 0.1,
    "mem": 32,
    "instances": 1,
    "labels": {"DCOS_PACKAGE_FRAMEWORK_NAME": "sleepers"},
}


def _settled(cli: Cli, cluster: Processes) -> None:
    cluster.eventually("no deployment is left", lambda: cluster.get("marathon", "/v2/deployments") == [])


def test_apps_groups_and_deployments(cli: Cli, cluster: Processes) -> None:
    app = {"id": "/shop/web", "cmd": f"exec sleep {MARKER}", "cpus": 0.1, "mem": 16, "backoffSeconds": 0}
    assert "Created deployment" in cli.ok("marathon", "app", "add", given=json.dumps(app))
    _settled(cli, cluster)
    assert cli.ok("marathon", "app", "list", "--quiet") == "/shop/web\n"
    assert "/shop/web" in cli.ok("marathon", "app", "list")
    assert cli.shown("marathon", "app", "show", "/shop/web")["instances"] == 1
    cli.ok("marathon", "app", "update", "/shop/web", given=json.dumps({"instances": 2, "env": {"A": "b"}}))
    _settled(cli, cluster)
    assert cli.shown("marathon", "app", "show", "shop/web")["env"] == {"A": "b"}
    assert len(cli.json("marathon", "task", "list", "/shop/web")) == 2
    versions = json.loads(cli.ok("marathon", "app", "version", "list", "/shop/web"))
    assert len(versions) == 2
    oldest = cli.shown("marathon", "app", "show", f"--app-version={versions[-1]}", "/shop/web")
    assert (oldest["instances"], "env" in oldest) == (1, False)
    task = cli.json("marathon", "task", "list", "/shop/web")[0]["id"]
    assert cli.shown("marathon", "task", "show", task)["appId"] == "/shop/web"
    assert cli.shown("marathon", "task", "stop", task)["id"] == task
    cluster.eventually(
        "another is there",
        lambda: len(now := {one["id"] for one in cli.json("marathon", "task", "list")}) == 2 and task not in now,
    )
    cli.ok("marathon", "app", "restart", "/shop/web")
    _settled(cli, cluster)
    cli.ok("marathon", "app", "stop", "/shop/web")
    _settled(cli, cluster)
    assert cli.json("marathon", "task", "list") == []
    cli.ok("marathon", "app", "start", "/shop/web", "1")
    _settled(cli, cluster)
    assert "Killed tasks" in cli.ok("marathon", "app", "kill", "/shop/web")

    huge = {**app, "id": "/huge", "cpus": 1000}
    cli.ok("marathon", "app", "add", given=json.dumps(huge))
    (deployment,) = cli.json("marathon", "deployment", "list", "/huge")
    assert deployment["affectedApps"] == ["/huge"]
    assert "/huge" in cli.ok("marathon", "deployment", "list")
    assert "/huge" in cli.ok("marathon", "debug", "list")
    cluster.eventually("it was offered something", lambda: "100" in cli.ok("marathon", "debug", "summary", "/huge"))
    assert "127.0.0.1" in cli.ok("marathon", "debug", "details", "/huge")
    locked = cli.run("marathon", "app", "update", "/huge", "instances=2")
    assert (locked.returncode, locked.stdout) == (1, ""), locked.stderr
    assert "deployment" in locked.stderr
    cli.ok("marathon", "deployment", "rollback", deployment["id"])
    _settled(cli, cluster)
    assert "/huge" not in cli.ok("marathon", "app", "list")

    group = {"id": "/shop2", "apps": [{**app, "id": "one"}], "groups": [{"id": "deep", "apps": [{**app, "id": "two"}]}]}
    cli.ok("marathon", "group", "add", given=json.dumps(group))
    _settled(cli, cluster)
    assert "/shop2" in cli.ok("marathon", "group", "list")
    assert cli.shown("marathon", "group", "show", "/shop2")["apps"][0]["id"] == "/shop2/one"
    cli.ok("marathon", "group", "scale", "/shop2", "2")
    _settled(cli, cluster)
    assert cli.shown("marathon", "app", "show", "/shop2/deep/two")["instances"] == 2
    cli.ok("marathon", "group", "remove", "/shop2")
    cli.ok("marathon", "app", "remove", "/shop/web")
    _settled(cli, cluster)
    missing = cli.run("marathon", "app", "show", "/none")
    assert (missing.returncode, missing.stderr) == (1, "Error: App '/none' does not exist\n")
    assert cli.shown("marathon", "about")["name"] == "marathon"
    assert 'Marathon ping response[1x]: "pong"' in cli.ok("marathon", "ping", "--once")
    assert json.loads(cli.ok("marathon", "leader", "show", "--json"))["ip"] == "127.0.0.1"


def test_the_other_commands_of_marathon(cli: Cli, cluster: Processes) -> None:
    app = {"id": "/shop/web", "cmd": f"exec sleep {MARKER}", "cpus": 0.1, "mem": 16, "backoffSeconds": 0}
    cli.ok("marathon", "app", "add", given=json.dumps({**app, "instances": 2}))
    _settled(cli, cluster)
    cli.ok("marathon", "app", "update", "/shop/web", "cpus=0.05", "mem=24")
    _settled(cli, cluster)
    (listed,) = cli.json("marathon", "app", "list")
    assert (listed["cpus"], listed["mem"]) == (0.05, 24)
    assert cli.shown("marathon", "app", "show", "--app-version=-1", "/shop/web")["cpus"] == 0.1
    versions = json.loads(cli.ok("marathon", "app", "version", "list", "--max-count=1", "/shop/web"))
    assert len(versions) == 1

    def tasks() -> list[str]:
        return [one["id"] for one in cli.json("marathon", "task", "list") if one["state"] == "TASK_RUNNING"]

    cluster.eventually("both run", lambda: len(tasks()) == 2)
    first, second = tasks()
    assert set(cli.ok("marathon", "task", "list", "--quiet", "/shop/web").split()) == {first, second}
    killed = json.loads(cli.ok("marathon", "task", "kill", "--scale", "--json", first))
    assert "deploymentId" in killed
    _settled(cli, cluster)
    assert tasks() == [second]
    assert second in cli.ok("marathon", "task", "kill", second)
    cluster.eventually("another runs", lambda: len(now := tasks()) == 1 and second not in now)
    (third,) = tasks()
    assert cli.shown("marathon", "task", "stop", "--wipe", third)["id"] == third
    cluster.eventually("yet another runs", lambda: len(now := tasks()) == 1 and third not in now)
    cli.ok("marathon", "app", "kill", "--host=127.0.0.1", "/shop/web")
    assert "Started deployment" in cli.ok("marathon", "app", "kill", "--scale", "/shop/web")
    _settled(cli, cluster)
    assert cli.shown("marathon", "app", "show", "/shop/web")["instances"] == 0

    cli.ok("marathon", "app", "add", given=json.dumps({**app, "id": "/huge", "cpus": 1000}))
    (deployment,) = cli.ok("marathon", "deployment", "list", "--quiet").split()
    assert deployment in cli.ok("marathon", "deployment", "watch", "--max-count=2", "--interval=0", deployment)
    assert cli.json("marathon", "debug", "list")[0]["app"]["id"] == "/huge"
    cluster.eventually("it was offered something", lambda: cli.json("marathon", "debug", "details", "/huge"))
    assert cli.json("marathon", "debug", "summary", "/huge")
    cli.ok("marathon", "deployment", "stop", deployment)
    _settled(cli, cluster)
    cli.ok("marathon", "app", "remove", "--force", "/huge")
    _settled(cli, cluster)

    cli.ok("marathon", "group", "update", "/shop", "dependencies=[]")
    _settled(cli, cluster)
    small = {"apps": [{**app, "instances": 0}]}
    cli.ok("marathon", "group", "update", "/shop", given=json.dumps(small))
    _settled(cli, cluster)
    assert cli.shown("marathon", "group", "show", "/shop")["apps"][0]["cpus"] == 0.1
    version = f"--group-version={cluster.get('marathon', '/v2/groups/shop/versions')[1]}"
    assert cli.shown("marathon", "group", "show", version, "/shop")["apps"][0]["cpus"] == 0.05
    cli.ok("marathon", "group", "remove", "--force", "/shop")
    _settled(cli, cluster)
    assert cli.json("marathon", "plugin", "list") == {"plugins": []}
    for words in (("--info",), ("--version",), ("--config-schema",), ("--help",)):
        assert cli.ok("marathon", *words).strip()


def _written(path: Path, what: object) -> str:
    path.write_text(json.dumps(what))
    return str(path)


def test_definitions_from_files_and_by_force(cli: Cli, cluster: Processes, tmp_path: Path) -> None:
    app = {"id": "/filed/web", "cmd": f"exec sleep {MARKER}", "cpus": 0.1, "mem": 16, "backoffSeconds": 0}
    assert "Created deployment" in cli.ok("marathon", "app", "add", _written(tmp_path / "app.json", app))
    _settled(cli, cluster)
    for words in (
        *(("restart",), ("stop",), ("start",)),
        ("update", "instances=2", "mem=24"),
    ):
        verb, *properties = words
        cli.ok("marathon", "app", verb, "--force", "/filed/web", *properties)
        _settled(cli, cluster)
    shown = cli.shown("marathon", "app", "show", "/filed/web")
    assert (shown["instances"], shown["mem"]) == (2, 24)
    cluster.eventually("both run", lambda: cli.ok("marathon", "task", "list").count("/filed/web") == 2)
    first, second = cli.ok("marathon", "task", "list", "--quiet").split()
    killed = cli.ok("marathon", "task", "kill", "--wipe", first, second)
    assert first in killed
    assert second in killed
    cluster.eventually(
        "others run",
        lambda: {first, second}.isdisjoint(now := cli.ok("marathon", "task", "list", "-q").split()) and now,
    )
    unknown = cli.run("marathon", "task", "show", first)
    assert (unknown.returncode, unknown.stderr) == (1, f"Task '{first}' does not exist\n")
    cli.ok("marathon", "app", "remove", "/filed/web")
    _settled(cli, cluster)

    group = {"id": "/filed2", "apps": [{**app, "id": "one"}]}
    cli.ok("marathon", "group", "add", _written(tmp_path / "group.json", group))
    _settled(cli, cluster)
    assert "/filed2" in [one["id"] for one in cli.json("marathon", "group", "list")]
    cli.ok("marathon", "group", "scale", "--force", "/filed2", "0")
    _settled(cli, cluster)
    assert cli.shown("marathon", "app", "show", "/filed2/one")["instances"] == 0
    cli.ok("marathon", "group", "update", "--force", "/filed2", given=json.dumps({"apps": []}))
    _settled(cli, cluster)
    assert cli.shown("marathon", "group", "show", "/filed2")["apps"] == []
    cli.ok("marathon", "group", "remove", "/filed2")
    _settled(cli, cluster)


def test_what_is_wrong_is_told(cli: Cli) -> None:
    bad = cli.run("marathon", "app", "add", given=json.dumps({"id": "/bad", "cmd": "sleep 1", "cpus": -1}))
    assert bad.returncode == 1
    assert "error.min" in bad.stderr
    assert "/cpus" in bad.stderr
    bad = cli.run("marathon", "pod", "kill", "/none")
    assert (bad.returncode, bad.stderr) == (1, "Please provide at least one pod instance ID\n")
    bad = cli.run("job", "show", "none")
    assert (bad.returncode, bad.stderr) == (1, "Error: Job not found\n")


def test_the_leader_gives_up(cli: Cli, cluster: Processes) -> None:
    assert "127.0.0.1" in cli.ok("marathon", "leader", "show")
    assert 'Marathon ping response[1x]: "pong"' in cli.ok("marathon", "ping")
    assert cli.ok("marathon", "plugin", "list").strip() == ""
    cli.ok("marathon", "app", "add", given=json.dumps({"id": "/stays", "cmd": "sleep 1", "instances": 0}))
    assert cli.ok("marathon", "leader", "delete") == "Leadership abdicated\n"
    assert cluster.ended("marathon") != 0, "its unit starts it again"
    cluster.start_marathon()
    cluster.eventually("another leads", lambda: "/stays\n" in cli.run("marathon", "app", "list", "--quiet").stdout)
    cli.ok("marathon", "app", "remove", "/stays")
    _settled(cli, cluster)


def test_pods(cli: Cli, cluster: Processes, tmp_path: Path) -> None:
    container = {
        "name": "one",
        "exec": {"command": {"shell": f"exec sleep {MARKER}"}},
        "resources": {"cpus": 0.1, "mem": 16},
    }
    pod = {"id": "/pod", "containers": [container], "networks": [{"mode": "host"}]}
    cli.ok("marathon", "pod", "add", _written(tmp_path / "pod.json", pod))
    _settled(cli, cluster)
    assert "/pod" in cli.ok("marathon", "pod", "list")
    assert cli.ok("marathon", "pod", "list", "--quiet") == "/pod\n"
    (listed,) = cli.json("marathon", "pod", "list")
    assert listed["status"] == "STABLE"
    shown = cli.shown("marathon", "pod", "show", "/pod")
    assert [one["status"] for one in shown["instances"]] == ["STABLE"]
    cli.ok("marathon", "pod", "update", "/pod", given=json.dumps({**pod, "scaling": {"kind": "fixed", "instances": 2}}))
    _settled(cli, cluster)
    assert len(cli.shown("marathon", "pod", "show", "/pod")["instances"]) == 2
    cli.ok("marathon", "pod", "kill", "/pod", shown["instances"][0]["id"])
    given = json.dumps({**pod, "labels": {"a": "b"}})
    cli.ok("marathon", "pod", "update", "--force", "/pod", given=given)
    _settled(cli, cluster)
    assert cli.shown("marathon", "pod", "show", "/pod")["spec"]["labels"] == {"a": "b"}
    cli.ok("marathon", "pod", "remove", "--force", "/pod")
    _settled(cli, cluster)


def test_jobs(cli: Cli, cluster: Processes, tmp_path: Path) -> None:
    job = {"id": "tests.count", "run": {"cpus": 0.1, "mem": 32, "disk": 0, "cmd": "echo counted"}}

    def write(what: object) -> str:
        return _written(tmp_path / "job.json", what)

    cli.ok("job", "add", write(job))
    assert cli.ok("job", "list", "--quiet") == "tests.count\n"
    assert [one["id"] for one in cli.json("job", "list")] == ["tests.count"]
    assert "Nothing running for 'tests.count'" in cli.ok("job", "show", "runs", "tests.count")
    assert "tests.count" in cli.ok("job", "list")
    assert cli.shown("job", "show", "tests.count")["run"]["cmd"] == "echo counted"
    run = json.loads(cli.ok("job", "run", "tests.count", "--json"))
    assert run["jobId"] == "tests.count"
    cluster.eventually(
        "it ended well", lambda: "tests.count" in cli.ok("job", "list") and _history(cluster)["successCount"] == 1
    )
    assert run["id"] in cli.ok("job", "history", "tests.count")
    assert [one["id"] for one in cli.json("job", "history", "tests.count")] == [run["id"]]
    assert cli.ok("job", "history", "tests.count", "--quiet", "--last") == f"{run['id']}\n"
    cli.ok("job", "update", write({**job, "description": "it counts"}))
    assert cli.shown("job", "show", "tests.count")["description"] == "it counts"
    schedule = {"id": "nightly", "cron": "0 3 * * *", "timezone": "Europe/Berlin"}
    cli.ok("job", "schedule", "add", "tests.count", write(schedule))
    assert "nightly" in cli.ok("job", "schedule", "show", "tests.count")
    cli.ok("job", "schedule", "update", "tests.count", write({**schedule, "cron": "30 4 * * *"}))
    assert cli.json("job", "schedule", "show", "tests.count")[0]["cron"] == "30 4 * * *"
    cli.ok("job", "schedule", "remove", "tests.count", "nightly")

    cli.ok("job", "update", write({**job, "run": {**job["run"], "cmd": f"exec sleep {MARKER}"}}))  # type: ignore[dict-item]
    cli.ok("job", "run", "tests.count")
    cluster.eventually("it runs", lambda: cli.json("job", "show", "runs", "tests.count")[0]["status"] == "ACTIVE")
    active = cli.ok("job", "show", "runs", "tests.count", "--quiet").strip()
    assert active in cli.ok("job", "show", "runs", "tests.count")
    assert cli.json("job", "show", "runs", "tests.count", "--run-id", active)["id"] == active
    assert cli.run("job", "remove", "tests.count").returncode == 1
    assert cli.ok("job", "kill", "tests.count", active) == f"Run '{active}' for job 'tests.count' killed.\n"
    cluster.eventually("it was stopped", lambda: _history(cluster)["failureCount"] == 1)
    assert active in cli.ok("job", "history", "tests.count", "--failures")
    cli.ok("job", "run", "tests.count")
    cluster.eventually("another runs", lambda: cli.json("job", "show", "runs", "tests.count")[0]["status"] == "ACTIVE")
    cli.ok("job", "kill", "tests.count", "--all")
    cluster.eventually("it was stopped, too", lambda: _history(cluster)["failureCount"] == 2)
    cli.ok("job", "remove", "tests.count", "--stop-current-job-runs")
    assert "tests.count" not in cli.ok("job", "list")
    for words in (("--info",), ("--version",), ("--config-schema",), ("--help",)):
        assert cli.ok("job", *words).strip()


def _history(cluster: Processes) -> Any:
    return cluster.get("metronome", "/v1/jobs/tests.count?embed=history")["history"]


def test_node_service_and_task_to_the_end(cli: Cli, cluster: Processes) -> None:
    agents = [one for one in cli.json("node") if one["type"] == "agent"]
    (agent,) = agents
    assert agent["hostname"] == "127.0.0.1"
    table = cli.ok("node")
    assert agent["id"] in table
    assert "master (leader)" in table

    assert cli.json("node", "dns", "leader.mesos") == [{"host": "leader.mesos.", "ip": "127.0.0.1"}]
    assert "127.0.0.1" in cli.ok("node", "dns", "marathon.mesos")
    assert agent["pid"] in cli.ok("node", "--field=pid")
    cluster.eventually("units are known", lambda: cli.run("node", "list-components", "--leader").returncode == 0)
    assert "dcos-marathon.service" in cli.ok("node", "list-components", "--leader").split()
    health = {one["id"]: one["health"] for one in cli.json("node", "list-components", "--leader")}
    assert (health["dcos-marathon.service"], health["dcos-bouncer.service"]) == (0, 1)

    services = cli.json("service")
    (marathon,) = [one for one in services if one["name"] == "marathon"]
    assert "marathon" in cli.ok("service")

    cli.ok("marathon", "app", "add", given=json.dumps(APP))
    cluster.eventually("the task runs", lambda: "TASK_RUNNING" in cli.run("task", "--json").stdout)
    (task,) = cli.json("task", "sleeper")
    assert task["state"] == "TASK_RUNNING"
    assert task["slave_id"] == agent["id"]
    assert task["id"] in cli.ok("task")
    cluster.eventually("it has spoken", lambda: "hello from the task" in cli.run("task", "log", "sleeper").stdout)
    assert "trouble" in cli.ok("task", "log", "sleeper", "stderr")
    assert "hello from the task" in cli.ok("service", "log", "sleepers")
    listed = cli.ok("task", "ls", "sleeper")
    assert {"stdout", "stderr"} <= set(listed.split())
    assert "-rw" in cli.ok("task", "ls", "--long", "sleeper")

    done = cli.run("task", "exec", "sleeper", "sh", "-c", "echo inside; echo aside >&2")
    assert (done.stdout, done.stderr, done.returncode) == ("inside\n", "aside\n", 0)
    assert cli.ok("task", "exec", "--interactive", "sleeper", "cat", given="to and fro\n") == "to and fro\n"
    assert cli.on_terminal(b"", "task", "exec", "--tty", "sleeper", "tty").startswith(b"/dev/")
    shell = cli.on_terminal(b"echo $((40 + 2))\rexit 3\r", "task", "exec", "--interactive", "--tty", "sleeper", "sh")
    assert b"\r\n42\r\n" in shell
    with cli.started("task", "log", "--follow", "--lines=1", "sleeper", "seconds") as follower:
        assert follower.stdout is not None
        numbers = [int(follower.stdout.readline()) for _ in range(3)]
        assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]

    cli.ok("marathon", "app", "remove", "sleeper")
    cluster.eventually("the task is over", lambda: "sleeper" in cli.run("task", "--completed").stdout)
    assert cli.json("task", "sleeper") == []
    assert task["id"] in [one["id"] for one in cli.json("task", "--all")]
    assert "hello from the task" in cli.ok("task", "log", "--completed", "sleeper")
    assert {"stdout", "stderr"} <= set(cli.ok("task", "ls", "--completed", "sleeper").split())

    cluster.stop("marathon", signal.SIGKILL)
    cluster.eventually("it is away", lambda: "marathon" not in [one["name"] for one in cli.json("service")])
    away = {one["name"]: one["active"] for one in cli.json("service", "--inactive")}
    assert (away["marathon"], away["metronome"]) == (False, True)
    cli.ok("service", "shutdown", marathon["id"])
    cluster.eventually("it is gone", lambda: cluster.get("master", "/frameworks")["completed_frameworks"])
    assert marathon["id"] not in [one["id"] for one in cli.json("service", "--inactive")]
    assert marathon["id"] in [one["id"] for one in cli.json("service", "--completed")]
    assert marathon["id"] in cli.ok("service", "--completed")
    cli.ok("node", "decommission", agent["id"])
    assert cluster.get("master", "/slaves")["slaves"] == []
