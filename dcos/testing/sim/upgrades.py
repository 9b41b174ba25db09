"""Marathon's every decision, judged: none may take an app below its minimum of healthy instances or above its maximum.

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
from dcos.model.marathon import App, UpgradeStrategy
from dcos.model.marathon_state import Condition, Goal
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
        """Apps of which an instance has run."""

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
        """A deployment always says why it waits."""
        for deployment in state.deployments.values():
            actions = deployment.steps[deployment.current].actions
            if not any(state.waits.get(one.app_id) for one in actions):
                self._trace.violation("marathon", f"deployment {deployment.id} does not say why it waits")

    def _judge(self, state: State, before: dict[str, Goal], outcome: Outcome[Any], *, by_people: bool) -> None:
        owners = {task.id: one for one in state.instances.values() for task in one.tasks}
        hit: set[str] = set()
        for effect in outcome.effects:
            kill = effect.call.kill if isinstance(effect, Send) else None
            victim = owners.get(kill.task_id.value) if kill is not None else None
            if victim is not None and before.get(victim.id) is Goal.RUNNING and state.is_healthy(victim):
                hit.add(victim.app_id)
        self._seen.update(one.app_id for one in state.instances.values() if one.condition is Condition.RUNNING)
        made = {one.app_id for name, one in state.instances.items() if name not in before}
        for app_id in hit | made:
            app = state.apps.get(app_id)
            if app is None:
                continue
            self._numbers(state, app, hit=app_id in hit and not by_people, made=app_id in made)
            early = [one for one in _together(state, app) if _wanted(state, one) and one not in self._seen]
            if app_id in made and early:
                self._trace.violation("marathon", f"{app_id} is launched before {' '.join(early)} ever ran")

    def _numbers(self, state: State, app: App, *, hit: bool, made: bool) -> None:
        """``hit``: a healthy one was killed; ``made``: one was launched."""
        mine = state.instances_of(app.id)
        there = [one for one in mine if not one.is_terminal and not one.is_unreachable]
        least, most = _limits(app)
        if app.instances_mode == "all":
            # as many as there are agents, which the judge does not know at this moment
            least, most = 0, len({one.agent.agent_id for one in there})
        healthy = sum(1 for one in mine if state.is_healthy(one) and one.goal is Goal.RUNNING)
        if hit and healthy < least:
            self._trace.violation("marathon", f"{app.id} keeps {healthy} healthy instances of at least {least}")
        most += len(state.moves.get(app.id, ()))
        if made and len(there) > most:
            self._trace.violation("marathon", f"{app.id} has {len(there)} instances, {most} are the most")
        deployment = state.deployment_of(app.id)
        if deployment is None:
            return
        if hit and deployment.held is not None and app.instances_mode is None:
            self._trace.violation("marathon", f"an instance of {app.id} is killed while {deployment.id} is paused")
        rollout, steps = deployment.rollouts.get(app.id), (app.upgrade_strategy or UpgradeStrategy()).steps
        if made and rollout is not None and rollout.index < len(steps):
            new = sum(1 for one in there if one.config_version == app.config_version)
            share = math.ceil(app.instances * (steps[rollout.index].percent or 0.0) / 100)
            if new > share:
                self._trace.violation("marathon", f"{app.id} has {new} new instances, its step allows {share}")


def _together(state: State, app: App) -> list[str]:
    """What it depends on of what is deployed with it. (Once a deployment was cancelled by force, there is no order.)"""
    plans = [one.affected for one in state.deployments.values() if app.id in one.affected]
    return [one for one in app.dependencies if any(one in plan for plan in plans)]


def _wanted(state: State, app_id: str) -> int:
    app = state.apps.get(app_id)
    return app.instances if app is not None else 0


def _limits(app: App) -> tuple[int, int]:
    """(least healthy, most at once), as Marathon's documents have them; one more where nothing else could move."""
    strategy = app.upgrade_strategy or UpgradeStrategy()
    least = math.ceil(app.instances * strategy.minimum_health_capacity)
    most = math.trunc(app.instances * (1 + strategy.maximum_over_capacity))
    if least == most:
        return (least - 1, most) if app.is_resident else (least, most + 1)
    return least, most
