"""Nested containers, sessions and attaching, through a real agent process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dcos.agent.containerizer import processes
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import CommandInfo, ContainerID, Environment, EnvironmentVariable, TaskInfo
from dcos.testing.agent_containers import Containers, container_id, keys, typed, window
from dcos.testing.patience import PATIENCE_S
from dcos.testing.users import SOMEBODY
from dcos.wire import recordio
from dcos.wire.mesos_codec import PROTOBUF

Make = Callable[..., TaskInfo]


@pytest.fixture
async def containers(running: Any) -> AsyncIterator[Containers]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
        yield Containers(running.url, session)


async def root_of(master: Any, task_id: str) -> str:
    status = await master.state(task_id, "TASK_RUNNING")
    found: str = status.container_status.container_id.value
    return found


async def until(condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


def gone(pid: int) -> bool:
    return not processes.alive(pid)


async def test_a_session_runs_beside_its_task(
    running: Any, master: Any, make_task: Make, containers: Containers
) -> None:
    environment = Environment(variables=(EnvironmentVariable(name="GREETING", value="hello $x"),))
    await master.run(make_task("t1", CommandInfo(value="sleep 1000", environment=environment, user=SOMEBODY)))
    root = await root_of(master, "t1")
    command = 'echo "$GREETING $OWN"; id -un; pwd; echo oops >&2; exit 7'
    own = {"variables": [{"name": "OWN", "value": "mine"}]}
    stream = await containers.session_of(f"{root}.s1", {"value": command, "environment": own})
    assert stream.response.status == 200
    assert stream.response.headers["Content-Type"] == "application/recordio"
    assert stream.response.headers["Message-Content-Type"] == "application/json"
    await stream.end()
    assert stream.out.splitlines() == ["hello $x mine", SOMEBODY, str(running.sandbox("t1").resolve())]
    assert stream.err == "oops\n"
    assert (await containers.wait(f"{root}.s1"))["exit_status"] == 7 << 8
    status, _ = await containers.call("REMOVE_CONTAINER", {"container_id": container_id(f"{root}.s1")})
    assert status == 200
    status, text = await containers.call("WAIT_CONTAINER", {"container_id": container_id(f"{root}.s1")})
    assert (status, text) == (404, f"Container {root}.s1 cannot be found")


async def test_input_of_a_session_ends_with_an_empty_record(
    running: Any, master: Any, make_task: Make, containers: Containers
) -> None:
    await master.run(make_task("t1"))
    root = await root_of(master, "t1")
    stream = await containers.session_of(f"{root}.s1", "cat; echo done")
    hold = asyncio.Event()
    typing = asyncio.create_task(containers.type_into(f"{root}.s1", keys(typed("a\nb\n"), hold=hold)))
    await stream.until(lambda one: one.out == "a\nb\n")
    assert await containers.type_into(f"{root}.s1", keys(typed("x"))) == (
        409,
        "Multiple input connections are not allowed",
    )
    hold.set()
    assert (await typing)[0] == 200
    assert (await containers.type_into(f"{root}.s1", keys(typed("c\n"), typed(""))))[0] == 200
    await stream.end()
    assert stream.out == "a\nb\nc\ndone\n"
    assert (await containers.wait(f"{root}.s1"))["exit_status"] == 0


async def test_who_types_into_nothing_may_leave(
    running: Any, master: Any, make_task: Make, containers: Containers
) -> None:
    await master.run(make_task("t1"))
    root = await root_of(master, "t1")
    stream = await containers.session_of(f"{root}.s1", "read -r line; echo got $line; sleep 1000")
    # more than a pipe holds, and nobody reads it
    typing = asyncio.create_task(containers.type_into(f"{root}.s1", keys(typed("first\n"), typed("x" * 2**20))))
    await stream.until(lambda one: one.out == "got first\n")
    typing.cancel()
    await asyncio.gather(typing, return_exceptions=True)
    async with asyncio.timeout(PATIENCE_S):
        while (await containers.type_into(f"{root}.s1", keys()))[0] == 409:
            await asyncio.sleep(0.1)
    stream.close()
    assert (await containers.wait(f"{root}.s1"))["exit_status"] == 9


async def test_a_session_on_a_terminal(running: Any, master: Any, make_task: Make, containers: Containers) -> None:
    await master.run(make_task("t1"))
    root = await root_of(master, "t1")
    command = (
        "trap 'stty size; echo resized' WINCH; stty size; while [ -z \"$line\" ]; do read -r line; done; echo got $line;"
        " read -r line || tty"
    )
    stream = await containers.session_of(f"{root}.s1", command, tty=True)
    await stream.until(lambda one: "30 100" in one.out)
    hold = asyncio.Event()
    typing = asyncio.create_task(containers.type_into(f"{root}.s1", keys(window(40, 120), typed("hello\r"), hold=hold)))
    await stream.until(lambda one: "got hello" in one.out and "40 120" in one.out)
    hold.set()
    await typing
    assert (await containers.type_into(f"{root}.s1", keys(typed("\x04"))))[0] == 200
    await stream.end()
    assert "/dev/pts/" in stream.out
    assert stream.err == ""


async def test_a_session_ends_with_its_connection(
    running: Any, master: Any, make_task: Make, containers: Containers
) -> None:
    await master.run(make_task("t1"))
    root = await root_of(master, "t1")
    stream = await containers.session_of(f"{root}.s1", "trap '' TERM HUP; echo $$; while :; do sleep 1000; done")
    await stream.until(lambda one: one.out.endswith("\n"))
    pid = int(stream.out)
    assert f"{root}.s1" in await containers.containers(show_nested=True)
    assert f"{root}.s1" not in await containers.containers()
    stream.close()
    await until(lambda: gone(pid))
    assert (await containers.wait(f"{root}.s1"))["exit_status"] == 9


async def test_nested_containers_end_with_their_task(
    running: Any, master: Any, make_task: Make, containers: Containers
) -> None:
    await master.run(make_task("t1"))
    root = await root_of(master, "t1")
    body = {"container_id": container_id(f"{root}.n1"), "command": {"value": "echo $$ >pid; exec sleep 1000"}}
    assert await containers.call("LAUNCH_NESTED_CONTAINER", body) == (200, "")
    assert (await containers.call("LAUNCH_NESTED_CONTAINER", body))[0] == 202
    below = {"container_id": container_id(f"{root}.n1.m1"), "command": {"value": "echo $$ >pid; exec sleep 1000"}}
    assert (await containers.call("LAUNCH_CONTAINER", below))[0] == 200
    sandbox = running.sandbox("t1") / "containers/n1"
    files = [sandbox / "pid", sandbox / "containers/m1/pid"]
    await until(lambda: all(one.exists() and one.read_text().strip() for one in files))
    pids = [int(one.read_text()) for one in files]
    status, text = await containers.call("REMOVE_CONTAINER", {"container_id": container_id(f"{root}.n1")})
    assert (status, text) == (500, "Nested container has not terminated yet")
    waits = [asyncio.create_task(containers.wait(name)) for name in (f"{root}.n1", f"{root}.n1.m1", root)]
    await master.kill("t1")
    ends = await asyncio.gather(*waits)
    assert [one["exit_status"] for one in ends] == [9, 9, 15]
    await master.state("t1", "TASK_KILLED")
    assert all(map(gone, pids))
    assert not list((running.runtime / "nested").iterdir())


async def test_kill_with_a_signal_and_remove(
    running: Any, master: Any, make_task: Make, containers: Containers
) -> None:
    await master.run(make_task("t1"))
    root = await root_of(master, "t1")
    name = container_id(f"{root}.n1")
    command = "trap 'echo bye; exit 3' USR1; touch ready; while :; do sleep 0.05; done"
    assert (await containers.call("LAUNCH_CONTAINER", {"container_id": name, "command": {"value": command}}))[0] == 200
    sandbox = running.sandbox("t1") / "containers/n1"
    await until((sandbox / "ready").exists)
    assert (await containers.call("KILL_CONTAINER", {"container_id": name, "signal": 10}))[0] == 200
    assert (await containers.wait(f"{root}.n1"))["exit_status"] == 3 << 8
    assert (sandbox / "stdout").read_text() == "bye\n"
    status, text = await containers.call("KILL_CONTAINER", {"container_id": name})
    assert (status, text) == (404, f"Container '{root}.n1' cannot be found (or is already killed)")
    assert (await containers.call("REMOVE_NESTED_CONTAINER", {"container_id": name}))[0] == 200
    assert not sandbox.exists()
    assert (await containers.call("REMOVE_NESTED_CONTAINER", {"container_id": name}))[0] == 200
    assert (await containers.call("KILL_CONTAINER", {"container_id": container_id(root), "signal": 15}))[0] == 200
    await master.state("t1", "TASK_FAILED")


async def test_a_standalone_container(running: Any, master: Any, containers: Containers) -> None:
    name = container_id("alone")
    body = {"container_id": name, "command": {"value": "pwd; exec sleep 1000"}, "resources": []}
    assert (await containers.call("LAUNCH_CONTAINER", body))[0] == 200
    sandbox = running.work / "containers/alone"
    await until(lambda: (sandbox / "stdout").read_text())
    assert (sandbox / "stdout").read_text().strip() == str(sandbox.resolve())
    assert await containers.containers() == []
    assert await containers.containers(show_standalone=True) == ["alone"]
    await running.kill()
    await running.start()
    await master.registered(2)
    assert await containers.containers(show_standalone=True) == ["alone"]
    assert (await containers.call("KILL_CONTAINER", {"container_id": name}))[0] == 200
    assert (await containers.wait("alone"))["exit_status"] == 9
    assert (await containers.call("REMOVE_CONTAINER", {"container_id": name}))[0] == 200


async def test_what_outlives_the_agent(running: Any, master: Any, make_task: Make, containers: Containers) -> None:
    await master.run(make_task("t1"))
    root = await root_of(master, "t1")
    for name, command in (("n1", "echo $$ >pid; sleep 1000"), ("n2", "exit 4")):
        body = {"container_id": container_id(f"{root}.{name}"), "command": {"value": command}}
        assert (await containers.call("LAUNCH_CONTAINER", body))[0] == 200
    await containers.wait(f"{root}.n2")
    stream = await containers.session_of(f"{root}.s1", "trap '' TERM HUP PIPE; echo $$; sleep 1000")
    await stream.until(lambda one: one.out.endswith("\n"))
    nested = running.sandbox("t1") / "containers/n1/pid"
    await until(lambda: nested.exists() and nested.read_text().strip())
    await running.kill()
    stream.close()
    await running.start()
    await master.registered(2)
    await until(lambda: gone(int(stream.out)))
    assert not gone(int(nested.read_text()))
    assert (await containers.wait(f"{root}.n2"))["exit_status"] == 4 << 8
    assert (await containers.call("KILL_CONTAINER", {"container_id": container_id(f"{root}.n1")}))[0] == 200
    assert (await containers.wait(f"{root}.n1"))["exit_status"] == 9


REFUSALS: list[tuple[str, Any, int, str]] = [
    (
        "LAUNCH_NESTED_CONTAINER",
        {"container_id": {"value": "x"}},
        400,
        "Failed to validate agent::Call: Expecting 'launch_nested_container.container_id.parent' to be present",
    ),
    (
        "KILL_CONTAINER",
        {"container_id": {"value": "a.b"}},
        400,
        "Failed to validate agent::Call: 'kill_container.container_id' is invalid:"
        " 'ContainerID.value' 'a.b' contains invalid characters",
    ),
    (
        "LAUNCH_NESTED_CONTAINER_SESSION",
        {"container_id": {"value": "x", "parent": {"value": "none"}}, "command": {"value": "true"}},
        400,
        "Parent container none does not exist",
    ),
    ("ATTACH_CONTAINER_OUTPUT", {"container_id": {"value": "x"}}, 404, "Container x cannot be found"),
    ("WAIT_CONTAINER", {"container_id": {"value": "x"}}, 404, "Container x cannot be found"),
    (
        "ATTACH_CONTAINER_INPUT",
        {"type": "CONTAINER_ID", "container_id": {"value": "x"}},
        415,
        "Expecting 'Content-Type' to be application/recordio for ATTACH_CONTAINER_INPUT call",
    ),
    (
        "REMOVE_CONTAINER",
        {"container_id": {"value": "x", "parent": {"value": "y"}}},
        500,
        "Root container y is unknown",
    ),
    ("WAIT_CONTAINER", None, 400, "Failed to validate agent::Call: Expecting 'wait_container' to be present"),
]


async def test_refusals(containers: Containers) -> None:
    for kind, body, status, text in REFUSALS:
        assert await containers.call(kind, body) == (status, text)


async def test_refusals_of_media(containers: Containers, master: Any, make_task: Make) -> None:
    body = {"container_id": container_id("x")}
    recordio = {"Accept": "application/recordio"}
    assert (await containers.call("WAIT_CONTAINER", body, **recordio))[0] == 406
    assert (await containers.call("WAIT_CONTAINER", body, **{"Message-Accept": "application/json"}))[0] == 406
    assert (await containers.call("WAIT_CONTAINER", body, Accept="text/html"))[0] == 406
    assert await containers.call("GET_HEALTH", **recordio) == (
        406,
        "Streaming response is not supported for GET_HEALTH call",
    )
    either = "application/json or application/x-protobuf or application/recordio"
    assert await containers.call("GET_HEALTH", Accept="text/html") == (406, f"Expecting 'Accept' to allow {either}")
    async with containers.session.post(containers.url, data=b"x", headers={"Content-Type": "text/html"}) as response:
        assert (response.status, await response.text()) == (415, f"Expecting 'Content-Type' of {either}")
    await master.run(make_task("t1"))
    root = await root_of(master, "t1")
    status, text = await containers.call("ATTACH_CONTAINER_OUTPUT", {"container_id": container_id(root)})
    assert (status, text) == (500, "I/O switchboard server was disabled for this container")
    async with containers.session.post(
        containers.url, data=b"xx", headers={"Content-Type": "application/recordio"}
    ) as response:
        assert response.status == 400
    headers = {"Content-Type": "application/recordio", "Message-Content-Type": "application/json"}
    other = b'21\n{"type":"GET_HEALTH"}'
    for raw, wanted in ((b"7\nnonsense", 400), (b"0\n", 400), (b"", 400), (other, 415)):
        async with containers.session.post(containers.url, data=raw, headers=headers) as response:
            assert response.status == wanted, (raw, await response.text())


async def test_a_link_in_the_sandbox_leads_nowhere(
    running: Any, master: Any, make_task: Make, containers: Containers, folder: Path
) -> None:
    (folder / "elsewhere").mkdir()
    await master.run(make_task("t1", f"ln -s {folder}/elsewhere containers; touch ready; sleep 1000"))
    root = await root_of(master, "t1")
    await until((running.sandbox("t1") / "ready").exists)
    body = {"container_id": container_id(f"{root}.n1"), "command": {"value": "true"}}
    status, text = await containers.call("LAUNCH_CONTAINER", body)
    assert status == 400, text
    assert os.listdir(folder / "elsewhere") == []


async def test_the_agent_stops_with_a_session_open(
    running: Any, master: Any, make_task: Make, containers: Containers
) -> None:
    await master.run(make_task("t1"))
    root = await root_of(master, "t1")
    stream = await containers.session_of(f"{root}.s1", "trap '' TERM HUP PIPE; echo $$; sleep 1000", tty=True)
    await stream.until(lambda one: one.out.endswith("\n"))
    pid = int(stream.out)
    assert await running.stop() == 0
    await until(lambda: gone(pid))
    stream.close()


async def test_every_call_is_known(containers: Containers) -> None:
    """None is answered with 501; those about resource providers as an agent without their folder does."""
    for kind in v1.CallType:
        status, text = await containers.call(kind)
        assert (status == 501) == (kind is v1.CallType.UNKNOWN), (kind, status, text)
    info = {"type": "org.apache.mesos.rp.local.storage", "name": "x"}
    status, text = await containers.call("ADD_RESOURCE_PROVIDER_CONFIG", {"info": info})
    assert (status, text) == (500, "Missing required flag --resource_provider_config_dir")


async def test_a_session_in_protobuf(running: Any, master: Any, make_task: Make, containers: Containers) -> None:
    await master.run(make_task("t1"))
    root = ContainerID(value=await root_of(master, "t1"))
    nested = ContainerID(value="s1", parent=root)
    session = v1.CallLaunchNestedContainerSession(container_id=nested, command=CommandInfo(value="cat; exit 3"))
    call = v1.Call(type=v1.CallType.LAUNCH_NESTED_CONTAINER_SESSION, launch_nested_container_session=session)
    headers = {
        "Content-Type": PROTOBUF.content_type,
        "Accept": "application/recordio",
        "Message-Accept": PROTOBUF.content_type,
    }
    body = PROTOBUF.encode(call, v1.Call)
    async with containers.session.post(containers.url, data=body, headers=headers) as answer:
        assert answer.headers["Message-Content-Type"] == PROTOBUF.content_type
        first = v1.CallAttachContainerInput(type=v1.CallAttachContainerInputType.CONTAINER_ID, container_id=nested)
        inputs = [first]
        for data in (b"\x00\xff bytes", b""):
            stdin = v1.ProcessIOData(type=v1.ProcessIODataType.STDIN, data=data)
            message = v1.ProcessIO(type=v1.ProcessIOType.DATA, data=stdin)
            kind = v1.CallAttachContainerInputType.PROCESS_IO
            inputs.append(v1.CallAttachContainerInput(type=kind, process_io=message))
        records = b"".join(
            recordio.frame(
                PROTOBUF.encode(v1.Call(type=v1.CallType.ATTACH_CONTAINER_INPUT, attach_container_input=one), v1.Call)
            )
            for one in inputs
        )
        typing = {"Content-Type": "application/recordio", "Message-Content-Type": PROTOBUF.content_type}
        async with containers.session.post(containers.url, data=records, headers=typing) as typed_in:
            assert typed_in.status == 200, await typed_in.text()
        decoder, out = recordio.Decoder(), b""
        async for part in answer.content.iter_any():
            for record in decoder.feed(part):
                message = PROTOBUF.decode(record, v1.ProcessIO)
                assert message.data is not None
                out += message.data.data or b""
    assert out == b"\x00\xff bytes"
    assert (await containers.wait(f"{root.value}.s1"))["exit_status"] == 3 << 8


async def test_heartbeats_and_a_slow_listener(agent: Any, master: Any, make_task: Make) -> None:
    await agent.start("--http_heartbeat_interval=1secs")
    await master.registered()
    await master.run(make_task("t1"))
    root = await root_of(master, "t1")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120), read_bufsize=2**12) as session:
        containers = Containers(agent.url, session)
        own = await containers.session_of(f"{root}.s1", "read -r line; head -c 16000000 /dev/zero; read -r line")
        await own.until(lambda one: one.beats >= 2)
        slow = await containers.output_of(f"{root}.s1")
        assert (await containers.type_into(f"{root}.s1", keys(typed("go\n"))))[0] == 200
        # the owner gets all of it although the other one reads nothing
        await own.until(lambda one: len(one.heard["STDOUT"]) == 16_000_000, timeout_s=90.0)
        with pytest.raises((aiohttp.ClientError, AssertionError)):
            await slow.until(lambda one: len(one.heard["STDOUT"]) == 16_000_000)
        own.close()
        slow.close()
