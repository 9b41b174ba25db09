"""How lines of logs are written into answers: plain, as JSON, as server-sent events.   Source: dcos-log's formatters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

_json = msgspec.json.Encoder().encode
ALIVE = b": \n\n"
"""A comment in a stream of events: says nothing, and tells whether somebody still listens."""


class Form(StrEnum):
    """By its media type."""

    TEXT = "text/plain"
    JSON = "application/json"
    EVENTS = "text/event-stream"


def wanted(accept: str) -> Form:
    """Text, where nothing else is asked for."""
    given = accept.lower()
    return next((form for form in (Form.EVENTS, Form.JSON) if form in given), Form.TEXT)


def entry(
    form: Form, fields: Mapping[str, str], cursor: str, realtime_us: int, monotonic_us: int, *, id: bool
) -> bytes:
    """An entry of the journal. ``id``: events carry the cursor, by which a broken stream is taken up."""
    if form is Form.TEXT:
        when = datetime.fromtimestamp(realtime_us // 1_000_000, UTC)
        return f"{when:%Y-%m-%d %H:%M:%S}: {fields.get('MESSAGE', '')}\n".encode()
    whole = {
        "fields": fields,
        "cursor": cursor,
        "monotonic_timestamp": monotonic_us,
        "realtime_timestamp": realtime_us,
    }
    return _json(whole) + b"\n" if form is Form.JSON else event(whole, cursor if id else "")


def event(value: Any, id: str = "") -> bytes:
    head = f"id: {id}\n".encode() if id else b""
    return head + b"data: " + _json(value) + b"\n\n"


def last_lines_begin(block: bytes, count: int) -> tuple[int | None, int]:
    """Of a part of a file, read from its end: (index at which the last ``count`` lines begin, 0) or (None, how many are
    still wanted from what lies before). A newline at the very end of the file is no line's begin: leave it out of ``block``."""
    at = len(block)
    while count:
        at = block.rfind(b"\n", 0, at)
        if at < 0:
            return None, count
        count -= 1
    return at + 1, 0


def lines_end(block: bytes, count: int) -> tuple[int | None, int]:
    """(index behind the ``count``-th line, 0) or (None, how many are still wanted from what follows)."""
    at = 0
    while count:
        found = block.find(b"\n", at)
        if found < 0:
            return None, count
        at = found + 1
        count -= 1
    return at, 0
