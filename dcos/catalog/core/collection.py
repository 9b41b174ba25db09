"""All repositories as one collection: which package a name means, what a search finds.

A (name, version) that several repositories have belongs to the first of them. Without a version, a name means the highest
release of the first repository that has the name at all; versions themselves are never compared.
Source: cosmos PackageCollection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from dcos.catalog.core.errors import package_not_found, version_not_found
from dcos.catalog.core.resources import urls_of
from dcos.wire.universe import Broken, Json, Package


@dataclass(frozen=True, slots=True)
class Found:
    """A package and the URI of the repository it is taken from."""

    package: Package
    source: str


class Collection:
    """Immutable; made from (URI, packages) pairs in the order of the repository list. ``broken``: what they left out, which a
    refusal names."""

    def __init__(self, repositories: Sequence[tuple[str, Iterable[Package]]], broken: Iterable[Broken] = ()) -> None:
        self._broken = tuple(broken)
        best: dict[tuple[str, str], tuple[tuple[int, int], Found]] = {}
        for index, (uri, packages) in enumerate(repositories):
            for package in packages:
                rank = (index, -package.release_version)
                known = best.get((package.name, package.version))
                if known is None or rank < known[0]:
                    best[package.name, package.version] = (rank, Found(package, uri))
        ordered = sorted(best.values(), key=lambda item: (item[1].package.name, item[0]))
        self._by_name = {
            name: tuple(found for _, found in group)
            for name, group in groupby(ordered, key=lambda item: item[1].package.name)
        }

    def find(self, name: str, version: str | None = None) -> Found:
        """Errors: PackageNotFound, VersionNotFound."""
        candidates = self._by_name.get(name)
        if candidates is None:
            raise package_not_found(name, self._why(name, version))
        if version is None:
            return candidates[0]
        for found in candidates:
            if found.package.version == version:
                return found
        raise version_not_found(name, version, self._why(name, version))

    def known(self, name: str | None, version: str | None) -> Package | None:
        """Like ``find``; None where there is no such package."""
        candidates = self._by_name.get(name or "", ())
        return next((one.package for one in candidates if version in (None, one.package.version)), None)

    def _why(self, name: str, version: str | None) -> str | None:
        """What is wrong with the package that was left out, if it was."""
        for one in self._broken:
            if one.name == name and version in (None, one.version):
                return f"{one.place}: {one.reason}"
        return None

    def versions(self, name: str) -> dict[str, int]:
        """Version to release version, in merged order.   Errors: PackageNotFound."""
        if name not in self._by_name:
            raise package_not_found(name, self._why(name, None))
        return {found.package.version: found.package.release_version for found in self._by_name[name]}

    def search(self, query: str | None) -> tuple[Json, ...]:
        """One result a name; selected packages first, then by name. Image URLs are the original ones."""
        matches = _matcher(query)
        names = [name for name, group in self._by_name.items() if any(matches(found.package) for found in group)]
        results = [self._result(name) for name in names]
        return tuple(sorted(results, key=lambda one: (not one.get("selected", False), one["name"])))

    def _result(self, name: str) -> Json:
        package = self._by_name[name][0].package
        result: Json = {
            "name": name,
            "currentVersion": package.version,
            "versions": self.versions(name),
            "description": package.description,
            "framework": bool(package.framework),
            "tags": list(package.tags),
        }
        if package.selected is not None:
            result["selected"] = package.selected
        if images := (package.resource or {}).get("images"):
            result["images"] = images
        return result

    def upgrades_to(self, name: str, version: str) -> tuple[str, ...]:
        """Versions that say they upgrade from ``version``."""
        return tuple(
            found.package.version
            for found in self._by_name.get(name, ())
            if found.package.version != version and _covers(found.package.upgrades_from, version)
        )

    def downgrades_to(self, package: Package) -> tuple[str, ...]:
        """Versions of the collection that ``package`` says it can go down to."""
        return tuple(
            found.package.version
            for found in self._by_name.get(package.name, ())
            if found.package.version != package.version and _covers(package.downgrades_to, found.package.version)
        )

    @cached_property
    def resource_urls(self) -> frozenset[str]:
        """Every image, asset and command line URL of any package: what may be fetched through the catalog."""
        return frozenset(
            url for group in self._by_name.values() for found in group for url in urls_of(found.package.resource)
        )


def _covers(patterns: tuple[str, ...] | None, version: str) -> bool:
    return any(pattern in ("*", version) for pattern in patterns or ())


def _matcher(query: str | None) -> Callable[[Package], bool]:
    if not query:
        return lambda _package: True
    if "*" in query:
        parts = query.split("*")
        return lambda package: any(_is_like(text, parts) for text in _texts(package))
    needle = query.casefold()
    return lambda package: any(needle in text.casefold() for text in _texts(package))


def _is_like(text: str, parts: Sequence[str]) -> bool:
    """Whether ``text`` is ``parts`` with anything between them. Time grows with the text only, however many parts there are."""
    first, *inner, last = parts
    if not (text.startswith(first) and text.endswith(last)):
        return False
    place, end = len(first), len(text) - len(last)
    for part in inner:
        place = text.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return place <= end


def _texts(package: Package) -> Iterable[Any]:
    return (package.name, package.description, *package.tags)
