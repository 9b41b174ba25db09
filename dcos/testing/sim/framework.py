"""Schedulers: what a careful framework does, with a memory of its own that outlives it.

Two kinds: a batch launches a number of tasks; a service keeps a number of instances alive, as Marathon does. Both note a
task before they launch it, acknowledge what they noted, reconcile after each subscription and now and then, repeat kills
until they hear of the end, and subscribe anew when a call fails (``driver.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from dcos.model.task_states import TERMINAL
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType, Event, EventType
from dcos.model.v1.types import (
    AgentID,
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    OperationState,
    TaskID,
    TaskState,
    TaskStatus,
    TaskStatusReason,
    TaskStatusSource,
)
from dcos.runtime.app import App
from dcos.testing.sim.driver import Driver
from dcos.testing.sim.notes import Habits, TaskNote
from dcos.testing.sim.offers import Offers
from dcos.testing.sim.process import Life, Process
from dcos.testing.sim.reservations import Reservations

if TYPE_CHECKING:
    from dcos.testing.sim.world import World

_KINDS = FrameworkInfoCapabilityType
_AWARE = (_KINDS.MULTI_ROLE, _KINDS.PARTITION_AWARE, _KINDS.RESERVATION_REFINEMENT, _KINDS.TASK_KILLING_STATE)
_SETTLED = frozenset({TaskState.TASK_ERROR, TaskState.TASK_GONE, TaskState.TASK_GONE_BY_OPERATOR})
_NEVER_RAN = frozenset(
    {
        TaskStatusReason.REASON_INVALID_OFFERS,
        TaskStatusReason.REASON_TASK_INVALID,
        TaskStatusReason.REASON_TASK_GROUP_INVALID,
    }
)


class FrameworkProcess(Process):
    kind = "framework"

    def __init__(self, world: World, number: int, habits: Habits) -> None:
        self.hosts = (f"10.2.0.{number}", f"10.2.1.{number}")
        """Where its instances run, one after the other."""
        super().__init__(world, habits.name, self.hosts[0])
        self.habits = habits
        self.id: str | None = None
        self.notes: dict[str, TaskNote] = {}
        self.answers: dict[str, list[TaskState]] = {}
        """Reconciliation answers since ``ask``."""
        self.launched = 0
        self.reservations = Reservations(world, habits.name, habits.role)
        self.driver: Driver | None = None
        self.offers = Offers(self)
        self.ghosts: list[tuple[Life, asyncio.Task[None]]] = []
        """Instances that do not know yet that another took over."""

    # ---- life --------------------------------------------------------------------------------------------------------

    async def run(self, life: Life, app: App[Any]) -> None:
        self.driver = driver = Driver(self, life)
        app.spawn(self._now_and_then(driver), name="reconcile")
        await driver.run(app)

    def succeed(self) -> None:
        """Another instance with the same memory and id takes over, while this one still believes to be the scheduler."""
        life, runner = self.life, self._runner
        if life is None or runner is None or not life.alive or self.id is None:
            return
        self.world.trace(self.name, "is succeeded by another instance")
        self.ghosts.append((life, runner))
        self.life = None
        self.host = self.hosts[self.host == self.hosts[0]]
        self.start()

    def lay_ghosts(self) -> None:
        """Instances that were succeeded end."""
        for life, runner in self.ghosts:
            life.end(silent=False)
            runner.cancel()
        self.ghosts.clear()

    def finish(self) -> None:
        self.lay_ghosts()
        super().finish()

    def subscription(self) -> Call:
        """How an instance introduces itself."""
        return Call(
            type=CallType.SUBSCRIBE,
            framework_id=FrameworkID(value=self.id) if self.id is not None else None,
            subscribe=scheduler.CallSubscribe(framework_info=self._info(), suppressed_roles=self.offers.begin()),
        )

    def _info(self) -> FrameworkInfo:
        habits = self.habits
        return FrameworkInfo(
            user="root",
            name=habits.name,
            id=FrameworkID(value=self.id) if self.id is not None else None,
            roles=(habits.role,) if habits.aware else (),
            role=None if habits.aware else habits.role,
            failover_timeout=habits.failover_s,
            checkpoint=habits.checkpoint,
            capabilities=tuple(FrameworkInfoCapability(type=one) for one in (_AWARE if habits.aware else ())),
        )

    # ---- calls -------------------------------------------------------------------------------------------------------

    def call(self, kind: CallType, **body: Any) -> None:
        """Of the newest instance."""
        if self.driver is not None:
            self.call_by(self.driver, kind, **body)

    def call_by(self, driver: Driver, kind: CallType, **body: Any) -> None:
        driver.call(Call(type=kind, framework_id=self.framework_id(), **body))

    def done(self, driver: Driver, call: Call) -> None:
        """The master took it."""
        if driver is self.driver:
            self.offers.done(call)

    def framework_id(self) -> FrameworkID:
        return FrameworkID(value=self.id or "")

    # ---- events ------------------------------------------------------------------------------------------------------

    def hear(self, driver: Driver, event: Event, stream: str) -> None:
        if driver is not self.driver:
            self._overhear(driver, event)
            return
        match event.type:
            case EventType.SUBSCRIBED if event.subscribed is not None:
                self.id = event.subscribed.framework_id.value
                driver.opened(stream)
                self.world.trace(self.name, "subscribed", self.id)
                self.reconcile()
            case EventType.UPDATE if event.update is not None:
                self._updated(event.update.status)
            case EventType.UPDATE_OPERATION_STATUS if event.update_operation_status is not None:
                done = self.reservations.told(event.update_operation_status.status)
                if done is not None:
                    self.call(CallType.ACKNOWLEDGE_OPERATION_STATUS, acknowledge_operation_status=done)
            case EventType.ERROR if event.error is not None:
                self.world.trace(self.name, "error", event.error.message)
                if "removed" in event.error.message or "completed" in event.error.message.lower():
                    self.forget()
                driver.fail()
            case _:
                self.offers.hear(driver, event)

    def _overhear(self, ghost: Driver, event: Event) -> None:
        """What an instance hears that was succeeded: it ends when told so. What it knows may be old."""
        if event.type is EventType.ERROR and event.error is not None:
            self.world.trace(ghost.life.name, "the older instance ends:", event.error.message)
            for life, runner in [one for one in self.ghosts if one[0] is ghost.life]:
                self.ghosts.remove((life, runner))
                life.end(silent=False)
                runner.cancel()

    def forget(self) -> None:
        """The master removed us: all our tasks end."""
        if self.id is not None:
            self.world.removed.add(self.id)
        self.id = None
        for note in self.notes.values():
            if not note.final:
                note.final = note.abandoned = True
                note.state = TaskState.TASK_KILLED
        for operation in self.reservations.notes.values():
            if not operation.final:
                operation.state = OperationState.OPERATION_UNKNOWN

    def _updated(self, status: TaskStatus) -> None:
        task_id = status.task_id.value
        words = status.message or "" if status.state is TaskState.TASK_ERROR else ""
        self.world.trace(self.name, "hears", task_id, status.state, status.reason or "", status.source or "", words)
        note = self.notes.get(task_id)
        if note is None:
            self.world.trace.violation(self.name, f"heard of {task_id}, which it never launched")
            return
        self.world.truth.told(self, note, status)
        if status.reason is TaskStatusReason.REASON_RECONCILIATION:
            self.answers.setdefault(task_id, []).append(status.state)
        if not note.final:
            note.state = status.state
            note.heard.append(str(status.state))
            by_agent = status.source is not TaskStatusSource.SOURCE_MASTER
            sure = by_agent or status.reason in _NEVER_RAN or status.state in _SETTLED
            note.final = status.state in TERMINAL and sure
        if status.uuid is not None and status.agent_id is not None:
            acknowledge = scheduler.CallAcknowledge(agent_id=status.agent_id, task_id=status.task_id, uuid=status.uuid)
            self.call(CallType.ACKNOWLEDGE, acknowledge=acknowledge)

    # ---- what it wants -----------------------------------------------------------------------------------------------

    def wanted(self) -> int:
        """How many more tasks."""
        if self.world.quiet:
            return 0
        if self.habits.service:
            return self.habits.count - sum(
                1 for one in self.notes.values() if one.live and one.state is not TaskState.TASK_UNREACHABLE
            )
        return self.habits.count - self.launched

    # ---- reconciliation and kills --------------------------------------------------------------------------------------

    async def _now_and_then(self, driver: Driver) -> None:
        while True:
            await asyncio.sleep(self.habits.reconcile_s * driver.life.rng.uniform(0.5, 1.5))
            if driver is self.driver:
                with contextlib.suppress(ConnectionError):
                    self.reconcile()
                    self.kill_wanted()
                    self.offers.consider(driver)

    def reconcile(self) -> None:
        """Everything that is not over, by name; and whatever else the master knows."""
        asked = tuple(
            scheduler.CallReconcileTask(task_id=TaskID(value=one.id), agent_id=AgentID(value=one.agent))
            for one in self.notes.values()
            if not one.final
        )
        if asked:
            self._reconcile(asked)
        self._reconcile(())
        operations = self.reservations.open()
        if operations:
            self.call(
                CallType.RECONCILE_OPERATIONS,
                reconcile_operations=scheduler.CallReconcileOperations(operations=operations),
            )

    def _reconcile(self, asked: tuple[scheduler.CallReconcileTask, ...]) -> None:
        self.call(CallType.RECONCILE, reconcile=scheduler.CallReconcile(tasks=asked))

    def ask(self, *, implicitly: bool) -> None:
        """Reconcile, and collect the answers: about everything, or by name about what it believes to live."""
        self.answers.clear()
        asked = (
            ()
            if implicitly
            else tuple(
                scheduler.CallReconcileTask(task_id=TaskID(value=one.id), agent_id=AgentID(value=one.agent))
                for one in self.notes.values()
                if one.live
            )
        )
        if asked or implicitly:
            self._reconcile(asked)

    def running_notes(self) -> set[str]:
        return {one.id for one in self.notes.values() if one.live}

    def want_killed(self, note: TaskNote) -> None:
        note.kill = True
        self.world.trace(self.name, "kills", note.id)
        self._kill(note)

    def kill_wanted(self) -> None:
        for note in self.notes.values():
            if note.kill and not note.final:
                self._kill(note)

    def _kill(self, note: TaskNote) -> None:
        kill = scheduler.CallKill(task_id=TaskID(value=note.id), agent_id=AgentID(value=note.agent))
        self.call(CallType.KILL, kill=kill)
