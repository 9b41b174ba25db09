"""The launch queue: what waits for offers, and what offers said to it.

Entries whose demands are equal, and do not depend on siblings, form one ``Shape``: an offer that one of them cannot use is
no use to the others, so it is asked and counted once. The shapes of a role are sorted by the cpus that they want: those
that want more than an offer has are passed over without being asked, and counted by subtraction. So an offer costs what
the shapes cost that may fit, however many run specs wait.

An entry in its back-off sleeps: it is in no shape.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dcos.model.run_spec import RunSpec
from dcos.model.v1.types import Offer
from dcos.scheduling import ids
from dcos.scheduling.match import Demand, Reason, Reasons

MAX_REFUSALS = 100
"""Agents whose last refusal is kept per shape..."""
MOST_REFUSALS = 100_000
"""... and over all shapes of a role, but for ten each."""


@dataclass(slots=True)
class Refusal:
    """An offer that could not be used."""

    offer: Offer
    reasons: Reasons
    at: float


@dataclass(slots=True)
class WaitingOffer:
    """An offer that is still to be looked at."""

    offer: Offer
    since: float
    asked: list[Shape] = field(default_factory=list)
    """Shapes that could not use it."""


@dataclass(slots=True)
class Tally:
    """Offers looked at."""

    processed: int = 0
    unused: int = 0
    last_unused_at: float | None = None
    reasons: dict[Reason, int] = field(default_factory=dict)
    """Refusals by their first reason."""

    def refuse(self, reason: Reason, now: float, count: int = 1) -> None:
        self.processed += count
        self.unused += count
        self.last_unused_at = now
        self.reasons[reason] = self.reasons.get(reason, 0) + count

    def copy(self) -> Tally:
        return Tally(self.processed, self.unused, self.last_unused_at, dict(self.reasons))


@dataclass(slots=True)
class QueueEntry:
    """An app or pod that has instances to launch."""

    spec: RunSpec
    demand: Demand
    count: int
    """New instances."""
    since: float
    uuids: list[str] = field(default_factory=list)
    """Of a pod: what the ids of the new instances will be made of, since they are listed while they wait."""
    relaunch: int = 0
    """Instances that are to be launched again on their reservations."""
    relaunch_roles: frozenset[str] = frozenset()
    """Those of their reservations."""
    told: str = ""
    """The kind of wait that the event stream was told last."""
    told_at: float = 0.0
    used: int = 0
    last_used_at: float | None = None
    counted_role: str | None = None
    """Where the queue counts it."""
    counted_total: int = 0
    """What the queue counts of it."""
    shape: Shape | None = None
    """None: it sleeps, or has only instances with reservations."""
    past: Tally = field(default_factory=Tally)
    """From shapes that it was in before."""
    joined: Tally = field(default_factory=Tally)
    """The shape's tally when it joined."""
    attempt: Tally = field(default_factory=Tally)
    """What there was when the last instance was launched."""

    @property
    def total(self) -> int:
        return self.count + self.relaunch

    @property
    def waiting_ids(self) -> list[str]:
        """Of a pod: the ids of its new instances."""
        return [ids.instance_id(self.spec.id, one) for one in self.uuids]

    def uuid_of(self, instance_id: str) -> str | None:
        return next((one for one in self.uuids if ids.instance_id(self.spec.id, one) == instance_id), None)

    def tally(self) -> Tally:
        """Everything that was refused since the entry was made."""
        made = self.past.copy()
        if self.shape is not None:
            _add(made, self.shape.seen(), self.joined)
        return made

    def since_launch(self) -> dict[Reason, int]:
        """Refusals by reason since the last launch."""
        before = self.attempt.reasons
        found = {reason: count - before.get(reason, 0) for reason, count in self.tally().reasons.items()}
        return {reason: count for reason, count in found.items() if count > 0}

    @property
    def was_refused(self) -> bool:
        """Whether any offer was no use since it waits."""
        return self.shape is not None and self.shape.last_unused_at >= self.since

    def refusals(self) -> list[Refusal]:
        """The last one per agent."""
        return [one for one in self.shape.last_refusals() if one.at >= self.since] if self.shape is not None else []


