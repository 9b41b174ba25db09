"""Which listed machine an agent is on, and how schedule and status of maintenance read.

An agent is on a machine when host name (in any case) and ip are the machine's; a machine given by one of the two only is
matched by that one.

Source: Mesos docs/maintenance.md.
"""

from __future__ import annotations

from dcos.master.core.records import AgentRecord
from dcos.master.core.registry import MachineEntry, MachineKey, machine_key
from dcos.master.core.state import State
from dcos.model.v1 import maintenance
from dcos.model.v1.types import MachineInfoMode
from dcos.wire.pid import pid_address


def machine_of(state: State, hostname: str, pid: str) -> MachineEntry | None:
    """The listed machine that such an agent is on."""
    if not state.machines:
        return None
    host, ip = hostname.lower(), (pid_address(pid) or ("", 0))[0]
    for key in ((host, ip), (host, ""), ("", ip)):
        found = state.machines.get(key)
        if found is not None:
            return found
    return None


def is_down(state: State, hostname: str, pid: str) -> bool:
    found = machine_of(state, hostname, pid)
    return found is not None and found.mode is MachineInfoMode.DOWN


def attach(state: State, agent: AgentRecord) -> None:
    """The agent is (back) here: what the schedule says of its machine is its own."""
    found = machine_of(state, agent.info.hostname, agent.pid)
    agent.unavailability = found.unavailability if found is not None else None
    if agent.unavailability is not None:
        state.leaving[agent.id] = None


# ---- shown -----------------------------------------------------------------------------------------------------------


def schedule(state: State) -> maintenance.Schedule:
    windows: dict[int, list[MachineEntry]] = {}
    for entry in state.machines.values():
        windows.setdefault(entry.window, []).append(entry)
    return maintenance.Schedule(
        windows=tuple(
            maintenance.Window(machine_ids=tuple(one.id for one in entries), unavailability=entries[0].unavailability)
            for entries in windows.values()
        )
    )


def status(state: State) -> maintenance.ClusterStatus:
    """What frameworks answered is not kept over a change of leader."""
    answers: dict[MachineKey, list[AgentRecord]] = {}
    for agent in state.agents.values():
        found = machine_of(state, agent.info.hostname, agent.pid)
        if found is not None:
            answers.setdefault(machine_key(found.id), []).append(agent)
    return maintenance.ClusterStatus(
        draining_machines=tuple(
            maintenance.ClusterStatusDrainingMachine(
                id=entry.id,
                statuses=tuple(answer for agent in answers.get(key, ()) for answer in agent.answers.values()),
            )
            for key, entry in state.machines.items()
            if entry.mode is MachineInfoMode.DRAINING
        ),
        down_machines=tuple(entry.id for entry in state.machines.values() if entry.mode is MachineInfoMode.DOWN),
    )
