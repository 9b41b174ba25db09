"""Containers that calls make: nested ones (in a task's or an executor's) and standalone ones.

A session (class DEBUG) is a process of the agent's inside its parent: it ends with its connection, its parent or the
agent. The others have a folder of their own in ``<runtime_dir>/nested``, are supervised like tasks (nested ones within
their parent's control groups) and outlive the agent; their end is kept there until they are removed or their root is gone.

Source: Mesos's containerizer (nested containers, container classes, destroy and recovery order).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from dcos.agent.containerizer import processes, terminal
from dcos.agent.containerizer.base import Backend, ContainerError, Launcher, LaunchError, Running
from dcos.agent.containerizer.box import Box, Mark
from dcos.agent.containerizer.containerizer import Containerizer
from dcos.agent.containerizer.enter import group_files
from dcos.agent.containerizer.guest import Guest, Host
from dcos.agent.containerizer.host import kill_guest, task_environment
from dcos.agent.containerizer.script import account
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.environment import DEFAULT_PATH, BadEnvironment, command_variables
from dcos.agent.core.events import Limits, Plan
from dcos.agent.core.executors import MIN_MEM_BYTES
from dcos.agent.core.exits import Exit
from dcos.agent.core.nested import chain, is_below, of_text, text
from dcos.agent.core.state import ExecutorKind, ExecutorRun, FrameworkRun, Phase
from dcos.agent.fetcher import Fetcher
from dcos.agent.io_session import ProcessIo, SessionIo, TerminalIo, last_words
from dcos.agent.sandbox import WorkDir, make_inside, owner_of
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    CommandInfo,
    ContainerID,
    ContainerInfo,
    Resource,
    TaskState,
    TaskStatusReason,
    ValueScalar,
)
from dcos.runtime.files import write_atomic
from dcos.runtime.log import Logger

Spawn = Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]]


class NestedError(Exception):
    """A call about a container cannot be fulfilled: says why."""


class NoSwitchboard(NestedError):
    """Nobody can attach to this container."""


class NoContainer(NestedError):
    """There is none of this name."""


class Termination(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a container ended; ``exit_status`` as wait(2) gives it."""

    exit_status: int | None = None
    state: TaskState | None = None
    reason: TaskStatusReason | None = None
    message: str | None = None


class Saved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``nested.json``: what a later agent must know."""

    name: str
    session: bool = False
    pid: int | None = None
    born: int | None = None
    """When process ``pid`` started, in the kernel's ticks: another one of the same number differs."""


class Launched(StrEnum):
    NEW = "new"
    ALREADY = "already"


