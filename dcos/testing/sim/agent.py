"""An agent: the real daemon, core, link and checkpoints on a simulated machine."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from dcos.agent import executor_api
from dcos.agent.containerizer.containers import Containers
from dcos.agent.containerizer.docker_cleaner import DockerCleaner
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.events import Limits, Plan
from dcos.agent.core.memory import Rules
from dcos.agent.core.nested import text
from dcos.agent.core.state import ExecutorKind, Phase
from dcos.agent.daemon import Daemon
from dcos.agent.executor_api import ExecutorApi, call_problem
from dcos.agent.executor_streams import Events
from dcos.agent.gc import GarbageCollector
from dcos.agent.link import AgentLink, LinkBroken, Read
from dcos.agent.nested import NestedContainers
from dcos.agent.nested_records import NestedError, Request
from dcos.model.v1 import executor as v1
from dcos.model.v1.types import (
    AgentInfo,
    Attribute,
    CommandInfo,
    ContainerID,
    MachineID,
    ValueText,
    ValueType,
)
from dcos.runtime.app import App, Exit
from dcos.testing.sim.launcher import WholeContainers
from dcos.testing.sim.machine import Machine, SimCheckpoints, SimContainers
from dcos.testing.sim.network import Answer, End, Handler, Refused
from dcos.testing.sim.process import Life, Place, Process
from dcos.testing.sim.senses import TASKS
from dcos.wire import mesos_json

if TYPE_CHECKING:
    from dcos.testing.sim.world import World

PORT = 5051
REREGISTRATION_S = 2.0


class AgentProcess(Process):
    kind = "agent"

    def __init__(self, world: World, number: int, machine: Machine) -> None:
        super().__init__(world, f"agent{number}", f"10.0.{1 + number // 200}.{number % 200 + 1}")
        self.machine = machine
        machine.host = self.host
        if world.scale.marathon:
            listener = Life(Place(world, f"{machine.name}/{TASKS}", self.host), 1)
            world.network.listen(f"{self.host}:{TASKS}", listener, machine.answer)
        self.attributes: tuple[str, ...] = ()
        """Names of what it was given beside its resources; a restart may add some."""
        self.nested: list[ContainerID] = []
        """Asked for by operators."""
        self.daemon: Daemon | None = None

    def machine_id(self) -> MachineID:
        """As operators name it in maintenance."""
        return MachineID(hostname=self.name, ip=self.host)

    def _info(self) -> AgentInfo:
        return AgentInfo(
            hostname=self.name,
            port=PORT,
            resources=self.machine.total.messages(),
            attributes=tuple(
                Attribute(name=one, type=ValueType.TEXT, text=ValueText(value="yes")) for one in self.attributes
            ),
        )

    async def run(self, life: Life, app: App[Any]) -> None:
        work = self.machine.work
        rules = Rules(ip=self.host, containerizers=("mesos", "docker") if self.machine.whole else ("mesos",))
        endpoint = f"{self.host}:{PORT}"
        containers: Containers = SimContainers(self.machine, life)
        whole = None
        if self.machine.whole:
            containers = whole = WholeContainers(self.machine, life, app, endpoint)
        core = AgentCore(rules, new_uuid=lambda: app.rng.getrandbits(128).to_bytes(16, "big"))
        daemon = Daemon(
            app,
            core,
            info=self._info(),
            work=work,
            checkpoints=SimCheckpoints(work, life),
            containerizer=containers,
            collector=GarbageCollector(
                work.root, delay_s=1e9, headroom=0.0, interval_s=1e9, clock=app.clock, log=app.log
            ),
            boot_id=lambda: self.machine.boot_id,
        )
        daemon.pid = f"slave(1)@{endpoint}"
        if whole is not None:
            whole.agent_id = lambda: daemon.agent_id or ""
            daemon.nested = whole.nested(daemon, app, self.host)
        self.daemon = daemon
        self.machine.agent_id = lambda: daemon.agent_id or ""
        api = ExecutorApi(daemon, daemon.clock)
        self.world.network.listen(f"{self.host}:{PORT}", life, _executors(daemon, api, life))
        await daemon.recover(policy="additive", strict=True, cleanup=False)
        link = AgentLink(
            hello=daemon.hello,
            receive=daemon.receive,
            lost=daemon.lost,
            backoff_factor_s=1.0,
            rng=app.rng,
            log=app.log,
            dial=self._dialer(life),
        )
        daemon.link = link
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(daemon.run(), name="daemon")
            await daemon.executors_back(REREGISTRATION_S)
            tasks.create_task(link.run(), name="link")
            if whole is not None:
                tasks.create_task(self._docker_care(whole, daemon, app), name="docker")
            async for leader in self.world.leaders(life):
                link.lead(leader)

    async def _docker_care(self, whole: WholeContainers, daemon: Daemon, app: App[Any]) -> None:
        cleaner = DockerCleaner(
            whole.docker.engine,
            owner=str(self.machine.work.root),
            known=daemon.core.containers,
            remove_delay_s=30.0,
            orphans=True,
            clock=app.clock,
            log=app.log,
        )
        await cleaner.run()

    def _dialer(self, life: Life) -> Any:
        network = self.world.network

        @contextlib.asynccontextmanager
        async def dial(leader: str, body: AsyncIterator[bytes]) -> AsyncIterator[Read]:
            try:
                end = await network.connect(life, leader, "/link")
            except Refused as error:
                raise LinkBroken(f"the master answered {error}") from error

            async def pump() -> None:
                with contextlib.suppress(ConnectionError):
                    async for data in body:
                        await end.write(data)

            sending = asyncio.create_task(pump())
            try:
                yield end.read
            finally:
                sending.cancel()
                if life.alive:
                    end.close()

        return dial

    # ---- what operators do at the agent ------------------------------------------------------------------------------

    def nest(self, rng: random.Random) -> None:
        """Start a container in one that runs."""
        daemon, life = self.daemon, self.life
        if daemon is None or daemon.nested is None or life is None:
            return
        runs = [(executor, run) for _, executor, run in daemon.core.runs() if run.phase is Phase.RUNNING]
        if not runs:
            return
        executor, run = rng.choice(runs)
        parent = ContainerID(value=executor.run_id)
        if executor.kind is ExecutorKind.DEFAULT:
            parent = ContainerID(value=run.container_id, parent=parent)
        made = ContainerID(value=self.world.new_id("nested"), parent=parent)
        words = f"run {rng.choice((0.0, 3.0, 60.0))} {rng.choice((0, 1))} {rng.choice((0.0, 1.0, -1.0))}"
        command = CommandInfo(value=words)
        name = text(made)
        limits = Limits(cpus=0, mem_bytes=0)
        self.machine.plans[name] = (Plan(name, "", "", name, name, command, limits), False)
        self.nested.append(made)
        self.world.trace(self.name, "is to nest", name)
        life.spawn(self._nest(daemon.nested, Request(made, command)), "nest")

    async def _nest(self, nested: NestedContainers, request: Request) -> None:
        try:
            done = await nested.launch(request)
        except NestedError as error:
            self.world.trace(self.name, "nested nothing:", error)
        else:
            self.world.trace(self.name, "nested", done)

    def end_nested(self, rng: random.Random) -> None:
        """Kill one, and remove it when it is over."""
        daemon, life = self.daemon, self.life
        if daemon is not None and daemon.nested is not None and life is not None and self.nested:
            one = rng.choice(self.nested)
            life.spawn(self._end_nested(daemon.nested, one, rng.choice((9, 15))), "end nested")

    async def _end_nested(self, nested: NestedContainers, one: ContainerID, number: int) -> None:
        found = await nested.kill(one, number)
        self.world.trace(self.name, "kills nested", text(one), found)
        if found and number == 9:
            await nested.wait(one)
            try:
                await nested.remove(one)
            except NestedError as error:
                self.world.trace(self.name, "keeps nested", text(one), error)

    def ended(self, reason: Exit) -> None:
        self.world.truth.agent_left(self, reason.code)


def _executors(daemon: Daemon, api: ExecutorApi, life: Life) -> Handler:
    """What custom executors call: the agent's API but for HTTP."""

    async def handle(end: End, path: str, body: bytes) -> None:
        if not daemon.recovered:
            raise Refused(503, "Agent has not finished recovery")
        call = mesos_json.decode(body, v1.Call)
        problem = call_problem(call)
        if problem is not None:
            raise Refused(400, problem)
        try:
            if call.type is not v1.CallType.SUBSCRIBE:
                api.take(call)
                await end.write(Answer(202))
                return
            api.admit(call)
        except executor_api.Refused as refused:
            raise Refused(refused.status, refused.text) from refused
        await end.write(Answer(200))
        with api.subscribed(call) as events:
            watch = life.spawn(_end_when_gone(end, events), "executor")
            try:
                while (event := await events.get()) is not None:
                    await end.write(mesos_json.encode(event))
            finally:
                watch.cancel()

    return handle


async def _end_when_gone(end: End, events: Events) -> None:
    with contextlib.suppress(ConnectionError):
        while await end.read() != b"":
            pass
    events.put_nowait(None)
