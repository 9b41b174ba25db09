"""YAML as plain JSON values, and what is refused."""

from __future__ import annotations

import json

import pytest

from dcos.wire import yaml_text
from dcos.wire.yaml_text import NotYaml, decode


def test_yaml_and_json_say_the_same() -> None:
    text = """
id: /web
cmd: |
  echo one
  echo two
cpus: 0.5
mem: 32
env: {MODE: on, "NAME": 'no', 80: x}
labels:
  since: 2024-01-01
  mask: 0x1F
constraints: [[hostname, UNIQUE]]
tty: null
requirePorts: false
"""
    assert decode(text.encode()) == {
        "id": "/web",
        "cmd": "echo one\necho two\n",
        "cpus": 0.5,
        "mem": 32,
        "env": {"MODE": "on", "NAME": "no", "80": "x"},
        "labels": {"since": "2024-01-01", "mask": 31},
        "constraints": [["hostname", "UNIQUE"]],
        "tty": None,
        "requirePorts": False,
    }
    body = {"a": [1, 2.5, "x", None, True, {"b": "1"}], "c": ""}
    assert decode(json.dumps(body).encode()) == body


def test_anchors_and_merge_keys() -> None:
    text = "base: &b {cpus: 1, mem: 2}\nweb: {<<: *b, mem: 3}\nall: {<<: [*b, {disk: 4}]}\nagain: *b"
    assert decode(text.encode()) == {
        "base": {"cpus": 1, "mem": 2},
        "web": {"cpus": 1, "mem": 3},
        "all": {"cpus": 1, "mem": 2, "disk": 4},
        "again": {"cpus": 1, "mem": 2},
    }


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "\n".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (BOMB, "more than 100000 values"),
        ("a: &a [*a]", "alias *a stands within what it names"),
        ("[" * 100, "nested deeper than 64"),
        ("a: 1\na: 2", "key 'a' is given twice"),
        ("!!python/object/apply:os.system [x]", "is not read"),
        ("!mine x", "tag !mine is not read"),
        ("a: .inf", "cannot be said in JSON"),
        ("a: 1e999", "too large"),
        ("[a, b]: c", "a key must be a text"),
        ("a: 1\n---\nb: 2", "only one document"),
        ("a: [", "line 2: did not find"),
        ("", "no document"),
        ("<<: 3", "takes a map"),
        ("!!int x", "is no int"),
        ("x" * (yaml_text.MAX_BYTES + 1), "longer than"),
    ],
)
def test_what_is_refused_says_why(text: str, rule: str) -> None:
    with pytest.raises(NotYaml, match=rule.replace("*", r"\*").replace("[", r"\[")):
        decode(text.encode())
