"""A big Marathon: ``python -m bench.marathon_scale [apps] [instances an app]``, 10,000 apps and 5 unless said.

A real ZooKeeper (it does not wait for the disk), a real master and a real Marathon as processes; agents are simulated in this
one: they speak the link over real sockets, and their tasks run at once in their heads. Agents, master and Marathon share the
cores, so seconds hold all of them; what Marathon and the master used of the processor stands beside. References: what
Marathon's own suite published, or the aim.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import uvloop

from bench.kernel import about_machine, cpu_s, memory_mb, say, start_master, world
from dcos.runtime import http
from dcos.testing.fake_agent import FakeAgent
from dcos.testing.processes import Processes

AGENTS = 50
RESOURCES = "cpus:2000;mem:4000000;disk:4000000;ports:[1025-60000]"
AT_A_TIME = 100
IN_ONE_REQUEST = 100
WITHIN_S = 1800.0


def definition(number: int, instances: int = 1) -> dict[str, Any]:
    """An app as people write them: a few members beyond the least."""
    return {
        "id": f"/bench/part-{number % 100:02d}/app-{number:05d}",
        "cmd": "exec sleep 100000",
        "cpus": 0.01,
        "mem": 16,
        "instances": instances,
        "env": {"NAME": f"value-{number}", "OTHER": "some other value"},
        "labels": {"owner": "bench", "number": str(number)},
        "portDefinitions": [{"port": 0, "name": "web", "protocol": "tcp", "labels": {"VIP_0": f"/app-{number}:80"}}],
        "backoffSeconds": 1,
    }


class Marathon:
    """What the phases ask of it; ``url`` may move to another instance."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """JSON of the answer.   Errors: RuntimeError where the status is none of success."""
        async with self._session.request(method, self.url + path, json=body) as answer:
            raw = await answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {raw[:500]!r}")
            return json.loads(raw) if raw else None

    async def timed(self, path: str) -> tuple[float, int]:
        """Seconds of a GET until the whole body was here, and the body's size."""
        begin = time.perf_counter()
        async with self._session.get(self.url + path) as answer:
            size = len(await answer.read())
            assert answer.status == 200, answer.status
        return time.perf_counter() - begin, size

    async def gauge(self, name: str) -> int:
        gauges = (await self.ask("GET", "/metrics"))["gauges"]
        return int(gauges.get(f"marathon.{name}.gauge", {"value": -1})["value"])

    async def few_deployments(self) -> None:
        """Return once there is room for many more."""
        for _ in range(int(WITHIN_S / 0.05)):
            if await self.gauge("deployments.active") <= AT_A_TIME // 2:
                return
            await asyncio.sleep(0.1)

    async def settled(self, running: int) -> None:
        """Return once so many instances run and no deployment is left.   Errors: TimeoutError."""
        deadline = time.monotonic() + WITHIN_S
        while True:
            seen = (await self.gauge("instances.running"), await self.gauge("deployments.active"))
            if seen == (running, 0):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"wanted {running} running and no deployment, last seen {seen}")
            await asyncio.sleep(0.05)


class Cost:
    """Processor seconds of Marathon and of the master since it was made."""

    def __init__(self, services: Processes, marathon: str = "marathon") -> None:
        self._pids = (services.pid(marathon), services.pid("master"))
        self._before = [cpu_s(pid) for pid in self._pids]

    def __str__(self) -> str:
        ours, master = (cpu_s(pid) - before for pid, before in zip(self._pids, self._before, strict=True))
        return f"CPU: marathon {ours:.1f} s, master {master:.1f} s"


def start_marathon(services: Processes, name: str) -> None:
    services.start(
        name, "dcos.marathon", f"--master={services.zk}/mesos", f"--zk={services.zk}/marathon",
        "--http_address=127.0.0.1", "--hostname=127.0.0.1", f"--http_port={services.port(name)}", "--mesos_user=",
    )  # fmt: skip


@contextlib.asynccontextmanager
async def agents(services: Processes) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        made = [
            FakeAgent(
                f"127.0.0.1:{services.port('master')}",
                resources=RESOURCES,
                hostname=f"host-{number}",
                pid=f"slave(1)@10.0.0.{number + 1}:5051",
            )
            for number in range(AGENTS)
        ]
        for one in made:
            await stack.enter_async_context(one)
        for one in made:
            await asyncio.wait_for(one.registered.wait(), 60)
        yield


async def one_big_app(marathon: Marathon, services: Processes, instances: int) -> None:
    cost, begin = Cost(services), time.perf_counter()
    await marathon.ask("POST", "/v2/apps", definition(0, instances))
    await marathon.settled(instances)
    say(f"one app of {instances} instances, until all run", time.perf_counter() - begin, "s", 5.0, str(cost))
    cost, begin = Cost(services), time.perf_counter()
    await marathon.ask("DELETE", "/v2/groups/bench?force=true")
    await marathon.settled(0)
    say("until it is gone", time.perf_counter() - begin, "s", None, str(cost))


