"""The calls of ``POST /api/v1`` that launch, wait for, kill, remove and attach to containers.

Source: Mesos docs/operator-http-api.md; codes, texts and the order of checks are upstream's.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from aiohttp import web

from dcos.agent.attach import CLOSED, InputStream, Media, gone_away, send_output
from dcos.agent.core.nested import call_problem, text
from dcos.agent.nested import NestedContainers
from dcos.agent.nested_records import Launched, NestedError, NoContainer, NoSwitchboard, Request, Termination
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import CommandInfo, ContainerID
from dcos.runtime.http_access import changes
from dcos.runtime.mesos_http import forbidden
from dcos.wire.errors import WireError
from dcos.wire.mesos_codec import JSON, PROTOBUF, Codec, accepted, by_content_type

RECORDIO = "application/recordio"
_EITHER = f"{JSON.content_type} or {PROTOBUF.content_type}"
_STREAMS = (v1.CallType.ATTACH_CONTAINER_OUTPUT, v1.CallType.LAUNCH_NESTED_CONTAINER_SESSION)
CALLS = frozenset(kind for kind in v1.CallType if "_CONTAINER" in kind and kind != "GET_CONTAINERS")


class Refused(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, text: str = "", missing: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.missing = missing
        """The permission that is."""

    def response(self) -> web.Response:
        return forbidden(self.missing) if self.missing else web.Response(status=self.status, text=self.text)


class ContainerApi:
    """Answers them. ``heartbeat_s``: between the heartbeats of a stream of output."""

    def __init__(self, nested: NestedContainers, *, heartbeat_s: float) -> None:
        self._nested = nested
        self._heartbeat_s = heartbeat_s
        self.missing: Callable[[web.Request, v1.Call], str | None] = lambda _request, _call: None
        """None: the asker may; else the permission that is missing, if it has a name. Asked once the call is well formed."""

    # ---- entries -----------------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request, call: v1.Call) -> web.StreamResponse:
        """A call of ``CALLS`` that came whole."""
        try:
            return await self._handle(request, call)
        except Refused as refused:
            return refused.response()

    async def handle_stream(self, request: web.Request) -> web.StreamResponse:
        """A request whose body is a stream of records."""
        try:
            return await self._handle_stream(request)
        except Refused as refused:
            return refused.response()

    async def _handle(self, request: web.Request, call: v1.Call) -> web.StreamResponse:
        check_whole(request)
        problem = call_problem(call)
        if problem is not None:
            raise Refused(400, f"Failed to validate agent::Call: {problem}")
        media = response_media(request)
        self._check(request, call)
        if call.type is v1.CallType.ATTACH_CONTAINER_INPUT:
            raise Refused(415, f"Expecting 'Content-Type' to be {RECORDIO} for {call.type} call")
        if media.streaming and call.type not in _STREAMS:
            raise Refused(406, f"Streaming response is not supported for {call.type} call")
        try:
            return await self._answer(request, call, media)
        except NoContainer as error:
            raise Refused(404, str(error)) from error
        except NoSwitchboard as error:
            raise Refused(500, str(error)) from error

    def _check(self, request: web.Request, call: v1.Call) -> None:
        """Errors: Refused."""
        missing = self.missing(request, call)
        if missing is not None:
            raise Refused(403, missing=missing)
        changes(request, str(call.type))

    async def _answer(self, request: web.Request, call: v1.Call, media: Media) -> web.StreamResponse:
        body: Any = getattr(call, str(call.type).lower())
        match call.type:
            case v1.CallType.LAUNCH_NESTED_CONTAINER_SESSION:
                return await self._session(request, body, media)
            case v1.CallType.LAUNCH_NESTED_CONTAINER | v1.CallType.LAUNCH_CONTAINER:
                return await self._launch(body)
            case v1.CallType.WAIT_NESTED_CONTAINER | v1.CallType.WAIT_CONTAINER:
                return await self._wait(request, call.type, body.container_id, media.codec)
            case v1.CallType.KILL_NESTED_CONTAINER | v1.CallType.KILL_CONTAINER:
                return await self._kill(body)
            case v1.CallType.REMOVE_NESTED_CONTAINER | v1.CallType.REMOVE_CONTAINER:
                return await self._remove(body.container_id)
            case _:
                io = self._nested.io(body.container_id)
                return await send_output(request, io, io.listen(), media, self._heartbeat_s)

    # ---- calls -------------------------------------------------------------------------------------------------------

    async def _launch(self, body: v1.CallLaunchContainer | v1.CallLaunchNestedContainer) -> web.Response:
        standalone = isinstance(body, v1.CallLaunchContainer)
        wanted = Request(
            body.container_id,
            body.command or CommandInfo(),
            body.container,
            resources=body.resources if isinstance(body, v1.CallLaunchContainer) else (),
            limits=dict(body.limits) if isinstance(body, v1.CallLaunchContainer) else {},
        )
        if standalone and body.container_id.parent is not None and wanted.limits:
            info = wanted.container.linux_info if wanted.container is not None else None
            if info is None or info.share_cgroups:
                raise Refused(400, "Resource limits need a container that does not share its parent's cgroups")
        try:
            done = await self._nested.launch(wanted)
        except NestedError as error:
            raise Refused(400, str(error)) from error
        return web.Response(status=200 if done is Launched.NEW else 202)

    async def _session(
        self, request: web.Request, body: v1.CallLaunchNestedContainerSession, media: Media
    ) -> web.StreamResponse:
        """The container ends with this connection, and the other way round."""
        container_id = body.container_id
        wanted = Request(container_id, body.command or CommandInfo(), body.container, session=True)
        try:
            done = await self._nested.launch(wanted)
        except NestedError as error:
            raise Refused(400, str(error)) from error
        if done is Launched.ALREADY:
            return web.Response(status=202)
        try:
            io = self._nested.io(container_id)
            return await send_output(request, io, io.listen(patient=True), media, self._heartbeat_s)
        finally:
            await self._nested.destroy(container_id)

    async def _wait(
        self, request: web.Request, kind: v1.CallType, container_id: ContainerID, codec: Codec
    ) -> web.Response:
        """Nobody is waited for who has gone."""
        loop = asyncio.get_running_loop()
        ending = loop.create_task(self._nested.wait(container_id), name="wait-container")
        leaving = loop.create_task(gone_away(request), name="wait-gone")
        try:
            await asyncio.wait({ending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            end = ending.result() if ending.done() else None
        finally:
            for task in (ending, leaving):
                task.cancel()
            await asyncio.gather(ending, leaving, return_exceptions=True)
        if end is None:
            raise Refused(404, f"Container {text(container_id)} cannot be found")
        return web.Response(body=codec.encode(_waited(kind, end), v1.Response), content_type=codec.content_type)

    async def _kill(self, body: v1.CallKillContainer | v1.CallKillNestedContainer) -> web.Response:
        number = int(signal.SIGKILL) if body.signal is None else body.signal
        if not 0 < number < signal.NSIG:
            raise Refused(400, f"Signal {number} does not exist")
        if not await self._nested.kill(body.container_id, number):
            name = text(body.container_id)
            raise Refused(404, f"Container '{name}' cannot be found (or is already killed)")
        return web.Response(status=200)

    async def _remove(self, container_id: ContainerID) -> web.Response:
        try:
            await self._nested.remove(container_id)
        except NestedError as error:
            raise Refused(500, str(error)) from error
        return web.Response(status=200)

    # ---- input -------------------------------------------------------------------------------------------------------

    async def _handle_stream(self, request: web.Request) -> web.StreamResponse:
        name = request.headers.get("Message-Content-Type")
        if name is None:
            raise Refused(400, "Expecting 'Message-Content-Type' to be set for streaming requests")
        codec = by_content_type(name)
        if codec is None:
            raise Refused(415, f"Expecting 'Message-Content-Type' of {_EITHER}")
        media = response_media(request)
        stream = InputStream(request, codec)
        try:
            call = await stream.next()
        except (WireError, *CLOSED) as error:
            raise Refused(400, str(error)) from error
        if call is None:
            raise Refused(400, "Received EOF while reading request body")
        problem = call_problem(call)
        if problem is not None:
            raise Refused(400, f"Failed to validate agent::Call: {problem}")
        if call.type is not v1.CallType.ATTACH_CONTAINER_INPUT:
            raise Refused(415, f"Streaming 'Content-Type' {RECORDIO} is not supported for {call.type} call")
        if media.streaming:
            raise Refused(406, f"Streaming response is not supported for {call.type} call")
        body = call.attach_container_input
        if body is None or body.type is not v1.CallAttachContainerInputType.CONTAINER_ID or body.container_id is None:
            raise Refused(400, "Expecting 'attach_container_input.type' to be CONTAINER_ID")
        self._check(request, call)
        try:
            io = self._nested.io(body.container_id)
        except NoContainer as error:
            raise Refused(404, str(error)) from error
        except NoSwitchboard as error:
            raise Refused(500, str(error)) from error
        status, words = await stream.feed(io)
        return web.Response(status=status, text=words)


def check_whole(request: web.Request) -> None:
    """Refuse what only a stream of records may say.   Errors: Refused."""
    if "Message-Content-Type" in request.headers:
        raise Refused(415, "Expecting 'Message-Content-Type' to be not set for non-streaming requests")


def response_media(request: web.Request) -> Media:
    """What the answer is to be written in.   Errors: Refused."""
    accept = request.headers.get("Accept")
    codec = accepted(accept)
    if codec is not None:
        if "Message-Accept" in request.headers:
            raise Refused(406, "Expecting 'Message-Accept' to be not set for non-streaming responses")
        return Media(codec, streaming=False)
    kinds = {part.partition(";")[0].strip().lower() for part in (accept or "").split(",")}
    if RECORDIO not in kinds:
        raise Refused(406, f"Expecting 'Accept' to allow {JSON.content_type} or {PROTOBUF.content_type} or {RECORDIO}")
    codec = accepted(request.headers.get("Message-Accept"))
    if codec is None:
        raise Refused(406, f"Expecting 'Message-Accept' to allow {_EITHER}")
    return Media(codec, streaming=True)


def _waited(kind: v1.CallType, end: Termination) -> v1.Response:
    words: dict[str, Any] = {
        "exit_status": end.exit_status,
        "state": end.state,
        "reason": end.reason,
        "message": end.message,
    }
    if kind is v1.CallType.WAIT_CONTAINER:
        return v1.Response(type=v1.ResponseType.WAIT_CONTAINER, wait_container=v1.ResponseWaitContainer(**words))
    nested = v1.ResponseWaitNestedContainer(**words)
    return v1.Response(type=v1.ResponseType.WAIT_NESTED_CONTAINER, wait_nested_container=nested)
