"""What of a cluster answers, seen from this machine, over HTTP or over HTTPS with the cluster's own authority."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

_TIMEOUT_S = 5


class Looks:
    """``root``: PEM of the authority that vouches for the cluster, empty where nothing is asked over HTTPS."""

    def __init__(self, root: str = "") -> None:
        self._context = ssl.create_default_context(cadata=root) if root else None

    def open(self, request: urllib.request.Request) -> Any:
        """Errors: OSError."""
        return urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=self._context)

    def _read(self, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> bytes:
        """Errors: OSError."""
        with self.open(urllib.request.Request(url, data=body, headers=dict(headers or {}))) as answer:
            return bytes(answer.read())

    def answers(self, url: str) -> bool:
        """Whether something speaks HTTP there and does not say that its upstream is missing."""
        try:
            self._read(url)
        except urllib.error.HTTPError as trouble:
            return trouble.code < 500
        except OSError:
            return False
        return True

    def registered(self, masters: Sequence[str]) -> int:
        """Active agents as the leading master counts them; the others know none or point to it."""
        best = 0
        for url in masters:
            try:
                best = max(best, _active(json.loads(self._read(f"{url}/slaves"))))
            except (OSError, ValueError):
                continue
        return best

    def registered_behind(self, door: str, user: str, password: str) -> int:
        """The same, asked at the front door by somebody who logs in there."""
        said = json.dumps({"uid": user, "password": password}).encode()
        try:
            login = self._read(f"{door}/acs/api/v1/auth/login", {"Content-Type": "application/json"}, said)
            token = str(json.loads(login)["token"])
            return _active(json.loads(self._read(f"{door}/mesos/slaves", {"Authorization": f"token={token}"})))
        except (OSError, ValueError, LookupError):
            return 0


def _active(answer: Any) -> int:
    return sum(bool(agent.get("active")) for agent in answer.get("slaves", []))
