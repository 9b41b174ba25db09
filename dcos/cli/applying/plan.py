"""What has to change so that what is present is as documents say.   No I/O.

Only members that a document mentions are compared. Lists whose elements have names (or ids) are compared by them; other lists
as they are, in their order. Numbers are compared by value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from dcos.cli.applying.documents import Document

Json = dict[str, Any]


class Action(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    NOTHING = "unchanged"


class Missing:
    """In place of a value that is not there."""

    def __repr__(self) -> str:
        return "(none)"


MISSING: Final = Missing()


@dataclass(frozen=True, slots=True)
class Difference:
    """``path``: dotted, elements of lists in brackets."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    """``body``: what is sent. ``where``: the document's place."""

    action: Action
    kind: str
    name: str
    body: Json
    differences: tuple[Difference, ...] = ()
    where: str = ""


def change_of(document: Document, present: Json | None, *, prune: bool = False) -> Change:
    """``present``: what is there, None for nothing. ``prune``: rights that a permission does not mention are taken away."""
    kind, name, where = document.kind, document.name, document.where
    if kind == "permission":
        found = tuple(_rights(document.body, present or {}, prune=prune))
        action = Action.NOTHING if not found else Action.CREATE if present is None else Action.CHANGE
        return Change(action, kind, name, document.body, found, where)
    if present is None:
        return Change(Action.CREATE, kind, name, document.body, tuple(differences(MISSING, document.body)), where)
    found = tuple(differences(present, document.body))
    if not found:
        return Change(Action.NOTHING, kind, name, document.body, (), where)
    body = merged(present, document.body) if kind in ("pod", "job") else document.body
    return Change(Action.CHANGE, kind, name, body, found, where)


GRANTED: Final = "granted"


def rights_of(body: Json) -> set[tuple[str, str, str]]:
    """``users`` or ``groups``, who, and an action."""
    return {
        (holders, who, action)
        for holders in ("users", "groups")
        for who, actions in (body.get(holders) or {}).items()
        for action in ([actions] if isinstance(actions, str) else actions)
    }


def _rights(wanted: Json, present: Json, *, prune: bool) -> Iterator[Difference]:
    """``users.bob.read``: None before what is to be granted, after what is to be revoked."""
    there, here = rights_of(present), rights_of(wanted)
    for right in sorted(here - there):
        yield Difference(".".join(right), MISSING, GRANTED)
    for right in sorted(there - here) if prune else ():
        yield Difference(".".join(right), GRANTED, MISSING)


def removals(document: Document, present: Json | None) -> Change:
    """What has to go so that nothing of the document is left."""
    kind, name, where = document.kind, document.name, document.where
    if kind == "permission":
        held = sorted(rights_of(document.body) & rights_of(present or {}))
        found = tuple(Difference(".".join(right), GRANTED, MISSING) for right in held)
        return Change(Action.DELETE if held else Action.NOTHING, kind, name, document.body, found, where)
    return Change(Action.NOTHING if present is None else Action.DELETE, kind, name, {}, (), where)


def strangers(group: Json, named: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Kind and id of apps and pods in a present group, and in those below it, that are not ``named``."""
    found = [
        (kind, str(one["id"]))
        for key, kind in (("apps", "app"), ("pods", "pod"))
        for one in group.get(key, [])
        if (kind, str(one["id"])) not in named
    ]
    for inner in group.get("groups", []):
        found += strangers(inner, named)
    return found


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Of what ``after`` mentions."""
    if isinstance(after, Mapping) and (isinstance(before, Mapping) or before is MISSING) and (after or path == ""):
        for key, value in after.items():
            old = before.get(key, MISSING) if isinstance(before, Mapping) else MISSING
            inner = f"{path}.{key}" if path else str(key)
            if value is None and old in (MISSING, None):
                continue
            yield from differences(old, value, inner)
        return
    key = _key(before, after)
    if key is not None:
        old_by, new_by = {one[key]: one for one in before}, {one[key]: one for one in after}
        for name in [*new_by, *(one for one in old_by if one not in new_by)]:
            inner = f"{path}[{name}]"
            if name in new_by:
                yield from differences(old_by.get(name, MISSING), new_by[name], inner)
            else:
                yield Difference(inner, old_by[name], MISSING)
        return
    if _is_list(before) and _is_list(after) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(old, new, f"{path}[{index}]")
        return
    if before != after or isinstance(before, bool) != isinstance(after, bool):
        yield Difference(path, before, after)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _key(before: Any, after: Any) -> str | None:
    """The member by which the elements of both lists are told apart: each has one, and no two the same."""
    if not _is_list(before) or not _is_list(after) or not after:
        return None
    for key in ("name", "id"):
        if all(_named(some, key) for some in (before, after)):
            return key
    return None


def _named(some: Sequence[Any], key: str) -> bool:
    if not all(isinstance(one, Mapping) and isinstance(one.get(key), str) for one in some):
        return False
    return len({one[key] for one in some}) == len(some)


def merged(before: Any, after: Any) -> Any:
    """``before`` with what ``after`` mentions, for services that replace the whole; None takes a member away."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        made = {key: value for key, value in before.items() if after.get(key, MISSING) is not None}
        return made | {
            key: merged(before[key], value) if key in before else value
            for key, value in after.items()
            if value is not None
        }
    key = _key(before, after)
    if key is not None:
        old = {one[key]: one for one in before}
        return [merged(old[one[key]], one) if one[key] in old else one for one in after]
    return after


def counts(changes: Sequence[Change]) -> dict[Action, int]:
    return {action: sum(1 for one in changes if one.action is action) for action in Action}
