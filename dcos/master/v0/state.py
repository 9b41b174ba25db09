"""``/state`` and ``/state-summary``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from operator import attrgetter
from types import MappingProxyType

from dcos.master.core.records import FrameworkRecord
from dcos.master.core.state import State
from dcos.master.core.viewer import ALL, Viewer
from dcos.master.v0.agents import agent, agent_ready, listed_agents, recovered_all
from dcos.master.v0.frameworks import framework, framework_head
from dcos.master.v0.parts import Json, encode, listed
from dcos.master.version import VERSION_INFO

COUNTED = (
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_FINISHED",
    "TASK_KILLED",
    "TASK_FAILED",
    "TASK_LOST",
    "TASK_ERROR",
    "TASK_UNREACHABLE",
)

_COUNTS = b",".join(b'"%b":%%d' % name.encode() for name in COUNTED)


def state_json(
    state: State,
    flags: Mapping[str, str] | None,
    cluster: str | None,
    viewer: Viewer = ALL,
    logs: Mapping[str, str] = MappingProxyType({}),
) -> Json:
    """``flags`` None: hidden from the asker. ``logs``: ``log_dir`` and ``external_log_file`` where they are set."""
    info = state.info
    active = sum(one.active for one in state.agents.values())
    out: Json = dict(VERSION_INFO)
    out["start_time"] = state.started
    if state.elected is not None:
        out["elected_time"] = state.elected
    out |= {
        "id": info.id,
        "pid": info.pid,
        "hostname": info.hostname,
        "capabilities": [one.type or "QUOTA_V2" for one in info.capabilities],
        "activated_slaves": float(active),
        "deactivated_slaves": float(len(state.agents) - active),
        "unreachable_slaves": float(len(state.unreachable)),
        "leader": info.pid,
        "leader_info": {"id": info.id, "pid": info.pid, "port": info.port, "hostname": info.hostname},
    }
    if info.domain is not None:
        out["domain"] = info.domain
        out["leader_info"]["domain"] = info.domain
    if cluster is not None:
        out["cluster"] = cluster
    out |= logs
    if flags is not None:
        out["flags"] = flags
    out["slaves"] = listed_agents(state.agents.values(), viewer)
    out["recovered_slaves"] = recovered_all(state)
    for name, given in (("frameworks", state.frameworks), ("completed_frameworks", state.completed)):
        out[name] = [framework(one, viewer) for one in given.values() if viewer.framework(one.info)]
    out["orphan_tasks"] = []
    out["unregistered_frameworks"] = []
    return out


def summary(state: State, cluster: str | None, viewer: Viewer = ALL) -> Json:
    by_agent: dict[str, dict[str, int]] = {name: {} for name in state.agents}
    frameworks_on: dict[str, dict[str, None]] = {name: {} for name in state.agents}
    shown: list[Json] = []
    for record in state.frameworks.values():
        counts: Counter[str] = Counter()
        agents: dict[str, None] = {}
        for (name, task_state), count in _whereabouts(record).items():
            counts[task_state] += count
            agents[name] = None
            if (here := by_agent.get(name)) is not None:
                here[task_state] = here.get(task_state, 0) + count
                frameworks_on[name][record.id] = None
        if not viewer.framework(record.info):
            continue
        head = framework_head(record)
        head.update((name, counts[name]) for name in COUNTED)
        head["slave_ids"] = list(agents)
        shown.append(head)
    slaves_shown: list[bytes] = []
    limited = viewer.limited
    texts: dict[tuple[tuple[str, int], ...], bytes] = {}
    for machine in state.agents.values():
        made = encode(agent(machine, viewer)) if limited else agent_ready(machine)
        here = by_agent[machine.id]
        alike = tuple(here.items())
        if (numbers := texts.get(alike)) is None:
            numbers = texts[alike] = _COUNTS % tuple(here.get(name, 0) for name in COUNTED)
        slaves_shown.append(b'%b,%b,"framework_ids":%b}' % (made[:-1], numbers, encode([*frameworks_on[machine.id]])))
    out: Json = {"hostname": state.info.hostname}
    if cluster is not None:
        out["cluster"] = cluster
    return out | {"slaves": listed(slaves_shown), "frameworks": shown}


_place, _name_of_state = attrgetter("agent"), attrgetter("message.state._value_")


def _whereabouts(record: FrameworkRecord) -> Counter[tuple[str, str]]:
    """How many of its tasks are on which agent in which state."""
    out: Counter[tuple[str, str]] = Counter()
    for group in (record.tasks.values(), record.unreachable.values(), record.completed):
        out.update(zip(map(_place, group), map(_name_of_state, group), strict=True))
    return out
