"""The life of a nested container from its start on: its processes, its signals, its end.

Source: Mesos's containerizer (destroy order, what is kept of the end).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec

from dcos.agent.containerizer import processes, terminal
from dcos.agent.containerizer.base import Backend, ContainerError, Launcher
from dcos.agent.containerizer.containerizer import Containerizer
from dcos.agent.containerizer.host import kill_guest
from dcos.agent.containerizer.reaped import exact
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.exits import Exit
from dcos.agent.core.memory import space_of
from dcos.agent.core.nested import chain, is_below, text
from dcos.agent.core.state import ExecutorKind, ExecutorRun, FrameworkRun, Phase
from dcos.agent.fetcher import Fetcher
from dcos.agent.io_session import SessionIo, TerminalIo, last_words
from dcos.agent.nested_records import (
    Nested,
    NestedError,
    Place,
    Saved,
    Termination,
    own_root,
)
from dcos.agent.sandbox import WorkDir
from dcos.model.v1.types import (
    ContainerID,
    TaskState,
    TaskStatusReason,
)
from dcos.runtime.files import write_atomic
from dcos.runtime.log import Logger

Spawn = Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]]


ENDED_SESSIONS = 1000
"""So many ends are kept of sessions that nobody removed."""


_KEPT = frozenset({"box.json", "nested.json", "ended.json"})
"""What tells the end of a container until somebody removes it."""


class Life:
    """What is known, and how it ends."""

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
        self._ended_sessions: deque[str] = deque()
        self._starting: set[str] = set()
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

    def _space(self, container_id: ContainerID) -> str:
        """By which path secrets of a nested container are told apart: that of the task that it is in, else its executor's."""
        found = self.of_executor(container_id)
        if found is None:
            return ""
        names, executor = chain(container_id), found[1]
        if executor.kind is ExecutorKind.CUSTOM:
            return space_of(executor.info.labels)
        own = names[1] if executor.kind is ExecutorKind.DEFAULT and len(names) > 1 else names[0]
        run = next((run for run in executor.tasks.values() if run.container_id == own), None)
        return space_of(run.info.labels if run is not None else executor.info.labels)

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
            guest = above is not None and mark.backend == "oci" and not own_root(record.box)
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

    # ---- ends --------------------------------------------------------------------------------------------------------

    async def _session(self, record: Nested, session: SessionIo, child: subprocess.Popen[bytes]) -> None:
        """Until the process ends; it ends with the agent too."""
        pump = self._spawn(session.pump(), f"output-{record.name}")
        termination = Termination()
        try:
            try:
                await processes.ended(child.pid)
            finally:
                self._signal(record, signal.SIGKILL)
                code = child.wait()
                record.pid = None
                session.ended()
                end = _exit_of(code)
                termination = Termination(exit_status=end.wait_status)
            await last_words(pump)
            self._log.info("nested_ended", container=record.name, status=end.wait_status)
            await self._clean(record)
        finally:
            pump.cancel()
            session.close()
            record.finish(termination)
        self._ended_sessions.append(record.name)
        if len(self._ended_sessions) > ENDED_SESSIONS:
            self._known.pop(self._ended_sessions.popleft(), None)

    def _parts(self, record: Nested) -> tuple[Launcher, Backend]:
        return self._containerizer.parts(record.box)

    async def _watch(self, record: Nested) -> None:
        launcher, _ = self._parts(record)
        end = await launcher.wait(record.box)
        await terminal.drained(record.box)
        await self._over(record, end)

    async def _over(self, record: Nested, end: Exit) -> None:
        if record.box.mark.backend == "oci":
            end = exact(record.box, end)
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

    async def _orphans(self, name: str) -> None:
        """Kill everything nested in ``name``, and wait for it."""
        below = [one for one in self._known.values() if is_below(one.name, name) and one.termination is None]
        for record in below:
            record.doomed = True
            await self._kill(record, signal.SIGKILL)
        for record in below:
            await record.over.wait()

    async def _clean(self, record: Nested, *, keep: bool = False) -> None:
        """Remove all but the sandbox; ``keep``: and but what tells the end."""
        if record.session:
            await asyncio.to_thread(record.box.remove)
            return
        with contextlib.suppress(ContainerError, OSError):
            launcher, backend = self._parts(record)
            self._signal(record, signal.SIGKILL)
            await launcher.kill(record.box)
            if own_root(record.box):
                await backend.cleanup(record.box)
            await self._containerizer.give_back(record.box)
            await launcher.forget(record.box)
        if keep:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(record.box.strip, _KEPT)
        else:
            await asyncio.to_thread(record.box.remove)

    def _save(self, record: Nested) -> None:
        saved = Saved(
            name=record.name,
            session=record.session,
            pid=record.pid,
            born=processes.born(record.pid) if record.pid is not None else None,
        )
        write_atomic(record.box.directory / "nested.json", msgspec.json.encode(saved))


def _exit_of(code: int) -> Exit:
    return Exit(signal=-code) if code < 0 else Exit(code=code)
