"""Schedulers: what a careful framework does, with a memory of its own that outlives it.

Two kinds: a batch launches a number of tasks; a service keeps a number of instances alive, as Marathon does. Both note a
task before they launch it, acknowledge what they noted, reconcile after each subscription and now and then, repeat kills
until they hear of the end, and subscribe anew when a call fails (the stream id then keeps the late call from being done).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dcos.model.resources import Resources
from dcos.model.task_states import TERMINAL
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType, Event, EventType
from dcos.model.v1.types import (
    AgentID,
    CommandInfo,
    DurationInfo,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    Filters,
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    KillPolicy,
    Offer,
    OfferID,
    OfferOperation,
    OfferOperationLaunch,
    OfferOperationLaunchGroup,
    OfferOperationType,
    OperationState,
    TaskGroupInfo,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    TaskStatusReason,
    TaskStatusSource,
)
from dcos.runtime.app import App
from dcos.testing.sim.network import Refused
from dcos.testing.sim.process import Life, Process
from dcos.testing.sim.reservations import Reservations
from dcos.wire import mesos_json
from dcos.wire.recordio import Decoder

if TYPE_CHECKING:
    from dcos.testing.sim.world import World

SILENCE_S = 75.0
CALL_TIMEOUT_S = 20.0
_KINDS = FrameworkInfoCapabilityType
_AWARE = (_KINDS.MULTI_ROLE, _KINDS.PARTITION_AWARE, _KINDS.RESERVATION_REFINEMENT, _KINDS.TASK_KILLING_STATE)
_SETTLED = frozenset({TaskState.TASK_ERROR, TaskState.TASK_GONE, TaskState.TASK_GONE_BY_OPERATOR})


@dataclass(slots=True, eq=False)
class TaskNote:
    """What the framework knows of one task."""

    id: str
    agent: str
    framework: str
    resources: Resources
    launched: float
    state: TaskState = TaskState.TASK_STAGING
    final: bool = False
    """A terminal state that nothing may follow."""
    heard: list[str] = field(default_factory=list)
    kill: bool = False
    abandoned: bool = False
    """Its framework was removed: nobody will say more of it."""

    @property
    def live(self) -> bool:
        return not self.final and self.state not in TERMINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the seed chose for one framework."""

    name: str
    service: bool
    aware: bool
    role: str
    count: int
    """Tasks to launch, or instances to keep."""
    groups: bool = False
    reserves: bool = False
    checkpoint: bool = True
    failover_s: float = 1e6
    mean_s: float = 60.0
    """Of a batch's tasks."""
    reconcile_s: float = 40.0


