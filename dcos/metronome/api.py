"""Metronome's HTTP API: jobs, schedules, runs; proxied to the leader by instances that do not lead.

Source: Metronome's routes and controllers.
"""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import ClientSession, web

from dcos.client.leader_proxy import LeaderProxy, Trouble
from dcos.client.scheduler_loop import SchedulerLoop
from dcos.metronome import description, views
from dcos.metronome.config import SUPPORTED_FEATURES, Config
from dcos.metronome.core import events, spec
from dcos.metronome.core.errors import Missing, job_unknown, run_unknown, schedule_unknown
from dcos.metronome.core.scheduler import Result
from dcos.metronome.core.state import State
from dcos.model.metronome import Job, JobRun, Schedule
from dcos.model.schedulers import Invalid, Refused
from dcos.runtime import documents, http
from dcos.runtime.http import json_response
from dcos.wire import yaml_text

VERSION = "0.6.48"
"""The Metronome whose API this is."""
VIA = "X-VIA"
LEADER = "X-LEADER"
PROXY_S = 30.0
_BODY_LIMIT = 1024**2

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Leading:
    """What there is while this instance leads."""

    loop: SchedulerLoop[events.Asked, Result]
    state: State


@dataclass(slots=True)
class Service:
    """What handlers need. ``leader`` is None while this instance does not lead."""

    config: Config
    own: str
    """host:port of this instance."""
    proxy: LeaderProxy
    leader: Leading | None = None
    leading: str | None = None
    """host:port of the leader that the election knows."""


SERVICE: web.AppKey[Service] = web.AppKey("service", Service)
SEEN: web.RequestKey[Callable[[str], bool]] = web.RequestKey("seen")
"""Which jobs the caller may read, where that is not all."""


def leader_proxy(
    session: ClientSession, leader: Callable[[], str | None], own: str, *, timeout_s: float
) -> LeaderProxy:
    """How an instance that does not lead passes requests on."""

    def trouble(what: Trouble) -> web.Response:
        if what is Trouble.NO_LEADER:
            return web.Response(status=503, text="No consistent leadership")
        status = {Trouble.LOOP: 400, Trouble.SLOW: 504}.get(what, 502)
        return json_response({"message": what.value}, status=status)

    return LeaderProxy(session, leader, own, via=VIA, answer=trouble, connect_s=5.0, read_s=timeout_s)


def application(service: Service, *more: Any) -> web.Application:
    """``more``: middlewares for requests that are not proxied."""
    app = http.application(client_max_size=_BODY_LIMIT, middlewares=(answers, *more))
    app[SERVICE] = service
    job, schedules, runs = "/v1/jobs/{job}", "/v1/jobs/{job}/schedules", "/v1/jobs/{job}/runs"
    app.add_routes(
        [
            web.get("/ping", ping),
            web.get("/info", info),
            web.get("/leader", leader),
            web.get("/v1/metrics", metrics),
            web.get("/v1/queue", queue),
            web.get("/v1/jobs", list_jobs),
            web.post("/v1/jobs", create_job),
            web.get(job, show_job),
            web.put(job, update_job),
            web.delete(job, delete_job),
            web.get(schedules, list_schedules),
            web.post(schedules, add_schedule),
            web.get(schedules + "/{schedule}", show_schedule),
            web.put(schedules + "/{schedule}", update_schedule),
            web.delete(schedules + "/{schedule}", delete_schedule),
            web.get(runs, list_runs),
            web.post(runs, start_run),
            web.get(runs + "/{run}", show_run),
            web.post(runs + "/{run}/actions/stop", stop_run),
            web.post("/v0/scheduled-jobs", create_job),
            web.put("/v0/scheduled-jobs/{job}", update_with_schedules),
        ]
    )
    documents.add_routes(app, description.PREFIX, description.made)
    return app


