"""The overlay's state as masters and agents show it: told by this node's dcos-net, which makes it.

Upstream's overlay modules live in the Mesos processes; here those only hand on what their neighbour knows.
"""

from __future__ import annotations

from typing import Final

import aiohttp
from aiohttp import web

from dcos.runtime import http
from dcos.runtime.mesos_http import text_response

MASTER_PATH: Final = "/overlay-master/state"
AGENT_PATH: Final = "/overlay-agent/overlay"
_TIMEOUT_S: Final = 10.0


class OverlayEndpoint:
    """Handler of one of the paths. ``port``: where dcos-net answers on loopback."""

    def __init__(self, path: str, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}{path}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Its answer; 404 where there is no overlay, or no dcos-net."""
        try:
            async with http.session(timeout_s=_TIMEOUT_S) as session, session.get(self._url) as answer:
                body = await answer.read()
        except aiohttp.ClientConnectorError:
            return text_response(404)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return text_response(503, f"dcos-net: {error or 'no answer'}")
        return web.Response(status=answer.status, body=body, content_type=answer.content_type)
