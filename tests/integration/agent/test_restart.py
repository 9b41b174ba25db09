"""Tasks outlive the agent: it is killed, they run on, it comes back and knows them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from dcos.agent.containerizer import processes
from dcos.agent.containerizer.box import Box, Mark
from dcos.agent.containerizer.posix import SHIM, PosixLauncher
from dcos.agent.core.exits import Exit
from dcos.model.v1.types import ExecutorInfo, FrameworkID, FrameworkInfo, TaskID, TaskInfo, ValueScalar
from dcos.testing.patience import PATIENCE_S
from dcos.wire import agent_link

Make = Callable[..., TaskInfo]


async def test_kill_nine_and_adopt(running: Any, master: Any, make_task: Make) -> None:
    await master.run(make_task("stays"))
    await master.run(make_task("ends", "until test -e go; do sleep 0.05; done; exit 7"))
    for name in ("stays", "ends"):
        await master.state(name, "TASK_RUNNING")
    stays = (await master.state("stays", "TASK_RUNNING")).container_status.executor_pid
    ends = (await master.state("ends", "TASK_RUNNING")).container_status.executor_pid
    await running.kill()
    assert processes.alive(stays)
    (running.sandbox("ends") / "go").touch()
    await processes.ended(ends)
    await _there(running.runtime, "containers/*/exit")
    await running.start()
    await master.registered(2)
    failed = await master.state("ends", "TASK_FAILED")
    assert failed.message == "Command exited with status 7"
    hello = master.hellos[-1]
    assert isinstance(hello, agent_link.Reregister)
    assert hello.agent.id is not None
    assert hello.agent.id.value == "m-S0"
    told = {one.task_id.value: str(one.state) for framework in hello.frameworks for one in framework.tasks}
    assert told == {"stays": "TASK_RUNNING", "ends": "TASK_FAILED"}
    assert processes.alive(stays)
    # an update whose acknowledgement died with the agent comes again, the same one
    told_uuids = {str(one.state): one.uuid for one in master.updates if one.task_id.value == "stays"}
    assert list(told_uuids) == ["TASK_STARTING", "TASK_RUNNING"]
    assert {one.uuid for one in master.updates if one.task_id.value == "stays"} == set(told_uuids.values())
    await master.kill("stays")
    await master.state("stays", "TASK_KILLED")
    assert not processes.alive(stays)


async def _there(folder: Path, pattern: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not any(folder.glob(pattern)):
            await asyncio.sleep(0.05)


async def test_the_shutdown_of_a_framework_goes_on(running: Any, master: Any, make_task: Make) -> None:
    await master.run(make_task("stubborn", "trap : TERM; touch trapped; while :; do sleep 0.1; done"))
    pid = (await master.state("stubborn", "TASK_RUNNING")).container_status.executor_pid
    await _there(running.sandbox("stubborn"), "trapped")
    await master.send(agent_link.ShutdownFramework(framework_id=FrameworkID(value="m-0000")))
    await _there(running.work, "meta/slaves/*/frameworks/*/framework.shutdown")
    await running.kill()
    assert processes.alive(pid)
    told = len(master.updates)
    await running.start()
    await master.registered(2)
    assert master.hellos[-1].frameworks == ()
    await processes.ended(pid)
    assert len(master.updates) == told


async def test_unacknowledged_updates_come_again(running: Any, master: Any, make_task: Make) -> None:
    master.acknowledging = False
    await master.run(make_task("t", "exit 0"))
    first = await master.state("t", "TASK_STARTING")
    async with asyncio.timeout(PATIENCE_S):
        while sum(one.read_text().count("\n") for one in running.work.rglob("task.updates")) < 3:
            await asyncio.sleep(0.05)
    await running.kill()
    master.updates.clear()
    await running.start()
    again = await master.state("t", "TASK_STARTING")
    assert again.uuid == first.uuid
    assert master.hellos[-1].frameworks[0].tasks[0].state == "TASK_FINISHED"
    assert master.hellos[-1].frameworks[0].tasks[0].status_update_state == "TASK_STARTING"
    master.acknowledging = True
    await master.acknowledge(again)
    await master.state("t", "TASK_FINISHED")
    assert master.states("t") == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]


async def test_a_supervisor_that_is_killed_is_told(running: Any, master: Any, make_task: Make) -> None:
    await master.run(make_task("orphaned"))
    pid = (await master.state("orphaned", "TASK_RUNNING")).container_status.executor_pid
    (mark,) = running.runtime.glob("containers/*/supervisor")
    os.kill(int(mark.read_text()), 9)
    last = await master.state("orphaned", "TASK_FAILED")
    assert last.reason == "REASON_EXECUTOR_TERMINATED"
    assert not processes.alive(pid)


async def test_without_checkpoint_tasks_end_with_the_agent(
    running: Any, master: Any, make_task: Make, framework_info: FrameworkInfo
) -> None:
    framework = msgspec.structs.replace(framework_info, id=FrameworkID(value="m-0009"), checkpoint=False)
    await master.run(make_task("loose"), framework)
    pid = (await master.state("loose", "TASK_RUNNING")).container_status.executor_pid
    await running.kill()
    assert processes.alive(pid)
    await running.start()
    await master.registered(2)
    assert not processes.alive(pid)
    assert master.hellos[-1].frameworks == ()


async def test_reboot_loses_tasks_but_keeps_the_id(running: Any, master: Any, make_task: Make) -> None:
    """What had ended before is still told."""
    master.acknowledging = False
    await master.run(make_task("ended", "exit 0"))
    await master.state("ended", "TASK_STARTING")
    async with asyncio.timeout(PATIENCE_S):
        while any((running.runtime / "containers").iterdir()):
            await asyncio.sleep(0.05)
    master.acknowledging = True
    await master.run(make_task("lost"))
    pid = (await master.state("lost", "TASK_RUNNING")).container_status.executor_pid
    await running.kill()
    (running.work / "meta/boot_id").write_text("another")
    os.killpg(pid, 9)  # as a reboot would
    await running.start()
    await master.state("ended", "TASK_FINISHED")
    gone = await master.state("lost", "TASK_GONE")
    assert gone.reason == "REASON_AGENT_RESTARTED"
    assert master.hellos[-1].agent.id.value == "m-S0"


async def test_cleanup_kills_and_exits(running: Any, master: Any, make_task: Make) -> None:
    """``--recover=cleanup``: old tasks go, the agent ends, and the next one is new."""
    await master.run(make_task("old"))
    pid = (await master.state("old", "TASK_RUNNING")).container_status.executor_pid
    await running.kill()
    await running.start("--recover=cleanup")
    assert await running.process.wait() == 0
    assert not processes.alive(pid)
    assert not any((running.runtime / "containers").iterdir())
    await running.start()
    await master.registered(2)
    assert master.hellos[-1].agent.id is None


async def test_a_checkpoint_that_cannot_be_read(running: Any, master: Any, make_task: Make) -> None:
    """It ends the agent; without ``--strict`` it is left out, counted, and its task told lost by the master's asking."""
    await master.run(make_task("torn"))
    await master.state("torn", "TASK_RUNNING")
    await running.kill()
    (info,) = running.work.glob("meta/slaves/m-S0/frameworks/*/executors/torn/runs/latest/tasks/torn/task.info")
    info.write_text("{")
    await running.start()
    assert await running.process.wait() == 5
    assert "see --strict" in running.log()
    await running.start("--no-strict")
    await master.registered(2)
    assert master.hellos[-1].frameworks == ()
    async with aiohttp.ClientSession() as session, session.get(f"{running.url}/metrics/snapshot") as answer:
        assert (await answer.json())["slave/recovery_errors"] == 1.0
    assert not any((running.runtime / "containers").iterdir())