class BadRequest(Exception):
    """A request whose body or query cannot be read: 400, or another ``status``."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@web.middleware
async def answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Proxy when not leading; turn refusals into their bodies."""
    service = request.app[SERVICE]
    if service.leader is None and request.path not in ("/ping", "/v1/metrics"):
        response = await service.proxy.handle(request)
        if service.leading is not None:
            response.headers[LEADER] = service.leading
        response.headers[VIA] = service.own
        return response
    try:
        return await handler(request)
    except Invalid as error:
        details: dict[str, list[str]] = {}
        for path, text in error.faults:
            details.setdefault(path, []).append(text)
        shown = [{"path": path, "errors": texts} for path, texts in details.items()]
        return json_response({"message": error.text, "details": shown}, status=error.status)
    except Refused as error:
        names = error.names if isinstance(error, Missing) else {}
        return json_response({**names, "message": error.text}, status=error.status)
    except BadRequest as error:
        message = {"message": html.escape(str(error)), "requestPath": html.escape(request.path)}
        return json_response(message, status=error.status)
    except TimeoutError:
        text = "The store did not answer in time; what was asked for may still happen."
        return json_response({"message": text, "requestPath": html.escape(request.path)}, status=503)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        message = {"message": "Unknown route.", "requestPath": html.escape(request.path)}
        return json_response(message, status=404)


def _leading(request: web.Request) -> Leading:
    leading = request.app[SERVICE].leader
    if leading is None:
        raise BadRequest("This instance does not lead any more.", 503)
    return leading


async def body_of(request: web.Request) -> Any:
    if request.content_type in yaml_text.MEDIA_TYPES:
        try:
            return yaml_text.decode(await request.read())
        except yaml_text.NotYaml as error:
            raise BadRequest(f"Invalid YAML: {error}") from error
    if request.content_type not in (http.JSON, "text/json"):
        raise BadRequest("Expecting text/json or application/json body", 415)
    try:
        return msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"Invalid Json: {error}") from error


async def _ask(request: web.Request, event: events.Asked) -> Result:
    return await _leading(request).loop.ask(event)


def _shown_job(request: web.Request, result: Result, status: int = 200) -> web.Response:
    assert isinstance(result, Job)
    return json_response(views.job(result, _leading(request).loop.now()), status=status)


def _job(request: web.Request) -> Job:
    job_id = request.match_info["job"]
    found = _leading(request).state.jobs.get(job_id)
    if found is None:
        raise job_unknown(job_id)
    return found


# ---- the instance ----------------------------------------------------------------------------------------------------


async def ping(request: web.Request) -> web.StreamResponse:
    return web.Response(text="pong")


async def info(request: web.Request) -> web.StreamResponse:
    config = request.app[SERVICE].config
    return json_response(
        {
            "version": VERSION,
            "libVersion": VERSION,
            "config": {
                "framework.name": config.framework_name,
                "history.count": config.history_count,
                "mesos.role": config.mesos_role,
                "mesos.user": config.mesos_user,
                "features": list(config.features_enable),
            },
        }
    )


async def leader(request: web.Request) -> web.StreamResponse:
    leading = request.app[SERVICE].leading
    if leading is None:
        return json_response({"message": "There is no leader"}, status=404)
    return json_response({"leader": leading})


async def metrics(request: web.Request) -> web.StreamResponse:
    leading = request.app[SERVICE].leader
    gauges: dict[str, Any] = {"metronome.leading": {"value": int(leading is not None)}}
    if leading is not None:
        gauges |= {
            "metronome.jobs": {"value": len(leading.state.jobs)},
            "metronome.runs.active": {"value": len(leading.state.runs)},
            "metronome.runs.queued": {"value": len(leading.state.queue)},
        }
    return json_response(
        {"version": "4.0.0", "counters": {}, "gauges": gauges, "histograms": {}, "meters": {}, "timers": {}}
    )


async def queue(request: web.Request) -> web.StreamResponse:
    may_read = request.get(SEEN)
    shown = views.queue(_leading(request).state)
    return json_response([one for one in shown if may_read is None or may_read(one["jobId"])])


# ---- jobs ------------------------------------------------------------------------------------------------------------


def _embeds(request: web.Request) -> set[str]:
    wanted = {one for text in request.query.getall("embed", []) for one in text.split(",") if one}
    unknown = sorted(wanted - set(views.EMBEDS))
    if unknown:
        raise BadRequest(f"Unknown embed options. Valid options are: {', '.join(views.EMBEDS)}")
    return wanted


async def list_jobs(request: web.Request) -> web.StreamResponse:
    embed, leading = _embeds(request), _leading(request)
    may_read = request.get(SEEN)
    found = [one for one in leading.state.jobs.values() if may_read is None or may_read(one.id)]
    jobs = sorted(found, key=lambda one: one.id)
    now = leading.loop.now()
    return json_response([views.job_info(leading.state, one, embed, now) for one in jobs])


