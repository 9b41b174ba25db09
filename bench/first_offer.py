"""For a line on stdin: how long (seconds) a framework that comes now and wants everything waits for its first offers.

A process of its own, so that a busy simulation does not count as a slow server.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop

from bench.kernel import Scheduler, get
from dcos.model.v1.scheduler import CallType


async def serving(port: int) -> None:
    """Return once the master there leads and has recovered."""
    while True:
        try:
            await get("127.0.0.1", port, "/weights")
            return
        except RuntimeError:
            await asyncio.sleep(0.02)


async def first_offer(port: int) -> float:
    begin = time.perf_counter()
    framework = Scheduler(port, "wanting")
    await serving(port)
    await framework.subscribe()
    while (await framework.event()).offers is None:
        pass
    took = time.perf_counter() - begin
    await framework.send(framework.call(type=CallType.TEARDOWN))
    framework.close()
    return took


def main(port: int) -> None:
    if sys.stdin.readline():
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(runner.run(first_offer(port)), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
