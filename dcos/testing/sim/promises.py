"""What operators were told is so, and must stay so over every change of leader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcos.master.core.state import State


@dataclass(slots=True)
class _Matter:
    """One thing that operators set. ``allowed``: what it may be; empty while nobody can know."""

    allowed: set[float] = field(default_factory=set)
    waiting: int = 0
    unclear: bool = False
    """An answer was lost, or two orders crossed: any of them may have come last, or may still come."""


class Promises:
    """Keys are ``weight <role>`` and ``deactivated <agent>``."""

    def __init__(self) -> None:
        self._matters: dict[str, _Matter] = {}

    def asked(self, key: str) -> None:
        matter = self._matters.setdefault(key, _Matter())
        matter.waiting += 1
        matter.allowed.clear()
        if matter.waiting > 1:
            matter.unclear = True

    def answered(self, key: str, value: float, status: int | None) -> None:
        """``status`` is None when no answer came."""
        matter = self._matters[key]
        matter.waiting -= 1
        if status is None:
            matter.unclear = True
        elif status == 200:
            matter.allowed = {value}

    def problems(self, state: State) -> list[str]:
        out = []
        for key, matter in self._matters.items():
            if matter.unclear or matter.waiting or not matter.allowed:
                continue
            kind, _, name = key.partition(" ")
            is_now: float | None
            if kind == "weight":
                is_now = state.allocator.weights.get(name, 1.0)
            else:
                agent = state.agents.get(name)
                is_now = None if agent is None else float(agent.deactivated)
            if is_now is not None and is_now not in matter.allowed:
                out.append(f"{key} was promised to be {sorted(matter.allowed)} and is {is_now}")
        return out
