"""Packages for catalogs that are older than their form: what upstream's own server of Universe does for them.

A repository of schema v3 is what DC/OS before 1.10 asks for. It knows packaging up to 3.0, and its templates take texts as they
are, not with JSON's escapes, so that a default with quotes in it must come escaped.
Source: mesosphere/universe gen_universe.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dcos.wire.universe import Json, Package

OLDEST: Final = 3
_NEWEST: Final = {3: "3.0", 4: "4.0"}
"""Packaging that a schema has."""


def for_schema(package: Package, schema: int) -> Package | None:
    """The package as a repository of ``schema`` has it; None where that has no place for it."""
    if package.schema > schema:
        if package.manager is not None:
            return None
        package = msgspec.structs.replace(package, packaging_version=_NEWEST[schema])
        if schema == OLDEST:
            package = msgspec.structs.replace(package, upgrades_from=None, downgrades_to=None)
    if schema == OLDEST and package.config is not None:
        package = msgspec.structs.replace(package, config=_escaped(package.config))
    return package


def _escaped(schema: Mapping[str, Any]) -> Json:
    """The options' schema, with the defaults of texts as they stand within JSON's quotes; groups too."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return dict(schema)
    return {**schema, "properties": {name: _property(one) for name, one in properties.items()}}


def _property(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    default = given.get("default")
    if given.get("type") == "string" and isinstance(default, str):
        return {**given, "default": json.dumps(default, ensure_ascii=False)[1:-1]}
    return _escaped(given)
