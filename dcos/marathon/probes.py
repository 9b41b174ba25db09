"""Health and readiness checks that Marathon's leader itself makes: HTTP, HTTPS, TCP.

One task per instance and check, made and ended as instances come and go. How they ask is in ``asking``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import aiohttp

from dcos.marathon.core import events
from dcos.marathon.core.state import State
from dcos.model.marathon import MARATHON_CHECKS, App, HealthCheck, ReadinessCheck
from dcos.model.marathon_state import Condition, Instance
from dcos.model.pods import Pod

SYNC_S = 0.25
MAX_CAUSE = 200


@dataclass(frozen=True, slots=True)
class Target:
    """What to ask, how often."""

    instance_id: str
    index: int
    """Of the health check; -1: the readiness check."""
    host: str
    port: int
    interval_s: float
    timeout_s: float
    check: HealthCheck | ReadinessCheck


def endpoint(app: App, instance: Instance, index: int) -> tuple[str, int] | None:
    """Where Marathon reaches the app's port: on the host, or the container's own address where it has no host port."""
    task = instance.task
    if index >= len(task.host_ports):
        return None
    if task.host_ports[index]:
        return instance.agent.host, task.host_ports[index]
    if app.is_host_network or not task.addresses:
        return None
    return task.addresses[0], app.port_mappings[index].container_port


def pod_endpoint(pod: Pod, instance: Instance, name: str) -> tuple[str, int] | None:
    """The same of a pod's endpoint."""
    for container, task in zip(pod.containers, instance.tasks, strict=False):
        for one, host_port in zip(container.endpoints, task.host_ports, strict=False):
            if one.name != name:
                continue
            if host_port:
                return instance.agent.host, host_port
            return (task.addresses[0], one.container_port) if task.addresses and one.container_port else None
    return None


def targets(state: State) -> dict[tuple[str, int], Target]:
    """Everything that ought to be probed now."""
    made: dict[tuple[str, int], Target] = {}
    for instance in (one for app_id in state.probed for one in state.instances_of(app_id)):
        app = state.spec_of(instance)
        if not isinstance(app, App) or instance.condition is not Condition.RUNNING:
            continue
        for index, check in enumerate(app.health_checks):
            if check.protocol not in MARATHON_CHECKS:
                continue
            where = endpoint(app, instance, check.port_index or 0)
            if check.port is not None:
                where = (instance.agent.host, check.port)
                if not app.is_host_network and instance.task.addresses and not any(instance.task.host_ports):
                    where = (instance.task.addresses[0], check.port)
            if where is not None:
                timing = (float(check.interval_seconds), float(check.timeout_seconds))
                made[instance.id, index] = Target(instance.id, index, *where, *timing, check)
        if app.readiness_checks and instance.app_id in state.locks and instance.id not in state.ready:
            ready = app.readiness_checks[0]
            names = [one.name for one in (app.port_definitions or app.port_mappings)]
            where = endpoint(app, instance, names.index(ready.port_name)) if ready.port_name in names else None
            if where is not None:
                timing = (float(ready.interval_seconds), float(ready.timeout_seconds))
                made[instance.id, -1] = Target(instance.id, -1, *where, *timing, ready)
    return made


Ask = Callable[[Target], Awaitable[events.Event | None]]
"""One look, within the target's ``timeout_s``; None: it says nothing.

Errors: OSError, TimeoutError, ValueError, aiohttp.ClientError, all of them a failure."""


class Prober:
    """``report`` takes what was found."""

    def __init__(
        self,
        state: State,
        report: Callable[[events.Event], None],
        rng: random.Random,
        asking: Callable[[], AbstractAsyncContextManager[Ask]],
    ) -> None:
        self._state = state
        self._report = report
        self._rng = rng
        self._asking = asking
        self._running: dict[tuple[str, int], tuple[Target, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """The state may want other probes."""
        self._changed.set()

    async def run(self) -> None:
        try:
            async with self._asking() as ask, asyncio.TaskGroup() as group:
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    self._sync(ask, group)
                    await asyncio.sleep(SYNC_S)
        finally:
            self._running.clear()

    def _sync(self, ask: Ask, group: asyncio.TaskGroup) -> None:
        wanted = targets(self._state)
        for key, (target, task) in list(self._running.items()):
            if wanted.get(key) != target:
                task.cancel()
                del self._running[key]
        for key, target in wanted.items():
            if key not in self._running:
                self._running[key] = (target, group.create_task(self._probe(ask, target)))

    async def _probe(self, ask: Ask, target: Target) -> None:
        await asyncio.sleep(self._rng.uniform(0.0, min(1.0, target.interval_s)))
        while True:
            try:
                found = await ask(target)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                found = _failed(target, str(error)[:MAX_CAUSE] or type(error).__name__)
            if found is not None:
                self._report(found)
            await asyncio.sleep(target.interval_s)


def _failed(target: Target, cause: str) -> events.Event:
    if isinstance(target.check, HealthCheck):
        return events.Probed(target.instance_id, target.index, False, cause)
    return events.ReadinessProbed(target.instance_id, False, target.check.name)
