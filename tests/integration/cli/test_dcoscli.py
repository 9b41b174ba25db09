"""The official ``dcos`` command line from PyPI (dcoscli 0.6.1, unmodified) against our services, through Admin Router.

It was written for Python 3.5: its wheels are installed as they are, with the newest dependencies that its code runs with
(its pins of cryptography, virtualenv and others have no builds for today's Python), in a virtual environment of their own,
made once and kept below the temporary folder. ``old_collections.py`` gives that interpreter back the names that Python 3.10 took
out of ``collections``; the program itself is not touched.
"""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import argon2
import pytest

from dcos.testing.foreign import Installer, environment
from dcos.testing.processes import Processes
from dcos.testing.zookeeper import ensemble, why_not

NO_NGINX = None if shutil.which("nginx") else "no nginx on PATH (nginx-light)"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif((why_not() or NO_NGINX) is not None, reason=str(why_not() or NO_NGINX)),
]
CLI = ("dcoscli==0.6.1", "dcos==0.6.1")
TOOLS = ("setuptools<70", "wheel")
NEEDS = (
    *("cryptography", "docopt==0.6.2", "jsonschema==2.6.0", "pager==3.3", "pkginfo==1.2.1", "prettytable==0.7.2"),
    *("PyJWT==1.4.2", "pygments<3", "requests<3", "retrying==1.3.3", "six<2", "sseclient==0.0.19", "toml<1"),
)
PASSWORD = "a good password"
MARKER = str(4_000_000 + os.getpid())
"""How long the tasks' processes sleep: they end with the cluster's tasks."""


def _install(install: Installer) -> None:
    install.packages(*TOOLS)
    install.packages("--no-build-isolation", *NEEDS)
    install.packages("--no-deps", *CLI)
    install.old_collections()


@pytest.fixture(scope="session")
def program() -> Path:
    """The official ``dcos``."""
    return environment("dcoscli-0.6.1", _install) / "bin/dcos"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that nginx's workers may enter."""
    with tempfile.TemporaryDirectory(prefix="dcos-dcoscli-") as name:
        made = Path(name)
        made.chmod(0o755)
        yield made


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Processes]:
    etc = folder / "opt/mesosphere/etc"
    etc.mkdir(parents=True)
    (folder / "opt/mesosphere/active/dcos-metadata/etc").mkdir(parents=True)
    (folder / "opt/mesosphere/active.buildinfo.full.json").write_text("{}")
    (etc / "dcos-version.json").write_text('{"version": "1.11"}')
    hashed = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    (etc / "bouncer-bootstrap-user.json").write_text(json.dumps({"uid": "admin", "password_hash": hashed}))
    (folder / "var/lib/dcos").mkdir(parents=True)
    (folder / "var/lib/dcos/cluster-id").write_text("the-cluster-id\n")
    with ensemble(folder / "zk", servers=1) as zookeeper, Processes(folder, zookeeper.url) as made:
        made.start("bouncer", "dcos.iam", f"--zk={made.zk}/dcos/iam", f"--port={made.port('bouncer')}")
        made.start_mesos()
        made.start_marathon()
        made.start(
            *("metronome", "dcos.metronome", f"--master={made.zk}/mesos", f"--zk={made.zk}/metronome"),
            *("--http_address=127.0.0.1", "--hostname=127.0.0.1", f"--http_port={made.port('metronome')}"),
            *("--mesos_user=", "--min_revive_offers_interval=500"),
        )
        made.start(
            *("mesos-dns", "dcos.dns", f"--zk={made.zk}/mesos", "--ip=127.0.0.1"),
            *(f"--dns_port={made.port('dns')}", f"--http_port={made.port('mesos-dns')}"),
        )
        made.start_cosmos()
        running = {"load_state": "loaded", "active_state": "active", "sub_state": "running", "pid": 1}
        (folder / "units.json").write_text(json.dumps({"dcos-marathon.service": running}))
        made.start(
            *("diagnostics", "dcos.node", "--role=master", "--ip=127.0.0.1", f"--port={made.port('diagnostics')}"),
            *(f"--units_source=file:{folder}/units.json", "--master_list=127.0.0.1"),
        )
        names = ("bouncer", "cosmos", "diagnostics", "marathon", "metronome", "mesos-dns")
        upstreams = ",".join(f"dcos-{name}=127.0.0.1:{made.port(name)}" for name in names)
        made.start(
            *("adminrouter", "dcos.adminrouter", "--role=master", "--ip=127.0.0.1", f"--zk={made.zk}/mesos"),
            *(f"--http_port={made.port('adminrouter')}", f"--https_port={made.port('tls')}", "--access_log=off"),
            *(f"--upstreams={upstreams}", "--cache_first_poll_delay=0.2", "--cache_poll_period=1"),
            "--events_poll_period=1",
        )
        yield made


