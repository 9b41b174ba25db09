"""The backend of plain commands: the task runs in its sandbox, on the machine's own files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from dcos.agent.containerizer import processes
from dcos.agent.containerizer.base import ContainerError, LaunchError
from dcos.agent.containerizer.box import Box
from dcos.agent.containerizer.script import account, launch_script, task_script, user_words
from dcos.agent.core.argv import NoCommand, command_argv
from dcos.agent.core.environment import BadEnvironment, command_variables
from dcos.agent.core.events import Plan
from dcos.model.v1.types import CommandInfo
from dcos.runtime.files import write_atomic


class HostBackend:
    """Commands without an image."""

    name = "host"

    async def prepare(self, plan: Plan, box: Box, environment: Mapping[str, str]) -> None:
        try:
            program, argv = command_argv(plan.command)
        except NoCommand as error:
            raise LaunchError(str(error)) from error
        script = task_script(argv, program=program, environment=environment, directory=box.sandbox)
        write_private(box.task, script, box.mark.user)
        rlimits = plan.container.rlimit_info if plan.container is not None else None
        write_atomic(box.launch, launch_script(box.task, user=box.mark.user, rlimits=rlimits), mode=0o700)
        write_private(box.directory / "environment.json", msgspec.json.encode(dict(environment)), None)

    async def signal(self, box: Box, number: int) -> bool:
        return False

    async def cleanup(self, box: Box) -> None:
        """The launcher killed everything; nothing else was made."""

    async def execute(self, box: Box, command: CommandInfo, timeout_s: float | None) -> int:
        environment = task_environment(box)
        try:
            environment.update(command_variables(command))
            program, argv = command_argv(command)
        except (BadEnvironment, NoCommand) as error:
            raise ContainerError(str(error)) from error
        words = [*user_words(box.mark.user), program, *argv[1:]]
        return await run_quietly(words, environment, box.sandbox, timeout_s)


def task_environment(box: Box) -> dict[str, str]:
    """What the task was started with."""
    try:
        return dict(msgspec.json.decode((box.directory / "environment.json").read_bytes(), type=dict[str, str]))
    except (OSError, msgspec.DecodeError) as error:
        raise ContainerError(f"container {box.container_id}: its environment cannot be read: {error}") from error


def write_private(path: Path, content: str | bytes, user: str | None) -> None:
    """A file that only ``user`` (None: ourselves) can read."""
    write_atomic(path, content, mode=0o500 if user is not None else 0o700)
    if user is not None and os.geteuid() == 0:
        entry = account(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


async def run_quietly(
    words: Sequence[str], environment: Mapping[str, str], directory: Path, timeout_s: float | None
) -> int:
    """Run to the end in a session of its own, output thrown away; all of it is killed at the timeout.

    Errors: ContainerError, TimeoutError.
    """
    try:
        child = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
        )
    except OSError as error:
        raise ContainerError(f"{words[0]}: {error}") from error
    try:
        async with asyncio.timeout(timeout_s):
            return await child.wait()
    finally:
        if child.returncode is None:
            processes.signal_all(processes.tree(child.pid), signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
