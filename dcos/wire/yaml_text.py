"""YAML where JSON is read: the same plain values, from text that may come from anybody.

Only what JSON can say: scalars as YAML 1.2's core schema reads them (``no``, ``on`` and dates stay text), keys are texts,
no tags but the core ones, one document. It is read event by event, without recursion; an alias counts as all that it stands
for, so that a small text cannot become a huge value.   Source: YAML 1.2.2, 10.3 core schema; the merge key ``<<`` of 1.1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

MEDIA_TYPES: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
SUFFIXES: Final = (".yaml", ".yml")
MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 100_000
"""Values in the whole document, those behind aliases counted each time."""

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_CORE = "tag:yaml.org,2002:"
_MERGE = "<<"


class NotYaml(ValueError):
    """The text is not YAML, or says more than JSON could; the message names the line and the rule."""


@dataclass(slots=True)
class _Open:
    """A list or map that is being read; ``key`` is set while its value is awaited."""

    made: list[Any] | dict[str, Any]
    anchor: str | None
    size: int = 1
    key: str | None = None
    merged: dict[str, Any] = field(default_factory=dict)
    """What ``<<`` brought: own members win."""


def decode(raw: bytes) -> Any:
    """The one document in ``raw`` as plain JSON values.   Errors: NotYaml."""
    return _read(raw, most=1)[0]


def documents(raw: bytes) -> list[Any]:
    """All documents in ``raw``, each as ``decode`` reads it; the limits are for all together.   Errors: NotYaml."""
    return _read(raw, most=None)


def _read(raw: bytes, *, most: int | None) -> list[Any]:
    if len(raw) > MAX_BYTES:
        raise NotYaml(f"longer than {MAX_BYTES} bytes")
    reader = _Reader(most)
    try:
        text = raw.decode()
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for event in yaml.parse(text, Loader=loader):
            reader.take(event)
    except UnicodeDecodeError as error:
        raise NotYaml(f"not UTF-8: {error.reason}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        raise NotYaml(f"line {mark.line + 1}: {problem}" if mark else str(problem)) from error
    if not reader.documents:
        raise NotYaml("no document")
    return reader.documents


class _Reader:
    def __init__(self, most: int | None) -> None:
        self.documents: list[Any] = []
        self._most = most
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._total = 0

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._add(event, _scalar(event), event.anchor)
            case yaml.AliasEvent():
                if event.anchor not in self._anchors:
                    raise _at(event, f"alias *{event.anchor} stands within what it names, or names nothing")
                value, size = self._anchors[event.anchor]
                self._add(event, value, None, size)
            case yaml.SequenceStartEvent():
                self._begin(event, [], "seq")
            case yaml.MappingStartEvent():
                self._begin(event, {}, "map")
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._end(event)
            case yaml.DocumentStartEvent():
                self._anchors = {}
                if len(self.documents) == self._most:
                    raise _at(event, "only one document is read")

    def _begin(self, event: yaml.CollectionStartEvent, made: list[Any] | dict[str, Any], tag: str) -> None:
        if event.tag not in (None, "!", _CORE + tag):
            raise _at(event, f"tag {event.tag} is not read")
        if len(self._open) >= MAX_DEPTH:
            raise _at(event, f"nested deeper than {MAX_DEPTH}")
        if self._open and isinstance(self._open[-1].made, dict) and self._open[-1].key is None:
            raise _at(event, "a key must be a text")
        self._open.append(_Open(made, event.anchor))

    def _end(self, event: yaml.Event) -> None:
        done = self._open.pop()
        if isinstance(done.made, dict):
            for key, value in done.merged.items():
                done.made.setdefault(key, value)
        self._add(event, done.made, done.anchor, done.size)

    def _add(self, event: yaml.Event, value: Any, anchor: str | None, size: int = 1) -> None:
        """Put a whole value where it belongs."""
        top = self._open[-1] if self._open else None
        counted = size if isinstance(event, yaml.AliasEvent) else 1
        self._total += counted
        if self._total > MAX_VALUES:
            raise _at(event, f"more than {MAX_VALUES} values, aliases counted as what they stand for")
        if anchor is not None:
            self._anchors[anchor] = (value, size)
        if top is None:
            self.documents.append(value)
            return
        top.size += size
        if isinstance(top.made, list):
            top.made.append(value)
        elif top.key is None:
            top.key = _key(event, value)
            if top.key in top.made:
                raise _at(event, f"key {top.key!r} is given twice")
        elif top.key == _MERGE:
            for one in value if isinstance(value, list) else [value]:
                if not isinstance(one, dict):
                    raise _at(event, "'<<' takes a map or a list of maps")
                for key, inner in one.items():
                    top.merged.setdefault(key, inner)
            top.key = None
        else:
            top.made[top.key] = value
            top.key = None


def _key(event: yaml.Event, value: Any) -> str:
    if isinstance(event, yaml.ScalarEvent):
        return str(event.value)
    if isinstance(value, str):
        return value
    raise _at(event, "a key must be a text")


def _scalar(event: yaml.ScalarEvent) -> Any:
    text = event.value
    if event.tag is None or event.tag == "!":
        return _plain(event, text) if event.implicit[0] and not event.style else text
    readers: dict[str, Callable[[str], Any]] = {"str": str, "int": _int, "float": float}
    kind = event.tag.removeprefix(_CORE)
    if kind in ("null", "bool"):
        return _plain(event, text)
    if not event.tag.startswith(_CORE) or kind not in readers:
        raise _at(event, f"tag {event.tag} is not read")
    try:
        return readers[kind](text)
    except ValueError as error:
        raise _at(event, f"{text!r} is no {kind}") from error


def _plain(event: yaml.ScalarEvent, text: str) -> Any:
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.fullmatch(text):
        if len(text) > 400:
            raise _at(event, "a number of more than 400 digits")
        return _int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise _at(event, f"{text} is too large")
        return number
    if _NOT_FINITE.fullmatch(text):
        raise _at(event, f"{text} cannot be said in JSON")
    return text


def _int(text: str) -> int:
    bases = {"0o": 8, "0x": 16}
    return int(text, bases.get(text[:2], 10))


def _at(event: yaml.Event, text: str) -> NotYaml:
    mark = event.start_mark
    return NotYaml(f"line {mark.line + 1}, column {mark.column + 1}: {text}" if mark else text)
