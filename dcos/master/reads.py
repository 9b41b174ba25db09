"""The big reads of the operators' API, put together from fragments of each encoding that lie ready in the records.

``READS`` is the table of them. A message never changes, so that what was made of it holds for as long as the record has it.

Source: Mesos operator API; arrays of GET_STATE and its parts are written even when empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter, is_
from typing import Any

import msgspec

from dcos.master.core import operations, views
from dcos.master.core.records import (
    AgentRecord,
    Encoded,
    ExecutorRecord,
    FrameworkRecord,
    InverseOfferRecord,
    OfferRecord,
    OperationRecord,
    TaskRecord,
)
from dcos.master.core.state import State
from dcos.master.core.viewer import ALL, Viewer, agent_seen
from dcos.model.conversions import resources_of
from dcos.model.v1 import master
from dcos.model.v1.master import CallType
from dcos.model.v1.scheduler import OfferConstraints
from dcos.model.v1.types import AgentInfo, InverseOffer, Offer, Operation, Task
from dcos.wire.mesos_codec import JSON, Codec, Run
from dcos.wire.spliced import Spliced


class Fragments:
    """Each object in one encoding, made when it is first asked for after a change.

    Those for a viewer from whom something is hidden have agents of their own and end with his request.
    """

    def __init__(self, codec: Codec, viewer: Viewer = ALL) -> None:
        self.codec = codec
        self.viewer = viewer
        self.made = 0
        """How many had to be made."""
        self._slot = "as_json" if codec is JSON else "as_protobuf"
        self._get: Callable[[Any], tuple[Any, bytes] | None] = attrgetter(self._slot)
        self._agents: dict[str, tuple[int, bytes]] | None = {} if viewer.limited else None
        self._recovered: dict[str, tuple[AgentInfo, bytes]] = {}

    def _encode(self, body: Any, kind: type[msgspec.Struct]) -> bytes:
        self.made += 1
        return self.codec.fragment(body, kind)

    def _of(self, record: Encoded, message: object, kind: type[msgspec.Struct]) -> bytes:
        kept = self._get(record)
        if kept is None or kept[0] is not message:
            kept = message, self._encode(message, kind)
            setattr(record, self._slot, kept)
        return kept[1]

    def tasks(self, records: Iterable[TaskRecord]) -> list[bytes]:
        get = self._get
        return [
            kept[1] if (kept := get(one)) is not None and kept[0] is one.message else self._of(one, one.message, Task)
            for one in records
        ]

    def task(self, record: TaskRecord) -> bytes:
        return self._of(record, record.message, Task)

    def offer(self, record: OfferRecord) -> bytes:
        return self._of(record, record.message, Offer)

    def inverse_offer(self, record: InverseOfferRecord) -> bytes:
        return self._of(record, record.message, InverseOffer)

    def executor(self, record: ExecutorRecord) -> bytes:
        kept = self._get(record)
        if kept is None or kept[0] is not record.info:
            body = {"executor_info": record.info, "agent_id": {"value": record.agent}}
            kept = record.info, self._encode(body, master.ResponseGetExecutorsExecutor)
            setattr(record, self._slot, kept)
        return kept[1]

    def operation(self, record: OperationRecord) -> bytes:
        key = (record.latest, record.statuses, record.info, record.framework)
        kept = self._get(record)
        if kept is None or not all(map(is_, kept[0], key)):
            kept = key, self._encode(operations.message_of(record), Operation)
            setattr(record, self._slot, kept)
        return kept[1]

    def agent(self, record: AgentRecord) -> bytes:
        kept = self._get(record) if self._agents is None else self._agents.get(record.id)
        if kept is None or kept[0] != record.stamp:
            view = agent_seen(views.agent_view(record), self.viewer)
            kept = record.stamp, self._encode(view, master.ResponseGetAgentsAgent)
            if self._agents is None:
                setattr(record, self._slot, kept)
            else:
                self._agents[record.id] = kept
        return kept[1]

    def recovered(self, agent_id: str, info: AgentInfo) -> bytes:
        kept = self._recovered.get(agent_id)
        if kept is None or kept[0] is not info:
            kept = self._recovered[agent_id] = info, self._encode(info, AgentInfo)
        return kept[1]

    def forget(self, state: State) -> None:
        """Agents that are not recovered any more."""
        if len(self._recovered) > 2 * len(state.recovered):
            self._recovered = {name: kept for name, kept in self._recovered.items() if name in state.recovered}


def _frameworks(state: State, made: Fragments) -> list[FrameworkRecord]:
    return [one for one in (*state.frameworks.values(), *state.completed.values()) if made.viewer.framework(one.info)]


def _tasks_of(made: Fragments, frameworks: Iterable[FrameworkRecord], kind: str) -> Iterator[TaskRecord]:
    """``kind``: tasks, unreachable or completed."""
    for one in frameworks:
        group = getattr(one, kind)
        yield from made.viewer.tasks(group if kind == "completed" else group.values(), one.info)


def get_tasks(state: State, made: Fragments) -> Spliced:
    frameworks = _frameworks(state, made)
    kinds = {"tasks": "tasks", "unreachable_tasks": "unreachable", "completed_tasks": "completed"}
    members = {name: Run(made.tasks(_tasks_of(made, frameworks, kind))) for name, kind in kinds.items()}
    return made.codec.compose(master.ResponseGetTasks, members)


def get_executors(state: State, made: Fragments) -> Spliced:
    shown = [
        made.executor(executor)
        for framework in state.frameworks.values()
        if made.viewer.framework(framework.info)
        for executor in made.viewer.executors(framework.executors.values(), framework.info)
    ]
    return made.codec.compose(master.ResponseGetExecutors, {"executors": Run(shown)})


def _framework(record: FrameworkRecord, made: Fragments) -> Spliced:
    """Offers, of which there may be as many as agents, behind what is encoded now."""
    kind = master.ResponseGetFrameworksFramework
    view = msgspec.structs.replace(views.framework_view(record), offers=(), inverse_offers=())
    head: dict[str, Any] = {
        name: value for name in view.__struct_fields__ if (value := getattr(view, name)) is not None and value != ()
    }
    head["offer_constraints"] = record.constraints or OfferConstraints()
    runs = {
        "offers": [made.offer(one) for one in record.offers.values()],
        "inverse_offers": [made.inverse_offer(one) for one in record.inverse_offers.values()],
    }
    members = {name: Run(fragments) for name, fragments in runs.items() if fragments}
    return made.codec.compose(kind, members, made.codec.encode(head, kind))


def get_frameworks(state: State, made: Fragments) -> Spliced:
    members = {
        name: [_framework(one, made) for one in given.values() if made.viewer.framework(one.info)]
        for name, given in (("frameworks", state.frameworks), ("completed_frameworks", state.completed))
    }
    return made.codec.compose(master.ResponseGetFrameworks, members)


def get_agents(state: State, made: Fragments) -> Spliced:
    members = {
        "agents": Run([made.agent(one) for one in state.agents.values()]),
        "recovered_agents": Run([made.recovered(name, entry.info) for name, entry in state.recovered.items()]),
    }
    made.forget(state)
    return made.codec.compose(master.ResponseGetAgents, members)


def get_operations(state: State, made: Fragments) -> Spliced:
    shown = [
        made.operation(record)
        for agent in state.agents.values()
        for record in agent.operations.values()
        if all(made.viewer.resource(one) for one in resources_of(record.info))
    ]
    return made.codec.compose(master.ResponseGetOperations, {"operations": Run(shown)} if shown else {})


def get_state(state: State, made: Fragments) -> Spliced:
    members = {
        "get_tasks": get_tasks(state, made),
        "get_executors": get_executors(state, made),
        "get_frameworks": get_frameworks(state, made),
        "get_agents": get_agents(state, made),
    }
    return made.codec.compose(master.ResponseGetState, members)


# ---- making ready ----------------------------------------------------------------------------------------------------

_Making = Callable[[State, Fragments], Iterator[bytes]]


def _make_tasks(state: State, made: Fragments) -> Iterator[bytes]:
    for kind in ("tasks", "unreachable", "completed"):
        for framework in _frameworks(state, made):
            yield from map(made.task, list(_tasks_of(made, [framework], kind)))


def _make_executors(state: State, made: Fragments) -> Iterator[bytes]:
    for framework in _frameworks(state, made):
        yield from map(made.executor, list(framework.executors.values()))


def _make_frameworks(state: State, made: Fragments) -> Iterator[bytes]:
    for framework in _frameworks(state, made):
        yield from map(made.offer, list(framework.offers.values()))
        yield from map(made.inverse_offer, list(framework.inverse_offers.values()))


def _make_agents(state: State, made: Fragments) -> Iterator[bytes]:
    yield from map(made.agent, list(state.agents.values()))
    for name, entry in list(state.recovered.items()):
        yield made.recovered(name, entry.info)


def _make_operations(state: State, made: Fragments) -> Iterator[bytes]:
    for agent in list(state.agents.values()):
        yield from map(made.operation, list(agent.operations.values()))


@dataclass(frozen=True, slots=True)
class Read:
    body: Callable[[State, Fragments], Spliced]
    making: tuple[_Making, ...]
    """What makes its fragments ready, one after the other, before ``body`` takes them all; the state may change meanwhile."""

    def make(self, state: State, made: Fragments) -> Iterator[bytes]:
        for making in self.making:
            yield from making(state, made)


READS: dict[CallType, Read] = {
    CallType.GET_TASKS: Read(get_tasks, (_make_tasks,)),
    CallType.GET_EXECUTORS: Read(get_executors, (_make_executors,)),
    CallType.GET_FRAMEWORKS: Read(get_frameworks, (_make_frameworks,)),
    CallType.GET_AGENTS: Read(get_agents, (_make_agents,)),
    CallType.GET_OPERATIONS: Read(get_operations, (_make_operations,)),
    CallType.GET_STATE: Read(get_state, (_make_tasks, _make_executors, _make_agents, _make_frameworks)),
}
