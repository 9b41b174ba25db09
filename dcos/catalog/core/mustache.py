"""Mustache as Universe templates expect it: mustache.java's rules, no HTML escaping, values put in as JSON text.

chevron cuts the template into tokens (white space of standalone tags included); what a name means and what counts as
false is decided here, because chevron's own rules (0 is false, attributes of Python objects are reachable, HTML is escaped)
are not upstream's.

Values: a string is written JSON-escaped without its quotes, but with them where it is a list's element; a whole number
without a fraction; true and false; nothing for null and for unknown names. False are: unknown, null, false, "" and [];
0 and {} are true. ``{{#asJson}}name{{/asJson}}`` writes the top-level string option ``name`` as it is, ``null`` where
there is none.
Source: cosmos PackageDefinitionRenderer, mustache.java ReflectionObjectHandler.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chevron import tokenizer

AS_JSON = "asJson"
MAX_PARTS = 1_000_000
"""Sections over lists can multiply: a template of 200 bytes could keep a processor busy for a year."""
MAX_CHARACTERS = 16 * 1024**2


class TemplateError(ValueError):
    """The template is not mustache: an unclosed tag or section, a partial. Or it would grow beyond the limits."""


class _Out:
    """What is written so far, with its limits."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._characters = 0

    def write(self, text: str) -> None:
        self.parts.append(text)
        self._characters += len(text)
        if len(self.parts) > MAX_PARTS or self._characters > MAX_CHARACTERS:
            raise TemplateError("rendered, it grows beyond the limit")

    def joined(self) -> str:
        return "".join(self.parts)


@dataclass(frozen=True, slots=True)
class _Value:
    """A variable's place."""

    name: str


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    inverted: bool
    body: tuple[str | _Value | _Section, ...]


_Part = str | _Value | _Section
_Scopes = tuple[Any, ...]


def render(template: str, context: Mapping[str, Any]) -> str:
    """Errors: TemplateError."""
    out = _Out()
    _write(_parse(template), (context,), context, out)
    return out.joined()


def names(template: str) -> frozenset[str]:
    """Every name that the template asks for, those in ``asJson`` included.   Errors: TemplateError."""
    return frozenset(_named(_parse(template)))


def _named(parts: tuple[_Part, ...]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, _Value) and part.name != ".":
            yield part.name
        elif isinstance(part, _Section):
            if part.name == AS_JSON:
                yield "".join(one for one in part.body if isinstance(one, str)).strip()
            elif part.name != ".":
                yield part.name
            yield from _named(part.body)


def _parse(template: str) -> tuple[_Part, ...]:
    try:
        tokens = list(tokenizer.tokenize(template))  # type: ignore[no-untyped-call]  # chevron has no types
    except (tokenizer.ChevronError, IndexError) as error:
        raise TemplateError("; ".join(str(error).splitlines()) or "empty tag") from None
    open_sections: list[tuple[str, bool, list[_Part]]] = []
    parts: list[_Part] = []
    for kind, text in tokens:
        if kind == "literal":
            parts.append(text)
        elif kind in ("variable", "no escape"):
            parts.append(_Value(text))
        elif kind in ("section", "inverted section"):
            open_sections.append((text, kind == "inverted section", parts))
            parts = []
        elif kind == "end":
            name, inverted, around = open_sections.pop()
            around.append(_Section(name, inverted, tuple(parts)))
            parts = around
        else:
            raise TemplateError(f"{kind} {text!r} is not supported")
    if open_sections:
        raise TemplateError(f"section {open_sections[-1][0]!r} is not closed")
    return tuple(parts)


def _write(parts: tuple[_Part, ...], scopes: _Scopes, top: Mapping[str, Any], out: _Out) -> None:
    for part in parts:
        if isinstance(part, str):
            out.write(part)
        elif isinstance(part, _Value):
            out.write(_text(_find(part.name, scopes)))
        elif part.name == AS_JSON and not part.inverted:
            out.write(_as_json(part, scopes, top))
        else:
            value = _find(part.name, scopes)
            if part.inverted:
                if not _is_true(value):
                    _write(part.body, scopes, top, out)
            elif isinstance(value, list):
                for element in value:
                    out.write("")  # an empty round counts, too
                    _write(part.body, (*scopes, _Element(element)), top, out)
            elif _is_true(value):
                _write(part.body, (*scopes, value), top, out)


@dataclass(frozen=True, slots=True)
class _Element:
    """A list's element as a scope: a string in it keeps its quotes."""

    value: Any


def _as_json(section: _Section, scopes: _Scopes, top: Mapping[str, Any]) -> str:
    inside = _Out()
    _write(section.body, scopes, top, inside)
    value = top.get(inside.joined().strip())
    return value if isinstance(value, str) else "null"


def _find(name: str, scopes: _Scopes) -> Any:
    """The value of a dotted name: the innermost scope that has its first part decides."""
    if name == ".":
        return scopes[-1]
    first, *rest = name.split(".")
    for scope in reversed(scopes):
        scope = scope.value if isinstance(scope, _Element) else scope
        if isinstance(scope, Mapping) and first in scope:
            value = scope[first]
            for part in rest:
                value = value.get(part) if isinstance(value, Mapping) else None
            return value
    return None


def _is_true(value: Any) -> bool:
    if isinstance(value, _Element):
        value = value.value
    return not (value is None or value is False or value == "" or value == [])


def _text(value: Any) -> str:
    if isinstance(value, _Element):
        return _quoted(value.value)
    if value is None:
        return ""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)[1:-1]
    return _quoted(value)


def _quoted(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)
