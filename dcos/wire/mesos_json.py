"""Mesos v1 messages as JSON, with upstream's leniency.

The fast path is msgspec's typed decoder. What it refuses is looked at again as upstream would: ``null`` means unset, unknown
enum texts are dropped, one object stands for a list of one, numbers and booleans may come as text, doubles as
"Infinity". Unknown members are ignored.   Source: Mesos 1.11 protobuf JSON rules.
"""

from __future__ import annotations

import enum
import functools
import types
import typing
from typing import Any, TypeVar

import msgspec

from dcos.wire.errors import WireError

M = TypeVar("M", bound=msgspec.Struct)

_encode = msgspec.json.Encoder().encode
_UNENDING = {float("inf"): "Infinity", float("-inf"): "-Infinity"}

MAX_DEPTH = 100


def encode(message: Any) -> bytes:
    """A message to JSON bytes: unset members left out, explicit defaults written, bytes as base64, infinity as text."""
    raw = _encode(message)
    # JSON has no number for infinity: the encoder writes null, which it writes for nothing else of a message
    return raw if b"null" not in raw else _encode(_spelled(msgspec.to_builtins(message)))


def number(value: float) -> float | str:
    """A double for JSON made by hand: infinity as text."""
    return _UNENDING.get(value, value)


def _spelled(value: Any) -> Any:
    """Infinite numbers as the texts that ``decode`` takes for them."""
    if isinstance(value, dict):
        return {key: _spelled(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(one) for one in value]
    return _UNENDING.get(value, value) if isinstance(value, float) else value


@functools.cache
def _decoder(kind: type[M]) -> msgspec.json.Decoder[M]:
    return msgspec.json.Decoder(kind, strict=False)


def decode(raw: bytes, kind: type[M]) -> M:
    """JSON bytes to a message.   Errors: WireError naming the field and the rule."""
    try:
        message: M = _decoder(kind).decode(raw)
        return message
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("", f"not valid JSON: {error}") from error
    try:
        tree = msgspec.json.decode(raw)  # the typed decoder may have stopped before what is wrong here
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("", f"not valid JSON: {error}") from error
    try:
        return msgspec.convert(_lenient(tree, kind, 0), kind, strict=False)
    except RecursionError as error:
        raise WireError("", "nested too deep") from error
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at ")
        raise WireError(path.strip("`").removeprefix("$."), rule) from error


def _lenient(value: Any, kind: Any, depth: int) -> Any:
    """``value`` changed to what ``kind`` means by upstream's rules; what stays wrong is left for the typed decoder."""
    if depth > MAX_DEPTH:
        raise WireError("", f"nested deeper than {MAX_DEPTH}")
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        inner = next(part for part in typing.get_args(kind) if part is not type(None))
        return None if value is None else _lenient(value, inner, depth)
    if origin is tuple:
        item = typing.get_args(kind)[0]
        items = value if isinstance(value, list) else [value]
        return [part for part in (_lenient(one, item, depth + 1) for one in items) if part is not None]
    if origin is dict:
        item = typing.get_args(kind)[1]
        if not isinstance(value, dict):
            return value
        return {key: _lenient(one, item, depth + 1) for key, one in value.items() if one is not None}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if not isinstance(value, dict):
            return value
        made = {}
        for field in _fields(kind):
            if value.get(field.encode_name) is not None:
                better = _lenient(value[field.encode_name], field.type, depth + 1)
                if better is not None:
                    made[field.encode_name] = better
        return made
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        if isinstance(value, list | dict):
            return value
        return value if value in kind._value2member_map_ else None
    return value


@functools.cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)
