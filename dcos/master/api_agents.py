"""The agents' link: one endless exchange per agent, both ways RecordIO.

Source: ``dcos.wire.agent_link`` and docs/reference/agent-link.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from dcos.client.service_rights import principal_of
from dcos.master import callers
from dcos.master.agent_proof import AgentProofs, Refused
from dcos.master.api import Api
from dcos.master.core.authorization import agent_problem
from dcos.master.core.events import AgentSaid, LinkClosed
from dcos.master.streams import Stream
from dcos.master.writer import Writer
from dcos.runtime.log import get_logger
from dcos.runtime.mesos_http import text_response
from dcos.runtime.tls import Caller, caller
from dcos.wire import agent_link, recordio
from dcos.wire.errors import WireError

_log = get_logger("agents")
T = TypeVar("T")
Problem = Callable[[agent_link.AgentMessage], str | None]
_BIG = 4096
"""Bytes of a message that takes long to read."""


class AgentsApi:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._writer = api.writer
        config = api.config
        credentials = config.credentials.secrets if config.credentials is not None else {}
        self._proofs = AgentProofs(credentials, api.writer.now, required=config.authenticate_agents)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(agent_link.PATH, self._api.gated(self.handle, None)),
            web.get(agent_link.PATH, self._api.gated(self.challenge, None)),
        ]

    async def challenge(self, _: web.Request) -> web.Response:
        if not self._proofs.asks:
            return web.Response(status=204)
        answer = web.Response(status=401, headers={"WWW-Authenticate": self._proofs.challenge()})
        answer.force_close()  # the proof comes on a connection of its own, which can become a link at once
        return answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Content-Type") != agent_link.CONTENT_TYPE:
            return text_response(415, f"Expecting 'Content-Type' of {agent_link.CONTENT_TYPE}")
        try:
            principal = self._proofs.principal(request.headers.get("Authorization"))
        except Refused as refused:
            _log.warning("agent_refused", peer=request.remote or "", why=str(refused))
            return web.Response(status=401, headers={"WWW-Authenticate": self._proofs.challenge()})
        if principal is not None:
            self._api.state.counters["messages_authenticate"] += 1
        link = Stream(str(uuid.uuid4()))
        answer = link.answer(request, agent_link.CONTENT_TYPE)
        return await exchange(
            self._writer,
            link,
            request.content.readany,
            answer,
            peer=request.remote or "",
            problem=self._problem(principal, caller(request.transport)),
        )

    def admit(self, fields: Mapping[str, str], who: Caller | None) -> Problem | None:
        """What to ask of the messages of an agent whose request has these fields, if it can be taken as it is; None leaves
        it to ``handle``. ``who``: whose certificate it showed.
        """
        api = self._api
        if not api.leads or api.state.recovered_at is None or api.access.disables(agent_link.PATH):
            return None
        if fields.get("content-type") != agent_link.CONTENT_TYPE or (who is None and api.named_only):
            return None
        try:
            principal = self._proofs.principal(fields.get("authorization"))
        except Refused:
            return None
        if principal is not None:
            api.state.counters["messages_authenticate"] += 1
        return self._problem(principal, who)

    def _problem(self, principal: str | None, who: Caller | None) -> Problem:
        acls = self._api.acls
        if principal is None and who is not None and self._api.certified:
            principal = principal_of(who.service)

        def problem(message: agent_link.AgentMessage) -> str | None:
            match message:
                case agent_link.Register() | agent_link.Reregister():
                    refused = callers.agent_problem(who, message.pid)
                    return refused or agent_problem(acls, principal, message.agent.resources)
                case _:
                    return None

        return problem


async def exchange(
    writer: Writer,
    link: Stream,
    read: Callable[[], Awaitable[bytes]],
    answer: Coroutine[Any, Any, T],
    *,
    peer: str,
    problem: Problem = lambda _: None,
) -> T:
    """Take in what ``read`` gives while ``answer`` sends what the link is told; returns when ``answer`` does.

    ``problem``: why a message may not be taken; it ends the link.
    """
    writer.links[link.id] = link
    reader = asyncio.create_task(_take_in(writer, link, read, peer, problem))
    try:
        return await answer
    finally:
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader
        del writer.links[link.id]
        writer.put(LinkClosed(writer.now(), link.id))


async def _take_in(
    writer: Writer, link: Stream, read: Callable[[], Awaitable[bytes]], peer: str, problem: Problem
) -> None:
    """What the agent says, until it ends or says nonsense; then the link is closed from our side too."""
    decoder = recordio.Decoder()
    try:
        while chunk := await read():
            for record in decoder.feed(chunk):
                message = await _decoded(writer, record)
                why = problem(message)
                if why is not None:
                    _log.warning("agent_refused", peer=peer, why=why)
                    return
                writer.put(AgentSaid(writer.now(), link.id, message))
    except (WireError, msgspec.MsgspecError) as error:
        _log.warning("bad_message_of_agent", link=link.id, peer=peer, error=str(error))
    except (ConnectionError, web.PayloadAccessError):
        pass
    finally:
        link.close()


async def _decoded(writer: Writer, record: bytes) -> agent_link.AgentMessage:
    """When all agents come back at once, their big messages are read one by one."""
    message: agent_link.AgentMessage
    if len(record) < _BIG:
        message = agent_link.decode_agent_message(record)
    else:
        async with writer.turns:
            message = agent_link.decode_agent_message(record)
    return message
