"""What the core wants stored; calls to the master are ``dcos.model.schedulers.Send``."""

from __future__ import annotations

from dataclasses import dataclass

from dcos.model.metronome import History, Job, JobRun
from dcos.model.schedulers import Send


@dataclass(frozen=True, slots=True)
class SaveJob:
    job: Job


@dataclass(frozen=True, slots=True)
class DropJob:
    """The job with its history."""

    job_id: str


@dataclass(frozen=True, slots=True)
class SaveRun:
    run: JobRun


@dataclass(frozen=True, slots=True)
class DropRun:
    job_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class SaveHistory:
    history: History


@dataclass(frozen=True, slots=True)
class SaveFrameworkId:
    framework_id: str


Effect = SaveJob | DropJob | SaveRun | DropRun | SaveHistory | SaveFrameworkId | Send