def _add(into: Tally, now: Tally, before: Tally) -> None:
    """Add what came since ``before``."""
    into.processed += now.processed - before.processed
    into.unused += now.unused - before.unused
    if now.unused > before.unused:
        into.last_unused_at = now.last_unused_at
    for reason, count in now.reasons.items():
        fresh = count - before.reasons.get(reason, 0)
        if fresh:
            into.reasons[reason] = into.reasons.get(reason, 0) + fresh


class Shape:
    """Entries that every offer means the same to."""

    __slots__ = ("_asked", "_base", "_row", "demand", "entries", "is_shared", "key", "refusals", "tally")

    def __init__(self, key: tuple[object, ...], demand: Demand, row: Row) -> None:
        self.key = key
        self.demand = demand
        self.is_shared = len(key) == 1
        """Neither siblings nor volumes matter."""
        self.entries: dict[str, QueueEntry] = {}
        self.tally = Tally()
        self.refusals: dict[str, Refusal] = {}
        self._row = row
        self._base = row.passes
        self._asked = 0

    @property
    def first(self) -> QueueEntry:
        return next(iter(self.entries.values()))

    def refuse(self, offer: Offer, reasons: Reasons, now: float) -> None:
        tally, reason = self.tally, reasons[0]
        tally.processed += 1
        tally.unused += 1
        tally.last_unused_at = now
        tally.reasons[reason] = tally.reasons.get(reason, 0) + 1
        self.refusals[offer.agent_id.value] = Refusal(offer, reasons, now)
        if len(self.refusals) > self._row.kept_refusals:
            del self.refusals[next(iter(self.refusals))]

    def to_the_end(self, entry: QueueEntry) -> None:
        """Others come before it now."""
        self.entries[entry.spec.id] = self.entries.pop(entry.spec.id)

    @property
    def last_unused_at(self) -> float:
        return max(self.tally.last_unused_at or 0.0, self._row.last_pass_at if self._over else 0.0)

    @property
    def _over(self) -> int:
        """Offers that it was passed over for since it was made."""
        return self._row.passes - self._base - self._asked

    def asked(self) -> None:
        """It took part in a pass over all shapes."""
        self._asked += 1

    def last_refusals(self) -> list[Refusal]:
        """The last one per agent, oldest first."""
        found = dict(self.refusals)
        for agent_id, (offer, cpus, at) in self._row.passed.items():
            known = found.get(agent_id)
            if cpus < self.demand.cpus and (known is None or known.at < at):
                found[agent_id] = Refusal(offer, (Reason.CPUS,), at)
        return sorted(found.values(), key=lambda one: one.at)

    def seen(self) -> Tally:
        """With the offers that were passed over because of their cpus."""
        made = self.tally.copy()
        if self._over > 0:
            made.refuse(Reason.CPUS, self._row.last_pass_at, self._over)
        return made


