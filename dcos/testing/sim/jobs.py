"""People who want jobs run, and the judge of what becomes of them. What is stored of a run is watched: none may be lost or
done twice.

The judge reads the store's writes, not what a process thinks: a run that is stored stays until its end stands in its job's
history, once; SUCCESS needs a task that ended with 0; a run that is not to be restarted has one task.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dcos.agent.core.exits import Exit
from dcos.metronome.core import events
from dcos.model.metronome import (
    ConcurrencyPolicy,
    Dependency,
    History,
    Job,
    JobRun,
    Restart,
    RestartPolicy,
    Run,
    Schedule,
)
from dcos.model.schedulers import Refused
from dcos.store.base import Create, Delete, Operation, Set
from dcos.store.journal import decode
from dcos.testing.sim.dependants import Dependants, Ended
from dcos.testing.sim.metronome import MetronomeProcess

if TYPE_CHECKING:
    from dcos.testing.sim import machine
    from dcos.testing.sim.world import World

_BASE = "/metronome/state/"
_JOBS = ("job.a", "job.b", "job.c")
_DEPENDENT = {"job.d": ("job.a",), "job.e": ("job.b", "job.d")}
"""With those that they depend on."""
_TICKING = "job.tick"
_LEAST_S = 55.0
"""Between two runs of a schedule that names no seconds."""
_TWICE_S = 0.5
"""So near to each other, two runs are of one minute."""


@dataclass(slots=True, eq=False)
class RunNote:
    """What the store ever said of one run."""

    id: str
    job: str
    made_at: float
    scheduled: bool
    restarts: bool
    stored: bool = True
    ends: int = 0
    """How often its end stands in its job's history."""
    tasks: dict[str, machine.Run] = field(default_factory=dict)
    """Those that were started."""


