"""When schedules fire. Ticks that passed while nobody led are not made up for.

A timer fires a minute after it was set at the earliest; the next time is the one after the last *scheduled* time.
Source: Metronome's JobSpecServiceActor.
"""

from __future__ import annotations

from dcos.metronome.core import cron, runs, spec
from dcos.metronome.core.state import Timer, Turn
from dcos.model.metronome import ConcurrencyPolicy, Job, Schedule

SHORTEST_S = 60.0


def next_run(schedule: Schedule, after: float) -> float | None:
    """The first time that the schedule names later than ``after``; None: never again."""
    return cron.parse(schedule.cron).after(after, spec.zone(schedule))


def arm(turn: Turn, job: Job) -> None:
    """Set the job's timer anew: it is new, was changed, or another leader leads."""
    turn.state.timers.pop(job.id, None)
    schedule = job.schedule
    due = next_run(schedule, turn.now) if schedule else None
    if due is not None:
        turn.state.timers[job.id] = Timer(due, max(due, turn.now + SHORTEST_S))


def tick(turn: Turn) -> None:
    for job_id, timer in list(turn.state.timers.items()):
        if turn.now < timer.at:
            continue
        job = turn.state.jobs[job_id]
        schedule = job.schedule
        if schedule is None:
            del turn.state.timers[job_id]
            continue
        if schedule.concurrency_policy is ConcurrencyPolicy.ALLOW or not turn.state.runs_of(job_id):
            runs.begin(turn, job, starting_deadline_s=schedule.starting_deadline_seconds)
        due = next_run(schedule, timer.due)
        if due is None:
            del turn.state.timers[job_id]
        else:
            turn.state.timers[job_id] = Timer(due, max(due, timer.due + SHORTEST_S, turn.now + 1.0))
