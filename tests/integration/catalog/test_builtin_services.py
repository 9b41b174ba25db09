"""Packages of the built-in catalog installed on real Mesos and Marathon from the OS packages of this machine: each does its work.

One cluster of plain processes, on which the services come and go one after the other.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient

from dcos.catalog.core.collection import Collection
from dcos.catalog.core.render import render
from dcos.catalog.repository import read_tree
from dcos.catalog.service import PACKAGES
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.testing.processes import Processes
from dcos.testing.zookeeper import ensemble, why_not

PROGRAMS = {
    "nginx": "/usr/sbin/nginx",
    "redis": "/usr/bin/redis-server",
    "postgresql": "/usr/lib/postgresql",
    "prometheus": "/usr/bin/prometheus",
    "alertmanager": "/usr/bin/prometheus-alertmanager",
    "edge-proxy": "/usr/sbin/haproxy",
}
MISSING = [name for name, file in PROGRAMS.items() if not Path(file).exists()]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
    pytest.mark.skipif(bool(MISSING), reason=f"software of {', '.join(MISSING)} is not on this machine"),
]


class Catalog:
    def __init__(self, services: Processes) -> None:
        self.services = services

    def call(self, path: str, body: dict[str, Any], version: int = 1) -> Any:
        kind = path.strip("/").replace("/", ".")
        request = urllib.request.Request(
            self.services.url("cosmos") + path,
            data=json.dumps(body).encode(),
            headers={
                "Content-Type": f"application/vnd.dcos.{kind}-request+json;charset=utf-8;version=v1",
                "Accept": f"application/vnd.dcos.{kind}-response+json;charset=utf-8;version=v{version}",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {error.code}: {error.read().decode()}") from None

    @contextmanager
    def installed(self, name: str, **options: Any) -> Iterator[Service]:
        """A healthy service; it is uninstalled after the block, and nothing of it runs any more."""
        self.call("/package/install", {"packageName": name, "options": options}, version=2)
        try:
            yield Service(self, name)
        finally:
            self.call("/package/uninstall", {"packageName": name})
            self.services.eventually(f"{name} is gone", lambda: self.services.get("marathon", "/v2/apps")["apps"] == [])
            self.services.eventually("its tasks too", lambda: self.services.get("marathon", "/v2/tasks")["tasks"] == [])


class Service:
    def __init__(self, catalog: Catalog, name: str) -> None:
        self._services = catalog.services
        self.name = name
        self.wait()

    def wait(self, other_than: str = "") -> None:
        """Until one healthy task runs that is not ``other_than``."""

        def healthy() -> Any:
            app = self._services.get("marathon", f"/v2/apps/{self.name}")["app"]
            good = app["tasksHealthy"] == 1 and not app["deployments"] and app["tasks"][0]["id"] != other_than
            return app["tasks"][0] if good else None

        try:
            self.task = self._services.eventually(f"{self.name} is healthy", healthy)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()}") from None

    def output(self) -> str:
        files = sorted((self._services.folder / "agent").rglob("std*"))
        return "\n".join(f"--- {one}\n{one.read_text(errors='replace')[-1500:]}" for one in files if one.is_file())

    @property
    def port(self) -> int:
        return int(self.task["ports"][0])

    def get(self, path: str, port: int | None = None, **headers: str) -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{port or self.port}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return str(answer.read().decode())

    def killed(self) -> None:
        """Its task is killed; another takes its place."""
        url = f"{self._services.url('marathon')}/v2/apps/{self.name}/tasks"
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=PATIENCE_S).close()
        self.wait(other_than=self.task["id"])


@pytest.fixture(scope="module")
def catalog() -> Iterator[Catalog]:
    folder = Path(tempfile.mkdtemp(prefix="dcos-catalog-"))
    folder.chmod(0o755)  # PostgreSQL does not run as root, and must reach its data
    try:
        with ensemble(folder / "zk", servers=1) as zookeeper, Processes(folder, zookeeper.url) as services:
            services.start_mesos(ports="31300-31399", resources="cpus:4;mem:4096;disk:20000")
            services.start_marathon("--mesos_role=slave_public")
            services.start_cosmos()
            made = Catalog(services)
            services.eventually("Marathon leads", lambda: services.get("marathon", "/v2/info").get("frameworkId"))
            services.eventually("cosmos answers", lambda: made.call("/package/search", {})["packages"])
            yield made
    finally:
        shutil.rmtree(folder)


def test_nginx(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("a page from an archive")
    archive = shutil.make_archive(str(tmp_path / "site"), "gztar", tmp_path, "site")
    with catalog.installed(
        "nginx", nginx={"page": "<p>Hello</p>", "more": "location = /more { return 200 more; }"}
    ) as nginx:
        assert nginx.get("/") == "<p>Hello</p>\n"
        assert nginx.get("/more") == "more"
        with pytest.raises(urllib.error.HTTPError) as caught:
            nginx.get("/none")
        caught.value.close()
        assert caught.value.code == 404
    with catalog.installed("nginx", software={"artifact": f"file://{archive}"}) as nginx:
        assert nginx.get("/") == "a page from an archive"


def redis_says(port: int, *words: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall("".join(f"{word}\r\n" for word in words).encode() + b"QUIT\r\n")
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("name", [name for name in (*PROGRAMS, "zookeeper") if name != "edge-proxy"])
def test_without_root(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """As on agents that run tasks as nobody, with output files of somebody else."""
    app = render(Collection([("u", read_tree(PACKAGES, "3.0.0").packages)]).find(name).package, "u", None, None)
    port = free_port()
    environ = {key: str(value) for key, value in app["env"].items()}
    with tempfile.TemporaryDirectory(prefix="dcos-catalog-") as folder, tempfile.TemporaryFile() as output:
        os.chown(folder, 65534, 65534)
        environ |= {"MESOS_SANDBOX": folder, "HOST": "127.0.0.1", "PORT0": str(port), "PATH": "/usr/bin:/bin"}
        process = subprocess.Popen(
            ["/bin/sh", "-c", app["cmd"]], env=environ, cwd=folder, stdout=output, stderr=output, user=65534, group=65534,
            extra_groups=[], start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + PATIENCE_S
            while _refuses(port):
                output.seek(0)
                assert process.poll() is None, output.read().decode()
                assert time.monotonic() < deadline, output.read().decode()
                time.sleep(0.1)
            if name == "nginx":
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S).close()
            process.terminate()
            process.wait(PATIENCE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        assert name != "nginx" or b'"GET / HTTP/1.1" 200' in output.read()


def test_redis(catalog: Catalog) -> None:
    options = {"redis": {"password": 'pass "word\\', "maxmemory_mb": 32}, "storage": {"persistent": True, "size": 64}}
    with catalog.installed("redis", **options) as redis:
        login = 'AUTH "pass \\"word\\\\"'
        assert "NOAUTH" in redis_says(redis.port, "GET a")
        assert redis_says(redis.port, login, "SET a kept", "CONFIG GET maxmemory") == (
            "+OK\r\n+OK\r\n*2\r\n$9\r\nmaxmemory\r\n$8\r\n33554432\r\n+OK\r\n"
        )
        redis.killed()
        assert "kept" in redis_says(redis.port, login, "GET a")


def test_postgresql(catalog: Catalog) -> None:
    def sql(text: str) -> str:
        url = f"postgresql://admin:s3cret@127.0.0.1:{postgres.port}/shop"
        psql = next(Path("/usr/lib/postgresql").glob("*/bin/psql"))
        done = subprocess.run([psql, url, "-tAc", text], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    options = {
        "postgresql": {"superuser": "admin", "password": "s3cret", "database": "shop", "buffers_mb": 16},
        "storage": {"size": 256},
    }
    with catalog.installed("postgresql", **options) as postgres:
        sql("CREATE TABLE things (name text); INSERT INTO things VALUES ('kept')")
        assert sql("SHOW shared_buffers") == "16MB"
        postgres.killed()
        assert sql("SELECT name FROM things") == "kept"


def test_postgresql_with_a_password_of_its_own(catalog: Catalog) -> None:
    with catalog.installed("postgresql", storage={"persistent": False}) as postgres:
        (file,) = (catalog.services.folder / "agent/slaves").rglob("data/password")
        assert file.stat().st_mode & 0o077 == 0
        url = f"postgresql://postgres:{file.read_text()}@127.0.0.1:{postgres.port}/postgres"
        psql = next(Path("/usr/lib/postgresql").glob("*/bin/psql"))
        assert subprocess.run([psql, url, "-tAc", "SELECT 1"], capture_output=True, check=True).stdout == b"1\n"
        wrong = [psql, f"postgresql://postgres:wrong@127.0.0.1:{postgres.port}/postgres", "-c", "SELECT 1"]
        assert subprocess.run(wrong, capture_output=True, check=False).returncode != 0


def test_zookeeper(catalog: Catalog) -> None:
    with catalog.installed("zookeeper", zookeeper={"heap_mb": 64}, storage={"size": 64}) as zookeeper:
        for value in (None, b"kept"):
            client = KazooClient(hosts=f"127.0.0.1:{zookeeper.port}")
            client.start(timeout=PATIENCE_S)
            try:
                if value is None:
                    client.create("/a", b"kept")
                else:
                    assert client.get("/a")[0] == value
            finally:
                client.stop()
                client.close()
            if value is None:
                zookeeper.killed()


MEASURED = (
    "exec python3 -u -c 'import http.server,os\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    " def do_GET(s):\n"
    '  s.send_response(200); s.send_header("Content-Type", "text/plain"); s.end_headers(); s.wfile.write(b"made 1\\n")\n'
    'http.server.ThreadingHTTPServer(("",int(os.environ["PORT0"])),H).serve_forever()\''
)


@contextmanager
def webhook() -> Iterator[tuple[str, list[Any]]]:
    """A URL, and what was posted to it."""
    posted: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/", posted
        finally:
            server.shutdown()
            thread.join()


def test_an_alert_reaches_people(catalog: Catalog) -> None:
    """Alertmanager and Prometheus: what Prometheus sees of an app's metrics becomes a post to a URL."""
    rules = "groups:\n- name: g\n  rules:\n  - alert: Seen\n    expr: up{job='marathon'} == 1"
    with (
        webhook() as (url, posted),
        catalog.installed("alertmanager", alertmanager={"webhook": url, "wait_s": 1}) as manager,
    ):
        options = {
            "alertmanagers": f"127.0.0.1:{manager.port}",
            "targets": f"127.0.0.1:{manager.port}",
            "marathon_url": catalog.services.url("marathon"),
            "rules": rules,
            "interval_s": 1,
        }
        app = {
            "id": "/measured", "cmd": MEASURED, "cpus": 0.1, "mem": 32, "networks": [{"mode": "host"}],
            "labels": {"METRICS_PATH": "/metrics"}, "portDefinitions": [{"port": 0}],
        }  # fmt: skip
        with catalog_app(catalog, app), installed_beside(catalog, "prometheus", prometheus=options) as prometheus:

            def up(job: str) -> bool:
                query = f"/api/v1/query?query=up%7Bjob%3D%22{job}%22%7D"
                return bool(json.loads(prometheus.get(query))["data"]["result"])

            for job in ("prometheus", "given", "marathon"):
                catalog.services.eventually(f"{job} is asked", lambda job=job: up(job))  # type: ignore[misc]
            catalog.services.eventually("the alert is told", lambda: posted)
            assert posted[0]["alerts"][0]["labels"]["alertname"] == "Seen"


