"""An agent: the real daemon, core, link and checkpoints on a simulated machine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from dcos.agent import executor_api
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.memory import Rules
from dcos.agent.daemon import Daemon
from dcos.agent.executor_api import ExecutorApi, call_problem
from dcos.agent.executor_streams import Events
from dcos.agent.gc import GarbageCollector
from dcos.agent.link import AgentLink, LinkBroken, Read
from dcos.model.v1 import executor as v1
from dcos.model.v1.types import AgentInfo, MachineID
from dcos.runtime.app import App, Exit
from dcos.testing.sim.machine import Machine, SimCheckpoints, SimContainers
from dcos.testing.sim.network import Answer, End, Handler, Refused
from dcos.testing.sim.process import Life, Process
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
        self.daemon: Daemon | None = None

    def machine_id(self) -> MachineID:
        """As operators name it in maintenance."""
        return MachineID(hostname=self.name, ip=self.host)

    async def run(self, life: Life, app: App[Any]) -> None:
        work = self.machine.work
        core = AgentCore(Rules(ip=self.host), new_uuid=lambda: app.rng.getrandbits(128).to_bytes(16, "big"))
        daemon = Daemon(
            app,
            core,
            info=AgentInfo(hostname=self.name, port=PORT, resources=self.machine.total.messages()),
            work=work,
            checkpoints=SimCheckpoints(work, life),
            containerizer=SimContainers(self.machine, life),
            collector=GarbageCollector(
                work.root, delay_s=1e9, headroom=0.0, interval_s=1e9, clock=app.clock, log=app.log
            ),
            boot_id=lambda: self.machine.boot_id,
        )
        daemon.pid = f"slave(1)@{self.host}:{PORT}"
        self.daemon = daemon
        api = ExecutorApi(daemon, daemon.clock)
        self.world.network.listen(f"{self.host}:{PORT}", life, _executors(daemon, api, life))
        await daemon.recover(policy="equal", strict=True, cleanup=False)
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
            async for leader in self.world.leaders(life):
                link.lead(leader)

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
