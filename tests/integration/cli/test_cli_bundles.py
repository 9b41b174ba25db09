"""Through Admin Router: diagnostics bundles by our own ``dcos`` and the official one, and the plugin of upstream's Go program."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dcos.install.core_plugin import COMMANDS
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
Ours = Callable[..., str]


@pytest.fixture
def ours(cluster: Processes, cli: Cli, tmp_path: Path) -> Ours:
    """Our program, set up with the cluster, in an empty folder."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DCOS_DIR": str(tmp_path / "dcos"),
        "DCOS_PASSWORD": PASSWORD,
    }

    def run(*words: str) -> str:
        argv = [sys.executable, "-c", "import sys; from dcos.cli.main import main; sys.exit(main())", *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=240, env=environ, cwd=tmp_path)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{cluster.logs()}"
        return done.stdout

    run("cluster", "setup", cluster.url("adminrouter"), "--username=admin", "--no-check")
    return run


def test_a_bundle(ours: Ours, tmp_path: Path) -> None:
    bundle = ours("diagnostics", "create", "--masters").strip()
    ours("diagnostics", "wait", bundle)
    assert ours("diagnostics", "list", "-q") == f"{bundle}\n"
    assert [one["status"] for one in json.loads(ours("diagnostics", "list", "--json")) if one["id"] == bundle] == [
        "Done"
    ]
    ours("diagnostics", "download", bundle, "--output=bundle.zip")
    assert zipfile.ZipFile(tmp_path / "bundle.zip").testzip() is None
    ours("diagnostics", "delete", bundle)


def test_a_bundle_in_the_older_way(cli: Cli, cluster: Processes, ours: Ours, tmp_path: Path) -> None:
    assert "successfully started" in cli.ok("node", "diagnostics", "create", "masters")
    cluster.eventually("it is there", lambda: "bundle-" in cli.run("node", "diagnostics", "--list").stdout)
    name = next(word for word in ours("node", "diagnostics", "list").split() if word.startswith("bundle-"))
    assert name in cli.ok("node", "diagnostics", "--list")
    assert cli.ok("node", "diagnostics", "--status").strip()
    ours("node", "diagnostics", "download", name)
    assert zipfile.is_zipfile(io.BytesIO((tmp_path / name).read_bytes()))
    cli.ok("node", "diagnostics", "delete", name)


def test_the_plugin_of_the_go_program(ours: Ours, cluster: Processes, tmp_path: Path) -> None:
    ours("package", "install", "dcos-core-cli", "--cli", "--yes")
    (plugin,) = json.loads(ours("plugin", "list", "--json"))
    assert {one["name"] for one in plugin["commands"]} == set(COMMANDS)
    (program,) = (tmp_path / "dcos/clusters").glob("*/subcommands/dcos-core-cli/env/bin/dcos")
    told = {"PATH": os.environ["PATH"], "DCOS_DIR": str(tmp_path / "dcos"), "DCOS_TLS_INSECURE": "1"}
    told |= {
        "DCOS_URL": cluster.url("adminrouter"),
        "DCOS_ACS_TOKEN": ours("config", "show", "core.dcos_acs_token").strip(),
    }
    argv = [sys.executable, "-I", "-S", str(program), "node", "list", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, env=told)
    assert done.returncode == 0, done.stderr
    assert {one["type"] for one in json.loads(done.stdout)} == {"master (leader)", "agent"}
