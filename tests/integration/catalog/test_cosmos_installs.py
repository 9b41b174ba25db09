"""Real ZooKeeper, master, agent, Marathon and Cosmos as processes: a package is installed, serves, and goes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dcos.testing.patience import PATIENCE_S
from dcos.testing.processes import Processes
from dcos.testing.zookeeper import ensemble, why_not

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Processes]:
    with ensemble(tmp_path / "zk", servers=1) as zookeeper, Processes(tmp_path, zookeeper.url) as made:
        yield made


def call(services: Processes, path: str, body: dict[str, Any], version: int = 1) -> Any:
    kind = path.strip("/").replace("/", ".")
    request = urllib.request.Request(
        services.url("cosmos") + path,
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": f"application/vnd.dcos.{kind}-request+json;charset=utf-8;version=v1",
            "Accept": f"application/vnd.dcos.{kind}-response+json;charset=utf-8;version=v{version}",
        },
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.loads(answer.read())


def test_repositories_outlive_a_restart(services: Processes) -> None:
    services.start_cosmos()
    shown = services.eventually("cosmos answers", lambda: call(services, "/package/repository/list", {}))
    assert [one["name"] for one in shown["repositories"]] == ["Universe"]
    call(services, "/package/repository/delete", {"name": "Universe"})
    assert services.stop("cosmos") == 0, services.logs()
    services.start_cosmos()
    again = services.eventually("again", lambda: call(services, "/package/repository/list", {}))
    assert again == {"repositories": []}


def test_the_command_lines_plugin(services: Processes) -> None:
    """As upstream's program gets it when a cluster is set up."""
    services.start_cosmos()

    def described() -> Any:
        with contextlib.suppress(urllib.error.HTTPError):
            return call(services, "/package/describe", {"packageName": "dcos-core-cli"}, version=3)["package"]

    package = services.eventually("the plugin is made", described)
    binary = package["resource"]["cli"]["binaries"]["linux"]["x86-64"]
    with urllib.request.urlopen(binary["url"], timeout=PATIENCE_S) as answer:
        archive = answer.read()
    assert binary["contentHash"] == [{"algo": "sha256", "value": hashlib.sha256(archive).hexdigest()}]
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert {"plugin.toml", "bin/dcos"} <= set(opened.namelist())


def test_install_hello_world(services: Processes) -> None:
    services.start_mesos()
    services.start_marathon()
    services.start_cosmos()
    services.eventually("Marathon leads", lambda: services.get("marathon", "/v2/info").get("frameworkId"))
    services.eventually("cosmos answers", lambda: call(services, "/package/search", {})["packages"])
    options = {"hello": {"message": "Hello, World of tests!"}}
    installed = call(services, "/package/install", {"packageName": "hello-world", "options": options}, version=2)
    assert installed["appId"] == "/hello-world"

    def healthy() -> Any:
        app = services.get("marathon", "/v2/apps/hello-world")["app"]
        return app if app["tasksHealthy"] == 1 and not app["deployments"] else None

    app = services.eventually("one healthy instance", healthy)
    assert json.loads(base64.b64decode(app["labels"]["DCOS_PACKAGE_OPTIONS"])) == options
    task = app["tasks"][0]
    with urllib.request.urlopen(f"http://{task['host']}:{task['ports'][0]}/", timeout=PATIENCE_S) as answer:
        text = answer.read().decode()
    assert text.startswith("Hello, World of tests!\n")
    assert task["id"] in text

    (listed,) = call(services, "/package/list", {})["packages"]
    assert listed["appId"] == "/hello-world"
    call(services, "/package/uninstall", {"packageName": "hello-world"})
    services.eventually("it is gone", lambda: services.get("marathon", "/v2/apps")["apps"] == [])
    services.eventually("its task too", lambda: services.get("marathon", "/v2/tasks")["tasks"] == [])
