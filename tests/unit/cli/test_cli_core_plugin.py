"""The plugin for upstream's ``dcos``: whole in itself, started as that program starts plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dcos.cli.as_plugin import told_by
from dcos.cli.config_store import Cluster, ConfigError
from dcos.cli.plugins.store import PluginStore
from dcos.install import core_plugin
from dcos.testing.adminrouter import TOKEN, FakeAdminRouter
from tests.unit.cli.results import Dcos


@pytest.fixture(scope="module")
def archive() -> bytes:
    return core_plugin.archive()


def started(program: Path, folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Without any library of this machine but Python's own."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(program), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": os.environ["PATH"], "DCOS_DIR": str(folder), **environ},
    )


@pytest.fixture
def program(archive: bytes, tmp_path: Path) -> Path:
    """As upstream's program has it on disk."""
    file = tmp_path / "core.zip"
    file.write_bytes(archive)
    made = PluginStore(Cluster("any", tmp_path / "clusters/any")).add(file, name="x", kind="zip", update=False)
    assert made.name == "dcos-core-cli"
    assert {one.name for one in made.commands} == set(core_plugin.COMMANDS)
    (path,) = {one.path for one in made.commands}
    assert os.access(path, os.X_OK)
    return path


def test_it_is_the_same_whenever_it_is_made(archive: bytes) -> None:
    assert core_plugin.archive() == archive


@pytest.mark.parametrize("command", sorted(core_plugin.COMMANDS))
def test_every_command_starts(program: Path, tmp_path: Path, command: str) -> None:
    done = started(program, tmp_path, command, "--help", DCOS_URL="http://127.0.0.1:9")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: dcos {command} ")


def test_it_works_on_the_cluster_that_it_is_told(
    program: Path, tmp_path: Path, fake: FakeAdminRouter, url: str
) -> None:
    told = {"DCOS_URL": url, "DCOS_ACS_TOKEN": TOKEN, "DCOS_TLS_INSECURE": "1"}
    assert started(program, tmp_path, "node", "list", "--mesos-id", **told).stdout == "a-S0\na-S1\n"
    (tmp_path / "app.yaml").write_text("id: /web\ncmd: sleep 1\ncpus: 0.1\nmem: 32\ninstances: 1\n")
    added = started(program, tmp_path, "marathon", "app", "add", str(tmp_path / "app.yaml"), **told)
    assert added.stdout.startswith("Created deployment "), added.stderr
    assert "web.0" in started(program, tmp_path, "task", "list", **told).stdout
    refused = started(program, tmp_path, "task", "list", **(told | {"DCOS_ACS_TOKEN": "wrong"}))
    assert (refused.returncode, "dcos auth login" in refused.stderr) == (1, True)
    assert started(program, tmp_path, "node").stderr.startswith("Error: this is a plugin")


def test_what_the_environment_tells(ready: Dcos, fake: FakeAdminRouter, url: str, tmp_path: Path) -> None:
    environ = {
        "DCOS_DIR": str(tmp_path / "dcos"),
        "DCOS_URL": f"{url}/",
        "DCOS_TLS_CA_PATH": "/ca",
        "DCOS_MARATHON_URL": "http://m",
    }
    found = told_by(environ)
    assert (found.id, found.url, found.token) == (fake.cluster_id, url, "")
    assert (found.values["core.ssl_verify"], found.values["marathon.url"]) == ("/ca", "http://m")
    with pytest.raises(ConfigError, match="DCOS_URL"):
        told_by({})
