"""Packages made up for tests."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from dcos.wire.universe import Package, checked

TEMPLATE = '{"id": "{{name}}", "cmd": "sleep 1", "labels": {"own": "1"}, "instances": {{instances}}}'
CONFIG = {
    "type": "object",
    "properties": {"name": {"type": "string", "default": "demo"}, "instances": {"type": "integer", "default": 1}},
}


def package(
    name: str = "demo", version: str = "1.0", release: int = 0, *, template: str | None = TEMPLATE, **more: Any
) -> Package:
    fields: dict[str, Any] = {
        "packagingVersion": "4.0",
        "name": name,
        "version": version,
        "releaseVersion": release,
        "maintainer": "someone",
        "description": f"The {name} package",
        "tags": ["tag"],
        "config": CONFIG,
    }
    if template is not None:
        fields["marathon"] = {"v2AppMustacheTemplate": base64.b64encode(template.encode()).decode()}
    return checked(
        msgspec.convert({key: value for key, value in (fields | more).items() if value is not None}, Package)
    )
