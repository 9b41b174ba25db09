"""A typed v1 scheduler client: one subscription kept alive over leader changes, and calls on it.

Use: ``async with SchedulerClient(...) as client``; read ``client.events()``, send ``client.call(...)``. Each time the
subscription comes (back), ``SUBSCRIBED`` is yielded first: reconcile then. Heartbeats are kept for the client itself.

Leaving the block closes the stream but does not tear the framework down (``teardown`` does).

Source: Mesos docs/scheduler-http-api.md; a stream is taken for lost after five missed heartbeats.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import msgspec

from dcos.client.scheduler_http import HttpTransport, Reply, Transport
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType, Event, EventType
from dcos.model.v1.types import (
    AgentID,
    ExecutorID,
    Filters,
    FrameworkID,
    FrameworkInfo,
    KillPolicy,
    MasterInfo,
    OfferID,
    OfferOperation,
    TaskID,
    TaskStatus,
)
from dcos.runtime.log import get_logger
from dcos.runtime.tls import scheme
from dcos.wire import mesos_json, recordio
from dcos.wire.errors import WireError

MISSED_HEARTBEATS = 5
_QUEUE = 1000


class SchedulerError(Exception):
    """Drawn: SchedulerError > NotSubscribed, CallRefused, CallFailed, FrameworkError."""


class NotSubscribed(SchedulerError):
    """There is no subscription at the moment: wait for the next SUBSCRIBED."""


class CallRefused(SchedulerError):
    """The master answered with an error (``status``, ``text``); sending the same again does not help."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


class CallFailed(SchedulerError):
    """The master could not be reached: whether the call was taken is unknown."""


class FrameworkError(SchedulerError):
    """The master ended the framework's subscription by ERROR (removed, failed over, refused): not retried."""


