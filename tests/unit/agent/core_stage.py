"""A core of the agent, a framework and tasks, for the tests of its steps."""

from __future__ import annotations

import itertools
from typing import Any

from dcos.agent.core.agent import AgentCore
from dcos.agent.core.events import Registered
from dcos.agent.core.memory import Rules
from dcos.model.v1.types import (
    AgentID,
    CommandInfo,
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    TaskID,
    TaskInfo,
)


def fresh_core(**rules: Any) -> AgentCore:
    """As an agent has it that starts."""
    numbers = itertools.count(1)
    return AgentCore(Rules(ip="1.1.1.1", **rules), lambda: next(numbers).to_bytes(16, "big"))


def new_core(**rules: Any) -> AgentCore:
    """Of agent S, registered."""
    core = fresh_core(**rules)
    core.step(Registered("S", 0.0))
    return core


def framework(*kinds: FrameworkInfoCapabilityType, name: str = "F") -> FrameworkInfo:
    """``kinds``: its capabilities."""
    capabilities = tuple(FrameworkInfoCapability(type=kind) for kind in kinds)
    return FrameworkInfo(user="root", name="f", id=FrameworkID(value=name), checkpoint=True, capabilities=capabilities)


FRAMEWORK = framework()


def task(name: str, **more: Any) -> TaskInfo:
    """A command on agent S, where ``more`` does not say otherwise."""
    common: dict[str, Any] = {"command": CommandInfo(value="x"), "agent_id": AgentID(value="S")}
    return TaskInfo(name=name, task_id=TaskID(value=name), **common | more)
