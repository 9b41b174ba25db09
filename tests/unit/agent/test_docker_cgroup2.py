"""Docker with cgroup v2: what the agent learns from the Engine's answers and from the kernel's files of that layout.

The shapes are those of Docker Engine API 1.41 and later with the systemd driver, and with the cgroupfs driver.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from docker import APIClient

from dcos.agent.containerizer import control_groups
from dcos.agent.containerizer.base import Ended
from dcos.agent.containerizer.box import Box, Mark
from dcos.agent.containerizer.docker import DockerBackend, DockerLauncher
from dcos.agent.containerizer.docker_engine import Engine, EngineError, NotThere
from dcos.agent.containerizer.docker_groups import DockerGroups
from dcos.agent.containerizer.posix import PosixLauncher

NAME = "4f1c"


def state(**more: Any) -> dict[str, Any]:
    return {"Status": "exited", "Running": False, "Pid": 0, "StartedAt": "2026-01-02T03:04:05Z", "Error": "", **more}


class Answering(Engine):
    """Answers inspect with what it was given, and keeps what it is asked to do."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__("/nowhere")
        self.told = told
        self.asked: dict[str, Any] = {}

    async def inspect(self, name: str) -> dict[str, Any]:
        return {"Name": f"/{name}", "Config": {}, "HostConfig": {"CgroupnsMode": "private"}, "State": self.told}

    async def _ask(self, call: Any) -> Any:
        engine = self

        class Client:
            def update_container(self, name: str, **asked: Any) -> dict[str, Any]:
                engine.asked = asked
                return {"Warnings": None}

        return call(cast(APIClient, Client()))


def box(folder: Path) -> Box:
    mark = Mark(
        launcher="posix", backend="docker", sandbox=str(folder), mem_hard_bytes=64 * 2**20, mem_bytes=64 * 2**20
    )
    return Box(folder, NAME, mark)


@pytest.mark.parametrize(
    ("told", "message", "out_of_memory"),
    [
        (state(ExitCode=137, OOMKilled=True), "Memory limit exceeded: Requested: 64MB", True),
        # only a child was killed, the program itself went on and ended well
        (state(ExitCode=0, OOMKilled=True), None, False),
        (state(ExitCode=137, OOMKilled=False), None, False),
    ],
    ids=["killed", "went on", "something else"],
)
async def test_out_of_memory_is_the_engine_s_word(
    tmp_path: Path, told: dict[str, Any], message: str | None, out_of_memory: bool
) -> None:
    engine = Answering(told)
    found = await DockerLauncher(engine, PosixLauncher(), "docker").find(box(tmp_path))
    assert isinstance(found, Ended)
    backend = DockerBackend(engine, client="docker", owner="o", sandbox_directory="/s", config=None, remove_delay_s=0.0)
    end = await backend.judged(box(tmp_path), found.end)
    assert end.out_of_memory is out_of_memory
    assert (end.limitation or "").startswith(message or "")
    assert end.code == told["ExitCode"]


class Late(Answering):
    """Learns more from one look to the next; an exception is a look that failed."""

    def __init__(self, *told: dict[str, Any] | EngineError) -> None:
        super().__init__({})
        self.looks = list(told)
        self.looked = 0

    async def inspect(self, name: str) -> dict[str, Any]:
        self.looked += 1
        found = self.looks[min(self.looked, len(self.looks)) - 1]
        if isinstance(found, EngineError):
            raise found
        self.told = found
        return await super().inspect(name)


KILLED = state(ExitCode=137, OOMKilled=False)
OUT_OF_MEMORY = state(ExitCode=137, OOMKilled=True)


