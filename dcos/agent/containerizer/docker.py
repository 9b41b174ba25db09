"""The docker containerizer: tasks in containers of the Docker Engine, as upstream's ``--containerizers=docker``.

The agent makes the container over the Engine's API; a small client, ``docker start --attach``, is what the launcher keeps
alive beside it: it carries the output into the sandbox, whether or not the agent lives. How the task stands and how it
ended is always the Engine's to say; a client that was lost is replaced.

Source: Mesos docker containerizer and docker executor.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dcos.agent.containerizer.base import Ended, Found, Launcher, LaunchError, Running
from dcos.agent.containerizer.box import Box
from dcos.agent.containerizer.default_dns import DefaultDns
from dcos.agent.containerizer.docker_engine import Engine, EngineError, NotThere, read_config, sandbox_config
from dcos.agent.containerizer.docker_groups import DockerGroups
from dcos.agent.containerizer.docker_spec import (
    AGENT_LABEL,
    BadContainer,
    addresses,
    container_name,
    describe,
)
from dcos.agent.containerizer.limits import PERIOD_US, cpu_shares, quota_us
from dcos.agent.containerizer.memory_report import MemoryReport, with_memory
from dcos.agent.containerizer.script import account
from dcos.agent.core.argv import NoCommand, command_argv
from dcos.agent.core.environment import BadEnvironment, command_variables
from dcos.agent.core.events import Plan
from dcos.agent.core.exits import Exit
from dcos.agent.sandbox import plain_file
from dcos.model.resources import Resources
from dcos.model.v1.types import CommandInfo, NetworkInfo, NetworkInfoIPAddress, NetworkInfoProtocol
from dcos.runtime.files import write_atomic
from dcos.runtime.timing import Timer

START_S = 600.0
_PATIENCE_S = 1.0
_KILLED = 128 + signal.SIGKILL
_LATE_LOOKS, _LATE_S = 3, 0.2
_SUBJECT = "Container"


class DockerBackend:
    """Containers of one Engine. ``owner`` tells this agent's containers from those of others.

    ``groups`` None: no container gets a control group above its own. ``pulled``: how long images took to come.
    """

    name = "docker"

    def __init__(
        self,
        engine: Engine,
        *,
        client: str,
        owner: str,
        sandbox_directory: str,
        config: str | None,
        remove_delay_s: float,
        dns: DefaultDns | None = None,
        groups: DockerGroups | None = None,
        pulled: Timer | None = None,
    ) -> None:
        self.engine = engine
        self._pulled = pulled or Timer()
        self.groups = groups
        self._dns = dns or DefaultDns()
        self._client = client
        self._owner = owner
        self._sandbox_directory = sandbox_directory
        self._config = config
        self._remove_delay_s = remove_delay_s

    def supervisor(self, carrier: Launcher) -> Launcher:
        return DockerLauncher(self.engine, carrier, self._client, self.groups)

    async def prepare(self, plan: Plan, box: Box, environment: Mapping[str, str]) -> None:
        """Pull what is not there, make the container; the launch script will start it."""
        if plan.container is None:
            raise LaunchError("the task has no container")
        try:
            description = describe(
                container_id=plan.container_id,
                container=plan.container,
                command=plan.command,
                environment=environment,
                mark=box.mark,
                sandbox_directory=self._sandbox_directory,
                resources=Resources.of(plan.resources),
                labels={AGENT_LABEL: self._owner, "dcos.task": plan.task_id, "dcos.framework": plan.framework_id},
                total_mem_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            )
        except BadContainer as error:
            raise LaunchError(f"Failed to run docker container: {error}") from error
        self._dns.complete(description.body)
        image = str(description.body["Image"])
        force = plan.container.docker is not None and plan.container.docker.force_pull_image
        try:
            if force or not await self.engine.has_image(image):
                config = sandbox_config(box.sandbox) or (read_config(self._config) if self._config else None)
                with self._pulled.timed(asyncio.get_running_loop().time):
                    await self.engine.pull(image, config)
        except EngineError as error:
            raise LaunchError(f"Failed to pull docker image {image!r}: {error}") from error
        try:
            for one in description.volumes:
                await self.engine.make_volume(one.name, one.driver, one.options)
            if self.groups is not None:
                await self.groups.make(box, description.body["HostConfig"], await self.engine.info())
            await self.engine.create(description.name, description.body)
        except EngineError as error:
            raise LaunchError(f"Failed to create docker container: {error}") from error
        write_client(box, self._client, self.engine.socket, "start")

    async def started(self, box: Box, pid: int) -> Running:
        return describe_running(await self.engine.inspect(container_name(box.container_id)), pid)

    def begun(self, box: Box) -> bool:
        return True

    async def signal(self, box: Box, number: int) -> bool:
        return False

    async def judged(self, box: Box, end: Exit) -> Exit:
        counted = _counted(self.groups, box)
        kills, most = (counted.kills, counted.most) if counted is not None else (0, None)
        # the Engine has removed the container's own group by now, and with it what its memory was used for
        return with_memory(end, MemoryReport(kills, box.mark.mem_hard_bytes, most, ""))

    async def update(self, box: Box) -> bool:
        return False

    async def cleanup(self, box: Box) -> None:
        """A container that ran is kept for ``--docker_remove_delay``: ``docker_cleaner.py`` removes it."""
        name = container_name(box.container_id)
        try:
            state = (await self.engine.inspect(name))["State"]
            if self._remove_delay_s <= 0 or not _was_started(state):
                await self.engine.remove(name)
        except NotThere:
            pass
        except EngineError:
            if box.launch.exists():
                raise
            # never started: if the Engine has it all the same, the cleaner finds it
        if self.groups is not None:
            await self.groups.remove(box)

    async def execute(self, box: Box, command: CommandInfo, timeout_s: float | None) -> int:
        """By the Engine's exec, as the container's own user; killed at the timeout."""
        try:
            environment = command_variables(command)
            program, argv = command_argv(command)
        except (BadEnvironment, NoCommand) as error:
            raise EngineError(str(error)) from error
        if command.shell:
            program = "/bin/sh"
        words = [program, *argv[1:]]
        exec_id = await self.engine.start_exec(container_name(box.container_id), words, environment, command.user or "")
        told: Mapping[str, Any] = {}
        try:
            async with asyncio.timeout(timeout_s):
                pause = 0.01
                while (told := await self.engine.inspect_exec(exec_id)).get("Running"):
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 0.25)
        finally:
            if told.get("Running") and (pid := int(told.get("Pid") or 0)):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        code = told.get("ExitCode")
        if code is None:
            raise EngineError("the command's exit status is not known")
        return int(code)


class DockerLauncher:
    """``carrier`` keeps the client alive; the container lives by the Engine."""

    def __init__(self, engine: Engine, carrier: Launcher, client: str, groups: DockerGroups | None = None) -> None:
        self._engine = engine
        self._groups = groups
        self._carrier = carrier
        self._client = client
        self.name = carrier.name

    async def start(self, box: Box) -> int:
        pid = await self._carrier.start(box)
        pause = 0.01
        deadline = asyncio.get_running_loop().time() + START_S
        while True:
            ended = isinstance(await self._carrier.find(box), Ended | None)
            try:
                state = (await self._engine.inspect(container_name(box.container_id)))["State"]
            except EngineError as error:
                raise LaunchError(f"Failed to start docker container: {error}") from error
            if _was_started(state):
                return int(state["Pid"]) or pid
            if ended:
                raise LaunchError(f"Failed to start docker container: {state.get('Error') or _last_words(box)}")
            if asyncio.get_running_loop().time() > deadline:
                raise LaunchError(f"docker did not start the container within {START_S:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.2)

    async def update(self, box: Box) -> None:
        mark = box.mark
        await self._engine.update(
            container_name(box.container_id),
            cpu_shares=cpu_shares(mark.cpus),
            cpu_quota=None if mark.cpus_hard is None else quota_us(mark.cpus_hard),
            cpu_period=PERIOD_US,
            memory=mark.mem_hard_bytes,
            reservation=mark.mem_bytes,
        )
        if self._groups is not None:
            await self._groups.update(box)

    async def find(self, box: Box) -> Found:
        try:
            inspected = await self._engine.inspect(container_name(box.container_id))
        except NotThere:
            return None
        except EngineError:
            # the Engine is away: the container may well live on; whoever waits for it asks until it is back
            found = await self._carrier.find(box)
            return found if isinstance(found, Running) else Running(0)
        state = inspected["State"]
        if not _was_started(state):
            return None
        if _is_over(state):
            return Ended(_exit_of(state))
        return describe_running(inspected, 0)

    async def wait(self, box: Box) -> Exit:
        while True:
            await self._carrier.wait(box)
            try:
                state = (await self._engine.inspect(container_name(box.container_id)))["State"]
            except NotThere:
                return Exit()
            except EngineError:
                await asyncio.sleep(_PATIENCE_S)
                continue
            if _is_over(state):
                return _exit_of(await self._with_late_news(box, state))
            await asyncio.sleep(_PATIENCE_S)
            if state.get("Running") and not state.get("Restarting"):
                await self._attach_again(box)

    async def _with_late_news(self, box: Box, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Where only the Engine can tell: it hears of an end and of memory that ran out by two ways, and after SIGKILL the
        second may come later.
        """
        if _counted(self._groups, box) is not None:
            return state
        for _ in range(_LATE_LOOKS):
            if state.get("ExitCode") != _KILLED or state.get("OOMKilled"):
                break
            await asyncio.sleep(_LATE_S)
            with contextlib.suppress(NotThere, EngineError):
                state = (await self._engine.inspect(container_name(box.container_id)))["State"]
        return state

    async def _attach_again(self, box: Box) -> None:
        """The client was lost: what is written from now on goes on into the sandbox."""
        with contextlib.suppress(OSError, LaunchError):
            await self._carrier.forget(box)
            for mark in ("pid", "exit", "supervisor"):
                (box.directory / mark).unlink(missing_ok=True)
            write_client(box, self._client, self._engine.socket, "attach")
            await self._carrier.start(box)

    async def signal(self, box: Box, number: int) -> None:
        """SIGTERM becomes the signal that the image wants for an end."""
        name = container_name(box.container_id)
        wanted: int | str = number
        if number == signal.SIGTERM:
            with contextlib.suppress(NotThere):
                wanted = (await self._engine.inspect(name))["Config"].get("StopSignal") or number
        await self._engine.signal(name, wanted)

    async def kill(self, box: Box) -> None:
        if not box.launch.exists():
            return
        name = container_name(box.container_id)
        pause = 0.01
        while True:
            try:
                state = (await self._engine.inspect(name))["State"]
            except NotThere:
                break
            if not _was_started(state) or _is_over(state):
                break
            await self._engine.signal(name, "SIGKILL")
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)
        # the client ends when it has written the last of the output
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5.0):
                await self._carrier.wait(box)
        await self._carrier.kill(box)

    async def forget(self, box: Box) -> None:
        await self._carrier.forget(box)


