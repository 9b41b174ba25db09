"""The resources of Metronome's API around jobs and runs, as clients ask for them.   Source: Metronome's REST API."""

from __future__ import annotations

import re
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from dcos.metronome import access, api
from dcos.model.permissions import Grants
from dcos.model.v1.types import TaskState
from tests.unit.metronome.conftest import House, Running

RUN: dict[str, Any] = {"cpus": 0.1, "mem": 32, "disk": 0, "cmd": "sleep 1"}
JOB: dict[str, Any] = {"id": "prod.report", "run": RUN}
NIGHTLY = {"id": "nightly", "cron": "0 3 * * *"}


async def test_the_instance_itself(metronome: Running) -> None:
    assert await metronome.ask("GET", "/ping") == b"pong"
    assert set(await metronome.ask("GET", "/info")) == {"version", "libVersion", "config"}
    assert await metronome.ask("GET", "/leader") == {"leader": "me:1"}
    assert {"version", "counters", "gauges", "histograms", "meters", "timers"} == set(
        await metronome.ask("GET", "/v1/metrics")
    )


async def test_an_update_keeps_the_schedules_and_the_id_of_the_path(metronome: Running) -> None:
    await metronome.ask("POST", "/v1/jobs", {**JOB, "schedules": [NIGHTLY]}, 201)
    changed = await metronome.ask("PUT", "/v1/jobs/prod.report", {"id": "other", "run": {**RUN, "cmd": "sleep 2"}})
    assert (changed["id"], changed["run"]["cmd"]) == ("prod.report", "sleep 2")
    assert [one["id"] for one in changed["schedules"]] == ["nightly"]
    replaced = await metronome.ask("PUT", "/v0/scheduled-jobs/prod.report", {**JOB, "schedules": []})
    assert replaced["schedules"] == []
    made = await metronome.ask("POST", "/v0/scheduled-jobs", {"id": "b", "run": RUN, "schedules": [NIGHTLY]}, 201)
    assert made["schedules"][0]["nextRunAt"] == "2026-01-01T03:00:00.000+0000"
    await metronome.ask("PUT", "/v0/scheduled-jobs/none", JOB, 404)


async def test_schedules_that_are_off_say_when_they_would_run(metronome: Running) -> None:
    await metronome.ask("POST", "/v1/jobs", {**JOB, "schedules": [{**NIGHTLY, "enabled": False}]}, 201)
    [shown] = await metronome.ask("GET", "/v1/jobs/prod.report/schedules")
    assert (shown["enabled"], shown["nextRunAt"]) == (False, "2026-01-01T03:00:00.000+0000")
    await metronome.pass_time(4 * 3600, 600)
    assert await metronome.ask("GET", "/v1/jobs/prod.report/runs") == []


async def test_runs_are_named_by_their_time_and_only_active_ones_are_listed(metronome: Running) -> None:
    await metronome.ask("POST", "/v1/jobs", JOB, 201)
    async with metronome.client.post("/v1/jobs/prod.report/runs", data=b"anything") as response:
        assert response.status == 201, "the body means nothing"
        made = await response.json()
    assert set(made) == {"id", "jobId", "status", "createdAt", "completedAt", "tasks"}
    assert re.fullmatch(r"20260101000000[0-9A-Za-z]{5}", made["id"])
    await metronome.until("runs", lambda: len(metronome.tasks()) == 1)
    [task_id] = metronome.tasks()
    assert task_id.startswith(f"prod_report_{made['id']}.")
    [shown] = await metronome.ask("GET", "/v1/jobs/prod.report/runs")
    assert (shown["id"], shown["completedAt"]) == (made["id"], None)
    [job] = await metronome.ask("GET", "/v1/jobs?embed=activeRuns&embed=history,historySummary,schedules")
    assert [one["id"] for one in job["activeRuns"]] == [made["id"]]
    assert job["history"]["successfulFinishedRuns"] == []
    assert set(job["historySummary"]) == {"successCount", "failureCount", "lastSuccessAt", "lastFailureAt"}
    assert {"activeRuns", "history", "historySummary"}.isdisjoint(await metronome.ask("GET", "/v1/jobs/prod.report"))
    metronome.mesos.update(task_id, TaskState.TASK_FINISHED)
    await metronome.until("over", lambda: not metronome.state.runs)
    assert await metronome.ask("GET", "/v1/jobs/prod.report/runs") == []


