"""The leading Marathon's loop: one inbox, one writer; what must last is stored before anybody is told.

A failed write ends the process: memory never runs ahead of the store unseen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from dcos.client.scheduler import CallFailed, CallRefused, NotSubscribed
from dcos.marathon.core import effects, events
from dcos.marathon.core.errors import Refused
from dcos.marathon.core.scheduler import Outcome, Result, Scheduler
from dcos.marathon.core.state import State
from dcos.marathon.persist import Repository
from dcos.marathon.stream import Bus
from dcos.model.v1.scheduler import Call, CallType, Event, EventType
from dcos.model.v1.types import MasterInfo
from dcos.runtime.clock import Clock
from dcos.runtime.log import get_logger

TICK_S = 1.0
MAX_BATCH = 256


class Master(Protocol):
    """What Marathon needs of ``dcos.client.scheduler.SchedulerClient``."""

    def events(self) -> AsyncIterator[Event]: ...

    async def call(self, call: Call) -> None: ...

    @property
    def leader(self) -> MasterInfo | None: ...


Waiting = tuple[events.Event, "asyncio.Future[Result] | None"]


class Leader:
    """Made when leadership is gained, gone when it is lost."""

    def __init__(
        self, core: Scheduler, repository: Repository, bus: Bus, clock: Clock, on_change: Callable[[], None]
    ) -> None:
        self.core = core
        self.repository = repository
        self.master: Master | None = None
        self._bus = bus
        self._clock = clock
        self._inbox: asyncio.Queue[Waiting] = asyncio.Queue()
        self._calls: asyncio.Queue[effects.Send] = asyncio.Queue()
        self._on_change = on_change
        self._log = get_logger("marathon")

    @property
    def state(self) -> State:
        return self.core.state

    def now(self) -> float:
        return self._clock.now()

    async def start(self) -> None:
        await self._perform(self.core.start(self._clock.now()))

    async def ask(self, event: events.Event) -> Result:
        """Have an event decided and stored.   Errors: Refused."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait((event, future))
        return await future

    def tell(self, event: events.Event) -> None:
        self._inbox.put_nowait((event, None))

    def pass_on(self, call: Call) -> None:
        """Send a call that no decision of the core asked for, after those before it."""
        self._calls.put_nowait(effects.Send(call))

    # ---- the loop ----

    async def run(self) -> None:
        """Errors: Deposed, SessionLost: the process must end."""
        while True:
            batch = [await self._inbox.get()]
            while not self._inbox.empty() and len(batch) < MAX_BATCH:
                batch.append(self._inbox.get_nowait())
            outcomes: list[tuple[asyncio.Future[Result] | None, Outcome | Refused]] = []
            for event, future in batch:
                try:
                    outcomes.append((future, self.core.handle(event, self._clock.now(), settle=False)))
                except Refused as refusal:
                    outcomes.append((future, refusal))
            done = [outcome for _, outcome in outcomes if isinstance(outcome, Outcome)]
            await self._perform(*done, self.core.settle(self._clock.now()))
            for future, outcome in outcomes:
                if future is None or future.done():
                    continue
                if isinstance(outcome, Refused):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome.result)

    async def _perform(self, *outcomes: Outcome) -> None:
        all_effects = [effect for outcome in outcomes for effect in outcome.effects]
        if not all_effects:
            return
        await self.repository.save(all_effects)
        for effect in all_effects:
            match effect:
                case effects.Send():
                    if effect.reason:
                        self._log.info("call", type=effect.call.type, reason=effect.reason, **_subject(effect.call))
                    self._calls.put_nowait(effect)
                case effects.Publish(kind, fields):
                    self._bus.publish(kind, fields)
                case _:
                    continue
        self._on_change()

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.tell(events.Tick())

    # ---- the master ----

    async def listen(self, master: Master) -> None:
        """Turn what the master sends into events."""
        self.master = master
        async for event in master.events():
            match event.type:
                case EventType.SUBSCRIBED if event.subscribed:
                    leader = event.subscribed.master_info or master.leader
                    where = f"{leader.hostname}:{leader.port}" if leader else ""
                    self._log.info("subscribed", framework=event.subscribed.framework_id.value, master=where)
                    self.tell(events.Subscribed(event.subscribed.framework_id.value, where))
                case EventType.OFFERS if event.offers:
                    self.tell(events.OffersReceived(event.offers.offers))
                case EventType.UPDATE if event.update:
                    self.tell(events.StatusReceived(event.update.status))
                case EventType.MESSAGE if event.message:
                    self._bus.publish(
                        "framework_message_event",
                        {
                            "executorId": event.message.executor_id.value,
                            "slaveId": event.message.agent_id.value,
                            "message": list(event.message.data),
                        },
                    )
                case _:
                    continue

    async def send(self, master: Master) -> None:
        """Send calls in order. A lost one is asked for again when that helps."""
        while True:
            sent = await self._calls.get()
            try:
                await master.call(sent.call)
            except NotSubscribed:
                self.tell(events.Disconnected())
                self.tell(events.CallLost(task_ids=_launched(sent.call)))
            except CallRefused as error:
                self._log.warning("call_refused", type=sent.call.type, error=str(error))
                self.tell(events.CallLost(wants_offers=True, task_ids=_launched(sent.call)))
            except CallFailed as error:
                self._log.warning("call_failed", type=sent.call.type, error=str(error))
                self.tell(events.CallLost(wants_offers=sent.call.type is CallType.REVIVE))


def _launched(call: Call) -> tuple[str, ...]:
    if call.accept is None:
        return ()
    return tuple(info.task_id.value for one in call.accept.operations if one.launch for info in one.launch.task_infos)


def _subject(call: Call) -> dict[str, str]:
    if call.kill is not None:
        return {"task": call.kill.task_id.value}
    return {"tasks": ",".join(_launched(call))} if call.accept is not None else {}
