"""Frameworks: subscription, failover, disconnection, removal, and what they say about their roles.

A framework is connected while its scheduler holds a stream. Without one it is inactive and keeps its tasks for
``failover_timeout``; then, or by TEARDOWN, it is removed and its id is refused while remembered as completed.

Source: Mesos master (subscribe, failoverFramework, deactivate, removeFramework, updateFramework).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dcos.master.core import inverse_offers, offers, operations, tasks, views
from dcos.master.core.authorization import registration_problem
from dcos.master.core.effects import Answer, CloseStream, ToScheduler
from dcos.master.core.framework_validation import framework_problem, principal_problem, update_problem, wishes_problem
from dcos.master.core.records import FrameworkRecord
from dcos.master.core.state import Deadline, State
from dcos.model.v1 import master, scheduler
from dcos.model.v1.types import FrameworkID, FrameworkInfo, TaskState, TaskStatusReason
from dcos.wire import agent_link

HEARTBEAT_S = 15.0
_HEARTBEAT = scheduler.Event(type=scheduler.EventType.HEARTBEAT)


def subscribe(state: State, stream: str, call: scheduler.CallSubscribe, principal: str | None, now: float) -> None:
    """``principal``: who the scheduler proved to be."""
    info = call.framework_info
    known = state.frameworks.get(info.id.value) if info.id is not None and info.id.value else None
    problem = (
        framework_problem(info, state.rules, completed=state.completed)
        or wishes_problem(info, call.suppressed_roles, call.offer_constraints, state.rules)
        or registration_problem(state.rules.acls, info, state.rules.acls.asker(info.principal, principal))
    )
    if problem is None and known is not None:
        problem = principal_problem(known.info, info)
    if problem is not None:
        error = scheduler.Event(type=scheduler.EventType.ERROR, error=scheduler.EventError(message=problem))
        state.emit(ToScheduler(stream, error))
        state.emit(CloseStream(stream))
        state.note("subscription_refused", framework=info.name, why=problem)
        return
    if known is None:
        _enter(state, stream, call, principal, now)
    else:
        known.proved = principal
        _return(state, known, stream, call, now)


def _enter(state: State, stream: str, call: scheduler.CallSubscribe, principal: str | None, now: float) -> None:
    info = call.framework_info
    if info.id is None or not info.id.value:
        framework_id = f"{state.info.id}-{state.number('framework'):04d}"
        info = msgspec.structs.replace(info, id=FrameworkID(value=framework_id))
        state.counters["messages_register_framework"] += 1
    else:
        state.counters["messages_reregister_framework"] += 1
    framework = state.new_framework(info, now)
    framework.reregistered = now
    framework.proved = principal
    framework.constraints = call.offer_constraints
    if call.framework_info.id is not None:
        operations.framework_added(state, framework)
    state.allocator.add_framework(
        framework.id, framework.roles, suppressed=call.suppressed_roles, traits=state.traits(framework)
    )
    _connect(state, framework, stream)
    state.note("framework_added", framework=framework.id, name=info.name)
    view = views.framework_view(framework, whole=False)
    state.publish(
        master.Event(type=master.EventType.FRAMEWORK_ADDED, framework_added=master.EventFrameworkAdded(framework=view))
    )


def _return(state: State, framework: FrameworkRecord, stream: str, call: scheduler.CallSubscribe, now: float) -> None:
    """The framework's scheduler, or its successor, is (back) here."""
    state.counters["messages_reregister_framework"] += 1
    if framework.stream is not None:
        error = scheduler.EventError(message="Framework failed over")
        state.emit(ToScheduler(framework.stream, scheduler.Event(type=scheduler.EventType.ERROR, error=error)))
        state.emit(CloseStream(framework.stream))
        del state.streams[framework.stream]
        state.rest.append(offers.discarding(state, list(framework.offers.values()), now))
        inverse_offers.discard_all(state, framework)
    before = framework.info
    info = msgspec.structs.replace(call.framework_info, user=before.user, checkpoint=before.checkpoint)
    if framework.recovered:
        framework.registered = now
    framework.recovered = False
    framework.reregistered = now
    framework.active = True
    _connect(state, framework, stream)
    _change(state, framework, info, call.suppressed_roles, call.offer_constraints, now)
    if before != info:
        state.rest.append(_telling(state, framework.agents(), info))
    _show(state, framework)
    state.allocator.activate_framework(framework.id)
    inverse_offers.ask_again(state, framework)
    state.note("framework_returned", framework=framework.id, name=info.name)


