"""The real containerizer, with its docker and nested containers, over a launcher that starts simulated processes.

Some worlds run it instead of its quicker twin (``machine.SimContainers``). Its files lie in the machine's runtime folder. No
process of the real machine is ever touched: simulated pids are above all that a kernel gives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dcos.agent.containerizer.base import Ended, Found, Launcher, LaunchError, Running
from dcos.agent.containerizer.box import Box
from dcos.agent.containerizer.cni import Plugins
from dcos.agent.containerizer.containerizer import Containerizer, Settings
from dcos.agent.containerizer.docker import DockerBackend
from dcos.agent.containerizer.host import HostBackend
from dcos.agent.containerizer.networks import Networks
from dcos.agent.containerizer.privileges import PrivilegeRules
from dcos.agent.core.environment import AgentEnvironment, Ids
from dcos.agent.core.events import Plan
from dcos.agent.core.exits import Exit
from dcos.agent.fetcher import Fetcher
from dcos.agent.nested import NestedContainers
from dcos.runtime.app import App
from dcos.testing.sim import engine
from dcos.testing.sim.engine import SimEngine
from dcos.testing.sim.process import Dead, Life

if TYPE_CHECKING:
    from dcos.agent.daemon import Daemon
    from dcos.testing.sim.machine import Container, Machine


class SimLauncher:
    """``box`` names the container; what it runs was said to the machine before (``Machine.plans``)."""

    name = "sim"

    def __init__(self, machine: Machine, life: Life) -> None:
        self._machine = machine
        self._life = life

    async def _turn(self) -> None:
        await asyncio.sleep(self._life.rng.uniform(0.0, 0.02))
        if not self._life.alive:
            raise Dead

    def _found(self, box: Box) -> Container | None:
        return self._machine.boxes.get(box.container_id)

    async def start(self, box: Box) -> int:
        await self._turn()
        if self._life.rng.random() < 0.03:
            raise LaunchError("the launcher failed")
        plan, checkpoint = self._machine.plans[box.container_id]
        container = self._machine.begin(plan, checkpoint=checkpoint)
        if box.mark.backend == "docker":
            engine.started(self._machine, box.container_id, container)
        await self._turn()
        return container.pid

    async def update(self, box: Box) -> None:
        await self._turn()

    async def find(self, box: Box) -> Found:
        await self._turn()
        container = self._found(box)
        if container is None:
            return None
        return Running(container.pid) if container.ended is None else Ended(container.exit or Exit())

    async def wait(self, box: Box) -> Exit:
        container = self._found(box)
        if container is None:
            return Exit()
        await container.over.wait()
        await self._turn()
        return container.exit or Exit()

    async def signal(self, box: Box, number: int) -> None:
        await self._turn()
        container = self._found(box)
        if container is not None:
            self._machine.signal(container, number)

    async def kill(self, box: Box) -> None:
        await self._turn()
        container = self._found(box)
        if container is not None:
            self._machine.kill(container)

    async def forget(self, box: Box) -> None:
        await self._turn()
        self._machine.boxes.pop(box.container_id, None)


class WholeContainers(Containerizer):
    """The containerizer as one life of the agent has it."""

    def __init__(self, machine: Machine, life: Life, app: App[Any], endpoint: str) -> None:
        self._machine = machine
        self.agent_id: Callable[[], str] = str
        self.launcher: Launcher = SimLauncher(machine, life)
        work = machine.work
        self.runtime = work.root / "run"
        self.fetcher = Fetcher(
            cache_dir=work.root / "fetch", cache_bytes=0, frameworks_home=None, stall_s=60.0, now=app.clock.now
        )
        self.docker = DockerBackend(
            SimEngine(machine, life),
            client="true",
            owner=str(work.root),
            sandbox_directory="/mnt/mesos/sandbox",
            config=None,
            remove_delay_s=0.0,
        )
        super().__init__(
            work=work,
            runtime=self.runtime,
            launchers={self.launcher.name: self.launcher},
            launcher=self.launcher.name,
            host=HostBackend(PrivilegeRules()),
            oci=None,
            oci_unusable="not simulated",
            docker=lambda: self.docker,
            rules=PrivilegeRules(),
            networks=Networks(Plugins(None, "")),
            fetcher=self.fetcher,
            settings=Settings(sandbox_directory="/mnt/mesos/sandbox", switch_user=False, enable_cfs=False),
            agent_environment=lambda: AgentEnvironment(
                agent_id=self.agent_id(),
                endpoint=endpoint,
                recovery_timeout_s=900.0,
                shutdown_grace_s=5.0,
                http_command_executor=False,
            ),
            log=app.log,
        )

    async def launch(self, plan: Plan, ids: Ids) -> Running:
        self._machine.plans[plan.container_id] = (plan, ids.checkpoint)
        return await super().launch(plan, ids)

    def wipe(self) -> None:
        super().wipe()
        self._machine.boxes.clear()

    def nested(self, daemon: Daemon, app: App[Any], ip: str) -> NestedContainers:
        return NestedContainers(
            core=daemon.core,
            containerizer=self,
            inside=self.launcher,
            launcher=self.launcher.name,
            work=self._machine.work,
            runtime=self.runtime,
            fetcher=self.fetcher,
            sandbox_directory="/mnt/mesos/sandbox",
            switch_user=False,
            agent_id=lambda: daemon.agent_id or "",
            ip=ip,
            spawn=lambda work, name: app.spawn(work, name=name),
            log=app.log,
        )