class Row:
    """The shapes of one role, by the cpus that they want."""

    def __init__(self) -> None:
        self.shapes: dict[tuple[object, ...], Shape] = {}
        self.passes = 0
        """Offers that every shape was asked about, or passed over for its cpus."""
        self.last_pass_at = 0.0
        self.kept_refusals = MAX_REFUSALS
        self.passed: dict[str, tuple[Offer, int, float]] = {}
        """Per agent the last such offer with its cpus, where some shape was passed over."""
        self._sorted: list[Shape] | None = None
        self._turn = 0

    def candidates(self, cpus: int) -> list[Shape]:
        """Those that want no more than ``cpus``; each offer begins with another one."""
        if self._sorted is None:
            self.kept_refusals = max(10, min(MAX_REFUSALS, MOST_REFUSALS // max(1, len(self.shapes))))
            self._sorted = sorted(self.shapes.values(), key=lambda shape: shape.demand.cpus)
        end = bisect.bisect_right(self._sorted, cpus, key=lambda shape: shape.demand.cpus)
        start = self._turn % end if end else 0
        return [*self._sorted[start:end], *self._sorted[:start]]

    def turn(self, by: int) -> None:
        """Let later offers begin ``by`` shapes further."""
        self._turn += by

    def finish(self, asked: Sequence[Shape], offer: Offer, cpus: int, now: float, *, over: bool) -> None:
        """The ``asked`` shapes were asked about ``offer``; ``over``: there were others, passed over."""
        self.passes += 1
        self.last_pass_at = now
        for shape in asked:
            shape.asked()
        if over:
            self.passed.pop(offer.agent_id.value, None)
            self.passed[offer.agent_id.value] = (offer, cpus, now)
            if len(self.passed) > MAX_REFUSALS:
                del self.passed[next(iter(self.passed))]

    def changed(self) -> None:
        self._sorted = None


class LaunchQueue:
    """By id of the app or pod."""

    def __init__(self) -> None:
        self._entries: dict[str, QueueEntry] = {}
        self._rows: dict[str, Row] = {}
        self._asleep: set[str] = set()
        self._again: set[str] = set()
        """Those awake with instances to be launched again."""
        self._roles: Counter[str] = Counter()
        self.launches = 0
        """Of all entries together."""

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, spec_id: object) -> bool:
        return spec_id in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __getitem__(self, spec_id: str) -> QueueEntry:
        return self._entries[spec_id]

    def get(self, spec_id: str) -> QueueEntry | None:
        return self._entries.get(spec_id)

    def values(self) -> list[QueueEntry]:
        return list(self._entries.values())

    def row(self, role: str) -> Row | None:
        return self._rows.get(role)

    @property
    def roles(self) -> set[str]:
        """Of everything that waits, asleep or not."""
        return set(self._roles).union(*(self._entries[one].relaunch_roles for one in self._again))

    @property
    def is_awake(self) -> bool:
        """Whether anything can use an offer now."""
        return bool(self._rows) or bool(self._again)

    @property
    def asleep(self) -> list[QueueEntry]:
        return [self._entries[one] for one in self._asleep]

    def is_asleep(self, spec_id: str) -> bool:
        return spec_id in self._asleep

    def put(self, entry: QueueEntry, *, asleep: bool) -> None:
        """Add it, or take note of its change. One ``asleep`` is asked about no offer."""
        spec_id = entry.spec.id
        if self._entries.get(spec_id) is not entry:
            self.pop(spec_id)
            self._entries[spec_id] = entry
        if entry.counted_role != entry.demand.role:
            self._count(entry, entry.demand.role)
        self._count_launches(entry, entry.total)
        self._asleep.discard(spec_id)
        self._again.discard(spec_id)
        if asleep:
            self._asleep.add(spec_id)
        elif entry.relaunch:
            self._again.add(spec_id)
        if entry.count > 0 and not asleep:
            self._join(entry)
        else:
            self._leave(entry)

    def pop(self, spec_id: str) -> None:
        entry = self._entries.pop(spec_id, None)
        if entry is not None:
            self._asleep.discard(spec_id)
            self._again.discard(spec_id)
            self._leave(entry)
            self._count(entry, None)
            self._count_launches(entry, 0)

    def _count(self, entry: QueueEntry, role: str | None) -> None:
        """Count it under ``role`` from now on."""
        if entry.counted_role is not None:
            self._roles[entry.counted_role] -= 1
            if not self._roles[entry.counted_role]:
                del self._roles[entry.counted_role]
        if role is not None:
            self._roles[role] += 1
        entry.counted_role = role

    def _count_launches(self, entry: QueueEntry, total: int) -> None:
        self.launches += total - entry.counted_total
        entry.counted_total = total

    def _join(self, entry: QueueEntry) -> None:
        demand = entry.demand
        alone = not demand.is_shared or bool(demand.volumes)
        key = (entry.spec.id, demand) if alone else (demand,)
        if entry.shape is not None:
            if entry.shape.key == key:
                return
            self._leave(entry)
        row = self._rows.setdefault(demand.role, Row())
        shape = row.shapes.get(key)
        if shape is None:
            shape = row.shapes[key] = Shape(key, demand, row)
            row.changed()
        shape.entries[entry.spec.id] = entry
        entry.shape, entry.joined = shape, shape.seen()

    def _leave(self, entry: QueueEntry) -> None:
        shape = entry.shape
        if shape is None:
            return
        _add(entry.past, shape.seen(), entry.joined)
        entry.shape = None
        del shape.entries[entry.spec.id]
        if shape.entries:
            return
        row = self._rows[shape.demand.role]
        del row.shapes[shape.key]
        row.changed()
        if not row.shapes:
            del self._rows[shape.demand.role]
