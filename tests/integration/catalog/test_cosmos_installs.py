"""Real ZooKeeper, master, agent, Marathon and Cosmos as processes: a package is installed, serves, and goes."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dcos.testing.ports import free_ports
from dcos.testing.zookeeper import ensemble, why_not

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(180),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]

T = TypeVar("T")


class Services:
    """The processes; all are ended with the block."""

    def __init__(self, folder: Path, zk: str) -> None:
        self.folder = folder
        self.zk = zk
        self.master, self.agent, self.marathon, self.cosmos = free_ports(4)
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, module: str, *flags: str) -> None:
        code = f"import sys; from {module}.service import main; sys.exit(main())"
        with (self.folder / f"{name}.log").open("ab") as out:
            words = [sys.executable, "-c", code, *flags]
            self.children[name] = subprocess.Popen(words, stdout=out, stderr=out, start_new_session=True)

    def start_cosmos(self) -> None:
        self.start(
            "cosmos", "dcos.catalog", f"--zk={self.zk}/cosmos", f"--httpInterface=127.0.0.1:{self.cosmos}",
            f"--marathonUri=http://127.0.0.1:{self.marathon}",
        )  # fmt: skip

    def start_mesos(self) -> None:
        self.start(
            "master", "dcos.master", f"--zk={self.zk}/mesos", "--ip=127.0.0.1", f"--port={self.master}",
            f"--work_dir={self.folder / 'master'}", "--hostname=127.0.0.1",
        )  # fmt: skip
        self.start(
            "agent", "dcos.agent", f"--master={self.zk}/mesos", "--ip=127.0.0.1", f"--port={self.agent}",
            f"--work_dir={self.folder / 'agent'}", f"--runtime_dir={self.folder / 'run'}", "--launcher=posix",
            "--isolation=posix/cpu,posix/mem", "--hostname=127.0.0.1", "--no-systemd_enable_support",
            "--resources=cpus:2;mem:1024;disk:1000;ports:[31200-31299]", "--no-switch_user",
        )  # fmt: skip
        self.start(
            "marathon", "dcos.marathon", f"--master={self.zk}/mesos", f"--zk={self.zk}/marathon",
            "--http_address=127.0.0.1", "--hostname=127.0.0.1", f"--http_port={self.marathon}", "--mesos_user=",
            "--min_revive_offers_interval=500",
        )  # fmt: skip

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        child = self.children.pop(name)
        child.send_signal(number)
        return child.wait(20)

    def stop_all(self) -> None:
        for name in ("cosmos", "marathon", "agent", "master"):
            if name in self.children:
                self.stop(name)

    def logs(self) -> str:
        return "\n".join(f"--- {one.name}\n{one.read_text()[-2500:]}" for one in self.folder.glob("*.log"))

    def eventually(self, what: str, probe: Callable[[], T], within_s: float = 60) -> T:
        """The first true answer; a failing request counts as not yet."""
        deadline = time.monotonic() + within_s
        last: object = None
        while time.monotonic() < deadline:
            try:
                if last := probe():
                    return last
            except (OSError, KeyError) as error:
                last = error
            time.sleep(0.2)
        raise AssertionError(f"not within {within_s} s: {what}; last {last!r}\n{self.logs()}")

    def call(self, path: str, body: dict[str, Any], version: int = 1) -> Any:
        kind = path.strip("/").replace("/", ".")
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.cosmos}{path}",
            data=json.dumps(body).encode(),
            headers={
                "Content-Type": f"application/vnd.dcos.{kind}-request+json;charset=utf-8;version=v1",
                "Accept": f"application/vnd.dcos.{kind}-response+json;charset=utf-8;version=v{version}",
            },
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def marathon_json(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.marathon}{path}", timeout=20) as answer:
            return json.loads(answer.read())


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with ExitStack() as stack:
        zookeeper = stack.enter_context(ensemble(tmp_path / "zk", servers=1))
        made = Services(tmp_path, zookeeper.url)
        stack.callback(made.stop_all)
        yield made


def test_repositories_outlive_a_restart(services: Services) -> None:
    services.start_cosmos()
    shown = services.eventually("cosmos answers", lambda: services.call("/package/repository/list", {}))
    assert [one["name"] for one in shown["repositories"]] == ["Universe"]
    services.call("/package/repository/delete", {"name": "Universe"})
    assert services.stop("cosmos") == 0, services.logs()
    services.start_cosmos()
    assert services.eventually("again", lambda: services.call("/package/repository/list", {})) == {"repositories": []}


def test_install_hello_world(services: Services) -> None:
    services.start_mesos()
    services.start_cosmos()
    services.eventually("Marathon leads", lambda: services.marathon_json("/v2/info").get("frameworkId"))
    services.eventually("cosmos answers", lambda: services.call("/package/search", {})["packages"])
    options = {"hello": {"message": "Hello, World of tests!"}}
    installed = services.call("/package/install", {"packageName": "hello-world", "options": options}, version=2)
    assert installed["appId"] == "/hello-world"

    def healthy() -> Any:
        app = services.marathon_json("/v2/apps/hello-world")["app"]
        return app if app["tasksHealthy"] == 1 and not app["deployments"] else None

    app = services.eventually("one healthy instance", healthy)
    assert json.loads(base64.b64decode(app["labels"]["DCOS_PACKAGE_OPTIONS"])) == options
    task = app["tasks"][0]
    with urllib.request.urlopen(f"http://{task['host']}:{task['ports'][0]}/", timeout=5) as answer:
        text = answer.read().decode()
    assert text.startswith("Hello, World of tests!\n")
    assert task["id"] in text

    (listed,) = services.call("/package/list", {})["packages"]
    assert listed["appId"] == "/hello-world"
    services.call("/package/uninstall", {"packageName": "hello-world"})
    services.eventually("it is gone", lambda: services.marathon_json("/v2/apps")["apps"] == [])
    services.eventually("its task too", lambda: services.marathon_json("/v2/tasks")["tasks"] == [])
