"""Why requests are refused. ``body`` is what the client reads.   Source: Metronome's ErrorDetail and its controllers."""

from __future__ import annotations

from collections.abc import Sequence

from dcos.model.schedulers import Conflict, Unknown


class Missing(Unknown):
    """Something named in the path does not exist; ``names`` says what, beside the text."""

    def __init__(self, text: str, **names: str) -> None:
        super().__init__(text)
        self.names = names


def job_unknown(job_id: str) -> Missing:
    return Missing("Job not found", id=job_id)


def schedule_unknown(schedule_id: str) -> Missing:
    return Missing("Schedule not found", id=schedule_id)


def run_unknown(job_id: str, run_id: str) -> Missing:
    return Missing("Job Run not found", jobSpec=job_id, id=run_id)


def job_exists() -> Conflict:
    return Conflict("Job with this id already exists")


def active_runs() -> Conflict:
    return Conflict("There are active job runs. Override with stopCurrentJobRuns=true")


def has_dependants(job_ids: Sequence[str]) -> Conflict:
    return Conflict(f"There are jobs that depend on this one: {', '.join(job_ids)}")


def schedule_exists(schedule_id: str) -> Conflict:
    return Conflict(f"requirement failed: A schedule with id {schedule_id} already exists")


def one_schedule_only() -> Conflict:
    return Conflict("requirement failed: Only one schedule supported at the moment")
