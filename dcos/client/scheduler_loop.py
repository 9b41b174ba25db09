"""A leading scheduler's loop: one inbox, one writer; what must last is stored before anybody is told.

A failed write ends the process: memory never runs ahead of the store unseen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from dcos.client.scheduler import CallFailed, CallRefused, NotSubscribed
from dcos.model.schedulers import (
    CallLost,
    Disconnected,
    FromMaster,
    OffersReceived,
    Outcome,
    Refused,
    Rescinded,
    Send,
    StatusReceived,
    Subscribed,
    Tick,
)
from dcos.model.v1.scheduler import Call, CallType, Event, EventType
from dcos.model.v1.types import MasterInfo
from dcos.runtime.clock import Clock
from dcos.runtime.log import get_logger

TICK_S = 1.0
MAX_BATCH = 256
ANSWER_S = 30.0
"""So long a client waits until what it asked for is stored."""

E = TypeVar("E")
E_in = TypeVar("E_in", contravariant=True)
R = TypeVar("R")


class Core(Protocol[E_in, R]):
    """What decides. ``settle`` is what follows from a batch of events together."""

    def start(self, now: float) -> Outcome[R]: ...

    def handle(self, event: E_in | FromMaster | Tick, now: float, *, settle: bool = True) -> Outcome[R]: ...

    def settle(self, now: float) -> Outcome[R]: ...


class Master(Protocol):
    """What a scheduler needs of ``dcos.client.scheduler.SchedulerClient``."""

    def events(self) -> AsyncIterator[Event]: ...

    async def call(self, call: Call) -> None: ...

    @property
    def leader(self) -> MasterInfo | None: ...


class SchedulerLoop(Generic[E, R]):
    """Made when leadership is gained, gone when it is lost.

    ``save`` stores what of the effects is to be stored; ``told`` hears of all of them then. Calls are sent by the loop.
    """

    def __init__(
        self,
        core: Core[E, R],
        save: Callable[[Iterable[Any]], Awaitable[None]],
        clock: Clock,
        *,
        name: str,
        on_change: Callable[[], None],
        told: Callable[[Any], None] = lambda effect: None,
        message: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self._core = core
        self._save = save
        self._clock = clock
        self._on_change = on_change
        self._told = told
        self._message = message
        self._inbox: asyncio.Queue[tuple[E | FromMaster | Tick, asyncio.Future[R] | None]] = asyncio.Queue()
        self._calls: asyncio.Queue[tuple[Send, asyncio.Future[bool] | None]] = asyncio.Queue()
        self._log = get_logger(name)
        self.answer_s = ANSWER_S

    def now(self) -> float:
        return self._clock.now()

    async def start(self) -> None:
        await self._perform(self._core.start(self._clock.now()))

    async def ask(self, event: E | Tick) -> R:
        """Have an event decided and stored.   Errors: Refused; TimeoutError: not stored yet, which it still may be."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait((event, future))
        async with asyncio.timeout(self.answer_s):
            return await future

    def tell(self, event: E | FromMaster | Tick) -> None:
        self._inbox.put_nowait((event, None))

    def pass_on(self, call: Call) -> asyncio.Future[bool]:
        """Send a call that no decision of the core asked for, after those before it; gives whether the master took it."""
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._calls.put_nowait((Send(call), taken))
        return taken

    # ---- the loop ----

    async def run(self) -> None:
        """Errors: what ``save`` raises; the process must end."""
        while True:
            batch = [await self._inbox.get()]
            while not self._inbox.empty() and len(batch) < MAX_BATCH:
                batch.append(self._inbox.get_nowait())
            decided: list[tuple[asyncio.Future[R] | None, Outcome[R] | Refused]] = []
            for event, future in batch:
                try:
                    decided.append((future, self._core.handle(event, self._clock.now(), settle=False)))
                except Refused as refusal:
                    decided.append((future, refusal))
            done = [outcome for _, outcome in decided if isinstance(outcome, Outcome)]
            await self._perform(*done, self._core.settle(self._clock.now()))
            for future, outcome in decided:
                if future is None or future.done():
                    continue
                if isinstance(outcome, Refused):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome.result)

    async def _perform(self, *outcomes: Outcome[R]) -> None:
        effects = [effect for outcome in outcomes for effect in outcome.effects]
        if not effects:
            return
        await self._save(effects)
        for effect in effects:
            self._told(effect)
            if isinstance(effect, Send):
                if effect.reason:
                    self._log.info("call", type=effect.call.type, reason=effect.reason, **_subject(effect.call))
                self._calls.put_nowait((effect, None))
        self._on_change()

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.tell(Tick())

    # ---- the master ----

    async def listen(self, master: Master) -> None:
        """Turn what the master sends into events."""
        async for event in master.events():
            match event.type:
                case EventType.SUBSCRIBED if event.subscribed:
                    leader = event.subscribed.master_info or master.leader
                    where = f"{leader.hostname}:{leader.port}" if leader else ""
                    self._log.info("subscribed", framework=event.subscribed.framework_id.value, master=where)
                    domain = leader.domain.fault_domain if leader and leader.domain else None
                    region = domain.region.name if domain else None
                    self.tell(Subscribed(event.subscribed.framework_id.value, where, region))
                case EventType.OFFERS if event.offers:
                    self.tell(OffersReceived(event.offers.offers))
                case EventType.RESCIND if event.rescind:
                    self.tell(Rescinded(event.rescind.offer_id.value))
                case EventType.UPDATE if event.update:
                    self.tell(StatusReceived(event.update.status))
                case EventType.MESSAGE:
                    self._message(event)
                case _:
                    continue

    async def send(self, master: Master) -> None:
        """Send calls in order. A lost one is asked for again when that helps."""
        while True:
            sent, taken = await self._calls.get()
            done = await self._sent(master, sent.call)
            if taken is not None and not taken.done():
                taken.set_result(done)

    async def _sent(self, master: Master, call: Call) -> bool:
        """Whether the master took it."""
        launched = tuple(_launched(call))
        try:
            await master.call(call)
        except NotSubscribed:
            self.tell(Disconnected())
            self.tell(CallLost(task_ids=launched))
        except CallRefused as error:
            self._log.warning("call_refused", type=call.type, error=str(error))
            self.tell(CallLost(wants_offers=True, task_ids=launched))
        except CallFailed as error:
            self._log.warning("call_failed", type=call.type, error=str(error))
            self.tell(CallLost(wants_offers=call.type is CallType.REVIVE))
        else:
            return True
        return False


def _launched(call: Call) -> Iterator[str]:
    for operation in call.accept.operations if call.accept else ():
        if operation.launch:
            yield from (info.task_id.value for info in operation.launch.task_infos)
        if operation.launch_group:
            yield from (info.task_id.value for info in operation.launch_group.task_group.tasks)


def _subject(call: Call) -> dict[str, str]:
    if call.kill is not None:
        return {"task": call.kill.task_id.value}
    return {"tasks": ",".join(_launched(call))} if call.accept is not None else {}
