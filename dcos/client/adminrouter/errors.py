"""What a service said when it refused, whole: Marathon's details, Cosmos's broken rules.   No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dcos.client.adminrouter.failures import Refused

Json = dict[str, Any]


def explained(error: Refused) -> str:
    """The message; details follow, a line each."""
    data, details = error.body.get("data"), error.body.get("details")
    lines = [error.message]
    if isinstance(data, dict):
        lines += _rules(data.get("errors"))
    elif isinstance(details, str):
        lines.append(details)
    else:
        lines += _paths(details)
    return "\n".join(lines)


def _rules(errors: Any) -> Iterator[str]:
    """Of options, as Cosmos has them."""
    for one in errors if isinstance(errors, list) else []:
        if isinstance(one, dict) and isinstance(one.get("instance"), dict):
            yield f"  {one['instance'].get('pointer') or '/'}: {one.get('message', '')}"
        else:
            yield from _paths([one])


def _paths(details: Any) -> Iterator[str]:
    """Of definitions, as Marathon has them."""
    for one in details if isinstance(details, list) else []:
        if isinstance(one, dict):
            yield f"  {one.get('path', '/')}: {', '.join(map(str, one.get('errors', [])))}"
