"""A master that speaks the agent link and keeps state, and real agent processes under it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from dcos.agent.containerizer import oci
from dcos.model.v1.types import (
    AgentID,
    CommandInfo,
    ExecutorInfo,
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    KillPolicy,
    Resource,
    ResourceAllocationInfo,
    TaskGroupInfo,
    TaskID,
    TaskInfo,
    TaskStatus,
    ValueScalar,
    ValueType,
)
from dcos.testing import zookeeper
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.wire import agent_link, recordio

from .docker_engine import DockerEngine, NoEngine, obstacle

FRAMEWORK = FrameworkInfo(
    user="root",
    name="test",
    id=FrameworkID(value="m-0000"),
    checkpoint=True,
    roles=("web",),
    capabilities=tuple(
        FrameworkInfoCapability(type=FrameworkInfoCapabilityType(name))
        for name in ("MULTI_ROLE", "PARTITION_AWARE", "TASK_KILLING_STATE")
    ),
)


class LinkMaster:
    """Registers one agent, launches and kills, acknowledges (unless told not to), keeps every message."""

    def __init__(self) -> None:
        self.port = 0
        self.acknowledging = True
        self.answering = True
        self.reconcile: tuple[agent_link.ReconcileTask, ...] = ()
        self.ping_timeout_s = 75.0
        self.hellos: list[agent_link.Register | agent_link.Reregister] = []
        self.updates: list[TaskStatus] = []
        self.messages: list[Any] = []
        self.registrations = 0
        self._changed = asyncio.Condition()
        self._stream: web.StreamResponse | None = None
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=2**30)
        app.router.add_post(agent_link.PATH, self._serve)
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        self.port = port or free_port()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": agent_link.CONTENT_TYPE})
        await stream.prepare(request)
        decoder = recordio.Decoder()
        with contextlib.suppress(ConnectionResetError, aiohttp.ClientError, OSError):
            async for data in request.content.iter_any():
                for record in decoder.feed(data):
                    await self._take(agent_link.decode_agent_message(record), stream)
        if self._stream is stream:
            self._stream = None
        return stream

    async def _take(self, message: Any, stream: web.StreamResponse) -> None:
        if isinstance(message, agent_link.Register | agent_link.Reregister):
            self.hellos.append(message)
            if self.answering:
                self._stream = stream
                self.registrations += 1
                await self.send(
                    agent_link.Registered(
                        agent_id=message.agent.id.value if message.agent.id else "m-S0",
                        master_id="m",
                        ping_timeout_s=self.ping_timeout_s,
                        reconcile=self.reconcile,
                    )
                )
        elif isinstance(message, agent_link.StatusUpdate):
            self.updates.append(message.status)
            if self.acknowledging:
                await self.acknowledge(message.status, message.framework_id.value)
        else:
            self.messages.append(message)
        async with self._changed:
            self._changed.notify_all()

    async def send(self, message: Any) -> None:
        assert self._stream is not None, "no agent is connected"
        await self._stream.write(recordio.frame(agent_link.encode(message)))

    async def acknowledge(self, status: TaskStatus, framework_id: str = "m-0000") -> None:
        assert status.uuid is not None
        await self.send(
            agent_link.Acknowledge(
                framework_id=FrameworkID(value=framework_id), task_id=status.task_id, uuid=status.uuid
            )
        )

    async def until(self, condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> Any:
        """Wait for news until ``condition`` holds; its value."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            seen = [(one.task_id.value, str(one.state), one.message) for one in self.updates]
            raise AssertionError(f"not within {timeout_s} s; updates: {seen}") from None
        return condition()

    async def state(self, task_id: str, state: str, timeout_s: float = PATIENCE_S) -> TaskStatus:
        """The first update of that state."""
        found: TaskStatus = await self.until(
            lambda: next((one for one in self.updates if one.task_id.value == task_id and one.state == state), None),
            timeout_s,
        )
        return found

    def states(self, task_id: str) -> list[str]:
        return [str(one.state) for one in self.updates if one.task_id.value == task_id]

    async def registered(self, times: int = 1) -> None:
        await self.until(lambda: self.registrations >= times)

    # ---- orders ------------------------------------------------------------------------------------------------------

    async def run(self, task: TaskInfo, framework: FrameworkInfo = FRAMEWORK) -> None:
        await self.send(agent_link.RunTask(framework=framework, task=task))

    async def run_group(self, executor: ExecutorInfo, *tasks: TaskInfo) -> None:
        await self.send(
            agent_link.RunTaskGroup(framework=FRAMEWORK, executor=executor, task_group=TaskGroupInfo(tasks=tasks))
        )

    async def kill(self, task_id: str, policy: KillPolicy | None = None) -> None:
        await self.send(
            agent_link.KillTask(framework_id=FRAMEWORK.id, task_id=TaskID(value=task_id), kill_policy=policy)
        )


