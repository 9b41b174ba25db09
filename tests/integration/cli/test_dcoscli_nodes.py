"""The official ``dcos`` command line from PyPI (see ``conftest.py``) reads logs from our dcos-log and metrics from our
dcos-telegraf, through the Admin Routers of a master and of an agent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.testing.journald import Journald
from dcos.testing.processes import Processes
from dcos.testing.zookeeper import why_not
from tests.integration.cli.conftest import Cli

NO_NGINX = None if shutil.which("nginx") else "no nginx on PATH (nginx-light)"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif((why_not() or NO_NGINX) is not None, reason=str(why_not() or NO_NGINX)),
]
APP = {
    "id": "/talker",
    "cmd": "echo hello; echo trouble >&2; echo kept > file; n=0; while true; do n=$((n+1)); echo count $n; sleep 0.2; done",
    **{"cpus": 0.1, "mem": 32},
    "labels": {"DCOS_PACKAGE_FRAMEWORK_NAME": "talkers"},
}


@pytest.fixture(scope="module")
def agent(cli: Cli, cluster: Processes) -> Iterator[str]:
    """Mesos id of the agent, where an app talks."""
    cli.ok("marathon", "app", "add", given=json.dumps(APP))
    cluster.eventually("the task runs", lambda: "TASK_RUNNING" in cli.run("task", "--json", "talker").stdout)
    yield next(str(one["id"]) for one in cli.json("node") if one["type"] == "agent")
    cli.ok("marathon", "app", "remove", "--force", "talker")


def test_it_is_told_to_ask_dcos_log(cli: Cli, cluster: Processes) -> None:
    names = {one["name"] for one in cluster.get("cosmos", "/capabilities")["capabilities"]}
    assert {"LOGGING", "LOGGING_V2"} <= names


def test_logs_of_a_task(cli: Cli, cluster: Processes, agent: str) -> None:
    cluster.eventually("it talks", lambda: "count 3" in cli.run("task", "log", "--lines=1000", "talker").stdout)
    assert cli.ok("task", "log", "--lines=1000", "talker").startswith("hello\ncount 1\n")
    assert len(cli.ok("task", "log", "--lines=2", "talker").splitlines()) == 2
    assert cli.ok("task", "log", "talker", "stderr") == "trouble\n"
    assert cli.ok("task", "log", "talker", "file") == "kept\n"
    none = cli.run("task", "log", "talker", "nothing")
    assert (none.returncode, none.stderr) == (1, "No logs found\n")
    assert "count " in cli.ok("service", "log", "talkers")
    assert cli.ok("service", "log", "talkers", "stderr") == "trouble\n"
    for words in (("task", "log", "--follow", "--lines=1", "talker"), ("service", "log", "--follow", "talkers")):
        with cli.started(*words) as follower:
            assert follower.stdout is not None
            said = [follower.stdout.readline() for _ in range(14)]
        counts = [int(line.split()[1]) for line in said if line.startswith("count ")]
        assert len(counts) > 10, said
        assert counts == list(range(counts[0], counts[0] + len(counts)))


@pytest.mark.parametrize("role", ["master", "slave"])
def test_logs_of_nodes(cli: Cli, journal: Journald, agent: str, role: str) -> None:
    """It knows the leader of two units only, dcos-mesos-master and dcos-marathon."""
    unit = f"dcos-mesos-{role}"
    for number in range(3):
        journal.write(f"line {number}", UNIT=f"{unit}.service", PRIORITY=str(number + 3))
    journal.sync()
    words = ("node", "log", "--leader" if role == "master" else f"--mesos-id={agent}")
    of_unit = (*words, f"--component={unit}")
    assert numbers(cli.ok(*of_unit)) == ["0", "1", "2"]
    assert numbers(cli.ok(*of_unit, "--lines=1")) == ["2"]
    assert numbers(cli.ok(*of_unit, "--filter=PRIORITY:4")) == ["1"]
    assert "line 2" in cli.ok(*words, "--lines=50")
    with cli.started(*of_unit, "--follow", "--lines=1") as follower:
        assert follower.stdout is not None
        assert "line 2" in follower.stdout.readline()
        journal.write("as it comes", UNIT=f"{unit}.service")
        assert "as it comes" in follower.stdout.readline()


def numbers(said: str) -> list[str]:
    return [line.partition("line ")[2] for line in said.splitlines()]


def test_metrics(cli: Cli, cluster: Processes, agent: str) -> None:
    for words in (("node", "metrics"), ("task", "metrics")):
        what = agent if words[0] == "node" else cli.json("task", "talker")[0]["id"]
        cluster.eventually(
            f"metrics of the {words[0]}", lambda w=words, o=what: cli.run(*w, "summary", o).returncode == 0
        )
        header, values = cli.ok(*words, "summary", what).splitlines()[:2]
        assert header.split() == ["CPU", "MEM", "DISK"]
        assert "GiB" in values
        names = {one["name"] for one in cli.json(*words, "details", what)}
        assert ({"cpu.total", "memory.total"} if words[0] == "node" else {"cpus.user.time", "mem.limit"}) <= names, (
            names
        )
        assert ("cpu.total" if words[0] == "node" else "cpus.user.time") in cli.ok(*words, "details", what)


def test_ssh(cli: Cli, cluster: Processes, agent: str) -> None:
    """What it would run: the program ``ssh`` is one that shows its arguments."""
    ssh = Path(cluster.folder / "bin/ssh")
    ssh.parent.mkdir(exist_ok=True)
    ssh.write_text('#!/bin/sh\necho "$@"\n')
    ssh.chmod(0o755)
    for where in (("--leader",), (f"--mesos-id={agent}",)):
        said = cli.ok("node", "ssh", *where, "--user=core", "--option=StrictHostKeyChecking=no", "uptime")
        assert said.split()[-3:] == ["127.0.0.1", "--", "uptime"], said
        assert {"core", "StrictHostKeyChecking=no"} <= set(said.replace("=", " = ").replace(" = ", "=").split()), said
    journal = cli.ok("service", "log", "marathon")
    assert "journalctl" in journal
    assert "dcos-marathon" in journal
