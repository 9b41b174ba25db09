"""A process that can die at any await and be started again, on a machine with a clock of its own.

A crash is not a cancellation with manners: ``Life.alive`` turns false first, and everything that reaches outside (network,
store, disk, containers) asks for it, so that what ``finally`` blocks still do has no effect on the world.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dcos.model.layout import Layout
from dcos.runtime.app import App, Exit

if TYPE_CHECKING:
    from dcos.testing.sim.world import World

EPOCH = 1_600_000_000.0
"""Unix seconds at virtual second 0."""


class Dead(asyncio.CancelledError):
    """The process died inside of a step: unwinds it."""


class MachineClock:
    """Wall time that faults let jump; monotonic time that they do not."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.ahead_s = 0.0

    def now(self) -> float:
        return EPOCH + self._loop.time() + self.ahead_s

    def monotonic(self) -> float:
        return self._loop.time()


class Mortal(Protocol):
    """What ends with its process: ``silent`` when the machine itself went away."""

    def died(self, *, silent: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """What a life is one of, and where: a process, or what is never started anew."""

    world: World
    name: str
    host: str

    def crash(self, down_s: float) -> None:
        raise AssertionError(f"{self.name} writes to no disk")


class Life:
    """One run of a process, from start to death."""

    def __init__(self, process: Place | Process, number: int) -> None:
        self.process = process
        self.host = process.host
        self.name = process.name
        self.number = number
        self.alive = True
        self.rng = random.Random(process.world.rng.getrandbits(64))
        self.belongings: dict[Mortal, None] = {}
        self.countdown: int | None = None
        """Dies at this many writes to its disk."""
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """A task that ends with the process; its trouble is the process's."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None and self.alive:
            self.process.world.trace.violation(self.name, f"unknown trouble in {task.get_name()}: {error!r}")

    def end(self, *, silent: bool = False) -> None:
        """Nothing of it reaches the world from here on."""
        if self.alive:
            self.alive = False
            for one in list(self.belongings):
                one.died(silent=silent)
            self.belongings.clear()
        for task in list(self._tasks):
            task.cancel()

    def disk_write(self) -> None:
        """Every write to the disk asks here first.   Errors: Dead."""
        if self.countdown is not None:
            self.countdown -= 1
            if self.countdown <= 0:
                self.countdown = None
                self.process.world.trace(self.name, "dies at a write")
                self.process.crash(self.process.world.rng.uniform(0.0, 10.0))
        if not self.alive:
            raise Dead


class Process(ABC):
    """Started again some time after each death, as systemd does."""

    kind = "process"

    def __init__(self, world: World, name: str, host: str) -> None:
        self.world = world
        self.name = name
        self.host = host
        self.clock = MachineClock(world.loop)
        self.life: Life | None = None
        self._runner: asyncio.Task[None] | None = None
        self._lives = 0
        self._restart: asyncio.TimerHandle | None = None

    @abstractmethod
    async def run(self, life: Life, app: App[Any]) -> None:
        """Until it is cancelled, or ends itself by an Exit."""

    @property
    def running(self) -> bool:
        return self.life is not None and self.life.alive

    def start(self) -> None:
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        if self.running:
            return
        self._lives += 1
        self.life = Life(self, self._lives)
        self.world.trace(self.name, "starts", f"life={self._lives}")
        self._runner = self.world.loop.create_task(self._live(self.life), name=self.name)

    def crash(self, down_s: float, *, silent: bool = False) -> None:
        """It is gone between two awaits, and starts again after ``down_s``."""
        life, runner = self.life, self._runner
        if life is None or not life.alive:
            return
        self.world.trace(self.name, "dies", "without a word" if silent else "", f"for {down_s:.1f} s")
        life.end(silent=silent)
        assert runner is not None
        runner.cancel()
        self.start_later(down_s)

    def stop(self, down_s: float) -> None:
        """As ``systemctl restart``: everything is cancelled and may clean up."""
        life, runner = self.life, self._runner
        if life is None or not life.alive or runner is None:
            return
        self.world.trace(self.name, "stops", f"for {down_s:.1f} s")
        runner.cancel()
        self.world.loop.call_later(0.2, life.end)
        self.start_later(down_s)

    def finish(self) -> None:
        """For good."""
        if self._restart is not None:
            self._restart.cancel()
        if self.life is not None:
            self.life.end(silent=True)
        if self._runner is not None:
            self._runner.cancel()

    def start_later(self, after_s: float) -> None:
        if self._restart is not None:
            self._restart.cancel()
        self._restart = self.world.loop.call_later(after_s, self.start)

    async def _live(self, life: Life) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                app: App[Any] = App(
                    f"sim.{self.name}", self.config(), tasks, clock=self.clock, rng=life.rng, layout=Layout()
                )
                await self.run(life, app)
                raise Exit(0, "run returned")
        except* Exit as group:
            if life.alive:
                reason = _first(group)
                self.world.trace(self.name, "exits", reason.code, reason.reason)
                self.ended(reason)
                life.end(silent=False)
                self.start_later(self.world.rng.uniform(0.5, 5.0))
        except* Exception as group:
            if life.alive:
                self.world.trouble(self.name, group)
                life.end(silent=False)
                self.start_later(5.0)

    def config(self) -> Any:
        return None

    def ended(self, reason: Exit) -> None:  # noqa: B027 (most have nothing to judge)
        """It ended itself."""


def _first(group: BaseExceptionGroup[Exit]) -> Exit:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
