"""Reads our RAML 1.0 as far as we write it: whether names that it uses are there, which methods it tells of, and whether a
JSON value is of a type that it declares. Members that a type does not name are faults here: what is told shall be described."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from posixpath import dirname, join, normpath
from typing import Any

import yaml

METHODS = ("get", "head", "post", "put", "patch", "delete")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d{4})")
_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "nil": (type(None),),
    "object": (dict,), "array": (list,),
}  # fmt: skip


@dataclass(frozen=True)
class _Include:
    path: str


class _Loader(yaml.SafeLoader):
    """Times stay texts; ``!include`` names a file."""


_Loader.add_constructor("!include", lambda loader, node: _Include(node.value))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in rows if tag != "tag:yaml.org,2002:timestamp"]
    for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass
class Description:
    """Documents by path; ``root``: the one that begins ``#%RAML 1.0``."""

    documents: Mapping[str, bytes]
    root: str = "api.raml"
    _read: dict[str, Any] = field(default_factory=dict)

    def read(self, path: str) -> Any:
        """A file with all that it includes."""
        if path not in self._read:
            raw = self.documents[path].decode()
            parsed = json.loads(raw) if path.endswith(".json") else yaml.load(raw, _Loader)
            self._read[path] = self._included(parsed, path)
        return self._read[path]

    def _included(self, value: Any, path: str) -> Any:
        match value:
            case _Include(other):
                return self.read(normpath(join(dirname(path), other)))
            case dict():
                return {key: self._included(one, path) for key, one in value.items()}
            case list():
                return [self._included(one, path) for one in value]
            case _:
                return value

    def methods(self) -> Iterator[tuple[str, str, Any]]:
        """(method, path, what is said of it) of every resource."""
        yield from self._methods("", self.read(self.root))

    def _methods(self, path: str, node: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
        for key, value in node.items():
            if key in METHODS:
                yield key.upper(), path, value
            elif str(key).startswith("/"):
                yield from self._methods(path + key, value)

    # ---- types ----

    def used(self, path: str, name: str) -> str:
        """The file behind a name of ``uses``.   Errors: KeyError."""
        return normpath(join(dirname(path), self.read(path)["uses"][name]))

    def declared(self, name: str, path: str) -> tuple[Any, str]:
        """A type's declaration and the file that it is in.   Errors: KeyError."""
        space, _, own = name.rpartition(".")
        file = self.used(path, space) if space else path
        return self.read(file)["types"][own], file

    def faults(self, value: Any, kind: Any, path: str | None = None, at: str = "") -> list[str]:
        """What keeps ``value`` from being of a type: an expression or a declaration within the file ``path``."""
        path = path or self.root
        if isinstance(kind, str):
            return self._faults_of_expression(value, kind, path, at)
        if set(kind) & {"properties"} or kind.get("type", "object") == "object":
            return self._faults_of_object(value, kind, path, at)
        found = self.faults(value, kind["type"], path, at)
        if kind["type"] == "array" and "items" in kind:
            found += [
                fault
                for index, one in enumerate(value)
                for fault in self.faults(one, kind["items"], path, f"{at}[{index}]")
            ]
        if "enum" in kind and value not in kind["enum"]:
            found.append(f"{at}: {value!r} is none of {kind['enum']}")
        return found

    def _faults_of_expression(self, value: Any, text: str, path: str, at: str) -> list[str]:
        text = text.strip()
        if text.startswith("(") and text.endswith(")"):
            return self.faults(value, text[1:-1], path, at)
        if text.endswith("[]"):
            if not isinstance(value, list):
                return [f"{at}: {value!r} is no array"]
            return [
                fault
                for index, one in enumerate(value)
                for fault in self.faults(one, text[:-2], path, f"{at}[{index}]")
            ]
        if " | " in text:
            tried = [self.faults(value, part, path, at) for part in text.split(" | ")]
            return min(tried, key=len)
        if text == "any":
            return []
        if text == "datetime":
            fits = isinstance(value, str) and _MOMENT.fullmatch(value) is not None
            return [] if fits else [f"{at}: {value!r} is no instant"]
        if text in _SCALARS:
            fits = isinstance(value, _SCALARS[text]) and (text == "boolean" or not isinstance(value, bool))
            return [] if fits else [f"{at}: {value!r} is no {text}"]
        declaration, file = self.declared(text, path)
        return self.faults(value, declaration, file, at)

    def _members(self, kind: Any, path: str) -> dict[str, tuple[Any, str]]:
        """Those of an object type and of what it builds on, each with the file that it is written in."""
        if isinstance(kind, str):
            return self._members(*self.declared(kind, path))
        base = kind.get("type", "object")
        found = {} if base == "object" else self._members(base, path)
        return {**found, **{name: (one, path) for name, one in kind.get("properties", {}).items()}}

    def _faults_of_object(self, value: Any, kind: Any, path: str, at: str) -> list[str]:
        if not isinstance(value, dict):
            return [f"{at}: {value!r} is no object"]
        members = self._members(kind, path)
        if not members:
            return []
        others = members.pop("//", None)
        named = {name.removesuffix("?"): one for name, one in members.items()}
        found = [f"{at}/{name}: missing" for name in members if not name.endswith("?") and name not in value]
        for name, one in value.items():
            told = named.get(name, others)
            if told is None:
                found.append(f"{at}/{name}: not described")
            else:
                found += self.faults(one, told[0], told[1], f"{at}/{name}")
        return found

    # ---- whether it is whole ----

    def references(self) -> Iterator[tuple[str, str]]:
        """(file, name of a type) of every type that is named somewhere."""
        for path in self.documents:
            if path.endswith(".raml"):
                whole = self.documents[path].startswith(b"#%RAML")
                yield from ((path if whole else self.root, name) for name in _names(self.read(path)))

    def check(self) -> None:
        """Errors: KeyError where a name stands for nothing; ValueError where libraries use each other in a circle."""
        for path, name in self.references():
            self.declared(name, path)
        for path in self.documents:
            self._no_circle(path, ())

    def _no_circle(self, path: str, above: tuple[str, ...]) -> None:
        if path in above:
            raise ValueError(" > ".join((*above, path)))
        parsed = self.read(path)
        if path.endswith(".raml") and isinstance(parsed, dict):
            for name in parsed.get("uses", {}):
                self._no_circle(self.used(path, name), (*above, path))


_PLAIN = {*_SCALARS, "any", "datetime"}


def _names(node: Any) -> Iterator[str]:
    """Names of types in expressions, but for the built-in ones."""
    if isinstance(node, list):
        for one in node:
            yield from _names(one)
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key in ("properties", "types", "body", "headers", "queryParameters", "uriParameters"):
            for one in value.values():
                yield from _names({"type": one} if isinstance(one, str) else one)
        elif key in ("type", "items") and isinstance(value, str):
            for word in re.split(r"[\s()|\[\]]+", value):
                if word and word not in _PLAIN:
                    yield word
        elif key not in ("example", "enum", "default", "uses", "description"):
            yield from _names(value)
