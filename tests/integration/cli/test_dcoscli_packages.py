"""The official ``dcos`` from PyPI (see ``conftest.py``): every command of ``dcos package``, and what packages add to it; beside
it our own ``dcos``, which takes the same plugin from the same catalog."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from dcos.testing.packages import package
from dcos.testing.processes import Processes
from dcos.testing.zookeeper import why_not
from tests.integration.cli.conftest import PASSWORD, Cli

NO_NGINX = None if shutil.which("nginx") else "no nginx on PATH (nginx-light)"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif((why_not() or NO_NGINX) is not None, reason=str(why_not() or NO_NGINX)),
]
ROOT = Path(__file__).parents[3]
PROGRAM = """#!/bin/sh
case "$2" in
--info) echo "Says hello";;
*) echo "hello from the plugin: $*"; test -z "$DCOS_URL" || echo "cluster $DCOS_URL";;
esac
"""


def archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        entry = zipfile.ZipInfo("bin/dcos-speaker")
        entry.external_attr = 0o100755 << 16
        opened.writestr(entry, PROGRAM)
    return made.getvalue()


class _Repository(BaseHTTPRequestHandler):
    """A repository of one package, and the file of its CLI."""

    files: ClassVar[dict[str, tuple[str, bytes]]] = {}

    def do_GET(self) -> None:
        kind, content = self.files[self.path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@pytest.fixture(scope="module")
def repository() -> Iterator[str]:
    """Its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Repository) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        content = archive()
        digest = {"algo": "sha256", "value": hashlib.sha256(content).hexdigest()}
        binary = {"kind": "zip", "url": f"{url}/speaker.zip", "contentHash": [digest]}
        resource = {"cli": {"binaries": {"linux": {"x86-64": binary, "arm64": binary}}}}
        speaker = package("speaker", "1.0", resource=resource, postInstallNotes="speak up", selected=True)
        packages = [json.loads(msgspec.json.encode(speaker))]
        kind = "application/vnd.dcos.universe.repo+json;charset=utf-8;version=v4"
        _Repository.files = {
            "/repo.json": (kind, json.dumps({"packages": packages}).encode()),
            "/speaker.zip": ("application/zip", content),
        }
        thread = threading.Thread(target=server.serve_forever, name="repository", daemon=True)
        thread.start()
        try:
            yield f"{url}/repo.json"
        finally:
            server.shutdown()
            thread.join()


def _settled(cluster: Processes) -> None:
    cluster.eventually("no deployment is left", lambda: cluster.get("marathon", "/v2/deployments") == [])


@pytest.fixture
def offered(cli: Cli, repository: str) -> None:
    """The cluster has the repository."""
    if "ours: " not in cli.ok("package", "repo", "list"):
        cli.ok("package", "repo", "add", "ours", repository)


def test_repositories(cli: Cli, repository: str, tmp_path: Path) -> None:
    before = cli.json("package", "repo", "list")["repositories"]
    cli.ok("package", "repo", "add", "--index=0", "ours", repository)
    assert f"ours: {repository}" in cli.ok("package", "repo", "list")
    assert cli.json("package", "repo", "list")["repositories"][0] == {"name": "ours", "uri": repository}
    cli.ok("package", "repo", "remove", "ours")
    assert cli.json("package", "repo", "list")["repositories"] == before
    (tmp_path / "repos.json").write_text(json.dumps({"repositories": [{"name": "ours", "uri": repository}]}))
    cli.ok("package", "repo", "import", str(tmp_path / "repos.json"))
    assert "ours" in cli.ok("package", "repo", "list")
    assert cli.run("package", "repo", "remove", "nobody").returncode == 1


