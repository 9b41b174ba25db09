"""What is told below /public/api/ is valid, whole and true: of every resource, of answers, of what clients may send."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft7Validator

from dcos.metronome import description
from dcos.metronome.core import spec
from dcos.model.metronome import Job
from dcos.model.v1.types import TaskState
from dcos.testing.raml import Description
from tests.unit.metronome.conftest import Running

MADE = description.made()
TOLD = Description(MADE)
JOB: dict[str, Any] = json.loads(MADE["v1/examples/job.json"])
SCHEDULE: dict[str, Any] = json.loads(MADE["v1/examples/schedule.json"])
RUN = {"cpus": 0.1, "mem": 32, "disk": 0, "cmd": "sleep 1"}
NAMES = {"job_id": "shop.report", "schedule_id": "nightly", "run_id": "none"}


def test_every_name_stands_for_something() -> None:
    TOLD.check()


@pytest.mark.parametrize("path", sorted(MADE))
def test_each_is_a_document_of_its_kind(path: str) -> None:
    assert TOLD.read(path)
    if "/schema/" in path:
        Draft7Validator.check_schema(json.loads(MADE[path]))


def test_examples_keep_their_schemas_and_types() -> None:
    Draft7Validator(json.loads(MADE["v1/schema/jobspec.schema.json"])).validate(JOB)
    Draft7Validator(json.loads(MADE["v1/schema/schedulespec.schema.json"])).validate(SCHEDULE)
    read = spec.job(JOB)
    assert isinstance(read, Job)
    assert TOLD.faults(json.loads(msgspec.json.encode(read)), "job.Job") == []
    assert TOLD.faults({**JOB, "run": {"cmd": "x", "mem": 32, "disk": 0}}, "job.Job") == ["/run/cpus: missing"]


async def test_they_are_served(metronome: Running) -> None:
    async with metronome.client.get("/public/api/api.raml") as answer:
        assert (answer.status, answer.content_type) == (200, "application/raml+yaml")
        assert await answer.read() == MADE["api.raml"]
    unknown = await metronome.ask("GET", "/public/api/none.raml", status=404)
    assert unknown == {"message": "Unknown route.", "requestPath": "/public/api/none.raml"}


async def test_all_that_is_told_is_served_and_the_other_way_round(metronome: Running) -> None:
    await metronome.ask("POST", "/v1/jobs", JOB, 201)
    told = {(method, path) for method, path, _ in TOLD.methods()}
    for method, path in sorted(told - {("DELETE", "/v1/jobs/{job_id}")}):
        async with metronome.client.request(method, path.format(**NAMES), json={}) as answer:
            assert "Unknown route" not in await answer.text(), f"{method} {path}"
    served = {
        (route.method, route.resource.canonical)
        for route in metronome.client.server.app.router.routes()  # type: ignore[attr-defined]
        if route.resource is not None and route.method != "HEAD"
    }
    renamed = {(method, path.replace("_id}", "}")) for method, path in told}
    assert renamed == served - {("GET", "/public/api/{path}")}


async def test_answers_are_as_told(metronome: Running) -> None:
    async def fits(kind: str, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await metronome.ask(method, path, body, status)
        assert TOLD.faults(answer, kind) == [], f"{method} {path}"
        return answer

    await fits("answers.Job", "POST", "/v1/jobs", JOB, 201)
    await fits("answers.Error", "POST", "/v1/jobs", JOB, 409)
    await fits("answers.Error", "POST", "/v1/jobs", {**JOB, "run": {}}, 422)
    await fits("answers.Error", "GET", "/v1/jobs/none", status=404)
    await fits("answers.Error", "GET", "/v1/jobs/shop.report/runs/none", status=404)
    await fits("answers.Error", "GET", "/nowhere", status=404)
    await fits("answers.Schedule[]", "GET", "/v1/jobs/shop.report/schedules")
    await fits("answers.Schedule", "PUT", "/v1/jobs/shop.report/schedules/nightly", SCHEDULE)
    await fits("answers.Job", "POST", "/v0/scheduled-jobs", {"id": "plain", "run": RUN}, 201)
    run = await fits("answers.JobRun", "POST", "/v1/jobs/plain/runs", {}, 201)
    waiting = await fits("answers.JobRun", "POST", "/v1/jobs/shop.report/runs", {}, 201)
    await metronome.until("runs", lambda: len(metronome.tasks()) == 1)
    await fits("answers.QueuedJob[]", "GET", "/v1/queue")
    await fits("answers.JobRun[]", "GET", "/v1/jobs/plain/runs")
    await fits("answers.JobInfo[]", "GET", "/v1/jobs?embed=activeRuns,schedules,history,historySummary")
    metronome.mesos.update(metronome.tasks()[0], TaskState.TASK_FINISHED)
    await metronome.until("over", lambda: run["id"] not in metronome.state.runs)
    await fits("answers.JobRun", "POST", f"/v1/jobs/shop.report/runs/{waiting['id']}/actions/stop", {})
    told = await fits("answers.JobInfo[]", "GET", "/v1/jobs?embed=activeRuns,schedules,history,historySummary")
    assert [len(one["history"]["successfulFinishedRuns"]) for one in told] == [1, 0]
    await fits("answers.Info", "GET", "/info")
    await fits("answers.Leader", "GET", "/leader")
    await fits("answers.Metrics", "GET", "/v1/metrics")
    await fits("answers.Job", "DELETE", "/v1/jobs/plain")