def _connect(state: State, framework: FrameworkRecord, stream: str) -> None:
    framework.stream = stream
    framework.counts["calls/SUBSCRIBE"] += 1
    state.streams[stream] = framework.id
    subscribed = scheduler.EventSubscribed(
        framework_id=FrameworkID(value=framework.id), heartbeat_interval_seconds=HEARTBEAT_S, master_info=state.info
    )
    state.tell(framework, scheduler.Event(type=scheduler.EventType.SUBSCRIBED, subscribed=subscribed))
    state.tell(framework, _HEARTBEAT)


def _change(
    state: State,
    framework: FrameworkRecord,
    info: FrameworkInfo,
    suppressed: tuple[str, ...],
    constraints: scheduler.OfferConstraints | None,
    now: float,
) -> None:
    """New FrameworkInfo and wishes: offers of roles that it left are rescinded."""
    framework.info = info
    framework.capabilities = state.capabilities_of(info)
    framework.constraints = constraints
    for offer in list(framework.offers.values()):
        if offer.role not in framework.roles:
            offers.rescind(state, offer, now)
    state.allocator.update_framework(
        framework.id, framework.roles, suppressed=suppressed, traits=state.traits(framework)
    )
    for task in framework.tasks.values():
        task.ready = None


def _show(state: State, framework: FrameworkRecord) -> None:
    """To operators who watch."""
    view = views.framework_view(framework, whole=False)
    state.publish(
        master.Event(
            type=master.EventType.FRAMEWORK_UPDATED, framework_updated=master.EventFrameworkUpdated(framework=view)
        )
    )


def _telling(state: State, agents: set[str], info: FrameworkInfo) -> Iterator[None]:
    """Agents that run something of it."""
    for agent_id in agents:
        if (agent := state.agents.get(agent_id)) is not None:
            state.send(agent, agent_link.UpdateFramework(framework=info))
            yield


def update(
    state: State, request: int, framework: FrameworkRecord, call: scheduler.CallUpdateFramework, now: float
) -> None:
    """UPDATE_FRAMEWORK: all or nothing, answered when done."""
    info = call.framework_info
    for said, problem in (
        ("Supplied FrameworkInfo is not valid", framework_problem(info, state.rules, completed=state.completed)),
        ("FrameworkInfo update is not valid", update_problem(framework.info, info)),
        (
            "'UpdateFramework' call is not valid",
            wishes_problem(info, call.suppressed_roles, call.offer_constraints, state.rules),
        ),
    ):
        if problem is not None:
            state.emit(Answer(request, 400, f"{said}: {problem}"))
            return
    problem = registration_problem(state.rules.acls, info, state.asker(framework))
    if problem is not None:
        state.emit(Answer(request, 403, problem))
        return
    before = framework.info
    _change(state, framework, info, call.suppressed_roles, call.offer_constraints, now)
    if _ordered(before) != _ordered(info):
        state.rest.append(_telling(state, framework.agents(), info))
        _show(state, framework)
    state.emit(Answer(request, 200))


def _ordered(info: FrameworkInfo) -> FrameworkInfo:
    """Alike for two that say the same in another order."""
    capabilities = tuple(sorted(info.capabilities, key=lambda one: one.type or ""))
    return msgspec.structs.replace(info, roles=tuple(sorted(info.roles)), capabilities=capabilities)


def stream_closed(state: State, stream: str, now: float) -> None:
    """The scheduler is away: offers go back, tasks stay for ``failover_timeout``."""
    framework = state.frameworks.get(state.streams.pop(stream, ""))
    if framework is None or framework.stream != stream:
        return
    framework.stream = None
    framework.active = False
    framework.disconnections += 1
    state.allocator.deactivate_framework(framework.id)
    inverse_offers.discard_all(state, framework)
    state.note("framework_disconnected", framework=framework.id)
    state.schedule(
        now + max(0.0, framework.info.failover_timeout), Deadline.FAILOVER, framework.id, framework.disconnections
    )
    state.rest.append(offers.rescinding(state, list(framework.offers.values()), now))


