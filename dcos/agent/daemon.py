"""The agent's shell: one queue of events, one writer, effects performed in order; slow ones in tasks of their own.

A container is one task here: launch, tell, wait, tell. Health checks are others. What they find comes back as events.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from dcos.agent.checkpoint import CheckpointError, Checkpoints, SavedResources, current_boot_id
from dcos.agent.checks import Checker
from dcos.agent.containerizer.base import Ended, LaunchError, Running
from dcos.agent.containerizer.containers import Containers
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.compatibility import difference
from dcos.agent.core.draining import Drain, DrainAsked, SaveDrain
from dcos.agent.core.environment import Ids
from dcos.agent.core.events import (
    AgentShutdown,
    CloseFramework,
    CloseRun,
    ContainerExited,
    ContainerMissing,
    ContainerStarted,
    DestroyContainer,
    Disconnected,
    Effect,
    Event,
    ExecutorShutdown,
    FrameworkChanged,
    FrameworkShutdown,
    GroupAssigned,
    KillAsked,
    LaunchFailed,
    Leave,
    Plan,
    Registered,
    SaveAcknowledgement,
    SaveExecutor,
    SaveFramework,
    SaveTask,
    SaveUpdate,
    Send,
    SignalContainer,
    StartChecks,
    StartContainer,
    StopChecks,
    TaskAssigned,
    Tick,
    UpdateAcknowledged,
    UpdateContainer,
    UpdateGroup,
)
from dcos.agent.core.executor_events import CloseStream, FrameworkSaid, OpenStream, TellExecutor
from dcos.agent.core.exits import Exit as ContainerExit
from dcos.agent.core.operation_events import (
    ChangeVolumes,
    LinkVolumes,
    OperationAcknowledged,
    OperationAsked,
    SaveResources,
    VolumesChanged,
)
from dcos.agent.core.state import ExecutorKind, ExecutorRun, Phase
from dcos.agent.executor_streams import ExecutorStreams
from dcos.agent.gc import GarbageCollector
from dcos.agent.identity import CAPABILITIES, MESOS_VERSION
from dcos.agent.link import AgentLink
from dcos.agent.nested import NestedContainers
from dcos.agent.sandbox import WorkDir
from dcos.model.conversions import ConversionError
from dcos.model.v1.types import AgentID, AgentInfo, ExecutorInfoType, FrameworkInfo
from dcos.runtime.app import App, Exit
from dcos.runtime.clock import SteadyClock
from dcos.wire import agent_link
from dcos.wire.agent_link import MasterMessage

EXIT_REMOVED = 3
"""Exit code: the master removed this agent; a new start asks for a new id."""
EXIT_INCOMPATIBLE = 4
"""Exit code: flags changed in a way that ``--reconfiguration_policy`` forbids."""
EXIT_CHECKPOINTS = 5
"""Exit code: a checkpoint cannot be read, and ``--strict`` is on."""


class Daemon:
    """The agent that runs."""

    def __init__(
        self,
        app: App[Any],
        core: AgentCore,
        *,
        info: AgentInfo,
        work: WorkDir,
        checkpoints: Checkpoints,
        containerizer: Containers,
        collector: GarbageCollector,
        boot_id: Callable[[], str] = current_boot_id,
    ) -> None:
        self._app = app
        self.clock = SteadyClock(app.clock)
        """What events carry: deadlines depend on it."""
        self.core = core
        self.info = info
        self._work = work
        self._checkpoints = checkpoints
        self._containerizer = containerizer
        self._collector = collector
        self._boot_id = boot_id
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._containers: dict[str, asyncio.Task[Any]] = {}
        self._checks: dict[str, list[asyncio.Task[Any]]] = {}
        self._cleanups: set[asyncio.Task[Any]] = set()
        self._checker = Checker(containerizer.execute, self.post, self.clock, core.pid_of)
        self.streams = ExecutorStreams()
        self._all_back = asyncio.Event()
        self.link: AgentLink | None = None
        self.nested: NestedContainers | None = None
        """Set before the first event."""
        self.recovered = False
        self.recovery_s = 0.0

    def post(self, event: Event) -> None:
        self._events.put_nowait(event)

    @property
    def agent_id(self) -> str | None:
        return self.info.id.value if self.info.id is not None else None

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._app.rng.getrandbits(128), version=4))

    # ---- the loop ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """For ever; what happens is decided here and nowhere else."""
        while True:
            deadline = self.core.next_deadline()
            event: Event
            try:
                async with asyncio.timeout(None if deadline is None else max(0.0, deadline - self.clock.now())):
                    event = await self._events.get()
            except TimeoutError:
                event = Tick(self.clock.now())
            self._perform(self.core.step(event))
            if not self.core.awaited():
                self._all_back.set()

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._one(effect)

    def _one(self, effect: Effect) -> None:
        agent_id = self.agent_id or ""
        match effect:
            case Send(message):
                if self.link is not None:
                    self.link.send(message)
            case SaveFramework(framework):
                self._checkpoints.save_framework(agent_id, framework)
            case SaveExecutor(framework_id, executor, run_id, custom):
                self._checkpoints.save_executor(agent_id, framework_id, executor, run_id, custom=custom)
            case SaveTask(framework_id, executor_id, run_id, task, container_id):
                self._checkpoints.save_task(agent_id, framework_id, executor_id, run_id, task, container_id)
            case SaveUpdate(framework_id, executor_id, run_id, status):
                self._checkpoints.save_update(agent_id, framework_id, executor_id, run_id, status)
            case SaveAcknowledgement(framework_id, executor_id, run_id, task_id, number):
                self._checkpoints.save_acknowledgement(agent_id, framework_id, executor_id, run_id, task_id, number)
            case CloseRun():
                self._close_run(agent_id, effect)
            case CloseFramework(framework_id):
                self._app.log.info("framework_done", framework=framework_id)
            case StartContainer(plan):
                self._containers[plan.container_id] = self._spawn(self._launch(plan), f"container-{plan.container_id}")
            case UpdateContainer(container_id, limits):
                self._spawn(self._containerizer.update(container_id, limits), f"update-{container_id}")
            case UpdateGroup(run_id, limits):
                self._spawn(self._containerizer.update_group(run_id, limits), f"limit-{run_id}")
            case SignalContainer(container_id, number):
                self._spawn(self._containerizer.signal(container_id, number), f"signal-{container_id}")
            case DestroyContainer(container_id):
                self._destroy(container_id)
            case StartChecks(container_id, task):
                self._app.log.info("checks_started", container=container_id)
                started = []
                if task.health_check is not None:
                    started.append(self._spawn(self._checker.health(container_id, task), f"health-{container_id}"))
                if task.check is not None:
                    started.append(self._spawn(self._checker.check(container_id, task), f"check-{container_id}"))
                self._checks[container_id] = started
            case StopChecks(container_id):
                for one in self._checks.pop(container_id, ()):
                    one.cancel()
            case SaveDrain(config):
                self._checkpoints.save_drain(agent_id, config)
            case Leave(message):
                self._spawn(self._leave(message), "leave")
            case SaveResources(resources, operations):
                self._checkpoints.save_resources(resources, operations)
            case ChangeVolumes(uuid):
                self._containerizer.volumes.changing += 1
                self._spawn(self._change_volumes(effect), f"volumes-{uuid.hex()}")
            case LinkVolumes(container_id, resources):
                if not self._containerizer.relink_now(container_id, resources):
                    self._spawn(self._containerizer.relink(container_id, resources), f"link-{container_id}")
            case OpenStream(framework_id, executor_id, number):
                self.streams.open(framework_id, executor_id, number)
            case TellExecutor(framework_id, executor_id, event):
                if not self.streams.tell(framework_id, executor_id, event):
                    self._app.log.warning("executor_not_connected", executor=executor_id, dropped=str(event.type))
            case CloseStream(framework_id, executor_id):
                self.streams.close(framework_id, executor_id)

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        return self._app.spawn(work, name=name)

    def _close_run(self, agent_id: str, effect: CloseRun) -> None:
        if self.nested is not None:
            self._spawn(self.nested.executor_ended(effect.run_id), f"close-{effect.run_id}")
        self._spawn(self._containerizer.drop_group(effect.run_id), f"drop-{effect.run_id}")
        ids = (agent_id, effect.framework_id, effect.executor_id, effect.run_id)
        if effect.checkpointed:
            self._checkpoints.close_run(*ids)
            self._collector.schedule(self._checkpoints.run_folder(*ids))
        self._collector.schedule(self._work.run(*ids))

    async def _change_volumes(self, effect: ChangeVolumes) -> None:
        error = None
        try:
            await self._containerizer.volumes.change(effect.made, effect.destroyed, effect.uuid.hex())
        except (OSError, ValueError) as trouble:
            self._app.log.error("volumes_not_changed", error=str(trouble))
            error = str(trouble)
        finally:
            self._containerizer.volumes.changing -= 1
        self.post(VolumesChanged(effect.uuid, error, self.clock.now()))

    # ---- containers --------------------------------------------------------------------------------------------------

    async def _launch(self, plan: Plan) -> None:
        executor = self.core.find_executor(plan.container_id)
        if executor is None:
            return
        grace = executor.info.shutdown_grace_period
        ids = Ids(
            plan.framework_id,
            plan.executor_id,
            executor.checkpoint,
            _role(executor, plan.container_id),
            shutdown_grace_s=None if grace is None else grace.nanoseconds / 1e9,
        )
        log = self._app.log.bind(task=plan.task_id, container=plan.container_id)
        try:
            started = await self._containerizer.launch(plan, ids)
        except LaunchError as error:
            log.warning("launch_failed", error=str(error))
            await self._containerizer.destroy(plan.container_id)
            await self._ended(plan.container_id, ContainerExit())
            self.post(LaunchFailed(plan.container_id, str(error), self.clock.now()))
            return
        log.info("started", pid=started.pid)
        self.post(_started(plan.container_id, started, self.clock.now()))
        await self._watch(plan.container_id)

    async def _watch(self, container_id: str) -> None:
        end = await self._containerizer.wait(container_id)
        self._app.log.info("ended", container=container_id, code=end.code, signal=end.signal, oom=end.out_of_memory)
        await self._ended(container_id, end)
        self._containers.pop(container_id, None)
        self.post(ContainerExited(container_id, end, self.clock.now()))

    async def _ended(self, container_id: str, end: ContainerExit) -> None:
        """What is nested in a container ends with it."""
        if self.nested is not None:
            await self.nested.container_ended(container_id, end)

    def _destroy(self, container_id: str) -> None:
        """Kill what runs (its watcher tells the end); break off what is being prepared."""
        if self.core.is_running(container_id):
            self._spawn(self._containerizer.kill(container_id), f"kill-{container_id}")
            return
        self._cleanups.add(task := self._spawn(self._break_off(container_id), f"destroy-{container_id}"))
        task.add_done_callback(self._cleanups.discard)

    async def _break_off(self, container_id: str) -> None:
        work = self._containers.pop(container_id, None)
        if work is not None:
            work.cancel()
            await asyncio.wait({work})
        await self._containerizer.destroy(container_id)

    async def _leave(self, message: str) -> None:
        while self._cleanups:
            await asyncio.wait(set(self._cleanups))
        self._checkpoints.forget_agent()
        raise Exit(EXIT_REMOVED, f"removed by the master: {message}")

    # ---- the master --------------------------------------------------------------------------------------------------

    def hello(self) -> agent_link.Register | agent_link.Reregister:
        """The first words to a master."""
        common: dict[str, Any] = {
            "agent": self.info,
            "pid": self.pid,
            "version": MESOS_VERSION,
            "capabilities": CAPABILITIES,
            "boot_id": self._boot_id(),
            "checkpointed_resources": self.core.operations.checkpointed(),
        }
        if self.info.id is None:
            return agent_link.Register(**common)
        operations = self.core.operations.link_operations()
        return agent_link.Reregister(frameworks=self.core.link_frameworks(), operations=operations, **common)

    pid = ""
    """``slave(1)@ip:port``"""

    def lost(self, leader: str) -> None:
        self.post(Disconnected())
        self._app.status(f"disconnected from {leader}")

    async def receive(self, message: MasterMessage, leader: str) -> None:
        """What the master says, as an event."""
        now = self.clock.now()
        match message:
            case agent_link.Registered():
                self._registered(message, leader, now)
            case agent_link.Ping():
                pass
            case agent_link.RunTask():
                self.post(TaskAssigned(message.framework, message.task, self._new_id(), now, message.launch_executor))
            case agent_link.RunTaskGroup():
                ids = tuple(self._new_id() for _ in range(len(message.task_group.tasks) + 1))
                tasks = message.task_group.tasks
                self.post(GroupAssigned(message.framework, message.executor, tasks, ids, now, message.launch_executor))
            case agent_link.KillTask():
                self.post(KillAsked(message.framework_id.value, message.task_id.value, now, message.kill_policy))
            case agent_link.Acknowledge():
                self.post(UpdateAcknowledged(message.framework_id.value, message.task_id.value, message.uuid, now))
            case agent_link.ShutdownExecutor():
                self.post(ExecutorShutdown(message.framework_id.value, message.executor_id.value, now))
            case agent_link.ShutdownFramework():
                self.post(FrameworkShutdown(message.framework_id.value, now))
            case agent_link.UpdateFramework():
                self.post(FrameworkChanged(message.framework))
            case agent_link.FrameworkMessage():
                self.post(FrameworkSaid(message.framework_id.value, message.executor_id.value, message.data))
            case agent_link.ApplyOperation(operation_uuid=number, info=operation, framework_id=owner):
                self.post(OperationAsked(number, operation, owner.value if owner is not None else None, now))
            case agent_link.AcknowledgeOperation():
                self.post(OperationAcknowledged(message.operation_uuid, message.status_uuid))
            case agent_link.DrainAgent(config=config):
                self._app.log.info("drain_asked", mark_gone=config.mark_gone)
                self.post(DrainAsked(config, now))
            case agent_link.Shutdown():
                self._app.log.warning("shutdown_by_master", message=message.message)
                self.post(AgentShutdown(message.message, now))

    def _registered(self, message: agent_link.Registered, leader: str, now: float) -> None:
        if self.agent_id != message.agent_id:
            self.info = msgspec.structs.replace(self.info, id=AgentID(value=message.agent_id))
        self._checkpoints.save_agent(self.info)
        self._app.log.info("registered", agent=message.agent_id, master=leader)
        self._app.status(f"registered as {message.agent_id} with {leader}")
        self.post(Registered(message.agent_id, now, message.reconcile))

    # ---- recovery ----------------------------------------------------------------------------------------------------

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
                await self._containerizer.destroy(container_id)
        if self.nested is not None:
            await self.nested.recover(rebooted=rebooted)
        self._restore_drain(now)
        self._perform(self.core.restored())
        self._collector.sweep_closed(self._work.meta, self._work.root / "slaves", self.agent_id)
        if cleanup:
            await self._clean_up(now)
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
                self.core.restore_framework(record.framework)
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
                self._perform(self.core.step(_started(container_id, found, now)))
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


def _started(container_id: str, running: Running, now: float) -> ContainerStarted:
    return ContainerStarted(container_id, running.pid, now, running.network_infos, running.data)


def _framework_id(info: FrameworkInfo) -> str:
    return info.id.value if info.id is not None else ""


def _role(executor: ExecutorRun, container_id: str) -> str | None:
    """The role of a container's task, or of any task of a custom executor."""
    return next((run.role for run in executor.tasks.values() if run.container_id == container_id), None)
