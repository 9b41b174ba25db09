"""The registry as ``/registrar(1)/registry`` shows it: upstream's one message, though ours is many small nodes."""

from __future__ import annotations

from typing import Any

import msgspec

from dcos.master.core import machines
from dcos.master.core.records import AgentRecord
from dcos.master.core.registry import AgentEntry, Standing
from dcos.master.core.state import State
from dcos.model.resource_messages import Form
from dcos.model.resources import Resources
from dcos.model.v1.types import AgentInfo, MachineInfo, MasterInfo

Json = dict[str, Any]


def registry_json(state: State) -> Json:
    """Empty parts are left out, as upstream's JSON of messages leaves them out."""
    out: Json = {"master": {"info": _master(state.info)}}
    agents = [_agent(one) for one in state.agents.values()]
    agents += [_agent(one) for one in state.recovered.values()]
    if agents:
        out["slaves"] = {"slaves": agents}
    for name, entries in (("unreachable", state.unreachable), ("gone", state.gone)):
        if entries:
            out[name] = {"slaves": [_lost(agent_id, entry) for agent_id, entry in entries.items()]}
    weights = [{"info": {"role": role, "weight": weight}} for role, weight in sorted(state.allocator.weights.items())]
    if weights:
        out["weights"] = weights
    if state.quotas:
        out["quota_configs"] = list(state.quotas.values())
        out["minimum_capabilities"] = [{"capability": "QUOTA_V2"}]
    if state.machines:
        infos = [
            MachineInfo(id=one.id, mode=one.mode, unavailability=one.unavailability) for one in state.machines.values()
        ]
        out["machines"] = {"machines": [{"info": info} for info in infos]}
        out["schedules"] = [machines.schedule(state)]
    return out


def _master(info: MasterInfo) -> Json:
    shown: Json = msgspec.to_builtins(info)
    return shown | {"capabilities": [one if one else {"type": "QUOTA_V2"} for one in shown.get("capabilities", ())]}


def _agent(record: AgentRecord | AgentEntry) -> Json:
    out: Json = {"info": _info(record.info), "deactivated": record.deactivated}
    if record.drain is not None:
        out["drain_info"] = record.drain
    return out


def _lost(agent_id: str, entry: AgentEntry) -> Json:
    out: Json = {"id": {"value": agent_id}, "timestamp": {"nanoseconds": int(entry.since * 1e9)}}
    if entry.standing is Standing.UNREACHABLE and (entry.deactivated or entry.drain is not None):
        out["deactivated"] = entry.deactivated
        if entry.drain is not None:
            out["drain_info"] = entry.drain
    return out


def _info(info: AgentInfo) -> Json:
    """With resources as endpoints show them (``role`` said)."""
    shown: Json = msgspec.to_builtins(info)
    shown["resources"] = Resources.of(info.resources).messages(form=Form.ENDPOINT)
    return {**shown, "checkpoint": True}
