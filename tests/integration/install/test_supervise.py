"""The supervisor of nodes that are plain processes: ready, killed, stopped, asked for an exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from dcos.install.local import supervise
from dcos.install.local.spec import NodeSpec
from dcos.registry import MASTERS, Service

pytestmark = pytest.mark.integration

SERVES = """#!/bin/sh
[ "$GREETING" = "good day" ] || exit 9
python3 -c "
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b'STATUS=x', chr(0) + os.environ['NOTIFY_SOCKET'][1:])
s.sendto(b'READY=1', chr(0) + os.environ['NOTIFY_SOCKET'][1:])
"
trap 'echo stopped; exit 0' TERM
while :; do sleep 0.05; done
"""
ONCE = "#!/bin/sh\n[ -e $DCOS_ROOT/may-end ] || exit 3\necho done\n"


def row(name: str, script: str, **changes: Any) -> Service:
    base: dict[str, Any] = {"title": name, "summary": "of a test", "on": MASTERS, "restart_s": 0}
    return Service(name=name, command=(script,), env_file="vars", **{**base, **changes})


@pytest.fixture
async def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[supervise.Node]:
    rows = (
        row("dcos-serves", "serves"),
        row("dcos-once", "once", unit="oneshot.service.in"),
        row("dcos-timed", "timed", timer=(("OnBootSec", "0secs"), ("OnUnitActiveSec", "1min"))),
    )
    monkeypatch.setattr(supervise, "services_on", lambda role: rows)
    monkeypatch.setattr(supervise, "ONESHOT_RETRY_S", 0.05)
    made = supervise.Node(NodeSpec(name="n", role="master", ip="127.0.77.11", index=11), tmp_path, tmp_path / "root")
    made.layout.bin.mkdir(parents=True)
    made.layout.etc.mkdir(parents=True)
    (made.layout.opt / "environment").write_text("")
    (made.layout.etc / "vars").write_text('GREETING="good day"\n')
    for name, text in (("serves", SERVES), ("once", ONCE), ("timed", "#!/bin/sh\necho tick\n")):
        path = made.layout.bin / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def states(node: supervise.Node) -> dict[str, dict[str, Any]]:
    path = supervise.units_file(node.layout)
    return json.loads(path.read_text()) if path.exists() else {}


async def until(probe: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not probe():
            await asyncio.sleep(0.02)


def state(node: supervise.Node, unit: str) -> str:
    known = states(node).get(unit, {})
    return f"{known.get('active_state')}/{known.get('sub_state')}"


async def test_active_only_when_ready_and_restarted_when_killed(node: supervise.Node) -> None:
    seen: set[str] = set()

    def running() -> bool:
        seen.add(state(node, "dcos-serves.service"))
        return state(node, "dcos-serves.service") == "active/running"

    await until(running)
    assert "activating/start" in seen
    first = states(node)["dcos-serves.service"]
    assert first["description"] == "dcos-serves: of a test"
    assert first["active_enter_timestamp"] > 0
    os.kill(first["pid"], signal.SIGKILL)
    await until(lambda: states(node)["dcos-serves.service"]["pid"] not in (0, first["pid"]))
    await until(running)
    assert states(node)["dcos-serves.service"]["exec_main_status"] == -signal.SIGKILL


async def test_a_oneshot_is_tried_until_it_ends_well(node: supervise.Node) -> None:
    await until(lambda: state(node, "dcos-once.service") == "failed/failed")
    assert states(node)["dcos-once.service"]["exec_main_status"] == 3
    (node.layout.root / "may-end").touch()
    await until(lambda: state(node, "dcos-once.service") == "active/exited")


async def test_a_timer_runs_its_service(node: supervise.Node) -> None:
    await until(lambda: (supervise.log_folder(node.folder) / "dcos-timed.log").exists())
    await until(lambda: state(node, "dcos-timed.service") == "inactive/dead")
    assert state(node, "dcos-timed.timer") == "active/waiting"


@pytest.mark.parametrize("how", ["soft", "hard"])
async def test_off_and_on(node: supervise.Node, how: str) -> None:
    await until(lambda: state(node, "dcos-serves.service") == "active/running")
    pid = states(node)["dcos-serves.service"]["pid"]
    (node.folder / "off").write_text(f"{how}\n")
    await until(lambda: state(node, "dcos-serves.service") == "inactive/dead")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    said = (supervise.log_folder(node.folder) / "dcos-serves.log").read_text()
    assert ("stopped" in said) == (how == "soft")
    (node.folder / "off").unlink()
    await until(lambda: state(node, "dcos-serves.service") == "active/running")
