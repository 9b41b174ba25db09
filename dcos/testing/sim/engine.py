"""A Docker Engine on a simulated machine: it outlives the agent, is slow, and is away for a while when a fault wants it.

What it knows of a container is what the real one's answers tell (Docker Engine API: inspect, list).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dcos.agent.containerizer.docker_engine import Engine, EngineError, NotThere
from dcos.agent.containerizer.docker_spec import container_name
from dcos.testing.sim.process import Dead, Life

if TYPE_CHECKING:
    from dcos.testing.sim.machine import Container, Machine

NEVER = "0001-01-01T00:00:00Z"
_STARTED = "2026-01-01T00:00:00Z"
_SIGNALS = {"SIGKILL": 9, "SIGTERM": 15}


@dataclass(slots=True, eq=False)
class Made:
    """A container as the Engine keeps it, from create to remove."""

    body: dict[str, Any]
    container: Container | None = None
    """Its process, once it was started."""

    def state(self) -> dict[str, Any]:
        if self.container is None:
            return {"Status": "created", "Running": False, "Pid": 0, "StartedAt": NEVER, "ExitCode": 0}
        end = self.container.exit
        if end is None:
            return {"Status": "running", "Running": True, "Pid": self.container.pid, "StartedAt": _STARTED}
        code = 128 + end.signal if end.signal is not None else end.code
        # a machine that went down leaves what it ran as exited
        return {"Status": "exited", "Running": False, "Pid": 0, "StartedAt": _STARTED, "ExitCode": code or 0}


class SimEngine(Engine):
    """One life's view of a machine's Engine."""

    def __init__(self, machine: Machine, life: Life) -> None:
        super().__init__("/var/run/docker.sock")
        self._machine = machine
        self._life = life

    async def _reach(self) -> None:
        """Errors: EngineError while it is away."""
        await asyncio.sleep(self._life.rng.uniform(0.0, 0.02))
        if not self._life.alive:
            raise Dead
        if self._machine.docker_away:
            raise EngineError(f"Docker does not answer at {self.socket}: away")

    def _made(self, name: str) -> Made:
        found = self._machine.docker.get(name)
        if found is None:
            raise NotThere(f"Docker: No such container: {name}")
        return found

    async def info(self) -> dict[str, Any]:
        await self._reach()
        return {"CgroupVersion": "1", "CgroupDriver": "cgroupfs"}

    async def has_image(self, image: str) -> bool:
        await self._reach()
        return image in self._machine.images

    async def pull(self, image: str, config: Mapping[str, Any] | None) -> None:
        await self._reach()
        await asyncio.sleep(self._life.rng.expovariate(1.0))
        await self._reach()
        if self._life.rng.random() < 0.1:
            raise EngineError("Docker: the registry does not answer")
        self._machine.images.add(image)

    async def create(self, name: str, body: dict[str, Any]) -> None:
        await self._reach()
        before = self._machine.docker.get(name)
        if before is not None and before.container is not None:
            self._machine.kill(before.container)
        self._machine.docker[name] = Made(body)

    async def make_volume(self, name: str, driver: str | None, options: Mapping[str, str]) -> None:
        await self._reach()

    async def inspect(self, name: str) -> dict[str, Any]:
        await self._reach()
        return {"Name": f"/{name}", "Config": {}, "HostConfig": {}, "State": self._made(name).state()}

    async def signal(self, name: str, signal: int | str) -> None:
        await self._reach()
        found = self._machine.docker.get(name)
        if found is None or found.container is None:
            return
        number = _SIGNALS.get(signal, 15) if isinstance(signal, str) else signal
        if number == 9:
            self._machine.kill(found.container)
        else:
            self._machine.signal(found.container, number)

    async def update(self, name: str, **limits: Any) -> None:
        await self._reach()

    async def remove(self, name: str) -> None:
        await self._reach()
        found = self._machine.docker.pop(name, None)
        if found is not None and found.container is not None:
            self._machine.kill(found.container)

    async def names(self, prefix: str) -> dict[str, dict[str, Any]]:
        await self._reach()
        return {
            name: {"Names": [f"/{name}"], "State": made.state()["Status"]}
            for name, made in self._machine.docker.items()
            if name.startswith(prefix)
        }

    async def start_exec(self, name: str, argv: list[str], environment: Mapping[str, str], user: str) -> str:
        await self._reach()
        return "exec"

    async def inspect_exec(self, exec_id: str) -> dict[str, Any]:
        await self._reach()
        return {"Running": False, "ExitCode": 0}


def started(machine: Machine, container_id: str, container: Container) -> None:
    """``docker start`` of what the agent made; nothing when the agent has removed it meanwhile."""
    made = machine.docker.get(container_name(container_id))
    if made is not None:
        made.container = container
