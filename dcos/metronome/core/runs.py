"""What becomes of a run: STARTING until a task of it was seen, ACTIVE, then SUCCESS or FAILED and into the history.

A run is one task at a time; ``restart.policy`` ON_FAILURE launches another one while its deadline allows. A task that is
unreachable or lost counts as failed. Source: Metronome's JobRunExecutorActor.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec.structs import replace

from dcos.metronome.core import task
from dcos.metronome.core.state import Turn
from dcos.model.metronome import (
    History,
    Job,
    JobRun,
    JobTaskState,
    RestartPolicy,
    RunInfo,
    RunStatus,
    RunTask,
)
from dcos.model.v1.types import TaskState, TaskStatus
from dcos.scheduling import calls
from dcos.scheduling.build import kill_policy

_STATES = {
    TaskState.TASK_STAGING: JobTaskState.STAGING,
    TaskState.TASK_STARTING: JobTaskState.STARTING,
    TaskState.TASK_RUNNING: JobTaskState.RUNNING,
    TaskState.TASK_KILLING: JobTaskState.RUNNING,
    TaskState.TASK_FINISHED: JobTaskState.FINISHED,
    TaskState.TASK_KILLED: JobTaskState.KILLED,
}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def begin(turn: Turn, job: Job, *, starting_deadline_s: float | None = None) -> JobRun:
    """A new run, stored and waiting for an offer."""
    run = JobRun(id=_fresh_id(turn), job=job, created_at=turn.now, starting_deadline_s=starting_deadline_s)
    turn.save_run(run)
    turn.state.last_start[job.id] = turn.moment()
    if job.id not in turn.state.histories:
        turn.save_history(History(job_id=job.id))
    queue(turn, run)
    return run


def _fresh_id(turn: Turn) -> str:
    stamp = datetime.fromtimestamp(turn.now, UTC).strftime("%Y%m%d%H%M%S")
    number = int(turn.fresh().replace("-", ""), 16)
    letters = []
    for _ in range(5):
        number, rest = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[rest])
    return stamp + "".join(letters)


def queue(turn: Turn, run: JobRun) -> None:
    turn.state.queue[run.id] = turn.now
    turn.state.wants_revive = True


def launched(turn: Turn, run: JobRun, task_id: str, agent_id: str) -> None:
    turn.state.queue.pop(run.id, None)
    turn.save_run(replace(run, tasks=(*run.tasks, RunTask(id=task_id, agent_id=agent_id, started_at=turn.now))))


def not_launched(turn: Turn, task_ids: Iterable[str]) -> None:
    """The master never took these launches: forget the tasks, wait for another offer."""
    for task_id in task_ids:
        run = _run_of(turn, task_id)
        if run is None:
            continue
        wanted = next(one for one in run.tasks if one.id == task_id)
        if wanted.status is not JobTaskState.CREATED:
            continue
        turn.state.tasks.pop(task_id, None)
        run = replace(run, tasks=tuple(one for one in run.tasks if one.id != task_id))
        turn.save_run(run)
        if run.stopping:
            _finish(turn, run, succeeded=False)
        else:
            queue(turn, run)


# ---- updates ---------------------------------------------------------------------------------------------------------


def status_update(turn: Turn, status: TaskStatus) -> None:
    turn.state.unheard.task_ids.discard(status.task_id.value)
    run = _run_of(turn, status.task_id.value)
    state = _STATES.get(status.state, JobTaskState.FAILED)
    if run is not None:
        _moved(turn, run, status.task_id.value, state)
    elif not state.is_over:
        agent = status.agent_id.value if status.agent_id else None
        turn.send(calls.kill(status.task_id.value, agent), "a task of no run")
    acknowledgement = calls.acknowledge(status)
    if acknowledgement is not None:
        turn.send(acknowledgement)  # after what the update changed is stored


def _run_of(turn: Turn, task_id: str) -> JobRun | None:
    return turn.state.runs.get(turn.state.tasks.get(task_id, ""))


def _moved(turn: Turn, run: JobRun, task_id: str, state: JobTaskState) -> None:
    before = next(one for one in run.tasks if one.id == task_id)
    if state is before.status:
        return
    moved = replace(before, status=state, completed_at=turn.now if state.is_over else None)
    run = replace(run, tasks=tuple(moved if one.id == task_id else one for one in run.tasks))
    if not state.is_over:
        turn.save_run(replace(run, status=RunStatus.ACTIVE))
        return
    turn.state.kill_sent.pop(task_id, None)
    if state is JobTaskState.FINISHED and not run.stopping:
        turn.save_run(run)
        _finish(turn, run, succeeded=True)
    elif run.stopping or not _may_restart(turn, run):
        turn.save_run(run)
        _finish(turn, run, succeeded=False)
    else:
        turn.save_run(run)
        queue(turn, run)


def _may_restart(turn: Turn, run: JobRun) -> bool:
    restart = run.job.run.restart
    if restart.policy is not RestartPolicy.ON_FAILURE:
        return False
    deadline_s = restart.active_deadline_seconds
    return deadline_s is None or turn.now < run.created_at + deadline_s


# ---- ends ------------------------------------------------------------------------------------------------------------


def stop(turn: Turn, run: JobRun) -> JobRun:
    """End a run as failed, at once or when its task is gone; the run as it is then."""
    turn.state.queue.pop(run.id, None)
    live = run.live_task
    run = replace(run, stopping=True)
    if live is None:
        return _finish(turn, run, succeeded=False)
    turn.save_run(run)
    send_kill(turn, run, live, "its run is stopped")
    return run


def send_kill(turn: Turn, run: JobRun, live: RunTask, reason: str) -> None:
    turn.state.kill_sent[live.id] = turn.now
    policy = kill_policy(task.app_of(run, turn.settings.role).task_kill_grace_period_seconds)
    turn.send(calls.kill(live.id, live.agent_id, policy), reason)


def _finish(turn: Turn, run: JobRun, *, succeeded: bool) -> JobRun:
    state = turn.state
    done = replace(run, status=RunStatus.SUCCESS if succeeded else RunStatus.FAILED, completed_at=turn.now)
    turn.drop_run(done)
    if run.job.id not in state.jobs:
        return done
    info = RunInfo(id=run.id, created_at=run.created_at, finished_at=turn.now, tasks=tuple(one.id for one in run.tasks))
    before = state.histories.get(run.job.id) or History(job_id=run.job.id)
    most = turn.settings.history_count
    if succeeded:
        turn.save_history(
            replace(
                before,
                success_count=before.success_count + 1,
                last_success_at=turn.now,
                successful=(info, *before.successful)[:most],
            )
        )
    else:
        turn.save_history(
            replace(
                before,
                failure_count=before.failure_count + 1,
                last_failure_at=turn.now,
                failed=(info, *before.failed)[:most],
            )
        )
    moment = turn.moment()
    state.last[run.job.id] = (succeeded, moment)
    if succeeded:
        state.last_success[run.job.id] = moment
        _begin_dependants(turn, run.job.id)
    return done


def _begin_dependants(turn: Turn, parent: str) -> None:
    """Jobs whose parents all succeeded last, since their own last success, and that were not begun since."""
    state = turn.state
    for job in list(state.jobs.values()):
        parents = [one.id for one in job.dependencies]
        if parent not in parents or job.id in state.automatic:
            continue
        ends = [state.last.get(name, (False, 0)) for name in parents]
        last_success = state.last_success.get(job.id, 0)
        if not all(succeeded and ended > last_success for succeeded, ended in ends):
            continue
        if state.last_start.get(job.id, 0) < max(ended for _, ended in ends):
            state.automatic[job.id] = begin(turn, job).id


# ---- time ------------------------------------------------------------------------------------------------------------


def tick(turn: Turn) -> None:
    """Deadlines of runs, launches and kills."""
    settings = turn.settings
    for run in list(turn.state.runs.values()):
        deadline = run.starting_deadline_s
        late = run.status is RunStatus.STARTING and deadline is not None and turn.now > run.created_at + deadline
        if late and not run.stopping:
            stop(turn, run)
            continue
        live = run.live_task
        if live is None:
            continue
        sent = turn.state.kill_sent.get(live.id)
        if run.stopping:
            if sent is None or turn.now - sent >= settings.kill_retry_s:
                send_kill(turn, run, live, "the kill was not answered yet")
        elif sent is None and turn.now - live.started_at > _launch_limit_s(turn, live):
            send_kill(turn, run, live, "it did not get running in time")
        elif sent is not None and turn.now - sent >= settings.kill_retry_s:
            _given_up(turn, run, live)


def _launch_limit_s(turn: Turn, live: RunTask) -> float:
    if live.status is JobTaskState.CREATED:
        return turn.settings.launch_confirm_timeout_s
    return turn.settings.launch_timeout_s if live.status is not JobTaskState.RUNNING else float("inf")


def _given_up(turn: Turn, run: JobRun, live: RunTask) -> None:
    """A task that never got running and does not answer its kill counts as failed; it is killed should it appear."""
    if live.status is JobTaskState.CREATED:
        _moved(turn, run, live.id, JobTaskState.FAILED)
    else:
        send_kill(turn, run, live, "the kill was not answered yet")
