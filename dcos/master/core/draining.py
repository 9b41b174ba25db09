"""Taking agents out of use: deactivated (no new offers), drained (their tasks end too), reactivated.

A draining agent is deactivated and told to end its tasks; when nothing is left on it, not even an unacknowledged end, it is
DRAINED, or gone if that was asked for. The registry has it all: an agent that is away is told when it comes back.

Source: Mesos DRAIN_AGENT, DEACTIVATE_AGENT, REACTIVATE_AGENT (order of checks, texts, states).
"""

from __future__ import annotations

import msgspec

from dcos.master.core import admission, inverse_offers, loss, offers
from dcos.master.core.effects import Answer, Write
from dcos.master.core.machines import machine_of
from dcos.master.core.records import AgentRecord
from dcos.master.core.registry import AgentEntry
from dcos.master.core.state import State
from dcos.model.v1 import master
from dcos.model.v1.types import (
    AgentInfoCapabilityType,
    DrainConfig,
    DrainInfo,
    DrainState,
    DurationInfo,
    MachineID,
    ProtobufDuration,
)

_LONGEST = 2**63 - 1
"""Nanoseconds that fit the message."""


def drain(state: State, request: int, call: master.CallDrainAgent, now: float) -> None:
    agent_id = call.agent_id.value
    agent = state.agents.get(agent_id)
    problem = None if agent is None else _drain_problem(state, agent)
    if problem is None and agent is None and _absent(state, agent_id) is None:
        problem = "Unknown agent"
    if problem is not None:
        state.emit(Answer(request, 400, problem))
        return
    config = DrainConfig(max_grace_period=_duration(call.max_grace_period), mark_gone=call.mark_gone)
    info = DrainInfo(state=DrainState.DRAINING, config=config)
    if agent is None:
        _note_absent(state, agent_id, deactivated=True, drain=info)
    else:
        agent.drain = info
        _deactivate(state, agent, now)
        state.emit(Write(agent_id, loss.entry_of(agent)))
        admission.tell_draining(state, agent, now)
    state.note("agent_draining", agent=agent_id)
    state.emit(Answer(request, 200))


def _drain_problem(state: State, agent: AgentRecord) -> str | None:
    found = machine_of(state, agent.info.hostname, agent.pid)
    if found is not None:
        return f"Agent {agent.id} is part of a maintenance schedule under Machine {_machine_text(found.id)}"
    if AgentInfoCapabilityType.AGENT_DRAINING not in agent.capabilities:
        return f"Agent {agent.id} is not capable of draining"
    return None


def _machine_text(machine: MachineID) -> str:
    if machine.hostname and machine.ip:
        return f"{machine.hostname} ({machine.ip})"
    return machine.hostname or machine.ip or ""


def _duration(given: ProtobufDuration | None) -> DurationInfo | None:
    if given is None:
        return None
    nanoseconds = (given.seconds or 0) * 1_000_000_000 + (given.nanos or 0)
    return DurationInfo(nanoseconds=max(0, min(nanoseconds, _LONGEST)))


def _absent(state: State, agent_id: str) -> AgentEntry | None:
    return state.recovered.get(agent_id) or state.unreachable.get(agent_id)


def _note_absent(state: State, agent_id: str, *, deactivated: bool, drain: DrainInfo | None) -> None:
    """Told when it comes back."""
    home = state.recovered if agent_id in state.recovered else state.unreachable
    entry = msgspec.structs.replace(home[agent_id], deactivated=deactivated, drain=drain)
    home[agent_id] = entry
    state.emit(Write(agent_id, entry))


def _deactivate(state: State, agent: AgentRecord, now: float) -> None:
    agent.deactivated = True
    state.allocator.deactivate_agent(agent.id)
    offers.rescind_all(state, agent, now)
    inverse_offers.rescind_all(state, agent)


def deactivate(state: State, request: int, agent_id: str, now: float) -> None:
    agent = state.agents.get(agent_id)
    absent = _absent(state, agent_id)
    if agent is not None:
        _deactivate(state, agent, now)
        state.emit(Write(agent_id, loss.entry_of(agent)))
    elif absent is not None:
        _note_absent(state, agent_id, deactivated=True, drain=absent.drain)
    else:
        state.emit(Answer(request, 400, "Unknown agent"))
        return
    state.note("agent_deactivated", agent=agent_id)
    state.emit(Answer(request, 200))


def reactivate(state: State, request: int, agent_id: str) -> None:
    agent = state.agents.get(agent_id)
    known: AgentRecord | AgentEntry | None = agent if agent is not None else _absent(state, agent_id)
    if known is None or not known.deactivated:
        state.emit(Answer(request, 400, "Agent is not deactivated"))
        return
    if known.drain is not None and known.drain.state is DrainState.DRAINING:
        state.emit(Answer(request, 400, "Agent is still in the DRAINING state"))
        return
    state.note("agent_reactivated", agent=agent_id)
    if agent is None:
        _note_absent(state, agent_id, deactivated=False, drain=None)
        state.emit(Answer(request, 409, "Agent removed while processing the call"))
        return
    agent.deactivated, agent.drain, agent.drain_started = False, None, None
    state.emit(Write(agent_id, loss.entry_of(agent)))
    if agent.connected:
        state.allocator.activate_agent(agent_id)
    state.emit(Answer(request, 200))


def settle(state: State, now: float) -> None:
    """Draining agents with nothing left are drained, or gone."""
    if not state.drained:
        return
    looked, state.drained = state.drained, set()
    for agent_id in sorted(looked):
        agent = state.agents.get(agent_id)
        if agent is None or agent.drain is None or not agent.draining or agent.tasks or agent.operations:
            continue
        state.note("agent_drained", agent=agent_id)
        if agent.drain.config.mark_gone:
            loss.gone(state, agent_id, now)
            continue
        agent.drain = msgspec.structs.replace(agent.drain, state=DrainState.DRAINED)
        state.emit(Write(agent_id, loss.entry_of(agent)))
