"""Jobs, schedules and their refusals, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.metronome.core.schema import JOB_ID
from dcos.model.v1.types import TaskState
from tests.unit.metronome.conftest import House, Running

RUN = {"cpus": 0.1, "mem": 32, "disk": 0, "cmd": "sleep 1"}
UCR = {**RUN, "ucr": {"image": {"id": "a"}}}
JOB = {"id": "prod.report", "run": RUN}


async def test_a_job_is_shown_with_every_default(metronome: Running) -> None:
    made = await metronome.ask("POST", "/v1/jobs", JOB, 201)
    assert made == {
        "id": "prod.report",
        "labels": {},
        "dependencies": [],
        "schedules": [],
        "run": {
            "cpus": 0.1,
            "mem": 32.0,
            "disk": 0.0,
            "gpus": 0,
            "cmd": "sleep 1",
            "env": {},
            "secrets": {},
            "volumes": [],
            "networks": [],
            "artifacts": [],
            "placement": {"constraints": []},
            "maxLaunchDelay": 3600,
            "restart": {"policy": "NEVER"},
        },
    }
    assert await metronome.ask("GET", "/v1/jobs/prod.report") == made
    assert await metronome.ask("GET", "/v1/jobs") == [made]


async def test_what_is_read_back_can_be_sent_again(metronome: Running) -> None:
    body = {
        **JOB,
        "description": "d",
        "labels": {"a": "b"},
        "schedules": [{"id": "default", "cron": "0 0 * * *"}],
        "run": {
            **RUN,
            "env": {"A": "1"},
            "docker": {"image": "x", "parameters": [{"key": "k", "value": "v"}]},
            "volumes": [{"containerPath": "/c", "hostPath": "/h", "mode": "RO"}],
            "networks": [{"mode": "container/bridge"}],
            "artifacts": [{"uri": "http://x/y"}],
            "placement": {"constraints": [{"attribute": "rack", "operator": "EQ", "value": "r1"}]},
            "restart": {"policy": "ON_FAILURE", "activeDeadlineSeconds": 60},
            "taskKillGracePeriodSeconds": 3,
        },
    }
    made = await metronome.ask("POST", "/v1/jobs", body, 201)
    assert made["run"]["placement"]["constraints"][0]["operator"] == "IS"
    assert made["schedules"][0]["nextRunAt"] == "2026-01-02T00:00:00.000+0000"
    again = await metronome.ask("PUT", "/v0/scheduled-jobs/prod.report", made)
    assert again == made


@pytest.mark.parametrize(
    ("change", "path", "text"),
    [
        ({"id": "Bad"}, "/id", f"'Bad' does not match pattern '{JOB_ID}'."),
        ({"extra": 1, "more": 2}, "/",
         "Additional properties are not allowed, but found properties 'extra' and 'more'."),
        ({"run": {"cmd": "x"}}, "/run", "Property cpus missing."),
        ({"run": {**RUN, "mem": 31}}, "/run/mem", "31 is smaller than required minimum value of 32."),
        ({"run": {**RUN, "cpus": -1}}, "/run/cpus", "-1 is smaller than required minimum value of 0.01."),
        ({"run": {**RUN, "cpus": "1"}}, "/run/cpus", "Wrong type. Expected number, was string."),
        ({"run": {**RUN, "surprise": 1}}, "/run",
         "Additional properties are not allowed, but found properties 'surprise'."),
        ({"run": {"cpus": 1, "mem": 32, "disk": 0}}, "/run", "Cmd, Docker or UCR image must be specified"),
        ({"run": {**RUN, "docker": {"image": "a"}, "ucr": {"image": {"id": "a"}}}}, "/run",
         "Either Docker or UCR should be provided, but not both"),
        ({"run": {**RUN, "docker": {"image": "a"}, "gpus": 1}}, "/run/gpus", "GPUs are not supported with Docker"),
        ({"run": {**RUN, "networks": [{"mode": "container", "name": "n"}]}}, "/run/networks",
         "Only containers may join container or bridge networks"),
        ({"run": {**UCR, "networks": [{"mode": "host"}, {"mode": "container/bridge"}]}}, "/run/networks",
         "You may not mix host, container, or container/bridge networking. Only define one kind of network."),
        ({"run": {**UCR, "networks": [{"mode": "host"}, {"mode": "host"}]}}, "/run/networks",
         "Only one host or container/bridge network modes are allowed"),
        ({"run": {**UCR, "networks": [{"mode": "container", "name": "n"}] * 2}}, "/run/networks", "network names must be unique"),
        ({"run": {**RUN, "docker": {"image": "a"}, "networks": [{"mode": "container", "name": one} for one in "ab"]}},
         "/run/networks", "Docker does not allow specification of multiple networks"),
        ({"run": {**RUN, "docker": {"image": "a"}, "networks": [{"mode": "container"}]}}, "/run/networks/0/name",
         "must be given in container mode"),
        ({"run": {**RUN, "env": {"A": {"secret": "s"}}}}, "/run",
         "The following secrets are referenced, but undefined: s. Please add them to the secrets field."),
        ({"run": {**RUN, "secrets": {"s": {"source": "x"}}}}, "/run",
         "The following secrets are defined, but not referenced: s. Please remove them from the secrets field."),
        ({"run": {**RUN, "docker": {"image": "a"}, "volumes": [{"containerPath": "a", "secret": "s"}]}}, "/run/volumes",
         "File based secrets are only supported by UCR"),
        ({"run": {**RUN, "volumes": [{"containerPath": "a", "hostPath": "b"}]}}, "/run/volumes/0",
         "Instance does not match any schema."),
        ({"run": {**RUN, "placement": {"constraints": [{"attribute": "a", "operator": "MAX_PER", "value": "1"}]}}},
         "/run/placement/constraints/0/operator", "Instance is invalid enum value."),
        ({"run": {**RUN, "placement": {"constraints": [{"attribute": "a", "operator": "LIKE", "value": "("}]}}},
         "/run/placement/constraints/0",
         "'(' is not a valid regular expression: missing ), unterminated subpattern at position 0"),
        ({"schedules": [{"id": "a", "cron": "x"}]}, "/schedules/0/cron",
         "'x' must have five fields (minute hour day-of-month month day-of-week), and may have a year"),
        ({"schedules": [{"id": "a", "cron": "* * * * *", "timezone": "Moon/Crater"}]}, "/schedules/0/timezone",
         "'Moon/Crater' is not a time zone"),
        ({"schedules": [{"id": "a", "cron": "* * * * *"}, {"id": "b", "cron": "* * * * *"}]}, "/schedules",
         "Too many items. 2 items found, but only a maximum of 1 is allowed."),
        ({"schedules": [{"id": "a", "cron": "* * * * *"}], "dependencies": [{"id": "b"}]}, "/dependencies",
         "Jobs may have either dependencies or schedules, not both"),
        ({"id": 5}, "/id", "Wrong type. Expected string, was number."),
        ({"run": {**RUN, "gpus": 1.5}}, "/run/gpus", "Wrong type. Expected integer, was number."),
        ({"run": {**RUN, "cmd": ""}}, "/run/cmd", "'' does not match minimum length of 1."),
        ({"run": {**RUN, "env": {"A": 1}}}, "/run/env/A", "Instance does not match any of the schemas."),
        ({"run": {**RUN, "maxLaunchDelay": 0}}, "/run/maxLaunchDelay", "0 is smaller than required minimum value of 1."),
        ({"run": {**RUN, "args": ["x"]}}, "/run", "Either cmd or args may be specified, but not both"),
        ({"run": {**UCR, "networks": [{"mode": "host", "name": "n"}]}}, "/run/networks/0/name", "may not be given in host mode"),
        ({"run": {**RUN, "placement": {"constraints": [{"attribute": "a", "operator": "IS"}]}}},
         "/run/placement/constraints/0", "IS needs a value"),
        ({"run": {**RUN, "secrets": {"s": {"source": "x"}}, "env": {"A": {"secret": "s"}}}}, "/run/secrets",
         "Feature secrets is not enabled. Enable with --features_enable secrets"),
        ({"dependencies": [{"id": "b"}, {"id": "b"}]}, "/dependencies", "Dependencies must be unique"),
    ],
)  # fmt: skip
async def test_bad_jobs(metronome: Running, change: dict[str, Any], path: str, text: str) -> None:
    answer = await metronome.ask("POST", "/v1/jobs", {**JOB, **change}, 422)
    assert answer["message"] == "Object is not valid"
    assert text in [said for one in answer["details"] if one["path"] == path for said in one["errors"]], answer
    assert await metronome.ask("GET", "/v1/jobs") == []


async def test_other_refusals(metronome: Running) -> None:
    await metronome.ask("POST", "/v1/jobs", JOB, 201)
    assert (await metronome.ask("POST", "/v1/jobs", JOB, 409)) == {"message": "Job with this id already exists"}
    assert (await metronome.ask("GET", "/v1/jobs/nope", status=404)) == {"id": "nope", "message": "Job not found"}
    for method, path in (("PUT", ""), ("DELETE", ""), ("POST", "/runs"), ("GET", "/runs"), ("GET", "/schedules")):
        await metronome.ask(method, f"/v1/jobs/nope{path}", JOB if method == "PUT" else None, 404)
    assert (await metronome.ask("GET", "/v1/jobs/prod.report/runs/x", status=404)) == {
        "jobSpec": "prod.report",
        "id": "x",
        "message": "Job Run not found",
    }
    assert await metronome.ask("GET", "/v1/jobs/prod.report/schedules/x", status=404) == {
        "id": "x",
        "message": "Schedule not found",
    }
    assert await metronome.ask("GET", "/v1/jobs?embed=wrong", status=400) == {
        "message": "Unknown embed options. Valid options are: activeRuns, schedules, history, historySummary",
        "requestPath": "/v1/jobs",
    }
    answer = await metronome.ask("GET", "/v1/<nothing>", status=404)
    assert answer == {"message": "Unknown route.", "requestPath": "/v1/&lt;nothing&gt;"}
    async with metronome.client.post("/v1/jobs", data=b"{}", headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 415
        assert await response.json() == {
            "message": "Expecting text/json or application/json body",
            "requestPath": "/v1/jobs",
        }
    async with metronome.client.post("/v1/jobs", data=b"{", headers={"Content-Type": "application/json"}) as response:
        assert response.status == 400
    as_yaml = {"Content-Type": "application/yaml"}
    async with metronome.client.post("/v1/jobs", data="id: [", headers=as_yaml) as response:
        assert response.status == 400
    body = "id: by.yaml\nrun: {cpus: 0.1, mem: 32, disk: 0, cmd: sleep 1}\n"
    async with metronome.client.post("/v1/jobs", data=body, headers=as_yaml) as response:
        assert response.status == 201


async def test_schedules_come_change_and_go(metronome: Running) -> None:
    await metronome.ask("POST", "/v1/jobs", JOB, 201)
    path = "/v1/jobs/prod.report/schedules"
    made = await metronome.ask("POST", path, {"id": "default", "cron": "0 3 * * *", "timezone": "Europe/Berlin"}, 201)
    assert made == {
        "id": "default",
        "cron": "0 3 * * *",
        "timezone": "Europe/Berlin",
        "startingDeadlineSeconds": 900,
        "concurrencyPolicy": "ALLOW",
        "enabled": True,
        "nextRunAt": "2026-01-01T02:00:00.000+0000",
    }
    answer = await metronome.ask("POST", path, {"id": "default", "cron": "* * * * *"}, 409)
    assert answer["message"] == "requirement failed: A schedule with id default already exists"
    answer = await metronome.ask("POST", path, {"id": "other", "cron": "* * * * *"}, 409)
    assert answer["message"] == "requirement failed: Only one schedule supported at the moment"
    await metronome.ask("PUT", "/v1/jobs/prod.report", {**JOB, "schedules": []})
    assert len(await metronome.ask("GET", path)) == 1, "an update of the job leaves its schedules"
    changed = await metronome.ask("PUT", f"{path}/default", {"id": "ignored", "cron": "0 4 * * *", "enabled": False})
    assert (changed["id"], changed["enabled"]) == ("default", False)
    assert changed["nextRunAt"] == "2026-01-01T04:00:00.000+0000", "told even when disabled"
    assert not metronome.state.timers
    await metronome.ask("GET", f"{path}/none", status=404)
    await metronome.ask("DELETE", f"{path}/default")
    assert await metronome.ask("GET", path) == []


async def test_dependencies_must_be_and_have_no_cycle(metronome: Running) -> None:
    answer = await metronome.ask("POST", "/v1/jobs", {**JOB, "dependencies": [{"id": "first"}]}, 422)
    assert answer == {"message": "Dependencies contain unknown jobs. unknown=[first]"}
    await metronome.ask("POST", "/v1/jobs", {"id": "first", "run": RUN}, 201)
    await metronome.ask("POST", "/v1/jobs", {**JOB, "dependencies": [{"id": "first"}]}, 201)
    body = {"id": "first", "run": RUN, "dependencies": [{"id": "prod.report"}]}
    assert (await metronome.ask("PUT", "/v1/jobs/first", body, 422)) == {"message": "Dependencies have a cycle."}
    await metronome.ask("DELETE", "/v1/jobs/first", status=409)


async def test_deleting_a_job_with_runs(metronome: Running) -> None:
    await metronome.ask("POST", "/v1/jobs", JOB, 201)
    await metronome.ask("POST", "/v1/jobs/prod.report/runs", {}, 201)
    await metronome.until("runs", lambda: len(metronome.tasks()) == 1)
    answer = await metronome.ask("DELETE", "/v1/jobs/prod.report", status=409)
    assert answer["message"] == "There are active job runs. Override with stopCurrentJobRuns=true"
    deleted = await metronome.ask("DELETE", "/v1/jobs/prod.report?stopCurrentJobRuns=true")
    assert deleted["id"] == "prod.report"
    await metronome.until("killed", lambda: not metronome.tasks() and not metronome.state.runs)
    assert await metronome.ask("GET", "/v1/jobs") == []


async def test_everything_is_there_for_a_new_leader(house: House) -> None:
    async with house.metronome() as first:
        await first.ask("POST", "/v1/jobs", {**JOB, "schedules": [{"id": "default", "cron": "0 0 * * *"}]}, 201)
        await first.ask("POST", "/v1/jobs/prod.report/runs", {}, 201)
        await first.until("runs", lambda: len(first.tasks()) == 1)
        await first.until("seen", lambda: all(run.status == "ACTIVE" for run in first.state.runs.values()))
        jobs = await first.ask("GET", "/v1/jobs?embed=activeRuns")
    async with house.metronome() as second:
        assert await second.ask("GET", "/v1/jobs?embed=activeRuns") == jobs
        [task_id] = second.tasks()
        house.mesos.update(task_id, TaskState.TASK_FINISHED)
        await second.until("over", lambda: not second.state.runs)
        [job] = await second.ask("GET", "/v1/jobs?embed=history")
        assert job["history"]["successCount"] == 1
        assert len(house.mesos.tasks) == 0
