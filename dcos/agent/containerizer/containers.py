"""What the agent's daemon needs of a containerizer. Kept by ``Containerizer`` and by its twin in the simulation."""

from __future__ import annotations

from typing import Protocol

from dcos.agent.containerizer.base import Found, Running
from dcos.agent.core.environment import Ids
from dcos.agent.core.events import Limits, Plan
from dcos.agent.core.exits import Exit
from dcos.agent.volumes import Volumes
from dcos.model.v1.types import CommandInfo, Resource


class Containers(Protocol):
    """All containers of one agent. Each step is safe to repeat after a crash."""

    volumes: Volumes

    async def launch(self, plan: Plan, ids: Ids) -> Running:
        """Prepare and start.   Errors: LaunchError. Cancel it to give up."""
        ...

    async def wait(self, container_id: str) -> Exit:
        """Its end, after everything of it is gone."""
        ...

    async def update(self, container_id: str, limits: Limits) -> str | None:
        """Says why a container that runs could not be given other limits."""
        ...

    async def update_group(self, group: str, limits: Limits) -> None: ...

    async def drop_group(self, group: str) -> None: ...

    def relink_now(self, container_id: str, resources: tuple[Resource, ...]) -> bool: ...

    async def relink(self, container_id: str, resources: tuple[Resource, ...]) -> None: ...

    async def signal(self, container_id: str, number: int) -> None: ...

    async def kill(self, container_id: str) -> bool:
        """SIGKILL to all of it; who waits for it sees the end. False: it could not be done now."""
        ...

    async def execute(self, container_id: str, command: CommandInfo, timeout_s: float | None) -> int: ...

    async def destroy(self, container_id: str) -> bool:
        """Kill what is left and remove every trace but the sandbox. False: not all of it is gone."""
        ...

    async def remember(self, container_id: str) -> Found:
        """What became of a container while the agent was away; None if it never started."""
        ...

    def known(self) -> list[str]:
        """Ids of all containers that left a trace."""
        ...

    def wipe(self) -> None:
        """After a reboot: all traces go, and nothing is killed."""
        ...
