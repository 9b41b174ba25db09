"""Every event of a leading Metronome goes through ``Scheduler.handle``: one writer, no waiting while deciding.

A refused request changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import assert_never

from msgspec.structs import replace

from dcos.metronome.core import events, foreign, launch, runs, spec, timers
from dcos.metronome.core.errors import (
    active_runs,
    has_dependants,
    job_exists,
    job_unknown,
    one_schedule_only,
    run_unknown,
    schedule_exists,
    schedule_unknown,
)
from dcos.metronome.core.state import CoreSettings, State, Turn
from dcos.model.metronome import Job, JobRun, Schedule
from dcos.model.schedulers import (
    CallLost,
    Disconnected,
    OffersReceived,
    Outcome,
    Rescinded,
    StatusReceived,
    Subscribed,
    Tick,
)
from dcos.scheduling import calls

Result = Job | JobRun | None
"""What a request answers."""


class Scheduler:
    """Owns ``state``. ``ids`` gives fresh UUID texts."""

    def __init__(self, state: State, settings: CoreSettings, ids: Iterator[str]) -> None:
        self.state = state
        self.settings = settings
        self._ids = ids
        self._latest = 0.0

    def _turn(self, now: float) -> Turn:
        if now < self._latest:
            self._correct(now)
        self._latest = now
        return Turn(self.state, self.settings, now, partial(next, self._ids))

    def start(self, now: float) -> Outcome[Result]:
        """After loading: runs without a task wait again, timers are set."""
        self._correct(now)
        turn = self._turn(now)
        for run in list(self.state.runs.values()):
            for task in run.tasks:
                if not task.status.is_over:
                    self.state.tasks[task.id] = run.id
            if run.live_task is None and not run.stopping:
                runs.queue(turn, run)
            elif run.live_task is None:
                runs.stop(turn, run)
        for job in self.state.jobs.values():
            timers.arm(turn, job)
        return Outcome(tuple(turn.effects), None)

    def _correct(self, now: float) -> None:
        foreign.correct(self.state, now, reconcile_interval_s=self.settings.reconcile_interval_s)

    def handle(self, event: events.Event, now: float, *, settle: bool = True) -> Outcome[Result]:
        """Errors: Refused, when a request breaks a rule; nothing changed then."""
        turn = self._turn(now)
        result = self._decide(turn, event)
        if settle:
            launch.tune_offers(turn)
        return Outcome(tuple(turn.effects), result)

    def settle(self, now: float) -> Outcome[Result]:
        turn = self._turn(now)
        launch.tune_offers(turn)
        return Outcome(tuple(turn.effects), None)

    def _decide(self, turn: Turn, event: events.Event) -> Result:
        match event:
            case Subscribed():
                self._subscribed(turn, event)
            case OffersReceived(offers):
                launch.offers(turn, offers)
            case StatusReceived(status):
                runs.status_update(turn, status)
            case Rescinded():
                pass  # offers are answered as they come
            case Disconnected():
                self.state.subscribed = False
            case CallLost(wants_offers, task_ids):
                self.state.wants_revive = self.state.wants_revive or wants_offers
                runs.not_launched(turn, task_ids)
            case Tick():
                self._tick(turn)
            case _:
                return self._asked(turn, event)
        return None

    # ---- what clients want ----

    def _asked(self, turn: Turn, event: events.Asked) -> Result:
        match event:
            case events.CreateJob(job):
                return self._create(turn, job)
            case events.UpdateJob(job, keep_schedules):
                kept = self._job(job.id).schedules if keep_schedules else job.schedules
                return self._change(turn, replace(job, schedules=kept))
            case events.DeleteJob(job_id, stop_runs):
                return self._delete(turn, job_id, stop_runs=stop_runs)
            case events.AddSchedule(job_id, schedule):
                job = self._job(job_id)
                if any(one.id == schedule.id for one in job.schedules):
                    raise schedule_exists(schedule.id)
                if job.schedules:
                    raise one_schedule_only()
                return self._with_schedules(turn, job, (schedule,))
            case events.UpdateSchedule(job_id, schedule):
                job = self._job(job_id)
                self._schedule(job, schedule.id)
                return self._with_schedules(
                    turn, job, tuple(schedule if one.id == schedule.id else one for one in job.schedules)
                )
            case events.DeleteSchedule(job_id, schedule_id):
                job = self._job(job_id)
                self._schedule(job, schedule_id)
                return self._with_schedules(turn, job, tuple(one for one in job.schedules if one.id != schedule_id))
            case events.StartRun(job_id):
                return runs.begin(turn, self._job(job_id))
            case events.StopRun(job_id, run_id):
                self._job(job_id)
                run = self.state.runs.get(run_id)
                if run is None or run.job.id != job_id:
                    raise run_unknown(job_id, run_id)
                return run if run.stopping else runs.stop(turn, run)
            case other:
                assert_never(other)

    def _create(self, turn: Turn, job: Job) -> Job:
        if job.id in self.state.jobs:
            raise job_exists()
        spec.check_dependencies(job, self.state.jobs)
        turn.save_job(job)
        timers.arm(turn, job)
        return job

    def _change(self, turn: Turn, job: Job) -> Job:
        before = self._job(job.id)
        spec.check_dependencies(job, self.state.jobs)
        turn.save_job(job)
        if job.schedules != before.schedules:
            timers.arm(turn, job)
        return job

    def _with_schedules(self, turn: Turn, job: Job, schedules: tuple[Schedule, ...]) -> Job:
        changed = replace(job, schedules=schedules)
        if job.dependencies and schedules:
            raise spec.no_schedule_beside_dependencies()
        return self._change(turn, changed)

    def _delete(self, turn: Turn, job_id: str, *, stop_runs: bool) -> Job:
        job = self._job(job_id)
        dependants = spec.dependants(job_id, self.state.jobs)
        if dependants:
            raise has_dependants(dependants)
        active = self.state.runs_of(job_id)
        if active and not stop_runs:
            raise active_runs()
        for run in active:
            runs.stop(turn, run)
        turn.drop_job(job_id)
        return job

    def _job(self, job_id: str) -> Job:
        if job_id not in self.state.jobs:
            raise job_unknown(job_id)
        return self.state.jobs[job_id]

    def _schedule(self, job: Job, schedule_id: str) -> None:
        if all(one.id != schedule_id for one in job.schedules):
            raise schedule_unknown(schedule_id)

    # ---- the master, time ----

    def _subscribed(self, turn: Turn, event: Subscribed) -> None:
        state = self.state
        turn.save_framework_id(event.framework_id)
        state.subscribed = True
        state.suppressed = False
        state.wants_revive = bool(state.queue)
        state.last_revive = None
        state.kill_sent.clear()
        asked = self._live_tasks()
        state.unheard.begin((task_id for task_id, _ in asked), turn.now)
        self._reconcile(turn)

    def _live_tasks(self) -> list[tuple[str, str]]:
        return [
            (task.id, task.agent_id)
            for run in self.state.runs.values()
            for task in run.tasks
            if not task.status.is_over
        ]

    def _reconcile(self, turn: Turn) -> None:
        self.state.next_reconcile = turn.now + self.settings.reconcile_interval_s
        for call in (*calls.reconcile(self._live_tasks()), calls.reconcile_all()):
            turn.send(call)

    def _tick(self, turn: Turn) -> None:
        timers.tick(turn)
        runs.tick(turn)
        if not self.state.subscribed:
            return
        due = self.state.unheard.due(turn.now)
        if due:
            live = self._live_tasks()
            self.state.unheard.task_ids &= {task_id for task_id, _ in live}
            for call in calls.reconcile([one for one in live if one[0] in due]):
                turn.send(call)
        if turn.now >= self.state.next_reconcile:
            self._reconcile(turn)
