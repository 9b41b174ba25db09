"""Agents in the JSON of old, and ``/slaves``.   An agent's JSON is kept ready in its record until it changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter, is_

from dcos.master.core import views
from dcos.master.core.records import AgentRecord
from dcos.master.core.registry import AgentEntry
from dcos.master.core.state import State
from dcos.master.core.viewer import ALL, Viewer
from dcos.master.v0.parts import Json, attribute_map, encode, resources
from dcos.model.resources import Form
from dcos.model.v1.types import (
    Resource,
)
from dcos.wire.spliced import Spliced

agent_key = attrgetter(
    "info",
    "pid",
    "registered",
    "reregistered",
    "total",
    "used",
    "offered",
    "link",
    "deactivated",
    "version",
    "capabilities",
    "drain",
    "drain_started",
)
"""All that an agent's JSON is made of. These are values, mostly the same objects, which makes comparing them cheap."""


def agent_ready(record: AgentRecord) -> bytes:
    """The JSON of ``agent`` for those who may see all."""
    key = agent_key(record)
    if record.ready is None or record.ready[0] != key:
        record.ready = key, encode(agent(record))
    return record.ready[1]


def agent_full_ready(record: AgentRecord) -> bytes:
    """As ``agent_ready``; it also tells which role holds what, so that equal sums are not enough."""
    key = agent_key(record)
    if record.ready_full is None or not all(map(is_, record.ready_full[0], key)):
        record.ready_full = key, encode(_agent_full(record, ALL))
    return record.ready_full[1]


def fragments(given: Iterable[AgentRecord], viewer: Viewer) -> list[bytes]:
    """Each agent's JSON."""
    if viewer.limited:
        return [encode(agent(one, viewer)) for one in given]
    return [agent_ready(one) for one in given]


def agent(record: AgentRecord, viewer: Viewer = ALL) -> Json:
    out: Json = {
        "id": record.id,
        "hostname": record.info.hostname,
        "port": record.info.port,
        "attributes": attribute_map(record.info.attributes),
    }
    if record.info.domain is not None:
        out["domain"] = record.info.domain
    out["pid"] = record.pid
    out["registered_time"] = record.registered
    if record.reregistered:
        out["reregistered_time"] = record.reregistered
    out |= {
        "resources": resources(record.total),
        "used_resources": resources(record.used),
        "offered_resources": resources(record.offered),
        "reserved_resources": {
            role: resources(one) for role, one in record.total.reserved().items() if viewer.role(role)
        },
        "unreserved_resources": resources(record.total.unreserved()),
        "active": record.active,
        "deactivated": record.deactivated,
        "version": record.version,
        "capabilities": sorted(record.capabilities),
    }
    if record.drain is not None:
        out["drain_info"] = record.drain
    if record.drain_started is not None:
        out["estimated_drain_start_time_seconds"] = record.drain_started
    return out


def _agent_full(record: AgentRecord, viewer: Viewer) -> Json:
    def seen(given: Iterable[Resource]) -> list[Resource]:
        return [one for one in given if viewer.resource(one)]

    out = agent(record, viewer)
    out["reserved_resources_full"] = {
        role: seen(one.messages(form=Form.ENDPOINT))
        for role, one in record.total.reserved().items()
        if viewer.role(role)
    }
    out["unreserved_resources_full"] = record.total.unreserved().messages(form=Form.ENDPOINT)
    out["used_resources_full"] = seen(views.held_messages(record, offered=False))
    out["offered_resources_full"] = seen(views.held_messages(record, offered=True))
    return out


def _recovered(agent_id: str, entry: AgentEntry) -> Json:
    out: Json = {
        "id": agent_id,
        "hostname": entry.info.hostname,
        "port": entry.info.port,
        "attributes": attribute_map(entry.info.attributes),
    }
    if entry.info.domain is not None:
        out["domain"] = entry.info.domain
    return out


def recovered_all(state: State, only: str | None = None) -> list[Json]:
    return [_recovered(name, entry) for name, entry in state.recovered.items() if only in (None, name)]


def slaves(state: State, query: Mapping[str, str], viewer: Viewer = ALL) -> Spliced:
    only = query.get("slave_id")
    shown = [one for one in state.agents.values() if only in (None, one.id)]
    made = Spliced(b'{"slaves":[')
    if viewer.limited:
        made.run([encode(_agent_full(one, viewer)) for one in shown])
    else:
        made.run([agent_full_ready(one) for one in shown])
    made.text(b'],"recovered_slaves":%b}' % encode(recovered_all(state, only)))
    return made
