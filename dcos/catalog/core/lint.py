"""What is wrong with a package, or likely not meant: rules of the format first, then what a reader of the package would ask.

An *error* is what a catalog refuses or an install stumbles over; a *warning* works and is seldom meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from jsonschema import Draft4Validator
from jsonschema.exceptions import SchemaError

from dcos.catalog.core import mustache
from dcos.catalog.core.errors import CatalogError
from dcos.catalog.core.options import defaults, report
from dcos.catalog.core.resources import urls_of
from dcos.wire.errors import WireError
from dcos.wire.universe import DESCRIPTION, FILES, TEMPLATE, Package, of_folder

ERROR: Final = "error"
WARNING: Final = "warning"
_RESOURCE: Final = {"assets", "images", "cli"}
_ICONS: Final = ("icon-small", "icon-medium", "icon-large")
_SYSTEMS: Final = {"linux", "darwin", "windows"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OWN: Final = frozenset(field.encode_name for field in msgspec.structs.fields(Package)) - {
    "releaseVersion", "marathon", *FILES.values()
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """``where``: a file, and a pointer into it."""

    level: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.text}"


def folder(name: str, release_version: str, files: Mapping[str, bytes]) -> tuple[Finding, ...]:
    """All there is to say of a package folder's files."""
    found = [*_unknown_names(files)]
    try:
        package = of_folder(name, release_version, files)
    except WireError as error:
        return (*found, Finding(ERROR, error.path or DESCRIPTION, error.rule))
    return (*found, *whole(package))


def whole(package: Package) -> Iterator[Finding]:
    """What is to be said of a package that keeps the format."""
    yield from _described(package)
    yield from _schema(package)
    yield from _resource(package)
    yield from _template(package)


def _unknown_names(files: Mapping[str, bytes]) -> Iterator[Finding]:
    for name in sorted(files):
        if name not in (DESCRIPTION, TEMPLATE, *FILES):
            yield Finding(WARNING, name, "is no file of a package and not read")
    try:
        described = json.loads(files.get(DESCRIPTION, b"{}"))
    except (ValueError, RecursionError):
        return
    for key in sorted(described) if isinstance(described, dict) else ():
        if key not in _OWN:
            yield Finding(ERROR, f"{DESCRIPTION}/{key}", "is not a member that package.json has")


def _described(package: Package) -> Iterator[Finding]:
    if not package.description.strip():
        yield Finding(WARNING, f"{DESCRIPTION}/description", "is empty")
    if package.marathon is None and package.cli is None:
        yield Finding(WARNING, DESCRIPTION, "the package has neither an app nor a command line plugin")
    if package.marathon is not None and not package.post_install_notes:
        yield Finding(WARNING, f"{DESCRIPTION}/postInstallNotes", "is missing: say how the service is reached")
    if not package.licenses:
        yield Finding(WARNING, f"{DESCRIPTION}/licenses", "is missing")
    if not package.tags:
        yield Finding(WARNING, f"{DESCRIPTION}/tags", "is empty: searches look at names, descriptions and tags")


def _schema(package: Package) -> Iterator[Finding]:
    if package.config is None:
        return
    try:
        Draft4Validator.check_schema(package.config)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path))
        yield Finding(ERROR, f"config.json/{where}", f"is not draft 4: {error.message}"[:300])
        return
    except RecursionError:
        yield Finding(ERROR, "config.json", "is nested too deeply")
        return
    try:
        wrong = report(package.config, defaults(package.config))
    except CatalogError as error:
        yield Finding(ERROR, "config.json", error.message)
        return
    for one in wrong:
        level = WARNING if one["keyword"] == "required" else ERROR
        say = "must be given by who installs" if level == WARNING else "the default breaks the schema"
        yield Finding(level, f"config.json{one['instance']['pointer'] or '/'}", f"{say}: {one['message']}")
    for path, rule in _options(package.config, ()):
        if not rule.get("description") and not rule.get("title"):
            yield Finding(WARNING, f"config.json/{'/'.join(path)}", "has no description")
        if "type" not in rule and "enum" not in rule and "$ref" not in rule:
            yield Finding(WARNING, f"config.json/{'/'.join(path)}", "has no type: every value is taken")


