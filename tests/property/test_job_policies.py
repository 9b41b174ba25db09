"""Jobs run exactly as their policies say, whatever happens: Metronome's core in a small random world of ticks, offers, failures,
lost messages, clients and changes of leadership.

After every event the stored documents are what the core knows, and: FORBID begins no scheduled run beside an active one; ALLOW
begins none that its schedule does not name; NEVER has one task, ON_FAILURE another one only after a failure and within the
deadline; every run is active or in the history, once. When the world gets quiet, no run and no task is left.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.metronome.core import effects, events
from dcos.metronome.core.scheduler import Scheduler
from dcos.metronome.core.state import CoreSettings, State
from dcos.model.metronome import (
    ConcurrencyPolicy,
    Dependency,
    History,
    Job,
    JobRun,
    JobTaskState,
    Restart,
    RestartPolicy,
    Run,
    RunStatus,
    Schedule,
)
from dcos.model.resources import Resources
from dcos.model.schedulers import OffersReceived, Outcome, Refused, Send, StatusReceived, Subscribed, Tick
from dcos.model.v1 import types as t
from dcos.model.v1.scheduler import Call

BEGIN = 1_700_000_000.0
STARTING_S = 150


def _job(name: str, restart: Restart, policy: ConcurrencyPolicy | None = None, parent: str | None = None) -> Job:
    schedule = (
        (Schedule(id="s", cron="* * * * *", concurrency_policy=policy, starting_deadline_seconds=STARTING_S),)
        if policy is not None
        else ()
    )
    run = Run(cpus=0.1, mem=32.0, cmd="run", restart=restart)
    dependencies = (Dependency(id=parent),) if parent is not None else ()
    return Job(id=name, run=run, schedules=schedule, dependencies=dependencies)


NEVER, ALWAYS = Restart(), Restart(policy=RestartPolicy.ON_FAILURE)
FOR_A_WHILE = Restart(policy=RestartPolicy.ON_FAILURE, active_deadline_seconds=100)
JOBS = {
    one.id: one
    for one in (
        _job("allow", NEVER, ConcurrencyPolicy.ALLOW),
        _job("allow.again", ALWAYS, ConcurrencyPolicy.ALLOW),
        _job("forbid", ALWAYS, ConcurrencyPolicy.FORBID),
        _job("forbid.never", NEVER, ConcurrencyPolicy.FORBID),
        _job("while", FOR_A_WHILE),
        _job("after", NEVER, parent="while"),
    )
}


class World:
    """``jobs`` are there from the beginning; ``begun`` counts what was stored as new."""

    def __init__(self, jobs: list[str]) -> None:
        self.jobs: dict[str, Job] = {}
        self.runs: dict[str, JobRun] = {}
        self.histories: dict[str, History] = {}
        self.framework: str | None = None
        self.now = BEGIN
        self.numbers = itertools.count(1)
        self.tasks: dict[str, bool] = {}
        """Those that Mesos knows; whether they run."""
        self.doomed: set[str] = set()
        self.deaf = False
        self.begun: Counter[str] = Counter()
        self.scheduled: Counter[str] = Counter()
        self.since: dict[str, float] = {}
        """When the job was made."""
        self.armed: dict[str, float] = {}
        """When its timer was set last: by a change of its schedule, or by a new leader."""
        self.automatic: set[str] = set()
        """Runs that this leader began because the jobs that theirs depends on succeeded."""
        self.scheduler = self.lead()
        for name in jobs:
            self.tell(events.CreateJob(JOBS[name]))

    def ids(self) -> Iterator[str]:
        while True:
            yield f"{next(self.numbers):08x}-0000-0000-0000-000000000000"

    def lead(self) -> Scheduler:
        state = State(framework_id=self.framework, jobs=dict(self.jobs), runs=dict(self.runs))
        state.histories = dict(self.histories)
        self.armed = dict.fromkeys(self.jobs, self.now)
        self.automatic = set()
        self.scheduler = Scheduler(state, CoreSettings(min_revive_interval_s=0.0), self.ids())
        self.perform(self.scheduler.start(self.now))
        self.tell(Subscribed("F", "m"))
        return self.scheduler

    def tell(self, event: events.Event) -> None:
        before = dict(self.runs)
        with contextlib.suppress(Refused):
            self.perform(self.scheduler.handle(event, self.now))
        state = self.scheduler.state
        assert (self.jobs, self.runs, self.histories) == (state.jobs, state.runs, state.histories)
        self.check_begun(before, event)
        self.check_tasks()
        for name, history in self.histories.items():
            active = sum(1 for one in self.runs.values() if one.job.id == name)
            assert self.begun[name] == active + history.success_count + history.failure_count

    def perform(self, outcome: Outcome[object]) -> None:
        for effect in outcome.effects:
            self.store(effect)
        for effect in outcome.effects:
            if isinstance(effect, Send) and not self.deaf:
                self.take(effect.call)

    def store(self, effect: effects.Effect) -> None:
        match effect:
            case effects.SaveJob(job):
                if job.schedules and (job.id not in self.jobs or self.jobs[job.id].schedules != job.schedules):
                    self.armed[job.id] = self.now
                self.jobs[job.id] = job
                self.since.setdefault(job.id, self.now)
            case effects.DropJob(job_id):
                del self.jobs[job_id]
                for known in (self.histories, self.since):
                    known.pop(job_id, None)
                del self.begun[job_id], self.scheduled[job_id]
            case effects.SaveRun(run):
                if run.id not in self.runs:
                    self.begun[run.job.id] += 1
                self.runs[run.id] = run
            case effects.DropRun(_, run_id):
                del self.runs[run_id]
            case effects.SaveHistory(history):
                self.histories[history.job_id] = history
            case effects.SaveFrameworkId(framework_id):
                self.framework = framework_id

    def take(self, call: Call) -> None:
        if call.accept is not None:
            for operation in call.accept.operations:
                for info in operation.launch.task_infos if operation.launch else ():
                    self.tasks[info.task_id.value] = False
        elif call.kill is not None and call.kill.task_id.value in self.tasks:
            self.doomed.add(call.kill.task_id.value)

    # ---- what must hold ----

    def check_begun(self, before: dict[str, JobRun], event: events.Event) -> None:
        for run in self.runs.values():
            if run.id in before:
                continue
            if run.job.dependencies and not isinstance(event, events.StartRun):
                assert not self.automatic & set(before), "one automatic run at a time"
                self.automatic = {run.id}
            if run.starting_deadline_s is None:
                continue
            assert self.now >= self.armed[run.job.id] + 60, "right after its timer was set"
            self.scheduled[run.job.id] += 1
            minutes = self.now // 60 - self.since[run.job.id] // 60
            assert self.scheduled[run.job.id] <= minutes, "more than the schedule names"
            if run.job.schedules[0].concurrency_policy is ConcurrencyPolicy.FORBID:
                assert all(one.job.id != run.job.id for one in before.values()), "forbidden beside another"

    def check_tasks(self) -> None:
        for run in self.runs.values():
            restart = run.job.run.restart
            assert sum(1 for one in run.tasks if not one.status.is_over) <= 1, "one task at a time"
            if restart.policy is RestartPolicy.NEVER:
                assert len(run.tasks) <= 1
            limit = float("inf") if restart.active_deadline_seconds is None else restart.active_deadline_seconds
            for failed in run.tasks[:-1]:
                assert failed.status in (JobTaskState.FAILED, JobTaskState.KILLED)
                assert failed.completed_at is not None
                assert failed.completed_at < run.created_at + limit, "restarted after the deadline"
            assert run.status in (RunStatus.STARTING, RunStatus.ACTIVE), "what is over is in the history"

    # ---- what happens ----

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.tell(Tick())
        for run in self.runs.values():
            late = run.starting_deadline_s is not None and self.now > run.created_at + run.starting_deadline_s
            assert run.status is not RunStatus.STARTING or not late or run.stopping, "it started too late"

    def offer(self) -> None:
        offer = t.Offer(
            id=t.OfferID(value=f"O{next(self.numbers)}"),
            framework_id=t.FrameworkID(value="F"),
            agent_id=t.AgentID(value="S1"),
            hostname="h",
            resources=Resources.parse("cpus:8;mem:8192;disk:500;ports:[31000-31020]").messages("*"),
            allocation_info=t.ResourceAllocationInfo(role="*"),
        )
        self.tell(OffersReceived((offer,)))

    def status(self, task_id: str, state: t.TaskState) -> None:
        self.tell(
            StatusReceived(
                t.TaskStatus(
                    task_id=t.TaskID(value=task_id),
                    state=state,
                    agent_id=t.AgentID(value="S1"),
                    timestamp=self.now,
                )
            )
        )

    def run(self, task_id: str) -> None:
        self.tasks[task_id] = True
        self.status(task_id, t.TaskState.TASK_RUNNING)

    def end(self, task_id: str, state: t.TaskState) -> None:
        del self.tasks[task_id]
        self.doomed.discard(task_id)
        self.status(task_id, state)

    def reconcile(self) -> None:
        for task_id in sorted(self.scheduler.state.tasks):
            if task_id not in self.tasks:
                self.status(task_id, t.TaskState.TASK_GONE)
        for task_id, runs in sorted(self.tasks.items()):
            self.status(task_id, t.TaskState.TASK_RUNNING if runs else t.TaskState.TASK_STAGING)

    def settle(self) -> None:
        """Nothing bad happens any more, and no schedule begins more."""
        self.deaf = False
        for job in list(self.jobs.values()):
            for schedule in job.schedules:
                self.tell(events.DeleteSchedule(job.id, schedule.id))
        self.lead()
        self.reconcile()
        for _ in range(30):
            self.now += 30
            self.tell(Tick())
            for task_id in sorted(self.doomed):
                self.end(task_id, t.TaskState.TASK_KILLED)
            self.offer()
            for task_id in sorted(self.tasks):
                self.run(task_id)
                self.end(task_id, t.TaskState.TASK_FINISHED)
            if not self.runs:
                break


names = st.sampled_from(sorted(JOBS))
MOVES = (
    *("tick", "tick", "offer", "offer", "run", "run", "finish", "fail", "unreachable", "end"),
    *("lead", "deaf", "hear", "start", "stop", "off", "on", "delete"),
)


def move(world: World, name: str, data: st.DataObject) -> None:
    def some(pool: list[str]) -> str | None:
        return data.draw(st.sampled_from(sorted(pool))) if pool else None

    if name == "tick":
        world.tick(data.draw(st.sampled_from([1, 25, 61, 400])))
    elif name == "offer":
        world.offer()
    elif name == "run" and (task := some([one for one, runs in world.tasks.items() if not runs])):
        world.run(task)
    elif name == "finish" and (task := some([one for one, runs in world.tasks.items() if runs])):
        world.end(task, t.TaskState.TASK_FINISHED)
    elif name == "fail" and (task := some(list(world.tasks))):
        world.end(task, t.TaskState.TASK_FAILED)
    elif name == "unreachable" and (task := some(list(world.tasks))):
        world.status(task, t.TaskState.TASK_UNREACHABLE)
    elif name == "end" and (task := some(list(world.doomed))):
        world.end(task, t.TaskState.TASK_KILLED)
    elif name == "lead":
        world.lead()
        world.reconcile()
    elif name in ("deaf", "hear"):
        world.deaf = name == "deaf"
    elif name == "start" and (job_id := some(list(world.jobs))):
        world.tell(events.StartRun(job_id))
    elif name == "stop" and (run_id := some(list(world.runs))):
        world.tell(events.StopRun(world.runs[run_id].job.id, run_id))
    elif name == "off" and (job_id := some(list(world.jobs))):
        world.tell(events.DeleteSchedule(job_id, "s"))
    elif name == "on" and (job_id := some(list(world.jobs))):
        for schedule in JOBS[job_id].schedules:
            world.tell(events.AddSchedule(job_id, schedule))
    elif name == "delete" and (job_id := some(list(world.jobs))):
        world.tell(events.DeleteJob(job_id, data.draw(st.booleans())))


@pytest.mark.timeout(300)
@given(st.lists(names, unique=True, min_size=1), st.lists(st.sampled_from(MOVES), min_size=25, max_size=80), st.data())
@settings(max_examples=200, deadline=None)
def test_jobs_run_as_their_policies_say(jobs: list[str], story: list[str], data: st.DataObject) -> None:
    world = World(jobs)
    for name in story:
        move(world, name, data)
    world.settle()
    assert not world.runs
    assert not world.tasks
    assert not world.scheduler.state.queue
    assert not world.scheduler.state.tasks


def test_a_forbidden_run_is_skipped_and_the_next_one_is_not() -> None:
    world = World(["forbid", "allow"])
    for _ in range(5):
        world.tick(60)
        world.offer()
        for task_id in sorted(one for one, runs in world.tasks.items() if not runs):
            world.run(task_id)
    assert world.scheduled == Counter({"allow": 5, "forbid": 1})
    [blocking] = [run for run in world.runs.values() if run.job.id == "forbid"]
    world.end(blocking.tasks[0].id, t.TaskState.TASK_FINISHED)
    world.tick(60)
    assert world.scheduled == Counter({"allow": 6, "forbid": 2})


def test_what_depends_runs_once_after_each_success() -> None:
    world = World(["while", "after"])
    for round_ in (1, 2):
        world.tell(events.StartRun("while"))
        world.offer()
        [task] = world.tasks
        world.run(task)
        world.end(task, t.TaskState.TASK_FINISHED)
        assert world.begun["after"] == round_
        world.offer()
        [task] = world.tasks
        world.run(task)
        world.end(task, t.TaskState.TASK_FINISHED)
    assert world.histories["after"].success_count == 2


def test_what_depends_does_not_run_beside_itself() -> None:
    world = World(["while", "after"])
    for _ in range(2):
        world.tell(events.StartRun("while"))
        world.offer()
        task = next(one for one in world.tasks if one.startswith("while_"))
        world.run(task)
        world.end(task, t.TaskState.TASK_FINISHED)
        world.offer()
    assert world.begun["after"] == 1
