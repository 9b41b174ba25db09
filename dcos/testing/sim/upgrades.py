"""Marathon's every decision, judged: none may take an app or pod below its minimum of healthy instances or above its maximum.

What dies by itself, is lost, or is killed by people may; a decision of Marathon may not make it worse. Judged at the
decision, over the state that it was made from: what happens while its effects are on their way is nobody's fault.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unittest import mock

from dcos.marathon.core import events
from dcos.marathon.core.scheduler import Scheduler
from dcos.model.marathon import UpgradeStrategy
from dcos.model.marathon_state import Condition, Deployment, Goal, Instance
from dcos.model.run_spec import RunSpec
from dcos.model.schedulers import Outcome, Send

if TYPE_CHECKING:
    from dcos.marathon.core.state import State
    from dcos.testing.sim.trace import Trace

_BY_PEOPLE = (events.KillInstances, events.DeleteApp, events.DeletePod, events.DeleteGroup)


class Upgrades:
    """Of one world's Marathons, whoever leads."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._seen: set[str] = set()
        """Apps and pods of which an instance has run."""

    @contextlib.contextmanager
    def judging(self) -> Iterator[None]:
        handle, settle, judge = Scheduler.handle, Scheduler.settle, self._judge

        def handled(core: Scheduler, event: events.Event, now: float, **how: Any) -> Outcome[Any]:
            before = {one.id: one.goal for one in core.state.instances.values()}
            outcome = handle(core, event, now, **how)
            judge(core.state, before, outcome, by_people=isinstance(event, _BY_PEOPLE))
            return outcome

        def settled(core: Scheduler, now: float) -> Outcome[Any]:
            before = {one.id: one.goal for one in core.state.instances.values()}
            outcome = settle(core, now)
            judge(core.state, before, outcome, by_people=False)
            self._explained(core.state)
            return outcome

        with mock.patch.object(Scheduler, "handle", handled), mock.patch.object(Scheduler, "settle", settled):
            yield

    def _explained(self, state: State) -> None:
        """A deployment always says why it waits, and only one that is paused says that it is."""
        for deployment in state.deployments.values():
            actions = deployment.steps[deployment.current].actions
            waits = {one.app_id: why for one in actions if (why := state.waits.get(one.app_id))}
            if not waits:
                self._trace.violation("marathon", f"deployment {deployment.id} does not say why it waits")
            if deployment.held is None and "paused" in waits.values():
                self._trace.violation("marathon", f"deployment {deployment.id} stands still though nobody paused it")

    def _judge(self, state: State, before: dict[str, Goal], outcome: Outcome[Any], *, by_people: bool) -> None:
        owners = {task.id: one for one in state.instances.values() for task in one.tasks}
        named = {one for deployment in state.deployments.values() for one in _sentenced(deployment)}
        hit: set[str] = set()
        for effect in outcome.effects:
            kill = effect.call.kill if isinstance(effect, Send) else None
            victim = owners.get(kill.task_id.value) if kill is not None else None
            if victim is None or victim.id in named:
                continue
            if before.get(victim.id) is Goal.RUNNING and state.is_healthy(victim):
                hit.add(victim.app_id)
        self._seen.update(one.app_id for one in state.instances.values() if one.condition is Condition.RUNNING)
        made: dict[str, list[Instance]] = {}
        for name, one in state.instances.items():
            if name not in before:
                made.setdefault(one.app_id, []).append(one)
        for spec_id in hit | made.keys():
            spec = state.wanted(spec_id)
            if spec is None:
                continue
            self._numbers(state, spec, hit=spec_id in hit and not by_people, made=made.get(spec_id, []))
            early = [one for one in _together(state, spec) if _wanted(state, one) and one not in self._seen]
            if spec_id in made and early:
                self._trace.violation("marathon", f"{spec_id} is launched before {' '.join(early)} ever ran")

    def _numbers(self, state: State, spec: RunSpec, *, hit: bool, made: list[Instance]) -> None:
        """``hit``: a healthy one was killed; ``made``: those that were launched."""
        mine = state.instances_of(spec.id)
        there = [one for one in mine if not one.is_terminal and not one.is_unreachable]
        least, most = _limits(spec)
        if spec.instances_mode == "all":
            # as many as there are agents, which the judge does not know at this moment
            least, most = 0, len({one.agent.agent_id for one in there})
        healthy = sum(1 for one in mine if state.is_healthy(one) and one.goal is Goal.RUNNING)
        if hit and healthy < least:
            self._trace.violation("marathon", f"{spec.id} keeps {healthy} healthy instances of at least {least}")
        most += len(state.moves.get(spec.id, ()))
        if made and len(there) > most:
            self._trace.violation("marathon", f"{spec.id} has {len(there)} instances, {most} are the most")
        deployment = state.deployment_of(spec.id)
        if deployment is None:
            return
        if hit and deployment.held is not None and spec.instances_mode is None:
            self._trace.violation("marathon", f"an instance of {spec.id} is killed while {deployment.id} is paused")
        self._pause(deployment, spec, there, made)
        rollout, steps = deployment.rollouts.get(spec.id), (spec.upgrade_strategy or UpgradeStrategy()).steps
        if made and rollout is not None and rollout.index < len(steps):
            new = sum(1 for one in there if one.config_version == spec.config_version)
            share = math.ceil(spec.instances * (steps[rollout.index].percent or 0.0) / 100)
            if new > share:
                self._trace.violation("marathon", f"{spec.id} has {new} new instances, its step allows {share}")

    def _pause(self, deployment: Deployment, spec: RunSpec, there: list[Instance], made: list[Instance]) -> None:
        """Nothing is launched beyond what there was when the deployment was paused, of the new configuration neither."""
        held = deployment.held.get(spec.id) if deployment.held is not None else None
        if held is None or not made:
            return
        if len(there) > held.new + held.old:
            text = f"{spec.id} has {len(there)} instances, {held.new} and {held.old} there were at the pause"
            self._trace.violation("marathon", text)
        new = sum(1 for one in there if one.config_version == spec.config_version)
        if new > held.new and any(one.config_version == spec.config_version for one in made) and held.old:
            text = f"{spec.id} has {new} new instances, {held.new} there were when {deployment.id} was paused"
            self._trace.violation("marathon", text)


def _sentenced(deployment: Deployment) -> list[str]:
    """Whom people named, to be killed and not replaced."""
    return [one for step in deployment.steps for action in step.actions for one in action.sentenced]


def _together(state: State, spec: RunSpec) -> list[str]:
    """What it depends on of what is deployed with it. (Once a deployment was cancelled by force, there is no order.)"""
    plans = [one.affected for one in state.deployments.values() if spec.id in one.affected]
    return [one for one in spec.dependencies if any(one in plan for plan in plans)]


def _wanted(state: State, spec_id: str) -> int:
    spec = state.wanted(spec_id)
    return spec.instances if spec is not None else 0


def _limits(spec: RunSpec) -> tuple[int, int]:
    """(least healthy, most at once), as Marathon's documents have them; one more where nothing else could move."""
    strategy = spec.upgrade_strategy or UpgradeStrategy()
    least = math.ceil(spec.instances * strategy.minimum_health_capacity)
    most = math.trunc(spec.instances * (1 + strategy.maximum_over_capacity))
    if least == most:
        return (least - 1, most) if spec.is_resident else (least, most + 1)
    return least, most
