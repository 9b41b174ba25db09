"""Shapes (names and types) of our answers against those recorded from Mesos 1.11."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dcos.master import api_operator
from dcos.master.config import Config
from dcos.master.core.state import State
from dcos.master.reads import READS, Fragments
from dcos.master.v0 import agents, frameworks, roles, tasks
from dcos.master.v0 import state as v0_state
from dcos.master.v0.summary import Roll, summary
from dcos.master.version import VERSION_INFO
from dcos.model import attributes
from dcos.model.resources import Resources
from dcos.model.v1 import scheduler
from dcos.model.v1.master import CallType
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    CommandInfo,
    ContainerID,
    ContainerStatus,
    DiscoveryInfo,
    DiscoveryInfoVisibility,
    ExecutorID,
    FrameworkID,
    HealthCheck,
    Label,
    Labels,
    NetworkInfo,
    NetworkInfoIPAddress,
    Port,
    Ports,
    TaskID,
    TaskInfo,
    TaskState,
    TaskStatus,
    TaskStatusSource,
)
from dcos.store.url import ZkUrl
from dcos.testing.fake_agent import CAPABILITIES
from dcos.wire import agent_link, mesos_json
from dcos.wire.mesos_codec import JSON
from tests.unit.master.stage import Stage, framework_info, launch, task

GOLDEN = Path(__file__).parents[2] / "golden" / "mesos-1.11"
OPTIONAL = {
    "git_sha",  # upstream's source, not ours
    "git_tag",
    "checkpoint",  # of agent_info: upstream keeps the removed flag of old agents
    "executor_pid",  # the agent's to tell
    "limits",
}


def shape(value: Any) -> Any:
    """Names and types; a list is the union of its members' shapes."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items() if name not in OPTIONAL}
    if isinstance(value, list):
        shapes: list[Any] = []
        for member in value:
            made = shape(member)
            if shapes and isinstance(made, dict) and isinstance(shapes[0], dict):
                shapes[0] = {**shapes[0], **made}
            elif made not in shapes:
                shapes.append(made)
        return shapes
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())["body"]


