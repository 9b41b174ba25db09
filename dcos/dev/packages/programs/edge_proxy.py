"""edge-proxy: HAProxy for the apps of a cluster, as their HAPROXY_ labels say (those of marathon-lb that matter most).

Asks Marathon every few seconds, writes a configuration of what is healthy, has HAProxy check it, and reloads HAProxy, whose
connections go on. What cannot be read or is wrong changes nothing: the last good configuration serves. Standard library only.
"""

from __future__ import annotations

import base64
import json
import os
import re
import resource
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

Json = dict[str, Any]
ENV = os.environ
SANDBOX = Path(ENV.get("MESOS_SANDBOX", "."))
NAME = re.compile(r"[A-Za-z0-9._-]+")
HOST = re.compile(r"[A-Za-z0-9.*_-]+")
PATH = re.compile(r"/[A-Za-z0-9/._~%-]*")
MODES = ("http", "tcp")
BALANCES = ("roundrobin", "leastconn", "source", "first", "static-rr", "random")


def say(text: str) -> None:
    print(text, flush=True)


def authorities() -> ssl.SSLContext:
    """Whom HTTPS is trusted by: the cluster's authorities where its file is there, else the system's."""
    file = ENV.get("EDGE_CA_FILE") or ""
    return ssl.create_default_context(cafile=file if file and Path(file).is_file() else None)


