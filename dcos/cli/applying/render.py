"""A plan as lines for people, and as JSON for programs.   No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from dcos.cli.applying.plan import MISSING, Action, Change, Difference, counts

Json = dict[str, Any]
_WIDTH: Final = 160
_SIGNS: Final = {Action.CREATE: ("+", "green"), Action.CHANGE: ("~", "yellow"), Action.DELETE: ("-", "red")}
_DONE: Final = {
    Action.CREATE: ("to create", "created"),
    Action.CHANGE: ("to change", "changed"),
    Action.DELETE: ("to delete", "deleted"),
    Action.NOTHING: ("unchanged", "unchanged"),
}


def lines(changes: Sequence[Change]) -> Iterator[str]:
    """One line for each thing, and one for each difference."""
    for one in changes:
        if one.action is Action.NOTHING:
            yield f"  {one.kind} {one.name}: unchanged"
            continue
        sign, colour = _SIGNS[one.action]
        yield click.style(f"{sign} {one.kind} {one.name}: {one.action}", fg=colour)
        for difference in one.differences:
            if not (one.action is Action.CREATE and difference.path in ("id", "resource")):
                yield f"    {_line(difference, one.action)}"


def _line(one: Difference, action: Action) -> str:
    after = shown(one.after)
    return f"{one.path}: {after}" if action is Action.CREATE else f"{one.path}: {shown(one.before)} -> {after}"


def shown(value: Any) -> str:
    if value is MISSING:
        return "(none)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def summary(changes: Sequence[Change], *, done: bool) -> str:
    """``1 to create, 2 unchanged``; ``done``: it was."""
    parts = [f"{count} {_DONE[action][done]}" for action, count in counts(changes).items() if count]
    return ", ".join(parts)


def as_json(changes: Sequence[Change]) -> list[Json]:
    return [
        {
            "action": one.action.value,
            "kind": one.kind,
            "name": one.name,
            "differences": [{"path": each.path, **_both(each.before, each.after)} for each in one.differences],
        }
        for one in changes
    ]


def _both(before: Any, after: Any) -> Mapping[str, Any]:
    """Without what is not there."""
    return {name: value for name, value in (("before", before), ("after", after)) if value is not MISSING}
