"""RAML 1.0 and JSON Schema of documents, made from the very types that requests are read into.

A *library* is a file of data types. ``Libraries`` says which type is told in which file; a file names the others that it needs.
Source: RAML 1.0 specification.
"""

from __future__ import annotations

import enum
import inspect
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import yaml

from dcos.model.marathon_limits import Limit

LIBRARY = "#%RAML 1.0 Library\n"
ANNOTATIONS = "annotations"
_SCALARS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", Any: "any"}

Limits = Mapping[type, Mapping[str, Limit]]


class Libraries:
    """Types by the file that tells of them.

    ``marked``: annotations of members, by (type's name, member). ``annotations``: the path from a file to the library of these.
    ``required``: members that clients must give though the type has a default. ``limits``: of members by type.
    """

    def __init__(
        self,
        files: Mapping[str, Sequence[type]],
        marked: Mapping[tuple[str, str], str] | None = None,
        annotations: str | None = None,
        required: Collection[tuple[str, str]] = (),
        limits: Limits | None = None,
    ) -> None:
        self._files = files
        self._file_of = {kind: name for name, kinds in files.items() for kind in kinds}
        self._marked = marked or {}
        self._annotations = annotations
        self._required = required
        self._limits = limits or {}

    def text(self, name: str) -> bytes:
        """The file ``name``."""
        return _Writer(name, self._file_of, self._marked, self._required, self._limits).text(
            self._files[name], self._annotations
        )

    def texts(self) -> dict[str, bytes]:
        """Every file, by ``<name>.raml``."""
        return {f"{name}.raml": self.text(name) for name in self._files}


class _Writer:
    """One file in the making."""

    def __init__(
        self,
        own: str,
        file_of: Mapping[type, str],
        marked: Mapping[tuple[str, str], str],
        required: Collection[tuple[str, str]],
        limits: Limits,
    ) -> None:
        self._own = own
        self._file_of = file_of
        self._marked = marked
        self._required = required
        self._limits = limits
        self._uses: set[str] = set()
        self._annotated = False
        self._words: dict[str, Any] = {}
        """Texts that are a choice of a union: each a type of its own."""

    def text(self, kinds: Sequence[type], annotations: str | None) -> bytes:
        made = {kind.__name__: self._declared(kind) for kind in kinds}
        uses = {name: f"{name}.raml" for name in sorted(self._uses)}
        if self._annotated and annotations is not None:
            uses[ANNOTATIONS] = annotations
        return LIBRARY.encode() + dumped({**({"uses": uses} if uses else {}), "types": {**self._words, **made}})

    def _declared(self, kind: type) -> dict[str, Any]:
        if issubclass(kind, enum.Enum):
            return {**_described(kind), "type": "string", "enum": [one.value for one in kind]}
        assert issubclass(kind, msgspec.Struct)
        members: dict[str, Any] = {}
        for field in msgspec.structs.fields(kind):
            place = (kind.__name__, field.encode_name)
            required = field.required or place in self._required
            facets = self._facets(_optional(field.type))
            if limit := self._limits.get(kind, {}).get(field.encode_name):
                facets |= limit.facets()
            default = None if required else _default(field)
            if default is not None:
                facets["default"] = default
            mark = self._marked.get(place)
            if mark is not None:
                self._annotated = True
                facets[f"({ANNOTATIONS}.{mark})"] = True
            members[field.encode_name + ("" if required else "?")] = (
                facets["type"] if set(facets) == {"type"} else facets
            )
        return {**_described(kind), "type": "object", "properties": members}

    def _facets(self, kind: Any) -> dict[str, Any]:
        origin = _origin(kind)
        if origin is dict:
            return {"type": "object", "properties": {"//": self._facets(typing.get_args(kind)[1])}}
        if origin is typing.Literal:
            return {"type": "string", "enum": list(typing.get_args(kind))}
        return {"type": self._expression(kind)}

    def _expression(self, kind: Any) -> str:
        origin = _origin(kind)
        if origin in (types.UnionType, typing.Union):
            parts = [part for part in typing.get_args(kind) if part is not types.NoneType]
            return " | ".join(self._part(part) for part in parts)
        if origin is tuple:
            item = self._expression(typing.get_args(kind)[0])
            return f"({item})[]" if " " in item else f"{item}[]"
        if kind in _SCALARS:
            return _SCALARS[kind]
        file = self._file_of[kind]
        if file == self._own:
            return str(kind.__name__)
        self._uses.add(file)
        return f"{file}.{kind.__name__}"

    def _part(self, kind: Any) -> str:
        if _origin(kind) is not typing.Literal:
            return self._expression(kind)
        words = typing.get_args(kind)
        name = "".join(word.capitalize() for word in words)
        self._words[name] = {"type": "string", "enum": list(words)}
        return name


def _origin(kind: Any) -> Any:
    return typing.get_origin(kind)


def _optional(kind: Any) -> Any:
    """What it is where it is given."""
    parts = [part for part in typing.get_args(kind) if part is not types.NoneType]
    return parts[0] if _origin(kind) in (types.UnionType, typing.Union) and len(parts) == 1 else kind


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """A plain value that the member has where it is left out."""
    if field.default is not msgspec.NODEFAULT:
        value = field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    else:
        return None
    value = msgspec.to_builtins(value)
    return value if isinstance(value, str | int | float) else None


def _described(kind: type) -> dict[str, Any]:
    """The first sentence of what its docstring says."""
    text = inspect.cleandoc(kind.__doc__ or "")
    return {"description": text.partition(". ")[0].rstrip(".").replace("``", "") + "."} if text else {}


def dumped(value: Any) -> bytes:
    """As YAML, in the order that it has."""
    return yaml.safe_dump(value, sort_keys=False, width=120, allow_unicode=True).encode()


def json_schema(kind: type, title: str, limits: Limits, **members: Any) -> bytes:
    """The JSON Schema of a document. ``members``: schemas of those that are read in more ways than the type says."""
    (reference,), definitions = msgspec.json.schema_components([kind], ref_template="#/definitions/{name}")
    name = reference["$ref"].rpartition("/")[2]
    for told, of_members in limits.items():
        for member, limit in of_members.items() if told.__name__ in definitions else ():
            schema = definitions[told.__name__]["properties"][member]
            typed = next((one for one in schema.get("anyOf", ()) if one["type"] != "null"), schema)
            typed.update(limit.facets())
    whole = definitions.pop(name)
    whole["properties"] = {**whole["properties"], **members}
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole, "title": title, **_described(kind)}
    return msgspec.json.format(msgspec.json.encode({**made, "definitions": definitions}), indent=2)
