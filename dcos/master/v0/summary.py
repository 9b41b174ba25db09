"""``/state-summary``: agents and frameworks with how many tasks are in which state.

It is asked for every few seconds by many, is big where there are many agents, and little of it changes in between. So agents
lie ready joined by the hundred, and only the hundreds in which something changed are joined again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Final

from dcos.master.core.census import Census, OnAgent
from dcos.master.core.records import AgentRecord
from dcos.master.core.state import State
from dcos.master.v0.agents import SHARED, AgentTexts
from dcos.master.v0.frameworks import framework_head
from dcos.master.v0.parts import Json, encode
from dcos.wire.spliced import Spliced

COUNTED: Final = (
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
_COUNTS: Final = b",".join(b'"%b":%%d' % name.encode() for name in COUNTED)
_TOGETHER: Final = 100
"""Agents that are joined to one text."""
_stamp = attrgetter("stamp")
_id = attrgetter("id")


class Roll:
    """All agents with their numbers, as one viewer sees them, in the order of the state."""

    def __init__(self, texts: AgentTexts = SHARED) -> None:
        self.viewer = texts.viewer
        self._texts = texts
        self._parts: list[_Part] = []

    def making(self, state: State) -> Iterator[bytes]:
        """Every text, one after the other; what changes meanwhile is joined again when they are taken."""
        for number, some in enumerate(_by_the_hundred(state)):
            yield self._text(number, some, state.census)

    def joined(self, state: State) -> list[bytes]:
        """As all are now; between two texts there is a comma."""
        made = [self._text(number, some, state.census) for number, some in enumerate(_by_the_hundred(state))]
        del self._parts[len(made) :]
        return made

    def _text(self, number: int, agents: Sequence[AgentRecord], census: Census) -> bytes:
        while number >= len(self._parts):
            self._parts.append(_Part())
        return self._parts[number].text(agents, self._texts, census)


class _Part:
    """Some agents together."""

    __slots__ = ("_ends", "_stamps", "_text")

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._ends: list[bytes] = []
        self._text = b""

    def text(self, agents: Sequence[AgentRecord], texts: AgentTexts, census: Census) -> bytes:
        stamps = list(map(_stamp, agents))
        ends = [here.ready or _end(here) for here in map(census.on, map(_id, agents))]
        if stamps != self._stamps or ends != self._ends:
            self._text = b",".join([texts.short(one)[:-1] + end for one, end in zip(agents, ends, strict=True)])
            self._stamps, self._ends = stamps, ends
        return self._text


def _by_the_hundred(state: State) -> Iterator[Sequence[AgentRecord]]:
    agents = list(state.agents.values())
    return (agents[start : start + _TOGETHER] for start in range(0, len(agents), _TOGETHER))


def _end(here: OnAgent) -> bytes:
    """How the JSON of an agent ends here."""
    states = here.states()
    counts = _COUNTS % tuple([states.get(name, 0) for name in COUNTED])
    here.ready = b',%b,"framework_ids":%b}' % (counts, encode([*here.frameworks]))
    return here.ready


def summary(state: State, cluster: str | None, roll: Roll) -> Spliced:
    """Numbers come from the census: what nothing happened to since the last time is as it was made then."""
    out: Json = {"hostname": state.info.hostname}
    if cluster is not None:
        out["cluster"] = cluster
    whole = Spliced(encode(out)[:-1], b',"slaves":[')
    whole.run(roll.joined(state))
    whole.text(b'],"frameworks":[')
    separator = b""
    for record in state.frameworks.values():
        if not roll.viewer.framework(record.info):
            continue
        counted = state.census.of(record.id)
        if counted.ready is None:
            counted.ready = encode([*counted.agents])
        head = framework_head(record)
        head.update((name, counted.states.get(name, 0)) for name in COUNTED)
        whole.text(separator + encode(head)[:-1] + b',"slave_ids":')
        whole.text(counted.ready)
        separator = b"},"
    whole.text(b"}]}" if separator else b"]}")
    return whole
