"""Times later than now: this machine's clock was set back, or a former leader's was ahead. They count from now, so that no
deadline, revive or repeated kill waits for a day. Schedules go by the clock as it is.
"""

from __future__ import annotations

from msgspec.structs import replace

from dcos.metronome.core.state import State
from dcos.model.metronome import JobRun, RunTask


def correct(state: State, now: float, *, reconcile_interval_s: float) -> None:
    """All that is known. Nothing is stored anew: the next leader does the same."""
    state.runs = {key: _run(one, now) for key, one in state.runs.items()}
    state.queue = {key: min(since, now) for key, since in state.queue.items()}
    state.kill_sent = {key: min(sent, now) for key, sent in state.kill_sent.items()}
    state.last_revive = None if state.last_revive is None else min(state.last_revive, now)
    state.next_reconcile = min(state.next_reconcile, now + reconcile_interval_s)
    state.unheard.correct(now)


def _run(one: JobRun, now: float) -> JobRun:
    tasks = tuple(_task(task, now) for task in one.tasks)
    if one.created_at <= now and all(after is before for after, before in zip(tasks, one.tasks, strict=True)):
        return one
    return replace(one, created_at=min(one.created_at, now), tasks=tasks)


def _task(one: RunTask, now: float) -> RunTask:
    return one if one.started_at <= now else replace(one, started_at=now)
