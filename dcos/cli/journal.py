"""Entries of logs as lines: ``short``, ``cat``, ``json`` or ``json-pretty``.   No I/O.   Source: dcos-core-cli pkg/logs."""

from __future__ import annotations

import datetime
import json
from typing import Any, Final

import click

Json = dict[str, Any]
FORMATS: Final = ("short", "cat", "json", "json-pretty")
_COLOURS: Final = {
    **{key: {"fg": "red"} for key in "0123"},
    "4": {"fg": "yellow"},
    "5": {"fg": "bright_blue"},
}
"""By syslog priority."""


def formatted(entry: Json, form: str) -> str:
    """One entry of a journal; colours are for a terminal, which ``click.echo`` looks after."""
    fields = entry.get("fields") or {}
    if form.startswith("json"):
        flat = fields | {
            "__CURSOR": entry.get("cursor", ""),
            "__REALTIME_TIMESTAMP": str(entry.get("realtime_timestamp", "")),
        }
        return json.dumps(flat, indent=4 if form == "json-pretty" else None, ensure_ascii=False)
    message = str(fields.get("MESSAGE", ""))
    if form != "cat":
        process = f" [{fields['_PID']}]" if fields.get("_PID") else ""
        message = f"{_date(entry.get('realtime_timestamp'))} {fields.get('SYSLOG_IDENTIFIER', '')}{process}: {message}"
    colour: Any = _COLOURS.get(str(fields.get("PRIORITY", "")))
    return click.style(message, **colour) if colour else message


def _date(microseconds: Any) -> str:
    try:
        at = datetime.datetime.fromtimestamp(int(microseconds) / 1e6, datetime.UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return "-"
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def line_of_file(line: str, form: str, fields: Json) -> str:
    """One line of a task's file; files have no times, so ``short`` is ``cat``."""
    if not form.startswith("json"):
        return line
    return json.dumps({"MESSAGE": line, **fields}, indent=4 if form == "json-pretty" else None, ensure_ascii=False)