class Cli:
    """The program with a configuration of its own."""

    def __init__(self, program: Path, cluster: Processes) -> None:
        self.program = program
        self._cluster = cluster
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(cluster.folder),
            "DCOS_DIR": str(cluster.folder / "dcos-dir"),
            "LC_ALL": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *words],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=self._environment,
        )

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Running, with its standard output to be read, until the end of the block."""
        with subprocess.Popen(
            [self.program, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self._environment,
        ) as child:
            try:
                yield child
            finally:
                child.kill()

    def on_terminal(self, given: bytes, *words: str) -> bytes:
        """What it shows on a terminal of its own, where ``given`` is typed at once."""
        ours, its = pty.openpty()
        child = subprocess.Popen(
            [self.program, *words], stdin=its, stdout=its, stderr=its, start_new_session=True, env=self._environment
        )
        os.close(its)
        os.write(ours, given)
        shown = b""
        try:
            while select.select([ours], [], [], 60)[0] and (more := os.read(ours, 4096)):
                shown += more
        except OSError:
            """The other end is closed."""
        finally:
            child.kill()
            child.wait()
            os.close(ours)
        return shown

    def ok(self, *words: str, given: str | None = None) -> str:
        done = self.run(*words, given=given)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{self._cluster.logs()}"
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.ok(*words, "--json"))

    def shown(self, *words: str) -> Any:
        """JSON of a command that gives nothing else."""
        return json.loads(self.ok(*words))


APP = {
    "id": "/sleeper",
    "cmd": "echo hello from the task; echo trouble >&2; for n in $(seq 1000); do echo $n >> seconds; sleep 1; done",
    "cpus": 0.1,
    "mem": 32,
    "instances": 1,
    "labels": {"DCOS_PACKAGE_FRAMEWORK_NAME": "sleepers"},
}


@pytest.fixture(scope="module")
def cli(program: Path, cluster: Processes) -> Cli:
    """Set up with the cluster."""
    made = Cli(program, cluster)
    words = ("cluster", "setup", cluster.url("adminrouter"), "--username=admin", f"--password={PASSWORD}", "--no-check")

    def is_set_up() -> bool:
        done = made.run(*words)
        if done.returncode:
            raise KeyError(done.stdout + done.stderr)
        return True

    cluster.eventually("the cluster can be set up", is_set_up)
    cluster.eventually("Marathon leads", lambda: cluster.get("marathon", "/v2/info").get("frameworkId"))
    cluster.eventually("Metronome leads", lambda: cluster.get("metronome", "/leader").get("leader"))
    cluster.eventually("an agent is there", lambda: cluster.get("master", "/slaves")["slaves"])
    cluster.eventually("Cosmos tells of Metronome", lambda: made.run("job", "list").returncode == 0)
    cluster.eventually("names are there", lambda: made.run("node", "--json").returncode == 0)
    return made


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
    for words in (("--info",), ("--version",), ("--config-schema",)):
        assert cli.ok("marathon", *words).strip()


def test_pods(cli: Cli, cluster: Processes) -> None:
    container = {
        "name": "one",
        "exec": {"command": {"shell": f"exec sleep {MARKER}"}},
        "resources": {"cpus": 0.1, "mem": 16},
    }
    pod = {"id": "/pod", "containers": [container], "networks": [{"mode": "host"}]}
    cli.ok("marathon", "pod", "add", given=json.dumps(pod))
    _settled(cli, cluster)
    assert "/pod" in cli.ok("marathon", "pod", "list")
    (listed,) = cli.json("marathon", "pod", "list")
    assert listed["status"] == "STABLE"
    shown = cli.shown("marathon", "pod", "show", "/pod")
    assert [one["status"] for one in shown["instances"]] == ["STABLE"]
    cli.ok("marathon", "pod", "update", "/pod", given=json.dumps({**pod, "scaling": {"kind": "fixed", "instances": 2}}))
    _settled(cli, cluster)
    assert len(cli.shown("marathon", "pod", "show", "/pod")["instances"]) == 2
    cli.ok("marathon", "pod", "kill", "/pod", shown["instances"][0]["id"])
    cli.ok("marathon", "pod", "remove", "/pod")
    _settled(cli, cluster)


def test_jobs(cli: Cli, cluster: Processes, tmp_path: Path) -> None:
    job = {"id": "tests.count", "run": {"cpus": 0.1, "mem": 32, "disk": 0, "cmd": "echo counted"}}
    path = tmp_path / "job.json"

    def write(what: object) -> str:
        path.write_text(json.dumps(what))
        return str(path)

    cli.ok("job", "add", write(job))
    assert "tests.count" in cli.ok("job", "list")
    assert cli.shown("job", "show", "tests.count")["run"]["cmd"] == "echo counted"
    run = json.loads(cli.ok("job", "run", "tests.count", "--json"))
    assert run["jobId"] == "tests.count"
    cluster.eventually(
        "it ended well", lambda: "tests.count" in cli.ok("job", "list") and _history(cluster)["successCount"] == 1
    )
    assert run["id"] in cli.ok("job", "history", "tests.count")
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
    assert cli.run("job", "remove", "tests.count").returncode == 1
    cli.ok("job", "kill", "tests.count", "--all")
    cluster.eventually("it was stopped", lambda: _history(cluster)["failureCount"] == 1)
    cli.ok("job", "remove", "tests.count", "--stop-current-job-runs")
    assert "tests.count" not in cli.ok("job", "list")


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
