"""A sum of resources over many agents that can be taken apart again.

Scalars add up. Ranges and sets of two agents may be the same (every agent has a port 31000): they are kept by agent, so that
one agent's can go while the other's stay.
"""

from __future__ import annotations

from dcos.model.resources import EMPTY, Resources


class Tally:
    __slots__ = ("_by_agent", "_scalars", "_whole")

    def __init__(self) -> None:
        self._scalars = EMPTY
        self._by_agent: dict[str, Resources] = {}
        self._whole: Resources | None = EMPTY

    def add(self, agent: str, resources: Resources) -> None:
        scalars, others = _parted(resources)
        self._scalars += scalars
        if others:
            self._by_agent[agent] = self._by_agent.get(agent, EMPTY) + others
        self._whole = None

    def remove(self, agent: str, resources: Resources) -> None:
        scalars, others = _parted(resources)
        self._scalars -= scalars
        if others:
            left = self._by_agent.get(agent, EMPTY) - others
            if left:
                self._by_agent[agent] = left
            else:
                self._by_agent.pop(agent, None)
        self._whole = None

    @property
    def whole(self) -> Resources:
        if self._whole is None:
            self._whole = sum(self._by_agent.values(), self._scalars)
        return self._whole


def _parted(resources: Resources) -> tuple[Resources, Resources]:
    """Scalars, and the rest."""
    if all(isinstance(amount, int) for _, amount in resources):
        return resources, EMPTY
    scalars = resources.filter(lambda kind: kind.type == "SCALAR")
    return scalars, resources.filter(lambda kind: kind.type != "SCALAR")