class Login:
    """A token of a service account: openssl signs the proof, a token serves for half an hour.   Errors: OSError, ValueError."""

    def __init__(self, account: str) -> None:
        self._account: Json = json.loads(account) if account else {}
        self._token = ""
        self._until = 0.0

    def token(self) -> str:
        if self._account and time.monotonic() >= self._until:
            body = {"uid": self._account["uid"], "token": self._proof()}
            request = urllib.request.Request(
                self._account["login_endpoint"],
                data=json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=30, context=authorities()) as answer:
                self._token = str(json.load(answer)["token"])
            self._until = time.monotonic() + 1800
        return self._token

    def forget(self) -> None:
        self._until = 0.0

    def _proof(self) -> str:
        """A JWT that says who this is for five minutes."""
        claims = {"uid": self._account["uid"], "exp": int(time.time()) + 300}
        head = ".".join(_packed(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
        key = SANDBOX / "account.pem"
        key.write_text(self._account["private_key"])
        try:
            signed = subprocess.run(
                ["openssl", "dgst", "-sha256", "-sign", str(key)], input=head.encode(), capture_output=True, check=False
            )
        finally:
            key.unlink()
        if signed.returncode:
            raise ValueError("openssl does not take the private key of the service account")
        return f"{head}.{_packed(signed.stdout)}"


def _packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def apps(login: Login) -> list[Json]:
    request = urllib.request.Request(ENV["MARATHON_URL"].rstrip("/") + "/v2/apps?embed=apps.tasks")
    if token := login.token():
        request.add_header("Authorization", f"token={token}")
    try:
        with urllib.request.urlopen(request, timeout=30, context=authorities()) as answer:
            found: list[Json] = json.load(answer)["apps"]
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 401:
            login.forget()
        raise
    return found


def is_healthy(app: Json, task: Json) -> bool:
    if task.get("state") not in (None, "TASK_RUNNING"):
        return False
    results = task.get("healthCheckResults") or []
    return not app.get("healthChecks") or (bool(results) and all(one.get("alive") for one in results))


def ports_of(app: Json) -> list[tuple[int, int | None]]:
    """(service port, container port or None where the host's is asked) of each port in order."""
    mappings = (app.get("container") or {}).get("portMappings")
    if mappings:
        bridged = any(one.get("mode") == "container/bridge" for one in app.get("networks") or [])
        return [
            (
                one.get("servicePort") or 0,
                None if bridged or one.get("hostPort") is not None else one.get("containerPort"),
            )
            for one in mappings
        ]
    return [(one.get("port") or 0, None) for one in app.get("portDefinitions") or []]


def address(task: Json, index: int, container_port: int | None) -> str | None:
    if container_port is not None:
        addresses = task.get("ipAddresses") or []
        return f"{addresses[0]['ipAddress']}:{container_port}" if addresses else None
    ports = task.get("ports") or []
    return f"{task['host']}:{ports[index]}" if index < len(ports) else None


def services(found: list[Json], group: str) -> list[Json]:
    """What is to be served, one for each port of an app that is in the group."""
    made = []
    for app in sorted(found, key=lambda one: str(one["id"])):
        labels = app.get("labels") or {}
        for index, (service_port, container_port) in enumerate(ports_of(app)):

            def label(name: str, default: str = "", labels: Json = labels, index: int = index) -> str:
                return str(labels.get(f"HAPROXY_{index}_{name}", default)).strip()

            groups = label("GROUP", str(labels.get("HAPROXY_GROUP", "")))
            if group not in [one.strip() for one in groups.split(",")] or label("ENABLED", "true") == "false":
                continue
            hosts = [one.strip() for one in label("VHOST").split(",") if HOST.fullmatch(one.strip())]
            path = label("PATH")
            mode = label("MODE", "http" if hosts else "tcp")
            balance = label("BALANCE", "roundrobin")
            given = label("PORT")
            made.append(
                {
                    "name": re.sub(r"[^A-Za-z0-9_-]", "_", f"{app['id'].strip('/')}_{index}"),
                    "port": int(given) if given.isdecimal() and int(given) < 65536 else service_port,
                    "hosts": hosts,
                    "path": path if PATH.fullmatch(path) else "",
                    "mode": mode if mode in MODES else "http",
                    "balance": balance if balance in BALANCES else "roundrobin",
                    "sticky": label("STICKY") == "true",
                    "to_https": label("REDIRECT_TO_HTTPS") == "true",
                    "servers": sorted(
                        where
                        for task in app.get("tasks") or []
                        if is_healthy(app, task) and (where := address(task, index, container_port))
                    ),
                }
            )
    return made


def configuration(served: list[Json]) -> str:
    http, https, stats = (int(ENV[name]) for name in ("EDGE_HTTP_PORT", "EDGE_HTTPS_PORT", "EDGE_STATS_PORT"))
    certificate = SANDBOX / "certificate.pem" if ENV.get("EDGE_CERTIFICATE") else None
    lines = [
        "global",
        f"  maxconn {max_connections()}",
        f"  stats socket {SANDBOX / 's'} mode 600 expose-fd listeners" if len(str(SANDBOX)) < 90 else "",
        "  log stdout format raw local0 notice",
        "defaults",
        "  log global",
        "  option redispatch",
        "  option forwardfor",
        f"  timeout connect {int(ENV['EDGE_CONNECT_S'])}s",
        f"  timeout client {int(ENV['EDGE_IDLE_S'])}s",
        f"  timeout server {int(ENV['EDGE_IDLE_S'])}s",
        "  timeout tunnel 1h",
        "frontend stats",
        f"  bind *:{stats}",
        "  mode http",
        "  monitor-uri /_haproxy_health_check",
        "  stats enable",
        "  stats uri /haproxy?stats",
        "  http-request use-service prometheus-exporter if { path /metrics }" if has_exporter() else "",
    ]
    for name, port in (("http", http), ("https", https if certificate else 0)):
        if port:
            lines += [
                f"frontend edge_{name}",
                f"  bind *:{port}" + (f" ssl crt {certificate}" if name == "https" else ""),
            ]
            lines += ["  mode http", f"  http-request set-header X-Forwarded-Proto {name}"]
            lines += rules(served, to_https=name == "http" and certificate is not None)
    reserved = {http, https, stats}
    for one in served:
        if one["port"] and one["port"] not in reserved and (one["mode"] == "tcp" or not one["hosts"]):
            reserved.add(one["port"])
            lines += [f"frontend {one['name']}", f"  bind *:{one['port']}", f"  mode {one['mode']}"]
            lines.append(f"  default_backend {one['name']}")
    for one in served:
        lines += [f"backend {one['name']}", f"  mode {one['mode']}", f"  balance {one['balance']}"]
        if one["sticky"] and one["mode"] == "http":
            lines.append("  cookie edge-proxy insert indirect nocache httponly")
        for number, where in enumerate(one["servers"]):
            cookie = f" cookie s{number}" if one["sticky"] and one["mode"] == "http" else ""
            lines.append(f"  server s{number} {where} check inter 5s fall 2{cookie}")
    return "\n".join(line for line in lines if line) + "\n"


def max_connections() -> int:
    """What was asked for, or what the limit of open files allows: two for each connection."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = int(ENV["EDGE_MAX_CONNECTIONS"])
    return wanted if most == resource.RLIM_INFINITY else max(10, min(wanted, most // 2 - 500))


def rules(served: list[Json], *, to_https: bool) -> list[str]:
    """Which backend a request goes to; longer paths first."""
    lines = []
    for one in sorted(served, key=lambda one: -len(one["path"])):
        if one["mode"] != "http":
            continue
        tests = [test_of(f"path_beg {one['path']}")] if one["path"] else []
        for host in one["hosts"] or ([] if not one["path"] else [""]):
            kind = "-m end" if host.startswith("*") else "-i"
            named = [test_of(f"req.hdr(host),field(1,:) {kind} {host.lstrip('*')}")] if host else []
            test = " ".join([*named, *tests])
            if one["to_https"] and to_https:
                lines.append(f"  http-request redirect scheme https code 301 if {test}")
            lines.append(f"  use_backend {one['name']} if {test}")
    return lines


def test_of(text: str) -> str:
    return "{ " + text + " }"


def has_exporter() -> bool:
    global _EXPORTER
    if _EXPORTER is None:
        told = subprocess.run([program(), "-vv"], capture_output=True, text=True, check=False).stdout
        _EXPORTER = "prometheus-exporter" in told.lower()
    return _EXPORTER


_EXPORTER: bool | None = None


def program() -> str:
    for folder in (*ENV.get("PATH", "").split(":"), "/usr/local/sbin", "/usr/sbin", "/usr/bin"):
        if folder and (Path(folder) / "haproxy").is_file():
            return str(Path(folder) / "haproxy")
    sys.exit("haproxy is not here. On agents: apt-get install haproxy; or set software.image")


def main() -> None:
    os.umask(0o077)
    if pem := ENV.get("EDGE_CERTIFICATE"):
        (SANDBOX / "certificate.pem").write_text(pem.rstrip() + "\n")
    login = Login(ENV.get("EDGE_ACCOUNT", ""))
    haproxy, file, new = program(), SANDBOX / "haproxy.cfg", SANDBOX / "haproxy.new"
    running: subprocess.Popen[bytes] | None = None
    last = ""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while True:
            try:
                text = configuration(services(apps(login), ENV["EDGE_GROUP"]))
            except (OSError, ValueError, KeyError, TypeError) as error:
                say(f"Marathon does not answer: {error}")
                text = last or configuration([])
            if text != last:
                new.write_text(text)
                checked = subprocess.run([haproxy, "-c", "-f", str(new)], capture_output=True, text=True, check=False)
                if checked.returncode:
                    say(f"not taken:\n{checked.stdout}{checked.stderr}")
                else:
                    new.rename(file)
                    if running is None:
                        running = subprocess.Popen([haproxy, "-W", "-db", "-f", str(file)])
                    else:
                        running.send_signal(signal.SIGUSR2)
                    say(f"serving {text.count(chr(10) + 'backend ')} ports of apps")
                last = text
            if running is not None and running.poll() is not None:
                sys.exit(f"haproxy ended with {running.returncode}")
            time.sleep(float(ENV["EDGE_INTERVAL_S"]))
    finally:
        if running is not None and running.poll() is None:
            running.terminate()
            running.wait(10)


if __name__ == "__main__":
    main()
