"""Answers that pollers ask for far more often than they change: encoded once, kept until something changes.

The parts of big ones are made ready in slices before, so that nobody waits for a hundred thousand tasks to be written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from dcos.master.v0.agents import agent_ready
from dcos.master.v0.tasks import task as task_ready
from dcos.master.writer import SLICE_S, Writer

_MOST = 16 * 1024 * 1024
"""Bytes: bigger ones are not worth their memory."""
_encode = msgspec.json.Encoder().encode


class Kept:
    """By name; only of what everybody may see."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._bodies: dict[str, tuple[int, bytes]] = {}

    async def body(self, name: str, make: Callable[[], object], *, tasks: bool) -> msgspec.Raw:
        """JSON of what ``make`` returns now, or returned when nothing has changed since. ``tasks``: it shows them whole."""
        if (kept := self._fresh(name)) is not None:
            return msgspec.Raw(kept)
        await self._make_ready(tasks=tasks)
        if (kept := self._fresh(name)) is not None:
            return msgspec.Raw(kept)
        body = _encode(make())
        self._bodies.pop(name, None)
        if len(body) <= _MOST:
            self._bodies[name] = self._writer.revision, body
        return msgspec.Raw(body)

    def _fresh(self, name: str) -> bytes | None:
        revision, body = self._bodies.get(name, (-1, b""))
        return body if revision == self._writer.revision else None

    async def _make_ready(self, *, tasks: bool) -> None:
        """Write the JSON of what changed, letting others run now and then."""
        state = self._writer.state
        loop = asyncio.get_running_loop()
        over = loop.time() + SLICE_S
        for agent in list(state.agents.values()):
            agent_ready(agent)
            if loop.time() > over:
                await asyncio.sleep(0)
                over = loop.time() + SLICE_S
        for framework in (*state.frameworks.values(), *state.completed.values()) if tasks else ():
            for task in (*framework.tasks.values(), *framework.unreachable.values(), *framework.completed):
                if task.ready is None:
                    task_ready(task)
                    if loop.time() > over:
                        await asyncio.sleep(0)
                        over = loop.time() + SLICE_S
        await self._writer.settled()
