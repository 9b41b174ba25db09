"""Files of credentials: JSON, or lines of text with a principal and its secret.   Source: Mesos 1.11 ``--credentials``.

Errors never quote what they found: it may be a secret.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dcos.wire.errors import WireError


def parse_many(text: str) -> dict[str, str]:
    """``{"credentials": [{"principal": p, "secret": s}]}`` or lines ``p s``, to secrets by principal.   Errors: WireError."""
    given = _json(text)
    if isinstance(given, dict) and isinstance(given.get("credentials"), list):
        pairs = [_pair(one, f"credentials[{index}]") for index, one in enumerate(given["credentials"])]
    elif isinstance(given, dict | list):
        raise WireError("credentials", "must be a list of objects with 'principal' and 'secret'")
    else:
        pairs = [_line(line, number) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return dict(pairs)


def parse_one(text: str) -> tuple[str, str]:
    """``{"principal": p, "secret": s}`` or one line ``p s``.   Errors: WireError."""
    given = _json(text)
    if isinstance(given, dict | list):
        return _pair(given, "")
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) != 1:
        raise WireError("", "Expecting only one credential")
    return _line(lines[0], 1)


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def _pair(given: Any, path: str) -> tuple[str, str]:
    if not isinstance(given, dict):
        raise WireError(path, "must be an object")
    for name in ("principal", "secret"):
        if not isinstance(given.get(name), str):
            raise WireError(f"{path}.{name}".lstrip("."), "must be a text")
    return given["principal"], given["secret"]


def _line(line: str, number: int) -> tuple[str, str]:
    words = line.split()
    if len(words) != 2:
        raise WireError("", f"Invalid credential format at line {number}")
    return words[0], words[1]
