"""Cosmos on the wire: media types, request bodies, the enveloped values it stores and labels apps with.

Source: dcos/cosmos rpc/v1..v3, http/MediaType, finch/MediaTypedEncoder.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import msgspec

from dcos.wire.errors import WireError
from dcos.wire.universe import Json, Package, checked, to_json

T = TypeVar("T")

# ---- media types -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MediaType:
    """``type/subtype;key=value...``; all lower case but the parameters' values."""

    type: str
    subtype: str
    parameters: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.type}/{self.subtype}" + "".join(f";{key}={value}" for key, value in self.parameters)

    @property
    def essence(self) -> tuple[str, str]:
        return self.type, self.subtype

    @property
    def asked(self) -> frozenset[tuple[str, str]]:
        """The parameters that decide whether two types fit: neither charset nor quality."""
        return frozenset((key, value) for key, value in self.parameters if key not in ("charset", "q"))

    @property
    def quality(self) -> float:
        for key, value in self.parameters:
            if key == "q":
                try:
                    return min(1.0, max(0.0, float(value)))
                except ValueError:
                    return 0.0
        return 1.0


def vendor(kind: str, version: int) -> MediaType:
    """``application/vnd.dcos.<kind>+json;charset=utf-8;version=v<n>``."""
    return MediaType("application", f"vnd.dcos.{kind}+json", (("charset", "utf-8"), ("version", f"v{version}")))


ERROR: Final = vendor("package.error", 1)
REPOSITORY_LIST: Final = vendor("package.repository.repo-list", 1)


def universe_repository(schema: int) -> MediaType:
    return vendor("universe.repo", schema)


def parse_media_type(text: str) -> MediaType:
    """Errors: WireError."""
    head, *rest = (part.strip() for part in text.split(";"))
    kind, slash, subtype = head.lower().partition("/")
    if not (kind and slash and subtype) or " " in head:
        raise WireError("", f"{text!r} is not a media type")
    parameters = []
    for part in rest:
        if not part:
            continue
        key, _, value = part.partition("=")
        parameters.append((key.strip().lower(), value.strip().strip('"')))
    return MediaType(kind, subtype, tuple(parameters))


def accepts_body(expected: MediaType, content_type: str) -> bool:
    """Whether a request's ``Content-Type`` is what the endpoint reads."""
    try:
        actual = parse_media_type(content_type)
    except WireError:
        return False
    return actual.essence == expected.essence and expected.asked <= actual.asked


def negotiate(offered: Sequence[MediaType], accept: str | None) -> MediaType | None:
    """The best of ``offered`` (newest first) for an ``Accept`` header; None when nothing fits.

    More lenient than upstream in one way: no header, ``*/*``, ``application/json`` and a type without version all get
    the newest.   Errors: WireError.
    """
    if accept is None or not accept.strip():
        return offered[0]
    best: tuple[float, MediaType] | None = None
    for wanted in (parse_media_type(part) for part in accept.split(",") if part.strip()):
        if wanted.quality <= 0 or (best and best[0] >= wanted.quality):
            continue
        fitting = next((one for one in offered if _fits(wanted, one)), None)
        if fitting:
            best = (wanted.quality, fitting)
    return best[1] if best else None


def _fits(wanted: MediaType, offered: MediaType) -> bool:
    if wanted.essence in (("*", "*"), ("application", "*"), ("application", "json")):
        return True
    return wanted.essence == offered.essence and wanted.asked <= offered.asked


# ---- requests --------------------------------------------------------------------------------------------------------


