"""Rollouts in steps, pauses, promotion by health and metrics, on a fake Mesos; and the pure judgement."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dcos.marathon.core import events, rollout
from dcos.marathon.core.state import Measurement
from dcos.model.marathon_growth import MetricBound, Promotion, RolloutStep
from dcos.model.marathon_state import Rollout
from dcos.model.v1.types import TaskState
from tests.unit.marathon.conftest import House, Running

APP: dict[str, Any] = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": 4}


def strategy(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"minimumHealthCapacity": 1, "maximumOverCapacity": 0.5, "steps": list(steps), **more}


async def begun(marathon: Running, upgrade: dict[str, Any]) -> str:
    """The app of old, and an update of it under way."""
    await marathon.ask("POST", "/v2/apps", {**APP, "upgradeStrategy": upgrade, "backoffSeconds": 0}, 201)
    await marathon.settled()
    answer = await marathon.ask("PUT", "/v2/apps/web", {"cmd": "sleep 2000"}, 200)
    deployment: str = answer["deploymentId"]
    return deployment


def commands(marathon: Running) -> list[str]:
    return sorted(str(one.info.command.value) for one in marathon.mesos.running() if one.info.command)


async def at(marathon: Running, old: int, new: int) -> None:
    wanted = ["sleep 1000"] * old + ["sleep 2000"] * new
    await marathon.until(f"{old} old and {new} new", lambda: commands(marathon) == wanted)


def reached(marathon: Running) -> bool:
    """Whether a step is ready."""
    made = marathon.leader.state.deployments.values()
    return any(one.reached_at is not None for deployment in made for one in deployment.rollouts.values())


async def test_steps_pause_and_go_on(marathon: Running) -> None:
    deployment = await begun(
        marathon, strategy({"instances": 1, "pause": True}, {"percent": 50, "pauseSeconds": 100}, {"percent": 75})
    )
    await at(marathon, 3, 1)
    await marathon.until("noted", lambda: reached(marathon))
    [shown] = await marathon.ask("GET", "/v2/deployments?embed=waits")
    assert shown["rollouts"]["/web"] | {"reachedAt": ""} == {
        "step": 1,
        "steps": 3,
        "newInstances": 1,
        "failures": 0,
        "reachedAt": "",
    }
    assert shown["waits"][0]["kind"] == "rollout"
    assert shown["waits"][0]["text"] == "step 1 of 3: waits for 'continue'"
    await marathon.tick(1000)
    await at(marathon, 3, 1)
    victim = next(key for key, one in marathon.mesos.tasks.items() if one.info.command.value == "sleep 1000")  # type: ignore[union-attr]
    marathon.mesos.update(victim, TaskState.TASK_FAILED)
    await marathon.tick(1)
    await at(marathon, 3, 1)
    await marathon.ask("PUT", f"/v2/deployments/{deployment}", {"action": "continue"}, 200)
    await at(marathon, 2, 2)
    await marathon.until("noted", lambda: reached(marathon))
    await marathon.tick(99)
    await at(marathon, 2, 2)
    await marathon.tick(2)
    await marathon.settled()
    await at(marathon, 0, 4)


async def test_a_new_leader_goes_on_where_the_old_one_stopped(house: House) -> None:
    async with house.marathon() as first:
        deployment = await begun(first, strategy({"percent": 25, "pause": True}))
        await at(first, 3, 1)
        tasks = set(first.mesos.tasks)
    async with house.marathon() as second:
        await second.tick(20)
        assert set(second.mesos.tasks) == tasks
        await second.ask("PUT", f"/v2/deployments/{deployment}", {"action": "promote"}, 200)
        await second.settled()
        await at(second, 0, 4)


async def test_abort_keeps_those_that_never_changed(marathon: Running) -> None:
    deployment = await begun(marathon, strategy({"instances": 2, "pause": True}))
    await at(marathon, 2, 2)
    kept = {key for key, one in marathon.mesos.tasks.items() if one.info.command.value == "sleep 1000"}  # type: ignore[union-attr]
    await marathon.ask("PUT", f"/v2/deployments/{deployment}", {"action": "abort"}, 200)
    await marathon.settled()
    await at(marathon, 4, 0)
    assert kept <= set(marathon.mesos.tasks), "what ran the old configuration was not touched"
    assert (await marathon.ask("GET", "/v2/apps/web"))["app"]["cmd"] == "sleep 1000"
    await marathon.ask("PUT", "/v2/apps/web", {"instances": 5}, 200)
    await marathon.settled()
    assert kept <= set(marathon.mesos.tasks)


async def test_a_pause_by_hand_holds_what_is_there(marathon: Running) -> None:
    deployment = await begun(marathon, {"minimumHealthCapacity": 1, "maximumOverCapacity": 0.25})
    marathon.mesos.autorun = False
    await marathon.ask("PUT", f"/v2/deployments/{deployment}", {"action": "pause"}, 200)
    [shown] = await marathon.ask("GET", "/v2/deployments?embed=waits")
    assert shown["paused"] is True
    assert shown["waits"][0]["kind"] == "paused"
    before = set(marathon.mesos.tasks)
    marathon.mesos.autorun = True
    for _ in range(3):
        await marathon.tick(10)
    assert before <= set(marathon.mesos.tasks)
    await marathon.ask("PUT", f"/v2/deployments/{deployment}", {"action": "continue"}, 200)
    for task_id, one in list(marathon.mesos.tasks.items()):
        if one.state is TaskState.TASK_STAGING:
            marathon.mesos.update(task_id, TaskState.TASK_RUNNING)
    await marathon.settled()
    await at(marathon, 0, 4)
    await marathon.ask("PUT", f"/v2/deployments/{deployment}", {"action": "pause"}, 404)


async def test_a_paused_scaling_beside_what_an_update_left_behind_holds_their_number(marathon: Running) -> None:
    """What ends of the old configuration can only be replaced with the new one, and is replaced once."""
    mesos = marathon.mesos
    await marathon.ask("POST", "/v2/apps", {**APP, "backoffSeconds": 0}, 201)
    await marathon.settled()
    mesos.autorun = False
    await marathon.ask("PUT", "/v2/apps/web", {"cmd": "sleep 2000"}, 200)
    await marathon.until("a new one begins", lambda: len(mesos.tasks) > 4)
    there = len(mesos.tasks)
    answer = await marathon.ask("PUT", "/v2/apps/web?force=true", {"instances": there}, 200)
    await marathon.ask("PUT", f"/v2/deployments/{answer['deploymentId']}", {"action": "pause"}, 200)
    mesos.autorun = True
    victim = next(key for key, one in mesos.tasks.items() if one.state is TaskState.TASK_RUNNING)
    mesos.update(victim, TaskState.TASK_FAILED)

    def alive() -> list[str]:
        instances = marathon.leader.state.instances.values()
        return [task.id for one in instances if not one.is_terminal for task in one.tasks]

    await marathon.until("replaced", lambda: victim not in alive() and len(alive()) >= there)
    for _ in range(3):
        await marathon.tick(10)
    assert len(alive()) == there


async def test_what_cannot_go_on_says_so(marathon: Running) -> None:
    deployment = await begun(marathon, {"minimumHealthCapacity": 1, "maximumOverCapacity": 0})
    answer = await marathon.ask("PUT", f"/v2/deployments/{deployment}", {"action": "continue"})
    assert "neither paused nor in a rollout" in answer["message"] or "does not exist" in answer["message"]
    wrong = await marathon.ask("PUT", "/v2/deployments/x", {"action": "fly"}, 422)
    assert wrong["details"][0]["path"] == "/action"


@pytest.mark.parametrize("on_failure", ["rollback", "pause"])
async def test_failing_new_instances_end_the_rollout(marathon: Running, on_failure: str) -> None:
    promotion = {"maxFailures": 2, "onFailure": on_failure}
    await begun(marathon, strategy({"instances": 1, "pause": True}, promotion=promotion))
    await at(marathon, 3, 1)
    for _ in range(2):
        await marathon.tick(5)
        await marathon.until("a new one", lambda: "sleep 2000" in commands(marathon))
        new = next(key for key, one in marathon.mesos.tasks.items() if one.info.command.value == "sleep 2000")  # type: ignore[union-attr]
        marathon.mesos.update(new, TaskState.TASK_FAILED)
        await marathon.until("gone", lambda new=new: new not in str(marathon.leader.state.instances))
    if on_failure == "rollback":
        await marathon.settled()
        await at(marathon, 4, 0)
        assert (await marathon.ask("GET", "/v2/apps/web"))["app"]["cmd"] == "sleep 1000"
        return
    await marathon.until("paused", lambda: any(one.held for one in marathon.leader.state.deployments.values()))
    assert commands(marathon).count("sleep 1000") == 3


async def test_a_metric_promotes_and_rolls_back(marathon: Running) -> None:
    metric = {"query": "errors", "max": 0.01}
    upgrade = strategy({"instances": 1}, {"instances": 2}, promotion={"maxFailures": 2, "metric": metric})
    await begun(marathon, upgrade)
    await at(marathon, 3, 1)

    async def measure(value: float | None) -> None:
        await marathon.leader.ask(events.Measured("/web", Measurement(marathon.clock.time, value)))

    await marathon.until("noted", lambda: reached(marathon))
    await measure(None)
    await marathon.tick(1)
    await at(marathon, 3, 1)
    await measure(0.001)
    await at(marathon, 2, 2)
    await measure(0.5)
    await measure(0.5)
    await marathon.settled()
    await at(marathon, 4, 0)


async def test_the_deadline_begins_with_the_turn(marathon: Running) -> None:
    """An app that waits for another one's update is not late."""
    late = {"minimumHealthCapacity": 0, "maximumOverCapacity": 0, "promotion": {"deadlineSeconds": 100}}
    slow = {"minimumHealthCapacity": 0, "maximumOverCapacity": 0, "steps": [{"instances": 1, "pause": True}]}
    apps = [
        {**APP, "id": "db", "instances": 2, "upgradeStrategy": slow},
        {**APP, "id": "web", "instances": 1, "upgradeStrategy": late, "dependencies": ["db"]},
    ]
    await marathon.ask("POST", "/v2/groups", {"id": "/shop", "apps": apps}, 201)
    await marathon.settled()
    made = await marathon.ask("PUT", "/v2/groups/shop", {"apps": [{**one, "cmd": "sleep 2"} for one in apps]}, 200)
    await marathon.tick(1000)
    assert list(marathon.leader.state.deployments) == [made["deploymentId"]]
    await marathon.until(
        "canary",
        lambda: any(str(one.info.command.value) == "sleep 2" for one in marathon.mesos.running() if one.info.command),
    )
    await marathon.ask("PUT", f"/v2/deployments/{made['deploymentId']}", {"action": "continue"}, 200)
    await marathon.settled()
    assert (await marathon.ask("GET", "/v2/apps/shop/web"))["app"]["cmd"] == "sleep 2"