async def test_limits_that_nothing_would_hold(running: Any, master: Any, make_task: Make) -> None:
    """The posix launcher measures only."""
    task = msgspec.structs.replace(make_task("bounded"), limits={"cpus": ValueScalar(value=1.0)})
    await master.run(task)
    last = await master.state("bounded", "TASK_DROPPED")
    assert last.message.startswith("Task 'bounded' has resource limits: they need --launcher=systemd")


async def test_a_wait_that_is_too_long_is_refused(agent: Any) -> None:
    await agent.start("--executor_reregistration_timeout=16secs")
    assert await agent.process.wait() == 2
    assert "--executor_reregistration_timeout: must not be more than 15secs" in agent.log()


def test_a_pid_is_told_once_it_leads_its_session(tmp_path: Path, box: Path) -> None:
    """Whoever is told it may signal all of the task's processes, however slow the machine is."""
    slow = tmp_path / "setsid"
    slow.write_text('#!/bin/sh\n[ "$2" != --wait ] || sleep 0.3\nexec /usr/bin/setsid "$@"\n')
    slow.chmod(0o755)
    subprocess.run(["/bin/sh", SHIM, box], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    while not (box / "pid").exists():
        time.sleep(0.01)
    pid = int((box / "pid").read_text())
    assert os.getsid(pid) == pid
    assert processes.tree(pid)
    os.killpg(pid, 9)
    while not (box / "exit").exists():
        time.sleep(0.01)
    assert (box / "exit").read_text() == "killed 9\n"


async def test_the_word_of_an_agent_of_old_counts(box: Path) -> None:
    mark = Mark(launcher="posix", backend="host", sandbox="/nowhere")
    (box / "exit").write_text("137\n")
    assert await PosixLauncher().wait(Box(box.parent, box.name, mark)) == Exit(signal=9)


def test_a_waiter_that_is_killed_tells_no_end(box: Path) -> None:
    """The task lives on; what its end will be nobody can know."""
    subprocess.run(["/bin/sh", SHIM, box], check=True)
    while not (box / "pid").exists():
        time.sleep(0.01)
    pid, supervisor = int((box / "pid").read_text()), int((box / "supervisor").read_text())
    (waiter,) = processes.look().children[supervisor]
    os.kill(waiter, 15)
    while processes.alive(supervisor):
        time.sleep(0.01)
    assert processes.alive(pid)
    assert not (box / "exit").exists()
    os.killpg(pid, 9)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    made = tmp_path / "box"
    made.mkdir()
    (made / "launch").write_text("#!/bin/sh\nexec sleep 1000\n")
    return made


async def test_reconcile_unknown_task(agent: Any, master: Any) -> None:
    master.reconcile = (
        agent_link.ReconcileTask(
            framework_id=FrameworkID(value="m-0000"), task_id=TaskID(value="ghost"), partition_aware=True
        ),
    )
    await agent.start()
    dropped = await master.state("ghost", "TASK_DROPPED")
    assert dropped.reason == "REASON_RECONCILIATION"


async def test_master_comes_and_goes(running: Any, master: Any, make_task: Make) -> None:
    await master.run(make_task("t"))
    await master.state("t", "TASK_RUNNING")
    port = master.port
    await master.stop()
    await asyncio.sleep(0.3)
    await master.start(port)
    await master.registered(2)
    assert isinstance(master.hellos[-1], agent_link.Reregister)
    await master.send(agent_link.Ping())
    await master.until(lambda: any(isinstance(one, agent_link.Pong) for one in master.messages))
    await master.send(agent_link.Ping(connected=False))
    await master.registered(3)
    assert master.states("t") == ["TASK_STARTING", "TASK_RUNNING"]


async def test_silence_of_the_master_is_noticed(agent: Any, master: Any) -> None:
    master.ping_timeout_s = 0.5
    await agent.start()
    await master.registered(2)


async def test_changed_resources_are_refused(running: Any, master: Any) -> None:
    await running.stop()
    await running.start("--resources=cpus:1;mem:64;disk:10")
    assert await asyncio.wait_for(running.process.wait(), PATIENCE_S) == 4
    assert "resources changed" in running.log()
    await running.start("--resources=cpus:8;mem:8192;disk:2048", "--reconfiguration_policy=additive")
    await master.registered(2)


async def test_shutdown_by_the_master(running: Any, master: Any, make_task: Make) -> None:
    await master.run(make_task("t"))
    pid = (await master.state("t", "TASK_RUNNING")).container_status.executor_pid
    await master.send(agent_link.Shutdown(message="Agent has been marked gone"))
    assert await asyncio.wait_for(running.process.wait(), PATIENCE_S) == 3
    assert not processes.alive(pid)
    await running.start()
    await master.registered(2)
    assert isinstance(master.hellos[-1], agent_link.Register)


async def test_task_group(running: Any, master: Any, make_task: Make) -> None:
    executor = ExecutorInfo(executor_id=agent_link.ExecutorID(value="pod"))
    await master.run_group(executor, make_task("a"), make_task("b"))
    for name in ("a", "b"):
        await master.state(name, "TASK_RUNNING")
    status = master.updates[-1].container_status.container_id
    assert status.parent is not None
    link = running.work / "slaves/m-S0/frameworks/m-0000/executors/pod/runs/latest/tasks/a"
    assert (link / "stdout").exists()
    assert link.resolve().parent.name == "containers"
    await running.kill()
    await running.start()
    await master.registered(2)
    await master.kill("a")
    for name in ("a", "b"):
        await master.state(name, "TASK_KILLED")
    await master.until(lambda: any(isinstance(one, agent_link.ExitedExecutor) for one in master.messages))
    async with aiohttp.ClientSession() as session, session.get(f"{running.url}/state") as answer:
        (framework,) = (await answer.json())["completed_frameworks"]
    assert [one["id"] for one in framework["completed_executors"]] == ["pod"]
