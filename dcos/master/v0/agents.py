"""Agents in the JSON of old, and ``/slaves``.   An agent's JSON is kept ready until it changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from dcos.master.core import views
from dcos.master.core.records import AgentRecord
from dcos.master.core.registry import AgentEntry
from dcos.master.core.state import State
from dcos.master.core.viewer import ALL, Viewer
from dcos.master.v0.parts import Json, attribute_map, encode, resources
from dcos.model.resource_messages import Form
from dcos.model.v1.types import (
    Resource,
)
from dcos.wire.spliced import Spliced

_Kept = tuple[int, bytes]
"""The stamp of the record that a text was made of, and the text."""


class AgentTexts:
    """Each agent's JSON as one viewer sees it.

    Of those who see all it is kept in the records; what is made for another lives as long as this.
    """

    def __init__(self, viewer: Viewer = ALL) -> None:
        self.viewer = viewer
        self._own = viewer.limited
        self._short: dict[str, _Kept] = {}
        self._full: dict[str, _Kept] = {}

    def knows_short(self, record: AgentRecord) -> bool:
        kept = self._short.get(record.id) if self._own else record.ready
        return kept is not None and kept[0] == record.stamp

    def short(self, record: AgentRecord) -> bytes:
        """As ``/state`` has it."""
        kept = self._short.get(record.id) if self._own else record.ready
        if kept is None or kept[0] != record.stamp:
            kept = record.stamp, encode(agent(record, self.viewer))
            if self._own:
                self._short[record.id] = kept
            else:
                record.ready = kept
        return kept[1]

    def knows_full(self, record: AgentRecord) -> bool:
        kept = self._full.get(record.id) if self._own else record.ready_full
        return kept is not None and kept[0] == record.stamp

    def full(self, record: AgentRecord) -> bytes:
        """As ``/slaves`` has it."""
        kept = self._full.get(record.id) if self._own else record.ready_full
        if kept is None or kept[0] != record.stamp:
            kept = record.stamp, encode(agent_full(record, self.viewer))
            if self._own:
                self._full[record.id] = kept
            else:
                record.ready_full = kept
        return kept[1]


SHARED: Final = AgentTexts(ALL)
"""For all who may see all."""


def texts_for(viewer: Viewer) -> AgentTexts:
    return AgentTexts(viewer) if viewer.limited else SHARED


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


def agent_full(record: AgentRecord, viewer: Viewer = ALL) -> Json:
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


def slaves(state: State, query: Mapping[str, str], texts: AgentTexts = SHARED) -> Spliced:
    only = query.get("slave_id")
    shown = [one for one in state.agents.values() if only in (None, one.id)]
    made = Spliced(b'{"slaves":[')
    made.run([texts.full(one) for one in shown])
    made.text(b'],"recovered_slaves":%b}' % encode(recovered_all(state, only)))
    return made
