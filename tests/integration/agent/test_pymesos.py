"""pymesos from PyPI against real ZooKeeper, master and agent: its scheduler, its executor, its operator drivers.

pymesos lives in a virtual environment of its own, made once and kept below the temporary folder. Its http-parser ships C
code generated for old Pythons, so that is generated anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dcos.testing import zookeeper
from dcos.testing.foreign import Installer, environment
from dcos.testing.patience import PATIENCE_S

HERE = Path(__file__).parent
WANTED = "pymesos==0.3.15"
HTTP_PARSER = "http-parser==0.9.0"
TOOLS = ("setuptools<70", "wheel", "cython<3.1")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(zookeeper.why_not() is not None, reason=str(zookeeper.why_not())),
]


def _install(install: Installer) -> None:
    install.packages(*TOOLS)
    install.pip(
        *("download", "--no-deps", "--no-binary=:all:", "--no-build-isolation"),
        *(f"--dest={install.folder}", HTTP_PARSER),
    )
    (archive,) = install.folder.glob("http[-_]parser-*.tar.gz")
    install.run("tar", "--no-same-owner", "-C", install.folder, "-xzf", archive)
    source = install.folder / archive.name.removesuffix(".tar.gz")
    install.run(install.folder / "bin/cython", source / "http_parser/parser.pyx")
    install.packages("--no-build-isolation", source)
    install.packages(WANTED)


@pytest.fixture(scope="session")
def pymesos_python() -> Path:
    """An interpreter that has pymesos."""
    return environment(WANTED.replace("==", "-"), _install) / "bin/python"


async def _registered(agent: Any) -> None:
    """pymesos gives up when there is no master's node in ZooKeeper yet."""
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{agent.url}/state") as answer:
                    if answer.status == 200 and (await answer.json())["id"]:
                        return
            await asyncio.sleep(0.1)


async def _play(folder: Path, python: Path, *words: str) -> dict[str, list[dict[str, Any]]]:
    """What a program beside this file said until it ended well, by kind."""
    with (folder / "scheduler.log").open("wb") as log:
        scheduler = await asyncio.create_subprocess_exec(
            *(str(python), str(HERE / words[0]), *words[1:]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
            stderr=log,
        )
    try:
        assert scheduler.stdout is not None
        out = b""
        async with asyncio.timeout(90):
            while line := await scheduler.stdout.readline():
                out += line
            await scheduler.wait()
    except TimeoutError:
        pytest.fail(f"it did not end: {out.decode()}\n{(folder / 'scheduler.log').read_text()}")
    finally:
        if scheduler.returncode is None:
            scheduler.kill()
            await scheduler.wait()
    said: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in out.splitlines():
        one = json.loads(line)
        said[one["kind"]].append(one)
    assert scheduler.returncode == 0, (folder / "scheduler.log").read_text() + out.decode()
    assert said["stopped"]
    assert not said["error"]
    return said


async def test_volumes_of_a_framework_and_of_an_operator(
    real_master: Any, agent: Any, zk: str, pymesos_python: Path, folder: Path
) -> None:
    agent.master = zk
    await agent.start()
    await _registered(agent)
    said = await _play(folder, pymesos_python, "pymesos_volumes.py", zk)
    assert [one["task"] for one in said["update"] if one["state"] == "TASK_FINISHED"] == ["write", "read"]
    assert {one["state"] for one in said["update"]} == {"TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"}
    (volume,) = said["volume"]
    assert volume["resource"]["role"] == "keepers"
    assert volume["resource"]["reservation"] == {}
    assert volume["resource"]["disk"]["persistence"] == {"id": "v"}
    assert "reservations" not in volume["resource"]
    assert [one.get("nothing", one.get("size")) for one in said["reserved"]] == [True, 64.0, 0.0]
    async with asyncio.timeout(PATIENCE_S):  # the agent is told, not waited for
        while list(agent.work.glob("volumes/roles/*/*")):
            await asyncio.sleep(0.1)


async def test_scheduler_executor_and_operators(
    real_master: Any, agent: Any, zk: str, pymesos_python: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The master lets in only schedulers and agents that prove who they are."""
    agent.master = zk
    secrets, credential = folder / "secrets", folder / "credential"
    secrets.write_text("pymesos s1\nnode s2\n")
    credential.write_text("node s2\n")
    monkeypatch.setenv("PRINCIPAL", "pymesos")
    monkeypatch.setenv("SECRET", "s1")
    await real_master.kill()
    await real_master.start(
        *(f"--credentials={secrets}", "--authenticate_agents", "--authenticate_http_frameworks"),
        "--http_framework_authenticators=basic",
    )
    await agent.start(f"--credential={credential}")
    await _registered(agent)
    command = f"exec {pymesos_python} {HERE / 'pymesos_executor.py'}"
    said = await _play(folder, pymesos_python, "pymesos_scheduler.py", zk, command)

    (registered,) = said["registered"]
    assert [int(part) for part in registered["version"].split(".")] >= [1, 11, 0]
    updates = [(one["task"], one["state"], one["data"]) for one in said["update"]]
    assert sorted(updates[:2]) == [("one", "TASK_RUNNING", "by pymesos"), ("two", "TASK_RUNNING", "by pymesos")]
    assert updates[2] == ("one", "TASK_KILLED", "by pymesos")
    assert said["message"] == [{"kind": "message", "executor": "echo", "data": "echo:hello"}]
    assert [one["task"] for one in said["operator_task_added"]] in ([], ["one"], ["two"], ["one", "two"])

    answers = {(one["whom"], one["call"]): one["answer"] for one in said["asked"]}
    assert {(one["whom"], one["call"]) for one in said["refused"]} <= {("master", "getLoggingLevel")}
    for whom in ("master", "agent"):
        assert answers[whom, "getHealth"]["get_health"]["healthy"] is True
        assert answers[whom, "getVersion"]["get_version"]["version_info"]["version"] == registered["version"]
        state = answers[whom, "getState"]["get_state"]
        assert [one["executor_info"]["executor_id"]["value"] for one in state["get_executors"]["executors"]] == ["echo"]
        assert "two" in {
            one["task_id"]["value"] for one in state["get_tasks"]["launched_tasks" if whom == "agent" else "tasks"]
        }
    assert len(answers["master", "getAgents"]["get_agents"]["agents"]) == 1
    (container,) = answers["agent", "getContainers"]["get_containers"]["containers"]
    assert container["executor_id"]["value"] == "echo"

    # the framework's end is its executor's
    stdout = next(agent.work.glob("slaves/*/frameworks/*/executors/echo/runs/latest/stdout"))
    async with asyncio.timeout(PATIENCE_S):
        while "shutdown" not in stdout.read_text() or list(agent.runtime.glob("containers/*")):
            await asyncio.sleep(0.1)
    assert stdout.read_text().splitlines()[-1] == "shutdown"
    assert not list(agent.runtime.glob("containers/*"))
