"""Nouns of Metronome: jobs, schedules, runs, histories; in the shape of its API, which is also how they are stored.

Members that are always written have an explicit default. Times of API objects are Unix seconds here and texts there.
Source: Metronome's job specification.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dcos.model.marathon import Document, EnvSecret, NetworkMode, Parameter, SecretSource, VolumeMode
from dcos.model.v1.base import explicit


class Operator(StrEnum):
    IS = "IS"
    LIKE = "LIKE"
    UNLIKE = "UNLIKE"


class ConcurrencyPolicy(StrEnum):
    ALLOW = "ALLOW"
    FORBID = "FORBID"


class RestartPolicy(StrEnum):
    NEVER = "NEVER"
    ON_FAILURE = "ON_FAILURE"


class Dependency(Document, frozen=True):
    id: str


class Constraint(Document, frozen=True):
    attribute: str
    operator: Operator
    value: str | None = None


class Placement(Document, frozen=True):
    constraints: tuple[Constraint, ...] = explicit(())


class Artifact(Document, frozen=True):
    uri: str
    extract: bool = explicit(True)
    executable: bool = explicit(False)
    cache: bool = explicit(False)


class Docker(Document, frozen=True):
    image: str
    force_pull_image: bool = explicit(False)
    privileged: bool = explicit(False)
    parameters: tuple[Parameter, ...] = explicit(())


class UcrImage(Document, frozen=True):
    id: str
    kind: str = explicit("docker")
    force_pull: bool = explicit(False)


class Ucr(Document, frozen=True):
    image: UcrImage
    privileged: bool = explicit(False)


class Volume(Document, frozen=True):
    container_path: str
    host_path: str | None = None
    mode: VolumeMode | None = None
    secret: str | None = None


class Network(Document, frozen=True):
    mode: NetworkMode = explicit(NetworkMode.CONTAINER)
    name: str | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class Restart(Document, frozen=True):
    policy: RestartPolicy = explicit(RestartPolicy.NEVER)
    active_deadline_seconds: int | None = None


class Run(Document, frozen=True):
    """What a run of the job executes."""

    cpus: float = explicit(1.0)
    mem: float = explicit(128.0)
    disk: float = explicit(0.0)
    gpus: int = explicit(0)
    cmd: str | None = None
    args: tuple[str, ...] = ()
    user: str | None = None
    env: dict[str, str | EnvSecret] = explicit({})
    secrets: dict[str, SecretSource] = explicit({})
    docker: Docker | None = None
    ucr: Ucr | None = None
    volumes: tuple[Volume, ...] = explicit(())
    networks: tuple[Network, ...] = explicit(())
    artifacts: tuple[Artifact, ...] = explicit(())
    placement: Placement = explicit(Placement())
    max_launch_delay: int = explicit(3600)
    restart: Restart = explicit(Restart())
    task_kill_grace_period_seconds: int | None = None


class Schedule(Document, frozen=True):
    id: str
    cron: str
    timezone: str = explicit("UTC")
    starting_deadline_seconds: int = explicit(900)
    concurrency_policy: ConcurrencyPolicy = explicit(ConcurrencyPolicy.ALLOW)
    enabled: bool = explicit(True)


class Job(Document, frozen=True):
    id: str
    run: Run
    description: str | None = None
    labels: dict[str, str] = explicit({})
    dependencies: tuple[Dependency, ...] = explicit(())
    schedules: tuple[Schedule, ...] = explicit(())

    @property
    def schedule(self) -> Schedule | None:
        """The enabled one."""
        return next((one for one in self.schedules if one.enabled), None)


# ---- runs ------------------------------------------------------------------------------------------------------------


class RunStatus(StrEnum):
    STARTING = "STARTING"
    ACTIVE = "ACTIVE"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class JobTaskState(StrEnum):
    CREATED = "TASK_CREATED"
    STAGING = "TASK_STAGING"
    STARTING = "TASK_STARTING"
    RUNNING = "TASK_RUNNING"
    FINISHED = "TASK_FINISHED"
    FAILED = "TASK_FAILED"
    KILLED = "TASK_KILLED"

    @property
    def is_over(self) -> bool:
        return self in (JobTaskState.FINISHED, JobTaskState.FAILED, JobTaskState.KILLED)


class RunTask(Document, frozen=True):
    id: str
    agent_id: str
    started_at: float
    status: JobTaskState = JobTaskState.CREATED
    completed_at: float | None = None


class JobRun(Document, frozen=True):
    """One run, with the definition that it was started with."""

    id: str
    job: Job
    created_at: float
    status: RunStatus = RunStatus.STARTING
    starting_deadline_s: float | None = None
    tasks: tuple[RunTask, ...] = ()
    stopping: bool = False
    completed_at: float | None = None

    @property
    def live_task(self) -> RunTask | None:
        return next((one for one in self.tasks if not one.status.is_over), None)


class RunInfo(Document, frozen=True):
    """A finished run in the history."""

    id: str
    created_at: float
    finished_at: float
    tasks: tuple[str, ...] = ()


class History(Document, frozen=True):
    """Newest runs first."""

    job_id: str
    success_count: int = 0
    failure_count: int = 0
    last_success_at: float | None = None
    last_failure_at: float | None = None
    successful: tuple[RunInfo, ...] = ()
    failed: tuple[RunInfo, ...] = ()
