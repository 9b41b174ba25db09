"""A master with agents that offer, run and kill: what Marathon sees through ``dcos.client.scheduler``.

Stateful: resources are taken and given back, suppressed or refused offers stay away until a revive, updates carry uuids
and are remembered until acknowledged.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from dcos.model.conversions import conversion
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler as s
from dcos.model.v1 import types as t
from dcos.model.v1.scheduler import Call, CallType, Event, EventType

TERMINAL = {t.TaskState.TASK_KILLED, t.TaskState.TASK_FAILED, t.TaskState.TASK_FINISHED, t.TaskState.TASK_GONE}


@dataclass
class FakeAgent:
    id: str
    host: str
    free: Resources
    attributes: tuple[t.Attribute, ...] = ()
    reachable: bool = True
    lost_at: float = 0.0
    """Since when it is not, by the master's clock."""
    transitioning: bool = False
    """A new master leads and this agent has not come back to it: nothing is said of its tasks."""
    filtered: bool = False


@dataclass
class FakeTask:
    info: t.TaskInfo
    agent: FakeAgent
    state: t.TaskState = t.TaskState.TASK_STAGING
    kills: int = 0


@dataclass
class FakeGroup:
    """The executor of a task group: its resources go with the last task."""

    agent: FakeAgent
    resources: Resources
    left: set[str]


