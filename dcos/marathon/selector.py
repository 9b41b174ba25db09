"""Label selectors of ``GET /v2/apps?label=``: comma means and; every form requires that the label exists.

``label``, ``a==b``, ``a!=b``, ``a in (x,y)``, ``a notin (x,y)``; other characters than [-A-Za-z0-9_.] are escaped by ``\\``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Test = Callable[[Mapping[str, str]], bool]

_TOKEN = r"(?:[-A-Za-z0-9_.]|\\.)+"
_ONE = re.compile(
    rf"\s*(?P<key>{_TOKEN})\s*"
    rf"(?:(?P<op>==|!=)\s*(?P<value>{_TOKEN})\s*|(?P<set>in|notin)\s*\((?P<values>[^)]*)\)\s*)?(?:,|$)"
)


class BadSelector(ValueError):
    """The text is no selector."""


def parse(text: str) -> Test:
    """Errors: BadSelector."""
    tests: list[Test] = []
    position = 0
    while position < len(text):
        match = _ONE.match(text, position)
        if not match:
            raise BadSelector(f"Couldn't parse label selector '{text}' at position {position}.")
        tests.append(_test(match))
        position = match.end()
    if not tests:
        raise BadSelector(f"Couldn't parse label selector '{text}'.")
    return lambda labels: all(test(labels) for test in tests)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text.strip())


def _test(match: re.Match[str]) -> Test:
    key = _plain(match["key"])
    if match["op"]:
        value, equal = _plain(match["value"]), match["op"] == "=="
        return lambda labels: key in labels and (labels[key] == value) is equal
    if match["set"]:
        values = {_plain(one) for one in re.split(r"(?<!\\),", match["values"])}
        inside = match["set"] == "in"
        return lambda labels: key in labels and (labels[key] in values) is inside
    return lambda labels: key in labels
