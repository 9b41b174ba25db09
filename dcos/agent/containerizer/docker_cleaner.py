"""Containers that the Engine still keeps and nobody needs: orphans of an agent that died, and ended ones after a while.

Source: Mesos ``--docker_kill_orphans`` and ``--docker_remove_delay``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from dcos.agent.containerizer.docker_engine import Engine, EngineError, NotThere
from dcos.agent.containerizer.docker_groups import DockerGroups
from dcos.agent.containerizer.docker_spec import AGENT_LABEL, NAME_PREFIX
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger

_INTERVAL_S = 60.0


class DockerCleaner:
    """``known`` gives the ids of the agent's live containers; ``orphans``: whether to end what runs without a task."""

    def __init__(
        self,
        engine: Engine,
        *,
        owner: str,
        known: Callable[[], Collection[str]],
        remove_delay_s: float,
        orphans: bool,
        clock: Clock,
        log: Logger,
        groups: DockerGroups | None = None,
    ) -> None:
        self._engine = engine
        self._owner = owner
        self._known = known
        self._remove_delay_s = remove_delay_s
        self._orphans = orphans
        self._clock = clock
        self._log = log
        self._groups = groups

    async def kill_orphans(self) -> None:
        """After recovery: what runs under our name and is nobody's task ends."""
        for name, one in (await self._ours()).items():
            if one.get("State") in ("running", "paused", "restarting", "created"):
                self._log.info("docker_orphan_killed", name=name)
                await self._engine.remove(name)

    async def run(self) -> None:
        """For ever. Orphans are looked for until the Engine has let go of all that were there."""
        while True:
            try:
                if self._orphans:
                    await self.kill_orphans()
                    self._orphans = False
                await self.sweep()
            except EngineError as error:
                self._log.warning("docker_sweep_failed", error=str(error))
            await asyncio.sleep(max(1.0, min(_INTERVAL_S, self._remove_delay_s)))

    async def sweep(self) -> None:
        """Remove what ended long enough ago, or never began, and control groups that an agent which died left."""
        for name, one in (await self._ours()).items():
            if one.get("State") not in ("exited", "dead", "created"):
                continue
            try:
                state = (await self._engine.inspect(name))["State"]
            except NotThere:
                continue
            if self._clock.now() - finished_at(state) >= self._remove_delay_s:
                await self._engine.remove(name)
                self._log.info("docker_removed", name=name)
        if self._groups is not None:
            await self._groups.sweep(self._known)

    async def _ours(self) -> dict[str, dict[str, Any]]:
        """Named as ours, without a live task, not marked as another agent's."""
        found = await self._engine.names(NAME_PREFIX)
        known = set(self._known())
        return {
            name: one
            for name, one in found.items()
            if name.removeprefix(NAME_PREFIX) not in known
            and (one.get("Labels") or {}).get(AGENT_LABEL, self._owner) == self._owner
        }


def finished_at(state: dict[str, Any]) -> float:
    """Unix time; 0 for one that never ended."""
    text = str(state.get("FinishedAt") or "")
    whole = text.split(".", 1)[0].removesuffix("Z")
    try:
        return datetime.fromisoformat(f"{whole}+00:00").timestamp()
    except ValueError:
        return 0.0