def _options(schema: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Options with their paths; groups themselves are left out."""
    properties = schema.get("properties")
    for name, rule in properties.items() if isinstance(properties, Mapping) else ():
        if isinstance(rule, Mapping) and isinstance(rule.get("properties"), Mapping):
            yield from _options(rule, (*path, name))
        elif isinstance(rule, Mapping):
            yield (*path, name), rule


def _resource(package: Package) -> Iterator[Finding]:
    resource = package.resource or {}
    for key in sorted(set(resource) - _RESOURCE):
        yield Finding(ERROR, f"resource.json/{key}", f"must be one of {', '.join(sorted(_RESOURCE))}")
    images = resource.get("images")
    for icon in _ICONS:
        if not isinstance(images, dict) or not images.get(icon):
            yield Finding(WARNING, f"resource.json/images/{icon}", "is missing: user interfaces show a blank")
    for url in urls_of(package.resource):
        if not url.startswith(("https://", "http://", "data:")):
            yield Finding(ERROR, "resource.json", f"{url[:100]} is no http or https URL")
    binaries = (package.cli or {}).get("binaries")
    for system, by_architecture in (binaries or {}).items() if isinstance(binaries, dict) else ():
        if system not in _SYSTEMS:
            yield Finding(ERROR, f"resource.json/cli/binaries/{system}", "must be linux, darwin or windows")
        yield from _binary(f"resource.json/cli/binaries/{system}/x86-64", (by_architecture or {}).get("x86-64"))


def _binary(where: str, one: Any) -> Iterator[Finding]:
    if not isinstance(one, dict) or not isinstance(one.get("url"), str):
        yield Finding(ERROR, where, "must have url, kind and contentHash")
        return
    if one.get("kind") not in ("executable", "zip"):
        yield Finding(ERROR, f"{where}/kind", "must be executable or zip")
    hashes = one.get("contentHash")
    good = [
        entry
        for entry in (hashes if isinstance(hashes, list) else [])
        if isinstance(entry, dict) and entry.get("algo") == "sha256" and _SHA256.fullmatch(str(entry.get("value")))
    ]
    if not good:
        yield Finding(ERROR, f"{where}/contentHash", "must have the sha256 of the file: clients refuse it otherwise")


def _template(package: Package) -> Iterator[Finding]:
    template = package.template
    if template is None:
        return
    try:
        used = mustache.names(template)
    except mustache.TemplateError as error:
        yield Finding(ERROR, TEMPLATE, str(error))
        return
    known = {".".join(path) for path, _ in _options(package.config or {}, ())}
    schema_open = _is_open(package.config)
    for name in sorted(used):
        if name.startswith("resource."):
            if not _leads_somewhere(name.split("."), {"resource": package.resource or {}}):
                yield Finding(WARNING, TEMPLATE, f"{{{{{name}}}}} is not in resource.json")
        elif not _is_known(name, known) and not schema_open:
            yield Finding(WARNING, TEMPLATE, f"{{{{{name}}}}} is no option of config.json")
    for name in sorted(known):
        if not _is_used(name, used):
            yield Finding(WARNING, f"config.json/{name.replace('.', '/')}", "is used nowhere in the template")


def _is_open(schema: Mapping[str, Any] | None) -> bool:
    """Nothing is said of names when the schema has no properties at all."""
    return not isinstance((schema or {}).get("properties"), Mapping)


def _leads_somewhere(path: list[str], value: Any) -> bool:
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _is_known(name: str, known: Iterable[str]) -> bool:
    """An option, a group, or a member inside an option that is an object; names within sections may leave the group out."""
    return any(
        name == one or one.startswith(f"{name}.") or name.startswith(f"{one}.") or one.endswith(f".{name}")
        for one in known
    )


def _is_used(name: str, used: Iterable[str]) -> bool:
    return any(name == one or name.endswith(f".{one}") or one.startswith(f"{name}.") for one in used)
