"""The supervisor of nodes that are plain processes: ready, killed, stopped, asked for an exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from dcos.install.local import supervise
from dcos.install.local.spec import NodeSpec
from dcos.registry import MASTERS, Service
from dcos.runtime import pids
from dcos.testing.patience import PATIENCE_S

pytestmark = pytest.mark.integration

SERVES = """#!/bin/sh
[ "$GREETING" = "good day" ] || exit 9
trap 'echo stopped; exit 0' TERM
until [ -e "$DCOS_ROOT/may-serve" ]; do sleep 0.02; done
python3 -c "
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b'STATUS=x', chr(0) + os.environ['NOTIFY_SOCKET'][1:])
s.sendto(b'READY=1', chr(0) + os.environ['NOTIFY_SOCKET'][1:])
"
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
    monkeypatch.setattr(supervise, "STOP_S", 3.0)
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
    async with asyncio.timeout(PATIENCE_S):
        while not probe():
            await asyncio.sleep(0.02)


def state(node: supervise.Node, unit: str) -> str:
    known = states(node).get(unit, {})
    return f"{known.get('active_state')}/{known.get('sub_state')}"


async def serving(node: supervise.Node) -> None:
    (node.layout.root / "may-serve").touch()
    await until(lambda: state(node, "dcos-serves.service") == "active/running")


async def test_active_only_when_ready_and_restarted_when_killed(node: supervise.Node) -> None:
    await until(lambda: state(node, "dcos-serves.service") == "activating/start")
    await serving(node)
    first = states(node)["dcos-serves.service"]
    assert first["description"] == "dcos-serves: of a test"
    assert first["active_enter_timestamp"] > 0
    os.kill(first["pid"], signal.SIGKILL)
    await until(lambda: states(node)["dcos-serves.service"]["pid"] not in (0, first["pid"]))
    await serving(node)
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
    await serving(node)
    pid = states(node)["dcos-serves.service"]["pid"]
    (node.folder / "off").write_text(f"{how}\n")
    await until(lambda: state(node, "dcos-serves.service") == "inactive/dead")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    said = (supervise.log_folder(node.folder) / "dcos-serves.log").read_text()
    assert ("stopped" in said) == (how == "soft")
    (node.folder / "off").unlink()
    await until(lambda: state(node, "dcos-serves.service") == "active/running")


async def test_a_process_is_on_disk_while_it_runs(node: supervise.Node) -> None:
    await serving(node)
    mark = supervise.recorded(node.folder)["dcos-serves"]
    assert mark.pid == states(node)["dcos-serves.service"]["pid"]
    assert "dcos-serves" in supervise.left_running(node.folder)
    (node.folder / "off").touch()
    await until(lambda: "dcos-serves" not in supervise.recorded(node.folder))
    assert not pids.lives(mark)


async def test_what_lost_its_supervisor_is_ended_by_its_mark_and_nothing_else(node: supervise.Node) -> None:
    (node.folder / "off").touch()
    root = node.layout.root
    leave = ["sh", "-c", "sleep 600 & echo $!; trap '' TERM; exec sleep 600"]
    left = subprocess.Popen(leave, cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True)
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        assert left.stdout is not None
        child = int(left.stdout.readline())
        own, other = pids.mark(left.pid), pids.mark(stranger.pid)
        assert own is not None
        assert other is not None
        marks = {"dcos-serves": own, "dcos-once": replace(other, started=other.started - 1)}
        supervise.marks_file(node.folder).write_bytes(msgspec.json.encode(marks))
        taking = asyncio.create_task(node.take_over())
        await asyncio.to_thread(left.wait, 60)
        await taking
        await until(lambda: pids.start_time(child) is None)
        assert stranger.poll() is None
        assert supervise.recorded(node.folder) == {}
    finally:
        for process in (left, stranger):
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
