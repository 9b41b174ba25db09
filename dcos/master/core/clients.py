"""Frameworks as the allocator sees them: what each can take, and for how long it does not want what it refused.

Source: FrameworkInfo's capabilities and ``Filters`` of Mesos 1.11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dcos.master.core.ledger import Quantities

DEFAULT_REFUSE_S = 5.0
MAX_REFUSE_S = 365 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a framework can take."""

    gpus: bool = False
    revocable: bool = False
    shared: bool = False
    refined: bool = False
    """Resources reserved more than once (RESERVATION_REFINEMENT)."""
    region_aware: bool = False
    multi_role: bool = True
    enough: Mapping[str, tuple[Quantities, ...]] = field(default_factory=dict)
    """By role: its own alternatives to ``min_allocatable_resources``; an empty tuple takes anything."""
    wants: Callable[[str, str], bool] | None = None
    """Offer constraints: (role, agent) to whether it wants offers there."""


@dataclass(slots=True)
class Client:
    id: str
    traits: Traits
    active: bool
    suppressed: dict[str, bool]
    """Subscribed roles."""


def refuse_seconds(given: float | None) -> float:
    """What a framework's ``refuse_seconds`` means: default 5 s, also for nonsense; at most a year.

    Source: Mesos ``Filters``; 0 is no filter.
    """
    if given is None or given != given or given < 0:
        return DEFAULT_REFUSE_S
    return min(given, MAX_REFUSE_S)
