"""Mesos v1 messages as protobuf (proto2), driven by the schema tables: the same classes as in JSON, no generated code.

A class is compiled once, at its first use, from its own fields (what is nested in what) and the tables (numbers and
types). Reading takes what a proto2 reader must: fields in any order, the last of a repeated singular wins and messages
merge, packed or not, unknown fields and enum numbers left out. Groups are refused. Writing is by field number, unpacked;
whole numbers that do not fit their field are cut to its width, as upstream's casts do.

Source: protobuf encoding guide; schema of Mesos 1.11 (``dcos/wire/schema``).
"""

from __future__ import annotations

import enum
import functools
import operator
import struct
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

import msgspec

from dcos.wire.errors import WireError

M = TypeVar("M", bound=msgspec.Struct)

MAX_DEPTH = 100
"""Messages within messages, as upstream's reader."""
MAX_SIZE = 64 * 1024 * 1024
"""Bytes of one message."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_BITS64 = (1 << 64) - 1
_BITS32 = (1 << 32) - 1
_SMALL = [bytes((number,)) for number in range(128)]
_DOUBLE = struct.Struct("<d")
_FLOAT = struct.Struct("<f")
_CUT = "ends in the middle of a field"
_NOTHING: tuple[()] = ()

Span = tuple[int, int]
Found = dict[str, Any]


def encode(message: msgspec.Struct) -> bytes:
    """A message to bytes.   Errors: WireError if it is nested too deep to be written."""
    try:
        return _shape(type(message)).write(message)
    except RecursionError as error:
        raise WireError("", "nested too deep") from error


def decode(raw: bytes, kind: type[M]) -> M:
    """Bytes to a message.   Errors: WireError naming the field and the rule."""
    if len(raw) > MAX_SIZE:
        raise WireError("", f"{len(raw)} bytes are more than {MAX_SIZE}")
    try:
        message: M = _shape(kind).read(raw, [(0, len(raw))], 0)
    except RecursionError as error:
        raise WireError("", "nested too deep") from error
    return message


def tag(kind: type[msgspec.Struct], name: str) -> bytes:
    """What stands before a message in field ``name`` of ``kind``: then come its ``size`` and itself."""
    return _varint(next(row.number for row in _fields()[_class_key(kind)] if row.name == name) << 3 | _LENGTH)


def size(count: int) -> bytes:
    """What stands before that many bytes of a message within another."""
    return _varint(count)


# ---- the tables ------------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """A field as the schema has it."""

    name: str
    number: int
    required: bool
    type: str


_DURATION = (Row("seconds", 1, False, "int64"), Row("nanos", 2, False, "int32"))
"""Of ``google.protobuf.Duration``, the one type from outside the tables."""
_PACKAGES = frozenset({"scheduler", "executor", "master", "agent", "quota", "maintenance", "allocator"})


def _key(name: str) -> tuple[str, str]:
    """A name of the tables to (module, class): ``master.Call.GetMetrics`` is ``CallGetMetrics`` of ``master``."""
    first, _, rest = name.partition(".")
    module, inner = (first, rest) if first in _PACKAGES else ("types", name)
    return module, "".join(part[0].upper() + part[1:] for part in inner.split("."))


def _lines(name: str) -> list[list[str]]:
    text = files("dcos.wire").joinpath("schema", name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if not line.startswith("#")][1:]


@functools.cache
def _fields() -> Mapping[tuple[str, str], tuple[Row, ...]]:
    found: dict[tuple[str, str], tuple[Row, ...]] = {("types", "ProtobufDuration"): _DURATION}
    for message, name, number, label, kind, *_ in _lines("mesos_v1_fields.tsv"):
        key = _key(message)
        found[key] = (*found.get(key, ()), Row(name, int(number), label == "required", kind))
    return found


@functools.cache
def _numbers() -> Mapping[tuple[str, str], Mapping[str, int]]:
    """Of each enum, its names' numbers."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for kind, name, number, *_ in _lines("mesos_v1_enums.tsv"):
        found.setdefault(_key(kind), {})[name] = int(number)
    return found


def _class_key(kind: type) -> tuple[str, str]:
    return kind.__module__.rpartition(".")[2], kind.__name__


