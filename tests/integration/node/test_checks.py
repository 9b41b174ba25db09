"""dcos-check-runner as a program and as the API's service, over the files that an installation writes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from dcos.install.settings import resolve
from dcos.model import checks
from dcos.model.layout import Layout
from dcos.node.core.units import UnitState, expected_units
from dcos.registry import NodeRole
from dcos.runtime.files import write_atomic
from dcos.testing.patience import PATIENCE_S

pytestmark = pytest.mark.integration

START = "import sys; from dcos.node.checks.service import main; sys.exit(main())"
BUILT_IN = "import sys; from dcos.node.checks.service import builtin_main; sys.exit(builtin_main())"
GOOD = UnitState(load_state="loaded", active_state="active", sub_state="running", pid=1)
BAD = UnitState(load_state="loaded", active_state="failed", sub_state="failed", exec_main_status=1)
CUSTOM: dict[str, Any] = {
    "cluster_checks": {"whole": {"description": "Whole", "cmd": ["/bin/echo", "all"], "timeout": "20s"}},
    "node_checks": {
        "checks": {
            "early": {"description": "Early", "cmd": ["/bin/sh", "-c", "exit 1"], "timeout": "20s"},
            "ours": {"description": "Ours", "cmd": ["sh", "-c", "echo $PATH"], "timeout": "20s", "roles": ["agent"]},
            "theirs": {"description": "Theirs", "cmd": ["true"], "timeout": "20s", "roles": ["master"]},
        },
        "prestart": ["early"],
        "poststart": ["ours", "theirs"],
    },
}
PATH = "/usr/bin:/bin"


class Node:
    """An agent's folder, with the file of checks that genconf and the installer would leave for ``CUSTOM``."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        for folder in (self.layout.etc, self.layout.run, self.layout.state, self.layout.config / "roles"):
            folder.mkdir(parents=True)
        (self.layout.config / "roles/slave").touch()
        self.units(dict.fromkeys(expected_units(NodeRole.AGENT), GOOD))
        taken = resolve.resolve({"custom_checks": CUSTOM}, root)
        assert not [error for error in taken.errors if error[0] == "custom_checks"]
        built_in = checks.built_in(str(self.layout.bin / "dcos-checks"), check_time=True)
        every = built_in.with_more(checks.parse(CUSTOM)).as_json()
        write_atomic(
            self.layout.etc / "dcos-check-config.json", json.dumps({**every, "check_env": {"PATH": PATH}}).encode()
        )
        (self.layout.etc / "dcos-check-runner.yaml").write_text(
            f"check-config: {self.layout.etc}/dcos-check-config.json\n"
        )
        self.environ = {
            **os.environ,
            "DCOS_ROOT": str(root),
            "CHECKS_IP": "127.0.0.1",
            "CHECKS_UNITS_SOURCE": f"file:{self.layout.run}/units.json",
        }

    def units(self, states: Mapping[str, UnitState]) -> None:
        write_atomic(self.layout.run / "units.json", msgspec.json.encode(states))

    def call(self, *words: str, start: str = START) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-c", start, *words]
        return subprocess.run(argv, env=self.environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_the_command_line(node: Node) -> None:
    listed = node.call("check", "node-poststart", "--list")
    assert listed.returncode == 0, listed.stderr
    names = json.loads(listed.stdout)
    assert {"components_agent", "ours", "clock_sync"} <= names.keys()
    assert not {"components_master", "theirs", "early"} & names.keys()
    assert names["ours"] == {"description": "Ours", "cmd": ["sh", "-c", "echo $PATH"], "timeout": "20s"}

    early = node.call("check", "node-prestart")
    assert (early.returncode, json.loads(early.stdout)) == (
        1, {"status": 1, "checks": {"early": {"status": 1, "output": ""}}}
    )  # fmt: skip
    whole = node.call("check", "cluster", "whole")
    assert (whole.returncode, json.loads(whole.stdout)["checks"]["whole"]["output"]) == (0, "all\n")

    some = node.call("check", "node-poststart", "ours", "components_agent", "tar")
    assert some.returncode == 0, some.stdout
    assert json.loads(some.stdout)["checks"]["ours"]["output"] == f"{PATH}\n"

    node.units({**dict.fromkeys(expected_units(NodeRole.AGENT), GOOD), "dcos-net.service": BAD})
    bad = node.call("check", "node-poststart", "components_agent")
    assert bad.returncode == 2
    assert "dcos-net.service" in json.loads(bad.stdout)["checks"]["components_agent"]["output"]
    alone = node.call("components", start=BUILT_IN)
    assert (alone.returncode, alone.stdout) == (
        2,
        json.loads(bad.stdout)["checks"]["components_agent"]["output"] + "\n",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "cluster", "strange"), "no such check here: strange; there are whole"),
        (("check", "sometimes"), "invalid choice: 'sometimes'"),
        (("check", "cluster", "--check-config=/no/such"), "/no/such"),
        (("check", "cluster", "--role=queen"), "must be one of master, slave, slave_public"),
    ],
)
def test_what_could_not_be_run_is_no_status(node: Node, words: tuple[str, ...], said: str) -> None:
    done = node.call(*words)
    assert done.returncode == 4
    assert said in done.stderr
    assert not done.stdout


@contextlib.asynccontextmanager
async def serving(node: Node) -> AsyncIterator[aiohttp.ClientSession]:
    process = subprocess.Popen([sys.executable, "-c", START, "http-server"], env=node.environ)
    path = node.layout.run / "dcos-checks-api.sock"
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not path.exists():
            assert process.poll() is None, "the API ended"
            assert time.monotonic() < deadline, "the API does not open its socket"
            await asyncio.sleep(0.05)
        async with aiohttp.ClientSession("http://checks", connector=aiohttp.UnixConnector(str(path))) as session:
            yield session
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        assert not path.exists()


async def test_the_api(node: Node) -> None:
    base = "/system/checks/v1"
    async with serving(node) as session:

        async def ask(method: str, path: str) -> tuple[int, Any]:
            async with session.request(method, base + path) as answer:
                return answer.status, await answer.json()

        assert await ask("GET", "/") == (200, {"node-poststart": f"{base}/node/", "cluster": f"{base}/cluster/"})
        status, listed = await ask("GET", "/node/")
        assert status == 200
        assert listed["xz"]["timeout"] == "5s"
        assert list((await ask("GET", "/cluster"))[1]) == ["whole"]
        assert await ask("POST", "/cluster/") == (
            200, {"status": 0, "checks": {"whole": {"status": 0, "output": "all\n"}}}
        )  # fmt: skip
        status, ran = await ask("POST", "/node/?check=ours&check=tar")
        assert (status, ran["status"], list(ran["checks"])) == (200, 0, ["ours", "tar"])
        status, refused = await ask("POST", "/node/?check=theirs")
        assert status == 404
        assert refused["error"].startswith("no such check here: theirs")
        # a check that ran and found something is an answer of 200
        node.units({**dict.fromkeys(expected_units(NodeRole.AGENT), GOOD), "dcos-net.service": BAD})
        status, ran = await ask("POST", "/node/?check=components_agent")
        assert (status, ran["status"]) == (200, 2)

        (node.layout.etc / "dcos-check-config.json").write_text("{")
        status, broken = await ask("POST", "/cluster/")
        assert status == 500
        assert "dcos-check-config.json" in broken["error"]
