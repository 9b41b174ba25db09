"""What becomes of runs, on a clock of the test's."""

from __future__ import annotations

from typing import Any

from dcos.metronome.core import foreign
from dcos.metronome.core.state import State
from dcos.model.metronome import Job, JobRun, Run, RunTask
from dcos.model.v1.types import TaskState
from tests.unit.metronome.conftest import House, Running

RUN = {"cpus": 0.1, "mem": 32, "disk": 0, "cmd": "sleep 1"}


async def add(metronome: Running, job_id: str = "job", run: dict[str, Any] | None = None, **more: Any) -> None:
    await metronome.ask("POST", "/v1/jobs", {"id": job_id, "run": {**RUN, **(run or {})}, **more}, 201)


async def start(metronome: Running, job_id: str = "job") -> str:
    made = await metronome.ask("POST", f"/v1/jobs/{job_id}/runs", {}, 201)
    run_id: str = made["id"]
    await metronome.until("the task runs", lambda: any(run_id in one for one in metronome.tasks()))
    return run_id


async def history(metronome: Running, job_id: str = "job") -> dict[str, Any]:
    shown: dict[str, Any] = (await metronome.ask("GET", f"/v1/jobs/{job_id}?embed=history"))["history"]
    return shown


def end(metronome: Running, state: TaskState, job_id: str = "job") -> None:
    task_id = next(one for one in metronome.tasks() if one.startswith(f"{job_id}_"))
    metronome.mesos.update(task_id, state)


async def test_a_run_succeeds(metronome: Running) -> None:
    await add(metronome, labels={"owner": "me"})
    made = await metronome.ask("POST", "/v1/jobs/job/runs", {}, 201)
    assert made["status"] == "STARTING"
    assert made["completedAt"] is None
    assert made["id"].startswith("20260101000000")
    await metronome.until("active", lambda: metronome.state.runs[made["id"]].status == "ACTIVE")
    [task] = metronome.mesos.tasks.values()
    assert task.info.task_id.value.startswith(f"job_{made['id']}.")
    assert [(one.key, one.value) for one in (task.info.labels.labels if task.info.labels else ())] == [("owner", "me")]
    assert task.info.command
    assert task.info.command.value == "sleep 1"
    shown = await metronome.ask("GET", f"/v1/jobs/job/runs/{made['id']}")
    assert shown["tasks"][0]["status"] == "TASK_RUNNING"
    end(metronome, TaskState.TASK_FINISHED)
    await metronome.until("over", lambda: not metronome.state.runs)
    await metronome.ask("GET", f"/v1/jobs/job/runs/{made['id']}", status=404)
    kept = await history(metronome)
    assert (kept["successCount"], kept["failureCount"], kept["lastFailureAt"]) == (1, 0, None)
    assert kept["successfulFinishedRuns"][0]["id"] == made["id"]
    assert kept["successfulFinishedRuns"][0]["tasks"] == [task.info.task_id.value]
    summary = (await metronome.ask("GET", "/v1/jobs?embed=historySummary,activeRuns"))[0]
    assert summary["activeRuns"] == []
    assert summary["historySummary"]["successCount"] == 1
    assert metronome.mesos.suppressed, "nothing waits, so no offers are wanted"


async def test_a_failed_task_fails_the_run_or_is_tried_again(metronome: Running) -> None:
    await add(metronome)
    await start(metronome)
    end(metronome, TaskState.TASK_FAILED)
    await metronome.until("over", lambda: not metronome.state.runs)
    assert (await history(metronome))["failureCount"] == 1

    await add(metronome, "again", {"restart": {"policy": "ON_FAILURE", "activeDeadlineSeconds": 100}})
    run_id = await start(metronome, "again")
    for tries in (2, 3):
        end(metronome, TaskState.TASK_FAILED, "again")
        await metronome.until("again", lambda: len(metronome.state.runs[run_id].tasks) == tries)  # noqa: B023
        await metronome.until("runs", lambda: metronome.state.runs[run_id].tasks[-1].status == "TASK_RUNNING")
    metronome.clock.time += 101
    end(metronome, TaskState.TASK_FAILED, "again")
    await metronome.until("the deadline ends it", lambda: not metronome.state.runs)
    assert len((await history(metronome, "again"))["failedFinishedRuns"][0]["tasks"]) == 3


