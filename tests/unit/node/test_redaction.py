"""What a bundle must not hold, in the forms in which it comes."""

from __future__ import annotations

import json

import pytest

from dcos.node.core.redaction import document, text

SECRET = "hunter2hunter2"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJ1aWQiOiJib2IifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "line",
    [
        f"Authorization: token={JWT}",
        f"authorization: Basic {SECRET}",
        f"Bearer {SECRET}",
        f"said {JWT} and more",
        f"MESOS_SECRET={SECRET}",
        f'superuser_password_hash: "{SECRET}"',
        f"zk://user:{SECRET}@10.0.0.1:2181/mesos",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
        f"hash $argon2id$v=19$m=1,t=1,p=1${SECRET}",
        f"api_key = '{SECRET}'",
    ],
)
def test_lines(line: str) -> None:
    cleaned = text(line)
    assert SECRET not in cleaned
    assert JWT not in cleaned
    assert "[removed]" in cleaned


@pytest.mark.parametrize("line", ["2026-01-01: agent registered", "http://10.0.0.1:5050/state", "the secret was read"])
def test_what_is_none_stays(line: str) -> None:
    assert text(line) == line


@pytest.mark.parametrize(
    "part", ["a.", "secret", "eyJ", "eyJaaaaaa.", "a://", "-----BEGIN PRIVATE KEY-----", "token=", "x:"]
)
def test_no_line_takes_long(part: str) -> None:
    """(The test's own time limit would end it: what grows with the square of a line's length takes hours here.)"""
    text(part * (2**18 // len(part)))


def test_documents() -> None:
    raw = {
        "id": "/web",
        "cmd": f"curl -H 'Authorization: token={JWT}'",
        "env": {"PLAIN": SECRET, "FROM": {"secret": "db"}},
        "secrets": {"db": {"source": SECRET}},
        "command": {"environment": {"variables": [{"name": "A", "value": SECRET}, {"name": "B"}]}},
        "flags": {"credential": SECRET, "secrets_url": "https://leader.mesos", "authenticate_agents": "true"},
        "tokens": 5,
        "tasks": [{"labels": [{"key": "x", "value": "y"}]}],
    }
    cleaned = json.loads(document(json.dumps(raw).encode()))
    assert SECRET not in json.dumps(cleaned)
    assert JWT not in json.dumps(cleaned)
    assert cleaned["id"] == "/web"
    assert list(cleaned["env"]) == ["PLAIN", "FROM"]
    assert cleaned["command"]["environment"]["variables"][0]["name"] == "A"
    assert cleaned["flags"]["secrets_url"] == "https://leader.mesos"
    assert cleaned["flags"]["authenticate_agents"] == "true"
    assert (cleaned["tokens"], cleaned["tasks"]) == (5, raw["tasks"])
    assert document(b"not JSON, password=abc") == b"not JSON, password=[removed]"
