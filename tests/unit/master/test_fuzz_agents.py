"""Agents whose messages are well formed and mean nonsense: the master takes or refuses them, goes on, and can still tell
what it holds."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dcos.master.api_operator import get_roles
from dcos.master.reads import READS, Fragments
from dcos.master.v0 import roles as v0_roles
from dcos.master.v0 import state as v0_state
from dcos.master.v0.summary import Roll, summary
from dcos.model.v1.master import CallType, Response
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    CommandInfo,
    ExecutorID,
    ExecutorInfo,
    FrameworkID,
    OperationState,
    OperationStatus,
    ResourceAllocationInfo,
    TaskState,
    TaskStatus,
)
from dcos.testing.fake_agent import CAPABILITIES
from dcos.wire import agent_link
from dcos.wire.mesos_codec import JSON, PROTOBUF
from tests.unit.master.stage import Stage, framework_info
from tests.unit.master.test_fuzz_http import mutated

SEEDS = 60
MESSAGES = 12
UUID = b"0" * 16


class Nonsense:
    """Two agents and a framework with tasks; then messages about them, right or nearly right, on any link."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.stage = Stage()
        one, link = self.stage.agent()
        two, other = self.stage.agent("cpus:4;mem:1024;ports:[1-10]")
        self.links = [link, other]
        self.agents = {name: self.stage.state.agents[name] for name in (one, two)}
        self.framework, _ = self.stage.subscribe(framework_info("f", "r", checkpoint=self.rng.random() < 0.7))
        for name in ("t", "u"):
            self.stage.run_task(self.framework, name)
            self.stage.wait(2)
        record = self.stage.state.frameworks[self.framework]
        self.info = record.info
        self.tasks = [known.message for known in record.tasks.values()]
        self.executor = ExecutorInfo(
            executor_id=ExecutorID(value="e"), command=CommandInfo(value="x"), resources=self.tasks[0].resources
        )

    def message(self) -> agent_link.AgentMessage:
        rng, owner = self.rng, FrameworkID(value=self.framework)
        name, agent = rng.choice(list(self.agents.items()))
        makers: tuple[Callable[[], agent_link.AgentMessage], ...] = (
            lambda: agent_link.Register(
                agent=AgentInfo(hostname="h", resources=self.tasks[0].resources),
                pid=agent.pid,
                version="1.11.0",
                capabilities=CAPABILITIES,
            ),
            lambda: agent_link.Reregister(
                agent=agent.info,
                pid=agent.pid,
                version="1.11.0",
                capabilities=CAPABILITIES,
                frameworks=(
                    agent_link.AgentFramework(
                        info=self.info,
                        executors=(self.executor,),
                        tasks=tuple(rng.sample(self.tasks, rng.randint(0, len(self.tasks)))),
                    ),
                ),
            ),
            lambda: agent_link.StatusUpdate(
                framework_id=owner,
                latest_state=rng.choice(list(TaskState)),
                status=TaskStatus(
                    task_id=rng.choice(self.tasks).task_id,
                    state=rng.choice(list(TaskState)),
                    agent_id=AgentID(value=name),
                    uuid=UUID,
                    timestamp=1.0,
                ),
            ),
            lambda: agent_link.ExitedExecutor(framework_id=owner, executor_id=self.executor.executor_id, status=0),
            lambda: agent_link.ExecutorMessage(framework_id=owner, executor_id=self.executor.executor_id, data=b"x"),
            lambda: agent_link.UpdateResources(total=agent.info.resources),
            lambda: agent_link.UpdateOperationStatus(
                operation_uuid=UUID, status=OperationStatus(state=OperationState.OPERATION_FINISHED)
            ),
            lambda: agent_link.Unregister(),
        )
        return rng.choices(makers, (3, 4, 4, 2, 2, 2, 2, 0.3))[0]()

    def say(self) -> None:
        message = self.message()
        said: Any = json.loads(agent_link.encode(message))
        for _ in range(self.rng.choice((0, 0, 1, 2))):
            said = mutated(said, self.rng)
        try:
            message = agent_link.decode_agent_message(json.dumps(said).encode())
        except msgspec.MsgspecError:
            return
        if isinstance(message, agent_link.Register | agent_link.Reregister):
            self.links.append(f"new-{len(self.links)}")
            self.stage.say(self.links[-1], message)
        else:
            self.stage.say(self.rng.choice([*self.stage.state.links, *self.links[:1]]), message)
        if self.rng.random() < 0.2:
            self.stage.cut(self.rng.choice(self.links))
        self.stage.wait(self.rng.choice((0, 1, 1, 700)))

    def told(self) -> None:
        """Everything that shows what it holds."""
        state = self.stage.state
        for codec in (JSON, PROTOBUF):
            made = Fragments(codec)
            for kind in (CallType.GET_STATE, CallType.GET_OPERATIONS):
                body = codec.compose(Response, {"type": kind, kind.lower(): READS[kind].body(state, made)})
                codec.decode(body.joined(), Response)
        json.loads(msgspec.json.encode(get_roles(state)))
        json.loads(v0_state.whole(state, {}, "c").joined())
        json.loads(summary(state, "c", Roll()).joined())
        json.loads(msgspec.json.encode(v0_roles.roles(state)))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_well_formed_nonsense(seed: int) -> None:
    nonsense = Nonsense(seed)
    for _ in range(MESSAGES):
        nonsense.say()
    nonsense.told()
    nonsense.stage.wait(2000)
    agent, _ = nonsense.stage.agent("cpus:9")
    assert agent
    nonsense.stage.subscribe(framework_info("after", "s"))
    nonsense.stage.wait(2)
    assert agent in {offer.agent for offer in nonsense.stage.state.offers.values()}


@pytest.mark.parametrize(
    "change",
    [
        {"roles": ("r", "/")},
        {"roles": ("..",)},
        {"allocated": "/"},
        {"allocated": ""},
    ],
)
def test_roles_that_are_none_are_not_let_in(change: dict[str, Any]) -> None:
    nonsense = Nonsense(1)
    (agent, *_) = nonsense.agents.values()
    resources = nonsense.executor.resources
    if "allocated" in change:
        role = ResourceAllocationInfo(role=change["allocated"])
        resources = tuple(msgspec.structs.replace(one, allocation_info=role) for one in resources)
    brought = agent_link.AgentFramework(
        info=msgspec.structs.replace(nonsense.info, roles=change.get("roles", ("r",))),
        executors=(msgspec.structs.replace(nonsense.executor, resources=resources),),
        tasks=tuple(nonsense.tasks),
    )
    stage = Stage()
    link = stage.back(agent.info, (brought,))
    assert (stage.state.agents, stage.sent(link, agent_link.Registered)) == ({}, [])


def test_a_framework_named_twice_is_not_let_in() -> None:
    nonsense = Nonsense(1)
    (agent, *_) = nonsense.agents.values()
    brought = agent_link.AgentFramework(info=nonsense.info)
    stage = Stage()
    stage.back(agent.info, (brought, brought))
    assert not stage.state.agents
    stage.back(agent.info, (brought,))
    assert list(stage.state.agents) == [agent.id]