async def test_a_run_is_stopped(metronome: Running) -> None:
    await add(metronome)
    run_id = await start(metronome)
    stopped = await metronome.ask("POST", f"/v1/jobs/job/runs/{run_id}/actions/stop", {})
    assert stopped["id"] == run_id
    await metronome.until("over", lambda: not metronome.state.runs)
    assert not metronome.tasks()
    assert (await history(metronome))["failureCount"] == 1


async def test_a_run_that_finds_no_place_waits_and_says_so(metronome: Running) -> None:
    await add(metronome, run={"placement": {"constraints": [{"attribute": "rack", "operator": "IS", "value": "r9"}]}})
    made = await metronome.ask("POST", "/v1/jobs/job/runs", {}, 201)
    await metronome.until("queued", lambda: bool(metronome.state.queue))
    assert await metronome.ask("GET", "/v1/queue") == [{"jobId": "job", "runs": [{"runId": made["id"]}]}]
    metronome.mesos.agent(9, rack="r9")
    metronome.mesos.offer()
    await metronome.until("placed", lambda: len(metronome.tasks()) == 1)
    assert metronome.mesos.tasks[metronome.tasks()[0]].agent.id == "S9"
    assert await metronome.ask("GET", "/v1/queue") == []


async def test_schedules_fire_and_never_within_a_minute(metronome: Running) -> None:
    metronome.clock.time += 30
    await add(metronome, schedules=[{"id": "default", "cron": "* * * * *"}])
    await metronome.pass_time(59)
    assert not metronome.state.last_start, "due after 30 s, but set less than a minute ago"
    await metronome.pass_time(2)
    assert len(metronome.state.runs) == 1
    await metronome.pass_time(120)
    assert len(metronome.state.runs) == 3, "runs may overlap by default"


async def test_forbid_skips_while_a_run_is_active(metronome: Running) -> None:
    schedule = {"id": "default", "cron": "* * * * *", "concurrencyPolicy": "FORBID"}
    await add(metronome, schedules=[schedule])
    await metronome.pass_time(200)
    assert len(metronome.state.runs) == 1
    await metronome.until("runs", lambda: len(metronome.tasks()) == 1)
    await metronome.ask("POST", "/v1/jobs/job/runs", {}, 201)
    assert len(metronome.state.runs) == 2, "who asks by hand is obeyed"


async def test_a_scheduled_run_gives_up_after_its_starting_deadline(metronome: Running) -> None:
    never = {"placement": {"constraints": [{"attribute": "rack", "operator": "IS", "value": "none"}]}}
    schedule = {"id": "default", "cron": "0 1 * * *", "startingDeadlineSeconds": 60}
    await add(metronome, run=never, schedules=[schedule])
    await metronome.ask("POST", "/v1/jobs/job/runs", {}, 201)
    await metronome.pass_time(3600, step_s=10)
    await metronome.pass_time(5)
    assert len(metronome.state.runs) == 2
    await metronome.pass_time(70)
    [left] = metronome.state.runs.values()
    assert left.starting_deadline_s is None, "a run asked for by hand waits for ever"
    assert (await history(metronome))["failureCount"] == 1


async def test_missed_times_are_not_made_up_for(house: House) -> None:
    async with house.metronome() as first:
        await add(first, schedules=[{"id": "default", "cron": "0 * * * *"}])
    house.clock.time += 10 * 3600 + 1800
    async with house.metronome() as second:
        await second.pass_time(60)
        assert not second.state.runs
        await second.pass_time(1800, step_s=10)
        assert len(second.state.runs) == 1