class FrameworkProcess(Process):
    kind = "framework"

    def __init__(self, world: World, number: int, habits: Habits) -> None:
        super().__init__(world, habits.name, f"10.2.0.{number}")
        self.habits = habits
        self.id: str | None = None
        self.notes: dict[str, TaskNote] = {}
        self.answers: dict[str, list[TaskState]] = {}
        """Reconciliation answers since ``ask``."""
        self.launched = 0
        self.reservations = Reservations(world, habits.name, habits.role)
        self._stream: str | None = None
        self._leader: str | None = None
        self._changed = asyncio.Event()
        self._calls: asyncio.Queue[Call] = asyncio.Queue()
        self._broken = asyncio.Event()
        self._pooled: deque[Offer] = deque()

    # ---- life --------------------------------------------------------------------------------------------------------

    async def run(self, life: Life, app: App[Any]) -> None:
        self._stream, self._leader = None, None
        self._changed, self._broken, self._calls = asyncio.Event(), asyncio.Event(), asyncio.Queue()
        app.spawn(self._follow(life), name="follow")
        app.spawn(self._send(life), name="calls")
        app.spawn(self._now_and_then(life), name="reconcile")
        while True:
            self._changed.clear()
            leader = self._leader
            if leader is None:
                await self._changed.wait()
                continue
            work = asyncio.create_task(self._subscribe(life, leader))
            change = asyncio.create_task(self._changed.wait())
            failed = asyncio.create_task(self._broken.wait())
            self._broken.clear()
            try:
                await asyncio.wait({work, change, failed}, return_when=asyncio.FIRST_COMPLETED)
                if work.done() and (error := work.exception()) is not None:
                    if not isinstance(error, ConnectionError | TimeoutError):
                        raise error
                    self.world.trace(self.name, "stream broke", error)
            finally:
                self._stream = None
                for task in (work, change, failed):
                    task.cancel()
                await asyncio.gather(work, change, failed, return_exceptions=True)
            while not self._calls.empty():
                self._calls.get_nowait()
            await asyncio.sleep(life.rng.uniform(0.1, 2.0))

    async def _follow(self, life: Life) -> None:
        async for leader in self.world.leaders(life):
            self._leader = leader
            self._changed.set()

    async def _subscribe(self, life: Life, leader: str) -> None:
        call = Call(
            type=CallType.SUBSCRIBE,
            framework_id=FrameworkID(value=self.id) if self.id is not None else None,
            subscribe=scheduler.CallSubscribe(framework_info=self._info()),
        )
        async with asyncio.timeout(CALL_TIMEOUT_S):
            end = await self.world.network.connect(life, leader, "/subscribe", mesos_json.encode(call))
        try:
            decoder = Decoder()
            stream = end.greeting
            while True:
                async with asyncio.timeout(SILENCE_S):
                    data = await end.read()
                if not data:
                    raise ConnectionResetError("the master ended the stream")
                for record in decoder.feed(data):
                    self._hear(life, stream, mesos_json.decode(record, Event))
        finally:
            if life.alive:
                end.close()

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

    def _call(self, call: Call) -> None:
        if self._stream is not None:
            self._calls.put_nowait(call)

    async def _send(self, life: Life) -> None:
        """One at a time, in order. A failed one ends the subscription."""
        while True:
            call = await self._calls.get()
            stream, leader = self._stream, self._leader
            if stream is None or leader is None:
                await asyncio.sleep(0.01)
                continue
            try:
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    end = await self.world.network.connect(life, leader, "/call", (stream, mesos_json.encode(call)))
                end.close()
            except Refused as error:
                self.world.trace(self.name, "call refused", call.type, error)
                if error.status == 400 and "Failed to validate" in error.text:
                    self.world.trace.violation(self.name, f"a good call was refused: {error}")
                self._broken.set()
            except (ConnectionError, TimeoutError) as error:
                self.world.trace(self.name, "call failed", call.type, type(error).__name__)
                self._broken.set()
                self._stream = None

    def _framework_id(self) -> FrameworkID:
        return FrameworkID(value=self.id or "")

    # ---- events ------------------------------------------------------------------------------------------------------

    def _hear(self, life: Life, stream: str, event: Event) -> None:
        match event.type:
            case EventType.SUBSCRIBED if event.subscribed is not None:
                self.id = event.subscribed.framework_id.value
                self._stream = stream
                self.world.trace(self.name, "subscribed", self.id)
                self.reconcile()
            case EventType.OFFERS if event.offers is not None:
                for offer in event.offers.offers:
                    self._offered(life, offer)
            case EventType.UPDATE if event.update is not None:
                self._updated(event.update.status)
            case EventType.UPDATE_OPERATION_STATUS if event.update_operation_status is not None:
                done = self.reservations.told(event.update_operation_status.status)
                if done is not None:
                    self._call(
                        Call(
                            type=CallType.ACKNOWLEDGE_OPERATION_STATUS,
                            framework_id=self._framework_id(),
                            acknowledge_operation_status=done,
                        )
                    )
            case EventType.ERROR if event.error is not None:
                self.world.trace(self.name, "error", event.error.message)
                if "removed" in event.error.message or "completed" in event.error.message.lower():
                    self.forget()
                self._broken.set()

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
        self.world.trace(self.name, "hears", task_id, status.state, status.reason or "", status.source or "")
        note = self.notes.get(task_id)
        if note is None:
            self.world.trace.violation(self.name, f"heard of {task_id}, which it never launched")
            return
        self.world.truth.told(self, note, status)
        reconciled = status.reason is TaskStatusReason.REASON_RECONCILIATION
        if reconciled:
            self.answers.setdefault(task_id, []).append(status.state)
        if not note.final:
            note.state = status.state
            note.heard.append(str(status.state))
            by_agent = status.source is not TaskStatusSource.SOURCE_MASTER
            never_ran = status.reason in (
                TaskStatusReason.REASON_INVALID_OFFERS,
                TaskStatusReason.REASON_TASK_INVALID,
                TaskStatusReason.REASON_TASK_GROUP_INVALID,
            )
            note.final = status.state in TERMINAL and (by_agent or never_ran or status.state in _SETTLED)
        if status.uuid is not None and status.agent_id is not None:
            acknowledge = scheduler.CallAcknowledge(agent_id=status.agent_id, task_id=status.task_id, uuid=status.uuid)
            self._call(Call(type=CallType.ACKNOWLEDGE, framework_id=self._framework_id(), acknowledge=acknowledge))

    # ---- offers ------------------------------------------------------------------------------------------------------

    def _wanted(self) -> int:
        if self.world.quiet:
            return 0
        if self.habits.service:
            return self.habits.count - sum(
                1 for one in self.notes.values() if one.live and one.state is not TaskState.TASK_UNREACHABLE
            )
        return self.habits.count - self.launched

    def _offered(self, life: Life, offer: Offer) -> None:
        rng = life.rng
        free = Resources.of(offer.resources).unreserved()
        if self.habits.reserves and not self.world.quiet and rng.random() < 0.3:
            operation = self.reservations.choose(rng, offer)
            if operation is not None:
                accept = scheduler.CallAccept(offer_ids=(offer.id,), operations=(operation,))
                self._call(Call(type=CallType.ACCEPT, framework_id=self._framework_id(), accept=accept))
                return
        tasks: list[TaskInfo] = []
        for _ in range(min(self._wanted(), rng.randint(1, 3))):
            wish = Resources.parse(rng.choice(("cpus:0.5;mem:64", "cpus:1;mem:128", "cpus:1.5;mem:32")))
            if not free.contains(wish):
                break
            free -= wish
            tasks.append(self._new_task(life, offer, wish))
        if not tasks:
            self._decline(life, offer.id)
            return
        overhead = Resources.parse("cpus:0.1;mem:32")
        grouped = self.habits.groups and rng.random() < 0.4 and free.contains(overhead)
        accept = scheduler.CallAccept(
            offer_ids=(offer.id,),
            operations=(self._group(tasks, overhead) if grouped else self._launch(tasks),),
            filters=Filters(refuse_seconds=rng.choice((0.0, 1.0, 5.0))),
        )
        self.world.trace(
            self.name, "launches", *(one.task_id.value for one in tasks), "group" if grouped else "", offer.id.value
        )
        self._call(Call(type=CallType.ACCEPT, framework_id=self._framework_id(), accept=accept))

    def _decline(self, life: Life, offer: OfferID) -> None:
        refuse_s = 30.0 if self.world.quiet else life.rng.choice((1.0, 5.0, 20.0))
        decline = scheduler.CallDecline(offer_ids=(offer,), filters=Filters(refuse_seconds=refuse_s))
        self._call(Call(type=CallType.DECLINE, framework_id=self._framework_id(), decline=decline))

    def _new_task(self, life: Life, offer: Offer, wish: Resources) -> TaskInfo:
        rng = life.rng
        self.launched += 1
        name = f"{self.name}.{self.launched}"
        note = TaskNote(name, offer.agent_id.value, self.id or "", wish, self.world.loop.time())
        self.notes[name] = note
        self.world.truth.asked(name, wish)
        if self.habits.service:
            seconds = 0.0 if rng.random() < 0.8 else rng.uniform(1.0, 200.0)
        else:
            seconds = 0.001 + rng.expovariate(1.0 / self.habits.mean_s)
        grace = rng.choice((0.0, 0.1, 1.0, 5.0, -1.0))
        policy = KillPolicy(grace_period=DurationInfo(nanoseconds=2_000_000_000)) if rng.random() < 0.3 else None
        return TaskInfo(
            name=name,
            task_id=TaskID(value=name),
            agent_id=offer.agent_id,
            resources=wish.messages(),
            command=CommandInfo(value=f"run {seconds:.3f} {rng.choice((0, 0, 1))} {grace}"),
            kill_policy=policy,
        )

    @staticmethod
    def _launch(tasks: Iterable[TaskInfo]) -> OfferOperation:
        return OfferOperation(type=OfferOperationType.LAUNCH, launch=OfferOperationLaunch(task_infos=tuple(tasks)))

    def _group(self, tasks: list[TaskInfo], overhead: Resources) -> OfferOperation:
        executor = ExecutorInfo(
            type=ExecutorInfoType.DEFAULT,
            executor_id=ExecutorID(value=f"x.{tasks[0].name}"),
            framework_id=self._framework_id(),
            resources=overhead.messages(),
        )
        group = OfferOperationLaunchGroup(executor=executor, task_group=TaskGroupInfo(tasks=tuple(tasks)))
        return OfferOperation(type=OfferOperationType.LAUNCH_GROUP, launch_group=group)

    # ---- reconciliation and kills --------------------------------------------------------------------------------------

    async def _now_and_then(self, life: Life) -> None:
        while True:
            await asyncio.sleep(self.habits.reconcile_s * life.rng.uniform(0.5, 1.5))
            with contextlib.suppress(ConnectionError):
                self.reconcile()
                self.kill_wanted()

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
            self._call(
                Call(
                    type=CallType.RECONCILE_OPERATIONS,
                    framework_id=self._framework_id(),
                    reconcile_operations=scheduler.CallReconcileOperations(operations=operations),
                )
            )

    def _reconcile(self, asked: tuple[scheduler.CallReconcileTask, ...]) -> None:
        call = scheduler.CallReconcile(tasks=asked)
        self._call(Call(type=CallType.RECONCILE, framework_id=self._framework_id(), reconcile=call))

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
        self._call(Call(type=CallType.KILL, framework_id=self._framework_id(), kill=kill))