class _Request(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Unknown fields are ignored, as upstream does."""


class DescribeRequest(_Request, frozen=True, kw_only=True):
    package_name: str
    package_version: str | None = None


class InstallRequest(_Request, frozen=True, kw_only=True):
    package_name: str
    package_version: str | None = None
    options: Json | None = None
    app_id: str | None = None
    manager_id: str | None = None


class ListRequest(_Request, frozen=True, kw_only=True):
    package_name: str | None = None
    app_id: str | None = None


class ListVersionsRequest(_Request, frozen=True, kw_only=True):
    package_name: str
    include_package_versions: bool


class RenderRequest(_Request, frozen=True, kw_only=True):
    package_name: str
    package_version: str | None = None
    options: Json | None = None
    app_id: str | None = None


class RepositoryAddRequest(_Request, frozen=True, kw_only=True):
    name: str
    uri: str
    index: int | Annotated[str, msgspec.Meta(pattern="^-?[0-9]{1,9}$")] | None = None
    """Upstream's decoder takes a number in quotes too, which its command line up to 0.6 sends."""

    @property
    def place(self) -> int | None:
        return None if self.index is None else int(self.index)


class RepositoryDeleteRequest(_Request, frozen=True, kw_only=True):
    name: str | None = None
    uri: str | None = None


class RepositoryListRequest(_Request, frozen=True, kw_only=True):
    pass


class SearchRequest(_Request, frozen=True, kw_only=True):
    query: str | None = None


class UninstallRequest(_Request, frozen=True, kw_only=True):
    package_name: str
    app_id: str | None = None
    all: bool | None = None
    manager_id: str | None = None
    package_version: str | None = None


class ServiceDescribeRequest(_Request, frozen=True, kw_only=True):
    app_id: str
    manager_id: str | None = None
    package_name: str | None = None
    package_version: str | None = None


class ServiceUpdateRequest(_Request, frozen=True, kw_only=True):
    app_id: str
    replace: bool
    package_version: str | None = None
    options: Json | None = None
    manager_id: str | None = None
    package_name: str | None = None
    current_package_version: str | None = None


def decode(raw: bytes, kind: type[T]) -> T:
    """A request body.   Errors: WireError with the bad field's path."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at ")
        raise WireError(path.strip("`"), rule) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError("", str(error)) from None


# ---- enveloped values ------------------------------------------------------------------------------------------------


class _Metadata(msgspec.Struct, frozen=True):
    content_type: str = msgspec.field(name="Content-Type")
    content_encoding: str = msgspec.field(name="Content-Encoding", default="")


class _Envelope(msgspec.Struct, frozen=True):
    metadata: _Metadata
    data: str


class RepositoryEntry(msgspec.Struct, frozen=True):
    """One line of the repository list."""

    name: str
    uri: str


class _RepositoryList(msgspec.Struct, frozen=True):
    repositories: tuple[RepositoryEntry, ...] = ()


def seal(value: Any, kind: MediaType) -> bytes:
    """``{"metadata":{...},"data":base64(gzip(json))}``, the same bytes for the same value."""
    packed = gzip.compress(msgspec.json.encode(value), mtime=0)
    metadata = _Metadata(content_type=str(kind), content_encoding="gzip")
    return msgspec.json.encode(_Envelope(metadata=metadata, data=base64.b64encode(packed).decode()))


def unseal(raw: bytes, kind: type[T], *, subtypes: Iterable[str]) -> T:
    """What ``seal`` packed, if its type is one of ``subtypes``.   Errors: WireError."""
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
        packed = base64.b64decode(envelope.data, validate=True)
        if envelope.metadata.content_encoding == "gzip":
            packed = gzip.decompress(packed)
        if parse_media_type(envelope.metadata.content_type).subtype not in set(subtypes):
            raise WireError("/metadata/Content-Type", f"{envelope.metadata.content_type} is not expected here")
        return msgspec.json.decode(packed, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, EOFError, OSError, zlib.error) as error:
        raise WireError("", f"not a readable envelope ({error})") from None


def encode_repositories(repositories: Iterable[RepositoryEntry]) -> bytes:
    """The value of the repository list's znode."""
    return seal(_RepositoryList(tuple(repositories)), REPOSITORY_LIST)


def decode_repositories(raw: bytes) -> tuple[RepositoryEntry, ...]:
    """Errors: WireError."""
    return unseal(raw, _RepositoryList, subtypes=(REPOSITORY_LIST.subtype,)).repositories


def encode_definition(package: Package) -> str:
    """The value of the label DCOS_PACKAGE_DEFINITION: base64 text."""
    kind = vendor("universe.package", package.schema)
    return base64.b64encode(seal(to_json(package), kind)).decode()


def decode_definition(label: str) -> Package:
    """Errors: WireError."""
    try:
        raw = base64.b64decode(label, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError("", f"not base64 ({error})") from None
    return checked(unseal(raw, Package, subtypes=("vnd.dcos.universe.package+json",)))