class Jobs:
    """People's wishes, and the judge of what becomes of them."""

    def __init__(self, world: World, processes: list[MetronomeProcess]) -> None:
        self._world = world
        self._processes = processes
        self.runs: dict[str, RunNote] = {}
        self._of_task: dict[str, str] = {}
        self._promised: dict[str, str] = {}
        """Runs that somebody was told of, with their jobs."""
        self.jumped = False
        """Somebody's clock jumped: minutes may come twice."""
        self.ticking = False
        self.dependants = Dependants(self._violation)

    def leader(self) -> MetronomeProcess | None:
        return next((one for one in self._processes if one.state is not None), None)

    # ---- what people do ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """What there is before anything goes wrong."""
        leader = self.leader()
        if leader is None:
            return
        for job_id in (*_JOBS, *_DEPENDENT):
            self._ask(leader, events.CreateJob(self._job(job_id, _DEPENDENT.get(job_id, ()))))

    def change(self) -> None:
        """Create a job, run one, stop a run, change a schedule."""
        rng, leader = self._world.rng, self.leader()
        if leader is None or leader.state is None:
            return
        job_id, what = rng.choice((*_JOBS, *_DEPENDENT)), rng.random()
        job, parents = leader.state.jobs.get(job_id), _DEPENDENT.get(job_id, ())
        if job is None:
            self._ask(leader, events.CreateJob(self._job(job_id, parents)))
        elif parents and what < 0.7:
            self._ask(leader, events.StartRun(rng.choice(parents)))
        elif what < 0.5 or (parents and what < 0.85):
            self._ask(leader, events.StartRun(job_id))
        elif what < 0.7 and leader.state.runs:
            run = rng.choice(list(leader.state.runs.values()))
            self._ask(leader, events.StopRun(run.job.id, run.id))
        elif job.schedules:
            self._ask(leader, events.DeleteSchedule(job_id, job.schedules[0].id))
        elif not parents:
            self._ask(leader, events.AddSchedule(job_id, self._schedule(rng.choice(("* * * * *", "*/2 * * * *")))))

    def _schedule(self, cron: str) -> Schedule:
        policy = self._world.rng.choice((ConcurrencyPolicy.ALLOW, ConcurrencyPolicy.FORBID))
        return Schedule(id="default", cron=cron, concurrency_policy=policy)

    def _job(self, job_id: str, parents: Sequence[str]) -> Job:
        rng = self._world.rng
        policy = rng.choice((RestartPolicy.NEVER, RestartPolicy.NEVER, RestartPolicy.ON_FAILURE))
        restart = Restart(policy=policy, active_deadline_seconds=30 if policy is RestartPolicy.ON_FAILURE else None)
        words = f"run {rng.choice((1.0, 10.0, 70.0))} {rng.choice((0, 0, 1))} {rng.choice((0.1, 1.0, -1.0))}"
        depends = tuple(Dependency(id=one) for one in parents)
        return Job(id=job_id, run=Run(cpus=0.05, mem=16.0, cmd=words, restart=restart), dependencies=depends)

    def _ask(self, leader: MetronomeProcess, event: events.Asked) -> None:
        assert leader.life is not None
        leader.life.spawn(self._asked(leader, event), "request")

    async def _asked(self, leader: MetronomeProcess, event: events.Asked) -> None:
        assert leader.service is not None
        if leader.service.leader is None:
            return
        if isinstance(event, events.StartRun):
            self.dependants.asked(leader.session.id, event.job_id)
        with contextlib.suppress(Refused):
            done = await leader.service.leader.loop.ask(event)
            self._world.trace(leader.name, "did", type(event).__name__, getattr(done, "id", ""))
            if isinstance(event, events.StartRun) and isinstance(done, JobRun):
                self._promised[done.id] = event.job_id

    def calm(self) -> None:
        """No schedule fires any more, but one that is watched."""
        leader = self.leader()
        state = leader.state if leader is not None else None
        if leader is None or state is None:
            return
        for job in state.jobs.values():
            if job.schedules and not (job.id == _TICKING and self.ticking):
                self._ask(leader, events.DeleteSchedule(job.id, job.schedules[0].id))
        if self.ticking and _TICKING not in state.jobs:
            run = Run(cpus=0.05, mem=16.0, cmd="run 1 0 0")
            job = Job(id=_TICKING, run=run, schedules=(Schedule(id="default", cron="* * * * *"),))
            self._ask(leader, events.CreateJob(job))

    # ---- what the store is told --------------------------------------------------------------------------------------

    def observe(self, session: int, operations: Sequence[Operation]) -> None:
        """One transaction."""
        gone: list[str] = []
        dropped: set[str] = set()
        specs: list[Job] = []
        begun: list[JobRun] = []
        ended: list[Ended] = []
        for one in operations:
            if not one.path.startswith(_BASE):
                continue
            kind, _, name = one.path.removeprefix(_BASE).partition("/")
            name = name.rpartition("/")[2]
            match kind, one:
                case "job-runs", Create() | Set() if one.data:
                    run = decode(one.data, JobRun)
                    self._run_stored(run, new=isinstance(one, Create))
                    begun += [run] if isinstance(one, Create) else []
                case "job-runs", Delete():
                    gone.append(name)
                case "job-histories", Create() | Set() if one.data:
                    ended += self._history(decode(one.data, History))
                case "job-specs", Create() | Set() if one.data:
                    specs.append(decode(one.data, Job))
                case "job-specs", Delete():
                    dropped.add(name)
                case _:
                    pass
        for name in gone:
            note = self.runs[name]
            note.stored = False
            if note.ends != 1 and note.job not in dropped:
                self._violation(f"run {name} is gone and stands {note.ends} times in the history")

        if specs or begun or ended or gone:
            self.dependants.stored(session, specs, begun, ended, gone)

    def _run_stored(self, run: JobRun, *, new: bool) -> None:
        for task in run.tasks:
            self._of_task[task.id] = run.id
        if not new:
            return
        now = self._world.loop.time()
        scheduled = run.starting_deadline_s is not None
        self._world.trace("store", "run", run.id, run.job.id, "by schedule" if scheduled else "")
        earlier = [one for one in self.runs.values() if one.job == run.job.id]
        restarts = run.job.run.restart.policy is RestartPolicy.ON_FAILURE
        if run.id in self.runs:
            self._violation(f"run {run.id} is stored again")
        self.runs[run.id] = RunNote(run.id, run.job.id, now, scheduled, restarts)
        schedule = run.job.schedule
        if not scheduled or schedule is None:
            return
        before = [one.made_at for one in earlier if one.scheduled]
        close = [at for at in before if now - at < _LEAST_S]
        # a timer's first run may be up to a minute late, and the second in time
        late = close and not any(at < close[0] and close[0] - at < _LEAST_S for at in before)
        if not self.jumped and (len(close) > 1 or (close and (now - close[0] < _TWICE_S or not late))):
            self._violation(f"{run.job.id} was begun twice for one minute")
        if schedule.concurrency_policy is ConcurrencyPolicy.FORBID and any(one.stored for one in earlier):
            self._violation(f"{run.job.id} was begun while a run of it is not over")

    def _history(self, history: History) -> list[Ended]:
        """The ends that are new in it."""
        ends = [one.id for one in (*history.successful, *history.failed)]
        fresh = []
        for name in dict.fromkeys(ends):
            if name in self.runs:
                if not self.runs[name].ends:
                    fresh.append(name)
                self.runs[name].ends = ends.count(name)
        for one in history.successful:
            note = self.runs.get(one.id)
            if note is not None and note.stored and not any(_succeeded(run.how) for run in note.tasks.values()):
                self._violation(f"run {one.id} is told to have succeeded and no task of it has")
        won = {one.id for one in history.successful}
        return [Ended(name, history.job_id, name in won) for name in fresh]

    # ---- what machines do --------------------------------------------------------------------------------------------

    def started(self, run: machine.Run) -> None:
        """A task runs now."""
        note = self.runs.get(self._of_task.get(run.task, ""))
        if note is None:
            return
        before = list(note.tasks.values())
        note.tasks[run.task] = run
        if before and not note.restarts:
            self._violation(f"run {note.id} is not to be restarted and has a second task, {run.task}")
        alive = [one for one in before if one.live and not self._world.truth.was_given_up(one)]
        if alive:
            self._violation(f"run {note.id} has {run.task} while {alive[0].task} runs")

    def owns(self, task: str) -> bool:
        return task in self._of_task

    def living(self) -> list[str]:
        return [task for note in self.runs.values() for task, run in note.tasks.items() if run.live]

    def _violation(self, text: str) -> None:
        self._world.trace.violation("jobs", text)

    # ---- once all is quiet -------------------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """What is not as it must be (yet)."""
        if not self._processes:
            return []
        self.calm()
        leaders = [one.state for one in self._processes if one.state is not None]
        if len(leaders) != 1:
            return [f"{len(leaders)} Metronomes lead"]
        (state,) = leaders
        if not state.subscribed:
            return ["Metronome is not subscribed"]
        out = [f"run {run.id} of {run.job.id} is {run.status}" for run in state.runs.values() if run.job.id != _TICKING]
        out += [f"{task} of a run runs on" for task in self.living() if self._job_of(task) != _TICKING]
        for name, job in self._promised.items():
            note = self.runs.get(name)
            if note is None or note.ends != 1:
                out.append(f"run {name} of {job} was promised and has {note.ends if note else 'no'} end")
        return out

    def _job_of(self, task: str) -> str:
        return self.runs[self._of_task[task]].job

    def missed(self, since: float, until: float, *, roomy: bool) -> list[str]:
        """Minutes in which the watched schedule did not begin a run that ended. ``roomy``: there is place for all."""
        notes = [one for one in self.runs.values() if one.job == _TICKING and since <= one.made_at <= until]
        wanted = int((until - since) / 60.0) - 2
        out = [] if len(notes) >= wanted else [f"the schedule began {len(notes)} runs, {wanted} are the least"]
        return out + [
            f"run {one.id} did not end"
            for one in notes
            if one.made_at < until - 50.0 and one.ends != 1 and (roomy or one.tasks)
        ]


def _succeeded(how: object) -> bool:
    return isinstance(how, Exit) and how.code == 0
