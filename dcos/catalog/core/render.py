"""Package and options to the JSON of a Marathon app.   Source: cosmos PackageDefinitionRenderer.

schema defaults  <-  the user's options          checked against the schema
+ {"resource": ...}                              -> mustache -> JSON object
+ id override, labels that say where it came from
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from dcos.catalog.core import mustache, options
from dcos.catalog.core.errors import json_decoding, json_parsing, no_template, template_not_object
from dcos.wire.cosmos import encode_definition
from dcos.wire.universe import Json, Package

NAME = "DCOS_PACKAGE_NAME"
VERSION = "DCOS_PACKAGE_VERSION"
SOURCE = "DCOS_PACKAGE_SOURCE"
OPTIONS = "DCOS_PACKAGE_OPTIONS"
DEFINITION = "DCOS_PACKAGE_DEFINITION"
METADATA = "DCOS_PACKAGE_METADATA"
FRAMEWORK_NAME = "DCOS_PACKAGE_FRAMEWORK_NAME"


def render(package: Package, source: str, given: Mapping[str, Any] | None, app_id: str | None) -> Json:
    """The app to post to Marathon. ``source``: the repository's URI; ``app_id`` replaces the template's.

    Errors: ServiceMarathonTemplateNotFound, OptionsNotAllowed, JsonSchemaMismatch, JsonParsingError,
    MarathonTemplateMustBeJsonObject, JsonDecodingError.
    """
    template = package.template
    if template is None:
        raise no_template(package.name, package.version)
    chosen = options.resolve(package.config, given)
    context = options.merge(chosen, {"resource": package.resource or {}})
    try:
        text = mustache.render(template, context)
    except (mustache.TemplateError, RecursionError) as error:
        raise json_parsing(str(error), template) from None
    try:
        app = json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        raise json_parsing(str(error), text) from None
    if not isinstance(app, dict):
        raise template_not_object()
    app["labels"] = _own_labels(app.get("labels")) | labels(package, source, given)
    if app_id is not None:
        app["id"] = app_id
    return app


def _own_labels(found: Any) -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise json_decoding("labels", "must be an object")
    for key, value in found.items():
        if not isinstance(value, str):
            raise json_decoding("labels", f"{key} must be a string")
    return found


def labels(package: Package, source: str, given: Mapping[str, Any] | None) -> dict[str, str]:
    """What every app from the catalog carries. METADATA is older Cosmos's, read by user interfaces for icons."""
    return {
        NAME: package.name,
        VERSION: package.version,
        SOURCE: source,
        OPTIONS: _packed(_without_null(given or {})),
        DEFINITION: encode_definition(package),
        METADATA: _packed(_metadata(package)),
    }


def _without_null(value: Any) -> Any:
    """Objects at any depth lose their members that are null."""
    if isinstance(value, Mapping):
        return {key: _without_null(one) for key, one in value.items() if one is not None}
    return [_without_null(one) for one in value] if isinstance(value, list) else value


def _metadata(package: Package) -> Json:
    metadata: Json = {
        "packagingVersion": package.packaging_version,
        "name": package.name,
        "version": package.version,
        "description": package.description,
        "maintainer": package.maintainer,
        "framework": bool(package.framework),
        "tags": list(package.tags),
    }
    if images := (package.resource or {}).get("images"):
        metadata["images"] = images
    return metadata


def _packed(value: Json) -> str:
    return base64.b64encode(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()).decode()


def unpacked(label: str) -> Json | None:
    """The object in a base64 label; None when it is none."""
    try:
        value = json.loads(base64.b64decode(label, validate=True))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def normal_id(app_id: str) -> str:
    """An app id with its leading slash."""
    return app_id if app_id.startswith("/") else f"/{app_id}"
