"""Manners of the Mesos endpoints that master and agent share: answers, JSONP, compression, the two encodings.

Source: content negotiation, texts and codes of Mesos 1.11 (recorded answers in tests/golden).
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Iterable
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from dcos.wire import mesos_json
from dcos.wire.errors import WireError
from dcos.wire.mesos_codec import JSON, PROTOBUF, Codec, accepted, by_content_type
from dcos.wire.spliced import Spliced

M = TypeVar("M", bound=msgspec.Struct)

TEXT = "text/plain"
MISSING = "X-Dcos-Missing-Permission"
_COMPRESS_FROM = 1024
_SLICED_FROM = 1024 * 1024
_THREAD_FROM = 128 * 1024
"""Bytes of a body: a megabyte of protobuf takes 30 ms to decode, one of JSON 2 ms unless it has to be read leniently."""
_EITHER = f"{JSON.content_type} or {PROTOBUF.content_type}"
_encode = msgspec.json.Encoder().encode


def text_response(status: int, text: str = "", **headers: str) -> web.Response:
    return web.Response(status=status, text=text, content_type=TEXT, headers=headers or None)


def forbidden(missing: str = "") -> web.Response:
    """403, with the permission that is missing where it has an id."""
    shown = missing if missing.isascii() and missing.isprintable() else ""
    return web.Response(status=403, content_type=TEXT, headers={MISSING: shown} if shown else None)


def json_body(request: web.Request, value: Any) -> web.Response:
    """JSON, or JSONP with ``?jsonp=name``."""
    body = mesos_json.encode(value) if isinstance(value, msgspec.Struct) else _encode(value)
    name = request.query.get("jsonp")
    content_type = JSON.content_type
    if name:
        body = name.encode(errors="replace") + b"(" + body + b")"
        content_type = "text/javascript"
    return compressed(request, body, content_type)


async def spliced_body(request: web.Request, value: Spliced, codec: Codec = JSON) -> web.StreamResponse:
    """As ``json_body``; what is big is joined and compressed while it is sent, slice by slice. ``codec``: what it is in."""
    if value.size <= _SLICED_FROM:
        if codec is JSON:
            return json_body(request, msgspec.Raw(value.joined()))
        return compressed(request, value.joined(), codec.content_type)
    name = request.query.get("jsonp", "").encode(errors="replace") if codec is JSON else b""
    response = web.StreamResponse()
    response.content_type = "text/javascript" if name else codec.content_type
    zipped = "gzip" in request.headers.get("Accept-Encoding", "")
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
        response.enable_chunked_encoding()
    else:
        response.content_length = value.size + (len(name) + 2 if name else 0)
    await response.prepare(request)
    slices = chain([name + b"("], value.slices(), [b")"]) if name else value.slices()
    if request.method != "HEAD":
        async for part in _zipped(slices) if zipped else _turns(slices):
            await response.write(part)
    await response.write_eof()
    return response


async def _turns(slices: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Others run between two slices, however fast the reader is."""
    for part in slices:
        yield part
        await asyncio.sleep(0)


async def _zipped(slices: Iterable[bytes]) -> AsyncIterator[bytes]:
    """gzip, made in another thread."""
    packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    for part in slices:
        if packed := await asyncio.to_thread(packer.compress, part):
            yield packed
    yield packer.flush()


def compressed(request: web.Request, body: bytes, content_type: str) -> web.Response:
    """Compressed where asked for and worth it."""
    response = web.Response(body=body, content_type=content_type, zlib_executor_size=256 * 1024)
    if len(body) >= _COMPRESS_FROM and "gzip" in request.headers.get("Accept-Encoding", ""):
        response.enable_compression(web.ContentCoding.gzip)
    return response


async def text_of(request: web.Request) -> str:
    """The body as UTF-8, whatever its Content-Type says; bytes that are not are replaced."""
    return (await request.read()).decode(errors="replace")


async def form_of(request: web.Request) -> dict[str, str]:
    """The body as ``a=b&c=d``, whatever its Content-Type; the last of a name counts.   Source: upstream's POST endpoints."""
    return dict(parse_qsl(await text_of(request), keep_blank_values=True))


def method_not_allowed(request: web.Request, *allowed: str) -> web.Response:
    words = ", ".join(f"'{one}'" for one in allowed)
    text = f"Expecting one of {{ {words} }}, but received '{request.method}'"
    return text_response(405, text, Allow=", ".join(allowed))


def body_codec(request: web.Request) -> Codec | web.Response:
    """What the body is in, or 405, 400 or 415: what is wrong before it is looked at."""
    if request.method != "POST":
        return method_not_allowed(request, "POST")
    content_type = request.headers.get("Content-Type")
    if content_type is None:
        return text_response(400, "Expecting 'Content-Type' to be present")
    return by_content_type(content_type) or text_response(415, f"Expecting 'Content-Type' of {_EITHER}")


def answer_codec(request: web.Request) -> Codec | web.Response:
    """What to answer in, or 406 where the client takes neither."""
    return accepted(request.headers.get("Accept")) or text_response(
        406, f"Expecting 'Accept' to allow '{PROTOBUF.content_type}' or '{JSON.content_type}'"
    )


async def decoded(request: web.Request, codec: Codec, kind: type[M], name: str) -> M | web.Response:
    """The body as a message, or 400 in upstream's words."""
    raw = await request.read()
    try:
        if len(raw) < _THREAD_FROM:
            return codec.decode(raw, kind)
        return await asyncio.to_thread(codec.decode, raw, kind)  # others have their turns meanwhile
    except WireError as error:
        return text_response(400, not_understood(raw, codec, name, error))


async def posted(request: web.Request, kind: type[M], name: str) -> M | web.Response:
    """A v1 call, or what is wrong with it as a request: 405, 400 or 415."""
    codec = body_codec(request)
    return codec if isinstance(codec, web.Response) else await decoded(request, codec, kind, name)


def not_understood(raw: bytes, codec: Codec, name: str, error: WireError) -> str:
    """Upstream's words for a body that is no message of type ``name``."""
    if codec is PROTOBUF:
        return f"Failed to parse body into {name} protobuf: {error}"
    if error.path or "not valid JSON" not in error.rule:
        return f"Failed to convert JSON into {name} protobuf: {error}"
    found = re.search(r"\(byte (\d+)\)", error.rule)
    at = int(found[1]) if found else len(raw)
    near = raw[at : at + 20].decode(errors="replace")
    line = raw.count(b"\n", 0, at) + 1
    return f"Failed to parse body into JSON: syntax error at line {line} near: {near}"
