"""A big cluster on real sockets: ``python -m bench.kernel_scale [agents] [tasks an agent]``.

Simulated agents (they speak the link, nothing else) register with one master; it is killed; the next one leads, takes all agents
back with all their tasks and five frameworks; then its answers, memory, steady load and stalls are measured. On two cores the
simulation competes with the master, so times hold both. References: Mesos 1.11's figures or the aim.
"""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import subprocess
import sys
import time
from typing import cast

import msgspec
import uvloop

from bench.first_offer import serving
from bench.kernel import (
    CAPABILITIES,
    Scheduler,
    Stalls,
    about_machine,
    cpu_s,
    get,
    memory_mb,
    say,
    start_master,
    until,
    world,
)
from dcos.model.resources import Resources
from dcos.model.v1.scheduler import CallType
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    DiscoveryInfo,
    DiscoveryInfoVisibility,
    ExecutorID,
    FrameworkID,
    FrameworkInfo,
    Label,
    Labels,
    Port,
    Ports,
    Task,
    TaskID,
    TaskState,
    TaskStatus,
    TaskStatusSource,
)
from dcos.store.detect import address_of, follow_leading_master
from dcos.store.url import ZkUrl
from dcos.testing import fake_agent
from dcos.testing.processes import Processes
from dcos.wire import agent_link
from dcos.wire.recordio import Decoder, frame

FRAMEWORKS = 5
AGENT = Resources.parse("cpus:32;mem:131072;disk:1000000;ports:[1025-32000]").messages()
TASK = Resources.parse("cpus:0.1;mem:64;ports:[31000-31000]")
BACKOFF_S = 1.0
"""An agent waits a random part of it before it registers, as real ones do."""
STEADY_S = 20.0
ANSWERS = (
    ("/state", "first", 1.0),
    ("/state", "after a change", 1.0),
    ("/state-summary", "first", None),
    ("/state-summary", "after a change", 0.05),
    ("/state-summary", "again", 0.05),
    ("/metrics/snapshot", "after a change", 0.1),
)
"""What is asked for when; before each but "again" a task reports something."""


def chunk(message: agent_link.AgentMessage) -> bytes:
    record = frame(agent_link.encode(message))
    return f"{len(record):x}\r\n".encode() + record + b"\r\n"


PONG = chunk(agent_link.Pong())