async def many_apps(marathon: Marathon, services: Processes, numbers: range, aim: float, already: int = 0) -> None:
    """One POST each, ``AT_A_TIME`` on their way: an app's turn is over once its deployment has ended."""
    cost, begin = Cost(services), time.perf_counter()
    waiting = iter(numbers)
    ended: dict[str, asyncio.Event] = {}

    async def follow(response: aiohttp.ClientResponse) -> None:
        async for line in response.content:
            if line.startswith(b"data:"):
                ended.setdefault(json.loads(line[5:]).get("id", ""), asyncio.Event()).set()

    async def client() -> None:
        for number in waiting:
            made = await marathon.ask("POST", "/v2/apps", definition(number))
            await asyncio.wait_for(ended.setdefault(made["deployments"][0]["id"], asyncio.Event()).wait(), 300)

    async with http.session(timeout_s=None) as session:
        stream = await session.get(
            f"{marathon.url}/v2/events?event_type=deployment_success", headers={"Accept": "text/event-stream"}
        )
        reader = asyncio.create_task(follow(stream))
        await asyncio.gather(*(client() for _ in range(AT_A_TIME)))
        await marathon.settled(already + len(numbers))
        reader.cancel()
        stream.close()
    what = f"{len(numbers)} apps of one instance, {AT_A_TIME} at a time, until all run"
    say(what, time.perf_counter() - begin, "s", aim, str(cost))


async def scaled(marathon: Marathon, services: Processes, apps: int, instances: int) -> None:
    cost, begin = Cost(services), time.perf_counter()
    for first in range(0, apps, IN_ONE_REQUEST):
        body = [
            {"id": definition(number)["id"], "instances": instances}
            for number in range(first, min(first + IN_ONE_REQUEST, apps))
        ]
        await marathon.ask("PUT", "/v2/apps", body)
        await marathon.few_deployments()
    await marathon.settled(apps * instances)
    say(f"all scaled to {instances}, until all run", time.perf_counter() - begin, "s", None, str(cost))


async def answers(marathon: Marathon, services: Processes, when: str) -> None:
    for path in ("/v2/apps", "/v2/apps?embed=apps.tasks", "/v2/groups", "/v2/tasks"):
        cost = Cost(services)
        took, size = await marathon.timed(path)
        say(f"GET {path} of {size / 1e6:.1f} MB {when}", took, "s", 1.0 if path == "/v2/apps" else None, str(cost))
    some = [(await marathon.timed(f"/v2/apps{definition(number)['id']}"))[0] for number in range(0, 100)]
    say(f"GET /v2/apps/<one>, median of 100 {when}", statistics.median(some) * 1e3, "ms", 5.0)


async def recovery(marathon: Marathon, services: Processes, running: int) -> None:
    """A second instance stands by; the leader is killed."""
    start_marathon(services, "next")
    probe = Marathon(marathon._session, services.url("next"))
    await eventually(lambda: services.get("next", "/metrics") is not None)
    own = f"127.0.0.1:{services.port('next')}"
    begin = time.perf_counter()
    services.stop("marathon", signal.SIGKILL)
    while True:
        with contextlib.suppress(RuntimeError, aiohttp.ClientError, TimeoutError):
            if (await probe.ask("GET", "/v2/leader"))["leader"] == own:
                break
        await asyncio.sleep(0.02)
    elected = time.perf_counter()
    say("leader killed until another is elected (session timeout 10 s)", elected - begin, "s")
    cost = Cost(services, "next")
    while True:
        with contextlib.suppress(RuntimeError, aiohttp.ClientError, TimeoutError):
            if await probe.gauge("instances.running") == running:
                break
        await asyncio.sleep(0.02)
    say("elected until it answers for all instances", time.perf_counter() - elected, "s", 10.0, str(cost))
    await probe.ask("POST", "/v2/apps", {"id": "/after", "cmd": "sleep 100000", "cpus": 0.01, "mem": 16})
    await probe.settled(running + 1)
    say("elected until a new app runs", time.perf_counter() - elected, "s", 10.0)
    marathon.url = probe.url
    say("memory of the new leader", memory_mb(services.pid("next")), "MB", 600)


async def eventually(probe: Callable[[], bool]) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError, KeyError):
            if await asyncio.to_thread(probe):
                return
        await asyncio.sleep(0.1)
    raise TimeoutError


async def run(services: Processes, apps: int, instances: int) -> None:
    start_master(services)
    start_marathon(services, "marathon")
    await eventually(lambda: services.get("marathon", "/v2/info")["frameworkId"] is not None)
    async with agents(services), http.session(timeout_s=None) as session:
        marathon = Marathon(session, services.url("marathon"))
        say("memory of an idle Marathon", memory_mb(services.pid("marathon")), "MB")
        await one_big_app(marathon, services, 1000)
        some = min(1000, apps)
        await many_apps(marathon, services, range(some), 20.0)
        if apps > some:
            await many_apps(marathon, services, range(some, apps), 300.0, some)
        await answers(marathon, services, f"with {apps} apps")
        await scaled(marathon, services, apps, instances)
        await answers(marathon, services, f"with {apps * instances} tasks")
        say(f"memory with {apps} apps, {apps * instances} tasks", memory_mb(services.pid("marathon")), "MB", 600)
        await recovery(marathon, services, apps * instances)
    print(about_machine())


def main(apps: int, instances: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(about_machine())
    with world() as services, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(services, apps, instances))


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["10000", "5"][len(sys.argv) - 1 :])))
