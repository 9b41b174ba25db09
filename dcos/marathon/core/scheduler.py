"""Every event of a leading Marathon goes through ``Scheduler.handle``: one writer, no waiting while deciding.

An event changes the state and marks the apps that it concerns; then ``deployments.settle`` asks ``deploy`` what each of
them needs: launches go to the queue (``launch``), kills to the master (``tasks``). Nothing is remembered about what was
asked before, so that a new leader decides the same from what is stored. A refused request changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from msgspec.structs import replace

from dcos.marathon.core import (
    autoscaling,
    deployments,
    events,
    explain,
    foreign,
    launch,
    matching,
    past,
    rebalancing,
    residents,
    rollout,
    root,
    tasks,
)
from dcos.marathon.core.errors import Invalid, Unknown, group_unknown
from dcos.marathon.core.root import Draft
from dcos.marathon.core.state import CoreSettings, State
from dcos.marathon.core.turn import Turn
from dcos.model.marathon import App
from dcos.model.marathon_state import Deployment, Goal, Group, Instance
from dcos.model.schedulers import Outcome
from dcos.scheduling import ids

Result = Deployment | tuple[Instance, ...] | None
"""What a request answers: its deployment, or the killed instances."""


class Scheduler:
    """Owns ``state``. ``ids`` gives fresh UUID texts."""

    def __init__(self, state: State, settings: CoreSettings, ids: Iterator[str]) -> None:
        self.state = state
        self.settings = settings
        self._ids = ids

    def start(self, now: float) -> Outcome[Result]:
        """After loading: the root group, and a look at every app."""
        turn = Turn(self.state, self.settings, now, self._ids)
        foreign.correct(self.state, now)
        self.state.index()
        self.state.tokens, self.state.tokens_since = self.settings.launch_tokens, now
        self.state.next_scale_check = now + self.settings.scale_check_initial_s
        if ids.ROOT not in self.state.groups:
            turn.save_group(Group(id=ids.ROOT, version=turn.new_version()))
        deployments.settle(turn)
        return Outcome(tuple(turn.effects), None)

    def handle(self, event: events.Event, now: float, *, settle: bool = True) -> Outcome[Result]:
        """Without ``settle`` what follows for the apps waits for ``settle``, once for a batch of events.

        Errors: Refused, when a request breaks a rule; nothing changed then.
        """
        turn = Turn(self.state, self.settings, now, self._ids)
        result = self._decide(turn, event)
        if settle:
            self._follow(turn)
        return Outcome(tuple(turn.effects), result)

    def settle(self, now: float) -> Outcome[Result]:
        """What follows from the events since the last time."""
        turn = Turn(self.state, self.settings, now, self._ids)
        self._follow(turn)
        return Outcome(tuple(turn.effects), None)

    def _follow(self, turn: Turn) -> None:
        deployments.settle(turn)
        if self.state.offers:
            matching.go_on(turn)
            deployments.settle(turn)
        launch.tune_offers(turn)

    def _decide(self, turn: Turn, event: events.Event) -> Result:
        match event:
            case events.Subscribed():
                self._subscribed(turn, event)
            case events.OffersReceived(offers):
                matching.receive(turn, offers)
            case events.Rescinded(offer_id):
                self.state.offers.pop(offer_id, None)
            case events.MatchMore():
                pass  # what follows from any event goes on with offers
            case events.StatusReceived(status):
                tasks.status_update(turn, status)
            case events.Disconnected():
                self.state.offers.clear()
                if self.state.subscribed:
                    self.state.subscribed = False
                    turn.publish("scheduler_disconnected_event")
            case events.CallLost(wants_offers, task_ids):
                self.state.wants_revive = self.state.wants_revive or wants_offers
                tasks.not_launched(turn, task_ids)
            case events.Probed(instance_id, index, alive, cause):
                tasks.probed(turn, instance_id, index, alive, cause)
            case events.ReadinessProbed():
                self._readiness(turn, event)
            case events.ClusterSeen(cluster):
                self.state.cluster = cluster
                rebalancing.look(turn)
                self.state.dirty |= {one.id for one in self.state.watched() if one.instances_mode is not None}
            case events.Tick():
                self._tick(turn)
            case events.ResetDelay(app_id):
                if app_id not in self.state.queue:
                    raise Unknown(f"Application {app_id} not found in tasks queue.")
                self.state.delays.pop(app_id, None)
                launch.wake(turn, app_id)
            case events.KillInstances():
                return self._kill(turn, event)
            case events.CancelDeployment(deployment_id, force):
                if not force:
                    return deployments.roll_back(turn, deployment_id)
                deployments.cancel(turn, deployments.known(turn, deployment_id), "cancelled")
            case events.SteerDeployment(deployment_id, "pause"):
                return deployments.pause(turn, deployment_id, "asked by a client")
            case events.SteerDeployment(deployment_id, action):
                return deployments.go_on(turn, deployment_id, promote=action == "promote")
            case events.Sampled(spec_id, sample):
                autoscaling.sampled(turn, spec_id, sample)
            case events.Measured(spec_id, measurement):
                rollout.note_measurement(turn, spec_id, measurement)
            case events.SetEnforceRole(group_id, enforce):
                group = self.state.groups.get(group_id)
                if group is None:
                    raise group_unknown(group_id)
                if len(ids.segments(group_id)) != 1:
                    raise Invalid([("/enforceRole", "enforceRole can only be set for top-level groups.")])
                turn.save_group(replace(group, enforce_role=enforce))
            case _:
                return self._change(turn, event)
        return None

    # ---- what clients want ----

    def _change(
        self,
        turn: Turn,
        event: events.CreateApp
        | events.PutApps
        | events.DeleteApp
        | events.RestartApp
        | events.PutPod
        | events.DeletePod
        | events.PutGroup
        | events.RollBackGroup
        | events.DeleteGroup,
    ) -> Deployment:
        draft = root.draft(turn)
        dry_run = False
        match event:
            case events.CreateApp(fields):
                root.create_app(turn, draft, fields)
            case events.PutApps(apps, partial, must_exist):
                self._put_apps(turn, draft, apps, partial, must_exist)
            case events.DeleteApp(app_id):
                root.delete_app(draft, app_id)
            case events.RestartApp(app_id):
                root.restart_app(draft, app_id)
            case events.PutPod(pod, create):
                put_pod = root.create_pod if create else root.put_pod
                put_pod(turn, draft, pod, keep_number=event.keep_number)
            case events.DeletePod(pod_id):
                root.delete_pod(draft, pod_id)
            case events.PutGroup(group_id, fields, create):
                dry_run = event.dry_run
                put = root.create_group if create else root.put_group
                put(turn, draft, group_id, fields)
            case events.RollBackGroup(group_id, earlier, specs):
                past.bring_back(draft, group_id, earlier, specs)
            case events.DeleteGroup(group_id):
                root.delete_group(draft, group_id)
            case other:
                assert_never(other)
        return deployments.commit(turn, draft, force=event.force, dry_run=dry_run)

    def _put_apps(
        self,
        turn: Turn,
        draft: Draft,
        apps: tuple[tuple[str, root.Fields | App], ...],
        partial: bool,
        must_exist: bool,
    ) -> None:
        for index, (app_id, wanted) in enumerate(apps):
            try:
                if isinstance(wanted, App):
                    root.roll_back_app(turn, draft, app_id, wanted)
                else:
                    root.put_app(turn, draft, app_id, wanted, partial=partial, must_exist=must_exist)
            except Invalid as error:
                if len(apps) == 1:
                    raise
                raise Invalid([(f"({index}){path}", text) for path, text in error.faults]) from error

    def _kill(self, turn: Turn, event: events.KillInstances) -> Result:
        root.check_exclusive(scale=event.scale, wipe=event.wipe)
        found = [self.state.instances[one] for one in event.instance_ids if one in self.state.instances]
        if event.scale:
            draft = root.draft(turn)
            specs = draft.specs()
            for spec_id in {one.app_id for one in found} & set(specs):
                going = tuple(
                    one.id
                    for one in found
                    if one.app_id == spec_id and one.goal is Goal.RUNNING and not one.is_terminal
                )
                left = max(0, specs[spec_id].instances - len(going))
                root.scale(draft, specs[spec_id], left, going)
            return deployments.commit(turn, draft, force=event.force)
        for instance in found:
            if event.wipe:
                tasks.wipe(turn, instance, "wiped by a client")
            else:
                tasks.kill(turn, instance, "asked by a client")
        for instance_id in event.instance_ids:
            launch.forget_waiting(turn, instance_id)
        return tuple(found)

    # ---- the master, checks, time ----

    def _subscribed(self, turn: Turn, event: events.Subscribed) -> None:
        state = self.state
        again = state.framework_id is not None
        turn.save_framework_id(event.framework_id)
        state.subscribed = True
        state.master = event.master
        state.home_region = event.region
        state.offers.clear()
        state.suppressed.clear()
        state.release_asked.clear()
        state.wants_revive = len(state.queue) > 0
        state.last_revive = None
        residents.sweep(turn)
        if again:
            turn.publish("scheduler_reregistered_event", master=event.master)
        else:
            turn.publish("scheduler_registered_event", frameworkId=event.framework_id, master=event.master)
        tasks.reconcile(turn, everything=True)
        state.kill_sent.clear()
        state.next_reconcile = turn.now + self.settings.reconcile_initial_s

    def _readiness(self, turn: Turn, event: events.ReadinessProbed) -> None:
        instance = self.state.instances.get(event.instance_id)
        if instance is None:
            return
        self.state.readiness[instance.id] = {
            "name": event.name,
            "taskId": instance.task.id,
            "ready": event.ready,
            **({"lastResponse": event.response} if event.response else {}),
        }
        if event.ready and instance.id not in self.state.ready:
            self.state.ready.add(instance.id)
            self.state.dirty.add(instance.app_id)

    def _tick(self, turn: Turn) -> None:
        tasks.tick(turn)
        residents.tick(turn)
        launch.tick(turn)
        launch.check_scale(turn)
        rollout.tick(turn)
        rebalancing.tick(turn)
        explain.tell(turn)
        state = self.state
        if not state.subscribed:
            return
        tasks.ask_again(turn)
        if turn.now >= state.next_reconcile:
            state.next_reconcile = turn.now + self.settings.reconcile_interval_s
            tasks.reconcile(turn, everything=False)
