"""What must not leave a node in a bundle: passwords, keys, tokens.

JSON is cleaned by its structure (values of telling names, variables of tasks, in which anything may be kept), every text by what
secrets look like. Names stay: that there was one may matter.
"""

from __future__ import annotations

import json
import re
from typing import Any

GONE = "[removed]"
_NAMES = re.compile(r"passw|secret|token|credential|private.?key|api.?key|authorization|cookie|_key$", re.IGNORECASE)
_VARIABLES = frozenset(("env", "environment", "executor_environment_variables"))
_HARMLESS = frozenset(("secrets_url", "identity_url", "secrets_ca", "statsd_socket"))
# Repetitions have bounds: whoever writes a log writes what is searched here, and must not make it endless.
_LOOKS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), GONE),
    # tokens: three parts of base64, the first an object
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,4096}\.[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]*"), GONE),
    (re.compile(r"\$argon2[a-z]*\$[^\s\"']+"), GONE),
    (re.compile(r"(?i)\b(token=|bearer\s+|basic\s+)[^\s\"',;]{6,}"), rf"\1{GONE}"),
    (
        re.compile(r"(\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@\"']{1,200}:)[^\s/@\"']{1,500}(?=@)", re.IGNORECASE),
        rf"\1{GONE}",
    ),
    (
        re.compile(
            r"(?i)((?:passw|secret|token|credential|private_?key|api_?key)[a-z0-9_.-]{0,64}\s{0,4}[=:]\s{0,4})"
            r"(?!\[removed\])(\"[^\"]*\"|'[^']*'|[^\s,;}\]]+)"
        ),
        rf"\1{GONE}",
    ),
)


def text(given: str) -> str:
    """Any text without what looks like a secret."""
    for pattern, put in _LOOKS:
        given = pattern.sub(put, given)
    return given


def document(raw: bytes) -> bytes:
    """An answer: JSON by its structure, anything else as text."""
    decoded = raw.decode(errors="replace")
    try:
        value = json.loads(decoded)
    except ValueError:
        return text(decoded).encode()
    return (json.dumps(_cleaned(value), indent=1, ensure_ascii=False) + "\n").encode()


def _cleaned(value: Any) -> Any:
    match value:
        case dict():
            return {name: _member(str(name), inner) for name, inner in value.items()}
        case list():
            return [_cleaned(inner) for inner in value]
        case str():
            return _look(value)
    return value


def _member(name: str, value: Any) -> Any:
    if name in _VARIABLES:
        return _variables(value)
    if name not in _HARMLESS and _NAMES.search(name):
        return value if value is None or isinstance(value, bool | int | float) else _emptied(value)
    return _cleaned(value)


def _emptied(value: Any) -> Any:
    """The form without the words: where a secret comes from stays readable as far as it has names."""
    match value:
        case dict():
            return {name: _emptied(inner) for name, inner in value.items()}
        case list():
            return [_emptied(inner) for inner in value]
        case str():
            return GONE if value else value
    return value


def _variables(value: Any) -> Any:
    """``{"NAME": "value"}``, or Mesos's ``{"variables": [{"name": ..., "value": ...}]}``: names stay."""
    match value:
        case {"variables": list(rows)}:
            return {"variables": [_row(one) for one in rows]}
        case dict():
            return {name: _emptied(inner) for name, inner in value.items()}
        case str():
            return GONE if value else value
    return value


def _row(one: Any) -> Any:
    return {**one, "value": GONE} if isinstance(one, dict) and "value" in one else one


def _look(value: str) -> str:
    for pattern, put in _LOOKS[:-1]:
        value = pattern.sub(put, value)
    return value
