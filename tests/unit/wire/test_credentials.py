from __future__ import annotations

from pathlib import Path

import pytest

from dcos.runtime.credentials import read_many, read_one
from dcos.wire.credentials import parse_many, parse_one
from dcos.wire.errors import WireError
from dcos.wire.firewall import disabled_endpoints


@pytest.mark.parametrize(
    "text",
    [
        '{"credentials": [{"principal": "a", "secret": "s1"}, {"principal": "b", "secret": "s2"}]}',
        "a s1\nb s2\n",
        "a   s1\n\n  b\ts2",
    ],
)
def test_many(text: str) -> None:
    assert parse_many(text) == {"a": "s1", "b": "s2"}


@pytest.mark.parametrize("text", ['{"principal": "a", "secret": "s"}', "a s", "a s\n"])
def test_one(text: str) -> None:
    assert parse_one(text) == ("a", "s")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a topsecret x", "line 1"),
        ('{"credentials": [{"principal": "a", "secret": 5}]}', r"credentials\[0\].secret"),
        ('{"credentials": ["topsecret"]}', r"credentials\[0\]"),
        ('{"principal": "a", "secret": "topsecret"}', "credentials"),
    ],
)
def test_mistakes_do_not_tell_secrets(text: str, words: str) -> None:
    with pytest.raises(WireError, match=words) as error:
        parse_many(text)
    assert "topsecret" not in str(error.value)


def test_two_are_not_one() -> None:
    with pytest.raises(WireError, match="only one"):
        parse_one("a b\nc d")


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("a sesame\n")
    file.chmod(0o600)
    for text in (str(file), f"file://{file}"):
        found = read_many(text)
        assert (dict(found.secrets), found.open_to_others, str(found)) == ({"a": "sesame"}, False, str(file))
        assert "sesame" not in repr(found)
    file.chmod(0o644)
    one = read_one(str(file))
    assert (one.principal, one.secret, one.open_to_others) == ("a", "sesame", True)
    assert "sesame" not in repr(one)
    with pytest.raises(ValueError, match="file"):
        read_many("secrets")


def test_firewall_rules() -> None:
    assert disabled_endpoints('{"disabled_endpoints": {"paths": ["/files/browse", "/state/"]}}') == {
        "/files/browse",
        "/state",
    }
    for text in ("{", "[]", '{"disabled_endpoints": {"paths": "x"}}', '{"disabled_endpoints": []}'):
        if text.endswith("[]}"):
            assert disabled_endpoints(text) == frozenset()
        else:
            with pytest.raises(WireError):
                disabled_endpoints(text)