@dataclass(frozen=True, slots=True)
class Request:
    """A container to launch."""

    container_id: ContainerID
    command: CommandInfo
    container: ContainerInfo | None = None
    resources: tuple[Resource, ...] = ()
    limits: dict[str, ValueScalar] = field(default_factory=dict, hash=False)
    session: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a nested container goes.

    ``box`` is what it enters and ``parent`` what it inherits from; they differ where the parent itself is a guest. A task
    group's root runs nothing itself: one of its tasks is entered, and there is no ``parent``.
    """

    box: Box
    parent: Box | None
    base: Path
    """The executor's sandbox, or a standalone container's: below it all sandboxes lie."""
    sandbox: Path
    user: str | None


@dataclass(slots=True, eq=False)
class Nested:
    """One container. ``io`` is what can be attached to."""

    container_id: ContainerID
    name: str
    box: Box
    session: bool
    io: ProcessIo | None = None
    pid: int | None = None
    inner_pid: Path | None = None
    termination: Termination | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    work: asyncio.Task[Any] | None = None

    def finish(self, termination: Termination) -> None:
        if self.termination is None:
            self.termination = termination
            self.over.set()


class NestedContainers:
    """All of one agent's."""

    def __init__(
        self,
        *,
        core: AgentCore,
        containerizer: Containerizer,
        inside: Launcher,
        launcher: str,
        work: WorkDir,
        runtime: Path,
        fetcher: Fetcher,
        sandbox_directory: str,
        switch_user: bool,
        agent_id: Callable[[], str],
        ip: str,
        spawn: Spawn,
        log: Logger,
    ) -> None:
        self._core = core
        self._containerizer = containerizer
        self._inside = inside
        self._launcher = launcher
        self._work = work
        self._folder = runtime / "nested"
        self._fetcher = fetcher
        self._sandbox_directory = sandbox_directory
        self._switch_user = switch_user
        self._agent_id = agent_id
        self._ip = ip
        self._spawn = spawn
        self._log = log
        self._known: dict[str, Nested] = {}
        self._ends: dict[str, Termination] = {}
        """Of a group's tasks, by name, while their executor lives."""
        self._waiting: dict[str, asyncio.Event] = {}
        """Of the core's containers, by name."""
        self._terminals: dict[str, TerminalIo] = {}

    # ---- looking up --------------------------------------------------------------------------------------------------

    def of_executor(self, container_id: ContainerID) -> tuple[FrameworkRun, ExecutorRun] | None:
        """Whose container is at the root."""
        root = chain(container_id)[0]
        for framework in self._core.frameworks.values():
            for executor in framework.executors.values():
                if executor.run_id == root and (executor.active or executor.tasks):
                    return framework, executor
        return None

    def _core_box(self, container_id: ContainerID) -> str | None:
        """The box of a container that the core runs; None when it runs none of this name."""
        found = self.of_executor(container_id)
        if found is None:
            return None
        names, executor = chain(container_id), found[1]
        if executor.kind is not ExecutorKind.DEFAULT:
            return names[0] if len(names) == 1 and self._core.is_running(names[0]) else None
        runs = (run for run in executor.tasks.values() if run.phase is Phase.RUNNING)
        if len(names) == 2 and any(run.container_id == names[1] for run in runs):
            return names[1]
        return None

    def _is_group(self, container_id: ContainerID) -> bool:
        """Whether it is the root of a default executor that still has something to do."""
        found = self.of_executor(container_id)
        return (
            found is not None
            and container_id.parent is None
            and found[1].kind is ExecutorKind.DEFAULT
            and found[1].active
        )

    def _place(self, parent: ContainerID) -> Place:
        """Errors: NestedError."""
        name = text(parent)
        record = self._known.get(name)
        if record is not None:
            if record.termination is not None:
                raise NestedError(f"Parent container {name} is in 'DESTROYING' state")
            if record.session:
                raise NestedError(f"Nested containers under the DEBUG container {name} are not supported")
            mark = record.box.mark
            above = self._place(parent.parent) if parent.parent is not None else None
            guest = above is not None and mark.backend == "oci" and not _own_root(record.box)
            box = above.box if above is not None and guest else record.box
            base = above.base if above is not None else record.box.sandbox
            return Place(box, record.box, base, record.box.sandbox, mark.user)
        found = self.of_executor(parent)
        if found is None:
            raise NestedError(f"Parent container {name} does not exist")
        framework, executor = found
        base = self._work.run(self._agent_id(), framework.framework_id, executor.executor_id, executor.run_id)
        box_id = self._core_box(parent)
        parent_box = self._containerizer.box(box_id) if box_id is not None else None
        if parent_box is not None:
            return Place(parent_box, parent_box, base, parent_box.sandbox, parent_box.mark.user)
        runs = [run for run in executor.tasks.values() if run.phase is Phase.RUNNING]
        boxes = [one for run in runs if (one := self._containerizer.box(run.container_id)) is not None]
        if not self._is_group(parent) or not boxes:
            raise NestedError(f"Parent container {name} does not exist")
        return Place(boxes[0], None, base, base, framework.info.user if self._switch_user else None)

    def live(self, *, nested: bool, standalone: bool) -> Iterator[Nested]:
        """What runs, for ``GET_CONTAINERS``."""
        for record in self._known.values():
            root = self.of_executor(record.container_id) is None
            deep = record.container_id.parent is not None
            if record.termination is None and (nested or not deep) and (standalone or not root):
                yield record

    # ---- launch ------------------------------------------------------------------------------------------------------

    async def launch(self, request: Request) -> Launched:
        """Errors: NestedError, which leaves nothing behind."""
        name = text(request.container_id)
        if name in self._known or self._core_box(request.container_id) or self._is_group(request.container_id):
            return Launched.ALREADY
        parent = request.container_id.parent
        place = self._place(parent) if parent is not None else None
        user = self._user(request.command, place)
        sandbox = await asyncio.to_thread(self._sandbox, request, place, user)
        box = Box(self._folder, name, self._mark(request, place, sandbox, user))
        record = Nested(request.container_id, name, box, request.session)
        self._known[name] = record
        try:
            box.save()
            self._save(record)
            if request.session:
                await self._start_session(record, request, place)
            else:
                await self._start(record, request, place)
        except BaseException as error:
            self._known.pop(name, None)
            record.finish(Termination(state=TaskState.TASK_FAILED))
            await self._clean(record)
            if isinstance(error, ContainerError | OSError | BadEnvironment | TimeoutError):
                raise NestedError(str(error)) from error
            raise
        self._log.info("nested_started", container=name, pid=record.pid, session=record.session)
        return Launched.NEW

    def _user(self, command: CommandInfo, place: Place | None) -> str | None:
        if not self._switch_user:
            return None
        if command.user is not None:
            try:
                account(command.user)
            except LaunchError as error:
                raise NestedError(str(error)) from error
            return command.user
        return place.user if place is not None else None

    def _sandbox(self, request: Request, place: Place | None, user: str | None) -> Path:
        """A session works in its parent's."""
        if place is not None and request.session:
            return place.sandbox
        try:
            if place is None:
                sandbox = self._work.standalone(request.container_id.value)
                sandbox.parent.mkdir(parents=True, exist_ok=True)
                return make_inside(sandbox.parent, (sandbox.name,), owner_of(user))
            below = place.sandbox.relative_to(place.base).parts
            return make_inside(place.base, (*below, "containers", request.container_id.value), owner_of(user))
        except (OSError, LaunchError) as error:
            raise NestedError(f"Failed to create sandbox: {error}") from error

    def _mark(self, request: Request, place: Place | None, sandbox: Path, user: str | None) -> Mark:
        backend = place.box.mark.backend if place is not None else "host"
        if _image(request.container):
            backend = "oci"
        limits = _limits(request)
        return Mark(
            launcher=self._launcher if place is None else self._inside.name,
            backend=backend,
            sandbox=str(sandbox),
            user=user,
            description=f"Mesos container {text(request.container_id)}",
            cpus=limits.cpus if place is None else 0,
            mem_bytes=limits.mem_bytes if place is None else 0,
            cpus_hard=limits.cpus_limit if place is None else None,
            mem_hard_bytes=int(limits.mem_limit_bytes) if place is None and limits.mem_limit_bytes else None,
        )

    def _environment(self, request: Request, place: Place | None, record: Nested) -> dict[str, str]:
        """A session sees what its parent was started with; others only what they are told."""
        if request.session and place is not None and place.parent is not None:
            return task_environment(place.parent) | command_variables(request.command)
        seen = record.box.sandbox
        if record.box.mark.backend == "oci":
            inside = place is not None and not _image(request.container)
            below = seen.relative_to(place.box.sandbox) if place is not None and inside else Path()
            seen = Path(self._sandbox_directory) / below
        variables = {"MESOS_SANDBOX": str(seen), "MESOS_CONTAINER_IP": self._ip, "PATH": DEFAULT_PATH}
        return variables | command_variables(request.command)

    # ---- sessions ----------------------------------------------------------------------------------------------------

    async def _start_session(self, record: Nested, request: Request, place: Place | None) -> None:
        if place is None:
            raise ContainerError("a session needs a parent")
        host = self._host(place)
        session = SessionIo(terminal.wanted(request.container))
        try:
            if record.box.mark.user is not None:
                session.give_to(account(record.box.mark.user).pw_uid)
            entry = await host.enter(
                place.box,
                Guest(
                    record.box.directory,
                    request.command,
                    self._environment(request, place, record),
                    user=None if place.user == record.box.mark.user else record.box.mark.user,
                    directory=place.sandbox,
                    tty=session.slave,
                    has_tty=session.tty,
                    rlimits=request.container.rlimit_info if request.container is not None else None,
                ),
            )
            stdin, stdout, stderr = session.child_descriptors()
            child = subprocess.Popen(  # noqa: ASYNC220 - a vfork, which returns at once
                ["/bin/sh", str(entry.script)],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            session.close()
            raise
        session.started()
        record.io, record.pid, record.inner_pid = session, child.pid, entry.inner_pid
        self._save(record)
        record.work = self._spawn(self._session(record, session, child), f"session-{record.name}")

    def _host(self, place: Place) -> Host:
        """Errors: ContainerError."""
        host = self._containerizer.host(place.box)
        if host is None:
            raise ContainerError("Nested containers are not supported")
        return host

    async def _session(self, record: Nested, session: SessionIo, child: subprocess.Popen[bytes]) -> None:
        pump = self._spawn(session.pump(), f"output-{record.name}")
        try:
            await processes.ended(child.pid)
        finally:
            self._signal(record, signal.SIGKILL)
            code = child.wait()
            session.ended()
        await last_words(pump)
        pump.cancel()
        session.close()
        messenger = record.inner_pid is not None
        end = Exit.of_shell(code) if code >= 0 and messenger else _exit_of(code)
        self._log.info("nested_ended", container=record.name, status=end.wait_status)
        await self._clean(record)
        record.finish(Termination(exit_status=end.wait_status))

    # ---- containers that outlive the agent ---------------------------------------------------------------------------

    async def _start(self, record: Nested, request: Request, place: Place | None) -> None:
        box, container = record.box, request.container
        tty = terminal.wanted(container)
        await self._fetcher.fetch(request.command.uris, box.sandbox, box.mark.user)
        launcher, backend = self._parts(record)
        variables = self._environment(request, place, record)
        if place is None or _image(container):
            plan = Plan(
                container_id=record.name,
                framework_id="",
                executor_id="",
                run_id=record.name,
                task_id=record.name,
                command=request.command,
                limits=_limits(request),
                user=box.mark.user,
                container=container,
            )
            await backend.prepare(plan, box, variables)
        else:
            host = self._host(place)
            guest = Guest(
                box.directory,
                request.command,
                variables,
                user=box.mark.user,
                directory=box.sandbox,
                has_tty=tty is not None,
                output=box.sandbox,
                rlimits=container.rlimit_info if container is not None else None,
                join=False,
            )
            entry = await host.enter(place.box, guest)
            record.inner_pid = entry.inner_pid
            write_atomic(box.directory / "environment.json", msgspec.json.encode(variables), mode=0o600)
            write_atomic(box.launch, terminal.wrapped(entry.script.read_text(), box, tty), mode=0o700)
        if place is not None:
            groups = group_files(place.box.pid) if place.box.pid is not None else []
            write_atomic(box.directory / "join", "".join(f"{one}\n" for one in groups))
        record.pid = await launcher.start(box)
        if box.pid is None:
            box.save_pid(record.pid)
        if tty is not None:
            await terminal.ready(box, record.pid)
            record.io = TerminalIo(box)
        self._save(record)
        record.work = self._spawn(self._watch(record), f"nested-{record.name}")

    def _parts(self, record: Nested) -> tuple[Launcher, Backend]:
        return self._containerizer.parts(record.box)

    async def _watch(self, record: Nested) -> None:
        launcher, _ = self._parts(record)
        end = await launcher.wait(record.box)
        await terminal.drained(record.box)
        await self._over(record, end)

    async def _over(self, record: Nested, end: Exit) -> None:
        self._log.info("nested_ended", container=record.name, status=end.wait_status)
        termination = Termination(exit_status=end.wait_status)
        if end.out_of_memory:
            termination = Termination(
                exit_status=end.wait_status,
                state=TaskState.TASK_FAILED,
                reason=TaskStatusReason.REASON_CONTAINER_LIMITATION_MEMORY,
                message="Memory limit exceeded",
            )
        await self._orphans(record.name)
        with contextlib.suppress(OSError):
            write_atomic(record.box.directory / "ended.json", msgspec.json.encode(termination))
        await self._clean(record, keep=True)
        record.finish(termination)

    # ---- wait, kill, remove ------------------------------------------------------------------------------------------

    async def wait(self, container_id: ContainerID) -> Termination | None:
        """Its end, when it has come; None for one that is not known (any more)."""
        name = text(container_id)
        record = self._known.get(name)
        if record is not None:
            await record.over.wait()
            return record.termination
        if name in self._ends:
            return self._ends[name]
        if self._core_box(container_id) is None and not self._is_group(container_id):
            return None
        event = self._waiting.setdefault(name, asyncio.Event())
        await event.wait()
        return self._ends.get(name)

    async def kill(self, container_id: ContainerID, number: int) -> bool:
        """Signal all of it; False where nothing runs under this name."""
        record = self._known.get(text(container_id))
        if record is not None:
            if record.termination is not None:
                return False
            await self._kill(record, number)
            return True
        box_id = self._core_box(container_id)
        found = self.of_executor(container_id) if self._is_group(container_id) else None
        boxes = [box_id] if box_id is not None else []
        if found is not None:
            boxes = [run.container_id for run in found[1].tasks.values() if run.phase is Phase.RUNNING]
        for one in boxes:
            if number == signal.SIGKILL:
                await self._containerizer.kill(one)
            else:
                await self._containerizer.signal(one, number)
        return bool(boxes)

    async def _kill(self, record: Nested, number: int) -> None:
        if record.session or record.inner_pid is not None:
            self._signal(record, number)
        if record.session:
            return
        launcher, backend = self._parts(record)
        with contextlib.suppress(ContainerError):
            if not await backend.signal(record.box, number):
                await (launcher.kill(record.box) if number == signal.SIGKILL else launcher.signal(record.box, number))

    def _signal(self, record: Nested, number: int) -> None:
        if record.pid is not None:
            kill_guest(record.pid, record.inner_pid, number)

    async def remove(self, container_id: ContainerID) -> None:
        """Forget one that ended, its sandbox included.   Errors: NestedError while it runs."""
        name = text(container_id)
        record = self._known.get(name)
        if record is None:
            if self._core_box(container_id) is not None or self._is_group(container_id):
                raise NestedError(f"Container {name} has not terminated yet")
            if container_id.parent is not None:
                root = ContainerID(value=chain(container_id)[0])
                if self.of_executor(root) is None and root.value not in self._known:
                    raise NestedError(f"Root container {root.value} is unknown")
                await self._remove_task(container_id)
            return
        if record.termination is None:
            kind = "Nested container" if container_id.parent is not None else "Container"
            raise NestedError(f"{kind} has not terminated yet")
        if any(is_below(other, name) for other in self._known):
            raise NestedError(f"Container {name} has nested containers that were not removed")
        del self._known[name]
        await asyncio.to_thread(record.box.remove)
        if not record.session:
            await asyncio.to_thread(shutil.rmtree, record.box.mark.sandbox, ignore_errors=True)

    async def _remove_task(self, container_id: ContainerID) -> None:
        """What is kept of a group's task that ended."""
        self._ends.pop(text(container_id), None)

    # ---- attaching ---------------------------------------------------------------------------------------------------

    def io(self, container_id: ContainerID) -> ProcessIo:
        """Errors: NoContainer, NoSwitchboard."""
        name = text(container_id)
        record = self._known.get(name)
        if record is not None:
            if record.termination is not None or record.io is None:
                raise NoSwitchboard("I/O switchboard server was disabled for this container")
            return record.io
        if self.of_executor(container_id) is None:
            raise NoContainer(f"Container {name} cannot be found")
        box_id = self._core_box(container_id)
        box = self._containerizer.box(box_id) if box_id is not None else None
        if box is None or terminal.path(box) is None:
            raise NoSwitchboard("I/O switchboard server was disabled for this container")
        return self._terminals.setdefault(name, TerminalIo(box))

    # ---- the end of parents ------------------------------------------------------------------------------------------

    async def container_ended(self, container_id: str, end: Exit) -> None:
        """A container of the core is gone: what is nested in it goes too."""
        executor = self._core.find_executor(container_id)
        if executor is None:
            return
        grouped = executor.kind is ExecutorKind.DEFAULT
        name = f"{executor.run_id}.{container_id}" if grouped else container_id
        await self._orphans(name)
        self._terminals.pop(name, None)
        self._ends[name] = Termination(exit_status=end.wait_status)
        self._tell(name)
        if not grouped:
            await self.executor_ended(executor.run_id)

    async def executor_ended(self, run_id: str) -> None:
        """The root is gone: what was kept below it goes."""
        await self._orphans(run_id)
        self._ends.setdefault(run_id, Termination(exit_status=0))
        self._tell(run_id)
        for name in [one for one in self._known if is_below(one, run_id)]:
            record = self._known.pop(name)
            await asyncio.to_thread(record.box.remove)
        for name in [one for one in self._ends if one == run_id or is_below(one, run_id)]:
            # who waits has been told by now
            asyncio.get_running_loop().call_soon(self._ends.pop, name, None)

    def _tell(self, name: str) -> None:
        event = self._waiting.pop(name, None)
        if event is not None:
            event.set()

    async def _orphans(self, name: str) -> None:
        """Kill everything nested in ``name``, and wait for it."""
        below = [one for one in self._known.values() if is_below(one.name, name) and one.termination is None]
        for record in below:
            await self._kill(record, signal.SIGKILL)
        for record in below:
            await record.over.wait()

    async def destroy(self, container_id: ContainerID) -> None:
        """End a session whose connection is gone."""
        record = self._known.get(text(container_id))
        if record is not None and record.termination is None:
            await self._kill(record, signal.SIGKILL)
            await record.over.wait()

    async def destroy_all(self) -> None:
        for record in [one for one in self._known.values() if one.termination is None]:
            await self._kill(record, signal.SIGKILL)
            await record.over.wait()

    async def _clean(self, record: Nested, *, keep: bool = False) -> None:
        """Remove all but the sandbox; ``keep``: and but the folder that tells the end."""
        if record.session:
            await asyncio.to_thread(record.box.remove)
            return
        with contextlib.suppress(ContainerError, OSError):
            launcher, backend = self._parts(record)
            self._signal(record, signal.SIGKILL)
            await launcher.kill(record.box)
            if _own_root(record.box):
                await backend.cleanup(record.box)
            await launcher.forget(record.box)
        if not keep:
            await asyncio.to_thread(record.box.remove)

    # ---- recovery ----------------------------------------------------------------------------------------------------

    def _save(self, record: Nested) -> None:
        saved = Saved(
            name=record.name,
            session=record.session,
            pid=record.pid,
            born=processes.born(record.pid) if record.pid is not None else None,
        )
        write_atomic(record.box.directory / "nested.json", msgspec.json.encode(saved))

    async def recover(self, *, rebooted: bool) -> None:
        """Find again what outlived the agent; end what must not have."""
        if rebooted:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            return
        for folder in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            box = Box(self._folder, folder.name)
            try:
                saved = msgspec.json.decode((folder / "nested.json").read_bytes(), type=Saved)
                record = Nested(of_text(saved.name), saved.name, box, saved.session, pid=saved.pid)
                await self._recover(record, saved)
            except (OSError, msgspec.MsgspecError, ContainerError) as error:
                self._log.warning("nested_forgotten", container=folder.name, error=str(error))
                await asyncio.to_thread(box.remove)
        self._drop_orphans()

    async def _recover(self, record: Nested, saved: Saved) -> None:
        inner = record.box.directory / "guest.pid"
        record.inner_pid = inner if inner.exists() else None
        if saved.session:
            if saved.pid is not None and processes.born(saved.pid) == saved.born:
                self._signal(record, signal.SIGKILL)
            await asyncio.to_thread(record.box.remove)
            return
        ended = record.box.directory / "ended.json"
        if ended.exists():
            record.finish(msgspec.json.decode(ended.read_bytes(), type=Termination))
            self._known[record.name] = record
            return
        launcher, _ = self._parts(record)
        found = await launcher.find(record.box)
        if found is None:
            await self._clean(record)
            return
        self._known[record.name] = record
        if isinstance(found, Running):
            record.pid = found.pid
            record.io = TerminalIo(record.box) if terminal.path(record.box) is not None else None
            record.work = self._spawn(self._watch(record), f"nested-{record.name}")
        else:
            await self._over(record, found.end)

    def _drop_orphans(self) -> None:
        """Nested ones whose root ended while the agent was away."""
        for record in list(self._known.values()):
            root = record.container_id
            while root.parent is not None:
                root = root.parent
            if record.container_id.parent is None or self.of_executor(root) or root.value in self._known:
                continue
            self._log.info("nested_orphan", container=record.name)
            self._spawn(self._drop(record), f"orphan-{record.name}")

    async def _drop(self, record: Nested) -> None:
        if record.termination is None:
            await self._kill(record, signal.SIGKILL)
            await record.over.wait()
        self._known.pop(record.name, None)
        await asyncio.to_thread(record.box.remove)


def _image(container: ContainerInfo | None) -> bool:
    return container is not None and container.mesos is not None and container.mesos.image is not None


def _own_root(box: Box) -> bool:
    """Whether its backend made something for it alone (a guest has its host's)."""
    return (box.directory / "bundle").exists()


def _exit_of(code: int) -> Exit:
    return Exit(signal=-code) if code < 0 else Exit(code=code)


def _limits(request: Request) -> Limits:
    wanted = Resources.of(request.resources)
    cpus, mem = request.limits.get("cpus"), request.limits.get("mem")
    return Limits(
        cpus=wanted.scalar("cpus"),
        mem_bytes=max(MIN_MEM_BYTES, int(wanted.scalar("mem") / 1000 * 1024 * 1024)),
        cpus_limit=None if cpus is None else cpus.value,
        mem_limit_bytes=None if mem is None else max(float(MIN_MEM_BYTES), mem.value * 1024 * 1024),
        disk_bytes=int(wanted.scalar("disk") / 1000 * 1024 * 1024),
    )
