"""What one real agent does with command tasks (posix launcher): ``python -m bench.kernel_tasks [tasks]``.

Launch until every TASK_RUNNING came, kill until every TASK_KILLED came; memory of the idle agent, what a task adds to it and
which processes of ours stand beside a task's own; clean stops. References: Mesos 1.11's figures or the aim.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter

import psutil

from bench.kernel import Scheduler, about_machine, cpu_s, memory_mb, say, start_master, world
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import CallType
from dcos.model.v1.types import (
    CommandInfo,
    Filters,
    Offer,
    OfferOperation,
    OfferOperationLaunch,
    OfferOperationType,
    TaskID,
    TaskInfo,
    TaskState,
)
from dcos.testing.processes import Processes

SMALL = Resources.parse("cpus:0.01;mem:32").messages()
COMMAND = "exec sleep 100000"


def start_agent(services: Processes) -> int:
    services.start(
        "agent", "dcos.agent", f"--master={services.zk}/mesos", "--ip=127.0.0.1", f"--port={services.port('agent')}",
        f"--work_dir={services.folder / 'agent'}", f"--runtime_dir={services.folder / 'run'}", "--launcher=posix",
        "--isolation=posix/cpu,posix/mem", "--hostname=127.0.0.1", "--no-systemd_enable_support", "--no-switch_user",
        "--resources=cpus:32;mem:65536;disk:1000",
    )  # fmt: skip
    services.eventually("the agent is registered", lambda: services.get("master", "/slaves")["slaves"])
    return services.pid("agent")


async def offered(framework: Scheduler) -> Offer:
    while True:
        event = await framework.event()
        if event.offers is not None:
            return event.offers.offers[0]


def launch(framework: Scheduler, offer: Offer, count: int) -> bytes:
    infos = tuple(
        TaskInfo(
            name="bench",
            task_id=TaskID(value=f"task-{number}"),
            agent_id=offer.agent_id,
            resources=SMALL,
            command=CommandInfo(value=COMMAND),
        )
        for number in range(count)
    )
    operation = OfferOperation(type=OfferOperationType.LAUNCH, launch=OfferOperationLaunch(task_infos=infos))
    accept = scheduler.CallAccept(
        offer_ids=(offer.id,), operations=(operation,), filters=Filters(refuse_seconds=100_000)
    )
    return framework.call(type=CallType.ACCEPT, accept=accept)


async def reach(framework: Scheduler, wanted: TaskState, count: int) -> Counter[TaskState]:
    """Acknowledge updates until as many tasks are in the wanted state."""
    seen: Counter[TaskState] = Counter()
    while seen[wanted] < count:
        event = await framework.event()
        if event.update is None:
            continue
        status = event.update.status
        seen[status.state] += 1
        if status.uuid is not None and status.agent_id is not None:
            acknowledge = scheduler.CallAcknowledge(agent_id=status.agent_id, task_id=status.task_id, uuid=status.uuid)
            await framework.send(framework.call(type=CallType.ACKNOWLEDGE, acknowledge=acknowledge))
        if status.state in (TaskState.TASK_FAILED, TaskState.TASK_LOST, TaskState.TASK_ERROR):
            raise RuntimeError(f"{status.state} {status.message}")
    return seen


def beside(folder: str) -> tuple[int, float]:
    """How many processes other than the tasks' own belong to tasks, and their memory in MB (proportional: shared pages once)."""
    count, total = 0, 0.0
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if folder in words and "dcos." not in words and "zookeeper" not in words:
            count += 1
            total += process.memory_full_info().pss / 2**20
    return count, total


async def run(services: Processes, count: int) -> None:
    start_master(services)
    agent = start_agent(services)
    framework = Scheduler(services.port("master"), "bench")
    await framework.subscribe()
    offer = await offered(framework)
    await asyncio.sleep(2.0)
    idle = memory_mb(agent)
    say("agent's memory, idle", idle, "MB", 80)
    begin, used = time.perf_counter(), cpu_s(agent)
    await framework.send(launch(framework, offer, count))
    await reach(framework, TaskState.TASK_RUNNING, count)
    took, used = time.perf_counter() - begin, cpu_s(agent) - used
    say(
        f"{count} tasks launched until all run",
        count / took,
        "tasks/s",
        100,
        f"{used / count * 1e3:.1f} ms of the agent's CPU each",
    )
    await asyncio.sleep(2.0)
    helpers, helpers_mb = beside(str(services.folder))
    say("agent's memory a task", (memory_mb(agent) - idle) / count, "MB", 1.5)
    say("processes of ours beside a task's own", helpers / count, "", None, f"{helpers_mb / count:.2f} MB each task")
    calm, over = cpu_s(agent), time.perf_counter()
    await asyncio.sleep(5.0)
    share = (cpu_s(agent) - calm) / (time.perf_counter() - over) * 100
    say("agent's CPU while they run", share, "% of core")
    kills = [
        framework.call(
            type=CallType.KILL, kill=scheduler.CallKill(task_id=TaskID(value=f"task-{number}"), agent_id=offer.agent_id)
        )
        for number in range(count)
    ]
    begin, used = time.perf_counter(), cpu_s(agent)
    await framework.send(*kills)
    await reach(framework, TaskState.TASK_KILLED, count)
    took, used = time.perf_counter() - begin, cpu_s(agent) - used
    say(
        f"{count} tasks killed until all ended",
        count / took,
        "tasks/s",
        100,
        f"{used / count * 1e3:.1f} ms of the agent's CPU each",
    )
    say("agent's memory after", memory_mb(agent), "MB")
    for name in ("master", "agent"):
        begin = time.perf_counter()
        code = services.stop(name)
        say(f"clean stop of the {name} (exit code {code})", time.perf_counter() - begin, "s", 0.5)
    framework.close()


def main(count: int) -> None:
    print(about_machine())
    with world() as services:
        asyncio.run(run(services, count))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