@pytest.mark.parametrize(
    ("told", "looks", "out_of_memory"),
    [
        ([OUT_OF_MEMORY], 1, True),
        ([KILLED, OUT_OF_MEMORY], 2, True),
        ([KILLED, EngineError("busy"), KILLED, OUT_OF_MEMORY], 4, True),
        # somebody killed it: the Engine says no more, however long we ask
        ([KILLED], 4, False),
        ([KILLED, NotThere("gone")], 4, False),
        ([state(ExitCode=1, OOMKilled=False)], 1, False),
    ],
    ids=["told at once", "told late", "told last", "killed", "removed", "ended otherwise"],
)
async def test_where_only_the_engine_tells_it_may_be_a_moment_late(
    tmp_path: Path, told: list[dict[str, Any] | EngineError], looks: int, out_of_memory: bool
) -> None:
    engine = Late(*told)
    end = await DockerLauncher(engine, PosixLauncher(), "docker").wait(box(tmp_path))
    assert (end.out_of_memory, engine.looked) == (out_of_memory, looks)


async def test_where_the_kernel_tells_the_engine_is_not_asked_again(tmp_path: Path) -> None:
    """Its group is gone before the Engine has looked; the one above still has the count."""
    groups = DockerGroups(tmp_path / "cgroup", owner="o", cgroups_root="mesos", bus=None)
    one, engine = box(tmp_path), Late(KILLED)
    one.save()
    (one.directory / "parent-group").write_text("mesos/above")
    folder = tmp_path / "cgroup/mesos/above"
    folder.mkdir(parents=True)
    for kills, peak in ((0, "1"), (1, str(64 * 2**20))):
        (folder / "memory.events").write_text(f"oom 1\noom_kill {kills}\n")
        (folder / "memory.stat").write_text("anon 0\n")
        (folder / "memory.peak").write_text(peak)
        engine.looked = 0
        backend = DockerBackend(
            engine, client="docker", owner="o", sandbox_directory="/s", config=None, remove_delay_s=0.0, groups=groups
        )
        end = await backend.judged(one, await backend.supervisor(PosixLauncher()).wait(one))
        assert (end.out_of_memory, engine.looked) == (bool(kills), 1)
    assert (end.limitation or "").startswith("Memory limit exceeded: Requested: 64MB Maximum Used: 64MB")


async def test_limits_are_told_to_the_engine_alone(tmp_path: Path) -> None:
    engine = Answering(state())
    await DockerLauncher(engine, PosixLauncher(), "docker").update(box(tmp_path))
    assert engine.asked["mem_limit"] == 64 * 2**20
    assert engine.asked["memswap_limit"] == 128 * 2**20
    assert engine.asked["cpu_shares"] >= 2


@pytest.mark.parametrize(
    "group", [f"/system.slice/docker-{NAME}.scope", f"/docker/{NAME}"], ids=["systemd driver", "cgroupfs driver"]
)
def test_statistics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str) -> None:
    """The container's own view of its group (a private cgroup namespace) does not matter to us."""
    monkeypatch.setattr(control_groups, "_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(control_groups, "_PROC", tmp_path / "proc")
    for pid, path in (("self", "/system.slice/dcos-mesos-agent.service"), ("7", group)):
        (tmp_path / "proc" / pid).mkdir(parents=True)
        (tmp_path / "proc" / pid / "cgroup").write_text(f"0::{path}\n")
    folder = tmp_path / "cgroup" / group.lstrip("/")
    folder.mkdir(parents=True)
    (folder / "cpu.stat").write_text("usage_usec 900000\nuser_usec 500000\nsystem_usec 400000\nnr_periods 0\n")
    (folder / "memory.stat").write_text("anon 1000\nfile 300\nfile_mapped 20\nunevictable 0\n")
    (folder / "memory.current").write_text("1400\n")
    (folder / "memory.swap.current").write_text("0\n")
    found = control_groups.figures(7)
    assert (found["cpus_user_time_secs"], found["cpus_system_time_secs"]) == (0.5, 0.4)
    assert (found["mem_rss_bytes"], found["mem_total_bytes"], found["mem_swap_bytes"]) == (1000, 1400, 0)
