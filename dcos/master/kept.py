"""Answers that pollers ask for far more often than they change: put together once, kept until something changes.

The fragments of big ones are made ready in slices before, so that nobody waits for a hundred thousand tasks to be written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import filterfalse
from operator import attrgetter
from typing import TypeVar

from dcos.master.core.state import State
from dcos.master.v0.agents import SHARED, AgentTexts
from dcos.master.v0.frameworks import executor, offer
from dcos.master.v0.tasks import task
from dcos.master.writer import SLICE_S, Writer
from dcos.wire.spliced import Spliced

T = TypeVar("T")
_MOST = 16 * 1024 * 1024
"""Bytes: bigger ones are not worth their memory."""
_TOGETHER = 32
"""Objects between two looks at the clock."""
_FEW = 3
"""Changes after which so little can be outdated that it is made at once."""


class Kept:
    """By name."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._made: dict[str, int] = {}
        """The revision at which each was made last."""
        self._bodies: dict[str, Spliced] = {}

    async def body(
        self,
        name: str | None,
        make: Callable[[], Spliced],
        making: Callable[[State], Iterator[object]],
        *,
        as_it_is: bool = False,
    ) -> Spliced:
        """What ``make`` returns now, or returned when nothing has changed since.

        ``name`` None: it is one asker's alone and not kept. ``making``: its fragments. ``as_it_is``: it is kept in the
        fragments that it has, which are few and kept anyway.
        """
        if name is not None and (kept := self._fresh(name)) is not None:
            return kept
        made = self._made.get(name) if name is not None else None
        if made is None or self._writer.revision - made > _FEW:
            await in_slices(making(self._writer.state))
            await self._writer.settled()
            if name is not None and (kept := self._fresh(name)) is not None:
                return kept
        body = make()
        if name is None:
            return body
        self._made[name] = self._writer.revision
        self._bodies.pop(name, None)
        if as_it_is:
            self._bodies[name] = body
        elif body.size <= _MOST:
            body = self._bodies[name] = Spliced(body.joined())
        return body

    def _fresh(self, name: str) -> Spliced | None:
        return self._bodies.get(name) if self._made.get(name) == self._writer.revision else None


async def in_slices(making: Iterator[object], at_once: int = 1) -> None:
    """All of it, letting others run now and then. ``at_once``: steps between two looks at the clock."""
    loop = asyncio.get_running_loop()
    over = loop.time() + SLICE_S
    for count, _ in enumerate(making):
        if count % at_once == 0 and loop.time() > over:
            await asyncio.sleep(0)
            over = loop.time() + SLICE_S


# Each step of these makes what of some objects is not ready, and tells how much that was. What is away while they run, and
# what comes meanwhile, is made when the answer is put together.

_ready = attrgetter("ready")


def _made(given: Iterable[T], fresh: Callable[[T], object], make: Callable[[T], bytes]) -> Iterator[int]:
    everything = list(given)
    for start in range(0, len(everything), _TOGETHER):
        wanted = list(filterfalse(fresh, everything[start : start + _TOGETHER]))
        for one in wanted:
            make(one)
        yield len(wanted)


def agents_making(state: State, texts: AgentTexts = SHARED) -> Iterator[int]:
    return _made(state.agents.values(), texts.knows_short, texts.short)


def full_agents_making(state: State, texts: AgentTexts = SHARED) -> Iterator[int]:
    return _made(state.agents.values(), texts.knows_full, texts.full)


def frameworks_making(state: State) -> Iterator[int]:
    for framework in (*state.frameworks.values(), *state.completed.values()):
        yield from _made(framework.offers.values(), _ready, offer)
        yield from _made(framework.executors.values(), _ready, executor)
        for tasks in (framework.tasks.values(), framework.unreachable.values(), framework.completed):
            yield from _made(tasks, _ready, task)


def state_making(state: State, texts: AgentTexts = SHARED) -> Iterator[int]:
    yield from agents_making(state, texts)
    yield from frameworks_making(state)
