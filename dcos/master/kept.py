"""Answers that pollers ask for far more often than they change: put together once, kept until something changes.

The fragments of big ones are made ready in slices before, so that nobody waits for a hundred thousand tasks to be written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from dcos.master.core.state import State
from dcos.master.v0.agents import agent_full_ready, agent_ready
from dcos.master.v0.frameworks import executor, offer
from dcos.master.v0.state import numbers_ready
from dcos.master.v0.tasks import task as task_ready
from dcos.master.writer import SLICE_S, Writer
from dcos.wire.spliced import Spliced

_MOST = 16 * 1024 * 1024
"""Bytes: bigger ones are not worth their memory."""
_AT_ONCE = 64
"""Fragments between two looks at the clock."""
_FEW = 3
"""Changes after which so little can be outdated that it is made at once."""


class Kept:
    """By name; only of what everybody may see."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._made: dict[str, int] = {}
        """The revision at which each was made last."""
        self._bodies: dict[str, Spliced] = {}

    async def body(self, name: str, make: Callable[[], Spliced], making: Callable[[State], Iterator[bytes]]) -> Spliced:
        """What ``make`` returns now, or returned when nothing has changed since. ``making``: its fragments."""
        if (kept := self._fresh(name)) is not None:
            return kept
        made = self._made.get(name)
        if made is None or self._writer.revision - made > _FEW:
            await in_slices(making(self._writer.state))
            await self._writer.settled()
            if (kept := self._fresh(name)) is not None:
                return kept
        body = make()
        self._made[name] = self._writer.revision
        self._bodies.pop(name, None)
        if body.size <= _MOST:
            body = self._bodies[name] = Spliced(body.joined())
        return body

    def _fresh(self, name: str) -> Spliced | None:
        return self._bodies.get(name) if self._made.get(name) == self._writer.revision else None


async def in_slices(making: Iterator[object], at_once: int = _AT_ONCE) -> None:
    """All of it, letting others run now and then. ``at_once``: steps between two looks at the clock."""
    loop = asyncio.get_running_loop()
    over = loop.time() + SLICE_S
    for count, _ in enumerate(making):
        if count % at_once == 0 and loop.time() > over:
            await asyncio.sleep(0)
            over = loop.time() + SLICE_S


# What is away while these run, and what comes meanwhile, is made when the answer is put together.


def agents_making(state: State) -> Iterator[bytes]:
    yield from map(agent_ready, list(state.agents.values()))


def full_agents_making(state: State) -> Iterator[bytes]:
    yield from map(agent_full_ready, list(state.agents.values()))


def frameworks_making(state: State) -> Iterator[bytes]:
    for framework in (*state.frameworks.values(), *state.completed.values()):
        yield from map(offer, list(framework.offers.values()))
        yield from map(executor, list(framework.executors.values()))
        for task in (*framework.tasks.values(), *framework.unreachable.values(), *framework.completed):
            if task.ready is None:
                yield task_ready(task)


def state_making(state: State) -> Iterator[bytes]:
    yield from agents_making(state)
    yield from frameworks_making(state)


def summary_making(state: State) -> Iterator[bytes]:
    for agent in list(state.agents.values()):
        yield agent_ready(agent)
        yield numbers_ready(state.census.on(agent.id))
