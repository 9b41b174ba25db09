"""Metronome through Admin Router.   Source: Metronome's v1 API."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from dcos.client.adminrouter.transport import Transport

Json = dict[str, Any]
DEFAULT_PATH: Final = "/service/metronome"


class Metronome:
    """``path``: where it is below the cluster's URL."""

    def __init__(self, transport: Transport, *, path: str = DEFAULT_PATH) -> None:
        self._transport = transport
        self._path = path

    def _job(self, job_id: str, rest: str = "") -> str:
        return f"{self._path}/v1/jobs/{quote(job_id, safe='')}{rest}"

    def _sent(self, method: str, path: str, body: Json | None = None, **query: Any) -> Json:
        done: Json = self._transport.send(method, path, body, query=query)
        return done

    # ---- jobs ----

    def jobs(self) -> list[Json]:
        query = {"embed": ["activeRuns", "schedules", "historySummary"]}
        return list(self._transport.get(f"{self._path}/v1/jobs", query=query))

    def job(self, job_id: str, *embed: str) -> Json:
        """Errors: NotFound."""
        found: Json = self._transport.get(self._job(job_id), query={"embed": list(embed)})
        return found

    def create_job(self, job: Json) -> Json:
        return self._sent("POST", f"{self._path}/v1/jobs", job)

    def update_job(self, job_id: str, job: Json) -> Json:
        return self._sent("PUT", self._job(job_id), job)

    def remove_job(self, job_id: str, *, stop_runs: bool) -> None:
        self._transport.send("DELETE", self._job(job_id), query={"stopCurrentJobRuns": str(stop_runs).lower()})

    # ---- schedules ----

    def schedules(self, job_id: str) -> list[Json]:
        return list(self._transport.get(self._job(job_id, "/schedules")))

    def add_schedule(self, job_id: str, schedule: Json) -> Json:
        return self._sent("POST", self._job(job_id, "/schedules"), schedule)

    def update_schedule(self, job_id: str, schedule: Json) -> Json:
        return self._sent("PUT", self._job(job_id, f"/schedules/{quote(str(schedule['id']), safe='')}"), schedule)

    def remove_schedule(self, job_id: str, schedule_id: str) -> None:
        self._transport.send("DELETE", self._job(job_id, f"/schedules/{quote(schedule_id, safe='')}"))

    # ---- runs ----

    def runs(self, job_id: str) -> list[Json]:
        """Those that are not over."""
        return list(self._transport.get(self._job(job_id, "/runs")))

    def start(self, job_id: str) -> Json:
        return self._sent("POST", self._job(job_id, "/runs"), {})

    def stop(self, job_id: str, run_id: str) -> None:
        self._transport.send("POST", self._job(job_id, f"/runs/{quote(run_id, safe='')}/actions/stop"), {})

    def queue(self) -> list[Json]:
        return list(self._transport.get(f"{self._path}/v1/queue"))
