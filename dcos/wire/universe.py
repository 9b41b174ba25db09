"""The Universe package format: what lies in a catalog folder and in a repository's JSON.

A package in a tree is a folder ``<First letter>/<name>/<releaseVersion>/`` with ``package.json`` and, as its packaging
version allows, ``config.json``, ``resource.json``, ``command.json`` and ``marathon.json.mustache``. In a repository's JSON
the same is one object. ``Package`` is that object, checked.
Source: mesosphere/universe README and repo/meta/schema.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from dcos.wire.errors import WireError

Json = dict[str, Any]
MAX_PACKAGES: Final = 50_000
"""Of one repository; all of Universe has 1,235."""

FILES: Final[Mapping[str, str]] = {"config.json": "config", "resource.json": "resource", "command.json": "command"}
"""Optional JSON files of a package folder and the field each becomes."""
TEMPLATE: Final = "marathon.json.mustache"
DESCRIPTION: Final = "package.json"

_NAME = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")
_VERSION = re.compile(r"[-a-zA-Z0-9.]+")
_TAG = re.compile(r"\S+")
_RELEASE = re.compile(r"((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*)(?:-.*)?")

_SCHEMA_OF: Final[Mapping[str, int]] = {"2.0": 3, "3.0": 3, "4.0": 4, "5.0": 5}
"""Packaging version to the lowest repository schema that has it."""

_SINCE: Final[Mapping[str, frozenset[str]]] = {
    "command": frozenset({"2.0", "3.0"}),
    "minDcosReleaseVersion": frozenset({"3.0", "4.0", "5.0"}),
    "upgradesFrom": frozenset({"4.0", "5.0"}),
    "downgradesTo": frozenset({"4.0", "5.0"}),
    "manager": frozenset({"5.0"}),
}
"""Fields that only some packaging versions have."""


class _Struct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Unset optionals are None and not written."""


class License(_Struct, frozen=True, kw_only=True):
    name: str
    url: str


class Manager(_Struct, frozen=True, kw_only=True):
    """The package whose service installs this one."""

    package_name: str
    min_package_version: str | None = None


class Marathon(_Struct, frozen=True, kw_only=True):
    """``v2_app_mustache_template``: base64 of the template's text."""

    v2_app_mustache_template: str = msgspec.field(name="v2AppMustacheTemplate")


class Package(_Struct, frozen=True, kw_only=True):
    """One release of a package. ``config`` is a draft-4 JSON schema; ``resource`` and ``command`` are kept as they came."""

    packaging_version: str
    name: str
    version: str
    release_version: int
    maintainer: str
    description: str
    tags: tuple[str, ...]
    selected: bool | None = None
    scm: str | None = None
    website: str | None = None
    framework: bool | None = None
    pre_install_notes: str | None = None
    post_install_notes: str | None = None
    post_uninstall_notes: str | None = None
    licenses: tuple[License, ...] | None = None
    min_dcos_release_version: str | None = None
    upgrades_from: tuple[str, ...] | None = None
    downgrades_to: tuple[str, ...] | None = None
    manager: Manager | None = None
    last_updated: int | None = None
    has_known_issues: bool | None = None
    marathon: Marathon | None = None
    config: Json | None = None
    resource: Json | None = None
    command: Json | None = None

    @property
    def schema(self) -> int:
        """The lowest repository schema version that can carry this package."""
        return _SCHEMA_OF[self.packaging_version]

    @property
    def template(self) -> str | None:
        """The mustache text of its Marathon app."""
        if self.marathon is None:
            return None
        return base64.b64decode(self.marathon.v2_app_mustache_template).decode()

    @property
    def cli(self) -> Json | None:
        """What the command line plugin of this package is made of."""
        cli = (self.resource or {}).get("cli")
        return cli if isinstance(cli, dict) else None


class Repository(_Struct, frozen=True, kw_only=True):
    """A repository's JSON; packages stay raw so that one bad package does not spoil the rest."""

    packages: tuple[msgspec.Raw, ...]


_repository = msgspec.json.Decoder(Repository)
_package = msgspec.json.Decoder(Package)
_json = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class Broken:
    """A package that is left out: where it lies, what is wrong, and what it calls itself where that can be read."""

    place: str
    reason: str
    name: str | None = None
    version: str | None = None


class _Named(msgspec.Struct, frozen=True):
    """What is read of a package that cannot be read whole."""

    name: str | None = None
    version: str | None = None