# ---- scalars ---------------------------------------------------------------------------------------------------------


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _SMALL[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    """(number, where it ends), cut to 64 bits.   Errors: WireError, IndexError at the end of the bytes."""
    number = shift = 0
    while True:
        byte = raw[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & _BITS64, at
        shift += 7
        if shift == 70:
            raise WireError("", "a number is longer than 10 bytes")


def _signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


@dataclass(frozen=True)
class Scalar:
    """How a type without members is written (after its tag, and after its size if it has one) and read from a number or
    its bytes."""

    wire: int
    write: Callable[[Any], bytes]
    read: Callable[[Any], Any]
    default: Any
    values: tuple[Any, ...] = ()
    """All there are, where they are few."""


_SCALARS: Mapping[str, Scalar] = {
    "bool": Scalar(_VARINT, lambda value: b"\x01" if value else b"\x00", bool, False, (False, True)),
    "int32": Scalar(
        _VARINT, lambda value: _varint(_signed(value, 32) & _BITS64), lambda number: _signed(number, 32), 0
    ),
    "int64": Scalar(_VARINT, lambda value: _varint(value & _BITS64), lambda number: _signed(number, 64), 0),
    "uint32": Scalar(_VARINT, lambda value: _varint(value & _BITS32), lambda number: number & _BITS32, 0),
    "uint64": Scalar(_VARINT, lambda value: _varint(value & _BITS64), int, 0),
    "double": Scalar(_FIXED64, _DOUBLE.pack, lambda data: _DOUBLE.unpack(data)[0], 0.0),
    "float": Scalar(_FIXED32, _FLOAT.pack, lambda data: _FLOAT.unpack(data)[0], 0.0),
    "string": Scalar(_LENGTH, str.encode, bytes.decode, ""),
    "bytes": Scalar(_LENGTH, bytes, bytes, b""),
}


def _enum_scalar(kind: type[enum.Enum]) -> Scalar:
    """Of an enum; an unknown number reads as None, which is then left out."""
    numbers = _numbers()[_class_key(kind)]
    written = {name: _varint(number & _BITS64) for name, number in numbers.items()}
    by_number: dict[int, Any] = {}
    for name, number in numbers.items():
        by_number.setdefault(number, kind(name))
    return Scalar(_VARINT, written.__getitem__, lambda number: by_number.get(_signed(number, 32)), None, tuple(written))


# ---- messages --------------------------------------------------------------------------------------------------------


@functools.cache
def _shape(kind: type[msgspec.Struct]) -> Shape:
    return Shape(kind)


class Part(NamedTuple):
    """A field of a class."""

    row: Row
    kind: Any
    """The message or enum class, of a map that of its values; unused for scalars."""
    repeated: bool
    mapped: bool


class Shape:
    """How one class is written and read. Fields are looked at when first needed, so that messages may hold themselves."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self._kind = kind

    @functools.cached_property
    def _parts(self) -> list[Part]:
        members = {field.name: field.type for field in msgspec.structs.fields(self._kind)}
        rows = _fields().get(_class_key(self._kind), ()) if members else ()
        if {row.name for row in rows} != members.keys():
            raise LookupError(f"{self._kind.__name__} is not in the schema tables")
        return [Part(row, *_inner(members[row.name])) for row in sorted(rows, key=lambda row: row.number)]

    # ---- writing -----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _writers(self) -> tuple[Callable[[Any], bytes], ...]:
        return tuple(_writer(part) for part in self._parts)

    @functools.cached_property
    def _members(self) -> Callable[[Any], tuple[Any, ...]]:
        """A message of several fields to its values, by field number."""
        names = [part.row.name for part in self._parts]
        return operator.attrgetter(*names) if names else lambda _: ()

    @functools.cached_property
    def write(self) -> Callable[[Any], bytes]:
        """A message to its bytes."""
        if len(self._parts) != 1:
            return self._write
        (write,), member = self._writers, operator.attrgetter(self._parts[0].row.name)

        def write_one(message: Any) -> bytes:
            value = member(message)
            return b"" if value is None else write(value)

        return write_one

    def _write(self, message: Any) -> bytes:
        return b"".join(
            [
                write(value)
                for write, value in zip(self._writers, self._members(message), strict=True)
                if value is not None and value is not _NOTHING
            ]
        )

    # ---- reading -----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _required(self) -> tuple[str, ...]:
        return tuple(part.row.name for part in self._parts if part.row.required)

    @functools.cached_property
    def _takers(self) -> tuple[dict[int, _Take], dict[int, _TakeSpan], dict[str, _Finish]]:
        """By tag, what puts a value into what is found; by name, what makes the field's value of it in the end."""
        values: dict[int, _Take] = {}
        spans: dict[int, _TakeSpan] = {}
        finish: dict[str, _Finish] = {}
        for part in self._parts:
            name, tag = part.row.name, part.row.number << 3
            scalar = None if part.mapped else _scalar(part)
            if scalar is None:
                spans[tag | _LENGTH] = _take_span(name)
                finish[name] = _finisher(part)
                continue
            if scalar.wire == _LENGTH:
                spans[tag | _LENGTH] = _take_bytes(name, scalar, repeated=part.repeated)
            else:
                values[tag | scalar.wire] = _take_value(name, scalar, repeated=part.repeated)
                if part.repeated:
                    spans[tag | _LENGTH] = _take_packed(name, scalar)
            if part.repeated:
                finish[name] = _as_tuple
        return values, spans, finish

    def find(self, raw: bytes, spans: list[Span], depth: int) -> Found:
        """The fields of a message that lies in ``spans``, finished.   Errors: WireError."""
        if depth > MAX_DEPTH:
            raise WireError("", f"nested deeper than {MAX_DEPTH}")
        values, lengths, finish = self._takers
        found: Found = {}
        for at, end in spans:
            try:
                while at < end:
                    tag = raw[at]
                    at += 1
                    if tag > 0x7F:
                        tag, at = _read_varint(raw, at - 1)
                    if not 8 <= tag <= _BITS32:
                        raise WireError("", "a field number is out of range")
                    wire = tag & 7
                    if wire == _LENGTH:
                        size = raw[at]
                        at += 1
                        if size > 0x7F:
                            size, at = _read_varint(raw, at - 1)
                        stop = at + size
                        if stop > end:
                            raise WireError("", _CUT)
                        if (take_span := lengths.get(tag)) is not None:
                            take_span(found, raw, at, stop)
                        at = stop
                        continue
                    value: Any
                    if wire == _VARINT:
                        value = raw[at]
                        at += 1
                        if value > 0x7F:
                            value, at = _read_varint(raw, at - 1)
                    elif wire in (_FIXED64, _FIXED32):
                        stop = at + (8 if wire == _FIXED64 else 4)
                        value, at = raw[at:stop], stop
                    else:
                        raise WireError("", "groups are not supported" if wire in (3, 4) else f"no wire type {wire}")
                    if at > end:
                        raise WireError("", _CUT)
                    if (take := values.get(tag)) is not None:
                        take(found, value)
            except IndexError as error:
                raise WireError("", _CUT) from error
        for name in found:
            if name in finish:
                found[name] = finish[name](raw, found[name], depth + 1)
        return found

    def read(self, raw: bytes, spans: list[Span], depth: int) -> Any:
        """The message that lies in ``spans``, one after the other.   Errors: WireError."""
        found = self.find(raw, spans, depth)
        for name in self._required:
            if name not in found:
                raise WireError("", f"Object missing required field `{name}`")
        return self._kind(**found)


_Take = Callable[[Found, Any], None]
_TakeSpan = Callable[[Found, bytes, int, int], None]
_Finish = Callable[[bytes, Any, int], Any]


def _inner(annotation: Any) -> tuple[Any, bool, bool]:
    """(class, repeated, map) of a field's annotation."""
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union):
        return next(one for one in typing.get_args(annotation) if one is not type(None)), False, False
    if origin is tuple:
        return typing.get_args(annotation)[0], True, False
    if origin is dict:
        return typing.get_args(annotation)[1], True, True
    return annotation, False, False


def _scalar(part: Part) -> Scalar | None:
    """None for a message."""
    if part.row.type in _SCALARS:
        return _SCALARS[part.row.type]
    if isinstance(part.kind, type) and issubclass(part.kind, enum.Enum):
        return _enum_scalar(part.kind)
    return None


def _entry(part: Part) -> tuple[Part, Part]:
    """Key and value of a map's entries."""
    key, value = _fields()[_key(part.row.type)]
    return Part(key, str, False, False), Part(value, part.kind, False, False)


def _writer(part: Part) -> Callable[[Any], bytes]:
    """A field's value, never None, to tag and bytes."""
    if part.mapped:
        key, value = (_writer(one) for one in _entry(part))
        pair = _after_size(part, lambda entry: key(entry[0]) + value(entry[1]))
        return lambda given: b"".join([pair(entry) for entry in given.items()])
    write = _single_writer(part)
    if part.repeated:
        return lambda given: b"".join([write(one) for one in given])
    return write


def _single_writer(part: Part) -> Callable[[Any], bytes]:
    scalar = _scalar(part)
    if scalar is None:
        return _message_writer(part)
    if scalar.wire == _LENGTH:
        return _after_size(part, scalar.write)
    tag, body = _varint(part.row.number << 3 | scalar.wire), scalar.write
    if scalar.values:
        return {value: tag + body(value) for value in scalar.values}.__getitem__
    return lambda value: tag + body(value)


def _message_writer(part: Part) -> Callable[[Any], bytes]:
    """As ``_after_size``, but the class within is looked at when first needed: it may be the one that is being made."""
    shape, tag = _shape(part.kind), _varint(part.row.number << 3 | _LENGTH)

    def write(message: Any) -> bytes:
        data = shape.write(message)
        size = len(data)
        return tag + (_SMALL[size] if size < 0x80 else _varint(size)) + data

    return write


def _after_size(part: Part, body: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    tag = _varint(part.row.number << 3 | _LENGTH)

    def write(value: Any) -> bytes:
        try:
            data = body(value)
        except UnicodeEncodeError:  # half a surrogate pair: no text, but no reason to fail a whole answer either
            data = value.encode(errors="replace")
        size = len(data)
        return tag + (_SMALL[size] if size < 0x80 else _varint(size)) + data

    return write


def _take_span(name: str) -> _TakeSpan:
    def take(found: Found, raw: bytes, at: int, stop: int) -> None:
        known = found.get(name)
        if known is None:
            found[name] = [(at, stop)]
        else:
            known.append((at, stop))

    return take


def _take_bytes(name: str, scalar: Scalar, *, repeated: bool) -> _TakeSpan:
    read = scalar.read

    def take(found: Found, raw: bytes, at: int, stop: int) -> None:
        try:
            value = read(raw[at:stop])
        except UnicodeDecodeError as error:
            raise WireError(name, "not valid UTF-8") from error
        if repeated:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value

    return take


def _take_value(name: str, scalar: Scalar, *, repeated: bool) -> _Take:
    read = scalar.read

    def take(found: Found, raw: Any) -> None:
        value = read(raw)
        if value is None:
            return
        if repeated:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value

    return take


def _take_packed(name: str, scalar: Scalar) -> _TakeSpan:
    width = {_FIXED64: 8, _FIXED32: 4}.get(scalar.wire)

    def take(found: Found, raw: bytes, at: int, stop: int) -> None:
        values = found.setdefault(name, [])
        while at < stop:
            number: Any
            if width is None:
                number, at = _read_varint(raw, at)
            else:
                number, at = raw[at : at + width], at + width
            if at > stop:
                raise WireError(name, _CUT)
            value = scalar.read(number)
            if value is not None:
                values.append(value)

    return take


def _as_tuple(raw: bytes, values: list[Any], depth: int) -> tuple[Any, ...]:
    return tuple(values)


def _finisher(part: Part) -> _Finish:
    """Where a message, its repetitions or a map's entries lie, to the field's value."""
    name = part.row.name
    if part.mapped:
        return _map_finisher(part)
    shape = _shape(part.kind)

    def one(raw: bytes, spans: list[Span], depth: int) -> Any:
        try:
            return shape.read(raw, spans, depth)
        except WireError as error:
            raise _below(name, error) from error

    def every(raw: bytes, spans: list[Span], depth: int) -> Any:
        made = []
        for span in spans:
            try:
                made.append(shape.read(raw, [span], depth))
            except WireError as error:
                raise _below(f"{name}[{len(made)}]", error) from error
        return tuple(made)

    return every if part.repeated else one


def _map_finisher(part: Part) -> _Finish:
    entry = _Entry(*_entry(part))

    def finish(raw: bytes, spans: list[Span], depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for span in spans:
            try:
                key, value = entry.read(raw, [span], depth)
            except WireError as error:
                raise _below(part.row.name, error) from error
            made[key] = value
        return made

    return finish


class _Entry(Shape):
    """One pair of a map: an absent key or value is its type's default."""

    def __init__(self, key: Part, value: Part) -> None:
        super().__init__(msgspec.Struct)
        self._pair = [key, value]

    @functools.cached_property
    def _parts(self) -> list[Part]:
        return self._pair

    def read(self, raw: bytes, spans: list[Span], depth: int) -> tuple[str, Any]:
        found = self.find(raw, spans, depth)
        if "value" not in found:
            value = self._pair[1]
            scalar = _scalar(value)
            found["value"] = _shape(value.kind).read(b"", [], depth) if scalar is None else scalar.default
        return found.get("key", ""), found["value"]


def _below(name: str, error: WireError) -> WireError:
    return WireError(f"{name}.{error.path}" if error.path else name, error.rule)
