"""The backend of plain commands: the task runs in its sandbox, on the machine's own files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from dcos.agent.containerizer import processes, terminal
from dcos.agent.containerizer.base import ContainerError, Launcher, LaunchError, Running
from dcos.agent.containerizer.box import Box
from dcos.agent.containerizer.confine import confining, has_own_pids, joining, mounting, shall_have_own_pids
from dcos.agent.containerizer.enter import entry_script, group_files, in_own_processes
from dcos.agent.containerizer.guest import Entry, Guest, Host
from dcos.agent.containerizer.memory_report import read_report, with_memory
from dcos.agent.containerizer.privileges import Capabilities, NotAllowed, PrivilegeRules
from dcos.agent.containerizer.script import account, launch_script, task_script
from dcos.agent.containerizer.seccomp import SeccompError
from dcos.agent.containerizer.volume_sources import mount_lines, place_in
from dcos.agent.core.argv import NoCommand, command_argv
from dcos.agent.core.environment import BadEnvironment, command_variables
from dcos.agent.core.events import Plan
from dcos.agent.core.exits import Exit
from dcos.agent.sandbox import owner_of
from dcos.model.v1.types import CommandInfo
from dcos.runtime.files import write_atomic

_CAPABILITIES = "capabilities.json"


class HostBackend:
    """Commands without an image."""

    name = "host"
    makes_terminals = False

    def __init__(self, rules: PrivilegeRules) -> None:
        self._rules = rules

    async def prepare(self, plan: Plan, box: Box, environment: Mapping[str, str]) -> None:
        try:
            program, argv = command_argv(plan.command)
            linux = plan.container.linux_info if plan.container is not None else None
            capabilities = self._rules.capabilities(linux)
            confinement = self._rules.confinement(linux, capabilities, in_group=plan.group_ipc)
        except (NoCommand, NotAllowed, SeccompError) as error:
            raise LaunchError(str(error)) from error
        tty = terminal.wanted(plan.container)
        script = task_script(argv, program=program, environment=environment, output=tty is None)
        write_private(box.task, script, box.mark.user)
        rlimits = plan.container.rlimit_info if plan.container is not None else None
        launch = launch_script(
            box.task,
            directory=box.sandbox,
            user=box.mark.user,
            rlimits=rlimits,
            capabilities=capabilities,
            confining=confining(box, confinement, self._mounts(plan, box)),
            groups=box.mark.groups,
        )
        write_atomic(box.launch, terminal.wrapped(launch, box, tty), mode=0o700)
        write_private(box.directory / "environment.json", msgspec.json.encode(dict(environment)), None)
        if capabilities is not None:
            write_private(box.directory / _CAPABILITIES, msgspec.json.encode(capabilities), None)

    def _mounts(self, plan: Plan, box: Box) -> list[tuple[str, str, bool]]:
        """Volumes, whose places in the sandbox are made.   Errors: LaunchError."""
        volumes = plan.container.volumes if plan.container is not None else ()
        if volumes and os.geteuid() != 0:
            raise LaunchError("only root can mount volumes")
        return mount_lines([(one, place_in(box.sandbox, one, owner_of(box.mark.user))) for one in volumes])

    def supervisor(self, carrier: Launcher) -> Launcher:
        return carrier

    async def started(self, box: Box, pid: int) -> Running:
        return Running(pid)

    def begun(self, box: Box) -> bool:
        return True

    async def signal(self, box: Box, number: int) -> bool:
        """With processes of its own, the task's parent outside is spared once there is a task: it ends as that does.

        Of its children one holds the namespace, the other is the task.
        """
        pid = box.pid
        if number == signal.SIGKILL or pid is None or not has_own_pids(box):
            return False
        look = processes.look()
        begun = len(look.children.get(pid, ())) > 1
        processes.signal_all((one for one in look.tree(pid) if one != pid or not begun), number)
        return True

    async def judged(self, box: Box, end: Exit) -> Exit:
        return with_memory(end, read_report(box.memory))

    async def update(self, box: Box) -> bool:
        return False

    async def cleanup(self, box: Box) -> None:
        """The launcher killed everything; nothing else was made."""

    async def enter(self, box: Box, guest: Guest) -> Entry:
        try:
            program, argv = command_argv(guest.command)
        except NoCommand as error:
            raise ContainerError(str(error)) from error
        if box.pid is not None and shall_have_own_pids(box):
            await in_own_processes(box.pid)
        user = guest.user or box.mark.user
        folder = guest.folder
        task, script = folder / "task", folder / "launch"
        directory = guest.directory or box.sandbox
        output = guest.output is not None and guest.window is None
        text = task_script(argv, program=program, environment=guest.environment, output=output)
        write_private(task, text, user)
        groups = group_files(box.pid) if guest.join and box.pid is not None else []
        entry = entry_script(
            task,
            directory=directory,
            pid=box.pid,
            user=user,
            rlimits=guest.rlimits,
            groups=groups,
            tty=guest.tty,
            capabilities=_capabilities(box),
            joining=[*mounting(folder, guest.mounts), *joining(box)],
            extra_groups=box.mark.groups,
        )
        write_atomic(script, entry, mode=0o700)
        return Entry(script)

    async def execute(self, box: Box, command: CommandInfo, timeout_s: float | None) -> int:
        return await execute(self, box, command, timeout_s)


async def execute(backend: Host, box: Box, command: CommandInfo, timeout_s: float | None) -> int:
    """Run ``command`` as a guest that nobody hears.   Errors: ContainerError, TimeoutError."""
    environment = task_environment(box)
    try:
        environment.update(command_variables(command))
    except BadEnvironment as error:
        raise ContainerError(str(error)) from error
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="guest-", dir=box.directory))
    try:
        folder.chmod(0o711)
        entry = await backend.enter(box, Guest(folder, command, environment, user=command.user, exact=False))
        return await run_quietly(["/bin/sh", str(entry.script)], entry.inner_pid, timeout_s)
    except (OSError, LaunchError) as error:
        raise ContainerError(str(error)) from error
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _capabilities(box: Box) -> Capabilities | None:
    """What the task was given: nobody who joins it has more.   Errors: ContainerError."""
    try:
        return msgspec.json.decode((box.directory / _CAPABILITIES).read_bytes(), type=Capabilities)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ContainerError(f"container {box.container_id}: its capabilities cannot be read: {error}") from error


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


async def run_quietly(words: Sequence[str], inner_pid: Path | None, timeout_s: float | None) -> int:
    """Run to the end in a session of its own, output thrown away; all of it is killed at the timeout.

    Errors: ContainerError, TimeoutError.
    """
    try:
        child = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
        )
    except OSError as error:
        raise ContainerError(f"{words[0]}: {error}") from error
    try:
        async with asyncio.timeout(timeout_s):
            return await child.wait()
    finally:
        if child.returncode is None:
            kill_guest(child.pid, inner_pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


def kill_guest(pid: int, inner_pid: Path | None, number: int) -> None:
    """Signal a guest's processes, the messenger's included."""
    members = processes.tree(pid)
    if inner_pid is not None:
        with contextlib.suppress(OSError, ValueError):
            inner = processes.tree(int(inner_pid.read_text()))
            # the messenger would hand it on, and the guest hear it twice
            members = inner if inner and number != signal.SIGKILL else [*inner, *members]
    processes.signal_all(members, number)
