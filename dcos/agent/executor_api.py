"""``POST /api/v1/executor``: what custom executors call.

Source: Mesos docs/executor-http-api.md; the order of checks is upstream's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from aiohttp import web

from dcos.agent.core.executor_events import ExecutorDisconnected, ExecutorSaid, ExecutorSubscribed, ExecutorUpdated
from dcos.agent.core.executor_life import Standing
from dcos.agent.core.state import ExecutorRun
from dcos.agent.daemon import Daemon
from dcos.agent.executor_streams import Events
from dcos.model.v1 import executor as v1
from dcos.model.v1.types import CheckInfoType, TaskState, TaskStatus, TaskStatusSource
from dcos.runtime.clock import Clock
from dcos.wire import recordio
from dcos.wire.errors import WireError
from dcos.wire.executor_token import Claims, TokenError, verify
from dcos.wire.mesos_codec import JSON, PROTOBUF, Codec, accepted, by_content_type

PATH = "/api/v1/executor"
HEARTBEAT_S = 1800.0
_UUID_BYTES = 16
_LOOK_S = 1.0
_STALL_S = 75.0
"""How long an executor may take nothing while something waits; then its connection is broken."""
_MEDIA = f"{JSON.content_type} or {PROTOBUF.content_type}"


_HEADERS = {
    401: {"WWW-Authenticate": 'Bearer realm="mesos-agent-executor"'},
    405: {"Allow": "POST"},
}


class Refused(Exception):
    """An answer that is neither 200 nor 202."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class ExecutorApi:
    """Calls become events of the core; a subscription is a stream of what the core tells."""

    def __init__(self, daemon: Daemon, clock: Clock, *, token_key: bytes | None = None) -> None:
        """``token_key``: set where executors have to show the token that they were given."""
        self._daemon = daemon
        self._clock = clock
        self._token_key = token_key

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._handle(request)
        except Refused as refused:
            headers = _HEADERS.get(refused.status)
            return web.Response(status=refused.status, text=refused.text, headers=headers)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        claims = self._claims(request)
        if not self._daemon.recovered:
            raise Refused(503, "Agent has not finished recovery")
        if request.method != "POST":
            raise Refused(405, f"Expecting one of {{ 'POST' }}, but received '{request.method}'")
        call = decode(await request.read(), request.headers.get("Content-Type"))
        problem = call_problem(call)
        if problem is not None:
            raise Refused(400, f"Failed to validate executor::Call: {problem}")
        codec = JSON
        if call.type is v1.CallType.SUBSCRIBE:
            codec = stream_codec(request.headers.get("Accept"))
        if claims is not None and (claims.fid, claims.eid) != (call.framework_id.value, call.executor_id.value):
            raise Refused(403, "The token is that of another executor")
        if call.type is v1.CallType.SUBSCRIBE:
            self.admit(call)
            return await self._stream(request, call, codec)
        self.take(call)
        return web.Response(status=202)

    def admit(self, call: v1.Call) -> None:
        """Whether the caller is a custom executor of ours that may say this now.   Errors: Refused."""
        life = self._executor(call).life
        if life is None:
            raise Refused(403, "Executor is not a custom executor")
        if call.type is not v1.CallType.SUBSCRIBE and life.standing is Standing.REGISTERING:
            raise Refused(403, "Executor is not subscribed")

    def take(self, call: v1.Call) -> None:
        """Anything but SUBSCRIBE.   Errors: Refused."""
        if call.type is v1.CallType.HEARTBEAT:
            return
        self.admit(call)
        ids = (call.framework_id.value, call.executor_id.value)
        match call.type:
            case v1.CallType.UPDATE if call.update is not None:
                self._daemon.post(ExecutorUpdated(*ids, call.update.status, self._clock.now()))
            case v1.CallType.MESSAGE if call.message is not None:
                self._daemon.post(ExecutorSaid(*ids, call.message.data))
            case _:
                raise Refused(501, f"Call {call.type} is not known")

    def _claims(self, request: web.Request) -> Claims | None:
        """Whom the token was given to; None where none is asked for.   Errors: Refused."""
        if self._token_key is None:
            return None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            if scheme != "Bearer":
                raise TokenError
            return verify(self._token_key, token)
        except TokenError:
            raise Refused(401) from None

    def _executor(self, call: v1.Call) -> ExecutorRun:
        framework = self._daemon.core.frameworks.get(call.framework_id.value)
        if framework is None:
            raise Refused(400, "Framework cannot be found")
        executor = framework.executors.get(call.executor_id.value)
        if executor is None:
            raise Refused(400, "Executor cannot be found")
        return executor

    async def _stream(self, request: web.Request, call: v1.Call, codec: Codec) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": codec.content_type})
        response.enable_chunked_encoding()
        await response.prepare(request)
        with self.subscribed(call) as events, contextlib.suppress(ConnectionError):
            await _write(request, response, events, codec)
        return response

    @contextlib.contextmanager
    def subscribed(self, call: v1.Call) -> Iterator[Events]:
        """A connection, as long as it lasts: what is to be written to it."""
        subscribe = call.subscribe or v1.CallSubscribe()
        ids = (call.framework_id.value, call.executor_id.value)
        number, events = self._daemon.streams.arrive()
        self._daemon.post(
            ExecutorSubscribed(
                *ids,
                number,
                self._daemon.info,
                self._clock.now(),
                tasks=frozenset(task.task_id.value for task in subscribe.unacknowledged_tasks),
                updates=tuple(one.status for one in subscribe.unacknowledged_updates),
            )
        )
        try:
            yield events
        finally:
            self._daemon.streams.leave(number)
            self._daemon.post(ExecutorDisconnected(*ids, number))


