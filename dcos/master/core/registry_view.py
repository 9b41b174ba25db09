"""The registry as ``/registrar(1)/registry`` shows it: upstream's one message, though ours is many small nodes."""

from __future__ import annotations

from typing import Any

import msgspec

from dcos.master.core.records import AgentRecord
from dcos.master.core.registry import AgentEntry
from dcos.master.core.state import State
from dcos.model.resources import Form, Resources
from dcos.model.v1.types import AgentInfo

Json = dict[str, Any]


def registry_json(state: State) -> Json:
    """Empty parts are left out, as upstream's JSON of messages leaves them out."""
    out: Json = {"master": {"info": state.info}}
    agents = [_agent(one) for one in state.agents.values()]
    agents += [_entry(one) for one in state.recovered.values()]
    if agents:
        out["slaves"] = {"slaves": agents}
    for name, entries in (("unreachable", state.unreachable), ("gone", state.gone)):
        if entries:
            out[name] = {"slaves": [_lost(agent_id, entry) for agent_id, entry in entries.items()]}
    weights = [{"info": {"role": role, "weight": weight}} for role, weight in sorted(state.allocator.weights.items())]
    if weights:
        out["weights"] = weights
    return out


def _agent(record: AgentRecord) -> Json:
    return {"info": _info(record.info), "deactivated": record.deactivated}


def _entry(entry: AgentEntry) -> Json:
    return {"info": _info(entry.info), "deactivated": False}


def _lost(agent_id: str, entry: AgentEntry) -> Json:
    return {"id": {"value": agent_id}, "timestamp": {"nanoseconds": int(entry.since * 1e9)}}


def _info(info: AgentInfo) -> Json:
    """With resources as endpoints show them (``role`` said)."""
    shown: Json = msgspec.to_builtins(info)
    shown["resources"] = Resources.of(info.resources).messages(form=Form.ENDPOINT)
    return {**shown, "checkpoint": True}
