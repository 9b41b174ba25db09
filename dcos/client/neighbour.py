"""One HTTP exchange with another of our services: JSON in and out, trouble as one small tree of errors.

NeighbourError          who
  Unreachable           no answer
  Answered              status, message, details, reason, challenge: an answer that is no success
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp


class NeighbourError(Exception):
    """``who``: the service's name as people know it."""

    def __init__(self, who: str, text: str) -> None:
        super().__init__(f"{who}: {text}")
        self.who = who


class Unreachable(NeighbourError):
    """No connection, no answer in time, or an answer that is no JSON where JSON was due."""


class Answered(NeighbourError):
    """``message`` and ``details`` come from a JSON body; None where it was none. ``challenge``: WWW-Authenticate.
    ``reason``: why not, from details in words or the header by which Admin Router names a permission.
    """

    def __init__(
        self, who: str, status: int, body: bytes, challenge: str | None = None, missing: str | None = None
    ) -> None:
        super().__init__(who, f"status {status}")
        self.status = status
        self.challenge = challenge
        self.text = body.decode(errors="replace")[:2000]
        try:
            parsed = json.loads(body)
        except ValueError:
            parsed = None
        self.body: dict[str, Any] | None = parsed if isinstance(parsed, dict) else None
        message = (self.body or {}).get("message")
        self.message: str | None = message if isinstance(message, str) else None
        details = (self.body or {}).get("details")
        self.details: list[Any] = details if isinstance(details, list) else []
        named = f"the permission {missing} is missing" if missing else None
        self.reason: str | None = details if isinstance(details, str) else named


async def exchange(
    session: aiohttp.ClientSession,
    who: str,
    method: str,
    url: str,
    *,
    body: Any = None,
    form: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    only: int | None = None,
) -> Any:
    """The answer's JSON (None for an empty one). ``only``: the one status that is a success, where any 2xx is not.

    Errors: Unreachable, Answered.
    """
    try:
        async with session.request(
            method, url, json=body, data=form, params=query, headers=headers, allow_redirects=False
        ) as answer:
            raw = await answer.read()
            if answer.status >= 300 or only not in (None, answer.status):
                challenge = answer.headers.get("WWW-Authenticate")
                raise Answered(who, answer.status, raw, challenge, answer.headers.get("X-Dcos-Missing-Permission"))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unreachable(who, str(error) or type(error).__name__) from None
    if not raw.strip():
        return None
    try:
        return json.loads(raw)
    except ValueError:
        raise Unreachable(who, f"the answer to {method} {url} is not JSON") from None
