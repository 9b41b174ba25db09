"""Merged repositories: which package a name means, what a search finds, which URLs are known."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.catalog.core.collection import Collection
from dcos.catalog.core.errors import CatalogError
from dcos.catalog.core.repositories import added, check_uri, removed
from dcos.catalog.core.resources import rewrite, through_proxy
from dcos.testing.packages import package
from dcos.wire.cosmos import RepositoryEntry

FIRST = ("u1", [package("beta", "1.0", 0), package("beta", "0.9", 3)])
SECOND = (
    "u2",
    [package("beta", "1.0", 7), package("beta", "2.0", 9), package("alpha", "5", 1, selected=True, tags=["Web"])],
)
BOTH = Collection([FIRST, SECOND])


def test_default_is_the_highest_release_of_the_first_repository_that_has_it() -> None:
    assert BOTH.find("beta").package.version == "0.9"
    assert BOTH.find("beta").source == "u1"
    assert BOTH.find("alpha").source == "u2"


def test_a_version_of_two_repositories_belongs_to_the_first() -> None:
    assert BOTH.find("beta", "1.0").source == "u1"
    assert BOTH.find("beta", "2.0").source == "u2"
    assert BOTH.versions("beta") == {"0.9": 3, "1.0": 0, "2.0": 9}


def test_the_same_version_twice_in_a_repository_is_its_highest_release() -> None:
    twice = Collection([("u", [package("beta", "1.0", 2), package("beta", "1.0", 5)])])
    assert twice.versions("beta") == {"1.0": 5}


@pytest.mark.parametrize(
    ("name", "version", "kind"), [("zz", None, "PackageNotFound"), ("beta", "9", "VersionNotFound")]
)
def test_not_found(name: str, version: str | None, kind: str) -> None:
    with pytest.raises(CatalogError) as caught:
        BOTH.find(name, version)
    assert caught.value.type == kind


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (None, ["alpha", "beta"]),
        ("", ["alpha", "beta"]),
        ("THE BETA", ["beta"]),
        ("web", ["alpha"]),
        ("web*", []),
        ("Web*", ["alpha"]),
        ("*beta package", ["beta"]),
        ("beta*", ["beta"]),
        ("b*t*a", ["beta"]),
        ("beta*beta", []),
        ("*" + "a*" * 5000 + "!", []),
        ("nothing", []),
    ],
)
def test_search(query: str | None, names: list[str]) -> None:
    assert [one["name"] for one in BOTH.search(query)] == names


def test_search_result() -> None:
    assert BOTH.search("The beta") == (
        {
            "name": "beta",
            "currentVersion": "0.9",
            "versions": {"0.9": 3, "1.0": 0, "2.0": 9},
            "description": "The beta package",
            "framework": False,
            "tags": ["tag"],
        },
    )


def test_upgrades_and_downgrades() -> None:
    old = package("beta", "1.0", 0, downgradesTo=["0.5"])
    new = package("beta", "2.0", 1, upgradesFrom=["1.0"], downgradesTo=["*"])
    both = Collection([("u", [old, new])])
    assert both.upgrades_to("beta", "1.0") == ("2.0",)
    assert both.upgrades_to("beta", "0.1") == ()
    assert both.downgrades_to(new) == ("1.0",)
    assert both.downgrades_to(old) == ()


def test_resource_urls() -> None:
    resource: dict[str, Any] = {
        "images": {"icon-small": "http://h/i.png", "screenshots": ["http://h/s.png"], "icon-large": "data:x,y"},
        "assets": {"uris": {"jar": "http://h/a b.jar"}, "container": {"docker": {"main": "image:1"}}},
        "cli": {"binaries": {"linux": {"x86-64": {"kind": "zip", "url": "http://h/c.zip", "contentHash": []}}}},
    }
    shelf = Collection([("u", [package("beta", resource=resource)])])
    assert shelf.resource_urls == {
        "http://h/i.png", "http://h/s.png", "data:x,y", "http://h/a b.jar", "http://h/c.zip"
    } - {"data:x,y"}  # fmt: skip
    changed = rewrite(resource, through_proxy("https://me"))
    assert changed is not None
    assert changed["assets"]["uris"]["jar"] == "https://me/package/resource?url=http%3A%2F%2Fh%2Fa%20b.jar"
    assert changed["assets"]["container"] == resource["assets"]["container"]
    assert changed["images"]["icon-large"] == "data:x,y"
    assert changed["cli"]["binaries"]["linux"]["x86-64"]["url"].startswith("https://me/package/resource?url=")


A, B, C = (RepositoryEntry(name, f"http://{name}/repo") for name in ("a", "b", "c"))


@pytest.mark.parametrize(("index", "expected"), [(None, (A, B, C)), (0, (C, A, B)), (1, (A, C, B)), (2, (A, B, C))])
def test_add_repository(index: int | None, expected: tuple[RepositoryEntry, ...]) -> None:
    assert added((A, B), C, index) == expected


@pytest.mark.parametrize(
    ("entry", "index", "kind"),
    [
        (A, None, "RepositoryAlreadyPresent"),
        (RepositoryEntry("a", "http://other"), None, "RepositoryAlreadyPresent"),
        (RepositoryEntry("other", A.uri), None, "RepositoryAlreadyPresent"),
        (C, 3, "RepositoryAddIndexOutOfBounds"),
        (C, -1, "RepositoryAddIndexOutOfBounds"),
    ],
)
def test_add_repository_refused(entry: RepositoryEntry, index: int | None, kind: str) -> None:
    with pytest.raises(CatalogError) as caught:
        added((A, B), entry, index)
    assert caught.value.type == kind


@pytest.mark.parametrize(("name", "uri", "left"), [("a", None, (B,)), (None, B.uri, (A,)), ("a", A.uri, (B,))])
def test_remove_repository(name: str | None, uri: str | None, left: tuple[RepositoryEntry, ...]) -> None:
    assert removed((A, B), name, uri) == left


@pytest.mark.parametrize(
    ("name", "uri", "kind"),
    [(None, None, "RepoNameOrUriMissing"), ("c", None, "RepositoryNotPresent"), ("a", B.uri, "RepositoryNotPresent")],
)
def test_remove_repository_refused(name: str | None, uri: str | None, kind: str) -> None:
    with pytest.raises(CatalogError) as caught:
        removed((A, B), name, uri)
    assert caught.value.type == kind


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("file:///x", "UnsupportedRepositoryUri"),
        ("no uri", "UnsupportedRepositoryUri"),
        ("http:///x", "RepositoryUriSyntax"),
        ("http://[::1", "RepositoryUriSyntax"),
    ],
)
def test_bad_uris(uri: str, kind: str) -> None:
    with pytest.raises(CatalogError) as caught:
        check_uri(RepositoryEntry("x", uri))
    assert caught.value.type == kind
