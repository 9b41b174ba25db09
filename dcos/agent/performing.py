"""What the core wants done, done in order; slow effects in tasks of their own.

A container is one task here: launch, tell, wait, tell. Health checks are others. What they find comes back as events.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from dcos.agent.checkpoint import Checkpoints, current_boot_id
from dcos.agent.checks import Checker
from dcos.agent.containerizer.base import LaunchError, Running
from dcos.agent.containerizer.containers import Containers
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.draining import SaveDrain
from dcos.agent.core.environment import Ids
from dcos.agent.core.events import (
    CloseFramework,
    CloseRun,
    ContainerExited,
    ContainerStarted,
    DestroyContainer,
    Effect,
    Event,
    LaunchFailed,
    Leave,
    Limits,
    Plan,
    SaveAcknowledgement,
    SaveExecutor,
    SaveFramework,
    SaveFrameworkShutdown,
    SaveTask,
    SaveUpdate,
    Send,
    SignalContainer,
    StartChecks,
    StartContainer,
    StopChecks,
    UpdateContainer,
    UpdateFailed,
    UpdateGroup,
)
from dcos.agent.core.executor_events import CloseStream, OpenStream, TellExecutor
from dcos.agent.core.exits import Exit as ContainerExit
from dcos.agent.core.operation_events import (
    ChangeVolumes,
    LinkVolumes,
    SaveResources,
    VolumesChanged,
)
from dcos.agent.core.state import ExecutorRun
from dcos.agent.executor_streams import ExecutorStreams
from dcos.agent.gc import GarbageCollector
from dcos.agent.link import AgentLink
from dcos.agent.nested import NestedContainers
from dcos.agent.sandbox import WorkDir
from dcos.model.v1.types import AgentInfo
from dcos.runtime.app import App, Exit
from dcos.runtime.clock import SteadyClock

_KILL_AGAIN_S, _KILL_AGAIN_MOST_S = 1.0, 30.0
EXIT_REMOVED = 3
"""Exit code: the master removed this agent; a new start asks for a new id."""


class Performer:
    """The parts of the agent, and the performance of effects on them."""

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
        self.recovery_errors = 0
        """Checkpoints that could not be read, without ``--strict``."""

    def post(self, event: Event) -> None:
        self._events.put_nowait(event)

    @property
    def agent_id(self) -> str | None:
        return self.info.id.value if self.info.id is not None else None

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._app.rng.getrandbits(128), version=4))

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
            case SaveFrameworkShutdown(framework_id, run_ids):
                self._checkpoints.save_framework_shutdown(agent_id, framework_id, run_ids)
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
                self._spawn(self._update(container_id, limits), f"update-{container_id}")
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
            words = f"Failed to launch container: {error}"
            self.post(LaunchFailed(plan.container_id, words, self.clock.now()))
            return
        log.info("started", pid=started.pid)
        if executor.checkpoint and not plan.nested:
            self._checkpoints.save_forked_pid(
                self.agent_id or "", plan.framework_id, plan.executor_id, plan.run_id, started.pid
            )
        self.post(container_started(plan.container_id, started, self.clock.now()))
        await self._watch(plan.container_id)

    async def _update(self, container_id: str, limits: Limits) -> None:
        error = await self._containerizer.update(container_id, limits)
        if error is not None:
            self.post(UpdateFailed(container_id, error, self.clock.now()))

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
            self._spawn(self._kill(container_id), f"kill-{container_id}")
            return
        self._cleanups.add(task := self._spawn(self._break_off(container_id), f"destroy-{container_id}"))
        task.add_done_callback(self._cleanups.discard)

    async def _kill(self, container_id: str) -> None:
        """Until it is done: a Docker Engine may be away for a while, and nobody asks a second time."""
        pause_s = _KILL_AGAIN_S
        while container_id in self._containers and not await self._containerizer.kill(container_id):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _KILL_AGAIN_MOST_S)

    async def _break_off(self, container_id: str) -> None:
        """What was begun is undone, and only then told to have failed."""
        work = self._containers.pop(container_id, None)
        if work is not None:
            work.cancel()
            await asyncio.wait({work})
        await self._destroy_surely(container_id)
        await self._ended(container_id, ContainerExit())
        self.post(LaunchFailed(container_id, "The launch was broken off", self.clock.now()))

    async def _destroy_surely(self, container_id: str) -> None:
        """Again and again while its Engine does not answer."""
        pause_s = _KILL_AGAIN_S
        while not await self._containerizer.destroy(container_id):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _KILL_AGAIN_MOST_S)

    async def _leave(self, message: str) -> None:
        while self._cleanups:
            await asyncio.wait(set(self._cleanups))
        if self.nested is not None:
            await self.nested.destroy_all()  # also those whose root ended while the agent was away
        self._checkpoints.forget_agent()
        raise Exit(EXIT_REMOVED, f"removed by the master: {message}")


def container_started(container_id: str, running: Running, now: float) -> ContainerStarted:
    return ContainerStarted(container_id, running.pid, now, running.network_infos, running.data)


def _role(executor: ExecutorRun, container_id: str) -> str | None:
    """The role of a container's task, or of any task of a custom executor."""
    return next((run.role for run in executor.tasks.values() if run.container_id == container_id), None)
