"""One v1 operator call on its way: who asks for what, and how its answer is made.

Every call type is one ``Row`` of a table (``api_operator.CALLS``): which member the call must have, whether the asker may,
and who answers. A file of handlers gives its own rows as ``CALLS: dict[CallType, Row]`` and is named in ``api_operator``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from dcos.master import guards
from dcos.master.api import Api
from dcos.master.core.events import Event
from dcos.master.core.viewer import Viewer
from dcos.model.v1.master import Call, Response
from dcos.runtime.mesos_http import compressed, forbidden, json_body, text_response
from dcos.wire import mesos_json
from dcos.wire.mesos_codec import JSON, Codec

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid call."""

    api: Api
    request: web.Request
    call: Call
    codec: Codec
    """What the answer is written in."""
    principal: str | None
    """Who asks, if that is known."""

    @property
    def viewer(self) -> Viewer:
        """What he may see."""
        return Viewer(self.api.acls, self.principal)


Handler = Callable[[Asked], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Row:
    """``member``: the union member that the call must carry."""

    handle: Handler
    member: str | None = None


def refusal(api: Api, principal: str | None, call: Call) -> web.Response | None:
    """403 where ACLs forbid a call; also for endpoints of old, which make the call that they stand for."""
    missing = guards.missing(api.acls, principal, call, api.state)
    return None if missing is None else forbidden(missing)


async def reply(asked: Asked, body: Json) -> web.Response:
    """``{"type": ..., "<type in lower case>": body}`` in the wanted encoding."""
    kind = asked.call.type
    assert kind is not None
    answer = {"type": kind, kind.lower(): body}
    if asked.codec is JSON:
        return json_body(asked.request, msgspec.Raw(mesos_json.encode(answer)))
    # Messages never change, so that another thread may take its time with them while the writer goes on.
    raw = await asyncio.to_thread(asked.codec.encode, answer, Response)
    return compressed(asked.request, raw, asked.codec.content_type)


async def change(asked: Asked, event: Callable[[float, int], Event]) -> web.Response:
    """Give the core ``event(now, request)`` and wait for its ``Answer``, which is sent as it is."""
    return await decided(asked.api, event)


async def decided(api: Api, event: Callable[[float, int], Event]) -> web.Response:
    """As ``change``, for endpoints that are no v1 calls."""
    number, answer = api.writer.request()
    api.writer.put(event(api.writer.now(), number))
    done = await answer
    return forbidden(done.missing) if done.missing else text_response(done.status, done.text)
