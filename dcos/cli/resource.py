"""JSON or YAML that a command reads: from a file, a URL or standard input; and ``key=value`` changes of it."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dcos.cli.output import fail
from dcos.wire import yaml_text

_TIMEOUT_S = 60


def read(source: str | None, example: str) -> Any:
    """What ``source`` says, standard input without one: YAML from ``*.yaml`` and ``*.yml``, elsewhere JSON, or YAML where
    it is none. ``example`` is shown where a terminal is there instead."""
    if source is None:
        if sys.stdin.isatty():
            fail(f"we need to read JSON or YAML from standard input or a file, for example:\n    {example}")
        text, where = sys.stdin.read(), "standard input"
    elif source.startswith(("http://", "https://")):
        text, where = _fetched(source), source
    else:
        try:
            text, where = Path(source).read_text(encoding="utf-8"), source
        except (OSError, UnicodeDecodeError) as error:
            fail(f"cannot read {source}: {error}")
    if where.partition("?")[0].endswith(yaml_text.SUFFIXES):
        return _yaml(text, where)
    try:
        return json.loads(text)
    except ValueError as error:
        if not text.lstrip().startswith(("{", "[")):
            value = _yaml(text, where)
            if isinstance(value, dict | list):
                return value
        fail(f"{where} is not JSON: {error}")


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml_text.decode(text.encode())
    except yaml_text.NotYaml as error:
        fail(f"{where} is not YAML: {error}")


def _fetched(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError, UnicodeDecodeError) as error:
        fail(f"cannot read {url}: {error}")


def read_object(source: str | None, example: str) -> dict[str, Any]:
    """As ``read``, and it must be an object."""
    value = read(source, example)
    if not isinstance(value, dict):
        fail("what is read must be an object")
    return value


def changes(pairs: Iterable[str], texts: frozenset[str]) -> dict[str, Any]:
    """``key=value`` as an object: values are JSON, but those of ``texts``, and what is no JSON, are plain text."""
    changed: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            fail(f"'{pair}' must be key=value")
        changed[key] = value if key in texts else _parsed(value)
    return changed


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
