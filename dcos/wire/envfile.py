"""Environment files that systemd, a shell and we ourselves read the same way."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLAIN = re.compile(r"[A-Za-z0-9_./:,@%+=-]*")
_ESCAPED = re.compile(r'\\([\\"$`])')
_SPECIAL = re.compile(r'([\\"$`])')


def quote(value: str) -> str:
    """A value as it stands right of the ``=``. Errors: ValueError for a line break, which would begin another variable."""
    if "\n" in value or "\0" in value:
        raise ValueError("an environment value must be one line")
    return value if _PLAIN.fullmatch(value) else '"' + _SPECIAL.sub(r"\\\1", value) + '"'


def render(values: Mapping[str, str], *, export: bool = False) -> str:
    """The file; ``export`` makes it one to be sourced by a shell."""
    word = "export " if export else ""
    return "".join(f"{word}{key}={quote(value)}\n" for key, value in values.items())


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return _ESCAPED.sub(r"\1", value[1:-1])
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1]
    return value


def parse(text: str) -> dict[str, str]:
    """The variables of a file that ``render`` or an operator wrote."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#;" or "=" not in stripped:
            continue
        key, _, value = stripped.removeprefix("export ").partition("=")
        found[key.strip()] = _unquote(value.strip())
    return found
