"""An agent's machine: its disk, its containers, its boot id. All of it outlives the agent's process.

A container's command says what it does: ``run SECONDS CODE GRACE`` (SECONDS 0: until it is killed; GRACE: how long it takes
to end after SIGTERM, below 0 for never).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dcos.agent.checkpoint import Checkpoints
from dcos.agent.containerizer.base import Ended, Found, LaunchError, Running
from dcos.agent.core.environment import Ids
from dcos.agent.core.events import Limits, Plan
from dcos.agent.core.exits import Exit
from dcos.agent.sandbox import WorkDir
from dcos.agent.volumes import Volumes
from dcos.model.resources import Resources
from dcos.model.v1.types import CommandInfo, Resource
from dcos.testing.sim.engine import Made
from dcos.testing.sim.network import Answer, End, Refused
from dcos.testing.sim.process import Life
from dcos.testing.sim.program import Program

if TYPE_CHECKING:
    from dcos.testing.sim.truth import Truth

SIGTERM = 15
_READY_S = 4.0
"""From the start of a container."""


@dataclass(slots=True, eq=False)
class Container:
    plan: Plan
    pid: int
    started: float
    grace_s: float
    ended: float | None = None
    exit: Exit | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    timer: asyncio.TimerHandle | None = None
    run: Run | None = None
    """Of a container that is a task's."""
    program: Program | None = None
    """Of a custom executor's: it has tasks of its own."""
    ill: bool = False
    """It answers that it is not well."""


@dataclass(slots=True, eq=False)
class Run:
    """One task on its machine, in a container of its own or within a custom executor's."""

    machine: Machine
    task: str
    framework: str
    agent: str
    """The agent's id when it was started."""
    ended: float | None = None
    how: object = None

    @property
    def live(self) -> bool:
        return self.ended is None