@pytest.mark.usefixtures("offered")
def test_looking_at_packages(cli: Cli, tmp_path: Path) -> None:
    assert "speaker" in cli.ok("package", "search", "speak")
    found = cli.json("package", "search", "speaker")["packages"]
    assert [(one["name"], one["currentVersion"]) for one in found] == [("speaker", "1.0")]
    assert cli.run("package", "search", "nothing-like-that").returncode == 1
    assert cli.shown("package", "describe", "speaker")["package"]["version"] == "1.0"
    assert cli.shown("package", "describe", "--config", "speaker")["type"] == "object"
    assert "linux" in cli.ok("package", "describe", "--cli", "speaker")
    assert '"id": "{{name}}"' in cli.ok("package", "describe", "--app", "speaker")
    options = tmp_path / "options.json"
    options.write_text(json.dumps({"name": "spoken"}))
    rendered = cli.shown("package", "describe", "--app", "--render", f"--options={options}", "speaker")
    assert rendered["id"] == "spoken"
    assert cli.shown("package", "describe", "--package-versions", "speaker") == ["1.0"]
    assert cli.shown("package", "describe", "--package-version=1.0", "speaker")["package"]["name"] == "speaker"
    assert cli.run("package", "describe", "--package-version=7", "speaker").returncode == 1
    for words in (("--info",), ("--version",), ("--config-schema",), ("--help",)):
        assert cli.ok("package", *words).strip()


@pytest.mark.usefixtures("offered")
def test_an_app_and_its_plugin(cli: Cli, cluster: Processes, tmp_path: Path) -> None:
    options = tmp_path / "options.json"
    options.write_text(json.dumps({"name": "spoken"}))
    done = cli.ok("package", "install", "speaker", f"--options={options}", "--yes")
    assert "speak up" in done
    assert "New command available: dcos speaker" in done
    _settled(cluster)
    (installed,) = cli.json("package", "list")
    assert (installed["apps"], installed["command"]) == (["/spoken"], {"name": "speaker"})
    assert "/spoken" in cli.ok("package", "list", "speaker")
    assert cli.json("package", "list", "--app-id=/spoken")[0]["name"] == "speaker"
    assert "hello from the plugin: speaker one two" in cli.ok("speaker", "one", "two")

    cli.ok("package", "install", "speaker", "--app", "--yes")
    _settled(cluster)
    several = cli.run("package", "uninstall", "speaker", "--app", "--yes")
    assert (several.returncode, "/spoken" in several.stderr) == (1, True)
    cli.ok("package", "uninstall", "speaker", "--app", "--app-id=/demo", "--yes")
    _settled(cluster)
    cli.ok("package", "uninstall", "speaker", "--app", "--all", "--yes")
    _settled(cluster)
    cli.ok("package", "uninstall", "speaker", "--cli")
    assert "There are currently no installed packages" in cli.run("package", "list").stderr
    assert cli.run("speaker").returncode == 1


@pytest.mark.usefixtures("offered")
def test_only_the_plugin_and_only_the_app(cli: Cli, cluster: Processes) -> None:
    before = cluster.get("marathon", "/v2/apps")["apps"]
    cli.ok("package", "install", "speaker", "--cli", "--yes")
    assert len(cluster.get("marathon", "/v2/apps")["apps"]) == len(before)
    assert cli.json("package", "list", "--cli")[0]["command"] == {"name": "speaker"}
    cli.ok("package", "uninstall", "speaker", "--cli")
    bad = cli.run("package", "install", "speaker", "--package-version=7", "--yes")
    assert (bad.returncode, "7" in bad.stderr) == (1, True)
    assert cli.run("package", "install", "nothing-like-that", "--yes").returncode == 1


@pytest.mark.usefixtures("offered")
def test_our_own_program_takes_the_same_plugin(cluster: Processes, tmp_path: Path) -> None:
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DCOS_DIR": str(tmp_path / "dcos"),
        "DCOS_PASSWORD": PASSWORD,
    }

    def ours(*words: str) -> str:
        argv = [sys.executable, "-c", "import sys; from dcos.cli.main import main; sys.exit(main())", *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, env=environ)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{cluster.logs()}"
        return done.stdout

    ours("cluster", "setup", cluster.url("adminrouter"), "--username=admin", "--no-check")
    ours("package", "install", "speaker", "--cli", "--yes")
    said = ours("speaker", "one", "two").splitlines()
    assert said == ["hello from the plugin: speaker one two", f"cluster {cluster.url('adminrouter')}"]
    assert json.loads(ours("plugin", "list", "--json"))[0]["name"] == "speaker"
    ours("package", "uninstall", "speaker", "--cli")
