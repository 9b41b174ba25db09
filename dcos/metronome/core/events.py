"""What clients ask of Metronome; what a master says is in ``dcos.model.schedulers``."""

from __future__ import annotations

from dataclasses import dataclass

from dcos.model.metronome import Job, Schedule
from dcos.model.schedulers import FromMaster, Tick


@dataclass(frozen=True, slots=True)
class CreateJob:
    job: Job


@dataclass(frozen=True, slots=True)
class UpdateJob:
    """``keep_schedules``: those it has stay, whatever ``job`` says of them."""

    job: Job
    keep_schedules: bool


@dataclass(frozen=True, slots=True)
class DeleteJob:
    job_id: str
    stop_runs: bool


@dataclass(frozen=True, slots=True)
class AddSchedule:
    job_id: str
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class UpdateSchedule:
    job_id: str
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class DeleteSchedule:
    job_id: str
    schedule_id: str


@dataclass(frozen=True, slots=True)
class StartRun:
    job_id: str


@dataclass(frozen=True, slots=True)
class StopRun:
    job_id: str
    run_id: str


Asked = CreateJob | UpdateJob | DeleteJob | AddSchedule | UpdateSchedule | DeleteSchedule | StartRun | StopRun
Event = Asked | FromMaster | Tick
