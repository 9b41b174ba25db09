"""Weights of roles: set by operators, kept in the registry; the flag counts only while nothing was ever stored.

Source: Mesos docs/weights.md and its weights handler (texts; all offers are rescinded when a role in use is touched).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from dcos.master.core import offers
from dcos.master.core.effects import Answer, Keep
from dcos.master.core.records import OfferRecord
from dcos.master.core.registry import Shelf, WeightEntry
from dcos.master.core.state import State
from dcos.model.identifiers import role_problem
from dcos.model.v1.types import WeightInfo

_INVALID = "Failed to validate update weights request JSON"


def update(state: State, request: int, infos: tuple[WeightInfo, ...], now: float) -> None:
    """All of them or none."""
    wanted = [((info.role or "").strip(" \t\n\v\f\r"), info.weight) for info in infos]
    for role, weight in wanted:
        problem = _problem(state, role, weight)
        if problem is not None:
            state.emit(Answer(request, 400, problem))
            return
    for role, weight in wanted:
        state.allocator.set_weight(role, weight)
        state.emit(Keep(Shelf.WEIGHTS, role, WeightEntry(role=role, weight=weight)))
        state.note("weight_set", role=role, weight=f"{weight:g}")
    in_use = set(state.allocator.roles())
    affected = any(role in in_use for role, _ in wanted)
    state.rest.append(_rescinding(state, request, tuple(state.offers.values()) if affected else (), now))


def _rescinding(state: State, request: int, given: tuple[OfferRecord, ...], now: float) -> Iterator[None]:
    yield from offers.rescinding(state, given, now)
    state.emit(Answer(request, 200))


def _problem(state: State, role: str, weight: float) -> str | None:
    problem = role_problem(role)
    if problem is not None:
        return f"{_INVALID}: Invalid role '{role}': {problem}"
    if state.rules.roles is not None and role not in state.rules.roles:
        return f"{_INVALID}: Unknown role '{role}'"
    if not weight > 0:
        return f"{_INVALID} for role '{role}': Invalid weight '{weight:g}': Weights must be positive"
    if math.isinf(weight):
        return f"{_INVALID} for role '{role}': Invalid weight 'inf': Weights must be finite"
    return None


def recovered(state: State, entries: tuple[WeightEntry, ...]) -> None:
    """Stored weights replace the flag's; else the flag's are stored."""
    if not entries:
        for role, weight in state.allocator.weights.items():
            state.emit(Keep(Shelf.WEIGHTS, role, WeightEntry(role=role, weight=weight)))
        return
    state.allocator.replace_weights({entry.role: entry.weight for entry in entries})
