"""Health of nodes and their units through Admin Router.   Source: dcos-diagnostics's API, ``/system/health/v1``."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from dcos.client.adminrouter.transport import Transport

Json = dict[str, Any]


class Health:
    """Everywhere ``health`` is 0 healthy, 1 unhealthy, 3 unknown."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def nodes(self) -> list[Json]:
        """``{host_ip, health, role}`` each; role master, agent or agent_public."""
        return list(self._transport.get("/system/health/v1/nodes")["nodes"])

    def units(self) -> list[Json]:
        """``{id, name, health, description}`` each; health is the worst of all nodes."""
        return list(self._transport.get("/system/health/v1/units")["units"])

    def units_of(self, ip: str) -> list[Json]:
        """``{id, name, health, output, description, help}`` each."""
        return list(self._transport.get(f"/system/health/v1/nodes/{quote(ip)}/units")["units"])
