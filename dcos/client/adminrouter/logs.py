"""The nodes' log services through Admin Router: journals of units, files of tasks.   Source: dcos-log's API v2.

An entry is ``{"fields": {"MESSAGE": ..., ...}, "cursor": ..., "realtime_timestamp": <microseconds>}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from dcos.client.adminrouter.failures import ClientError
from dcos.client.adminrouter.transport import Transport

Json = dict[str, Any]
EVENTS: Final = "text/event-stream"
LEADER: Final = "leader/mesos"


class Logs:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def units(self, node: str | None, unit: str | None, filters: Sequence[str], lines: int | None) -> Iterator[Json]:
        """The last ``lines`` entries (None: all) of a node's journal, oldest first.

        ``node``: agent id, None for the leading master; ``filters``: ``FIELD:value`` each.
        """
        query: Json = {"filter": list(filters)} if filters else {}
        if lines is not None:
            query["skip"] = -lines
        parts = self._transport.stream(_journal(node, unit), query=query, headers={"Accept": "application/json"})
        for line in _lines(parts):
            if line.strip():
                yield _entry(line)

    def follow_units(self, node: str | None, unit: str | None, filters: Sequence[str], lines: int) -> Iterator[Json]:
        """As ``units``, and then whatever comes."""
        query: Json = {"skip": -lines} | ({"filter": list(filters)} if filters else {})
        headers = {"Accept": EVENTS}
        yield from events(self._transport.stream(_journal(node, unit), query=query, headers=headers, forever=True))


def _journal(node: str | None, unit: str | None) -> str:
    where = LEADER if node is None else f"agent/{quote(node)}"
    return f"/system/v1/{where}/logs/v2/component" + (f"/{quote(unit)}" if unit else "")


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, without their ends."""
    held = b""
    for part in parts:
        *whole, held = (held + part).split(b"\n")
        yield from whole
    if held:
        yield held


def events(parts: Iterable[bytes]) -> Iterator[Json]:
    """The JSON of each server-sent event.   Errors: ClientError."""
    data: list[bytes] = []
    for line in _lines(parts):
        text = line.rstrip(b"\r")
        if text.startswith(b"data:"):
            data.append(text[5:].removeprefix(b" "))
        elif not text and data:
            yield _entry(b"\n".join(data))
            data = []


def _entry(raw: bytes) -> Json:
    try:
        found = json.loads(raw)
    except ValueError:
        raise ClientError("the log service sent an entry that is not JSON") from None
    if not isinstance(found, dict):
        raise ClientError("the log service sent an entry that is no object")
    return found