class SimulatedAgent(asyncio.Protocol):
    """One agent's end of the link, as little as possible."""

    def __init__(self, number: int, all: Agents) -> None:
        self.number = number
        self.info = AgentInfo(hostname=f"host-{number}", resources=AGENT)
        self.pid = f"slave(1)@10.{number >> 16}.{number >> 8 & 255}.{number & 255}:5051"
        self.frameworks: tuple[agent_link.AgentFramework, ...] = ()
        self.pings = 0
        self._all = all
        self._data = b""
        self._in_body = False
        self._decoder = Decoder()

    def hello(self) -> bytes:
        known = agent_link.Reregister(
            agent=self.info,
            pid=self.pid,
            version="1.11.0",
            capabilities=fake_agent.CAPABILITIES,
            frameworks=self.frameworks,
        )
        if self.info.id is not None:
            return chunk(known)
        return chunk(
            agent_link.Register(agent=self.info, pid=self.pid, version="1.11.0", capabilities=known.capabilities)
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._data, self._in_body, self._decoder = b"", False, Decoder()
        head = (
            f"POST {agent_link.PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: {agent_link.CONTENT_TYPE}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        )
        self._transport.write(head.encode() + self.hello())

    def connection_lost(self, error: Exception | None) -> None:
        self._all.lost += 1

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._in_body:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            self._in_body, self._data = True, rest
        while True:
            size, end, rest = self._data.partition(b"\r\n")
            if not end or len(rest) < (length := int(size, 16)) + 2 or length == 0:
                return
            self._data = rest[length + 2 :]
            for record in self._decoder.feed(rest[:length]):
                self._said(agent_link.decode_master_message(record))

    def _said(self, message: agent_link.MasterMessage) -> None:
        match message:
            case agent_link.Ping():
                self.pings += 1
                self._transport.write(PONG)
            case agent_link.Registered():
                if self.info.id is None:
                    self.info = AgentInfo(
                        hostname=self.info.hostname, resources=AGENT, id=AgentID(value=message.agent_id)
                    )
                self._all.joined += 1
            case agent_link.Shutdown():
                raise RuntimeError(message.message)

    def report(self, what: str) -> None:
        """A task of its has something new to say, without a change of its state."""
        told = self.frameworks[0].tasks[0]
        status = msgspec.structs.replace(told.statuses[0], message=what)
        owner = told.framework_id
        self._transport.write(
            chunk(agent_link.StatusUpdate(framework_id=owner, status=status, latest_state=str(told.state)))
        )

    def give_tasks(self, frameworks: list[FrameworkInfo], count: int) -> None:
        """As if it had run them for long."""
        assert self.info.id is not None
        mine: dict[str, list[Task]] = {}
        for position in range(count):
            framework = frameworks[position % len(frameworks)]
            assert framework.id is not None
            name = f"app_{position}.instance-{self.number:08x}._app.1"
            identity = TaskID(value=name)
            status = TaskStatus(
                task_id=identity, state=TaskState.TASK_RUNNING, source=TaskStatusSource.SOURCE_EXECUTOR,
                agent_id=self.info.id, timestamp=1.7e9, executor_id=ExecutorID(value=name), healthy=True,
            )  # fmt: skip
            ports = Ports(ports=(Port(number=31000, name="web", protocol="tcp"),))
            mine.setdefault(framework.id.value, []).append(
                Task(
                    name=f"app.{position}", task_id=identity, framework_id=framework.id, agent_id=self.info.id,
                    executor_id=ExecutorID(value=name), state=TaskState.TASK_RUNNING, statuses=(status,),
                    status_update_state=TaskState.TASK_RUNNING, resources=TASK.messages(framework.roles[0]),
                    labels=Labels(labels=tuple(Label(key=f"label-{one}", value="value") for one in range(3))),
                    discovery=DiscoveryInfo(
                        visibility=DiscoveryInfoVisibility.FRAMEWORK, name=f"app.{position}", ports=ports
                    ),
                )
            )  # fmt: skip
        self.frameworks = tuple(
            agent_link.AgentFramework(info=one, tasks=tuple(mine[one.id.value]))
            for one in frameworks
            if one.id is not None and one.id.value in mine
        )


class Agents:
    """All of them, and how many registered with the present master."""

    def __init__(self, count: int) -> None:
        self.joined = 0
        self.lost = 0
        self.all = [SimulatedAgent(number, self) for number in range(count)]

    async def join(self, port: int) -> float:
        """Connect all within the back-off once the master serves; seconds until the last was registered."""
        self.joined = self.lost = 0
        begin = time.perf_counter()
        await serving(port)
        loop = asyncio.get_running_loop()

        async def one(agent: SimulatedAgent) -> None:
            await asyncio.sleep(random.uniform(0, BACKOFF_S))
            await loop.create_connection(lambda: agent, "127.0.0.1", port)

        await asyncio.gather(*(one(agent) for agent in self.all))
        try:
            await until("all agents are registered", lambda: self.joined >= len(self.all), within_s=120)
        except TimeoutError as error:
            raise TimeoutError(
                f"{self.joined} of {len(self.all)} agents are registered, {self.lost} lost links"
            ) from error
        return time.perf_counter() - begin

    @property
    def pings(self) -> int:
        return sum(agent.pings for agent in self.all)


async def ignoring(framework: Scheduler) -> asyncio.Task[None]:
    """Subscribe and want nothing more; read what comes."""
    await framework.subscribe()
    await framework.send(framework.call(type=CallType.SUPPRESS))

    async def read() -> None:
        while True:
            await framework.event()

    return asyncio.create_task(read())


async def told(wanting: asyncio.subprocess.Process) -> float:
    """What ``bench.first_offer`` finds when it begins now."""
    found, _ = await wanting.communicate(b"\n")
    return float(found)


async def run(services: Processes, count: int, tasks: int) -> None:
    old = start_master(services, "master")
    new = start_master(services, "next", leads=False)
    agents = Agents(count)
    started = cpu_s(old)
    async with Stalls("127.0.0.1", services.port("master")) as stalls:
        took = await agents.join(services.port("master"))
        used = cpu_s(old) - started
        note = f"longest stall {await stalls.take():.0f} ms"
        say(f"{count} new agents until all are registered", took, "s", None, note, cpu=used)
    ids = []
    for number in range(FRAMEWORKS):
        one = Scheduler(services.port("master"), f"role-{number}")
        (await ignoring(one)).cancel()
        ids.append(one.id)
        one.close()
    infos = [
        FrameworkInfo(
            user="root", name=f"bench-role-{number}", roles=(f"role-{number}",), id=FrameworkID(value=identity),
            capabilities=CAPABILITIES, failover_timeout=600.0, checkpoint=False,
        )
        for number, identity in enumerate(ids)
    ]  # fmt: skip
    for agent in agents.all:
        agent.give_tasks(infos, tasks)
    say("memory of the first master", memory_mb(old), "MB")

    wanting = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.first_offer", str(services.port("next")),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    killed = time.perf_counter()
    services.stop("master", signal.SIGKILL)
    wanted = f"127.0.0.1:{services.port('next')}"
    async for leader in follow_leading_master(ZkUrl.parse(f"{services.zk}/mesos"), rng=random.Random(1)):
        if leader is not None and address_of(leader) == wanted:
            break
    elected = time.perf_counter()
    started = cpu_s(new)
    say("leader killed until another is elected (session timeout 10 s)", elected - killed, "s")
    offers = asyncio.create_task(told(wanting))
    rejoin = asyncio.create_task(agents.join(services.port("next")))
    frameworks = [Scheduler(services.port("next"), f"role-{number}", identity=one) for number, one in enumerate(ids)]
    async with Stalls("127.0.0.1", services.port("next")) as stalls:
        await serving(services.port("next"))
        readers = [await ignoring(one) for one in frameworks]
        say("elected until offers flow", await offers, "s", 2.0, cpu=cpu_s(new) - started)
        took = await rejoin
        say(
            f"elected until {count} agents with {count * tasks} tasks are back", took, "s", 15.0,
            f"longest stall {await stalls.take():.0f} ms", cpu=cpu_s(new) - started,
        )  # fmt: skip
        await asyncio.sleep(2.0)
        await stalls.take()
        for path, what, aim in ANSWERS:
            if what != "again":
                agents.all[0].report(f"{path} {what}")
                await asyncio.sleep(0.2)
            used = cpu_s(new)
            took, body = await get("127.0.0.1", services.port("next"), path)
            used = cpu_s(new) - used
            note = f"longest stall {await stalls.take():.0f} ms"
            say(f"{path} of {len(body) / 1e6:.1f} MB, {what}", took, "s", aim, note, cpu=used)
    say("memory of the master", memory_mb(new), "MB", 1500)
    before, pings, begin = cpu_s(new), agents.pings, time.perf_counter()
    await asyncio.sleep(STEADY_S)
    took = time.perf_counter() - begin
    share = (cpu_s(new) - before) / took * 100
    say("steady load", share, "% of core", 10, f"{(agents.pings - pings) / took:.0f} pings a second")
    async with Stalls("127.0.0.1", services.port("next")) as stalls:
        await asyncio.sleep(STEADY_S)
        say("longest stall when steady", await stalls.take(), "ms", 100)
    begin = time.perf_counter()
    code = services.stop("next")
    say(f"clean stop with everything connected (exit code {code})", time.perf_counter() - begin, "s", 0.5)
    print(about_machine())
    for reader in readers:
        reader.cancel()


def main(agents: int, tasks: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(about_machine())
    with world() as services, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(services, agents, tasks))


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["10000", "10"][len(sys.argv) - 1 :])))
