"""Jobs, runs and histories as the API shows them.   Source: Metronome's API models."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import msgspec

from dcos.metronome.core import timers
from dcos.metronome.core.state import State
from dcos.model.metronome import History, Job, JobRun, RunInfo, Schedule

EMBEDS = ("activeRuns", "schedules", "history", "historySummary")
Json = dict[str, Any]


def stamp(seconds: float | None) -> str | None:
    """``2016-07-26T08:25:00.000+0000``"""
    if seconds is None:
        return None
    return (
        datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(seconds * 1000) % 1000:03d}+0000"
    )


def schedule(one: Schedule, now: float) -> Json:
    shown: Json = msgspec.to_builtins(one)
    due = timers.next_run(one, now)
    return {**shown, **({"nextRunAt": stamp(due)} if due is not None else {})}


def job(one: Job, now: float) -> Json:
    shown: Json = msgspec.to_builtins(one)
    return {**shown, "schedules": [schedule(each, now) for each in one.schedules]}


def job_info(state: State, one: Job, embed: Collection[str], now: float) -> Json:
    shown = job(one, now)
    if "activeRuns" in embed:
        shown["activeRuns"] = [run(each) for each in state.runs_of(one.id)]
    kept = state.histories.get(one.id) or History(job_id=one.id)
    if "history" in embed:
        shown["history"] = {
            **_summary(kept),
            "successfulFinishedRuns": [_info(each) for each in kept.successful],
            "failedFinishedRuns": [_info(each) for each in kept.failed],
        }
    if "historySummary" in embed:
        shown["historySummary"] = _summary(kept)
    return shown


def _summary(kept: History) -> Json:
    return {
        "successCount": kept.success_count,
        "failureCount": kept.failure_count,
        "lastSuccessAt": stamp(kept.last_success_at),
        "lastFailureAt": stamp(kept.last_failure_at),
    }


def _info(one: RunInfo) -> Json:
    times = {"createdAt": stamp(one.created_at), "finishedAt": stamp(one.finished_at)}
    return {"id": one.id, **times, "tasks": list(one.tasks)}


def run(one: JobRun) -> Json:
    return {
        "id": one.id,
        "jobId": one.job.id,
        "status": one.status.value,
        "createdAt": stamp(one.created_at),
        "completedAt": stamp(one.completed_at),
        "tasks": [
            {
                "id": task.id,
                "startedAt": stamp(task.started_at),
                **({"completedAt": stamp(task.completed_at)} if task.completed_at is not None else {}),
                "status": task.status.value,
            }
            for task in one.tasks
        ],
    }


def queue(state: State) -> list[Json]:
    """Runs that wait for an offer, by job."""
    waiting: dict[str, list[Json]] = {}
    for run_id in state.queue:
        waiting.setdefault(state.runs[run_id].job.id, []).append({"runId": run_id})
    return [{"jobId": job_id, "runs": runs} for job_id, runs in sorted(waiting.items())]
