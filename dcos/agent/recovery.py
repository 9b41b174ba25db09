"""A new agent takes over from a dead one: checkpoints are read, containers found."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from dcos.agent.checkpoint import CheckpointError, SavedResources
from dcos.agent.containerizer.base import Ended, LaunchError, Running
from dcos.agent.core.compatibility import difference
from dcos.agent.core.draining import Drain
from dcos.agent.core.events import (
    ContainerExited,
    ContainerMissing,
)
from dcos.agent.core.state import ExecutorKind, Phase
from dcos.agent.performing import Performer, container_started
from dcos.model.conversions import ConversionError
from dcos.model.v1.types import ExecutorInfoType, FrameworkInfo
from dcos.runtime.app import Exit

EXIT_INCOMPATIBLE = 4
"""Exit code: flags changed in a way that ``--reconfiguration_policy`` forbids."""
EXIT_CHECKPOINTS = 5
"""Exit code: a checkpoint cannot be read, and ``--strict`` is on."""


class Recovery(Performer):
    """Adds recovery, before the loop begins."""

    async def recover(self, *, policy: str, strict: bool, cleanup: bool) -> None:
        """Read the checkpoints, find the containers; afterwards the core knows what the dead agent knew.

        Errors: Exit, when flags or checkpoints forbid to go on.
        """
        began = self._app.clock.monotonic()
        boot_id, now = self._boot_id(), self.clock.now()
        rebooted = self._checkpoints.boot_id() not in (None, boot_id)
        try:
            before = self._checkpoints.agent()
        except CheckpointError as error:
            if strict:
                raise Exit(EXIT_CHECKPOINTS, str(error)) from error
            self.recovery_errors += 1
            before = None
        if before is not None and before.id is not None:
            forbidden = difference(policy, before, msgspec.structs.replace(self.info, id=before.id))
            if forbidden is None:
                self.info = msgspec.structs.replace(self.info, id=before.id)
                self.core.agent_id = before.id.value
            elif rebooted:
                self._app.log.warning("new_agent_id", reason=forbidden, old=before.id.value)
                self._checkpoints.forget_agent()
            else:
                raise Exit(
                    EXIT_INCOMPATIBLE,
                    f"{forbidden}: not allowed by --reconfiguration_policy={policy}; to start as a new agent, remove"
                    f" {self._work.meta / 'slaves' / 'latest'} (running tasks are then killed)",
                )
        self._restore_resources(strict=strict)
        if self.agent_id is not None:
            self._restore(self.agent_id, strict=strict, now=now)
        if rebooted:
            self._containerizer.wipe()
        self._checkpoints.save_boot_id(boot_id)
        # events of the recovery are decided at once: nothing else has happened yet
        for _, executor, run in list(self.core.runs()):
            if executor.life is None and run.phase is not Phase.ENDED:
                await self._find(run.container_id, rebooted=rebooted, now=now)
        for container_id in self.core.custom_containers():
            await self._find(container_id, rebooted=rebooted, now=now)
        for container_id in self._containerizer.known():
            if self.core.find_executor(container_id) is None or container_id not in self._containers:
                self._app.log.info("orphan_destroyed", container=container_id)
                await self._destroy_surely(container_id)  # before anybody is offered what it uses
        if self.nested is not None:
            await self.nested.recover(rebooted=rebooted)
        self._restore_drain(now)
        self._perform(self.core.restored(now))
        self._collector.sweep_closed(self._work.meta, self._work.root / "slaves", self.agent_id)
        if cleanup:
            await self._clean_up(now)
        self.recovery_errors += self._checkpoints.unread
        self.recovered = True
        self.recovery_s = self._app.clock.monotonic() - began
        self._app.log.info("recovered", agent=self.agent_id, tasks=sum(1 for _ in self.core.runs()), rebooted=rebooted)

    def _restore_drain(self, now: float) -> None:
        """A drain goes on; the master says it again if its file cannot be read."""
        try:
            config = self._checkpoints.drain(self.agent_id) if self.agent_id is not None else None
        except CheckpointError as error:
            self._app.log.error("drain_config_not_read", error=str(error))
            return
        if config is not None:
            self.core.drain = Drain(config, now)

    def _restore_resources(self, *, strict: bool) -> None:
        """Reservations, volumes, operations.   Errors: Exit."""
        try:
            saved = self._checkpoints.resources()
        except CheckpointError as error:
            if strict:
                raise Exit(EXIT_CHECKPOINTS, f"{error} (see --strict)") from error
            self.recovery_errors += 1
            saved = SavedResources()
        self.core.operations.agent_id = self.agent_id
        try:
            self.core.operations.restore(self.info.resources, saved.resources, saved.operations)
        except ConversionError as error:
            raise Exit(
                EXIT_INCOMPATIBLE, f"--resources do not fit the reservations and volumes here: {error}"
            ) from error

    def _restore(self, agent_id: str, *, strict: bool, now: float) -> None:
        try:
            for record in self._checkpoints.runs(agent_id, strict=strict):
                framework_id = _framework_id(record.framework)
                self.core.restore_framework(record.framework, shut=record.shut)
                kind = ExecutorKind.COMMAND
                if record.executor.type is ExecutorInfoType.DEFAULT:
                    kind = ExecutorKind.DEFAULT
                elif record.custom:
                    kind = ExecutorKind.CUSTOM
                self.core.restore_executor(framework_id, record.executor, kind, record.run_id)
                for task in record.tasks:
                    self.core.restore_task(
                        framework_id,
                        record.executor.executor_id.value,
                        task.info.task,
                        task.info.container_id,
                        task.updates,
                        task.acknowledged,
                        now,
                    )
        except CheckpointError as error:
            raise Exit(EXIT_CHECKPOINTS, f"{error} (see --strict)") from error

    async def executors_back(self, timeout_s: float) -> None:
        """Wait until every executor found again has subscribed again, or its time is over."""
        if self.core.awaited():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._all_back.wait()

    async def _find(self, container_id: str, *, rebooted: bool, now: float) -> None:
        found = None if rebooted else await self._containerizer.remember(container_id)
        match found:
            case Running():
                self._app.log.info("found_running", container=container_id, pid=found.pid)
                self._perform(self.core.step(container_started(container_id, found, now)))
                self._containers[container_id] = self._spawn(self._watch(container_id), f"container-{container_id}")
            case Ended(end):
                self._app.log.info("found_ended", container=container_id, code=end.code, signal=end.signal)
                self._perform(self.core.step(ContainerExited(container_id, end, now)))
            case None:
                self._app.log.info("found_missing", container=container_id)
                self._perform(self.core.step(ContainerMissing(container_id, now, rebooted)))

    async def _clean_up(self, now: float) -> None:
        """``--recover=cleanup``: kill everything and exit."""
        for container_id in list(self._containers):
            with contextlib.suppress(LaunchError):
                await self._containerizer.kill(container_id)
        if self._containers:
            await asyncio.wait(set(self._containers.values()))
        if self.nested is not None:
            await self.nested.destroy_all()
        self._checkpoints.forget_agent()
        raise Exit(0, "cleaned up, as --recover=cleanup asks")


def _framework_id(info: FrameworkInfo) -> str:
    return info.id.value if info.id is not None else ""
