"""Pings: a silent agent is given up after ``max_missed_pings`` of them, linked or not.

Source: Mesos master (SlaveObserver).
"""

from __future__ import annotations

from dcos.master.core import loss
from dcos.master.core.records import AgentRecord
from dcos.master.core.state import Deadline, State
from dcos.wire import agent_link


def start(state: State, agent: AgentRecord, now: float) -> None:
    """``agent`` has registered, or come back."""
    state.schedule(now + state.rules.ping_s, Deadline.PING, agent.id, _generation(agent))


def ping(state: State, agent_id: str, generation: int, now: float) -> None:
    """Once per ping interval and agent."""
    agent = state.agents.get(agent_id)
    if agent is None or generation != _generation(agent):
        return
    if agent.heard and agent.connected:
        agent.missed = 0
        loss.trusted(state, agent_id)
    else:
        agent.missed += 1
    if agent.missed >= state.rules.max_missed_pings:
        loss.suspect(state, agent_id, "health check timed out", now)
        if agent_id not in state.agents:
            return
    agent.heard = False
    state.send(agent, agent_link.Ping())
    state.schedule(now + state.rules.ping_s, Deadline.PING, agent_id, generation)


def _generation(agent: AgentRecord) -> int:
    """Differs between two registrations of the same id."""
    return int((agent.reregistered or agent.registered) * 1000) if agent.registered else 0
