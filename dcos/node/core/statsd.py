"""What programs tell of themselves in statsd's words: ``name:value|type[|@rate][|#tag:value,...]``, several lines a packet.

Gauges (``g``, with a sign: a change), counters (``c``), timings and histograms (``ms``, ``h``), sets (``s``).
Source: the statsd protocol; Telegraf's statsd input (names of the fields of timings); DogStatsD's tags.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from dcos.node.core.points import Point

_KINDS = {"g": "gauge", "c": "counter", "ms": "timing", "h": "histogram", "s": "set"}
_SEPARATORS = frozenset("\t\r\n ")
Tags = tuple[tuple[str, str], ...]


class BadLine(ValueError):
    """It is not statsd's."""


@dataclass(frozen=True, slots=True)
class Told:
    """One line. ``value``: a number, of a set a word; ``changes``: by how much a gauge moves."""

    name: str
    kind: str
    value: float
    word: str = ""
    rate: float = 1.0
    tags: Tags = ()
    changes: bool = False


def parse(line: str) -> Told:
    """Errors: BadLine."""
    name, colon, rest = line.strip().partition(":")
    value, *parts = rest.split("|")
    if not name or not colon or not parts or not value or _SEPARATORS & set(name):
        raise BadLine(line)
    kind = _KINDS.get(parts[0])
    if kind is None:
        raise BadLine(line)
    rate = 1.0
    tags: Tags = ()
    try:
        for part in parts[1:]:
            if part.startswith("@"):
                rate = float(part[1:])
            elif part.startswith("#"):
                tags = _tags(part[1:])
        number = 0.0 if kind == "set" else float(value)
    except ValueError:
        raise BadLine(line) from None
    if not 0 < rate <= 1:
        raise BadLine(line)
    return Told(name, kind, number, value, rate, tags, kind == "gauge" and value[0] in "+-")


def _tags(text: str) -> Tags:
    pairs = (one.partition(":") for one in text.split(",") if one)
    return tuple(sorted((key, value or "true") for key, _, value in pairs))


@dataclass(slots=True)
class _Spread:
    """Of timings, without keeping them."""

    count: float = 0.0
    sum: float = 0.0
    squares: float = 0.0
    lower: float = math.inf
    upper: float = -math.inf

    def add(self, value: float, times: float) -> None:
        self.count += times
        self.sum += value * times
        self.squares += value * value * times
        self.lower, self.upper = min(self.lower, value), max(self.upper, value)

    def fields(self) -> dict[str, float]:
        mean = self.sum / self.count
        return {
            "count": self.count,
            "lower": self.lower,
            "mean": mean,
            "stddev": math.sqrt(max(0.0, self.squares / self.count - mean * mean)),
            "sum": self.sum,
            "upper": self.upper,
        }


@dataclass(slots=True)
class Aggregate:
    """All that one program told. ``most``: series that are kept; of more, nothing is taken."""

    most: int = 1000
    refused: int = 0
    _numbers: dict[tuple[str, str, Tags], float] = field(default_factory=dict)
    _spreads: dict[tuple[str, str, Tags], _Spread] = field(default_factory=dict)
    _sets: dict[tuple[str, str, Tags], set[str]] = field(default_factory=dict)

    def packet(self, data: bytes) -> None:
        """What is not statsd's is counted and left."""
        for line in data.decode(errors="replace").splitlines():
            if not line.strip():
                continue
            try:
                self.take(parse(line))
            except BadLine:
                self.refused += 1

    def take(self, told: Told) -> None:
        key = (told.name, told.kind, told.tags)
        known = key in self._numbers or key in self._spreads or key in self._sets
        if not known and len(self._numbers) + len(self._spreads) + len(self._sets) >= self.most:
            self.refused += 1
            return
        match told.kind:
            case "gauge":
                self._numbers[key] = self._numbers.get(key, 0.0) + told.value if told.changes else told.value
            case "counter":
                self._numbers[key] = self._numbers.get(key, 0.0) + told.value / told.rate
            case "set":
                words = self._sets.setdefault(key, set())
                if len(words) < self.most:
                    words.add(told.word)
            case _:
                self._spreads.setdefault(key, _Spread()).add(told.value, 1 / told.rate)

    def points(self, now: float, extra: dict[str, str]) -> list[Point]:
        """``extra``: tags of all."""
        found = []
        for (name, kind, tags), value in self._numbers.items():
            found.append(Point(name, {"value": value}, {**extra, **dict(tags), "metric_type": kind}, kind, now))
        for (name, kind, tags), spread in self._spreads.items():
            found.append(Point(name, spread.fields(), {**extra, **dict(tags), "metric_type": kind}, "untyped", now))
        for (name, kind, tags), words in self._sets.items():
            fields = {"value": float(len(words))}
            found.append(Point(name, fields, {**extra, **dict(tags), "metric_type": kind}, "gauge", now))
        return found
