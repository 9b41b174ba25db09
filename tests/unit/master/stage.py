"""A master without a world: events in, effects looked at. Time is set by hand."""

from __future__ import annotations

import itertools
from typing import TypeVar

from dcos.master.core import effects
from dcos.master.core.events import (
    AgentSaid,
    Event,
    LinkClosed,
    OperatorCall,
    Recovered,
    SchedulerCall,
    StreamClosed,
    Subscribe,
    Tick,
)
from dcos.master.core.registry import AgentEntry, Entry, MachineEntry, Settings, Shelf, Standing, WeightEntry
from dcos.master.core.state import Rules, State
from dcos.master.core.step import settle, step
from dcos.master.service import make_info
from dcos.model.resources import Resources
from dcos.model.v1 import master, scheduler
from dcos.model.v1.quota import QuotaConfig
from dcos.model.v1.scheduler import Call, CallType, EventType
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    CommandInfo,
    ExecutorInfo,
    Filters,
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    Offer,
    OfferOperation,
    OfferOperationLaunch,
    OfferOperationLaunchGroup,
    OfferOperationType,
    Operation,
    Resource,
    TaskGroupInfo,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    TaskStatusSource,
)
from dcos.testing.fake_agent import CAPABILITIES
from dcos.wire import agent_link

M = TypeVar("M")

AWARE = (
    FrameworkInfoCapabilityType.MULTI_ROLE,
    FrameworkInfoCapabilityType.PARTITION_AWARE,
    FrameworkInfoCapabilityType.RESERVATION_REFINEMENT,
)


def framework_info(
    name: str = "fw",
    *roles: str,
    capabilities: tuple[FrameworkInfoCapabilityType, ...] = AWARE,
    failover_timeout: float = 0.0,
    checkpoint: bool = True,
    framework_id: str | None = None,
    principal: str | None = None,
) -> FrameworkInfo:
    multi_role = FrameworkInfoCapabilityType.MULTI_ROLE in capabilities
    return FrameworkInfo(
        user="root",
        name=name,
        id=FrameworkID(value=framework_id) if framework_id is not None else None,
        roles=(roles or ("r",)) if multi_role else (),
        role=roles[0] if roles and not multi_role else None,
        failover_timeout=failover_timeout,
        checkpoint=checkpoint,
        principal=principal,
        capabilities=tuple(FrameworkInfoCapability(type=kind) for kind in capabilities),
    )


