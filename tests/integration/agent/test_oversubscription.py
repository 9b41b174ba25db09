"""Revocable resources of a real agent: offered, used, and taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec

from dcos.model.resources import Resources
from dcos.model.v1.types import ResourceRevocableInfo, TaskInfo

Make = Callable[..., TaskInfo]


def module(name: str, **parameters: str) -> dict[str, Any]:
    return {"name": name, "parameters": [{"key": key, "value": value} for key, value in parameters.items()]}


FIXED = module("org_apache_mesos_FixedResourceEstimator", resources="cpus:2")
# any load is too much
LOAD = module("org_apache_mesos_LoadQoSController", load_threshold_5min="-1")


def flags(*modules: dict[str, Any]) -> tuple[str, ...]:
    given = json.dumps({"libraries": [{"file": "lib.so", "modules": list(modules)}]})
    return (f"--modules={given}", f"--resource_estimator={FIXED['name']}")


def revocable(task: TaskInfo) -> TaskInfo:
    cpus, *others = task.resources
    return msgspec.structs.replace(
        task, resources=(msgspec.structs.replace(cpus, revocable=ResourceRevocableInfo()), *others)
    )


async def test_offered_used_and_taken_back(agent: Any, master: Any, make_task: Make) -> None:
    await agent.start(*flags(FIXED))
    await master.registered()
    beyond = Resources.of(master.hellos[-1].oversubscribed_resources)
    assert (beyond.revocable() == beyond, beyond.scalar("cpus")) == (True, 2000)
    await master.run(revocable(make_task("taken")))
    await master.run(make_task("kept"))
    for name in ("taken", "kept"):
        await master.state(name, "TASK_RUNNING")
    async with aiohttp.ClientSession() as session, session.get(f"{agent.url}/metrics/snapshot") as answer:
        numbers = await answer.json()
    assert (numbers["slave/cpus_revocable_total"], numbers["slave/cpus_total"]) == (2.0, 4.0)
    assert numbers["slave/cpus_revocable_used"] == 0.1

    # a restart with a controller; the task lives until the machine is looked at
    await agent.stop()
    await agent.start(*flags(FIXED, LOAD), f"--qos_controller={LOAD['name']}")
    last = await master.state("taken", "TASK_GONE")
    assert (last.reason, last.message) == (
        "REASON_CONTAINER_PREEMPTED",
        "Container preempted by QoS correction",
    )
    assert "TASK_GONE" not in master.states("kept")
    await master.kill("kept")
    await master.state("kept", "TASK_KILLED")
