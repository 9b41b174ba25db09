"""The table of the master: which event is whose, and what follows a batch of events.

The shell gives every event to ``begin``, does what it leaves by ``go_on`` (``step`` is both), calls ``settle`` once the
batch is done (new offers leave there), makes the ``Write``s of the batch durable in one transaction and only then performs
the other effects, in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never

from dcos.master.core import (
    accept,
    agents,
    draining,
    frameworks,
    inverse_offers,
    loss,
    maintenance,
    offers,
    operate,
    operations,
    operators,
    pings,
    quota,
    reconcile,
    recovery,
    tasks,
    weights,
)
from dcos.master.core.effects import Answer, CloseStream
from dcos.master.core.events import (
    AgentSaid,
    Event,
    LinkClosed,
    MarkGone,
    Operate,
    OperatorCall,
    Recovered,
    RemoveQuota,
    SchedulerCall,
    StreamClosed,
    Subscribe,
    Teardown,
    Tick,
    Whitelist,
)
from dcos.master.core.records import FrameworkRecord
from dcos.master.core.state import Deadline, State
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import CallType
from dcos.model.v1.types import AgentID
from dcos.wire import agent_link

_DONE: Final = object()


def step(state: State, event: Event) -> None:
    """An event and everything that follows from it, at once."""
    begin(state, event)
    while state.rest:
        go_on(state)


def go_on(state: State) -> None:
    """One bit of what the last events left to do: before the next event and before ``settle``, but others may look."""
    if next(state.rest[0], _DONE) is _DONE:
        state.rest.popleft()


def begin(state: State, event: Event) -> None:
    """Take an event; what would be long is left in ``state.rest``."""
    match event:
        case AgentSaid(now, link, message):
            agents.said(state, link, message, now)
        case SchedulerCall():
            _call(state, event)
        case Subscribe(now, stream, call, principal):
            if call.subscribe is None:
                state.emit(CloseStream(stream))
            else:
                frameworks.subscribe(state, stream, call.subscribe, principal, now)
        case Tick(now):
            state.rest.append(_tick(state, now))
        case StreamClosed(now, stream):
            frameworks.stream_closed(state, stream, now)
        case LinkClosed(now, link):
            agents.link_closed(state, link, now)
        case Teardown(now, request, framework):
            frameworks.teardown(state, request, framework, now)
        case Operate():
            operate.operate(state, event)
        case MarkGone(now, request, agent):
            loss.mark_gone(state, request, agent, now)
        case OperatorCall(now, request, call):
            operators.call(state, request, call, now)
        case RemoveQuota(_, request, role, path):
            quota.remove(state, request, role, path)
        case Whitelist(_, hosts):
            state.allocator.set_whitelist(hosts)
        case Recovered(now, entries, settings):
            weights.recovered(state, settings.weights)
            maintenance.recovered(state, settings.machines)
            recovery.recovered(state, entries, now)
            quota.recovered(state, settings.quotas, now)
        case _:
            assert_never(event)


def settle(state: State, now: float) -> None:
    """After a batch: agents that are empty now are drained, what became free is offered, inverse offers are made."""
    draining.settle(state, now)
    offers.allocate(state, now)
    inverse_offers.make(state, now)


def _tick(state: State, now: float) -> Iterator[None]:
    for position, (kind, key, generation) in enumerate(state.due(now)):
        if position:
            yield
        match kind:
            case Deadline.CYCLE:
                state.allocator.cycle(now)
                state.schedule(now + state.rules.allocation_interval_s, Deadline.CYCLE)
            case Deadline.PING:
                pings.ping(state, key, generation, now)
            case Deadline.AGENT_RETURN:
                agents.not_returned(state, key, generation, now)
            case Deadline.RECOVERY:
                state.rest.append(recovery.recovery_over(state, now))
            case Deadline.REGISTRY:
                recovery.collect_registry(state, now)
            case Deadline.REMOVAL:
                loss.remove_next(state, now)
            case Deadline.ALLOCATOR:
                state.allocator.resume()
            case Deadline.INVERSE_OFFER:
                inverse_offers.expired(state, key)
            case Deadline.INVERSE_FILTER:
                state.leaving[key] = None
            case Deadline.FAILOVER:
                frameworks.failover_over(state, key, generation, now)
            case Deadline.OFFER:
                offer = state.offers.get(key)
                if offer is not None:
                    offers.rescind(state, offer, now)
            case _:
                assert_never(kind)


# ---- scheduler calls -------------------------------------------------------------------------------------------------


def _call(state: State, event: SchedulerCall) -> None:
    call, now = event.call, event.now
    framework = state.frameworks.get(call.framework_id.value if call.framework_id is not None else "")
    if framework is None:
        state.emit(Answer(event.request, 400, "Framework cannot be found"))
        return
    framework.counts[f"calls/{call.type}"] += 1
    if framework.stream is None:
        state.emit(Answer(event.request, 403, "Framework is not subscribed"))
        return
    if event.stream is None:
        state.emit(Answer(event.request, 400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header"))
        return
    if event.stream != framework.stream:
        why = f"The stream ID '{event.stream[:128]}' included in this request didn't match the stream ID currently "
        state.emit(Answer(event.request, 400, f"{why}associated with framework ID {framework.id}"))
        return
    if call.type is CallType.UPDATE_FRAMEWORK and call.update_framework is not None:
        frameworks.update(state, event.request, framework, call.update_framework, now)
        return
    _dispatch(state, framework, call, now)
    state.emit(Answer(event.request, 501 if call.type in (None, CallType.UNKNOWN) else 202))


def _dispatch(state: State, framework: FrameworkRecord, call: scheduler.Call, now: float) -> None:
    match call.type:
        case CallType.ACCEPT if call.accept is not None:
            accept.accept(state, framework, call.accept, now)
        case CallType.DECLINE if call.decline is not None:
            state.rest.append(offers.decline(state, framework, call.decline.offer_ids, call.decline.filters, now))
        case CallType.ACCEPT_INVERSE_OFFERS if call.accept_inverse_offers is not None:
            accepted = call.accept_inverse_offers
            inverse_offers.answer(state, framework, accepted.inverse_offer_ids, accepted.filters, now, yes=True)
        case CallType.DECLINE_INVERSE_OFFERS if call.decline_inverse_offers is not None:
            declined = call.decline_inverse_offers
            inverse_offers.answer(state, framework, declined.inverse_offer_ids, declined.filters, now, yes=False)
        case CallType.REVIVE:
            frameworks.revive(state, framework, call.revive)
        case CallType.SUPPRESS:
            frameworks.suppress(state, framework, call.suppress)
        case CallType.KILL if call.kill is not None:
            tasks.kill(state, framework, call.kill, now)
        case CallType.ACKNOWLEDGE if call.acknowledge is not None:
            tasks.acknowledge(state, framework, call.acknowledge)
        case CallType.RECONCILE if call.reconcile is not None:
            state.rest.append(reconcile.reconcile(state, framework, call.reconcile, now))
        case CallType.SHUTDOWN if call.shutdown is not None:
            _shutdown(state, framework, call.shutdown.agent_id, call.shutdown)
        case CallType.MESSAGE if call.message is not None:
            _message(state, framework, call.message)
        case CallType.RECONCILE_OPERATIONS if call.reconcile_operations is not None:
            operations.reconcile(state, framework, call.reconcile_operations)
        case CallType.ACKNOWLEDGE_OPERATION_STATUS if call.acknowledge_operation_status is not None:
            operations.acknowledge(state, framework, call.acknowledge_operation_status)
        case CallType.REQUEST:
            state.counters["messages_resource_request"] += 1
        case CallType.TEARDOWN:
            state.rest.append(frameworks.removing(state, framework, "Framework tore itself down", now))
        case _:
            state.counters["dropped_messages"] += 1


def _shutdown(state: State, framework: FrameworkRecord, agent_id: AgentID, call: scheduler.CallShutdown) -> None:
    agent = state.agents.get(agent_id.value)
    if agent is not None and framework.info.id is not None:
        state.send(agent, agent_link.ShutdownExecutor(framework_id=framework.info.id, executor_id=call.executor_id))


def _message(state: State, framework: FrameworkRecord, call: scheduler.CallMessage) -> None:
    state.counters["messages_framework_to_executor"] += 1
    agent = state.agents.get(call.agent_id.value)
    if agent is None or not agent.connected or framework.info.id is None:
        state.counters["invalid_framework_to_executor_messages"] += 1
        return
    state.counters["valid_framework_to_executor_messages"] += 1
    state.send(
        agent,
        agent_link.FrameworkMessage(framework_id=framework.info.id, executor_id=call.executor_id, data=call.data),
    )
