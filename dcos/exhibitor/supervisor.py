"""Carries out what ``core/monitor.py`` decides: the one task that starts and stops ZooKeeper."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from dcos.exhibitor import fourletter
from dcos.exhibitor.activity import Activity
from dcos.exhibitor.archive import empty_logs
from dcos.exhibitor.core.monitor import (
    Action,
    Asked,
    Checked,
    Event,
    Exited,
    InstanceState,
    Started,
    Switched,
    Watch,
    step,
)
from dcos.exhibitor.server import Launch, Server
from dcos.runtime.clock import Clock

_STARTING_S = 20.0
Seeds = Callable[[], tuple[tuple[Path, str], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is supervised, and how patiently (seconds)."""

    launch: Launch
    pid_file: Path
    transactions: Path
    """Folder of the logs."""
    host: str
    port: int
    patience_s: float
    check_period_s: float
    check_timeout_s: float
    stop_timeout_s: float


class Supervisor:
    """``run`` is the loop; the other methods are for the API."""

    def __init__(self, plan: Plan, activity: Activity, clock: Clock, seeds: Seeds = tuple) -> None:
        """``seeds``: what ``Launch.seeds`` is at each start."""
        self._plan = plan
        self._seeds = seeds
        self._activity = activity
        self._clock = clock
        self._watch = Watch()
        self._server: Server | None = None
        self._asked: deque[Event] = deque()
        self._woken = asyncio.Event()
        self._answering = asyncio.Event()
        self._serving = asyncio.Event()

    @property
    def watch(self) -> Watch:
        return self._watch

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    async def answering(self) -> None:
        """Return when ZooKeeper answered for the first time, serving or not."""
        await self._answering.wait()

    async def serving(self) -> None:
        """Return when ZooKeeper served for the first time."""
        await self._serving.wait()

    def ask(self, action: Action) -> None:
        """Queue a person's wish."""
        self._queue(Asked(action, self._clock.monotonic()))

    def switch_restarts(self, on: bool) -> None:
        self._queue(Switched(on))

    def _queue(self, event: Event) -> None:
        self._asked.append(event)
        self._woken.set()

    async def run(self) -> None:
        """Supervise until cancelled; ZooKeeper is then stopped in order."""
        try:
            await self._take_over()
            if self._server is None:
                await self._start()
            while True:
                await self._apply(await self._next())
        finally:
            if self._server is not None:
                await self._server.stop(self._plan.stop_timeout_s)

    async def _take_over(self) -> None:
        plan = self._plan
        server, same = Server.find(plan.launch, plan.pid_file)
        if server is None:
            return
        ruok = await fourletter.ask(plan.host, plan.port, "ruok", timeout_s=plan.check_timeout_s) if same else ""
        if ruok == "imok":
            self._server = server
            self._activity.info("zookeeper_adopted", f"ZooKeeper (pid {server.pid}) still runs: taken over")
            await self._apply(Started(self._clock.monotonic()))
            return
        reason = "does not answer" if same else "runs with other settings"
        self._activity.info("zookeeper_replaced", f"ZooKeeper (pid {server.pid}) of before {reason}: ended")
        await server.stop(plan.stop_timeout_s)

    async def _next(self) -> Event:
        """What happens next: a wish, an exit, or the next look."""
        watch, now = self._watch, self._clock.monotonic()
        period_s = self._plan.check_period_s
        if watch.running and watch.state != InstanceState.SERVING and now - watch.started < _STARTING_S:
            period_s = min(period_s, 0.2)  # those who wait for it should not wait for the next look
        elif not watch.running:
            period_s = min(period_s, max(0.05, watch.start_at - now))
        if not self._asked:
            self._woken.clear()
            await _first(period_s, self._woken, self._server.exited if self._server else self._woken)
        if self._server is not None and self._server.exited.is_set():
            server, self._server = self._server, None
            code = "" if server.exit_code is None else f" with status {server.exit_code}"
            self._activity.error("zookeeper_exited", f"ZooKeeper (pid {server.pid}) ended{code}")
            return Exited(self._clock.monotonic())
        if self._asked:
            return self._asked.popleft()
        return await self._look()

    async def _look(self) -> Event:
        plan = self._plan
        if self._server is None:
            return Checked(InstanceState.DOWN, False, self._clock.monotonic())
        looking = asyncio.create_task(fourletter.state_of(plan.host, plan.port, timeout_s=plan.check_timeout_s))
        looked = asyncio.Event()
        looking.add_done_callback(lambda _: looked.set())
        try:
            await _first(None, looked, self._server.exited)
        finally:
            looking.cancel()
            await asyncio.wait({looking})
        state, is_leader = (InstanceState.DOWN, False) if looking.cancelled() else looking.result()
        return Checked(state, is_leader, self._clock.monotonic())

    async def _apply(self, event: Event) -> None:
        if isinstance(event, Checked) and self._server is not None and self._server.exited.is_set():
            return  # it ended while we asked: that comes next, and says more
        before = self._watch.state
        self._watch, action = step(self._watch, event, self._plan.patience_s)
        state = self._watch.state
        if state != before:
            self._activity.info("state", f"ZooKeeper is {state.description} (was {before.description})")
        if state >= InstanceState.NOT_SERVING:
            self._answering.set()
        if state == InstanceState.SERVING:
            self._serving.set()
        if action == Action.START:
            await self._start()
        elif action == Action.RESTART:
            self._activity.error("zookeeper_restart", f"ZooKeeper is {state.description}: restarting it")
            await self._stop()
            await self._start()
        elif action == Action.STOP:
            self._activity.info("zookeeper_stop", "stopping ZooKeeper as asked")
            await self._stop()

    async def _stop(self) -> None:
        """A hung one is given no time to end: it would not use it."""
        server, self._server = self._server, None
        if server is not None:
            if self._watch.state == InstanceState.DOWN:
                await server.kill()
            else:
                await server.stop(self._plan.stop_timeout_s)
            await self._apply(Exited(self._clock.monotonic(), wanted=True))

    async def _start(self) -> None:
        if self._server is not None:
            return
        try:
            for path in empty_logs(self._plan.transactions):
                path.unlink()
                self._activity.info(
                    "empty_log", f"{path.name} was begun and never written to: deleted, or ZooKeeper would not start"
                )
            launch = replace(self._plan.launch, seeds=self._seeds())
            self._server = Server.start(launch, self._plan.pid_file)
        except OSError as error:
            self._activity.error("zookeeper_start_failed", f"ZooKeeper cannot be started: {error}")
            await self._apply(Started(self._clock.monotonic()))
            await self._apply(Exited(self._clock.monotonic()))
            return
        self._activity.info("zookeeper_started", f"ZooKeeper started (pid {self._server.pid})")
        await self._apply(Started(self._clock.monotonic()))


async def _first(timeout_s: float | None, *events: asyncio.Event) -> None:
    """Return when one of them is set, or after ``timeout_s``."""
    waits = {asyncio.create_task(event.wait()) for event in events}
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
        await asyncio.wait(waits)