@contextmanager
def catalog_app(catalog: Catalog, app: dict[str, Any]) -> Iterator[None]:
    """An app that no package made."""
    url = f"{catalog.services.url('marathon')}/v2/apps"
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(app).encode(), headers=headers)
    urllib.request.urlopen(request, timeout=PATIENCE_S).close()
    try:
        yield
    finally:
        gone = urllib.request.Request(f"{url}{app['id']}?force=true", method="DELETE")
        urllib.request.urlopen(gone, timeout=PATIENCE_S).close()


@contextmanager
def installed_beside(catalog: Catalog, name: str, **options: Any) -> Iterator[Service]:
    """As ``installed``, with other apps beside it."""
    catalog.call("/package/install", {"packageName": name, "options": options}, version=2)
    try:
        yield Service(catalog, name)
    finally:
        catalog.call("/package/uninstall", {"packageName": name})


def test_edge_proxy(catalog: Catalog) -> None:
    http, stats, tcp = free_port(), free_port(), free_port()
    ports = {"http_port": http, "https_port": free_port(), "stats_port": stats}
    edge = {**ports, "marathon_url": catalog.services.url("marathon"), "interval_s": 0.2}
    server = (
        "exec python3 -u -c 'import http.server,os\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        " def do_GET(s):\n"
        '  s.send_response(200); s.end_headers(); s.wfile.write((os.environ["ME"]+s.path).encode())\n'
        'http.server.ThreadingHTTPServer(("",int(os.environ["PORT0"])),H).serve_forever()\''
    )

    def app(name: str, **labels: str) -> dict[str, Any]:
        return {
            "id": f"/{name}", "cmd": server, "cpus": 0.1, "mem": 32, "env": {"ME": name}, "networks": [{"mode": "host"}],
            "portDefinitions": [{"port": 0}], "labels": {"HAPROXY_GROUP": "external", **labels},
        }  # fmt: skip

    # the agent offers its ports only; the proxy's own are of this machine
    with catalog_app(catalog, app("one", HAPROXY_0_VHOST="one.example.com")):
        proxied = {"edge": edge, "service": {"public": False, "spread": False}}
        assert catalog.call("/package/render", {"packageName": "edge-proxy", "options": proxied})["marathonJson"][
            "requirePorts"
        ]
        with started_edge(catalog, proxied) as proxy:
            with (
                catalog_app(
                    catalog, app("two", HAPROXY_0_PATH="/two", HAPROXY_0_MODE="http", HAPROXY_0_VHOST="one.example.com")
                ),
                catalog_app(catalog, app("three", HAPROXY_0_MODE="http", HAPROXY_0_PORT=str(tcp))),
                catalog_app(catalog, app("hidden", HAPROXY_GROUP="internal", HAPROXY_0_VHOST="hidden.example.com")),
            ):
                for host, path, port, expected in (
                    ("one.example.com", "/a", http, "one/a"),
                    ("one.example.com", "/two/b", http, "two/two/b"),
                    ("any", "/c", tcp, "three/c"),
                ):
                    catalog.services.eventually(
                        f"{expected} is served",
                        lambda host=host, path=path, port=port, expected=expected: (  # type: ignore[misc]
                            proxy.get(path, port, Host=host) == expected
                        ),
                    )
                with pytest.raises(urllib.error.HTTPError) as caught:
                    proxy.get("/", http, Host="hidden.example.com")
                caught.value.close()
                assert caught.value.code == 503
                assert "haproxy" in proxy.get("/haproxy?stats", stats).lower()
            catalog.services.eventually("three is gone", lambda: _refuses(tcp))
            assert proxy.get("/still", http, Host="one.example.com") == "one/still"


def _refuses(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def started_edge(catalog: Catalog, options: dict[str, Any]) -> Iterator[Service]:
    app = catalog.call("/package/render", {"packageName": "edge-proxy", "options": options})["marathonJson"]
    app |= {"requirePorts": False, "healthChecks": []}
    with catalog_app(catalog, {**app, "id": "/edge-proxy"}):
        found = Service.__new__(Service)
        found._services, found.name = catalog.services, "edge-proxy"
        try:
            catalog.services.eventually("the proxy is up", lambda: not _refuses(options["edge"]["stats_port"]), 15)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{found.output()}") from None
        yield found
