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
from dcos.model.marathon_state import Condition
from dcos.model.schedulers import Outcome, Send

if TYPE_CHECKING:
    from dcos.marathon.core.state import State
    from dcos.testing.sim.trace import Trace

_BY_PEOPLE = (events.KillInstances, events.DeleteApp, events.DeletePod, events.DeleteGroup)


class Upgrades:
    """Of one world's Marathons, whoever leads."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._killed: set[str] = set()
        """Tasks that were told to end."""
        self._seen: set[str] = set()
        """Apps of which an instance has run."""

    @contextlib.contextmanager
    def judging(self) -> Iterator[None]:
        handle, settle, judge = Scheduler.handle, Scheduler.settle, self._judge

        def handled(core: Scheduler, event: events.Event, now: float, **how: Any) -> Outcome[Any]:
            before = set(core.state.instances)
            outcome = handle(core, event, now, **how)
            judge(core.state, before, outcome, by_people=isinstance(event, _BY_PEOPLE))
            return outcome

        def settled(core: Scheduler, now: float) -> Outcome[Any]:
            before = set(core.state.instances)
            outcome = settle(core, now)
            judge(core.state, before, outcome, by_people=False)
            return outcome

        with mock.patch.object(Scheduler, "handle", handled), mock.patch.object(Scheduler, "settle", settled):
            yield

    def _judge(self, state: State, before: set[str], outcome: Outcome[Any], *, by_people: bool) -> None:
        owners = {task.id: one for one in state.instances.values() for task in one.tasks}
        hit: set[str] = set()
        for effect in outcome.effects:
            kill = effect.call.kill if isinstance(effect, Send) else None
            if kill is None or kill.task_id.value in self._killed:
                continue
            self._killed.add(kill.task_id.value)
            victim = owners.get(kill.task_id.value)
            if victim is not None and victim.condition is Condition.RUNNING:
                hit.add(victim.app_id)
        self._seen.update(one.app_id for one in state.instances.values() if one.condition is Condition.RUNNING)
        made = {one.app_id for name, one in state.instances.items() if name not in before}
        for app_id in hit | made:
            app = state.apps.get(app_id)
            if app is None:
                continue
            least, most = _limits(app)
            mine = [one for one in state.instances.values() if one.app_id == app_id]
            healthy = sum(1 for one in mine if one.condition is Condition.RUNNING and one.task.id not in self._killed)
            if app_id in hit and not by_people and healthy < least:
                self._trace.violation("marathon", f"{app_id} keeps {healthy} healthy instances of at least {least}")
            there = sum(1 for one in mine if not one.is_terminal and not one.is_unreachable)
            if app_id in made and there > most:
                self._trace.violation("marathon", f"{app_id} has {there} instances, {most} are the most")
            early = [one for one in _together(state, app) if _wanted(state, one) and one not in self._seen]
            if app_id in made and early:
                self._trace.violation("marathon", f"{app_id} is launched before {' '.join(early)} ever ran")


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
    return least, most + 1 if least == most else most
