"""Metrics of nodes and containers through Admin Router.   Source: dcos-metrics's API, ``/system/v1/.../metrics/v0``.

An answer is ``{"datapoints": [{name, value, unit, timestamp, tags?}], "dimensions": {...}}``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from dcos.client.adminrouter.transport import Transport

Json = dict[str, Any]


class Metrics:
    """All of one agent: by its Mesos id."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def node(self, agent_id: str) -> list[Json]:
        return self._points(agent_id, "node")

    def container(self, agent_id: str, container_id: str) -> list[Json]:
        """Empty where nothing is known of it."""
        return self._points(agent_id, f"containers/{quote(container_id)}")

    def app(self, agent_id: str, container_id: str) -> list[Json]:
        """What the program in the container tells of itself; empty where it tells nothing."""
        return self._points(agent_id, f"containers/{quote(container_id)}/app")

    def _points(self, agent_id: str, what: str) -> list[Json]:
        reply = self._transport.request("GET", f"/system/v1/agent/{quote(agent_id)}/metrics/v0/{what}")
        found = reply.json() if reply.body.strip() else {}
        return list(found.get("datapoints") or []) if isinstance(found, dict) else []