async def test_jobs_run_after_the_jobs_they_depend_on(metronome: Running) -> None:
    await add(metronome, "first")
    await add(metronome, "second")
    await add(metronome, "last", dependencies=[{"id": "first"}, {"id": "second"}])
    for round_ in (1, 2):
        metronome.clock.time += 10
        await start(metronome, "first")
        end(metronome, TaskState.TASK_FINISHED, "first")
        await metronome.until("first is over", lambda: "first" in metronome.state.last)
        assert not any(one.startswith("last_") for one in metronome.tasks()), "second did not run since"
        metronome.clock.time += 10
        await start(metronome, "second")
        end(metronome, TaskState.TASK_FINISHED, "second")
        await metronome.until("last runs", lambda: any(one.startswith("last_") for one in metronome.tasks()))
        metronome.clock.time += 10
        end(metronome, TaskState.TASK_FINISHED, "last")
        await metronome.until("all over", lambda: not metronome.state.runs)
        assert (await history(metronome, "last"))["successCount"] == round_


async def test_a_task_that_ended_while_nobody_led(house: House) -> None:
    async with house.metronome() as first:
        await add(first)
        await start(first)
        await first.until("active", lambda: all(one.status == "ACTIVE" for one in first.state.runs.values()))
    [task_id] = list(house.mesos.tasks)
    house.mesos.update(task_id, TaskState.TASK_FINISHED)
    async with house.metronome() as second:
        await second.until("told by reconciliation", lambda: not second.state.runs)


async def test_tasks_of_no_run_are_killed(house: House) -> None:
    async with house.metronome() as first:
        await add(first)
        await start(first)
    lost = House(mesos=house.mesos)
    async with lost.metronome() as other:
        await other.until("killed", lambda: not other.tasks())


async def test_a_task_that_does_not_get_running_is_killed(metronome: Running) -> None:
    metronome.mesos.autorun = False
    await add(metronome)
    await start(metronome)
    await metronome.pass_time(330, step_s=5)
    await metronome.until("given up", lambda: not metronome.state.runs)
    assert (await history(metronome))["failureCount"] == 1


async def test_histories_are_bounded(house: House) -> None:
    async with house.metronome(history_count=3) as one:
        await add(one)
        for _ in range(5):
            await start(one)
            end(one, TaskState.TASK_FINISHED)
            await one.until("over", lambda: not one.state.runs)
            one.clock.time += 1
        kept = await history(one)
        assert kept["successCount"] == 5
        assert len(kept["successfulFinishedRuns"]) == 3
        times = [run["createdAt"] for run in kept["successfulFinishedRuns"]]
        assert times == sorted(times, reverse=True)


async def test_a_clock_that_is_set_back_holds_nothing_up(metronome: Running) -> None:
    """Neither the next run's offers nor what depends on it wait until the clock has caught up."""
    await add(metronome, "first")
    await add(metronome, "last", dependencies=[{"id": "first"}])
    for round_ in (1, 2):
        await start(metronome, "first")
        end(metronome, TaskState.TASK_FINISHED, "first")
        await metronome.until("last runs", lambda: any(one.startswith("last_") for one in metronome.tasks()))
        end(metronome, TaskState.TASK_FINISHED, "last")
        await metronome.until("all over", lambda: not metronome.state.runs)
        assert (await history(metronome, "last"))["successCount"] == round_
        metronome.clock.time -= 86400


def test_all_times_that_lie_ahead_count_from_now() -> None:
    task = RunTask(id="t", agent_id="S", started_at=9.0)
    run = JobRun(id="r", job=Job(id="job", run=Run(cpus=0.1, mem=32.0)), created_at=8.0, tasks=(task,))
    state = State(runs={"r": run}, queue={"r": 7.0}, kill_sent={"t": 6.0}, last_revive=9.0, next_reconcile=99.0)
    state.unheard.begin(["t"], 9.0)
    foreign.correct(state, 5.0, reconcile_interval_s=10.0)
    made = state.runs["r"]
    assert (made.created_at, made.tasks[0].started_at) == (5.0, 5.0)
    assert (state.queue, state.kill_sent, state.last_revive) == ({"r": 5.0}, {"t": 5.0}, 5.0)
    assert state.next_reconcile == 15.0
    assert state.unheard.due(6.0)