class AgentProcess:
    """A real ``dcos-mesos-agent``."""

    def __init__(self, folder: Path, master: str) -> None:
        self.work = folder / "work"
        self.runtime = folder / "run"
        self.port = free_port()
        self.master = master
        self._log = folder / "agent.log"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, *flags: str, env: dict[str, str] | None = None) -> None:
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "dcos.agent.service"),
                f"--master={self.master}",
                *("--ip=127.0.0.1", f"--port={self.port}", f"--work_dir={self.work}", f"--runtime_dir={self.runtime}"),
                *("--launcher=posix", "--registration_backoff_factor=50ms", "--no-hostname_lookup"),
                *("--resources=cpus:4;mem:4096;disk:1024", "--attributes=rack:r1;zone:z1"),
                *flags,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(env or {})},
            )

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    def log(self) -> str:
        return self._log.read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sandbox(self, task_id: str) -> Path:
        return self.work / f"slaves/m-S0/frameworks/m-0000/executors/{task_id}/runs/latest"

    def container_pids(self) -> dict[str, int]:
        """By container id."""
        return {one.parent.name: int(one.read_text()) for one in self.runtime.glob("containers/*/pid")}

    def end_everything(self) -> None:
        """What a failed test may have left: every session that this agent started."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
        # "first.pid": of an image, which is in a session of its own
        marks = [mark for name in ("supervisor", "pid", "first.pid") for mark in self.runtime.glob(f"*/*/{name}")]
        for mark in marks:
            if (mark.parent / "ended.json").exists():
                # their numbers may be others' by now
                continue
            with contextlib.suppress(ProcessLookupError, ValueError, PermissionError):
                os.killpg(int(mark.read_text()), signal.SIGKILL)


def task(
    task_id: str,
    command: str | CommandInfo = "sleep 1000",
    *,
    cpus: float = 0.1,
    mem: float = 32.0,
    **more: Any,
) -> TaskInfo:
    def scalar(name: str, value: float) -> Resource:
        return Resource(
            name=name,
            type=ValueType.SCALAR,
            scalar=ValueScalar(value=value),
            allocation_info=ResourceAllocationInfo(role="web"),
        )

    return TaskInfo(
        name=task_id,
        task_id=TaskID(value=task_id),
        agent_id=AgentID(value="m-S0"),
        resources=(scalar("cpus", cpus), scalar("mem", mem)),
        command=CommandInfo(value=command) if isinstance(command, str) else command,
        **more,
    )


@pytest.fixture(scope="session")
def master_class() -> type[LinkMaster]:
    return LinkMaster


@pytest.fixture(scope="session")
def agent_class() -> type[AgentProcess]:
    return AgentProcess


@pytest.fixture(scope="session")
def make_task() -> Callable[..., TaskInfo]:
    return task


@pytest.fixture(scope="session")
def framework_info() -> FrameworkInfo:
    return FRAMEWORK


@pytest.fixture
async def master() -> AsyncIterator[LinkMaster]:
    made = LinkMaster()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def folder() -> Iterator[Path]:
    """As ``tmp_path``, but other users may pass through it."""
    with tempfile.TemporaryDirectory(prefix="dcos-agent-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
async def agent(master: LinkMaster, folder: Path) -> AsyncIterator[AgentProcess]:
    """Not started yet."""
    made = AgentProcess(folder, f"127.0.0.1:{master.port}")
    try:
        yield made
    finally:
        if made.process is not None and made.process.returncode is None:
            made.process.kill()
            await made.process.wait()
        made.end_everything()


@pytest.fixture
async def running(agent: AgentProcess, master: LinkMaster) -> AgentProcess:
    """Started and registered."""
    await agent.start()
    await master.registered()
    return agent


@pytest.fixture(scope="session", autouse=True)
def no_cgroup_left() -> Iterator[None]:
    """Of a container's control group the empty one above it stays, as ``--cgroups_root`` names it."""
    yield
    for folder in (*Path("/sys/fs/cgroup").glob("*/mesos"), Path("/sys/fs/cgroup/mesos")):
        with contextlib.suppress(OSError):
            folder.rmdir()


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerEngine]:
    if reason := obstacle():
        pytest.skip(f"no Docker Engine: {reason}")
    made = DockerEngine()
    try:
        try:
            made.start()
        except NoEngine as error:
            pytest.skip(str(error))
        made.load()
        yield made
    finally:
        made.remove()


