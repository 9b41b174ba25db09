"""Who may ask an agent where callers show certificates: masters' services anything, those beside it what they are there for.

What stands beside an agent reads tasks' files for the masters' Admin Routers, measures and checks.
Of another machine it reads nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from dcos.registry import NodeRole
from dcos.runtime.tls import Caller

_READS: Mapping[str, tuple[str, ...]] = {
    "dcos-log-agent": ("/files/download", "/files/browse"),
    "dcos-telegraf": ("/containers", "/metrics/snapshot", "/state"),
    "dcos-checks-api": ("/metrics/snapshot",),
    "dcos-diagnostics": ("/containers", "/flags", "/metrics/snapshot", "/overlay-agent/overlay", "/state", "/version"),
}
"""Paths by service."""


def admitting(ip: str) -> Callable[[web.Request, Caller], Awaitable[bool]]:
    """The rule of the agent at ``ip``."""

    async def admits(request: web.Request, caller: Caller) -> bool:
        if caller.unit == NodeRole.MASTER:
            return True
        reads = request.method in ("GET", "HEAD") and request.path in _READS.get(caller.service, ())
        return reads and ip in caller.addresses

    return admits
