"""Containers that calls make: nested ones (in a task's or an executor's) and standalone ones.

A session (class DEBUG) is a process of the agent's inside its parent: it ends with its connection, its parent or the
agent. The others have a folder of their own in ``<runtime_dir>/nested``, are supervised like tasks (nested ones within
their parent's control groups) and outlive the agent; their end is kept there until they are removed or their root is gone.

Source: Mesos's containerizer (nested containers, container classes, destroy and recovery order).
"""

from __future__ import annotations

import asyncio
import shutil
import signal

import msgspec

from dcos.agent.containerizer import processes, terminal
from dcos.agent.containerizer.base import ContainerError, Running
from dcos.agent.containerizer.box import Box
from dcos.agent.core.exits import Exit
from dcos.agent.core.nested import chain, is_below, of_text, text
from dcos.agent.core.state import ExecutorKind, Phase
from dcos.agent.io_session import ProcessIo, TerminalIo
from dcos.agent.nested_launch import Launching
from dcos.agent.nested_records import (
    Nested,
    NestedError,
    NoContainer,
    NoSwitchboard,
    Saved,
    Termination,
)
from dcos.model.v1.types import (
    ContainerID,
)


class NestedContainers(Launching):
    """All of one agent's."""

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

    # ---- recovery ----------------------------------------------------------------------------------------------------

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