def describe_running(inspected: Mapping[str, Any], pid: int) -> Running:
    """What a status of a running container tells."""
    found = [
        NetworkInfoIPAddress(
            ip_address=one, protocol=NetworkInfoProtocol.IPv6 if ":" in one else NetworkInfoProtocol.IPv4
        )
        for one in addresses(inspected)
    ]
    return Running(
        int(inspected["State"].get("Pid") or pid),
        network_infos=(NetworkInfo(ip_addresses=tuple(found)),) if found else (),
        data=msgspec.json.encode([inspected]),
    )


def _counted(groups: DockerGroups | None, box: Box) -> MemoryReport | None:
    """What the kernel counted above the container; None where there is no such group."""
    return None if groups is None else groups.report(box)


def _was_started(state: Mapping[str, Any]) -> bool:
    return not str(state.get("StartedAt") or "0001-").startswith("0001-")


def _is_over(state: Mapping[str, Any]) -> bool:
    return state.get("Status") in ("exited", "dead", "removing")


def _exit_of(state: Mapping[str, Any]) -> Exit:
    code = int(state.get("ExitCode") or 0)
    return Exit(code=code, out_of_memory=bool(state.get("OOMKilled")) and code != 0, subject=_SUBJECT)


def write_client(box: Box, client: str, socket: str, verb: str) -> None:
    """The launch script: the client, its output in the sandbox."""
    owner = None
    if box.mark.user is not None and os.geteuid() == 0:
        entry = account(box.mark.user)
        owner = (entry.pw_uid, entry.pw_gid)
    for name in ("stdout", "stderr"):
        # opened as root, after the fetcher or the task may have changed it
        plain_file(box.sandbox / name, owner)
    program = shutil.which(client, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        raise LaunchError(f"Docker's client {client!r} is missing on this machine (--docker)")
    flags = ["--attach"] if verb == "start" else ["--no-stdin", "--sig-proxy=false"]
    words = [program, "--host", f"unix://{socket}", "--config", str(box.directory / "docker")]
    words += [verb, *flags, container_name(box.container_id)]
    out, errors = (shlex.quote(str(box.sandbox / name)) for name in ("stdout", "stderr"))
    # as the leader of the task's own session it gets nobody else's signals; memory is given back early
    script = f"#!/bin/sh\nexec >>{out} 2>>{errors} || exit 125\nexport GOGC=20\nexec {shlex.join(words)}\n"
    write_atomic(box.launch, script, mode=0o700)


def _last_words(box: Box) -> str:
    """What the client complained of."""
    with contextlib.suppress(OSError):
        lines = Path(box.sandbox / "stderr").read_text(errors="replace").strip().splitlines()
        if lines:
            return lines[-1]
    return "its client ended"
