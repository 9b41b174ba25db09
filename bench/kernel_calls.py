"""What one master answers: calls of one scheduler, a round of offers over many frameworks, a small ``/state``.

    python -m bench.kernel_calls

References: Mesos 1.11 (C++), measured on a machine like this one.
"""

from __future__ import annotations

import asyncio
import time

from bench.kernel import Scheduler, about_machine, cpu_s, get, memory_mb, say, start_master, until, world
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import CallType
from dcos.model.v1.types import AgentID, Filters, OfferID, TaskID
from dcos.testing.fake_agent import FakeAgent

CALLS = 20_000
FRAMEWORKS = 100
POLLERS = 20
SECONDS = 5.0
STATE_BYTES = 36_000


async def calls(port: int, pid: int) -> None:
    """DECLINE of an offer that is not there, pipelined: the cost of a call itself."""
    framework = Scheduler(port, "calls")
    await framework.subscribe()
    decline = scheduler.CallDecline(offer_ids=(OfferID(value="none"),), filters=Filters(refuse_seconds=5))
    call = framework.call(type=CallType.DECLINE, decline=decline)
    acknowledge = scheduler.CallAcknowledge(
        agent_id=AgentID(value="none"), task_id=TaskID(value="none"), uuid=b"0123456789abcdef"
    )
    other = framework.call(type=CallType.ACKNOWLEDGE, acknowledge=acknowledge)
    await framework.send(*[call] * 500)
    for name, body, batch in (("DECLINE", call, 100), ("ACKNOWLEDGE", other, 100), ("DECLINE, one at a time", call, 1)):
        count = CALLS if batch > 1 else CALLS // 10
        begin, used = time.perf_counter(), cpu_s(pid)
        for _ in range(count // batch):
            await framework.send(*[body] * batch)
        took, used = time.perf_counter() - begin, cpu_s(pid) - used
        say(
            f"calls a second on one connection ({name})",
            count / took,
            "1/s",
            5000,
            f"{used / count * 1e6:.0f} us CPU each",
        )
    framework.close()


async def round_of_offers(port: int) -> None:
    """One agent; each framework is offered it, declines for long, and so it goes on to the next."""
    frameworks = [Scheduler(port, f"role-{number}") for number in range(FRAMEWORKS)]
    for one in frameworks:
        await one.subscribe()
    had: set[str] = set()

    async def play(one: Scheduler) -> None:
        while True:
            event = await one.event()
            if event.offers is not None:
                had.add(one.id)
                ids = tuple(offer.id for offer in event.offers.offers)
                decline = scheduler.CallDecline(offer_ids=ids, filters=Filters(refuse_seconds=600))
                await one.send(one.call(type=CallType.DECLINE, decline=decline))

    players = [asyncio.create_task(play(one)) for one in frameworks]
    async with FakeAgent(f"127.0.0.1:{port}") as agent:
        await agent.registered.wait()
        begin = time.perf_counter()
        await until("all had an offer", lambda: len(had) == FRAMEWORKS)
    say(f"{FRAMEWORKS} frameworks in as many roles: all had an offer", time.perf_counter() - begin, "s", 1.0)
    for player in players:
        player.cancel()
    for one in frameworks:
        one.close()


async def small_state(port: int, pid: int) -> None:
    """As many frameworks and tasks as make ``/state`` the size of the reference's, asked for all the time."""
    frameworks = []
    while (size := len((await get("127.0.0.1", port, "/state"))[1])) < STATE_BYTES:
        frameworks.append(Scheduler(port, f"state-{len(frameworks)}"))
        await frameworks[-1].subscribe()
    seen: list[float] = []
    over = time.perf_counter() + SECONDS

    async def poll() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        while time.perf_counter() < over:
            begin = time.perf_counter()
            writer.write(b"GET /state HTTP/1.1\r\nHost: bench\r\n\r\n")
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
            seen.append(time.perf_counter() - begin)
        writer.close()

    used = cpu_s(pid)
    await asyncio.gather(*(poll() for _ in range(POLLERS)))
    used = cpu_s(pid) - used
    seen.sort()
    what = f"/state of {size / 1e3:.0f} KB, {POLLERS} pollers"
    say(f"{what}: answers a second", len(seen) / SECONDS, "1/s", 1390, f"{used / SECONDS * 100:.0f} % of a core")
    say(f"{what}: 99th percentile", seen[int(len(seen) * 0.99)] * 1e3, "ms", 29)
    for one in frameworks:
        one.close()


async def main() -> None:
    print(about_machine())
    with world() as services:
        pid = start_master(services)
        say("master's memory, idle", memory_mb(pid), "MB")
        await small_state(services.port("master"), pid)
        await calls(services.port("master"), pid)
        await round_of_offers(services.port("master"))
        say("master's memory, at the end", memory_mb(pid), "MB")


if __name__ == "__main__":
    asyncio.run(main())
