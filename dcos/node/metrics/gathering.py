"""Everything is asked every few seconds, all at the same time; what does not answer keeps its last values for a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dcos.node.core import exposition
from dcos.node.core.exposition import Family
from dcos.node.core.points import Container, Point, of_container
from dcos.node.core.statsd import Aggregate
from dcos.node.metrics.machine import Machine
from dcos.node.metrics.sources import Answer, Asking, Source, SourceAway
from dcos.node.metrics.tasks import TaskServers
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger

_EXPIRES_S = 60.0
Used = Mapping[str, tuple[Container, Mapping[str, Any]]]


@dataclass(frozen=True)
class Measured:
    """All that is known at one time. ``apps``: what programs tell of themselves, by container."""

    node: tuple[Point, ...] = ()
    used: Used = field(default_factory=dict)
    apps: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    answers: tuple[Answer, ...] = ()
    common: Mapping[str, str] = field(default_factory=dict)
    """Labels of everything."""

    @cached_property
    def prometheus(self) -> bytes:
        families: dict[str, Family] = {}
        exposition.add(families, self.node, self.common)
        for container, statistics in self.used.values():
            exposition.add(families, of_container(container, statistics), {**self.common, **container.labels})
        for id, points in self.apps.items():
            labels = self.used[id][0].labels if id in self.used else {}
            exposition.add(families, points, {**self.common, **labels})
        for answer in self.answers:
            exposition.add(families, answer.points, self.common)
            for name, family in answer.families.items():
                kept = families.setdefault(name, Family(family.kind, family.help))
                kept.samples += [(one, {**self.common, **labels}, value) for one, labels, value in family.samples]
        return exposition.text(families)


class Gathering:
    """``agent``: URL of this node's, None on masters. ``components``: what services of the cluster tell by statsd.
    ``common``: labels of everything, as they are now."""

    def __init__(
        self,
        asking: Asking,
        sources: Sequence[Source],
        agent: str | None,
        tasks: TaskServers | None,
        components: Aggregate,
        *,
        common: Callable[[], Mapping[str, str]],
        clock: Clock,
        log: Logger,
    ) -> None:
        self._asking = asking
        self._sources = sources
        self._agent = agent
        self._tasks = tasks
        self._components = components
        self._common = common
        self._clock = clock
        self._log = log
        self._machine = Machine()
        self._answers: dict[str, tuple[float, Answer]] = {}
        self._used: tuple[float, Used] = (0.0, {})
        self._away: set[str] = set()
        self.measured = Measured(common=common())

    async def run(self, every_s: float) -> None:
        """For ever."""
        while True:
            began = self._clock.monotonic()
            await self.gather()
            await asyncio.sleep(max(1.0, every_s - (self._clock.monotonic() - began)))

    async def gather(self) -> None:
        now = self._clock.now()
        asked = [self._ask_agent(now), *(self._ask(source, now) for source in self._sources)]
        node, _ = await asyncio.gather(asyncio.to_thread(self._machine.points, now), asyncio.gather(*asked))
        oldest = now - _EXPIRES_S
        self._answers = {url: entry for url, entry in self._answers.items() if entry[0] >= oldest}
        at, used = self._used
        if at < oldest:
            used = {}
        apps: Mapping[str, Sequence[Point]] = {}
        if self._tasks is not None:
            apps = self._tasks.points(now, {id: one.tags for id, (one, _) in used.items()})
        self.measured = Measured(
            (*node, *self._components.points(now, {})),
            used,
            {id: points for id, points in apps.items() if points},
            tuple(answer for _, answer in self._answers.values()),
            self._common(),
        )

    async def _ask(self, source: Source, now: float) -> None:
        try:
            self._answers[source.url] = (now, await self._asking.ask(source, now))
        except SourceAway as error:
            self._note(source.url, str(error))
        else:
            self._note(source.url, "")

    async def _ask_agent(self, now: float) -> None:
        if self._agent is None:
            return
        try:
            used = await self._asking.containers(self._agent, now)
        except SourceAway as error:
            self._note(self._agent, str(error))
            return
        self._note(self._agent, "")
        self._used = (now, used)
        if self._tasks is not None:
            self._tasks.listed(used)

    def _note(self, url: str, trouble: str) -> None:
        """Once when it goes, once when it comes back."""
        if trouble and url not in self._away:
            self._away.add(url)
            self._log.info("source_away", url=url, why=trouble)
        elif not trouble and url in self._away:
            self._away.discard(url)
            self._log.info("source_back", url=url)