@dataclass
class FakeMesos:
    role: str = "*"
    """Of all offers."""
    autorun: bool = True
    """Tasks get running by themselves."""
    agents: dict[str, FakeAgent] = field(default_factory=dict)
    tasks: dict[str, FakeTask] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    unacknowledged: dict[bytes, str] = field(default_factory=dict)
    leader: t.MasterInfo | None = None
    executors: list[t.ExecutorInfo] = field(default_factory=list)
    """Those that launched task groups brought."""
    suppressed: bool = False
    highest: int = 0

    def __post_init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._numbers = itertools.count(1)
        self._offers: dict[str, tuple[FakeAgent, Resources]] = {}
        self._groups: list[FakeGroup] = []

    def agent(
        self, number: int, text: str = "cpus:4;mem:4096;disk:1000;ports:[31000-31999]", **texts: str
    ) -> FakeAgent:
        attributes = tuple(
            t.Attribute(name=name, type=t.ValueType.TEXT, text=t.ValueText(value=value))
            for name, value in texts.items()
        )
        made = FakeAgent(f"S{number}", f"10.0.0.{number}", Resources.parse(text), attributes)
        self.agents[made.id] = made
        return made

    # ---- dcos.client.scheduler_loop.Master ----

    def subscribe(self) -> None:
        self._offers.clear()
        self.suppressed = False
        subscribed = s.EventSubscribed(framework_id=t.FrameworkID(value="F1"))
        self._emit(Event(type=EventType.SUBSCRIBED, subscribed=subscribed))
        self.offer()

    async def events(self) -> AsyncIterator[Event]:
        while True:
            yield await self._events.get()

    async def call(self, call: Call) -> None:
        await asyncio.sleep(0)
        self.calls.append(call)
        match call.type:
            case CallType.ACCEPT if call.accept:
                self._accept(call.accept)
            case CallType.DECLINE if call.decline:
                for offer in call.decline.offer_ids:
                    agent, _ = self._offers.pop(offer.value)
                    agent.filtered = True
            case CallType.REVIVE:
                self.suppressed = False
                for agent in self.agents.values():
                    agent.filtered = False
                self.offer()
            case CallType.SUPPRESS:
                self.suppressed = True
            case CallType.KILL if call.kill:
                self._kill(call.kill.task_id.value)
            case CallType.ACKNOWLEDGE if call.acknowledge:
                self.unacknowledged.pop(call.acknowledge.uuid, None)
            case CallType.RECONCILE if call.reconcile:
                self._reconcile([one.task_id.value for one in call.reconcile.tasks] or list(self.tasks))
            case _:
                pass

    # ---- what a test does to it ----

    def offer(self) -> None:
        if self.suppressed:
            return
        offered = {agent.id for agent, _ in self._offers.values()}
        for agent in self.agents.values():
            if agent.id in offered or agent.filtered or not agent.reachable or not agent.free:
                continue
            number = f"O{next(self._numbers)}"
            self._offers[number] = (agent, agent.free)
            offer = t.Offer(
                id=t.OfferID(value=number),
                framework_id=t.FrameworkID(value="F1"),
                agent_id=t.AgentID(value=agent.id),
                hostname=agent.host,
                resources=agent.free.messages(self.role),
                attributes=agent.attributes,
                allocation_info=t.ResourceAllocationInfo(role=self.role),
            )
            self._emit(Event(type=EventType.OFFERS, offers=s.EventOffers(offers=(offer,))))

    def update(self, task_id: str, state: t.TaskState, **more: object) -> None:
        task = self.tasks[task_id]
        task.state = state
        if state in TERMINAL:
            del self.tasks[task_id]
            task.agent.free = task.agent.free + Resources.of(task.info.resources)
            self._leave_group(task_id)
            task.agent.filtered = False
        uuid = next(self._numbers).to_bytes(16, "big")
        self.unacknowledged[uuid] = task_id
        self._status(task, state, uuid=uuid, **more)
        if state in TERMINAL:
            self.offer()

    def lose(self, agent: FakeAgent, *, since: float = 1e-9) -> None:
        """The agent cannot be reached any more, ``since`` when by the master's clock."""
        agent.reachable, agent.lost_at = False, since
        for task in self.tasks.values():
            if task.agent is agent:
                self._unreachable(task, t.TaskStatusReason.REASON_AGENT_REMOVED)

    def running(self, app: str = "") -> list[FakeTask]:
        return [
            one
            for task_id, one in self.tasks.items()
            if one.state is t.TaskState.TASK_RUNNING and task_id.startswith(app)
        ]

    # ---- inside ----

    def _emit(self, event: Event) -> None:
        self._events.put_nowait(event)

    def _status(self, task: FakeTask, state: t.TaskState, **more: object) -> None:
        status = t.TaskStatus(
            task_id=task.info.task_id,
            state=state,
            agent_id=t.AgentID(value=task.agent.id),
            timestamp=1000.0,
            **more,  # type: ignore[arg-type]
        )
        self._emit(Event(type=EventType.UPDATE, update=s.EventUpdate(status=status)))

    def _accept(self, accept: s.CallAccept) -> None:
        agent, free = self._offers.pop(accept.offer_ids[0].value)
        for operation in accept.operations:
            if operation.launch is None and operation.launch_group is None:
                after = conversion(operation).apply(free)
                agent.free = agent.free - free + after
                free = after
                continue
            infos = operation.launch.task_infos if operation.launch else ()
            wanted = Resources()
            if operation.launch_group is not None:
                infos = operation.launch_group.task_group.tasks
                wanted = Resources.of(operation.launch_group.executor.resources)
                self.executors.append(operation.launch_group.executor)
                self._groups.append(FakeGroup(agent, wanted, {info.task_id.value for info in infos}))
            wanted = sum((Resources.of(info.resources) for info in infos), wanted)
            assert free.contains(wanted), f"{infos[0].task_id.value} takes {wanted} of {free}"
            free -= wanted
            agent.free -= wanted
            for info in infos:
                self.tasks[info.task_id.value] = FakeTask(info, agent)
            for info in infos if self.autorun else ():
                self.update(info.task_id.value, t.TaskState.TASK_STARTING)
                self.update(info.task_id.value, t.TaskState.TASK_RUNNING)
        self.highest = max(self.highest, len(self.tasks))
        self.offer()

    def _leave_group(self, task_id: str) -> None:
        for group in [one for one in self._groups if task_id in one.left]:
            group.left.discard(task_id)
            if not group.left:
                group.agent.free += group.resources
                self._groups.remove(group)

    def _kill(self, task_id: str) -> None:
        task = self.tasks.get(task_id)
        if task is None:
            return
        task.kills += 1
        if task.agent.reachable:
            self.update(task_id, t.TaskState.TASK_KILLED)

    def _unreachable(self, task: FakeTask, reason: t.TaskStatusReason) -> None:
        since = t.TimeInfo(nanoseconds=int(task.agent.lost_at * 1e9))
        self._status(task, t.TaskState.TASK_UNREACHABLE, reason=reason, unreachable_time=since)

    def _reconcile(self, task_ids: list[str]) -> None:
        for task_id in task_ids:
            task = self.tasks.get(task_id)
            if task is not None and task.agent.transitioning:
                continue
            if task is not None and not task.agent.reachable:
                self._unreachable(task, t.TaskStatusReason.REASON_RECONCILIATION)
                continue
            if task is not None:
                self._status(task, task.state, reason=t.TaskStatusReason.REASON_RECONCILIATION)
                continue
            status = t.TaskStatus(
                task_id=t.TaskID(value=task_id),
                state=t.TaskState.TASK_GONE,
                reason=t.TaskStatusReason.REASON_RECONCILIATION,
            )
            self._emit(Event(type=EventType.UPDATE, update=s.EventUpdate(status=status)))
