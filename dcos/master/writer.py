"""The one writer: takes events from its inbox, lets the core decide, persists, and only then tells anyone."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Mapping
from typing import assert_never

from dcos.master.core import effects
from dcos.master.core.events import AgentSaid, Event, LinkClosed, StreamClosed, Tick
from dcos.master.core.offers import to_allocate
from dcos.master.core.state import State
from dcos.master.core.step import begin, go_on, settle
from dcos.master.core.viewer import seen
from dcos.master.persist import Registry
from dcos.master.streams import Outlet, Stream
from dcos.model.v1 import master, scheduler
from dcos.runtime import heap
from dcos.runtime.app import Exit
from dcos.runtime.clock import Clock
from dcos.runtime.log import get_logger
from dcos.runtime.timing import Timer
from dcos.store.base import BadVersion, SessionLost
from dcos.wire import agent_link
from dcos.wire.errors import WireError
from dcos.wire.mesos_codec import Codec

EXIT_LEADERSHIP = 3
"""Leadership or the ZooKeeper session was lost."""
EXIT_REGISTRY = 4
"""The registry could not be read or written in time."""
EXIT_REMOVALS = 5
"""More agents would have to be given up after a change of leader than ``--recovery_agent_removal_limit`` allows."""


SLICE_S = 0.005
"""For so long at most events are taken before others run; who asks something waits for about three turns of the loop, each of
which may have a slice of every kind of long work in it."""


class Writer:
    """Owns ``state``. Only ``run`` changes it; handlers read it after ``settled``."""

    def __init__(self, state: State, clock: Clock, *, store_timeout_s: float, max_subscribers: int) -> None:
        self.state = state
        state.watched = False
        self.registry: Registry | None = None
        """Set once this master leads."""
        self.schedulers: dict[str, Stream] = {}
        self.links: dict[str, Outlet] = {}
        self.subscribers: dict[str, Stream] = {}
        """Operators' event streams, the oldest first."""
        self.max_subscribers = max_subscribers
        self._answers: dict[int, asyncio.Future[effects.Answer]] = {}
        self._requests = itertools.count(1)
        self._inbox: deque[Event] = deque()
        self.turns = asyncio.Lock()
        """Held for work that is long for one among many: between two of them, everything else runs."""
        self.revision = 0
        """Another number whenever something that can be seen may have changed."""
        self._wake = asyncio.Event()
        self._persisted = asyncio.Event()
        self._persisted.set()
        self._store_timeout_s = store_timeout_s
        self._clock = clock
        self._epoch = clock.now() - clock.monotonic()
        self._log = get_logger("master")
        self.fetched = Timer()
        self.stored = Timer()
        self.allocated = Timer()
        self.allocation_waited = Timer()
        """From the first event that an allocation run answers to the run."""
        self._first_put: float | None = None
        self._ending = False

    def timers(self) -> dict[str, float]:
        """Of the allocator and the registrar, by upstream's names."""
        at = self._clock.monotonic()
        return {
            **self.allocated.metrics("allocator/mesos/allocation_run_ms", at),
            **self.allocation_waited.metrics("allocator/mesos/allocation_run_latency_ms", at),
            **self.fetched.metrics("registrar/state_fetch_ms", at),
            **self.stored.metrics("registrar/state_store_ms", at),
        }

    def now(self) -> float:
        """Unix seconds that never jump while this process runs."""
        return self._epoch + self._clock.monotonic()

    def put(self, event: Event) -> None:
        if self._ending and isinstance(event, LinkClosed | StreamClosed):
            return
        if self._first_put is None:
            self._first_put = self._clock.monotonic()
        self._inbox.append(event)
        self._wake.set()

    @property
    def waiting(self) -> int:
        """Events in the inbox."""
        return len(self._inbox)

    @property
    def busy(self) -> bool:
        """Whether there is something to do at once."""
        return bool(self._inbox or self.state.rest or to_allocate(self.state))

    def request(self) -> tuple[int, asyncio.Future[effects.Answer]]:
        """A number for an event, and what its answer will come in."""
        number = next(self._requests)
        future: asyncio.Future[effects.Answer] = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        future.add_done_callback(lambda _: self._answers.pop(number, None))
        return number, future

    async def settled(self) -> None:
        """Return when memory holds nothing that is not durable."""
        await self._persisted.wait()

    async def run(self) -> None:
        """For ever.   Errors: Exit when leadership is lost or the registry does not take a write in time."""
        while True:
            await self._next()
            now = self.now()
            quiet = self._step(now)
            if not self.state.rest:
                self._settle(now)
            made = self.state.take_effects()
            if not quiet or any(not _is_ping(effect) for effect in made):
                self.revision += 1
            writes = [effect for effect in made if isinstance(effect, effects.Write | effects.Keep)]
            if writes:
                await self._persist(writes)
            for effect in made:
                self._perform(effect)
            await asyncio.sleep(0)

    def _step(self, now: float) -> bool:
        """Take what waits, but not for longer than a slice: the rest comes after others had their turn.

        Whether nothing was said that anybody could see.
        """
        quiet, over = True, self._clock.monotonic() + SLICE_S
        if self.state.rest:
            heap.collect_young()
        while self.state.rest or self._inbox:
            if self.state.rest:
                quiet = False
                go_on(self.state)
            else:
                event = self._inbox.popleft()
                quiet = quiet and isinstance(event, AgentSaid) and isinstance(event.message, agent_link.Pong)
                begin(self.state, event)
            if self._clock.monotonic() > over:
                break
        deadline = self.state.next_deadline
        if deadline is not None and deadline <= now and not self.state.rest:
            begin(self.state, Tick(now))
            while self.state.rest and self._clock.monotonic() <= over:
                go_on(self.state)
        return quiet

    def _settle(self, now: float) -> None:
        """Allocate, and note how long it took and how long it was waited for."""
        runs, begun, first = self.state.allocator.runs, self._clock.monotonic(), self._first_put
        settle(self.state, now)
        if self.state.allocator.runs != runs:
            ended = self._clock.monotonic()
            self.allocated.note(ended, ended - begun)
            self.allocation_waited.note(ended, begun - first if first is not None else 0.0)
        self._first_put = self._clock.monotonic() if self._inbox else None

    async def _next(self) -> None:
        if self.busy:
            return
        self._wake.clear()
        deadline, alarm = self.state.next_deadline, None
        if deadline is not None:  # less than half of what asyncio.timeout would cost each call of a scheduler
            alarm = asyncio.get_running_loop().call_later(max(0.0, deadline - self.now()), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    async def _persist(self, writes: list[effects.Write | effects.Keep]) -> None:
        assert self.registry is not None
        self._persisted.clear()
        try:
            begun = self._clock.monotonic()
            async with asyncio.timeout(self._store_timeout_s):
                await self.registry.write(writes)
            self.stored.note(self._clock.monotonic(), self._clock.monotonic() - begun)
        except TimeoutError as error:
            raise Exit(EXIT_REGISTRY, "the registry did not take a write in time") from error
        except (BadVersion, SessionLost) as error:
            raise Exit(EXIT_LEADERSHIP, f"a registry write was refused: {type(error).__name__}") from error
        self._persisted.set()

    def _perform(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Write() | effects.Keep():
                pass
            case effects.Abort(why):
                raise Exit(EXIT_REMOVALS, why)
            case effects.ToScheduler(stream, event):
                self._tell(self.schedulers.get(stream), event)
            case effects.ToAgent(link, message):
                self._send(self.links, link, agent_link.encode(message))
            case effects.Answer(request):
                future = self._answers.get(request)
                if future is not None and not future.done():
                    future.set_result(effect)
            case effects.Publish(operator_event, extension):
                self._publish(operator_event, extension=extension)
            case effects.CloseStream(stream):
                self._close(self.schedulers, stream)
            case effects.CloseLink(link):
                self._close(self.links, link)
            case effects.Note(event, about):
                self._log.info(event, **dict(about))
            case _:
                assert_never(effect)

    def _tell(self, stream: Stream | None, event: scheduler.Event) -> None:
        if stream is not None:
            payload = self._payload(stream.codec, event)
            if payload is None:
                stream.close()
            else:
                stream.send(payload)

    def _publish(self, event: master.Event, *, extension: bool) -> None:
        """Tell every operator what he may see; each encoding of the whole is made once."""
        made: dict[Codec, bytes | None] = {}
        for subscriber in self.subscribers.values():
            if extension and not subscriber.extensions:
                continue
            codec = subscriber.codec
            if subscriber.viewer is not None:
                shown = seen(subscriber.viewer, event, self.state)
                if shown is None:
                    continue
                payload = self._payload(codec, shown)
            else:
                if codec not in made:
                    made[codec] = self._payload(codec, event)
                payload = made[codec]
            if payload is None:
                subscriber.close()
            else:
                subscriber.send(payload)

    def _payload(self, codec: Codec, event: scheduler.Event | master.Event) -> bytes | None:
        """None for what the encoding cannot hold: its readers are cut off rather than left without knowing."""
        try:
            return codec.encode(event, type(event))
        except WireError as error:
            self._log.error("event_not_encoded", kind=event.type, encoding=codec.content_type, error=str(error))
            return None

    @staticmethod
    def _send(streams: Mapping[str, Outlet], stream_id: str, payload: bytes) -> None:
        stream = streams.get(stream_id)
        if stream is not None:
            stream.send(payload)

    @staticmethod
    def _close(streams: Mapping[str, Outlet], stream_id: str) -> None:
        stream = streams.get(stream_id)
        if stream is not None:
            stream.close()

    def close_all(self) -> None:
        """End every endless answer: this process stops. That they end is then no news.

        Links that are nothing but a connection end with the process: to end ten thousand of them one by one takes a second.
        """
        self._ending = True
        for stream in (*self.schedulers.values(), *self.links.values(), *self.subscribers.values()):
            if isinstance(stream, Stream):
                stream.close()

    def subscribe(self, stream: Stream) -> None:
        """One more operator; beyond the bound the oldest is cut."""
        self.subscribers[stream.id] = stream
        self.state.watched = True
        while len(self.subscribers) > self.max_subscribers:
            self.subscribers.pop(next(iter(self.subscribers))).close()

    def unsubscribe(self, stream: Stream) -> None:
        self.subscribers.pop(stream.id, None)
        self.state.watched = bool(self.subscribers)


def _is_ping(effect: effects.Effect) -> bool:
    return isinstance(effect, effects.ToAgent) and isinstance(effect.message, agent_link.Ping)
