"""What the JSON of old is made of: resources, attributes, labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

import msgspec

from dcos.model import attributes, values
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    Attribute,
    Label,
    Labels,
)

Json = dict[str, Any]

encode = msgspec.json.Encoder().encode


class Kept(Protocol):
    """A record that keeps its JSON until it changes."""

    ready: bytes | None


K = TypeVar("K", bound=Kept)


def ready(record: K, make: Callable[[K], Json]) -> bytes:
    """Its JSON, made if it is not there."""
    if record.ready is None:
        record.ready = encode(make(record))
    return record.ready


def resources(have: Resources) -> Json:
    """``{"cpus": 1.5, ..., "ports": "[31000-31005]"}``; cpus, gpus, mem and disk always."""
    out: Json = {"disk": 0.0, "mem": 0.0, "gpus": 0.0, "cpus": 0.0}
    others: dict[str, values.Ranges | frozenset[str]] = {}
    for kind, amount in have:
        name = f"{kind.name}_revocable" if kind.revocable else kind.name
        if isinstance(amount, int):
            size = kind.size * (1 if kind.shared else amount) if kind.indivisible else amount
            before = out.get(name)
            out[name] = round(before * 1000 + size) / 1000 if before else size / 1000
        elif name not in others:
            others[name] = amount
        else:
            others[name] = _together(others[name], amount)
    for name, several in others.items():
        out[name] = values.text_of(several)
    return out


def _together(left: values.Ranges | frozenset[str], right: values.Ranges | frozenset[str]) -> Any:
    """Of one name and so of one type."""
    if isinstance(left, frozenset):
        return left.union(right)
    return values.add_ranges(left, right)  # type: ignore[arg-type]


def attribute_map(given: Iterable[Attribute]) -> Json:
    return {one.name: one.scalar.value if one.scalar is not None else attributes.text(one) for one in given}


def labels(given: Labels) -> tuple[Label, ...]:
    """``[{"key": ..., "value": ...}]``, as labels are encoded anyway."""
    return given.labels
