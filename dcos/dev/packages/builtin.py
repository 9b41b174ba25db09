"""The files of the built-in catalog that follow from its definitions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dcos.dev.packages.frame import Definition, files
from dcos.dev.packages.services import PACKAGES


def pages() -> dict[str, Callable[[], str]]:
    """By path in the project."""
    return {
        f"dcos/catalog/packages/{one.name[0].upper()}/{one.name}/0/{name}": partial(_made, one, name)
        for one in PACKAGES
        for name in ("package.json", "config.json", "resource.json", "marathon.json.mustache")
    }


def _made(one: Definition, name: str) -> str:
    return files(one)[name]
