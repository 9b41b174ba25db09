"""How long the master's loop is held by one turn: ``python -m bench.master_turns [agents] [tasks]``.

The real writer and the makers of its big answers, in this process and without sockets; agents come back to a new leader,
schedulers return, ask and go. CPU seconds: what else runs on the machine does not count.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable

from dcos.master import kept
from dcos.master.core.events import AgentSaid, Event, Recovered, SchedulerCall, Subscribe, Teardown
from dcos.master.core.registry import AgentEntry, Standing
from dcos.master.core.state import Rules, State
from dcos.master.core.viewer import ALL
from dcos.master.kept import Kept
from dcos.master.service import make_info
from dcos.master.snapshots import Snapshots
from dcos.master.streams import Stream
from dcos.master.v0 import agents as v0_agents
from dcos.master.v0 import state as v0_state
from dcos.master.v0.summary import Roll, summary
from dcos.master.writer import Writer
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.master import CallType as OperatorCall
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    Resource,
    ResourceAllocationInfo,
    Task,
    TaskID,
    TaskState,
    TaskStatus,
)
from dcos.runtime import heap
from dcos.runtime.clock import SystemClock
from dcos.testing.fake_agent import CAPABILITIES
from dcos.wire import agent_link
from dcos.wire.mesos_codec import JSON, PROTOBUF, Codec

FRAMEWORKS = 5


class CpuClock(SystemClock):
    def monotonic(self) -> float:
        return time.process_time()


class Sink(Stream):
    """A scheduler that takes everything at once."""

    def send(self, payload: bytes) -> None:
        pass


def info(number: int) -> FrameworkInfo:
    return FrameworkInfo(
        id=FrameworkID(value=f"f{number}"),
        user="root",
        name=f"framework-{number}",
        roles=(f"role-{number}",),
        failover_timeout=1e6,
        checkpoint=True,
        capabilities=(FrameworkInfoCapability(type=FrameworkInfoCapabilityType.MULTI_ROLE),),
    )


def returning(number: int, tasks: int) -> agent_link.Reregister:
    agent = AgentID(value=f"a{number}")
    framework = FrameworkID(value=f"f{number % FRAMEWORKS}")
    role = ResourceAllocationInfo(role=f"role-{number % FRAMEWORKS}")
    held: list[Resource] = [
        type(one)(name=one.name, type=one.type, scalar=one.scalar, allocation_info=role)
        for one in Resources.parse("cpus:0.1;mem:32").messages()
    ]
    running = tuple(
        Task(
            name=f"task-{number}-{one}",
            task_id=TaskID(value=f"task-{number}-{one}.9f0c3a52-7c1e-11ee-b962-0242ac120002"),
            framework_id=framework,
            agent_id=agent,
            state=TaskState.TASK_RUNNING,
            resources=tuple(held),
            statuses=(
                TaskStatus(task_id=TaskID(value=f"task-{number}-{one}"), state=TaskState.TASK_RUNNING, timestamp=1.0),
            ),
        )
        for one in range(tasks)
    )
    return agent_link.Reregister(
        agent=agent_info(number),
        pid=f"slave(1)@10.{number >> 16}.{number >> 8 & 255}.{number & 255}:5051",
        version="1.11.0",
        capabilities=CAPABILITIES,
        frameworks=(agent_link.AgentFramework(info=info(number % FRAMEWORKS), tasks=running),),
    )


RESOURCES = Resources.parse("cpus:32;mem:131072;disk:1000000;ports:[1025-32000]").messages()


def agent_info(number: int) -> AgentInfo:
    return AgentInfo(id=AgentID(value=f"a{number}"), hostname=f"host-{number}", resources=RESOURCES)


class Bench:
    def __init__(self) -> None:
        self.state = State(Rules(), make_info("m", "127.0.0.1", 5050, "localhost"), 0.0)
        self.writer = Writer(self.state, CpuClock(), store_timeout_s=5, max_subscribers=1)
        self.kept = Kept(self.writer)
        self.snapshots = Snapshots(self.writer)
        self.longest = 0.0

    def put(self, *events: Event) -> None:
        for event in events:
            self.writer.put(event)

    async def watch(self) -> None:
        """Keep the longest turn of the loop."""
        while True:
            begin = time.process_time()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.process_time() - begin)

    @contextlib.asynccontextmanager
    async def phase(self, what: str) -> AsyncIterator[None]:
        self.longest, begin = 0.0, time.process_time()
        yield
        quiet = 0
        while quiet < 50:  # waiting for the next deadline
            revision = self.writer.revision
            await asyncio.sleep(0)
            quiet = 0 if self.writer.waiting or self.state.rest or revision != self.writer.revision else quiet + 1
        total = time.process_time() - begin
        print(f"{what:48} {total:8.2f} s, longest turn {self.longest * 1000:7.1f} ms", flush=True)

    def call(self, number: int, kind: CallType, **members: object) -> None:
        call = Call(framework_id=FrameworkID(value=f"f{number}"), type=kind, **members)  # type: ignore[arg-type]
        self.put(SchedulerCall(self.writer.now(), 0, f"s{number}", call))

    async def given(self, codec: Codec) -> None:
        await self.snapshots.give(OperatorCall.GET_STATE, codec, ALL, lambda _: None)


async def scenes(agents: int, tasks: int) -> None:
    bench = Bench()
    state, writer = bench.state, bench.writer
    heap.freeze_survivors()
    messages = [returning(number, tasks // agents) for number in range(agents)]
    entries = [
        (f"a{number}", AgentEntry(info=agent_info(number), standing=Standing.ADMITTED, since=1.0))
        for number in range(agents)
    ]
    running = [asyncio.create_task(one) for one in (writer.run(), bench.watch())]
    async with bench.phase("recovered from the registry"):
        bench.put(Recovered(writer.now(), tuple(entries)))
    for number in range(FRAMEWORKS):
        writer.schedulers[f"s{number}"] = Sink(f"s{number}")
    subscribes = [
        Subscribe(
            writer.now(),
            f"s{number}",
            Call(
                type=CallType.SUBSCRIBE,
                framework_id=FrameworkID(value=f"f{number}"),
                subscribe=scheduler.CallSubscribe(framework_info=info(number)),
            ),
        )
        for number in range(FRAMEWORKS)
    ]
    async with bench.phase("schedulers return"):
        bench.put(*subscribes)
    async with bench.phase("agents return with their tasks, offers are made"):
        bench.put(*(AgentSaid(writer.now(), f"l{number}", message) for number, message in enumerate(messages)))
    print(f"{len(state.agents)} agents, {sum(len(one.tasks) for one in state.agents.values())} tasks, ", end="")
    print(f"{len(state.offers)} offers")
    async with bench.phase("each scheduler reconciles all of its tasks"):
        for number in range(FRAMEWORKS):
            bench.call(number, CallType.RECONCILE, reconcile=scheduler.CallReconcile())
    named = tuple(
        scheduler.CallReconcileTask(task_id=one.message.task_id, agent_id=one.message.agent_id)
        for framework in state.frameworks.values()
        for one in framework.tasks.values()
    )
    async with bench.phase("one names all tasks of all to reconcile"):
        bench.call(0, CallType.RECONCILE, reconcile=scheduler.CallReconcile(tasks=named))
    roll = Roll()
    asked: dict[str, Awaitable[object]] = {
        "/state": bench.kept.body("s", lambda: v0_state.whole(state, {}, None), kept.state_making),
        "/state-summary": bench.kept.body("u", lambda: summary(state, None, roll), roll.making, as_it_is=True),
        "/slaves": bench.kept.body("a", lambda: v0_agents.slaves(state, {}), kept.full_agents_making),
        "v1 GET_STATE, JSON": bench.given(JSON),
        "v1 GET_STATE, protobuf": bench.given(PROTOBUF),
    }
    for name, answer in asked.items():
        async with bench.phase(name):
            await answer
    async with bench.phase("schedulers decline all"):
        for number in range(FRAMEWORKS):
            ids = tuple(one.message.id for one in state.frameworks[f"f{number}"].offers.values())
            if ids:
                bench.call(number, CallType.DECLINE, decline=scheduler.CallDecline(offer_ids=ids))
    async with bench.phase("frameworks are torn down"):
        bench.put(*(Teardown(writer.now(), 0, f"f{number}") for number in range(FRAMEWORKS)))
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(scenes(*(int(word) for word in (sys.argv[1:] + ["10000", "100000"][len(sys.argv) - 1 :]))))
