"""Custom executors under a real agent: a program of ours (``executor_program.py``) that speaks the executor API."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from dcos.agent.containerizer import processes
from dcos.agent.core.executor_life import DOUBT_S
from dcos.model.v1 import executor as v1
from dcos.model.v1.types import (
    CommandInfo,
    CommandInfoURI,
    DurationInfo,
    Environment,
    EnvironmentVariable,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    FrameworkInfo,
    Resource,
    ResourceAllocationInfo,
    TaskInfo,
    ValueScalar,
    ValueType,
)
from dcos.testing.patience import PATIENCE_S
from dcos.wire import agent_link, recordio
from dcos.wire.mesos_codec import PROTOBUF

Make = Callable[..., TaskInfo]
PROGRAM = Path(__file__).with_name("executor_program.py")


def executor(name: str = "exec", command: str | None = None, **variables: str) -> ExecutorInfo:
    mem = Resource(
        name="mem",
        type=ValueType.SCALAR,
        scalar=ValueScalar(value=32.0),
        allocation_info=ResourceAllocationInfo(role="web"),
    )
    return ExecutorInfo(
        executor_id=ExecutorID(value=name),
        framework_id=FrameworkID(value="m-0000"),
        name="ours",
        resources=(mem,),
        command=CommandInfo(
            value=command or f"exec {sys.executable} {PROGRAM}",
            environment=Environment(
                variables=tuple(EnvironmentVariable(name=key, value=value) for key, value in variables.items())
            ),
        ),
    )


def of(make_task: Make, name: str, info: ExecutorInfo, **more: Any) -> TaskInfo:
    return msgspec.structs.replace(make_task(name, **more), command=None, executor=info)


def lines(agent: Any, name: str = "exec") -> list[str]:
    path = agent.sandbox(name) / "events.log"
    return path.read_text().splitlines() if path.exists() else []


def pid_of(agent: Any, name: str = "exec") -> int:
    return int(next(one for one in lines(agent, name) if one.startswith("pid ")).split()[1])


def exits(master: Any) -> list[agent_link.ExitedExecutor]:
    return [one for one in master.messages if isinstance(one, agent_link.ExitedExecutor)]


async def get(agent: Any, path: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(f"{agent.url}{path}") as answer:
        return await answer.json()


async def post(agent: Any, body: Any, path: str = "/api/v1/executor", **headers: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{agent.url}{path}", data=msgspec.json.encode(body), headers=headers) as answer,
    ):
        return answer.status, await answer.text() if answer.status != 200 else ""


async def test_two_tasks_messages_kill_and_end(running: Any, master: Any, make_task: Make) -> None:
    info = executor(WORD="value")
    await master.run(of(make_task, "a", info))
    await master.run(of(make_task, "b", info, data=b"finish"))
    status = await master.state("a", "TASK_RUNNING")
    await master.state("b", "TASK_FINISHED")
    assert status.source == "SOURCE_EXECUTOR"
    assert status.executor_id.value == "exec"
    assert status.data == b"from the executor"
    assert status.container_status.network_infos[0].ip_addresses[0].ip_address == "127.0.0.1"
    assert master.states("a") == ["TASK_RUNNING"]

    variables = lines(running)[0].split()
    assert {"MESOS_AGENT_ENDPOINT", "MESOS_CHECKPOINT", "MESOS_RECOVERY_TIMEOUT", "MESOS_SANDBOX"} <= set(variables)
    (framework,) = (await get(running, "/state"))["frameworks"]
    (shown,) = framework["executors"]
    assert (shown["id"], shown["type"], shown["name"]) == ("exec", "CUSTOM", "ours")
    assert shown["resources"]["mem"] == 64.0
    assert [one["id"] for one in shown["tasks"]] == ["a"]
    assert [one["id"] for one in shown["completed_tasks"]] == ["b"]
    (container,) = await get(running, "/containers")
    assert container["status"]["executor_pid"] == status.container_status.executor_pid
    assert (await get(running, "/metrics/snapshot"))["slave/executors_running"] == 1

    ids = {"framework_id": FrameworkID(value="m-0000"), "executor_id": ExecutorID(value="exec")}
    await master.send(agent_link.FrameworkMessage(**ids, data=b"hello"))
    said = await master.until(
        lambda: next((one for one in master.messages if isinstance(one, agent_link.ExecutorMessage)), None)
    )
    assert said.data == b"echo:hello"
    await master.kill("a")
    await master.state("a", "TASK_KILLED")
    assert processes.alive(pid_of(running)), "an executor lives on without tasks"
    await master.send(agent_link.ShutdownExecutor(**ids))
    (gone,) = await master.until(lambda: exits(master))
    assert gone.status == 0
    assert lines(running)[-1] == "SHUTDOWN"
    (framework,) = (await get(running, "/state"))["completed_frameworks"]
    assert [one["id"] for one in framework["completed_executors"]] == ["exec"]


async def test_a_group_goes_as_one(running: Any, master: Any, make_task: Make) -> None:
    info = msgspec.structs.replace(executor(), type=ExecutorInfoType.CUSTOM)
    await master.run_group(info, *(of(make_task, name, info) for name in ("a", "b")))
    for name in ("a", "b"):
        await master.state(name, "TASK_RUNNING")
    assert lines(running).count("LAUNCH_GROUP") == 1


async def test_its_exit_ends_its_tasks(running: Any, master: Any, make_task: Make) -> None:
    await master.run(of(make_task, "a", executor()))
    await master.state("a", "TASK_RUNNING")
    ids = {"framework_id": FrameworkID(value="m-0000"), "executor_id": ExecutorID(value="exec")}
    await master.send(agent_link.FrameworkMessage(**ids, data=b"exit:3"))
    failed = await master.state("a", "TASK_FAILED")
    assert (failed.reason, failed.source) == ("REASON_EXECUTOR_TERMINATED", "SOURCE_AGENT")
    assert failed.message == "Executor exited with status 3"
    (gone,) = await master.until(lambda: exits(master))
    assert gone.status == 3 << 8
    # the same id again is a new executor
    await master.run(of(make_task, "b", executor()))
    await master.state("b", "TASK_RUNNING")


async def test_registration_timeout(agent: Any, master: Any, make_task: Make) -> None:
    await agent.start("--executor_registration_timeout=500ms")
    await master.registered()
    await master.run(of(make_task, "a", executor(NEVER="1")))
    failed = await master.state("a", "TASK_FAILED")
    assert failed.reason == "REASON_EXECUTOR_REGISTRATION_TIMEOUT"
    await master.until(lambda: exits(master))
    # on a slow machine it was ended before it came to write a line
    written = [one for one in lines(agent) if one.startswith("pid ")]
    assert not any(processes.alive(int(one.split()[1])) for one in written)
    assert not any((agent.runtime / "containers").iterdir())


async def test_queued_tasks_can_be_killed(running: Any, master: Any, make_task: Make) -> None:
    info = executor(command=f"sleep 1; exec {sys.executable} {PROGRAM}")
    await master.run(of(make_task, "a", info))
    await master.kill("a")
    killed = await master.state("a", "TASK_KILLED")
    assert killed.reason == "REASON_TASK_KILLED_DURING_LAUNCH"
    await master.until(lambda: exits(master))
    assert lines(running)[-1] == "SHUTDOWN", "who comes without a task is sent away"


async def test_grace_then_kill(running: Any, master: Any, make_task: Make) -> None:
    info = msgspec.structs.replace(executor(STUBBORN="1"), shutdown_grace_period=DurationInfo(nanoseconds=300_000_000))
    await master.run(of(make_task, "a", info))
    await master.state("a", "TASK_RUNNING")
    await master.send(
        agent_link.ShutdownExecutor(framework_id=FrameworkID(value="m-0000"), executor_id=ExecutorID(value="exec"))
    )
    failed = await master.state("a", "TASK_FAILED")
    assert failed.reason == "REASON_EXECUTOR_TERMINATED"
    (gone,) = await master.until(lambda: exits(master))
    assert gone.status == 9


async def test_framework_shutdown_is_silent(running: Any, master: Any, make_task: Make) -> None:
    await master.run(of(make_task, "a", executor()))
    await master.state("a", "TASK_RUNNING")
    pid = pid_of(running)
    await master.send(agent_link.ShutdownFramework(framework_id=FrameworkID(value="m-0000")))
    await processes.ended(pid)
    async with asyncio.timeout(PATIENCE_S):
        while (await get(running, "/state"))["frameworks"]:
            await asyncio.sleep(0.05)
    assert master.states("a") == ["TASK_RUNNING"]
    assert not exits(master)


async def test_fetch_failure_and_missing_executor(
    running: Any, master: Any, make_task: Make, framework_info: FrameworkInfo
) -> None:
    info = executor()
    assert info.command is not None
    bad = msgspec.structs.replace(
        info, command=msgspec.structs.replace(info.command, uris=(CommandInfoURI(value="/nowhere/file"),))
    )
    await master.run(of(make_task, "a", bad))
    failed = await master.state("a", "TASK_FAILED")
    assert failed.reason == "REASON_CONTAINER_LAUNCH_FAILED"
    await master.until(lambda: exits(master))
    task = of(make_task, "b", executor("gone"))
    await master.send(agent_link.RunTask(framework=framework_info, task=task, launch_executor=False))
    dropped = await master.state("b", "TASK_DROPPED")
    assert dropped.reason == "REASON_EXECUTOR_TERMINATED"


async def test_kill_nine_and_readopt(running: Any, master: Any, make_task: Make) -> None:
    info = executor()
    await master.run(of(make_task, "a", info))
    await master.run(of(make_task, "b", info))
    for name in ("a", "b"):
        await master.state(name, "TASK_RUNNING")
    pid = pid_of(running)
    await running.kill()
    assert processes.alive(pid)
    await running.start("--executor_reregistration_timeout=15secs")
    await master.registered(2)
    hello = master.hellos[-1]
    (known,) = hello.frameworks
    assert [one.executor_id.value for one in known.executors] == ["exec"]
    assert known.executors[0] == info, "as the master knows it"
    assert {one.task_id.value: str(one.state) for one in known.tasks} == {"a": "TASK_RUNNING", "b": "TASK_RUNNING"}
    assert processes.alive(pid)
    assert master.states("a") == ["TASK_RUNNING"]
    await master.run(of(make_task, "c", info))
    await master.state("c", "TASK_RUNNING")
    assert pid_of(running) == pid
    for name in ("a", "b", "c"):
        await master.kill(name)
        await master.state(name, "TASK_KILLED")


async def test_a_subscription_that_comes_late_drops_nothing(running: Any, master: Any, make_task: Make) -> None:
    """As of an executor that gave it up, subscribed anew and was given a task, all before the agent came to read it."""
    await master.run(of(make_task, "a", executor(SLOW=str(DOUBT_S + 2))))
    while "LAUNCH" not in lines(running):
        await asyncio.sleep(0.05)
    body = msgspec.json.encode(
        {
            "type": "SUBSCRIBE",
            "framework_id": {"value": "m-0000"},
            "executor_id": {"value": "exec"},
            "subscribe": {},
        }
    )
    head = f"POST /api/v1/executor HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    host, port = running.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + body)
    await reader.readline()
    writer.close()
    await master.state("a", "TASK_RUNNING")
    while sum(line.startswith("SUBSCRIBE -> 200") for line in lines(running)) < 2:
        await asyncio.sleep(0.05)  # the late one ended the first
    await master.kill("a")
    await master.state("a", "TASK_KILLED")
    assert master.states("a") == ["TASK_RUNNING", "TASK_KILLED"]


async def test_reregistration_timeout(running: Any, master: Any, make_task: Make) -> None:
    await master.run(of(make_task, "a", executor(ONCE="1")))
    await master.state("a", "TASK_RUNNING")
    pid = pid_of(running)
    await running.kill()
    await running.start("--executor_reregistration_timeout=500ms")
    gone = await master.state("a", "TASK_GONE")
    assert gone.reason == "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"
    assert not processes.alive(pid)


async def test_an_executor_that_ended_while_the_agent_was_away(running: Any, master: Any, make_task: Make) -> None:
    await master.run(of(make_task, "a", executor()))
    await master.state("a", "TASK_RUNNING")
    pid = pid_of(running)
    await running.kill()
    os.kill(pid, 9)
    await processes.ended(pid)
    await running.start()
    failed = await master.state("a", "TASK_FAILED")
    assert failed.reason == "REASON_EXECUTOR_TERMINATED"
    assert failed.message == "Executor terminated with signal Killed"


async def test_answers_in_the_documented_order(running: Any, master: Any, make_task: Make) -> None:
    await master.run(of(make_task, "a", executor(NEVER="1")))
    while not lines(running):
        await asyncio.sleep(0.05)
    ids = {"framework_id": {"value": "m-0000"}, "executor_id": {"value": "exec"}}
    json = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session, session.get(f"{running.url}/api/v1/executor") as answer:
        assert answer.status == 405
    assert (await post(running, {}, **{"Content-Type": "text/plain"}))[0] == 415
    assert (await post(running, {"type": "HEARTBEAT"}, **json))[0] == 400
    assert (await post(running, {**ids}, **json))[0] == 400
    assert (await post(running, {"type": "SUBSCRIBE", **ids}, **json))[0] == 400
    subscribe = {"type": "SUBSCRIBE", **ids, "subscribe": {}}
    assert (await post(running, subscribe, Accept="text/html", **json))[0] == 406
    nobody = {"framework_id": {"value": "x"}, "executor_id": {"value": "y"}}
    assert (await post(running, {"type": "HEARTBEAT", **nobody}, **json))[0] == 202
    message = {"message": {"data": base64.b64encode(b"x").decode()}}
    assert await post(running, {"type": "MESSAGE", **nobody, **message}, **json) == (400, "Framework cannot be found")
    stranger = {**ids, "executor_id": {"value": "y"}}
    assert await post(running, {"type": "MESSAGE", **stranger, **message}, **json) == (400, "Executor cannot be found")
    assert await post(running, {"type": "MESSAGE", **ids, **message}, **json) == (403, "Executor is not subscribed")
    assert (await post(running, {"type": "UNKNOWN", **ids}, **json))[0] == 403
    status = {
        "task_id": {"value": "a"},
        "state": "TASK_RUNNING",
        "source": "SOURCE_EXECUTOR",
        "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
    }
    for change in (
        {"uuid": None},
        {"uuid": "AAAA"},
        {"source": "SOURCE_MASTER"},
        {"state": "TASK_STAGING"},
        {"executor_id": {"value": "other"}},
        {"check_status": {"type": "HTTP"}},
    ):
        body = {"type": "UPDATE", **ids, "update": {"status": {**status, **change}}}
        assert (await post(running, body, **json))[0] == 400, change
    assert (await post(running, {"type": "UPDATE", **ids, "update": {"status": status}}, **json))[0] == 403


async def test_without_checkpoint_the_executor_ends_with_the_agent(
    running: Any, master: Any, make_task: Make, framework_info: FrameworkInfo
) -> None:
    loose = msgspec.structs.replace(framework_info, checkpoint=False)
    await master.run(of(make_task, "a", executor()), loose)
    await master.state("a", "TASK_RUNNING")
    pid = pid_of(running)
    await running.kill()
    await running.start()
    await master.registered(2)
    await processes.ended(pid)
    assert master.hellos[-1].frameworks == ()


async def test_protobuf(running: Any, master: Any, make_task: Make) -> None:
    await master.run(of(make_task, "a", executor(NEVER="1")))
    while not lines(running):
        await asyncio.sleep(0.05)
    kind = PROTOBUF.content_type
    call = v1.Call(
        framework_id=FrameworkID(value="m-0000"),
        executor_id=ExecutorID(value="exec"),
        type=v1.CallType.SUBSCRIBE,
        subscribe=v1.CallSubscribe(),
    )
    records = recordio.Decoder()
    seen: list[v1.Event] = []
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{running.url}/api/v1/executor",
            data=PROTOBUF.encode(call, v1.Call),
            headers={"Content-Type": kind, "Accept": kind},
        ) as answer,
    ):
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
        while len(seen) < 2:
            seen += [PROTOBUF.decode(one, v1.Event) for one in records.feed(await answer.content.readany())]
    assert [str(one.type) for one in seen] == ["SUBSCRIBED", "LAUNCH"]
    assert seen[1].launch is not None
    assert seen[1].launch.task.task_id.value == "a"
