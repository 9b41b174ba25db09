"""The program of the package edge-proxy: which apps it serves, and how HAProxy is told."""

from __future__ import annotations

import json
import threading
import urllib.error
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dcos.dev.packages.programs import edge_proxy


def app(name: str, *, labels: dict[str, str], health: bool | None = None, **more: Any) -> dict[str, Any]:
    task = {"host": "10.0.0.2", "ports": [31000, 31001], "state": "TASK_RUNNING"}
    if health is not None:
        task["healthCheckResults"] = [{"alive": health}]
    checks = [{"protocol": "MESOS_HTTP"}] if health is not None else []
    ports = [{"port": 10101}, {"port": 10102}]
    whole = {"id": f"/{name}", "labels": labels, "tasks": [task], "healthChecks": checks, "portDefinitions": ports}
    return whole | more


def served(*apps: dict[str, Any]) -> list[dict[str, Any]]:
    return edge_proxy.services(list(apps), "external")


def test_groups_and_ports() -> None:
    one = app("a/b", labels={"HAPROXY_GROUP": "external, other", "HAPROXY_1_ENABLED": "false"})
    (found,) = served(one, app("c", labels={}), app("d", labels={"HAPROXY_GROUP": "internal"}))
    assert (found["name"], found["port"], found["mode"], found["servers"]) == (
        "a_b_0",
        10101,
        "tcp",
        ["10.0.0.2:31000"],
    )
    both = served(app("a", labels={"HAPROXY_1_GROUP": "external", "HAPROXY_1_PORT": "9000"}))
    assert [(one["name"], one["port"], one["servers"]) for one in both] == [("a_1", 9000, ["10.0.0.2:31001"])]


@pytest.mark.parametrize(("health", "number"), [(None, 1), (True, 1), (False, 0)])
def test_only_healthy_tasks(health: bool | None, number: int) -> None:
    (first, _) = served(app("a", labels={"HAPROXY_GROUP": "external"}, health=health))
    assert len(first["servers"]) == number


def test_tasks_without_results_and_on_their_way_are_left_out() -> None:
    waiting = app("a", labels={"HAPROXY_GROUP": "external"}, healthChecks=[{}])
    staging = app("b", labels={"HAPROXY_GROUP": "external"})
    staging["tasks"][0]["state"] = "TASK_STAGING"
    assert all(one["servers"] == [] for one in served(waiting, staging))


def test_container_networks() -> None:
    mapped = app("a", labels={"HAPROXY_GROUP": "external"})
    mapped["container"] = {"portMappings": [{"containerPort": 80, "servicePort": 10300}]}
    mapped["tasks"][0]["ipAddresses"] = [{"ipAddress": "9.0.0.5"}]
    (found,) = served(mapped)
    assert (found["port"], found["servers"]) == (10300, ["9.0.0.5:80"])
    mapped["networks"] = [{"mode": "container/bridge"}]
    assert served(mapped)[0]["servers"] == ["10.0.0.2:31000"]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "EDGE_HTTP_PORT": "80", "EDGE_HTTPS_PORT": "443", "EDGE_STATS_PORT": "9090", "EDGE_MAX_CONNECTIONS": "100",
        "EDGE_CONNECT_S": "5", "EDGE_IDLE_S": "60", "EDGE_CERTIFICATE": "a certificate",
    }  # fmt: skip
    for key, value in values.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(edge_proxy, "_EXPORTER", False)


@pytest.mark.usefixtures("settings")
def test_what_haproxy_is_told() -> None:
    labels = {
        "HAPROXY_GROUP": "external", "HAPROXY_0_VHOST": "a.example.com,*.b.example.com", "HAPROXY_0_PATH": "/x",
        "HAPROXY_0_STICKY": "true", "HAPROXY_0_REDIRECT_TO_HTTPS": "true", "HAPROXY_0_BALANCE": "leastconn",
        "HAPROXY_1_PORT": "80",
    }  # fmt: skip
    text = edge_proxy.configuration(served(app("one", labels=labels)))
    host = "{ req.hdr(host),field(1,:) -i a.example.com } { path_beg /x }"
    assert f"  http-request redirect scheme https code 301 if {host}\n  use_backend one_0 if {host}\n" in text
    assert "use_backend one_0 if { req.hdr(host),field(1,:) -m end .b.example.com } { path_beg /x }" in text
    assert "frontend edge_https\n  bind *:443 ssl crt" in text
    assert "backend one_0\n  mode http\n  balance leastconn\n  cookie edge-proxy insert" in text
    assert "  server s0 10.0.0.2:31000 check inter 5s fall 2 cookie s0\n" in text
    assert "frontend one_1" not in text, "the port is the proxy's own"
    assert text.count("redirect scheme https") == 2, "not in the HTTPS frontend"


def test_a_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It proves its key, keeps its token, and asks for another when Marathon takes it no more."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    logins: list[str] = []
    good = "token-1"

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert jwt.decode(asked["token"], key.public_key(), algorithms=["RS256"])["uid"] == asked["uid"] == "edge"
            logins.append(asked["uid"])
            self.answer(200, {"token": f"token-{len(logins)}"})

        def do_GET(self) -> None:
            known = self.headers["Authorization"] == f"token={good}"
            self.answer(200 if known else 401, {"apps": [{"id": "/a"}]})

        def answer(self, status: int, body: dict[str, Any]) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    monkeypatch.setattr(edge_proxy, "SANDBOX", tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("MARATHON_URL", url)
        account = {"uid": "edge", "private_key": pem, "login_endpoint": f"{url}/acs/api/v1/auth/login"}
        login = edge_proxy.Login(json.dumps(account))
        try:
            for _ in range(2):
                assert edge_proxy.apps(login) == [{"id": "/a"}]
            good = "token-2"
            with pytest.raises(urllib.error.HTTPError):
                edge_proxy.apps(login)
            assert edge_proxy.apps(login) == [{"id": "/a"}]
            assert len(logins) == 2
            with pytest.raises(ValueError, match="does not take the private key"):
                edge_proxy.Login(json.dumps({**account, "private_key": "none"})).token()
        finally:
            server.shutdown()
            thread.join()
    assert list(tmp_path.iterdir()) == []
    assert edge_proxy.Login("").token() == ""


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    "labels",
    [
        {"HAPROXY_0_VHOST": "a b\n  evil"},
        {"HAPROXY_0_PATH": "/x\n  evil"},
        {"HAPROXY_0_BALANCE": "roundrobin\n  evil"},
        {"HAPROXY_0_MODE": "http\n  evil"},
        {"HAPROXY_0_PORT": "80\n  evil"},
    ],
)
def test_labels_write_no_lines(labels: dict[str, str]) -> None:
    assert "evil" not in edge_proxy.configuration(served(app("one", labels={"HAPROXY_GROUP": "external", **labels})))
