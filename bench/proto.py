"""What protobuf costs next to msgspec's JSON: ``python -m bench.proto [tasks]``. Messages of one core a second, and the ratio."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import msgspec

from dcos.model.resources import Resources
from dcos.model.v1 import master, scheduler
from dcos.model.v1.types import (
    AgentID,
    CommandInfo,
    ContainerID,
    ContainerStatus,
    Environment,
    EnvironmentVariable,
    FrameworkID,
    Label,
    Labels,
    NetworkInfo,
    NetworkInfoIPAddress,
    Offer,
    OfferID,
    Task,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    TaskStatusSource,
)
from dcos.wire.mesos_codec import JSON, PROTOBUF

RESOURCES = Resources.parse("cpus:0.5;mem:512;disk:100;ports:[31000-31004]").messages()
LABELS = Labels(labels=tuple(Label(key=f"label-{number}", value="value") for number in range(4)))


def task_info() -> TaskInfo:
    variables = tuple(EnvironmentVariable(name=f"NAME_{number}", value="x" * 20) for number in range(12))
    return TaskInfo(
        name="service.web",
        task_id=TaskID(value="service_web.instance-8b1c7b2e._app.1"),
        agent_id=AgentID(value="0f0f2a6c-S12"),
        resources=RESOURCES,
        command=CommandInfo(value="exec ./server --port $PORT0", environment=Environment(variables=variables)),
        labels=LABELS,
    )


def offers(count: int) -> scheduler.Event:
    agent = Resources.parse(
        "cpus:32;mem:131072;disk:1000000;ports:[1025-2180,2182-3887,3889-5049,5052-8079]"
    ).messages()
    made = tuple(
        Offer(
            id=OfferID(value=f"0f0f2a6c-O{number}"),
            framework_id=FrameworkID(value="0f0f2a6c-0001"),
            agent_id=AgentID(value=f"0f0f2a6c-S{number}"),
            hostname=f"host-{number}.example",
            resources=agent,
        )
        for number in range(count)
    )
    return scheduler.Event(type=scheduler.EventType.OFFERS, offers=scheduler.EventOffers(offers=made))


def state(count: int) -> master.Response:
    def status(number: int, to: TaskState) -> TaskStatus:
        address = NetworkInfo(ip_addresses=(NetworkInfoIPAddress(ip_address=f"10.0.0.{number % 250}"),))
        return TaskStatus(
            task_id=TaskID(value=f"task-{number}"),
            state=to,
            source=TaskStatusSource.SOURCE_EXECUTOR,
            agent_id=AgentID(value="0f0f2a6c-S12"),
            timestamp=1.7e9 + number,
            uuid=number.to_bytes(16, "big"),
            container_status=ContainerStatus(container_id=ContainerID(value="8b1c7b2e"), network_infos=(address,)),
        )

    tasks = tuple(
        Task(
            name=f"task-{number}",
            task_id=TaskID(value=f"task-{number}"),
            framework_id=FrameworkID(value="0f0f2a6c-0001"),
            agent_id=AgentID(value="0f0f2a6c-S12"),
            state=TaskState.TASK_RUNNING,
            resources=RESOURCES,
            labels=LABELS,
            statuses=(status(number, TaskState.TASK_STARTING), status(number, TaskState.TASK_RUNNING)),
        )
        for number in range(count)
    )
    body = master.ResponseGetState(get_tasks=master.ResponseGetTasks(tasks=tasks))
    return master.Response(type=master.ResponseType.GET_STATE, get_state=body)


def rate(work: Callable[[], object], seconds: float = 1.0) -> float:
    """Calls a second."""
    work()
    done, begin = 0, time.process_time()
    while (took := time.process_time() - begin) < seconds:
        work()
        done += 1
    return done / took


def show(what: str, message: msgspec.Struct) -> None:
    kind = type(message)
    binary, text = PROTOBUF.encode(message, kind), JSON.encode(message, kind)
    assert PROTOBUF.decode(binary, kind) == JSON.decode(text, kind) == message
    for verb, proto, json in (
        ("encode", lambda: PROTOBUF.encode(message, kind), lambda: JSON.encode(message, kind)),
        ("decode", lambda: PROTOBUF.decode(binary, kind), lambda: JSON.decode(text, kind)),
    ):
        fast, slow = rate(json), rate(proto)
        print(
            f"{what:28} {verb}  protobuf {slow:10.1f}/s ({len(binary)} B)  JSON {fast:10.1f}/s ({len(text)} B)"
            f"  JSON is {fast / slow:5.1f} times as fast"
        )


def main(tasks: int) -> None:
    show("TaskInfo", task_info())
    show("Event OFFERS of 20", offers(20))
    show(f"GET_STATE of {tasks} tasks", state(tasks))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
