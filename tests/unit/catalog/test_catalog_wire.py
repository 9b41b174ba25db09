"""Media types, enveloped values, the package format."""

from __future__ import annotations

import base64
import json

import pytest

from dcos.testing.packages import package
from dcos.wire import cosmos
from dcos.wire.cosmos import RepositoryEntry, negotiate, parse_media_type, vendor
from dcos.wire.errors import WireError
from dcos.wire.universe import Package, assemble, checked, decode_repository, runs_on, to_json

V3, V2 = vendor("package.describe-response", 3), vendor("package.describe-response", 2)
DESCRIBE = "application/vnd.dcos.package.describe-response+json"


def test_vendor_text() -> None:
    assert str(V3) == f"{DESCRIBE};charset=utf-8;version=v3"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, V3),
        ("*/*", V3),
        ("application/json", V3),
        (DESCRIBE, V3),
        (f"{DESCRIBE};charset=utf-8;version=v2", V2),
        (f"{DESCRIBE};version=v2;q=0.5, {DESCRIBE};version=v3", V3),
        (f"{DESCRIBE};version=v2, {DESCRIBE};version=v3;q=0.5", V2),
        (f"{DESCRIBE};version=v3;q=0, {DESCRIBE};version=v2;q=0.1", V2),
        (f"{DESCRIBE};version=v1", None),
        ("application/vnd.dcos.package.list-response+json;version=v1", None),
        ("text/html", None),
    ],
)
def test_negotiate(accept: str | None, expected: cosmos.MediaType | None) -> None:
    assert negotiate((V3, V2), accept) == expected


@pytest.mark.parametrize(
    ("actual", "good"),
    [
        (str(V3), True),
        (f"{DESCRIBE.upper()}; VERSION=v3", True),
        (f"{DESCRIBE};charset=latin1;version=v3;more=1", True),
        (DESCRIBE, False),
        (f"{DESCRIBE};version=v2", False),
        ("application/json", False),
        ("nonsense", False),
    ],
)
def test_accepts_body(actual: str, good: bool) -> None:
    assert cosmos.accepts_body(V3, actual) is good


def test_bad_media_type() -> None:
    with pytest.raises(WireError):
        parse_media_type("text")


def test_repository_list_round_trip() -> None:
    entries = (RepositoryEntry("a", "http://a"), RepositoryEntry("b", "http://b"))
    raw = cosmos.encode_repositories(entries)
    assert cosmos.decode_repositories(raw) == entries
    assert json.loads(raw)["metadata"] == {
        "Content-Type": "application/vnd.dcos.package.repository.repo-list+json;charset=utf-8;version=v1",
        "Content-Encoding": "gzip",
    }


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"metadata":{"Content-Type":"a/b"},"data":"!"}'])
def test_bad_envelopes(raw: bytes) -> None:
    with pytest.raises(WireError):
        cosmos.decode_repositories(raw)


def test_wrong_kind_of_envelope() -> None:
    raw = cosmos.seal({"repositories": []}, vendor("universe.package", 4))
    with pytest.raises(WireError, match="not expected"):
        cosmos.decode_repositories(raw)


def test_definition_label_round_trip() -> None:
    original = package(resource={"images": {}}, upgradesFrom=["*"])
    label = cosmos.encode_definition(original)
    assert cosmos.decode_definition(label) == original
    assert cosmos.encode_definition(original) == label
    content_type = json.loads(base64.b64decode(label))["metadata"]["Content-Type"]
    assert content_type == "application/vnd.dcos.universe.package+json;charset=utf-8;version=v4"


@pytest.mark.parametrize("label", ["", "%%%", "e30="])
def test_bad_definition_labels(label: str) -> None:
    with pytest.raises(WireError):
        cosmos.decode_definition(label)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": "Bad"}, "/name"),
        ({"version": "1 0"}, "/version"),
        ({"packagingVersion": "9.0"}, "/packagingVersion"),
        ({"tags": ["a b"]}, "/tags"),
        ({"command": {"pip": []}}, "/command"),
        ({"packagingVersion": "3.0", "upgradesFrom": ["*"]}, "/upgradesFrom"),
        ({"minDcosReleaseVersion": "new"}, "/minDcosReleaseVersion"),
        ({"packagingVersion": "2.0", "template": None}, "/marathon"),
    ],
)
def test_rules(change: dict[str, object], path: str) -> None:
    with pytest.raises(WireError) as caught:
        package(**change)  # type: ignore[arg-type]
    assert caught.value.path == path


def test_bad_template_text() -> None:
    good = to_json(package())
    good["marathon"]["v2AppMustacheTemplate"] = "%%"
    raw = json.dumps({"packages": [good]}).encode()
    (bad,) = decode_repository(raw)[1]
    assert (bad.place, bad.name, bad.version) == ("/packages(0)", "demo", "1.0")
    assert bad.reason.startswith("/marathon/v2AppMustacheTemplate: must be base64")


def test_one_bad_package_does_not_hide_the_others() -> None:
    raw = json.dumps({"packages": [{"name": "x"}, to_json(package()), 5]}).encode()
    good, bad = decode_repository(raw)
    assert [one.name for one in good] == ["demo"]
    assert [(one.place, one.name) for one in bad] == [("/packages(0)", "x"), ("/packages(2)", None)]


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"packages":{}}', b"\xff"])
def test_not_a_repository(raw: bytes) -> None:
    with pytest.raises(WireError):
        decode_repository(raw)


def test_assemble() -> None:
    description = {key: value for key, value in to_json(package()).items() if key not in ("marathon", "config")}
    files = {"package.json": json.dumps(description).encode(), "config.json": b"{}", "marathon.json.mustache": b"{}"}
    built = assemble(3, files)
    assert (built.release_version, built.config, built.template) == (3, {}, "{}")
    with pytest.raises(WireError, match=r"config\.json"):
        assemble(3, files | {"config.json": b"[1]"})
    with pytest.raises(WireError, match="missing"):
        assemble(3, {})


@pytest.mark.parametrize(
    ("least", "release", "expected"),
    [
        (None, "1.0", True),
        ("1.10", "1.9", False),
        ("1.10", "3.0.0", True),
        ("2", "2.0.0", True),
        ("2.1-dev", "2.1", True),
    ],
)
def test_runs_on(least: str | None, release: str, expected: bool) -> None:
    one: Package = checked(package(minDcosReleaseVersion=least))
    assert runs_on(one, release) is expected
