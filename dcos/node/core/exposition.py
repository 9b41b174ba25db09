"""Points and scraped series in Prometheus's text.   Source: text exposition format 0.0.4; Telegraf's prometheus_client output."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dcos.node.core.points import Point

_PLAIN = re.compile(r"[^a-zA-Z0-9_]")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Family:
    """Samples of one metric: (name, labels, value)."""

    kind: str
    help: str
    samples: list[tuple[str, Mapping[str, str], float]] = field(default_factory=list)


def plain(name: str) -> str:
    """As a metric's name: what may not be in one becomes an underscore."""
    made = _PLAIN.sub("_", name)
    return f"_{made}" if made[:1].isdigit() else made or "_"


def add(families: dict[str, Family], points: Iterable[Point], common: Mapping[str, str]) -> None:
    """Put points in. ``common``: labels of everything."""
    for point in points:
        labels = {plain(key): value for key, value in {**common, **point.tags}.items() if value}
        for known, value in point.fields.items():
            name = plain(point.name if known == "value" else f"{point.name}_{known}")
            family = families.setdefault(name, Family(point.kind, "Telegraf collected metric"))
            family.samples.append((name, labels, value))


def text(families: Mapping[str, Family]) -> bytes:
    """Sorted by name; of equal series the last counts."""
    lines = []
    for name in sorted(families):
        family = families[name]
        lines.append(f"# HELP {name} {family.help.translate(_ESCAPES)}")
        lines.append(f"# TYPE {name} {family.kind}")
        series = {(one, tuple(sorted(labels.items()))): value for one, labels, value in family.samples}
        for (one, labels), value in series.items():
            inside = ",".join(f'{key}="{said.translate(_ESCAPES)}"' for key, said in labels)
            lines.append(f"{one}{{{inside}}} {_number(value)}" if inside else f"{one} {_number(value)}")
    return "".join(f"{line}\n" for line in lines).encode()


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))