class Machine:
    """``total`` are the resources that its agent is told to have."""

    def __init__(
        self, name: str, folder: Path, total: str, rng: random.Random, truth: Truth, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.name = name
        self.work = WorkDir(folder)
        self.total = Resources.parse(total)
        self.boot_id = f"{name}-boot-1"
        self.host = ""
        """Its agent's address."""
        self.tasks: dict[str, Run] = {}
        """What runs."""
        self.boxes: dict[str, Container | None] = {}
        """Traces in the runtime folder; None: being prepared."""
        self._rng = rng
        self._truth = truth
        self._loop = loop
        self._boots = 1
        self._pids = 100_000_000
        """More than any kernel gives: whatever signals such a number signals nobody."""
        self.agent_id: Callable[[], str] = str
        self.whole = False
        """Its agent has the real containerizer."""
        self.plans: dict[str, tuple[Plan, bool]] = {}
        """What containers are to run, and whether their framework checkpoints (``launcher.py``)."""
        self.docker: dict[str, Made] = {}
        self.docker_away = False
        self.images: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def reboot(self) -> None:
        """Every container ends, nobody sees how; the disk stays."""
        self._boots += 1
        self.boot_id = f"{self.name}-boot-{self._boots}"
        for container in list(self.boxes.values()):
            if container is not None:
                self._finish(container, Exit())
        self.boxes.clear()
        self.plans.clear()

    def docker_back(self) -> None:
        self.docker_away = False

    def heal(self) -> None:
        for container in self.live:
            container.ill = False

    async def answer(self, end: End, path: str, asked: object) -> None:
        """How what listens on a port is: ``/ready`` a while after its start, or whether it is well."""
        port = int(path.removeprefix("/"))
        found = next((one for one in self.live if port in ports_of(one.plan)), None)
        if found is None:
            raise Refused(502, "nobody listens")
        good = self._loop.time() > found.started + _READY_S if asked == "/ready" else not found.ill
        await end.write(Answer(200 if good else 503))

    def begin(self, plan: Plan, *, checkpoint: bool) -> Container:
        self._pids += 1
        if plan.executor:
            container = Container(plan, self._pids, self._loop.time(), 0.0)
            self.boxes[plan.container_id] = container
            self._truth.started(self, plan.task_id)
            container.program = Program(self._truth.world, self, container, checkpoint=checkpoint)
            return container
        words = (plan.command.value or "run 0 0 0").split()
        container = Container(plan, self._pids, self._loop.time(), float(words[3]))
        if float(words[1]) > 0:
            container.timer = self._loop.call_later(float(words[1]), self._finish, container, Exit(code=int(words[2])))
        self.boxes[plan.container_id] = container
        if plan.framework_id:
            container.run = self.start(plan.task_id, plan.framework_id)
        return container

    def start(self, task: str, framework: str) -> Run:
        run = self.tasks[task] = Run(self, task, framework, self.agent_id())
        self._truth.runs_now(run)
        return run

    def stop(self, run: Run, how: object) -> None:
        if run.ended is None:
            run.ended, run.how = self._loop.time(), how
            del self.tasks[run.task]
            self._truth.world.trace(self.name, "over", run.task, how)

    def exit(self, container: Container, end: Exit) -> None:
        """Its process ends by itself, or a fault ends it."""
        self._finish(container, end)

    def signal(self, container: Container, number: int) -> None:
        if container.ended is None and container.grace_s >= 0:
            if container.timer is not None:
                container.timer.cancel()
            container.timer = self._loop.call_later(container.grace_s, self._finish, container, Exit(signal=number))
            container.grace_s = -1.0

    def kill(self, container: Container) -> None:
        self._finish(container, Exit(signal=9))

    def _finish(self, container: Container, end: Exit) -> None:
        if container.ended is None:
            if container.timer is not None:
                container.timer.cancel()
            container.ended = self._loop.time()
            container.exit = end
            container.over.set()
            if container.program is not None:
                container.program.end()
            if container.run is not None:
                self.stop(container.run, end)

    @property
    def live(self) -> list[Container]:
        return [one for one in self.boxes.values() if one is not None and one.ended is None]


def ports_of(plan: Plan) -> set[int]:
    """Those that a container was given."""
    ranges = [one for resource in plan.resources if resource.ranges for one in resource.ranges.range]
    return {port for one in ranges for port in range(one.begin, one.end + 1)}


class SimContainers:
    """The containerizer as one life of the agent sees it: the twin of ``dcos.agent.containerizer.Containerizer``."""

    def __init__(self, machine: Machine, life: Life) -> None:
        self._machine = machine
        self._life = life
        self.volumes = Volumes(machine.work.root)

    async def launch(self, plan: Plan, ids: Ids) -> Running:
        rng = self._life.rng
        self._machine.boxes.setdefault(plan.container_id, None)
        await asyncio.sleep(rng.expovariate(2.0))
        if rng.random() < 0.03:
            raise LaunchError("The fetcher could not reach the server")
        container = self._machine.begin(plan, checkpoint=ids.checkpoint)
        await asyncio.sleep(rng.uniform(0.0, 0.05))
        return Running(container.pid)

    async def wait(self, container_id: str) -> Exit:
        """As the real one: every trace is gone when it returns."""
        container = self._machine.boxes.get(container_id)
        if container is None:
            return Exit()
        await container.over.wait()
        await self.destroy(container_id)
        await asyncio.sleep(self._life.rng.uniform(0.0, 0.02))
        return container.exit or Exit()

    async def destroy(self, container_id: str) -> bool:
        await asyncio.sleep(self._life.rng.uniform(0.0, 0.02))
        container = self._machine.boxes.get(container_id)
        if container is not None:
            self._machine.kill(container)
            await asyncio.sleep(self._life.rng.uniform(0.0, 0.02))
        self._machine.boxes.pop(container_id, None)
        return True

    async def kill(self, container_id: str) -> bool:
        await asyncio.sleep(self._life.rng.uniform(0.0, 0.02))
        container = self._machine.boxes.get(container_id)
        if container is not None:
            self._machine.kill(container)
        return True

    async def signal(self, container_id: str, number: int) -> None:
        await asyncio.sleep(self._life.rng.uniform(0.0, 0.02))
        container = self._machine.boxes.get(container_id)
        if container is not None:
            self._machine.signal(container, number)

    async def update(self, container_id: str, limits: Limits) -> str | None:
        await asyncio.sleep(0)
        return None

    async def update_group(self, group: str, limits: Limits) -> None:
        await asyncio.sleep(0)

    async def drop_group(self, group: str) -> None:
        await asyncio.sleep(0)

    def relink_now(self, container_id: str, resources: tuple[Resource, ...]) -> bool:
        return True

    async def relink(self, container_id: str, resources: tuple[Resource, ...]) -> None:
        await asyncio.sleep(0)

    async def execute(self, container_id: str, command: CommandInfo, timeout_s: float | None) -> int:
        await asyncio.sleep(self._life.rng.uniform(0.0, 0.5))
        return 0

    async def remember(self, container_id: str) -> Found:
        await asyncio.sleep(self._life.rng.uniform(0.0, 0.02))
        container = self._machine.boxes.get(container_id)
        if container is None:
            return None
        return Running(container.pid) if container.ended is None else Ended(container.exit or Exit())

    def known(self) -> list[str]:
        return list(self._machine.boxes)

    def wipe(self) -> None:
        self._machine.boxes.clear()


class SimCheckpoints(Checkpoints):
    """The real ones, on a disk that a dead process cannot write to and that a process may die at."""

    def __init__(self, work: WorkDir, life: Life) -> None:
        super().__init__(work)
        self._life = life

    def __getattribute__(self, name: str) -> object:
        if name.startswith(("save_", "close_", "forget_", "remove_")):
            object.__getattribute__(self, "_life").disk_write()
        return object.__getattribute__(self, name)
