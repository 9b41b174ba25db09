"""What the master's core and its biggest answers cost: ``python -m bench.master_core [agents] [frameworks] [tasks]``.

No sockets and no ZooKeeper: events into the core, effects counted, JSON made. Seconds of one core.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dcos.master.core import effects
from dcos.master.core.events import AgentSaid, Recovered, SchedulerCall, Subscribe
from dcos.master.core.offers import to_allocate
from dcos.master.core.state import Rules, State
from dcos.master.core.step import settle, step
from dcos.master.reads import READS, Fragments
from dcos.master.service import make_info
from dcos.master.v0 import state as v0_state
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.master import CallType as OperatorCall
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    CommandInfo,
    Filters,
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    OfferOperation,
    OfferOperationLaunch,
    OfferOperationType,
    TaskID,
    TaskInfo,
)
from dcos.wire import agent_link, mesos_json
from dcos.wire.mesos_codec import JSON, PROTOBUF

CAPABILITIES = tuple(
    FrameworkInfoCapability(type=kind)
    for kind in (FrameworkInfoCapabilityType.MULTI_ROLE, FrameworkInfoCapabilityType.RESERVATION_REFINEMENT)
)


@contextmanager
def timed(what: str, count: int) -> Iterator[None]:
    begin = time.process_time()
    yield
    took = time.process_time() - begin
    print(f"{what:58} {took:8.3f} s {took / max(count, 1) * 1e6:10.1f} us each of {count}")


class Bench:
    def __init__(self) -> None:
        self.state = State(Rules(), make_info("m", "127.0.0.1", 5050, "localhost"), 0.0)
        self.now = 1.0
        self.numbers = iter(range(10**9))
        step(self.state, Recovered(self.now, ()))

    def settle(self) -> list[effects.Effect]:
        settle(self.state, self.now)
        while to_allocate(self.state):
            settle(self.state, self.now)
        return self.state.take_effects()

    def call(self, framework: str, **members: object) -> None:
        stream = self.state.frameworks[framework].stream
        call = Call(framework_id=FrameworkID(value=framework), **members)  # type: ignore[arg-type]
        step(self.state, SchedulerCall(self.now, next(self.numbers), stream, call))


def main(agents: int, frameworks: int, tasks: int) -> None:
    bench = Bench()
    state = bench.state
    resources = Resources.parse("cpus:32;mem:131072;disk:1000000;ports:[1025-32000]").messages()
    with timed("register agents", agents):
        for number in range(agents):
            info = AgentInfo(hostname=f"host-{number}", resources=resources)
            pid = f"slave(1)@10.{number >> 16}.{number >> 8 & 255}.{number & 255}:5051"
            step(state, AgentSaid(bench.now, f"l{number}", agent_link.Register(agent=info, pid=pid, version="1.11.0")))
        bench.settle()
    with timed("subscribe frameworks (each once over all agents)", frameworks):
        for number in range(frameworks):
            framework = FrameworkInfo(user="u", name=f"f{number}", roles=(f"r{number}",), capabilities=CAPABILITIES)
            call = Call(type=CallType.SUBSCRIBE, subscribe=scheduler.CallSubscribe(framework_info=framework))
            step(state, Subscribe(bench.now, f"s{number}", call))
        made = bench.settle()
    events = [effect.event for effect in made if isinstance(effect, effects.ToScheduler) and effect.event.offers]
    count = sum(len(event.offers.offers) for event in events if event.offers)
    with timed("encode the offers", count):
        for event in events:
            mesos_json.encode(event)
    names = list(state.frameworks)
    with timed("decline everything for 60 s, offer on to the next", count):
        for name in names:
            offers = tuple(offer.message.id for offer in state.frameworks[name].offers.values())
            if offers:
                decline = scheduler.CallDecline(offer_ids=offers, filters=Filters(refuse_seconds=60))
                bench.call(name, type=CallType.DECLINE, decline=decline)
        made = bench.settle()
    small = Resources.parse("cpus:0.1;mem:32").messages()
    per_offer = max(1, tasks // max(1, len(state.offers)))
    launched = 0
    with timed("launch tasks (one ACCEPT an agent)", tasks):
        for offer in list(state.offers.values()):
            infos = []
            for _ in range(min(per_offer, tasks - launched)):
                launched += 1
                infos.append(
                    TaskInfo(
                        name="t",
                        task_id=TaskID(value=f"t{launched}"),
                        agent_id=AgentID(value=offer.agent),
                        resources=small,
                        command=CommandInfo(value="sleep 1000"),
                    )
                )
            launch = OfferOperationLaunch(task_infos=tuple(infos))
            accept = scheduler.CallAccept(
                offer_ids=(offer.message.id,),
                operations=(OfferOperation(type=OfferOperationType.LAUNCH, launch=launch),),
                filters=Filters(refuse_seconds=600),
            )
            bench.call(offer.framework, type=CallType.ACCEPT, accept=accept)
        bench.settle()
    for again in ("first", "again, tasks ready"):
        with timed(f"/state ({again})", 1):
            body = v0_state.whole(state, {}, None).joined()
    print(f"/state is {len(body) / 1e6:.1f} MB; {launched} tasks; ", end="")
    print(f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    for codec in (JSON, PROTOBUF):
        read, fragments = READS[OperatorCall.GET_STATE], Fragments(codec)
        with timed(f"v1 GET_STATE, {codec.content_type}: made ready, in slices", 1):
            for _ in read.make(state, fragments):
                pass
        with timed("taken, in one step", 1):
            snapshot = read.body(state, fragments)
        with timed(f"{snapshot.size / 1e6:.1f} MB joined, in slices", 1):
            for _ in snapshot.slices():
                pass
    with timed("one cycle with nothing to do", 1):
        state.allocator.cycle(bench.now)
        bench.settle()
    with timed("revive one framework", 1):
        bench.call(names[0], type=CallType.REVIVE)
        bench.settle()


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["10000", "200", "100000"][len(sys.argv) - 1 :])))
