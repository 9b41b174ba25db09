"""The dcos command line against a cluster of stateful fakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dcos.cli.main import dcos as root
from dcos.testing.adminrouter import TOKEN, FakeAdminRouter, running
from dcos.testing.marathon_pods import VERSION
from tests.unit.cli.results import Dcos


def test_help_of_every_command(dcos: Dcos) -> None:
    listing = dcos().out
    for name in ("auth", "cluster", "config", "marathon", "node", "package", "service", "status", "task"):
        assert f"\n  {name} " in listing
        assert dcos(name, "--help").out.startswith(f"Usage: dcos {name}")


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command, info_name=path[-1])
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _commands(inner, (*path, name))


def test_the_help_of_every_command_has_an_example() -> None:
    missing = [path for path, one in _commands(root, ("dcos",)) if "Example: dcos " not in (one.help or "")]
    assert missing == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("nonsense",), "Error: unknown command nonsense"),
        (("node", "nonsense"), "Error: unknown command nonsense\nHint: `dcos node --help` says what there is\n"),
        (("node", "list", "--nonsense"), "Error: No such option"),
        (("node", "list"), "Error: no cluster is attached"),
        (("cluster", "attach", "x"), "Error: unable to find cluster 'x'"),
        (("cluster", "list", "--attached"), "Error: no cluster is attached"),
    ],
)
def test_refusals(dcos: Dcos, words: tuple[str, ...], text: str) -> None:
    done = dcos(*words)
    assert (done.code, done.out) == (1, "")
    assert text in done.err


# ---- clusters and login ----------------------------------------------------------------------------------------------


def test_setup(ready: Dcos, fake: FakeAdminRouter, url: str, tmp_path: Path) -> None:
    folder = tmp_path / "dcos/clusters" / fake.cluster_id
    assert (folder / "dcos.toml").stat().st_mode & 0o777 == 0o600
    assert (folder / "attached").exists()
    assert f'dcos_acs_token = "{TOKEN}"' in (folder / "dcos.toml").read_text()
    assert "right password" not in "".join(one.read_text() for one in folder.iterdir())
    (row,) = ready("cluster", "list", "--json").json
    assert row == {
        "attached": True, "cluster_id": fake.cluster_id, "name": "fake-cluster", "status": "AVAILABLE", "url": url,
        "version": "3.0.0",
    }  # fmt: skip
    assert ready("cluster", "list").rows == [["*", "fake-cluster", fake.cluster_id, "AVAILABLE", "3.0.0", url]]


def test_setup_with_environment(dcos: Dcos, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCOS_USERNAME", "admin")
    monkeypatch.setenv("DCOS_PASSWORD", "right password")
    assert dcos("cluster", "setup", url.removeprefix("http://"), "--name=mine").code == 0
    assert dcos("config", "show", "cluster.name").out == "mine\n"


def test_setup_with_a_token(dcos: Dcos, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCOS_CLUSTER_SETUP_ACS_TOKEN", TOKEN)
    assert dcos("cluster", "setup", url).code == 0


def test_wrong_password(dcos: Dcos, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DCOS_PASSWORD", "wrong")
    done = dcos("cluster", "setup", url, "--username=admin")
    assert (done.code, done.err) == (1, "Error: Invalid credentials.\n")
    assert not (tmp_path / "dcos/clusters").exists()


def test_no_way_to_ask(dcos: Dcos, url: str) -> None:
    done = dcos("cluster", "setup", url, "--username=admin")
    assert done.code == 1
    assert "DCOS_PASSWORD" in done.err


def test_nobody_there(dcos: Dcos) -> None:
    done = dcos("cluster", "setup", "http://127.0.0.1:9")
    assert (done.code, done.err.splitlines()[0]) == (1, "Error: http://127.0.0.1:9: Connection refused")
    assert "Hint: `dcos cluster list`" in done.err


def test_log_out_and_in(ready: Dcos, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ready("auth", "logout").code == 0
    refused = ready("node", "list")
    assert (refused.code, refused.err) == (1, "Error: authentication required, please run `dcos auth login`\n")
    monkeypatch.setenv("DCOS_PASSWORD", "right password")
    assert ready("auth", "login", "--username=admin").code == 0
    assert ready("node", "list").code == 0
    assert ready("auth", "login", "--username=admin", "--provider=none").err.startswith(
        "Error: unknown provider 'none'"
    )


def test_list_providers(ready: Dcos, url: str) -> None:
    assert ready("auth", "list-providers").rows == [["dcos-users", "Default DC/OS login provider"]]
    assert list(ready("auth", "list-providers", url, "--json").json) == ["dcos-users"]


def test_several_clusters(ready: Dcos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCOS_CLUSTER_SETUP_ACS_TOKEN", TOKEN)
    second = FakeAdminRouter()
    second.cluster_id, second.name = "second-id", "second"
    with running(second) as url:
        assert ready("cluster", "setup", url).code == 0
        assert ready("config", "show", "cluster.name").out == "second\n"
        assert ready("cluster", "attach", "fake").code == 0
        assert ready("config", "show", "cluster.name").out == "fake-cluster\n"
        monkeypatch.setenv("DCOS_CLUSTER", "second")
        assert ready("config", "show", "cluster.name").out == "second\n"
        monkeypatch.delenv("DCOS_CLUSTER")
        assert "already" in ready("cluster", "rename", "second", "fake-cluster").err
        assert ready("cluster", "rename", "second", "other").code == 0
    assert [row["status"] for row in ready("cluster", "list", "--json").json] == ["AVAILABLE", "UNAVAILABLE"]
    assert ready("cluster", "remove", "--unavailable").code == 0
    assert ready("cluster", "list", "--names").out == "fake-cluster\n"
    assert ready("cluster", "remove", "fake-cluster").code == 0
    assert ready("cluster", "list", "--names").out == ""


# ---- config ----------------------------------------------------------------------------------------------------------


def test_config(ready: Dcos, url: str) -> None:
    shown = ready("config", "show").out.splitlines()
    assert f"core.dcos_url {url}" in shown
    assert "core.dcos_acs_token ********" in shown
    assert ready("config", "show", "core.dcos_acs_token").out == f"{TOKEN}\n"
    assert ready("config", "set", "core.timeout", "30").out == ""
    assert ready("config", "show", "core.timeout").out == "30\n"
    assert ready("config", "set", "core.timeout", "soon").err == "Error: core.timeout must be an integer\n"
    assert ready("config", "set", "core.pagination", "FALSE").code == 0
    assert ready("config", "show", "core.pagination").out == "false\n"
    assert ready("config", "set", "x.y.z", 'a"\\\n').code == 0
    assert ready("config", "show", "x.y.z").out == 'a"\\\n\n'
    assert ready("config", "unset", "core.timeout").code == 0
    missing = ready("config", "show", "core.timeout")
    assert (missing.code, missing.err) == (1, 'Error: unknown key "core.timeout"\n')
    assert "core.dcos_url" in ready("config", "keys", "-q").out.splitlines()


# ---- packages --------------------------------------------------------------------------------------------------------


def test_package_search(ready: Dcos) -> None:
    names = [row[0] for row in ready("package", "search").rows]
    assert names == sorted(names)
    assert {"hello-world", "http-echo", "nginx"} <= set(names)
    assert [one["name"] for one in ready("package", "search", "greets", "--json").json["packages"]] == ["hello-world"]
    nothing = ready("package", "search", "no such thing")
    assert (nothing.code, nothing.err) == (1, "Error: no packages found\n")


def test_package_describe(ready: Dcos, tmp_path: Path) -> None:
    assert ready("package", "describe", "hello-world").json["name"] == "hello-world"
    assert ready("package", "describe", "hello-world", "--package-versions").json == ["1.0.0"]
    assert '"{{service.name}}"' in ready("package", "describe", "hello-world", "--app").out
    assert "service" in ready("package", "describe", "hello-world", "--config").json["properties"]
    (tmp_path / "options.json").write_text('{"service": {"instances": 2}}')
    rendered = ready(
        "package", "describe", "hello-world", "--app", "--render", f"--options={tmp_path / 'options.json'}"
    )
    assert rendered.json["instances"] == 2
    missing = ready("package", "describe", "nothing")
    assert (missing.code, missing.err) == (1, "Error: Package [nothing] not found\n")


def test_package_install_list_uninstall(ready: Dcos, fake: FakeAdminRouter) -> None:
    assert ready("package", "list").err.startswith("Error: There are currently no installed packages.")
    done = ready("package", "install", "hello-world", "--yes")
    assert (done.code, done.out) == (0, "")
    assert "hello-world answers at" in done.err
    assert list(fake.marathon.apps) == ["/hello-world"]
    again = ready("package", "install", "hello-world", "--yes")
    assert (again.code, again.err.splitlines()[-1]) == (1, "Error: Package is already installed")
    assert ready("package", "install", "hello-world", "--app-id=/two", "--yes").code == 0
    listed = ready("package", "list", "--json").json
    assert [(one["name"], one["apps"]) for one in listed] == [("hello-world", ["/hello-world", "/two"])]
    assert ready("package", "list").rows[0][:4] == ["hello-world", "1.0.0", "True", "/hello-world"]
    several = ready("package", "uninstall", "hello-world", "--yes")
    assert several.code == 1
    assert "/two" in several.err
    assert ready("package", "uninstall", "hello-world", "--app-id=two", "--yes").code == 0
    assert ready("package", "uninstall", "hello-world", stdin="hello\n").code == 1
    assert ready("package", "uninstall", "hello-world", stdin="hello-world\n").code == 0
    assert fake.marathon.apps == {}


def test_package_install_asks(ready: Dcos, fake: FakeAdminRouter) -> None:
    refused = ready("package", "install", "hello-world", stdin="n\n")
    assert refused.code == 1
    assert fake.marathon.apps == {}
    assert ready("package", "install", "hello-world", stdin="y\n").code == 0


def test_package_bad_options(ready: Dcos, tmp_path: Path) -> None:
    file = tmp_path / "options.json"
    file.write_text('{"service": {"cpus": "many"}}')
    done = ready("package", "install", "hello-world", "--yes", f"--options={file}")
    assert done.code == 1
    assert "  /service/cpus: instance type (string) does not match" in done.err
    file.write_text("{")
    assert "is not JSON" in ready("package", "install", "hello-world", "--yes", f"--options={file}").err


def test_package_repo(ready: Dcos) -> None:
    assert ready("package", "repo", "list").out.startswith("Universe: http://127.0.0.1:7070/")
    status = ready("package", "repo", "status")
    assert (status.code, status.rows[0][:2]) == (0, ["Universe", "good"])
    assert ready("package", "repo", "status", "--json").json["repositories"][0]["broken"] == []
    assert ready("package", "repo", "remove", "Universe").code == 0
    assert ready("package", "repo", "list", "--json").json == {"repositories": []}
    assert ready("package", "repo", "add", "Universe", "http://127.0.0.1:7070/universe/repo").code == 0
    refused = ready("package", "repo", "add", "x", "ftp://x")
    assert "unsupported scheme" in refused.err


# ---- marathon --------------------------------------------------------------------------------------------------------

APP = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": 2}


def test_app_life(ready: Dcos, fake: FakeAdminRouter, tmp_path: Path) -> None:
    (tmp_path / "app.json").write_text(json.dumps(APP))
    assert ready("marathon", "app", "add", str(tmp_path / "app.json")).out.startswith("Created deployment ")
    again = ready("marathon", "app", "add", stdin=json.dumps(APP))
    assert (again.code, again.err) == (1, "Error: Application '/web' already exists\n")
    assert ready("marathon", "app", "list").rows == [
        ["/web", "32", "0.1", "2/2", "---", "---", "False", "MESOS", "sleep 1000"]
    ]  # fmt: skip
    assert ready("marathon", "app", "list", "-q").out == "/web\n"
    assert ready("marathon", "app", "show", "web").json["id"] == "/web"
    assert ready("marathon", "app", "update", "web", "instances=3", 'env={"A": "b"}', "cmd=5").code == 0
    assert fake.marathon.apps["/web"]["env"] == {"A": "b"}
    assert fake.marathon.apps["/web"]["cmd"] == "5"
    assert ready("marathon", "app", "update", "web", stdin='{"mem": 64}').code == 0
    assert fake.marathon.apps["/web"]["mem"] == 64
    versions = ready("marathon", "app", "version", "list", "web").json
    assert len(versions) == 3
    assert ready("marathon", "app", "version", "list", "web", "--max-count=1").json == versions[:1]
    assert ready("marathon", "app", "show", "web", "--app-version=-2").json["instances"] == 2
    assert ready("marathon", "app", "show", "web", f"--app-version={versions[1]}").json["instances"] == 3
    assert ready("marathon", "app", "show", "web", "--app-version=-9").code == 1
    assert ready("marathon", "app", "restart", "web").out.startswith("Created deployment ")
    assert ready("marathon", "app", "kill", "web").out == "Killed tasks: ['web.0', 'web.1', 'web.2']\n"
    assert ready("marathon", "app", "kill", "web", "--scale", "--host=x").code == 1
    assert ready("marathon", "app", "start", "web").err == "Error: Application '/web' already started: 3 instances\n"
    assert ready("marathon", "app", "stop", "web").code == 0
    assert ready("marathon", "app", "stop", "web").err == "Error: Application '/web' already stopped: 0 instances\n"
    assert ready("marathon", "app", "start", "web", "4").code == 0
    assert ready("marathon", "app", "scale", "web", "1").code == 0
    assert fake.marathon.apps["/web"]["instances"] == 1
    removed = ready("marathon", "app", "remove", "web")
    assert (removed.code, removed.out, removed.err) == (0, "", "")
    for command in ("show", "remove", "restart", "stop", "kill"):
        missing = ready("marathon", "app", command, "web")
        assert (missing.code, missing.err.splitlines()[0]) == (1, "Error: App '/web' does not exist"), command


def test_bad_app(ready: Dcos) -> None:
    done = ready("marathon", "app", "add", stdin='{"cmd": "x"}')
    assert done.err == "Error: Invalid JSON\n  /id: error.path.missing\n"
    assert "is not JSON" in ready("marathon", "app", "add", stdin="{").err
    assert "must be an object" in ready("marathon", "app", "add", stdin="[]").err
    assert "key 'id' is given twice" in ready("marathon", "app", "add", stdin="id: /a\nid: /b").err
    assert "cannot read" in ready("marathon", "app", "add", "/no/such/file").err


def test_deployments(ready: Dcos, fake: FakeAdminRouter) -> None:
    none = ready("marathon", "deployment", "list")
    assert (none.code, none.err) == (1, "Error: There are no deployments\n")
    assert ready("marathon", "deployment", "list", "--json").json == []
    fake.marathon._settled = False
    assert ready("marathon", "app", "add", stdin=json.dumps(APP)).code == 0
    (row,) = ready("marathon", "deployment", "list", "web").rows
    assert row[:4] == ["/web", "-", "StartApplication", "0/1"]
    assert ready("marathon", "app", "list").rows[0][3:6] == ["0/2", "---", "start"]
    blocked = ready("marathon", "app", "stop", "web")
    assert blocked.err == (
        "Error: changes blocked: deployment already in progress for app\n"
        "Hint: `dcos marathon deployment list` shows it; --force overrides it\n"
    )
    deployment = ready("marathon", "deployment", "list", "-q").out.strip()
    assert ready("marathon", "deployment", "watch", deployment, "--max-count=1").json["id"] == deployment
    fake.marathon._settled = True
    assert "deploymentId" in ready("marathon", "deployment", "rollback", deployment).json
    assert ready("marathon", "deployment", "stop", deployment).code == 1


def test_marathon_tasks(ready: Dcos) -> None:
    ready("marathon", "app", "add", stdin=json.dumps(APP))
    assert [row[0] for row in ready("marathon", "task", "list").rows] == ["/web", "/web"]
    assert ready("marathon", "task", "list", "web", "-q").out == "web.0\nweb.1\n"
    assert ready("marathon", "task", "show", "web.1").json["appId"] == "/web"
    assert ready("marathon", "task", "show", "zz").err == "Error: Task 'zz' does not exist\n"
    assert ready("marathon", "about").json["name"] == "marathon"


def test_pods(ready: Dcos, fake: FakeAdminRouter) -> None:
    containers = [{"name": name, "resources": {"cpus": 0.1, "mem": 32}} for name in ("web", "side")]
    pod = {"id": "/shop/pair", "containers": containers}
    assert ready("marathon", "pod", "add", stdin=json.dumps(pod)).out == "Created deployment pod-deployment-1\n"
    again = ready("marathon", "pod", "add", stdin=json.dumps(pod))
    assert (again.code, again.err) == (1, "Error: A pod with id [/shop/pair] already exists.\n")
    listing = ready("marathon", "pod", "list").out.splitlines()
    assert [line.split("  ")[0].rstrip() for line in listing] == ["ID+TASKS", "/shop/pair", " |-web", " |-side"]
    assert listing[1].split()[1:] == ["1", VERSION, "STABLE", VERSION, "False", "slave_public"]
    assert ready("marathon", "pod", "list", "-q").out == "/shop/pair\n"
    assert ready("marathon", "pod", "list", "--json").json[0]["spec"]["containers"] == containers
    assert ready("marathon", "pod", "show", "shop/pair").json["status"] == "STABLE"
    assert ready("marathon", "pod", "explain", "shop/pair").out == "/shop/pair waits for nothing\n"
    bigger = json.dumps({**pod, "scaling": {"kind": "fixed", "instances": 3}})
    assert ready("marathon", "pod", "update", "shop/pair", stdin=bigger).out.startswith("Created deployment ")
    assert len(ready("marathon", "pod", "show", "/shop/pair").json["instances"]) == 3
    fake.marathon.pods.status = "DEGRADED"
    assert "pod /shop/pair: 0 of 3 instances are stable" in ready("status", "--json").json["problems"]
    fake.marathon.pods.status = "STABLE"
    [row] = [one for one in ready("status", "--json").json["services"] if one["id"] == "/shop/pair"]
    assert (row["state"], row["instances"], row["running"], row["healthy"]) == ("running", 3, 3, None)
    fake.marathon.pods.locked = True
    refused = ready("marathon", "pod", "update", "shop/pair", stdin=bigger)
    assert refused.err.startswith("Error: changes blocked: deployment already in progress for pod\n")
    assert ready("marathon", "pod", "update", "shop/pair", "--force", stdin=bigger).code == 0
    assert ready("marathon", "pod", "kill", "shop/pair", "shop_pair.instance-1").code == 0
    assert fake.marathon.pods.killed == ["shop_pair.instance-1"]
    removed = ready("marathon", "pod", "remove", "shop/pair")
    assert (removed.code, removed.out) == (0, "")
    assert ready("marathon", "pod", "show", "shop/pair").err.startswith("Error: Pod '/shop/pair' does not exist\n")


# ---- nodes, tasks, services ------------------------------------------------------------------------------------------


def test_nodes(ready: Dcos) -> None:
    lines = ready("node").out.splitlines()
    assert lines[0].split() == ["HOSTNAME", "IP", "PUBLIC", "IP(S)", "ID", "TYPE", "STATUS", "REGION", "ZONE"]
    assert lines[1].split() == ["10.0.0.1", "10.0.0.1", "m-1", "master", "(leader)"]
    assert lines[2].split() == ["10.0.0.2", "10.0.0.2", "a-S0", "agent", "ACTIVE", "r1", "z1"]
    assert lines[3].split() == ["10.0.0.3", "10.0.0.3", "192.0.2.3", "a-S1", "agent", "(public)", "ACTIVE", "r1", "z1"]
    kinds = [(one["type"], one["ip"]) for one in ready("node", "list", "--json").json]
    assert kinds == [("master (leader)", "10.0.0.1"), ("agent", "10.0.0.2"), ("agent", "10.0.0.3")]
    assert ready("node", "list", "--field=attributes.public_ip").out.splitlines()[3].endswith("true")
    assert ready("node", "list", "--mesos-id").out == "a-S0\na-S1\n"


def test_node_units(ready: Dcos, fake: FakeAdminRouter) -> None:
    fake.unit_trouble = {("10.0.0.2", "dcos-net.service"): "it fell"}
    listed = ready("node", "list-components", "a-S0").out.splitlines()
    assert listed == ["dcos-marathon.service", "dcos-mesos-master.service", "dcos-net.service"]
    assert ready("node", "list-components", "--leader", "--json").json[0]["health"] == 0
    assert ready("node", "list-components").code == 1
    assert ready("node", "list-components", "zz").err.startswith("Error: 'zz' is no node")
    assert ["10.0.0.2", "agent", "unhealthy"] in [
        [cell.strip() for cell in row] for row in ready("node", "health").rows
    ]
    assert "unhealthy" in ready("node", "health", "a-S0").out


def test_tasks(ready: Dcos) -> None:
    ready("marathon", "app", "add", stdin=json.dumps(APP))
    lines = ready("task").out.splitlines()
    assert lines[0].split() == ["NAME", "HOST", "USER", "STATE", "ID", "AGENT", "ID", "REGION", "ZONE"]
    assert lines[1].split() == ["web", "10.0.0.2", "root", "TASK_RUNNING", "web.0", "a-S0", "r1", "z1"]
    assert ready("task", "list", "*.1", "-q").out == "web.1\n"
    assert ready("task", "list", "--completed", "-q").out == "gone.1\n"
    assert ready("task", "list", "--all", "--json").json[-1]["state"] == "TASK_FINISHED"
    assert ready("task", "list", "zz").err.startswith("Error: no task ID found containing 'zz'\n")
    assert ready("task", "list", "zz", "--json").json == []


def test_task_files(ready: Dcos, fake: FakeAdminRouter) -> None:
    ready("marathon", "app", "add", stdin=json.dumps(APP))
    fake.files = {
        "/sandbox/web.0/stdout": "".join(f"line {number}\n" for number in range(20)).encode(),
        "/sandbox/web.1/stdout": b"other\n",
        "/sandbox/web.1/stderr": "ü\n".encode(),
    }
    assert ready("task", "log", "web.0").out.splitlines() == [f"line {number}" for number in range(10, 20)]
    assert ready("task", "log", "web.0", "--lines=2").out == "line 18\nline 19\n"
    assert ready("task", "log", "web", "--lines=1").out == "===> web.0 <===\nline 19\n===> web.1 <===\nother\n"
    assert ready("task", "log", "web.1", "stderr").out == "ü\n"
    assert ready("task", "ls", "web.1").out == "stderr  stdout\n"
    assert ready("task", "ls", "web.1", "--long").out.splitlines()[1].split()[:5] == [
        "-rw-r--r--",
        "1",
        "root",
        "root",
        "3",
    ]
    assert ready("task", "log", "web.1", "nothing").code == 1


def test_services(ready: Dcos, fake: FakeAdminRouter) -> None:
    assert ready("service").out.splitlines()[1].split() == [
        "marathon",
        "10.0.0.1",
        "True",
        "0",
        "0.5",
        "64.0",
        "0.0",
        "fw-0",
    ]
    assert [one["id"] for one in ready("service", "list", "--inactive", "--json").json] == ["fw-1", "fw-0"]
    assert ready("service", "-q").out == "fw-0\n"
    assert ready("service", "shutdown", "fw-0", stdin="n\n").code == 1
    assert ready("service", "shutdown", "fw-0", "--yes").code == 0
    assert fake.torn_down == ["fw-0"]


# ---- status ----------------------------------------------------------------------------------------------------------


def test_status_healthy(ready: Dcos, url: str) -> None:
    ready("package", "install", "hello-world", "--yes")
    done = ready("status")
    assert done.code == 0
    for text in ("fake-cluster", url, "healthy", "3 of 3 healthy", "10.0.0.1", "10.0.0.3", "/hello-world", "1/1"):
        assert text in done.out
    assert "PROBLEMS" not in done.out
    found = ready("status", "--json").json
    assert (found["healthy"], found["problems"]) == (True, [])
    assert found["services"] == [
        {"id": "/hello-world", "state": "healthy", "instances": 1, "running": 1, "healthy": 1, "unhealthy": 0}
    ]


def test_status_with_problems(ready: Dcos, fake: FakeAdminRouter) -> None:
    fake.marathon._settled = False
    ready("marathon", "app", "add", stdin=json.dumps(APP))
    fake.unit_trouble = {("10.0.0.2", "dcos-net.service"): "it fell\nmore"}
    fake.agents[1]["deactivated"] = True
    done = ready("status", "--json")
    assert done.code == 1
    assert done.json["problems"] == [
        "agent (public) 10.0.0.3 is deactivated: it takes no new tasks",
        "dcos-net.service on 10.0.0.2 is unhealthy: it fell",
        "app /web: 0 of 2 instances run (deploying)",
    ]
    assert done.json["components"]["unhealthy"] == [
        {"unit": "dcos-net.service", "node": "10.0.0.2", "reason": "it fell"}
    ]
    assert "3 problems" in ready("status").out


@pytest.mark.parametrize("part", ["mesos", "system", "service"])
def test_status_while_a_service_is_away(ready: Dcos, fake: FakeAdminRouter, part: str) -> None:
    fake.down = {part}
    done = ready("status", "--json")
    assert done.code == 1
    assert len(done.json["problems"]) == 1
    assert "does not answer" in done.json["problems"][0]


def test_status_of_an_unreachable_cluster(ready: Dcos) -> None:
    ready("config", "set", "core.dcos_url", "http://127.0.0.1:9")
    done = ready("status", "--json")
    assert done.code == 1
    assert len(done.json["problems"]) == 3


def test_watching_the_status_until_interrupted(ready: Dcos, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("dcos.cli.commands.status.time.sleep", sleep)
    done = ready("status", "--watch", "--interval=0.5")
    assert (done.code, looks, done.err) == (130, [0.5, 0.5], "")
    assert done.out.count("Components  3 of 3 healthy") == 2


def test_requests_are_shown_without_the_token(ready: Dcos) -> None:
    shown = ready("-vv", "node", "list", "--mesos-id")
    assert shown.out == "a-S0\na-S1\n"
    assert "GET http" in shown.err
    assert "/mesos/master/state: 200, " in shown.err
    assert "  content-type: application/json" in shown.err
    assert TOKEN not in shown.err


def test_colours_are_for_terminals_that_want_them(ready: Dcos, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in ready("status").out
    # as on a terminal: colours unless something says otherwise
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda _, color=None: color is False)
    assert "\x1b[32mhealthy" in ready("status").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in ready("status").out


def test_strict_deprecations(ready: Dcos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCOS_CLI_STRICT_DEPRECATIONS", "1")
    for name in ("node", "service", "task"):
        assert ready(name).out.startswith(f"Usage: dcos {name}")
