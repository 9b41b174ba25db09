"""The encodings of the v1 API, JSON and protobuf, and which of them a request speaks.

Source: content negotiation of Mesos 1.11: Content-Type is one of two exact texts; JSON is answered wherever Accept lets it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from dcos.wire import mesos_json, mesos_proto
from dcos.wire.spliced import Spliced

M = TypeVar("M", bound=msgspec.Struct)


class Run(NamedTuple):
    """The value of a repeated field of messages: what ``Codec.fragment`` made of each."""

    fragments: Sequence[bytes]


class Codec(ABC):
    """One encoding. Stateless; compare with ``is``."""

    content_type: str

    @abstractmethod
    def encode(self, body: Any, kind: type[msgspec.Struct]) -> bytes:
        """A message of class ``kind``, or a tree of dicts, lists and messages of its form, to bytes.

        A tree is for what a message cannot say: in JSON its empty lists are written.
        """

    @abstractmethod
    def decode(self, raw: bytes, kind: type[M]) -> M:
        """Errors: WireError naming the field and the rule."""

    @abstractmethod
    def fragment(self, body: Any, kind: type[msgspec.Struct]) -> bytes:
        """As ``encode``, to become one of a ``Run``."""

    @abstractmethod
    def compose(self, kind: type[msgspec.Struct], members: Mapping[str, Any], head: bytes = b"") -> Spliced:
        """A message of class ``kind`` out of parts that are encoded already.

        Members: a ``Run``, a ``Spliced`` message, a list of such, or a value that is encoded now. ``head``: the members
        before, encoded as a message; ``members`` are then none of them.
        """


class _Json(Codec):
    content_type = "application/json"

    def encode(self, body: Any, kind: type[msgspec.Struct]) -> bytes:
        return mesos_json.encode(body)

    def decode(self, raw: bytes, kind: type[M]) -> M:
        return mesos_json.decode(raw, kind)

    def fragment(self, body: Any, kind: type[msgspec.Struct]) -> bytes:
        return mesos_json.encode(body)

    def compose(self, kind: type[msgspec.Struct], members: Mapping[str, Any], head: bytes = b"") -> Spliced:
        out = Spliced(head[:-1] or b"{")
        first = len(head) <= len(b"{}")
        for name, value in members.items():
            out.text(b'%b"%b":' % (b"" if first else b",", name.encode()))
            first = False
            if isinstance(value, Run):
                out.text(b"[")
                out.run(value.fragments)
                out.text(b"]")
            elif isinstance(value, Spliced):
                out.add(value)
            elif isinstance(value, list):
                for position, one in enumerate(value):
                    out.text(b"," if position else b"[")
                    out.add(one)
                out.text(b"]" if value else b"[]")
            else:
                out.text(mesos_json.encode(value))
        out.text(b"}")
        return out


class _Protobuf(Codec):
    content_type = "application/x-protobuf"

    def encode(self, body: Any, kind: type[msgspec.Struct]) -> bytes:
        return mesos_proto.encode(body if isinstance(body, kind) else msgspec.convert(body, kind))

    def decode(self, raw: bytes, kind: type[M]) -> M:
        return mesos_proto.decode(raw, kind)

    def fragment(self, body: Any, kind: type[msgspec.Struct]) -> bytes:
        raw = self.encode(body, kind)
        return mesos_proto.size(len(raw)) + raw

    def compose(self, kind: type[msgspec.Struct], members: Mapping[str, Any], head: bytes = b"") -> Spliced:
        out = Spliced(head)
        for name, value in members.items():
            if isinstance(value, Run):
                if value.fragments:
                    tag = mesos_proto.tag(kind, name)
                    out.text(tag)
                    out.run(value.fragments, tag)
            elif isinstance(value, Spliced | list):
                tag = mesos_proto.tag(kind, name)
                for one in value if isinstance(value, list) else [value]:
                    out.text(tag + mesos_proto.size(one.size))
                    out.add(one)
            else:
                out.text(self.encode({name: value}, kind))
        return out


JSON: Codec = _Json()
PROTOBUF: Codec = _Protobuf()
_BY_TYPE = {codec.content_type: codec for codec in (JSON, PROTOBUF)}
_NEVER = re.compile(r"(^|;)\s*q=0(\.0*)?\s*($|;)")


def by_content_type(content_type: str) -> Codec | None:
    """The codec of exactly this Content-Type."""
    return _BY_TYPE.get(content_type)


def accepted(accept: str | None) -> Codec | None:
    """The codec to answer in: JSON if Accept allows it, else protobuf, else None."""
    if not accept:
        return JSON
    kinds = set()
    for part in accept.split(","):
        kind, _, parameters = part.partition(";")
        if not _NEVER.search(parameters):
            kinds.add(kind.strip().lower())
    if kinds & {"*/*", "application/*"}:
        return JSON
    return next((codec for codec in (JSON, PROTOBUF) if codec.content_type in kinds), None)
