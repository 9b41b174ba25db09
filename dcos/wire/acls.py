"""ACLs as JSON.   Source: Mesos 1.11 ``--acls``.

{"permissive": false,
 "register_frameworks": [{"principals": {"values": ["marathon"]}, "roles": {"type": "ANY"}}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dcos.model.acls import AUTHORIZABLE_ENDPOINTS, Acl, Acls, Action, Entity, Kind, Section
from dcos.wire.errors import WireError

_SECTIONS = {action.value.name: action for action in Action}


def parse(text: str | bytes) -> Acls:
    """Errors: WireError naming the entry and the rule."""
    try:
        given = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WireError("", f"not valid JSON: {error}") from None
    if not isinstance(given, dict):
        raise WireError("", "must be a JSON object")
    permissive = given.pop("permissive", True)
    if not isinstance(permissive, bool):
        raise WireError("permissive", "must be true or false")
    acls: dict[Action, tuple[Acl, ...]] = {}
    for name in given.keys() & _SECTIONS.keys():
        action = _SECTIONS[name]
        entries = given[name]
        if isinstance(entries, dict):
            entries = [entries]
        if entries is None:
            continue
        if not isinstance(entries, list):
            raise WireError(name, "must be a list")
        acls[action] = tuple(_acl(entry, action.value, f"{name}[{index}]") for index, entry in enumerate(entries))
    return Acls(permissive=permissive, acls=acls, unknown=tuple(sorted(given.keys() - _SECTIONS.keys())))


def _acl(entry: Any, section: Section, path: str) -> Acl:
    if not isinstance(entry, Mapping):
        raise WireError(path, "must be an object")
    objects = _entity(entry, section.objects, path)
    if section.whole and objects.kind is Kind.SOME:
        raise WireError(f"{path}.{section.objects}", "type must be either NONE or ANY")
    if section.objects == "paths" and objects.kind is Kind.SOME:
        for one in sorted(objects.values - AUTHORIZABLE_ENDPOINTS):
            raise WireError(f"{path}.paths", f"Path: '{one}' is not an authorizable path")
    return Acl(_entity(entry, "principals", path), objects)


def _entity(entry: Mapping[str, Any], name: str, path: str) -> Entity:
    given = entry.get(name)
    path = f"{path}.{name}"
    if not isinstance(given, Mapping):
        raise WireError(path, "is required: an object with 'type' (SOME, ANY, NONE) or 'values'")
    kind = given.get("type") or Kind.SOME
    if kind not in Kind.__members__:
        raise WireError(f"{path}.type", "must be SOME, ANY or NONE")
    values = given.get("values") or []
    if isinstance(values, str):
        values = [values]
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise WireError(f"{path}.values", "must be a list of strings")
    return Entity(Kind(kind), frozenset(values) if kind == Kind.SOME else frozenset())
