"""The encodings of the v1 API, JSON and protobuf, and which of them a request speaks.

Source: content negotiation of Mesos 1.11: Content-Type is one of two exact texts; JSON is answered wherever Accept lets it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any, TypeVar

import msgspec

from dcos.wire import mesos_json, mesos_proto

M = TypeVar("M", bound=msgspec.Struct)


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


class _Json(Codec):
    content_type = "application/json"

    def encode(self, body: Any, kind: type[msgspec.Struct]) -> bytes:
        return mesos_json.encode(body)

    def decode(self, raw: bytes, kind: type[M]) -> M:
        return mesos_json.decode(raw, kind)


class _Protobuf(Codec):
    content_type = "application/x-protobuf"

    def encode(self, body: Any, kind: type[msgspec.Struct]) -> bytes:
        return mesos_proto.encode(body if isinstance(body, kind) else msgspec.convert(body, kind))

    def decode(self, raw: bytes, kind: type[M]) -> M:
        return mesos_proto.decode(raw, kind)


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
