"""Command tasks through a real agent process, over the link."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from dcos.model.v1.types import (
    CommandInfo,
    CommandInfoURI,
    DurationInfo,
    Environment,
    EnvironmentVariable,
    HealthCheck,
    HealthCheckType,
    KillPolicy,
    TaskInfo,
)
from dcos.testing.patience import PATIENCE_S
from dcos.testing.users import SOMEBODY, needs_root
from dcos.wire import agent_link

Make = Callable[..., TaskInfo]


def grace(seconds: float) -> KillPolicy:
    return KillPolicy(grace_period=DurationInfo(nanoseconds=int(seconds * 1e9)))


@pytest.mark.parametrize(
    ("command", "state", "message"),
    [
        ("exit 0", "TASK_FINISHED", "Command exited with status 0"),
        ("exit 3", "TASK_FAILED", "Command exited with status 3"),
        ("exit 137", "TASK_FAILED", "Command exited with status 137"),
        ("kill -INT $$", "TASK_FAILED", "Command terminated with signal Interrupt"),
        ("kill -9 $$", "TASK_FAILED", "Command terminated with signal Killed"),
        ("kill -SEGV $$", "TASK_FAILED", "Command terminated with signal Segmentation fault"),
    ],
)
async def test_a_task_ends_as_its_command(
    running: Any, master: Any, make_task: Make, command: str, state: str, message: str
) -> None:
    await master.run(make_task("t1", command))
    last = await master.state("t1", state)
    assert (last.message, last.reason) == (message, None)
    assert master.states("t1") == ["TASK_STARTING", "TASK_RUNNING", state]
    assert all(one.source == "SOURCE_EXECUTOR" for one in master.updates)


async def test_environment_user_and_sandbox(running: Any, master: Any, make_task: Make) -> None:
    variables = (
        EnvironmentVariable(name="GREETING", value="it's\n$HOME"),
        EnvironmentVariable(name="odd.name-1", value="yes"),
    )
    command = CommandInfo(
        value='env -0; printf "%s" "$(id -un)" >who; echo oops >&2; pwd >where; printf %s "$GREETING" >greeting',
        environment=Environment(variables=variables),
        user=SOMEBODY,
    )
    await master.run(make_task("env", command))
    await master.state("env", "TASK_FINISHED")
    sandbox = running.sandbox("env").resolve()
    seen = dict(pair.split("=", 1) for pair in (sandbox / "stdout").read_text().split("\0") if "=" in pair)
    assert seen["GREETING"] == "it's\n$HOME"
    assert seen["MESOS_SANDBOX"] == seen["MESOS_DIRECTORY"] == str(sandbox)
    assert seen["MESOS_AGENT_ENDPOINT"] == f"127.0.0.1:{running.port}"
    assert (seen["MESOS_FRAMEWORK_ID"], seen["MESOS_EXECUTOR_ID"], seen["MESOS_SLAVE_ID"]) == ("m-0000", "env", "m-S0")
    assert (seen["MESOS_CHECKPOINT"], seen["MESOS_RECOVERY_TIMEOUT"]) == ("1", "15mins")
    assert seen["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert not {name for name in seen if name in os.environ and name not in ("PATH", "PWD", "_", "SHLVL", "OLDPWD")}
    assert (sandbox / "who").read_text() == SOMEBODY
    assert (sandbox / "where").read_text().strip() == str(sandbox)
    assert (sandbox / "greeting").read_text() == "it's\n$HOME"
    assert (sandbox / "stderr").read_text() == "oops\n"
    assert oct(sandbox.stat().st_mode & 0o777) == "0o750"
    assert sandbox.owner() == SOMEBODY
    assert re.fullmatch(r"[0-9a-f-]{36}", sandbox.name)


async def test_a_variable_that_a_shell_cannot_hold(running: Any, master: Any, make_task: Make) -> None:
    odd = Environment(variables=(EnvironmentVariable(name="odd.name-1", value="yes"),))
    await master.run(make_task("odd", CommandInfo(shell=False, value="env", environment=odd)))
    await master.state("odd", "TASK_FINISHED")
    assert "odd.name-1=yes\n" in (running.sandbox("odd") / "stdout").read_text()


async def test_argv_without_shell_and_unknown_program(running: Any, master: Any, make_task: Make) -> None:
    await master.run(
        make_task("argv", CommandInfo(shell=False, value="printf", arguments=("printf", "%s|", "a b", "$x")))
    )
    await master.state("argv", "TASK_FINISHED")
    assert (running.sandbox("argv") / "stdout").read_text() == "a b|$x|"
    await master.run(make_task("none", CommandInfo(shell=False, value="/no/such/program")))
    assert (await master.state("none", "TASK_FAILED")).message == "Command exited with status 127"


@needs_root
async def test_an_unknown_user(running: Any, master: Any, make_task: Make) -> None:
    await master.run(make_task("user", CommandInfo(value="true", user="no-such-user")))
    failed = await master.state("user", "TASK_FAILED")
    assert failed.reason == "REASON_CONTAINER_LAUNCH_FAILED"
    assert "no-such-user" in (failed.message or "")


async def test_kill_is_polite_then_firm(running: Any, master: Any, make_task: Make) -> None:
    await master.run(make_task("soft", "trap 'echo bye; exit 0' TERM; touch ready; while :; do sleep 0.05; done"))
    await master.run(
        make_task("deaf", "trap '' TERM; touch ready; sleep 1000 & wait; sleep 1000", kill_policy=grace(0.3))
    )
    await master.run(make_task("other"))
    for name in ("soft", "deaf"):
        await master.state(name, "TASK_RUNNING")
        while not (running.sandbox(name) / "ready").exists():
            await _pause()
        await master.kill(name)
    assert (await master.state("soft", "TASK_KILLED")).message == "Command exited with status 0"
    assert (await master.state("deaf", "TASK_KILLED")).message == "Command terminated with signal Killed"
    assert master.states("deaf") == ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_KILLED"]
    await master.kill("unknown-task")
    dropped = await master.state("unknown-task", "TASK_DROPPED")
    assert (dropped.reason, dropped.source) == ("REASON_EXECUTOR_TERMINATED", "SOURCE_AGENT")


async def test_nothing_of_a_task_survives_it(running: Any, master: Any, make_task: Make, unique: str) -> None:
    await master.run(
        make_task("parent", f"sh -c 'exec -a {unique} sleep 999' & bash -c 'exec -a {unique} sleep 999' & sleep 0.2")
    )
    await master.state("parent", "TASK_FINISHED")
    assert not [one for one in os.listdir("/proc") if one.isdigit() and unique in _command_line(one)]
    assert running.container_pids() == {}


def _command_line(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read()
    except OSError:
        return ""


async def test_max_completion_time(running: Any, master: Any, make_task: Make) -> None:
    await master.run(make_task("long", max_completion_time=DurationInfo(nanoseconds=300_000_000)))
    last = await master.state("long", "TASK_FAILED")
    assert last.reason == "REASON_MAX_COMPLETION_TIME_REACHED"
    assert "TASK_KILLING" not in master.states("long")


async def test_fetch_before_start(running: Any, master: Any, make_task: Make, tmp_path: Any) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/data.txt").write_text("hello")
    (tmp_path / "run.sh").write_text("#!/bin/sh\ncat data.txt sub/renamed\n")
    subprocess.run(["tar", "-C", str(tmp_path / "in"), "-czf", str(tmp_path / "a.tar.gz"), "."], check=True)
    uris = (
        CommandInfoURI(value=f"file://{tmp_path}/a.tar.gz"),
        CommandInfoURI(value=f"{tmp_path}/run.sh", executable=True),
        CommandInfoURI(value=f"file://{tmp_path}/in/data.txt", output_file="sub/renamed"),
    )
    await master.run(make_task("fetch", CommandInfo(value="./run.sh", uris=uris)))
    await master.state("fetch", "TASK_FINISHED")
    assert (running.sandbox("fetch") / "stdout").read_text() == "hellohello"
    await master.run(make_task("nofetch", CommandInfo(value="true", uris=(CommandInfoURI(value="/no/such/file"),))))
    failed = await master.state("nofetch", "TASK_FAILED")
    assert failed.reason == "REASON_CONTAINER_LAUNCH_FAILED"
    assert "/no/such/file" in (failed.message or "")
    assert master.states("nofetch") == ["TASK_FAILED"]


async def test_health_updates_and_kill(running: Any, master: Any, make_task: Make) -> None:
    check = HealthCheck(
        type=HealthCheckType.COMMAND,
        command=CommandInfo(value="test -e ok && echo $MESOS_TASK >/dev/null"),
        delay_seconds=0,
        interval_seconds=0.1,
        timeout_seconds=5,
        consecutive_failures=3,
        grace_period_seconds=0,
    )
    await master.run(make_task("sick", "touch ok; sleep 1; rm ok; sleep 1000", health_check=check))
    last = await master.state("sick", "TASK_KILLED")
    assert last.healthy is False
    told = [one.healthy for one in master.updates if one.reason == "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"]
    assert told[0] is True or told[:2] == [False, True]
    assert told[-3:] == [False, False, False]


async def test_updates_wait_for_acknowledgement(running: Any, master: Any, make_task: Make) -> None:
    master.acknowledging = False
    await master.run(make_task("slow", "exit 0"))
    first = await master.state("slow", "TASK_STARTING")
    assert master.states("slow") == ["TASK_STARTING"]
    await master.acknowledge(first)
    second = await master.state("slow", "TASK_RUNNING")
    await master.acknowledge(second)
    await master.state("slow", "TASK_FINISHED")


async def test_framework_shutdown_is_silent(running: Any, master: Any, make_task: Make) -> None:
    await master.run(make_task("gone"))
    await master.state("gone", "TASK_RUNNING")
    (pid,) = running.container_pids().values()
    await master.send(agent_link.ShutdownFramework(framework_id=agent_link.FrameworkID(value="m-0000")))
    await master.until(lambda: True)
    async with asyncio.timeout(PATIENCE_S):
        while running.container_pids():
            await _pause()
    assert not os.path.exists(f"/proc/{pid}")
    assert master.states("gone") == ["TASK_STARTING", "TASK_RUNNING"]


async def _pause() -> None:
    await asyncio.sleep(0.05)