class SchedulerClient:
    """One framework's connection to whichever master leads.

    ``detect`` yields the leading master (None: none known) now and after every change. ``jitter`` gives a number in [0, 1)
    for the back-off. ``credential`` is (principal, secret) for HTTP Basic.
    """

    def __init__(
        self,
        detect: AsyncIterable[MasterInfo | None],
        framework: FrameworkInfo,
        *,
        suppressed_roles: Iterable[str] = (),
        jitter: Callable[[], float] = lambda: 0.5,
        backoff_s: tuple[float, float] = (0.25, 15.0),
        credential: tuple[str, str] | None = None,
        call_timeout_s: float = 30.0,
        transport: Transport | None = None,
    ) -> None:
        self.framework = framework
        """Sent with each subscription; its ``id`` is filled in by the first SUBSCRIBED and stays."""
        self.suppressed_roles = tuple(suppressed_roles)
        self._detect = detect
        self._jitter = jitter
        self._backoff_s = backoff_s
        self._transport = transport or HttpTransport(credential)
        self._call_timeout_s = call_timeout_s
        self._log = get_logger("scheduler_client")
        self._leader: MasterInfo | None = None
        self._leader_changed = asyncio.Event()
        self._base: str | None = None
        self._stream_id: str | None = None
        self._queue: asyncio.Queue[Event | Exception] = asyncio.Queue(_QUEUE)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def framework_id(self) -> FrameworkID | None:
        return self.framework.id

    @property
    def leader(self) -> MasterInfo | None:
        """The leading master as last detected."""
        return self._leader

    @property
    def subscribed(self) -> bool:
        """Whether calls can be sent now."""
        return self._stream_id is not None

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        self._tasks = [asyncio.create_task(self._watch_leader()), asyncio.create_task(self._keep_subscribed())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._stream_id = None
        await self._transport.__aexit__(kind, error, trace)

    async def events(self) -> AsyncIterator[Event]:
        """Everything the master sends but heartbeats, over all subscriptions.   Errors: FrameworkError after ERROR."""
        while True:
            item = await self._queue.get()
            if isinstance(item, Exception):
                raise item
            yield item

    # ---- calls -------------------------------------------------------------------------------------------------------

    async def call(self, call: Call) -> None:
        """Send one call; ``framework_id`` is filled in.   Errors: NotSubscribed, CallRefused, CallFailed."""
        if self._stream_id is None or self._base is None:
            raise NotSubscribed(f"{call.type}: not subscribed")
        body = mesos_json.encode(msgspec.structs.replace(call, framework_id=self.framework.id))
        try:
            status, text = await self._transport.call(self._base, body, self._stream_id, self._call_timeout_s)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CallFailed(f"{call.type}: {error or type(error).__name__}") from error
        if status not in (200, 202):
            raise CallRefused(status, text[:500])

    async def accept(
        self, offers: Iterable[OfferID], operations: Iterable[OfferOperation], *, refuse_s: float | None = None
    ) -> None:
        accept = scheduler.CallAccept(offer_ids=tuple(offers), operations=tuple(operations), filters=_filters(refuse_s))
        await self.call(Call(type=CallType.ACCEPT, accept=accept))

    async def decline(self, offers: Iterable[OfferID], *, refuse_s: float | None = None) -> None:
        decline = scheduler.CallDecline(offer_ids=tuple(offers), filters=_filters(refuse_s))
        await self.call(Call(type=CallType.DECLINE, decline=decline))

    async def revive(self, roles: Iterable[str] = ()) -> None:
        await self.call(Call(type=CallType.REVIVE, revive=scheduler.CallRevive(roles=tuple(roles))))

    async def suppress(self, roles: Iterable[str] = ()) -> None:
        await self.call(Call(type=CallType.SUPPRESS, suppress=scheduler.CallSuppress(roles=tuple(roles))))

    async def kill(
        self, task_id: TaskID, agent_id: AgentID | None = None, kill_policy: KillPolicy | None = None
    ) -> None:
        kill = scheduler.CallKill(task_id=task_id, agent_id=agent_id, kill_policy=kill_policy)
        await self.call(Call(type=CallType.KILL, kill=kill))

    async def acknowledge(self, status: TaskStatus) -> None:
        """Acknowledge an update; does nothing for one without uuid, which must not be acknowledged."""
        if status.uuid is None or status.agent_id is None:
            return
        acknowledge = scheduler.CallAcknowledge(agent_id=status.agent_id, task_id=status.task_id, uuid=status.uuid)
        await self.call(Call(type=CallType.ACKNOWLEDGE, acknowledge=acknowledge))

    async def reconcile(self, tasks: Iterable[tuple[TaskID, AgentID | None]] = ()) -> None:
        """Ask for the state of ``tasks``; of all that the master knows when empty."""
        wanted = tuple(scheduler.CallReconcileTask(task_id=task, agent_id=agent) for task, agent in tasks)
        await self.call(Call(type=CallType.RECONCILE, reconcile=scheduler.CallReconcile(tasks=wanted)))

    async def message(self, agent_id: AgentID, executor_id: ExecutorID, data: bytes) -> None:
        message = scheduler.CallMessage(agent_id=agent_id, executor_id=executor_id, data=data)
        await self.call(Call(type=CallType.MESSAGE, message=message))

    async def teardown(self) -> None:
        """Remove the framework with all its tasks."""
        await self.call(Call(type=CallType.TEARDOWN))

    # ---- the subscription --------------------------------------------------------------------------------------------

    async def _watch_leader(self) -> None:
        try:
            async for leader in self._detect:
                if leader != self._leader:
                    self._leader = leader
                    self._leader_changed.set()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            await self._queue.put(error)

    async def _keep_subscribed(self) -> None:
        shortest, longest = self._backoff_s
        delay = shortest
        while True:
            leader = self._leader
            self._leader_changed.clear()
            if leader is not None:
                stream = asyncio.create_task(self._subscribe(_url(leader)))
                moved = asyncio.create_task(self._leader_changed.wait())
                try:
                    await asyncio.wait((stream, moved), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    self._stream_id = None
                    moved.cancel()
                    if not stream.done():
                        stream.cancel()
                    await asyncio.gather(stream, moved, return_exceptions=True)
                error = None if stream.cancelled() else stream.exception()
                if isinstance(error, _Subscribed):
                    delay = shortest
                    error = error.reason
                if isinstance(error, FrameworkError):
                    await self._queue.put(error)
                    return
                if error is not None:
                    self._log.info("subscription_lost", error=str(error) or type(error).__name__, retry_in_s=delay)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if self._leader is None else delay * (0.5 + self._jitter())):
                    await self._leader_changed.wait()
                    delay = shortest
            delay = min(delay * 2, longest)

    async def _subscribe(self, base: str) -> None:
        """Hold one stream; always ends by an exception (``_Subscribed`` when it had come to stand)."""
        subscribe = scheduler.CallSubscribe(framework_info=self.framework, suppressed_roles=self.suppressed_roles)
        body = mesos_json.encode(Call(type=CallType.SUBSCRIBE, framework_id=self.framework.id, subscribe=subscribe))
        for _ in range(3):
            async with self._transport.subscribe(base, body) as reply:
                if reply.status == 307 and (location := urlsplit(reply.location)).netloc:
                    base = f"{scheme()}://{location.netloc}"
                    continue
                if reply.status != 200:
                    raise CallRefused(reply.status, (await reply.text())[:500])
                self._base = base
                try:
                    await self._read(reply)
                except (FrameworkError, asyncio.CancelledError):
                    raise
                except (aiohttp.ClientError, TimeoutError, OSError, WireError) as error:
                    raise _Subscribed(error) from error
                raise _Subscribed(CallFailed("stream closed by the master"))
        raise CallFailed("redirected in a circle")

    async def _read(self, reply: Reply) -> None:
        decoder = recordio.Decoder()
        silence_s = 15.0 * MISSED_HEARTBEATS
        while True:
            async with asyncio.timeout(silence_s):
                chunk = await reply.read()
            if not chunk:
                return
            for record in decoder.feed(chunk):
                event = mesos_json.decode(record, Event)
                if event.type is EventType.HEARTBEAT:
                    continue
                if event.type is EventType.SUBSCRIBED and event.subscribed is not None:
                    self.framework = msgspec.structs.replace(self.framework, id=event.subscribed.framework_id)
                    self._stream_id = reply.stream_id
                    if event.subscribed.heartbeat_interval_seconds:
                        silence_s = event.subscribed.heartbeat_interval_seconds * MISSED_HEARTBEATS
                await self._queue.put(event)
                if event.type is EventType.ERROR:
                    raise FrameworkError(event.error.message if event.error else "unknown")


class _Subscribed(Exception):
    """A stream that had come to stand ended, by ``reason``."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _url(leader: MasterInfo) -> str:
    address = leader.address
    host = (address.ip or address.hostname) if address else leader.hostname
    return f"{scheme()}://{host}:{address.port if address else leader.port}"


def _filters(refuse_s: float | None) -> Filters | None:
    return None if refuse_s is None else Filters(refuse_seconds=refuse_s)
