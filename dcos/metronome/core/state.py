"""Everything the leader knows. Owned by the scheduler core and changed in place, through ``Turn`` where it is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dcos.metronome.core import effects
from dcos.model.metronome import History, Job, JobRun
from dcos.model.schedulers import Send
from dcos.model.v1.scheduler import Call
from dcos.scheduling.build import TaskSettings
from dcos.scheduling.match import Policy
from dcos.scheduling.unheard import Unheard


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """Times in seconds."""

    role: str = "*"
    policy: Policy = field(default_factory=Policy)
    task: TaskSettings = field(default_factory=TaskSettings)
    history_count: int = 1000
    decline_s: float = 300.0
    min_revive_interval_s: float = 5.0
    launch_confirm_timeout_s: float = 300.0
    launch_timeout_s: float = 300.0
    kill_retry_s: float = 10.0
    reconcile_interval_s: float = 900.0


@dataclass(slots=True)
class Timer:
    """When a job's schedule fires next: ``due`` is what cron says, ``at`` never less than a minute after it was set."""

    due: float
    at: float


@dataclass(slots=True)
class State:
    # stored
    framework_id: str | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    runs: dict[str, JobRun] = field(default_factory=dict)
    """Those that are not over, by id."""
    histories: dict[str, History] = field(default_factory=dict)
    # made anew by each leader
    tasks: dict[str, str] = field(default_factory=dict)
    """Task id to run id, of tasks that are not over."""
    queue: dict[str, float] = field(default_factory=dict)
    """Runs that wait for an offer, with the time since when."""
    timers: dict[str, Timer] = field(default_factory=dict)
    moment: int = 0
    """Counts what matters to jobs that depend on others, since this leader leads: clocks may be set back."""
    last: dict[str, tuple[bool, int]] = field(default_factory=dict)
    """Per job whether its latest finished run succeeded, and at which moment that ended."""
    last_success: dict[str, int] = field(default_factory=dict)
    last_start: dict[str, int] = field(default_factory=dict)
    automatic: dict[str, str] = field(default_factory=dict)
    """Per job the run that was begun because the jobs it depends on succeeded."""
    kill_sent: dict[str, float] = field(default_factory=dict)
    subscribed: bool = False
    suppressed: bool = False
    wants_revive: bool = False
    last_revive: float | None = None
    next_reconcile: float = 0.0
    unheard: Unheard = field(default_factory=Unheard)

    def runs_of(self, job_id: str) -> list[JobRun]:
        """Oldest first."""
        return sorted(
            (run for run in self.runs.values() if run.job.id == job_id), key=lambda one: (one.created_at, one.id)
        )


class Turn:
    """One batch of decisions over ``state``. ``fresh`` gives a new UUID text."""

    def __init__(self, state: State, settings: CoreSettings, now: float, fresh: Callable[[], str]) -> None:
        self.state = state
        self.settings = settings
        self.now = now
        self.fresh = fresh
        self.effects: list[effects.Effect] = []

    def send(self, call: Call, reason: str = "") -> None:
        self.effects.append(Send(call, reason))

    def moment(self) -> int:
        """The next one."""
        self.state.moment += 1
        return self.state.moment

    def save_job(self, job: Job) -> None:
        self.state.jobs[job.id] = job
        self.effects.append(effects.SaveJob(job))

    def drop_job(self, job_id: str) -> None:
        state = self.state
        del state.jobs[job_id]
        for gone in (
            state.histories,
            state.timers,
            state.last,
            state.last_success,
            state.last_start,
            state.automatic,
        ):
            gone.pop(job_id, None)
        self.effects.append(effects.DropJob(job_id))

    def save_run(self, run: JobRun) -> None:
        self.state.runs[run.id] = run
        for task in run.tasks:
            if task.status.is_over:
                self.state.tasks.pop(task.id, None)
            else:
                self.state.tasks[task.id] = run.id
        self.effects.append(effects.SaveRun(run))

    def drop_run(self, run: JobRun) -> None:
        state = self.state
        del state.runs[run.id]
        state.queue.pop(run.id, None)
        for task in run.tasks:
            state.tasks.pop(task.id, None)
            state.kill_sent.pop(task.id, None)
        if state.automatic.get(run.job.id) == run.id:
            del state.automatic[run.job.id]
        self.effects.append(effects.DropRun(run.job.id, run.id))

    def save_history(self, history: History) -> None:
        self.state.histories[history.job_id] = history
        self.effects.append(effects.SaveHistory(history))

    def save_framework_id(self, framework_id: str) -> None:
        if self.state.framework_id != framework_id:
            self.state.framework_id = framework_id
            self.effects.append(effects.SaveFrameworkId(framework_id))