async def test_a_job_that_others_need_stays(metronome: Running) -> None:
    await metronome.ask("POST", "/v1/jobs", JOB, 201)
    await metronome.ask("POST", "/v1/jobs", {"id": "after", "run": RUN, "dependencies": [{"id": "prod.report"}]}, 201)
    refused = await metronome.ask("DELETE", "/v1/jobs/prod.report", status=409)
    assert "after" in refused["message"]
    deleted = await metronome.ask("DELETE", "/v1/jobs/after")
    assert deleted["dependencies"] == [{"id": "prod.report"}]
    await metronome.ask("DELETE", "/v1/jobs/prod.report")


async def test_who_does_not_lead_passes_requests_on_and_says_so(metronome: Running) -> None:
    leader = f"{metronome.client.host}:{metronome.client.port}"
    async with ClientSession() as session:
        for known, status in ((leader, 200), (None, 503)):
            application = web.Application()
            proxy = api.leader_proxy(session, lambda known=known: known, "follower:1", timeout_s=2)  # type: ignore[misc]
            application.router.add_route("*", "/{rest:.*}", proxy.handle)
            async with TestServer(application) as server, session.get(server.make_url("/v1/jobs")) as answer:
                assert answer.status == status
                said = await answer.text()
                assert said == ("[]" if known else "No consistent leadership")
        application = web.Application()
        proxy = api.leader_proxy(session, lambda: leader, "follower:1", timeout_s=2)
        application.router.add_route("*", "/{rest:.*}", proxy.handle)
        async with (
            TestServer(application) as server,
            session.get(server.make_url("/v1/jobs"), headers={"X-VIA": "follower:1"}) as answer,
        ):
            assert answer.status == 400, "it went round in a circle"


async def test_a_follower_names_the_leader(house: House) -> None:
    async with house.metronome() as metronome:
        service = metronome.client.server.app[api.SERVICE]  # type: ignore[attr-defined]
        service.leader, service.leading = None, None
        async with metronome.client.get("/v1/jobs") as answer:
            assert (answer.status, answer.headers["X-VIA"]) == (503, "me:1")
        async with metronome.client.get("/ping") as answer:
            assert answer.status == 200, "everybody's own business"


async def test_a_store_that_does_not_answer_in_time(house: House) -> None:
    async with house.metronome() as metronome:
        metronome.loop.answer_s = 0.05
        house.ensemble.disconnect(metronome.store)
        refused = await metronome.ask("POST", "/v1/jobs", JOB, 503)
        assert refused == {
            "message": "The store did not answer in time; what was asked for may still happen.",
            "requestPath": "/v1/jobs",
        }
        house.ensemble.reconnect(metronome.store)
        await metronome.until("it happened", lambda: "prod.report" in metronome.state.jobs)
        assert (await metronome.ask("GET", "/v1/jobs/prod.report"))["id"] == "prod.report"


@pytest.mark.parametrize(
    ("granted", "job_id", "allowed"),
    [
        ("", "prod.db.backup", True),
        (":prod", "prod.db.backup", True),
        (":prod:db", "prod.db.backup", True),
        (":prod.db", "prod.db.backup", True),
        (":prod:db:backup", "prod.db.backup", True),
        (":prod.db.backup", "prod.db.backup", True),
        (":prod:d", "prod.db.backup", False),
        (":prod.d", "prod.db.backup", False),
        (":prod:db:backup", "prod.db", False),
        (":dev", "prod.db.backup", False),
        (":prod", "", False),
    ],
)
def test_rights_on_jobs(granted: str, job_id: str, allowed: bool) -> None:
    grants = Grants({f"dcos:service:metronome:metronome:jobs{granted}": frozenset({"read"})})
    assert access.allows(grants, job_id, "read") is allowed
    assert not access.allows(grants, job_id, "update")
