"""The agents of the registry when a master comes to lead, and those that it forgets.

Admitted agents have ``agent_reregister_s`` to come back to a new leader; whoever does not is given up, unless that would be
too many.

Source: Mesos master (recovery, ``--recovery_agent_removal_limit``, registry garbage collection).
"""

from __future__ import annotations

from collections.abc import Iterator

from dcos.master.core import loss
from dcos.master.core.effects import Abort, Write
from dcos.master.core.registry import AgentEntry, Standing
from dcos.master.core.state import Deadline, State
from dcos.model.durations import text as duration_text


def recovered(state: State, entries: tuple[tuple[str, AgentEntry], ...], now: float) -> None:
    """This master leads; admitted agents have ``agent_reregister_s`` to come back."""
    state.elected = now
    state.recovered_at = now
    for agent_id, entry in entries:
        home = {
            Standing.ADMITTED: state.recovered,
            Standing.UNREACHABLE: state.unreachable,
            Standing.GONE: state.gone,
        }[entry.standing]
        home[agent_id] = entry
    state.awaited = len(state.recovered)
    if state.recovered:
        state.schedule(now + state.rules.agent_reregister_s, Deadline.RECOVERY)
    state.schedule(now + state.rules.allocation_interval_s, Deadline.CYCLE)
    state.schedule(now + state.rules.registry_gc_s, Deadline.REGISTRY)


def recovery_over(state: State, now: float) -> Iterator[None]:
    """Whoever did not come back after the change of leader is unreachable, one by one; if those are too many, something is
    wrong."""
    missing = len(state.recovered)
    if not missing:
        return
    part = missing / state.awaited
    if part > state.rules.recovery_removal_limit:
        state.emit(
            Abort(
                f"Post-recovery agent removal limit exceeded! After {state.rules.agent_reregister_s:g} s {missing} "
                f"({part:.0%}) of {state.awaited} agents recovered from the registry did not re-register: "
                f"{', '.join(list(state.recovered)[:20])}. The limit is {state.rules.recovery_removal_limit:.0%}"
            )
        )
        return
    why = f"did not reregister within {duration_text(state.rules.agent_reregister_s)} after master failover"
    for agent_id in list(state.recovered):
        yield
        if agent_id in state.recovered:
            loss.suspect(state, agent_id, why, now)


def collect_registry(state: State, now: float) -> None:
    """Forget the oldest unreachable and gone agents beyond the registry's bounds."""
    for home in (state.unreachable, state.gone):
        by_age = sorted(home, key=lambda agent_id: home[agent_id].since)
        surplus = len(by_age) - state.rules.registry_max_count
        for position, agent_id in enumerate(by_age):
            if position < surplus or now - home[agent_id].since > state.rules.registry_max_age_s:
                del home[agent_id]
                loss.returned(state, agent_id)
                state.emit(Write(agent_id, None))
    state.schedule(now + state.rules.registry_gc_s, Deadline.REGISTRY)
