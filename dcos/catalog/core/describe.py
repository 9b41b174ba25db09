"""A package as the answers show it.   Source: cosmos rpc v1..v3 models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dcos.catalog.core.errors import too_new_for_v2
from dcos.catalog.core.resources import rewrite
from dcos.wire.universe import Json, Package, to_json

_METADATA: Final = (
    "packagingVersion",
    "name",
    "version",
    "maintainer",
    "description",
    "tags",
    "selected",
    "scm",
    "website",
    "framework",
    "preInstallNotes",
    "postInstallNotes",
    "postUninstallNotes",
    "licenses",
)
_V2: Final = (*_METADATA, "minDcosReleaseVersion", "marathon", "resource", "config", "command")


def full(package: Package, change: Callable[[str], str]) -> Json:
    """Everything, with resource URLs led through the proxy."""
    shown = to_json(package)
    if package.resource is not None:
        shown["resource"] = rewrite(package.resource, change)
    return shown


def flattened(package: Package, change: Callable[[str], str]) -> Json:
    """Version 2's form.   Errors: ConversionFromPackageToV2DescribeResponse for what it has no place for."""
    if package.upgrades_from is not None or package.downgrades_to is not None or package.manager is not None:
        raise too_new_for_v2(package.name)
    shown = full(package, change)
    return {key: shown[key] for key in _V2 if key in shown}


def installed(package: Package, change: Callable[[str], str]) -> Json:
    """What a list shows: metadata, and of the resources the assets and images."""
    shown = full(package, change)
    information: Json = {"packageDefinition": {key: shown[key] for key in _METADATA if key in shown}}
    if package.resource is not None:
        kept = {key: value for key, value in shown["resource"].items() if key in ("assets", "images")}
        information["resourceDefinition"] = kept
    return information