def failover_over(state: State, framework_id: str, disconnections: int, now: float) -> None:
    framework = state.frameworks.get(framework_id)
    if framework is not None and not framework.connected and framework.disconnections == disconnections:
        state.rest.append(removing(state, framework, "Framework did not return within its failover timeout", now))


def teardown(state: State, request: int, framework_id: str, now: float) -> None:
    """By an operator."""
    framework = state.frameworks.get(framework_id)
    if framework is None:
        state.emit(Answer(request, 400, "No framework found with specified ID"))
        return
    state.rest.append(_teardown(state, request, framework, now))


def _teardown(state: State, request: int, framework: FrameworkRecord, now: float) -> Iterator[None]:
    yield from removing(state, framework, "Framework was torn down", now)
    state.emit(Answer(request, 200))


def removing(state: State, framework: FrameworkRecord, why: str, now: float) -> Iterator[None]:
    """Its tasks end without updates, its agents are told, its id is completed; one thing after the other."""
    state.counters["messages_unregister_framework"] += 1
    state.allocator.deactivate_framework(framework.id)
    framework.active = False
    yield from offers.discarding(state, list(framework.offers.values()), now)
    inverse_offers.forget(state, framework)
    for agent_id in framework.agents():
        if (agent := state.agents.get(agent_id)) is not None:
            state.send(agent, agent_link.ShutdownFramework(framework_id=FrameworkID(value=framework.id)))
        yield
    for task in list(framework.tasks.values()):
        yield
        if framework.tasks.get(task.id) is not task:
            continue
        agent = state.agents[task.agent]
        if task.is_terminal:
            tasks.remove(state, framework, agent, task)
            continue
        status = tasks.status_of_master(
            task.id,
            TaskState.TASK_KILLED,
            TaskStatusReason.REASON_FRAMEWORK_REMOVED,
            "Framework " + framework.id + " removed",
            now,
            agent=task.agent,
            executor=task.message.executor_id,
        )
        tasks.end(state, framework, agent, task, status, silent=True)
    for agent_id, executor_id in list(framework.executors):
        if (agent := state.agents.get(agent_id)) is not None:  # an agent that was drained by this may be gone by now
            tasks.remove_executor(state, framework, agent, executor_id)
        yield
    apart = list(framework.unreachable.values())
    for task in apart:
        tasks.bring_back(state, framework, task.id)
    state.census.forget(framework.id)
    framework.completed.extend(apart)
    if framework.stream is not None:
        state.streams.pop(framework.stream, None)
        state.emit(CloseStream(framework.stream))
        framework.stream = None
    framework.active = False
    framework.unregistered = now
    operations.framework_removed(state, framework)
    state.allocator.remove_framework(framework.id)
    del state.frameworks[framework.id]
    state.completed[framework.id] = framework
    while len(state.completed) > state.rules.max_completed_frameworks:
        state.completed.popitem(last=False)
    state.note("framework_removed", framework=framework.id, why=why)
    removed = master.EventFrameworkRemoved(framework_info=framework.info)
    state.publish(master.Event(type=master.EventType.FRAMEWORK_REMOVED, framework_removed=removed))


def _own_roles(
    state: State, framework: FrameworkRecord, call: scheduler.CallRevive | scheduler.CallSuppress | None
) -> tuple[str, ...] | None:
    """Those asked for, or all when none are; None if any is not the framework's: that makes all of the call void."""
    if call is None or not call.roles:
        return framework.roles
    if set(call.roles) <= set(framework.roles):
        return call.roles
    state.counters["dropped_messages"] += 1
    return None


def revive(state: State, framework: FrameworkRecord, call: scheduler.CallRevive | None) -> None:
    state.counters["messages_revive_offers"] += 1
    if (roles := _own_roles(state, framework, call)) is not None:
        inverse_offers.ask_again(state, framework)
        state.allocator.revive(framework.id, roles)


def suppress(state: State, framework: FrameworkRecord, call: scheduler.CallSuppress | None) -> None:
    state.counters["messages_suppress_offers"] += 1
    if (roles := _own_roles(state, framework, call)) is not None:
        state.allocator.suppress(framework.id, roles)
