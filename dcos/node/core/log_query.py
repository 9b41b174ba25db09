"""What a request wants of the journal: its parameters as one value, checked.

v1 counts with ``skip_next``, ``skip_prev`` and ``read_reverse``; v2 with one signed ``skip``. Both lead to the same ``Query``.
Source: dcos-log's router and readers, versions 1 and 2 of its API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_FIELD = re.compile(r"_{0,2}[A-Z0-9][A-Z0-9_]{0,62}")
_SUFFIXES = (".service", ".socket", ".timer", ".target", ".mount", ".slice", ".scope", ".path", ".device", ".swap")
BEGIN, END = "BEG", "END"
FIELDS = frozenset(
    (
        "AGENT_ID", "CODE_FILE", "CODE_FUNC", "CODE_LINE", "COMPONENT", "CONTAINER_ID", "DCOS_SPACE", "EXECUTOR_ID",
        "FRAMEWORK_ID", "MESSAGE_ID", "PRIORITY", "STREAM", "SYSLOG_FACILITY", "SYSLOG_IDENTIFIER", "UNIT",
        "_BOOT_ID", "_COMM", "_EXE", "_GID", "_HOSTNAME", "_MACHINE_ID", "_SYSTEMD_CGROUP", "_SYSTEMD_SLICE",
        "_SYSTEMD_UNIT", "_TRANSPORT", "_UID",
    )
)  # fmt: skip
"""Whose values may be listed: those that name things. Not what is written (MESSAGE) or typed (_CMDLINE)."""


class BadQuery(ValueError):
    """The text names the parameter and its rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """``cursor`` None: the oldest entry, or with ``tail`` the end. From there ``forward`` entries on, then ``back`` entries
    back, then up to ``limit`` (0: all) are read, with ``reverse`` towards older ones."""

    matches: tuple[tuple[str, str], ...] = ()
    unit: str = ""
    """Entries of this unit, and those of systemd about it."""
    cursor: str | None = None
    tail: bool = False
    forward: int = 0
    back: int = 0
    limit: int = 0
    reverse: bool = False


def number(words: Mapping[str, str], name: str, *, signed: bool = False) -> int:
    """A parameter, 0 where it is absent.   Errors: BadQuery."""
    text = words.get(name, "")
    if not text:
        return 0
    try:
        value = int(text)
    except ValueError:
        raise BadQuery(f"{name}: {text!r} is not a whole number") from None
    if not (-(2**63) if signed else 0) <= value < 2**63:
        raise BadQuery(f"{name}: {text} is {'negative' if value < 0 and not signed else 'too large'}")
    return value


def filters(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Of ``FIELD:value`` each, in any case.   Errors: BadQuery."""
    found = []
    for text in texts:
        if text.count(":") != 1:
            raise BadQuery(f"filter: {text!r} must be FIELD:value, with one colon")
        name, value = text.split(":")
        name = name.strip().upper()
        if not _FIELD.fullmatch(name):
            raise BadQuery(f"filter: {name!r} is not the name of a journal's field")
        found.append((name, value))
    return tuple(found)


def first_version(
    words: Mapping[str, str], given: Sequence[str], *, stream: bool, last_event: str | None, of: Mapping[str, str]
) -> Query:
    """``given``: the values of ``filter``; ``last_event``: where a broken stream ended; ``of``: what the path says must
    match.   Errors: BadQuery."""
    limit, back, forward = number(words, "limit"), number(words, "skip_prev"), number(words, "skip_next")
    if stream and words.get("limit"):
        raise BadQuery("limit: a stream has none")
    reverse = words.get("read_reverse", "false").lower()
    if reverse not in ("true", "false"):
        raise BadQuery("read_reverse: must be true or false")
    if stream and reverse == "true":
        raise BadQuery("read_reverse: a stream goes on to what is newer")
    cursor = words.get("cursor") or None
    if stream and last_event:  # that one was seen
        cursor, forward, back = last_event, 1, 0
    return Query(
        matches=(*of.items(), *filters(given)),
        cursor=cursor,
        tail=cursor is None and (reverse == "true" or (back > 0 and not forward)),
        forward=forward,
        back=back,
        limit=limit,
        reverse=reverse == "true",
    )


def second_version(words: Mapping[str, str], given: Sequence[str], *, unit: str, last_event: str | None) -> Query:
    """As ``first_version``. END alone is the last entry; a negative ``skip`` without a cursor counts from the end.

    Errors: BadQuery.
    """
    limit, skip = number(words, "limit"), number(words, "skip", signed=True)
    cursor = words.get("cursor") or None
    matches = filters(given)
    unit = unit_named(unit) if unit else ""
    if last_event:
        return Query(matches=matches, unit=unit, cursor=last_event, forward=1, limit=limit)
    if cursor == END or (cursor in (None, BEGIN) and skip < 0):
        return Query(matches=matches, unit=unit, tail=True, back=max(1, -skip), limit=limit)
    return Query(
        matches=matches,
        unit=unit,
        cursor=None if cursor == BEGIN else cursor,
        forward=max(0, skip),
        back=max(0, -skip),
        limit=limit,
    )


def unit_named(text: str) -> str:
    """``dcos-marathon`` is ``dcos-marathon.service``."""
    return text if text.endswith(_SUFFIXES) else f"{text}.service"


def field_to_list(text: str) -> str:
    """Errors: BadQuery."""
    name = text.upper()
    if name not in FIELDS:
        raise BadQuery(f"{text!r}: its values are not listed; these are: {', '.join(sorted(FIELDS))}")
    return name
