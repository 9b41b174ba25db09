"""What operators were told is so, and must stay so over every change of leader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dcos.testing.sim.orders import NO_QUOTA, UP, Promise, shown

if TYPE_CHECKING:
    from dcos.master.core.state import State


@dataclass(slots=True)
class _Matter:
    """One thing that operators set. ``allowed``: what it may be; empty while nobody can know."""

    allowed: frozenset[object] = field(default_factory=frozenset)
    waiting: int = 0
    unclear: bool = False
    """An answer was lost, or two orders crossed: any of them may have come last, or may still come."""


class Promises:
    """Keys are those of ``orders.py``."""

    def __init__(self) -> None:
        self._matters: dict[str, _Matter] = {}

    def asked(self, promise: Promise) -> None:
        for key in promise:
            matter = self._matters.setdefault(key, _Matter())
            matter.waiting += 1
            matter.allowed = frozenset()
            if matter.waiting > 1:
                matter.unclear = True

    def answered(self, promise: Promise, status: int | None) -> None:
        """``status`` is None when no answer came."""
        for key, values in promise.items():
            matter = self._matters[key]
            matter.waiting -= 1
            if status is None:
                matter.unclear = True
            elif status == 200:
                matter.allowed = values

    def problems(self, state: State) -> list[str]:
        modes = {entry.id.hostname: str(entry.mode) for entry in state.machines.values()}
        out = []
        for key, matter in self._matters.items():
            if matter.unclear or matter.waiting or not matter.allowed:
                continue
            kind, _, name = key.partition(" ")
            is_now: object = None
            match kind:
                case "weight":
                    is_now = state.allocator.weights.get(name, 1.0)
                case "quota":
                    is_now = shown(state.quotas[name]) if name in state.quotas else NO_QUOTA
                case "machine":
                    is_now = modes.get(name, UP)
                case _:
                    agent = state.agents.get(name)
                    is_now = None if agent is None else agent.deactivated
            if is_now is not None and is_now not in matter.allowed:
                out.append(f"{key} was promised to be {sorted(map(str, matter.allowed))} and is {is_now}")
        return out