async def show_job(request: web.Request) -> web.StreamResponse:
    embed, leading = _embeds(request), _leading(request)
    return json_response(views.job_info(leading.state, _job(request), embed, leading.loop.now()))


def _read_job(request: web.Request, body: Any, job_id: str | None = None) -> Job:
    return spec.job(body, job_id, features=SUPPORTED_FEATURES & set(request.app[SERVICE].config.features_enable))


async def create_job(request: web.Request) -> web.StreamResponse:
    job = _read_job(request, await body_of(request))
    return _shown_job(request, await _ask(request, events.CreateJob(job)), 201)


async def update_job(request: web.Request) -> web.StreamResponse:
    """The schedules that it has stay."""
    return await _update(request, keep_schedules=True)


async def update_with_schedules(request: web.Request) -> web.StreamResponse:
    return await _update(request, keep_schedules=False)


async def _update(request: web.Request, *, keep_schedules: bool) -> web.StreamResponse:
    body = await body_of(request)
    if keep_schedules and isinstance(body, dict):
        body = {name: value for name, value in body.items() if name != "schedules"}
    job = _read_job(request, body, request.match_info["job"])
    return _shown_job(request, await _ask(request, events.UpdateJob(job, keep_schedules)))


async def delete_job(request: web.Request) -> web.StreamResponse:
    stop_runs = request.query.get("stopCurrentJobRuns", "false").lower() == "true"
    return _shown_job(request, await _ask(request, events.DeleteJob(request.match_info["job"], stop_runs)))


# ---- schedules -------------------------------------------------------------------------------------------------------


def _schedule_of(job: Job, schedule_id: str) -> Schedule:
    found = next((one for one in job.schedules if one.id == schedule_id), None)
    if found is None:
        raise schedule_unknown(schedule_id)
    return found


def _shown_schedule(request: web.Request, result: Result, schedule_id: str, status: int = 200) -> web.Response:
    assert isinstance(result, Job)
    shown = views.schedule(_schedule_of(result, schedule_id), _leading(request).loop.now())
    return json_response(shown, status=status)


async def list_schedules(request: web.Request) -> web.StreamResponse:
    now = _leading(request).loop.now()
    return json_response([views.schedule(one, now) for one in _job(request).schedules])


async def show_schedule(request: web.Request) -> web.StreamResponse:
    return _shown_schedule(request, _job(request), request.match_info["schedule"])


async def add_schedule(request: web.Request) -> web.StreamResponse:
    made = spec.schedule(await body_of(request))
    result = await _ask(request, events.AddSchedule(request.match_info["job"], made))
    return _shown_schedule(request, result, made.id, 201)


async def update_schedule(request: web.Request) -> web.StreamResponse:
    made = spec.schedule(await body_of(request), request.match_info["schedule"])
    result = await _ask(request, events.UpdateSchedule(request.match_info["job"], made))
    return _shown_schedule(request, result, made.id)


async def delete_schedule(request: web.Request) -> web.StreamResponse:
    await _ask(request, events.DeleteSchedule(request.match_info["job"], request.match_info["schedule"]))
    return web.Response(status=200)


# ---- runs ------------------------------------------------------------------------------------------------------------


def _shown_run(result: Result, status: int = 200) -> web.Response:
    assert isinstance(result, JobRun)
    return json_response(views.run(result), status=status)


async def list_runs(request: web.Request) -> web.StreamResponse:
    job = _job(request)
    return json_response([views.run(one) for one in _leading(request).state.runs_of(job.id)])


async def start_run(request: web.Request) -> web.StreamResponse:
    return _shown_run(await _ask(request, events.StartRun(request.match_info["job"])), 201)


async def show_run(request: web.Request) -> web.StreamResponse:
    job, run_id = _job(request), request.match_info["run"]
    found = _leading(request).state.runs.get(run_id)
    if found is None or found.job.id != job.id:
        raise run_unknown(job.id, run_id)
    return _shown_run(found)


async def stop_run(request: web.Request) -> web.StreamResponse:
    return _shown_run(await _ask(request, events.StopRun(request.match_info["job"], request.match_info["run"])))
