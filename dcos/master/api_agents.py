"""The agents' link: one endless exchange per agent, both ways RecordIO.

Source: ``dcos.wire.agent_link`` and docs/reference/agent-link.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid

import msgspec
from aiohttp import web

from dcos.master.api import Api, text_response
from dcos.master.core.events import AgentSaid, LinkClosed
from dcos.master.streams import Stream
from dcos.runtime.log import get_logger
from dcos.wire import agent_link, recordio
from dcos.wire.errors import WireError

_log = get_logger("agents")


class AgentsApi:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._writer = api.writer

    def routes(self) -> list[web.RouteDef]:
        return [web.post(agent_link.PATH, self._api.gated(self.handle))]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Content-Type") != agent_link.CONTENT_TYPE:
            return text_response(415, f"Expecting 'Content-Type' of {agent_link.CONTENT_TYPE}")
        link = Stream(str(uuid.uuid4()))
        self._writer.links[link.id] = link
        reader = asyncio.create_task(self._read(request, link))
        try:
            return await link.answer(request, agent_link.CONTENT_TYPE)
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
            del self._writer.links[link.id]
            self._writer.put(LinkClosed(self._writer.now(), link.id))

    async def _read(self, request: web.Request, link: Stream) -> None:
        """What the agent says, until it ends or says nonsense; then the link is closed from our side too."""
        decoder = recordio.Decoder()
        try:
            while chunk := await request.content.readany():
                for record in decoder.feed(chunk):
                    self._writer.put(AgentSaid(self._writer.now(), link.id, agent_link.decode_agent_message(record)))
        except (WireError, msgspec.MsgspecError) as error:
            _log.warning("bad_message_of_agent", link=link.id, peer=request.remote or "", error=str(error))
        except (ConnectionError, web.PayloadAccessError):
            pass
        finally:
            link.close()
