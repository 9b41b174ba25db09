"""The message classes are what the schema table says."""

from __future__ import annotations

import enum
import importlib
import typing
from pathlib import Path

import msgspec
import pytest

SCHEMA = Path(__file__).parents[3] / "dcos/wire/schema"
PACKAGES = ("scheduler", "executor", "master", "agent", "quota", "maintenance", "allocator")


def rows(name: str) -> list[list[str]]:
    lines = (SCHEMA / name).read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")][1:]


def find(name: str) -> type:
    first, *rest = name.split(".")
    package, parts = (first, rest) if first in PACKAGES else ("types", [first, *rest])
    return getattr(importlib.import_module(f"dcos.model.v1.{package}"), "".join(p[0].upper() + p[1:] for p in parts))


FIELDS = [row for row in rows("mesos_v1_fields.tsv") if not row[0].endswith("Entry")]
SCALARS = {"string": str, "bool": bool, "double": float, "float": float, "bytes": bytes}


@pytest.mark.parametrize("message", sorted({row[0] for row in FIELDS}))
def test_message_has_exactly_the_fields_of_the_table(message: str) -> None:
    kind = find(message)
    assert issubclass(kind, msgspec.Struct)
    named = {field.name: field for field in msgspec.structs.fields(kind)}
    table = {row[1]: row for row in FIELDS if row[0] == message}
    assert set(named) == set(table)
    for name, row in table.items():
        label, scalar = row[3], SCALARS.get(row[4], int if row[4].removeprefix("u").startswith("int") else None)
        field = named[name]
        if label == "required":
            assert field.required, name
        elif label == "repeated":
            assert typing.get_origin(field.type) in (tuple, dict), name
        if scalar and label == "required":
            assert field.type is scalar, name


def test_enums_are_the_tables() -> None:
    table: dict[str, set[str]] = {}
    for row in rows("mesos_v1_enums.tsv"):
        table.setdefault(row[0], set()).add(row[1])
    for name, values in table.items():
        kind = find(name)
        assert issubclass(kind, enum.StrEnum)
        assert {member.value for member in kind} == values


def test_every_message_has_a_decoder() -> None:
    for package in ("types", *PACKAGES):
        module = importlib.import_module(f"dcos.model.v1.{package}")
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                msgspec.json.Decoder(kind)