def as_json(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def _status(name: str, agent: str, to: TaskState, uuid: int) -> agent_link.StatusUpdate:
    network = NetworkInfo(ip_addresses=(NetworkInfoIPAddress(ip_address="127.0.0.1"),))
    status = TaskStatus(
        task_id=TaskID(value=name),
        state=to,
        source=TaskStatusSource.SOURCE_EXECUTOR,
        agent_id=AgentID(value=agent),
        executor_id=ExecutorID(value=name),
        timestamp=1001.5 if name == "web.1" else 1001.0,
        uuid=uuid.to_bytes(16, "big"),
        healthy=True if to is TaskState.TASK_RUNNING and name == "web.1" else None,
        reason=None,
        container_status=ContainerStatus(container_id=ContainerID(value="c"), network_infos=(network,)),
    )
    return agent_link.StatusUpdate(framework_id=FrameworkID(value="m-0000"), status=status, latest_state=to)


@pytest.fixture(scope="module")
def stage() -> Stage:
    return recorded_cluster()


def recorded_cluster() -> Stage:
    """One agent, one framework, a healthy task with everything on it and a failed one."""
    made = Stage()
    made.state.allocator.set_weight("golden", 2.0)
    link = "link"
    info = AgentInfo(
        hostname="127.0.0.1",
        resources=Resources.parse("cpus:2;mem:23081;disk:252899;ports:[31000-32000]").messages(),
        attributes=attributes.parse("rack:r1;zone:z1"),
    )
    made.say(
        link,
        agent_link.Register(agent=info, pid="slave(1)@127.0.0.1:5051", version="1.11.0", capabilities=CAPABILITIES),
    )
    agent = made.state.links[link]
    framework, stream = made.subscribe(framework_info("golden", "golden"))
    batch = task("batch.1", agent, "cpus:0.1;mem:32")
    web = TaskInfo(
        name="web",
        task_id=TaskID(value="web.1"),
        agent_id=AgentID(value=agent),
        resources=Resources.parse("cpus:0.1;mem:32;ports:[31005-31006]").messages(),
        command=CommandInfo(value="sleep 100"),
        labels=Labels(labels=(Label(key="k", value="v"),)),
        discovery=DiscoveryInfo(
            visibility=DiscoveryInfoVisibility.FRAMEWORK,
            name="web",
            ports=Ports(ports=(Port(number=31005, name="http", protocol="tcp"),)),
        ),
        health_check=HealthCheck(command=CommandInfo(value="true")),
    )
    made.accept(framework, made.offers(stream), [launch(web, batch)], refuse_s=1000)
    for position, (name, to) in enumerate(
        [
            ("web.1", TaskState.TASK_STARTING),
            ("web.1", TaskState.TASK_RUNNING),
            ("batch.1", TaskState.TASK_STARTING),
            ("batch.1", TaskState.TASK_RUNNING),
            ("batch.1", TaskState.TASK_FAILED),
        ]
    ):
        update = _status(name, agent, to, position)
        made.say(link, update)
        assert update.status.uuid is not None
        done = scheduler.CallAcknowledge(
            agent_id=AgentID(value=agent), task_id=TaskID(value=name), uuid=update.status.uuid
        )
        made.call(framework, scheduler.Call(type=scheduler.CallType.ACKNOWLEDGE, acknowledge=done))
    made.decline(framework, [offer.message for offer in made.state.offers.values()], refuse_s=1000)
    assert made.state.offers == {}
    return made


FLAGS = Config(zk=ZkUrl.parse("zk://h/mesos"), cluster="golden").flags()


def _tasks(state: State) -> msgspec.Raw:
    listing = tasks.Listing(state, {})
    assert list(listing.making())
    return msgspec.Raw(listing.body().joined())


OLD: dict[str, Callable[[State], Any]] = {
    "state": lambda state: msgspec.Raw(v0_state.whole(state, FLAGS, "golden").joined()),
    "state-summary": lambda state: msgspec.Raw(summary(state, "golden", Roll()).joined()),
    "slaves": lambda state: msgspec.Raw(agents.slaves(state, {}).joined()),
    "frameworks": lambda state: msgspec.Raw(frameworks.frameworks(state, {}).joined()),
    "roles": roles.roles,
    "tasks": _tasks,
    "version": lambda _: VERSION_INFO,
}


@pytest.mark.parametrize("name", list(OLD))
def test_old_endpoints(stage: Stage, name: str) -> None:
    ours = OLD[name](stage.state)
    theirs, made = shape(golden(f"master-{name}")), shape(as_json(ours))
    if name == "state":
        assert {type(value) for value in theirs.pop("flags").values()} == {
            type(value) for value in made.pop("flags").values()
        }
    if name == "roles":
        for side in (theirs, made):  # quota is another chapter
            for member in ("guarantee", "limit"):
                side["roles"][0]["quota"][member] = {}
    assert made == theirs


def _spliced(kind: CallType) -> Callable[[State], Any]:
    return lambda state: msgspec.Raw(READS[kind].body(state, Fragments(JSON)).joined())


OPERATOR_READS: dict[str, Callable[[State], Any]] = {
    "get-agents": _spliced(CallType.GET_AGENTS),
    "get-frameworks": _spliced(CallType.GET_FRAMEWORKS),
    "get-tasks": _spliced(CallType.GET_TASKS),
    "get-executors": _spliced(CallType.GET_EXECUTORS),
    "get-state": _spliced(CallType.GET_STATE),
    "get-roles": api_operator.get_roles,
    "get-master": api_operator.get_master,
    "get-weights": api_operator.get_weights,
}


@pytest.mark.parametrize("name", list(OPERATOR_READS))
def test_operator_reads(stage: Stage, name: str) -> None:
    theirs = shape(golden(f"operator-master-{name}")[name.replace("-", "_")])
    made = shape(as_json(OPERATOR_READS[name](stage.state)))
    assert made == _without_reason(theirs)


def _without_reason(value: Any) -> Any:
    """The recorded health check has a reason and a message in its status: the agent's to tell."""
    if isinstance(value, dict):
        return {name: _without_reason(member) for name, member in value.items() if name not in ("reason", "message")}
    return [_without_reason(member) for member in value] if isinstance(value, list) else value


def test_scheduler_events(stage: Stage) -> None:
    recorded = json.loads((GOLDEN / "scheduler-events.json").read_text())
    subscribed, offers, error = recorded[0], recorded[1], recorded[2]
    made = [as_json(json.loads(mesos_json.encode(event))) for event in stage.events("stream-1")]
    assert shape(made[0]) == shape(subscribed)
    assert shape(made[2]) == shape(offers)
    stage.clear()
    invalid = task("bad/1", "m-S0")
    stage.call("m-0000", scheduler.Call(type=scheduler.CallType.REVIVE))
    stage.accept("m-0000", stage.offers("stream-1"), [launch(invalid)], refuse_s=1000)
    status = json.loads(mesos_json.encode(next(event for event in stage.events("stream-1") if event.update)))
    assert shape(status) == shape(error)
    assert status["update"]["status"]["message"] == error["update"]["status"]["message"]