@pytest.fixture
async def docked(agent: Any, master: LinkMaster, engine: DockerEngine) -> Any:
    """An agent with the docker containerizer."""
    agent.flags = (
        *("--containerizers=docker,mesos", f"--docker_socket={engine.socket}"),
        *("--docker_remove_delay=0secs", "--docker_stop_timeout=200ms"),
    )
    await agent.start(*agent.flags)
    await master.registered()
    return agent


@pytest.fixture
def unique() -> str:
    return uuid.uuid4().hex[:8]


def build_image(folder: Path) -> Path:
    """An OCI layout below ``folder`` with one small image, tag ``latest``."""
    root = folder / "root"
    for name in ("bin", "etc", "tmp", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nann:x:1234:1234::/:/bin/sh\n")
    (root / "etc/marker").write_text("inside\n")
    libraries: set[Path] = set()
    for tool in ("sh", "cat", "ls", "sleep", "env", "id", "mkdir", "stty"):
        program = Path(shutil.which(tool) or "/bin/sh").resolve()
        shutil.copy2(program, root / "bin" / tool)
        for line in subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.splitlines():
            libraries |= {Path(word) for word in line.split() if word.startswith("/")}
    for library in libraries:
        target = root / str(library).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library.resolve(), target)
    layout = folder / "layout"
    for words in (
        ["init", "--layout", layout],
        ["new", "--image", f"{layout}:latest"],
        ["insert", "--image", f"{layout}:latest", root, "/"],
        [
            *("config", "--image", f"{layout}:latest", "--config.entrypoint", "/bin/sh", "--config.entrypoint", "-c"),
            *("--config.cmd", "cat /etc/marker; env", "--config.env", "FROM_IMAGE=1"),
        ],
    ):
        subprocess.run(["umoci", *words], check=True, capture_output=True)
    return layout


@pytest.fixture(scope="session")
def image_builder() -> Callable[[Path], Path]:
    return build_image


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A reference to a small image, where it can be run."""
    if reason := oci.usable():
        pytest.skip(f"images cannot be run here: {reason}")
    return f"oci:{build_image(tmp_path_factory.mktemp('image'))}:latest"


# ---- a whole cluster of one master -------------------------------------------------------------------------------------


@pytest.fixture
def zk(tmp_path: Path) -> Iterator[str]:
    with zookeeper.ensemble(tmp_path / "zk") as ensemble:
        yield f"zk://{ensemble.hosts}/mesos"


class RealMaster:
    """A real ``dcos-mesos-master``."""

    def __init__(self, zk: str, folder: Path) -> None:
        self.zk, self.folder, self.port = zk, folder, free_port()
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, *flags: str) -> None:
        with (self.folder / "master.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "dcos.master.service", f"--zk={self.zk}", "--ip=127.0.0.1"),
                *(f"--port={self.port}", "--no-hostname_lookup", "--zk_session_timeout=5secs", *flags),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "DCOS_ROOT": str(self.folder)},
            )

    async def kill(self) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@pytest.fixture
async def real_master(zk: str, tmp_path: Path) -> AsyncIterator[RealMaster]:
    made = RealMaster(zk, tmp_path)
    await made.start()
    yield made
    await made.kill()
