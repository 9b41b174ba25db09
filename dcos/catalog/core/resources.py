"""URLs inside a package's ``resource``: found, and led through the catalog's own proxy.

Clients often cannot reach where a package's images and archives lie; answers therefore name
``<base>/package/resource?url=<original>``. Docker image names are left alone.   Source: cosmos ResourceProxyHandler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from dcos.wire.universe import Json


def urls_of(resource: Json | None) -> Iterator[str]:
    """Every URL of ``resource``."""
    found: list[str] = []

    def note(url: str) -> str:
        found.append(url)
        return url

    rewrite(resource, note)
    yield from found


def through_proxy(base: str) -> Callable[[str], str]:
    """``base``: scheme and host as the client named them."""
    return lambda url: f"{base}/package/resource?url={quote(url, safe='')}"


def rewrite(resource: Json | None, change: Callable[[str], str]) -> Json | None:
    """A copy of ``resource`` with every URL changed."""
    if resource is None:
        return None
    changed = dict(resource)
    if isinstance(images := resource.get("images"), dict):
        changed["images"] = images_rewritten(images, change)
    if isinstance(assets := resource.get("assets"), dict) and isinstance(uris := assets.get("uris"), dict):
        changed["assets"] = assets | {"uris": {key: _url(value, change) for key, value in uris.items()}}
    if isinstance(cli := resource.get("cli"), dict) and isinstance(binaries := cli.get("binaries"), dict):
        changed["cli"] = cli | {
            "binaries": {system: _binaries(by_arch, change) for system, by_arch in binaries.items()}
        }
    return changed


def images_rewritten(images: Json, change: Callable[[str], str]) -> Json:
    """``images``: icon sizes to URL, ``screenshots`` a list of URLs."""
    return {
        key: [_url(one, change) for one in value] if isinstance(value, list) else _url(value, change)
        for key, value in images.items()
    }


def _binaries(by_architecture: Any, change: Callable[[str], str]) -> Any:
    if not isinstance(by_architecture, dict):
        return by_architecture
    return {
        name: one | {"url": _url(one["url"], change)} if isinstance(one, dict) and "url" in one else one
        for name, one in by_architecture.items()
    }


def _url(value: Any, change: Callable[[str], str]) -> Any:
    """``data:`` URLs carry their content and need no proxy."""
    return change(value) if isinstance(value, str) and value and not value.startswith("data:") else value