async def _write(request: web.Request, response: web.StreamResponse, events: Events, codec: Codec) -> None:
    """Until the core ends the stream, or the executor goes away (its socket is looked at every second) or stands still."""
    quiet_s = 0.0
    while request.transport is not None and not request.transport.is_closing():
        event: v1.Event | None = v1.Event(type=v1.EventType.HEARTBEAT)
        try:
            async with asyncio.timeout(_LOOK_S):
                event = await events.get()
        except TimeoutError:
            quiet_s += _LOOK_S
            if quiet_s < HEARTBEAT_S:
                continue
        quiet_s = 0.0
        if event is None:
            await response.write_eof()
            return
        try:
            async with asyncio.timeout(_STALL_S):
                await response.write(recordio.frame(codec.encode(event, v1.Event)))
        except TimeoutError:
            request.transport.abort()
            return


# ---- bytes -----------------------------------------------------------------------------------------------------------


def decode(raw: bytes, content_type: str | None) -> v1.Call:
    """Errors: Refused."""
    if content_type is None:
        raise Refused(400, "Expecting 'Content-Type' to be present")
    codec = by_content_type(content_type)
    if codec is None:
        raise Refused(415, f"Expecting 'Content-Type' of {_MEDIA}")
    try:
        return codec.decode(raw, v1.Call)
    except WireError as error:
        raise Refused(400, f"Failed to parse body into Call protobuf: {error}") from error


def stream_codec(accept: str | None) -> Codec:
    """What the events are written in.   Errors: Refused."""
    codec = accepted(accept)
    if codec is None:
        raise Refused(406, f"Expecting 'Accept' to allow {_MEDIA}")
    return codec


# ---- validation ------------------------------------------------------------------------------------------------------


def call_problem(call: v1.Call) -> str | None:
    """What is wrong with a call, for its sender."""
    match call.type:
        case None:
            return "Expecting 'type' to be present"
        case v1.CallType.SUBSCRIBE:
            if call.subscribe is None:
                return "Expecting 'subscribe' to be present"
            problems = (_status_problem(one.status, call) for one in call.subscribe.unacknowledged_updates)
            return next((one for one in problems if one is not None), None)
        case v1.CallType.UPDATE:
            return (
                "Expecting 'update' to be present" if call.update is None else _status_problem(call.update.status, call)
            )
        case v1.CallType.MESSAGE if call.message is None:
            return "Expecting 'message' to be present"
        case _:
            return None


def _status_problem(status: TaskStatus, call: v1.Call) -> str | None:
    if status.uuid is None:
        return "Expecting 'uuid' to be present"
    if len(status.uuid) != _UUID_BYTES:
        return f"Not a valid UUID: it has {len(status.uuid)} bytes, not {_UUID_BYTES}"
    if status.executor_id is not None and status.executor_id != call.executor_id:
        return (
            f"ExecutorID in Call: {call.executor_id.value} does not match ExecutorID in TaskStatus:"
            f" {status.executor_id.value}"
        )
    if status.source is not TaskStatusSource.SOURCE_EXECUTOR:
        return f"Received Call from executor {call.executor_id.value} with invalid source, expecting 'SOURCE_EXECUTOR'"
    if status.state in (None, TaskState.TASK_STAGING):
        return "TASK_STAGING is not a state that an executor may send"
    check = status.check_status
    if check is not None:
        member = {CheckInfoType.COMMAND: check.command, CheckInfoType.HTTP: check.http, CheckInfoType.TCP: check.tcp}
        if check.type is None or check.type is CheckInfoType.UNKNOWN:
            return "check_status: expecting 'type' to be a known one"
        if member.get(check.type) is None:
            return f"check_status: expecting '{check.type.lower()}' to be set for the type {check.type}"
    return None