class Stage:
    def __init__(
        self,
        rules: Rules | None = None,
        *,
        master_id: str = "m",
        agents: tuple[tuple[str, AgentEntry], ...] = (),
        settings: Settings | None = None,
        now: float = 1000.0,
    ) -> None:
        self.state = State(rules or Rules(), make_info(master_id, "127.0.0.1", 5050, "localhost"), 0.0)
        self.now = now
        self.numbers = itertools.count(1)
        self.effects: list[effects.Effect] = []
        """Everything since ``clear``."""
        self.registry = dict(agents)
        """What was written of agents."""
        self.kept: dict[tuple[Shelf, str], Entry] = {}
        """And of what operators set."""
        self.do(Recovered(self.now, agents, settings or Settings()))

    # ---- events ------------------------------------------------------------------------------------------------------

    def do(self, event: Event) -> list[effects.Effect]:
        step(self.state, event)
        settle(self.state, self.now)
        made = self.state.take_effects()
        self.effects += made
        for one in made:
            if isinstance(one, effects.Write):
                if one.entry is None:
                    self.registry.pop(one.agent, None)
                else:
                    self.registry[one.agent] = one.entry
            elif isinstance(one, effects.Keep):
                if one.entry is None:
                    self.kept.pop((one.shelf, one.key), None)
                else:
                    self.kept[one.shelf, one.key] = one.entry
        return made

    def successor(self, rules: Rules | None = None) -> Stage:
        """The next leader, with what this one has written."""
        kept = self.kept.values()
        settings = Settings(
            quotas=tuple(one for one in kept if isinstance(one, QuotaConfig)),
            weights=tuple(one for one in kept if isinstance(one, WeightEntry)),
            machines=tuple(one for one in kept if isinstance(one, MachineEntry)),
        )
        made = Stage(
            rules or self.state.rules,
            master_id=f"{self.state.info.id}n",
            agents=tuple(self.registry.items()),
            settings=settings,
            now=self.now,
        )
        made.kept = self.kept | made.kept
        made.numbers = self.numbers
        return made

    def operate(self, kind: master.CallType, **member: object) -> effects.Answer:
        """An operator's call; its member goes by the call's name."""
        call = master.Call(type=kind, **member)  # type: ignore[arg-type]
        made = self.do(OperatorCall(self.now, next(self.numbers), call))
        return next(one for one in made if isinstance(one, effects.Answer))

    def clear(self) -> None:
        self.effects.clear()

    def wait(self, seconds: float) -> None:
        """Let time pass, deadline by deadline."""
        until = self.now + seconds
        while (deadline := self.state.next_deadline) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.do(Tick(self.now))
        self.now = until

    def subscribe(
        self, info: FrameworkInfo | None = None, *, suppressed: tuple[str, ...] = (), proved: str | None = None
    ) -> tuple[str, str]:
        """Returns (framework id, stream id); the id is empty when refused. ``proved``: who its scheduler proved to be."""
        info = info or framework_info()
        stream = f"stream-{next(self.numbers)}"
        call = scheduler.CallSubscribe(framework_info=info, suppressed_roles=suppressed)
        made = Call(type=CallType.SUBSCRIBE, framework_id=info.id, subscribe=call)
        self.do(Subscribe(self.now, stream, made, proved))
        return self.state.streams.get(stream, ""), stream

    def close(self, stream: str) -> None:
        self.do(StreamClosed(self.now, stream))

    def call(self, framework: str, call: Call, *, stream: str | None = "") -> effects.Answer:
        """``stream`` "" is the framework's own."""
        if stream == "":
            known = self.state.frameworks.get(framework)
            stream = known.stream if known is not None else None
        request = next(self.numbers)
        full = Call(
            **{name: getattr(call, name) for name in call.__struct_fields__ if name != "framework_id"},
            framework_id=FrameworkID(value=framework),
        )
        made = self.do(SchedulerCall(self.now, request, stream, full))
        return next(one for one in made if isinstance(one, effects.Answer))

    def agent(
        self,
        resources: str = "cpus:4;mem:1024;ports:[31000-31009]",
        *,
        pid: str | None = None,
        hostname: str = "host",
        oversubscribed: tuple[Resource, ...] = (),
    ) -> tuple[str, str]:
        """Registers; returns (agent id, link); the id is empty when refused."""
        number = next(self.numbers)
        link = f"link-{number}"
        info = AgentInfo(hostname=hostname, resources=Resources.parse(resources).messages())
        pid = pid or f"slave(1)@10.0.0.{number}:5051"
        self.say(
            link,
            agent_link.Register(
                agent=info,
                pid=pid,
                version="1.11.0",
                capabilities=CAPABILITIES,
                oversubscribed_resources=oversubscribed,
            ),
        )
        return self.state.links.get(link, ""), link

    def say(self, link: str, message: agent_link.AgentMessage) -> None:
        self.do(AgentSaid(self.now, link, message))

    def cut(self, link: str) -> None:
        self.do(LinkClosed(self.now, link))

    def back(
        self,
        info: AgentInfo,
        frameworks: tuple[agent_link.AgentFramework, ...] = (),
        *,
        pid: str = "slave(1)@10.0.0.9:5051",
        operations: tuple[Operation, ...] = (),
        checkpointed: tuple[Resource, ...] = (),
    ) -> str:
        """Re-registers; returns the new link."""
        link = f"link-{next(self.numbers)}"
        self.say(
            link,
            agent_link.Reregister(
                agent=info,
                pid=pid,
                version="1.11.0",
                capabilities=CAPABILITIES,
                frameworks=frameworks,
                operations=operations,
                checkpointed_resources=checkpointed,
            ),
        )
        return link

    def accept(
        self, framework: str, offers: list[Offer], operations: list[OfferOperation], refuse_s: float | None = None
    ) -> effects.Answer:
        filters = Filters(refuse_seconds=refuse_s) if refuse_s is not None else None
        accept = scheduler.CallAccept(
            offer_ids=tuple(offer.id for offer in offers), operations=tuple(operations), filters=filters
        )
        return self.call(framework, Call(type=CallType.ACCEPT, accept=accept))

    def decline(self, framework: str, offers: list[Offer], refuse_s: float | None = None) -> None:
        filters = Filters(refuse_seconds=refuse_s) if refuse_s is not None else None
        decline = scheduler.CallDecline(offer_ids=tuple(offer.id for offer in offers), filters=filters)
        self.call(framework, Call(type=CallType.DECLINE, decline=decline))

    def run_task(self, framework: str, name: str = "t", resources: str = "cpus:1;mem:64") -> TaskInfo:
        """Takes the framework's first offer and gets the task to run, acknowledged."""
        offer = next(iter(self.state.frameworks[framework].offers.values())).message
        info = task(name, offer.agent_id.value, resources)
        self.accept(framework, [offer], [launch(info)], refuse_s=0)
        self.update(framework, name, TaskState.TASK_RUNNING)
        return info

    def update(
        self, framework: str, name: str, to: TaskState, *, acknowledge: bool = True, latest: TaskState | None = None
    ) -> None:
        """``latest``: the agent knows more already, which waits behind this update."""
        record = self.state.frameworks[framework].tasks[name]
        agent = self.state.agents[record.agent]
        assert agent.link is not None
        uuid = next(self.numbers).to_bytes(16, "big")
        status = TaskStatus(
            task_id=TaskID(value=name),
            state=to,
            source=TaskStatusSource.SOURCE_EXECUTOR,
            agent_id=AgentID(value=agent.id),
            uuid=uuid,
            timestamp=self.now,
        )
        self.say(
            agent.link,
            agent_link.StatusUpdate(
                framework_id=FrameworkID(value=framework), status=status, latest_state=latest or to
            ),
        )
        if acknowledge:
            done = scheduler.CallAcknowledge(agent_id=AgentID(value=agent.id), task_id=TaskID(value=name), uuid=uuid)
            self.call(framework, Call(type=CallType.ACKNOWLEDGE, acknowledge=done))

    # ---- what came of it ---------------------------------------------------------------------------------------------

    def events(self, stream: str) -> list[scheduler.Event]:
        return [one.event for one in self.effects if isinstance(one, effects.ToScheduler) and one.stream == stream]

    def kinds(self, stream: str) -> list[str]:
        return [str(event.type) for event in self.events(stream) if event.type is not EventType.HEARTBEAT]

    def offers(self, stream: str) -> list[Offer]:
        return [offer for event in self.events(stream) if event.offers for offer in event.offers.offers]

    def statuses(self, stream: str) -> list[TaskStatus]:
        return [event.update.status for event in self.events(stream) if event.update]

    def sent(self, link: str, kind: type[M]) -> list[M]:
        return [
            one.message
            for one in self.effects
            if isinstance(one, effects.ToAgent) and one.link == link and isinstance(one.message, kind)
        ]

    def writes(self) -> list[tuple[str, str | None]]:
        return [
            (one.agent, str(one.entry.standing) if one.entry is not None else None)
            for one in self.effects
            if isinstance(one, effects.Write)
        ]


def task(name: str, agent: str, resources: str = "cpus:1;mem:64", executor: ExecutorInfo | None = None) -> TaskInfo:
    return TaskInfo(
        name=name,
        task_id=TaskID(value=name),
        agent_id=AgentID(value=agent),
        resources=Resources.parse(resources).messages(),
        command=CommandInfo(value="true") if executor is None else None,
        executor=executor,
    )


def launch(*tasks: TaskInfo) -> OfferOperation:
    return OfferOperation(type=OfferOperationType.LAUNCH, launch=OfferOperationLaunch(task_infos=tasks))


def launch_group(executor: ExecutorInfo, *tasks: TaskInfo) -> OfferOperation:
    group = OfferOperationLaunchGroup(executor=executor, task_group=TaskGroupInfo(tasks=tasks))
    return OfferOperation(type=OfferOperationType.LAUNCH_GROUP, launch_group=group)


def entry(standing: Standing, agent: str = "old") -> tuple[str, AgentEntry]:
    info = AgentInfo(hostname="h", id=AgentID(value=agent))
    return agent, AgentEntry(info=info, standing=standing, since=5.0)