def test_judgement() -> None:
    steps = (RolloutStep(percent=10.0, pause_seconds=10.0), RolloutStep(instances=3, pause=True))
    now = Rollout(entered_at=100.0)
    assert [rollout.share(steps, replace(now, index=index), 25) for index in range(3)] == [3, 3, None]
    waiting = rollout.judge(steps, None, now, reached=True, now=105.0)
    assert (waiting.rollout.reached_at, waiting.until) == (105.0, 115.0)
    lost = rollout.judge(steps, None, waiting.rollout, reached=False, now=106.0)
    assert lost.rollout.reached_at is None
    assert rollout.judge(steps, None, waiting.rollout, reached=True, now=115.0).rollout.index == 1
    strict = Promotion(deadline_seconds=50.0, metric=MetricBound(query="x", min=1.0))
    assert rollout.judge(steps, strict, now, reached=False, now=149.0).failed == ""
    assert "within 50 s" in rollout.judge(steps, strict, now, reached=False, now=150.0).failed
    assert rollout.measured(strict, now, Measurement(1.0, 0.5)).bad == 1
    assert rollout.measured(strict, now, Measurement(1.0, float("nan"))).bad == 1


@pytest.mark.parametrize(
    ("upgrade", "path", "text"),
    [
        (
            strategy({"percent": 10, "instances": 1}),
            "/upgradeStrategy/steps(0)",
            "exactly one of percent and instances",
        ),
        (strategy({"percent": 0}), "/upgradeStrategy/steps(0)/percent", "expected more than 0"),
        (strategy({"percent": 50}, {"percent": 10}), "/upgradeStrategy/steps", "must not fall"),
        (strategy({"instances": 1, "pause": True, "pauseSeconds": 1}), "/upgradeStrategy/steps(0)", "at most one of"),
        (strategy(promotion={"maxFailures": 0}), "/upgradeStrategy/promotion/maxFailures", "1 or more"),
        (strategy(promotion={"metric": {"query": "x"}}), "/upgradeStrategy/promotion/metric", "min, max or both"),
        (
            strategy(promotion={"metric": {"query": "x", "max": 1, "prometheusUrl": "http://u:p@x"}}),
            "/upgradeStrategy/promotion/metric/prometheusUrl",
            "must not contain a user or password",
        ),
    ],
)
async def test_bad_steps_say_why(marathon: Running, upgrade: dict[str, Any], path: str, text: str) -> None:
    answer = await marathon.ask("POST", "/v2/apps", {**APP, "upgradeStrategy": upgrade}, 422)
    [detail] = answer["details"]
    assert detail["path"] == path
    assert text in detail["errors"][0]
