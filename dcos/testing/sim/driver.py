"""A scheduler's connection: it follows the leading master, subscribes, hears events, and sends calls one at a time.

A call that fails ends the subscription; the stream id then keeps the late call from being done. Each life of a framework has
its own driver, so that two lives with one framework id can meet (``FrameworkProcess.succeed``).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dcos.model.v1.scheduler import Call, Event
from dcos.runtime.app import App
from dcos.testing.sim.network import Refused
from dcos.testing.sim.process import Life
from dcos.wire import mesos_json
from dcos.wire.recordio import Decoder

if TYPE_CHECKING:
    from dcos.testing.sim.framework import FrameworkProcess

SILENCE_S = 75.0
CALL_TIMEOUT_S = 20.0


class Driver:
    """``framework`` says what to subscribe as, and hears."""

    def __init__(self, framework: FrameworkProcess, life: Life) -> None:
        self._framework = framework
        self._life = life
        self._world = framework.world
        self._stream: str | None = None
        self._leader: str | None = None
        self._changed = asyncio.Event()
        self._calls: asyncio.Queue[Call] = asyncio.Queue()
        self._broken = asyncio.Event()
        self.subscriptions = 0

    async def run(self, app: App[Any]) -> None:
        app.spawn(self._follow(), name="follow")
        app.spawn(self._send(), name="calls")
        while True:
            self._changed.clear()
            leader = self._leader
            if leader is None:
                await self._changed.wait()
                continue
            work = asyncio.create_task(self._subscribe(leader))
            change = asyncio.create_task(self._changed.wait())
            failed = asyncio.create_task(self._broken.wait())
            self._broken.clear()
            try:
                await asyncio.wait({work, change, failed}, return_when=asyncio.FIRST_COMPLETED)
                if work.done() and (error := work.exception()) is not None:
                    if not isinstance(error, ConnectionError | TimeoutError):
                        raise error
                    self._world.trace(self._life.name, "stream broke", error)
            finally:
                self._stream = None
                for task in (work, change, failed):
                    task.cancel()
                await asyncio.gather(work, change, failed, return_exceptions=True)
            while not self._calls.empty():
                self._calls.get_nowait()
            await asyncio.sleep(self._life.rng.uniform(0.1, 2.0))

    async def _follow(self) -> None:
        async for leader in self._world.leaders(self._life):
            self._leader = leader
            self._changed.set()

    async def _subscribe(self, leader: str) -> None:
        body = mesos_json.encode(self._framework.subscription())
        async with asyncio.timeout(CALL_TIMEOUT_S):
            end = await self._world.network.connect(self._life, leader, "/subscribe", body)
        try:
            decoder = Decoder()
            while True:
                async with asyncio.timeout(SILENCE_S):
                    data = await end.read()
                if not data:
                    raise ConnectionResetError("the master ended the stream")
                for record in decoder.feed(data):
                    self._framework.hear(self, mesos_json.decode(record, Event), end.greeting)
        finally:
            if self._life.alive:
                end.close()

    # ---- what the framework does with it -----------------------------------------------------------------------------

    @property
    def life(self) -> Life:
        return self._life

    @property
    def subscribed(self) -> bool:
        return self._stream is not None

    def opened(self, stream: str) -> None:
        """SUBSCRIBED was heard: calls go out under this id."""
        self._stream = stream
        self.subscriptions += 1

    def call(self, call: Call) -> None:
        """Dropped while there is no subscription."""
        if self._stream is not None:
            self._calls.put_nowait(call)

    def fail(self) -> None:
        """Subscribe anew."""
        self._broken.set()

    async def _send(self) -> None:
        """One at a time, in order. A failed one ends the subscription."""
        trace, name = self._world.trace, self._life.name
        while True:
            call = await self._calls.get()
            stream, leader = self._stream, self._leader
            if stream is None or leader is None:
                await asyncio.sleep(0.01)
                continue
            try:
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    end = await self._world.network.connect(
                        self._life, leader, "/call", (stream, mesos_json.encode(call))
                    )
                end.close()
                self._framework.done(self, call)
            except Refused as error:
                trace(name, "call refused", call.type, error)
                if error.status == 400 and "Failed to validate" in error.text:
                    trace.violation(name, f"a good call was refused: {error}")
                self._broken.set()
            except (ConnectionError, TimeoutError) as error:
                trace(name, "call failed", call.type, type(error).__name__)
                self._broken.set()
                self._stream = None