_named = msgspec.json.Decoder(_Named)
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding bytes from outside raises; the last is JSON nested a thousand deep."""


def decode_repository(raw: bytes) -> tuple[tuple[Package, ...], tuple[Broken, ...]]:
    """The good packages, and the bad ones.   Errors: WireError when the whole is not a repository."""
    try:
        parts = _repository.decode(raw).packages
    except NOT_JSON as error:
        raise WireError("", str(error)) from None
    if len(parts) > MAX_PACKAGES:
        raise WireError("/packages", f"must not be more than {MAX_PACKAGES}")
    good: list[Package] = []
    bad: list[Broken] = []
    for index, part in enumerate(parts):
        one = bytes(part)
        try:
            good.append(decode_package(one))
        except WireError as error:
            bad.append(broken(f"/packages({index})", one, error))
    return tuple(good), tuple(bad)


def broken(place: str, raw: bytes, error: Exception) -> Broken:
    """``raw``: the description, which may not even be JSON."""
    try:
        named = _named.decode(raw)
    except NOT_JSON:
        named = _Named()
    return Broken(place, str(error), named.name, named.version)


def decode_package(raw: bytes) -> Package:
    """One package object of a repository's JSON.   Errors: WireError."""
    try:
        package = _package.decode(raw)
    except NOT_JSON as error:
        raise WireError("", str(error)) from None
    return checked(package)


def assemble(release_version: int, files: Mapping[str, bytes]) -> Package:
    """A package from its folder's files, by name.   Errors: WireError naming the file."""
    if "package.json" not in files:
        raise WireError("package.json", "is missing")
    whole: Json = {}
    for name, key in (("package.json", ""), *FILES.items()):
        if name not in files:
            continue
        try:
            value = _json.decode(files[name])
        except NOT_JSON as error:
            raise WireError(name, str(error)) from None
        if not isinstance(value, dict):
            raise WireError(name, "must be an object")
        whole |= {key: value} if key else value
    whole["releaseVersion"] = release_version
    if TEMPLATE in files:
        whole["marathon"] = {"v2AppMustacheTemplate": base64.b64encode(files[TEMPLATE]).decode()}
    try:
        return checked(msgspec.convert(whole, Package))
    except msgspec.ValidationError as error:
        raise WireError("package.json", str(error)) from None


def of_folder(name: str, release_version: str, files: Mapping[str, bytes]) -> Package:
    """A package from its folder ``<name>/<release version>``.   Errors: WireError."""
    if not release_version.isdecimal():
        raise WireError(release_version, "the folder's name must be the release version")
    package = assemble(int(release_version), files)
    if package.name != name:
        raise WireError("package.json/name", f"must be the folder's: {name}")
    return package


def checked(package: Package) -> Package:
    """The same package.   Errors: WireError for the first broken rule of the format."""
    allowed = package.packaging_version
    if allowed not in _SCHEMA_OF:
        raise WireError("/packagingVersion", f"must be one of {', '.join(_SCHEMA_OF)}")
    check_name(package.name)
    if allowed != "2.0" and not _VERSION.fullmatch(package.version):
        raise WireError("/version", f"must match {_VERSION.pattern}")
    if package.release_version < 0:
        raise WireError("/releaseVersion", "must not be negative")
    for tag in package.tags:
        if not _TAG.fullmatch(tag):
            raise WireError("/tags", f"{tag!r} must have no white space")
    for name in msgspec.structs.fields(Package):
        value = getattr(package, name.name)
        if value is not None and allowed not in _SINCE.get(name.encode_name, _SCHEMA_OF):
            raise WireError(f"/{name.encode_name}", f"does not exist in packaging version {allowed}")
    if package.min_dcos_release_version and not _RELEASE.fullmatch(package.min_dcos_release_version):
        raise WireError("/minDcosReleaseVersion", "must be numbers separated by dots")
    if package.marathon is None and allowed == "2.0":
        raise WireError("/marathon", "is required in packaging version 2.0")
    if package.marathon is not None:
        try:
            base64.b64decode(package.marathon.v2_app_mustache_template, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise WireError("/marathon/v2AppMustacheTemplate", f"must be base64 of UTF-8 text ({error})") from None
    return package


def check_name(name: str) -> None:
    """Errors: WireError."""
    if not _NAME.fullmatch(name):
        raise WireError("/name", f"must match {_NAME.pattern}")


def to_files(package: Package) -> dict[str, bytes]:
    """The files of a package's folder, by name: what ``of_folder`` reads."""
    whole = to_json(package)
    template = package.template
    files = {TEMPLATE: template.encode()} if template is not None else {}
    for file, key in FILES.items():
        if key in whole:
            files[file] = _written(whole[key])
    apart = {"marathon", "releaseVersion", *FILES.values()}
    files[DESCRIPTION] = _written({key: value for key, value in whole.items() if key not in apart})
    return files


def _written(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def runs_on(package: Package, release: str) -> bool:
    """Whether DC/OS ``release`` is at least what the package asks for."""
    return _numbers(package.min_dcos_release_version or "0") <= _numbers(release)


def _numbers(text: str) -> tuple[int, ...]:
    match = _RELEASE.fullmatch(text)
    numbers = [int(part) for part in match[1].split(".")] if match else [0]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def to_json(package: Package) -> Json:
    """As in a repository's JSON, absent fields left out."""
    built: Json = msgspec.to_builtins(package)
    return built
