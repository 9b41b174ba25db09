"""A custom executor: a process in a container of its framework that runs tasks and speaks for them.

It subscribes to its agent, keeps what was not acknowledged and says it again after each new subscription, ends the other
tasks of a group with the first that does not finish, and ends itself when it has had nothing to do for a while.

Source: Mesos docs/executor-http-api.md (recovery of executors with and without checkpointing).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dcos.agent.core.exits import Exit
from dcos.model.task_states import TERMINAL
from dcos.model.v1 import executor as v1
from dcos.model.v1.types import (
    ExecutorID,
    FrameworkID,
    KillPolicy,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    TaskStatusSource,
)
from dcos.testing.sim.network import Refused
from dcos.testing.sim.process import EPOCH, Life, Place
from dcos.wire import mesos_json

if TYPE_CHECKING:
    from dcos.testing.sim.machine import Container, Machine, Run
    from dcos.testing.sim.world import World

RECOVERY_S = 900.0
"""An executor of a checkpointing framework waits this long for its agent."""
_CALL_S = 10.0
_LOOK_S = 5.0
_PORT = 5051


@dataclass(slots=True, eq=False)
class Task:
    info: TaskInfo
    run: Run
    group: frozenset[str]
    grace_s: float
    over: asyncio.Event = field(default_factory=asyncio.Event)
    how: TaskState = TaskState.TASK_FINISHED
    killed: bool = False


class Program:
    """Dies with its container, at any await."""

    def __init__(self, world: World, machine: Machine, container: Container, *, checkpoint: bool) -> None:
        plan = container.plan
        self._world = world
        self._machine = machine
        self._container = container
        self._checkpoint = checkpoint
        self._ids = (FrameworkID(value=plan.framework_id), ExecutorID(value=plan.executor_id))
        self._life = Life(Place(world, f"{machine.name}/{plan.executor_id.rpartition('.')[2]}", machine.host), 1)
        self._tasks: dict[str, Task] = {}
        self._launched: dict[str, TaskInfo] = {}
        """Tasks of which no update is acknowledged."""
        self._unsaid: dict[bytes, TaskStatus] = {}
        """Updates that are not acknowledged."""
        self._named: frozenset[bytes] = frozenset()
        """Those of them that the last SUBSCRIBE told."""
        self._calls: asyncio.Queue[v1.Call] = asyncio.Queue()
        self._broken = asyncio.Event()
        self._heard = False
        """Something, in this session."""
        self._busy_at = world.loop.time()
        self._idle_s = self._life.rng.choice((1.0, 5.0, 30.0))
        self._life.spawn(self._live(), "executor")
        self._life.spawn(self._send(), "updates")

    def end(self) -> None:
        """Its container is gone, and all in it."""
        self._life.end(silent=False)
        for task in self._tasks.values():
            self._machine.stop(task.run, "with its executor")

    # ---- its agent ---------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        rng, loop = self._life.rng, self._world.loop
        await asyncio.sleep(rng.choice((0.01, 0.5, 3.0)))
        heard_at = loop.time()
        while loop.time() - heard_at < RECOVERY_S:
            try:
                if await self._session():
                    break
            except Refused as error:
                if error.status == 400:
                    break
            except (ConnectionError, TimeoutError):
                if self._heard and not self._checkpoint:
                    break
            if self._heard:
                self._heard, heard_at = False, loop.time()
            while not self._calls.empty():
                self._calls.get_nowait()
            await asyncio.sleep(rng.uniform(0.1, 1.0))
        self._machine.exit(self._container, Exit(code=0))

    async def _session(self) -> bool:
        """One subscription.   Returns whether all is done.   Errors: ConnectionError, TimeoutError."""
        self._named = frozenset(self._unsaid)
        subscribe = v1.CallSubscribe(
            unacknowledged_tasks=tuple(self._launched.values()),
            unacknowledged_updates=tuple(v1.CallUpdate(status=one) for one in self._unsaid.values()),
        )
        call = v1.Call(
            type=v1.CallType.SUBSCRIBE, framework_id=self._ids[0], executor_id=self._ids[1], subscribe=subscribe
        )
        async with asyncio.timeout(_CALL_S):
            end = await self._world.network.connect(
                self._life, f"{self._machine.host}:{_PORT}", "/executor", mesos_json.encode(call)
            )
        self._broken.clear()
        failed = self._life.spawn(self._close_when_broken(end), "watch")
        try:
            while True:
                try:
                    async with asyncio.timeout(_LOOK_S):
                        data = await end.read()
                except TimeoutError:
                    if self._idle():
                        return True
                    continue
                if data == b"":
                    raise ConnectionResetError("the agent ended the stream")
                if await self._hear(mesos_json.decode(data, v1.Event)):
                    return True
        finally:
            failed.cancel()
            if self._life.alive:
                end.close()

    async def _close_when_broken(self, end: object) -> None:
        await self._broken.wait()
        end.close()  # type: ignore[attr-defined]

    def _idle(self) -> bool:
        if any(task.run.live for task in self._tasks.values()) or self._unsaid:
            self._busy_at = self._world.loop.time()
        return self._world.loop.time() - self._busy_at > self._idle_s

    async def _hear(self, event: v1.Event) -> bool:
        """Whether it is to end."""
        self._busy_at = self._world.loop.time()
        self._heard = True
        match event.type:
            case v1.EventType.SUBSCRIBED:
                for number, status in self._unsaid.items():
                    if number not in self._named:
                        self._tell(status)
            case v1.EventType.LAUNCH if event.launch is not None:
                self._start((event.launch.task,), grouped=False)
            case v1.EventType.LAUNCH_GROUP if event.launch_group is not None:
                self._start(event.launch_group.task_group.tasks, grouped=True)
            case v1.EventType.KILL if event.kill is not None:
                self._kill(event.kill.task_id.value, event.kill.kill_policy)
            case v1.EventType.ACKNOWLEDGED if event.acknowledged is not None:
                self._unsaid.pop(event.acknowledged.uuid, None)
                self._launched.pop(event.acknowledged.task_id.value, None)
            case v1.EventType.SHUTDOWN:
                for name in list(self._tasks):
                    self._kill(name, None)
                await asyncio.sleep(self._life.rng.choice((0.1, 1.0, 10.0)))
                return True
        return False

    # ---- its tasks ---------------------------------------------------------------------------------------------------

    def _start(self, infos: tuple[TaskInfo, ...], *, grouped: bool) -> None:
        names = frozenset(one.task_id.value for one in infos) if grouped else frozenset()
        for info in infos:
            name = info.task_id.value
            words = (info.data or b"run 0 0 0").decode().split()
            run = self._machine.start(name, self._ids[0].value)
            task = self._tasks[name] = Task(info, run, names, float(words[3]))
            self._launched[name] = info
            self._life.spawn(self._run(task, float(words[1]), int(words[2])), f"task-{name}")

    async def _run(self, task: Task, seconds: float, code: int) -> None:
        rng = self._life.rng
        if rng.random() < 0.5:
            self._say(task, TaskState.TASK_STARTING)
        await asyncio.sleep(rng.choice((0.0, 0.1, 1.0)))
        if not task.killed:
            self._say(task, TaskState.TASK_RUNNING)
        try:
            async with asyncio.timeout(seconds or None):
                await task.over.wait()
        except TimeoutError:
            if not task.killed:
                task.how = TaskState.TASK_FAILED if code else TaskState.TASK_FINISHED
        self._machine.stop(task.run, task.how)
        self._say(task, task.how)
        if task.how is not TaskState.TASK_FINISHED:
            for name in task.group:
                self._kill(name, None)

    def _kill(self, name: str, policy: KillPolicy | None) -> None:
        task = self._tasks.get(name)
        if task is None or task.killed or not task.run.live:
            return
        task.killed, task.how = True, TaskState.TASK_KILLED
        grace = policy.grace_period if policy is not None else None
        most_s = 3.0 if grace is None else grace.nanoseconds / 1e9
        wanted_s = most_s if task.grace_s < 0 else min(task.grace_s, most_s)
        self._world.loop.call_later(wanted_s, task.over.set)

    # ---- what it says ------------------------------------------------------------------------------------------------

    def _say(self, task: Task, state: TaskState) -> None:
        number = self._life.rng.getrandbits(128).to_bytes(16, "big")
        status = TaskStatus(
            task_id=TaskID(value=task.run.task),
            state=state,
            source=TaskStatusSource.SOURCE_EXECUTOR,
            executor_id=self._ids[1],
            uuid=number,
            timestamp=EPOCH + self._world.loop.time(),
        )
        self._unsaid[number] = status
        if self._heard:
            self._tell(status)
        if state in TERMINAL:
            self._busy_at = self._world.loop.time()

    def _tell(self, status: TaskStatus) -> None:
        """To be called while subscribed: what answers an update comes with the stream, and is lost where there is none."""
        update = v1.CallUpdate(status=status)
        self._calls.put_nowait(
            v1.Call(type=v1.CallType.UPDATE, framework_id=self._ids[0], executor_id=self._ids[1], update=update)
        )

    async def _send(self) -> None:
        """One after the other; one that fails is said again with the next subscription."""
        while True:
            call = await self._calls.get()
            assert call.update is not None
            if call.update.status.uuid not in self._unsaid:
                continue
            try:
                async with asyncio.timeout(_CALL_S):
                    end = await self._world.network.connect(
                        self._life, f"{self._machine.host}:{_PORT}", "/executor", mesos_json.encode(call)
                    )
                end.close()
            except (ConnectionError, TimeoutError):
                self._broken.set()
