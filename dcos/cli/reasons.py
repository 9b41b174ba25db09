"""Why an app, a pod or a job waits or fails, in sentences.   No I/O.

``Story`` has what services told; ``told`` makes lines of it: how it is, what it waits for and what helps, how it failed lately.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True)
class Failure:
    """An instance or run that ended badly. ``words``: the end of what it wrote."""

    what: str
    at: str = ""
    host: str = ""
    message: str = ""
    words: tuple[str, ...] = ()

    def json(self) -> Json:
        return {
            "what": self.what,
            "at": self.at,
            "host": self.host,
            "message": self.message,
            "lastWords": list(self.words),
        }


@dataclass(slots=True)
class Story:
    """``kind``: app, pod or job; ``state``: a sentence without a full stop."""

    kind: str
    name: str
    state: str
    waits: Sequence[Json] = ()
    """As Marathon tells them: ``text``, ``agents``, ``helps``."""
    deployments: Sequence[str] = ()
    failures: list[Failure] = field(default_factory=list)
    unhealthy: Sequence[str] = ()

    @property
    def is_well(self) -> bool:
        return not self.waits and not self.failures and not self.unhealthy

    def json(self) -> Json:
        return {
            "kind": self.kind,
            "name": self.name,
            "state": self.state,
            "waits": list(self.waits),
            "deployments": list(self.deployments),
            "unhealthy": list(self.unhealthy),
            "failures": [one.json() for one in self.failures],
        }


def told(story: Story) -> Iterator[str]:
    """The lines."""
    yield f"{story.kind} {story.name}: {story.state}"
    for one in story.deployments:
        yield f"deployment {one}"
    for wait in story.waits:
        yield f"waits: {wait['text']}"
        for agent in wait.get("agents", []):
            yield f"  agent {agent['host']}: {agent['text']}"
        if wait.get("helps"):
            yield f"  helps: {wait['helps']}"
    for line in story.unhealthy:
        yield f"unhealthy: {line}"
    for failure in story.failures:
        where = f" on {failure.host}" if failure.host else ""
        when = f" at {failure.at}" if failure.at else ""
        yield f"failed: {failure.what}{where}{when}" + (f": {failure.message}" if failure.message else "")
        for line in failure.words:
            yield f"  | {line}"
    if story.is_well:
        yield "nothing is waited for, and nothing failed lately"


def of_app(app: Json) -> Story:
    """``app``: with counts, waits, tasks and the last failure."""
    wanted, running = int(app.get("instances", 0)), int(app.get("tasksRunning", 0))
    state = f"{running} of {wanted} {'instance runs' if wanted == 1 else 'instances run'}"
    if wanted == 0:
        state = "stopped: it shall have no instances"
    elif app.get("healthChecks"):
        state += f", {int(app.get('tasksHealthy', 0))} healthy"
    story = Story("app", str(app["id"]), state, waits=app.get("waits", []))
    story.unhealthy = list(_unhealthy(app.get("tasks", [])))
    last = app.get("lastTaskFailure")
    if last:
        what = f"{last.get('taskId', '')} {last.get('state', '')}".strip()
        message = str(last.get("message") or "")
        story.failures.append(Failure(what, str(last.get("timestamp", "")), str(last.get("host", "")), message))
    return story


def _unhealthy(tasks: Sequence[Json]) -> Iterator[str]:
    for task in tasks:
        for result in task.get("healthCheckResults") or []:
            if not result.get("alive", True):
                cause = str(result.get("lastFailureCause") or "its health check fails")
                times = result.get("consecutiveFailures", 0)
                yield f"{task['id']} on {task.get('host', '?')}: {cause} ({times} times in a row)"


def of_pod(status: Json) -> Story:
    """``status``: with waits."""
    wanted = int(((status.get("spec") or {}).get("scaling") or {}).get("instances", 1))
    stable = sum(1 for one in status.get("instances", []) if one.get("status") == "STABLE")
    state = f"{stable} of {wanted} {'instance is' if wanted == 1 else 'instances are'} stable"
    story = Story("pod", str(status["id"]), state, waits=status.get("waits", []))
    for ended in list(status.get("terminationHistory", []))[:1]:
        for container in ended.get("containers", []):
            end = container.get("termination") or {}
            what = f"{container.get('containerId', '')} {container.get('lastKnownState', '')}".strip()
            if str(container.get("lastKnownState")) not in ("TASK_FINISHED", "TASK_KILLED"):
                message = str(end.get("message") or ended.get("message") or "")
                story.failures.append(Failure(what, str(ended.get("terminatedAt", "")), "", message))
    return story


def of_job(job: Json, queue: Sequence[Json]) -> Story:
    """``job``: with active runs, schedules and history; ``queue``: what waits for offers, as Metronome tells it."""
    active = job.get("activeRuns", [])
    due = [one for one in job.get("schedules", []) if one.get("enabled")]
    waiting = {str(run["runId"]) for one in queue if one.get("jobId") == job["id"] for run in one.get("runs", [])}
    if active:
        state = f"{len(active)} run{'' if len(active) == 1 else 's'} {', '.join(_states(active))}"
    elif due:
        state = f"not running; next run at {due[0].get('nextRunAt', 'an unknown time')} ({due[0].get('cron', '')})"
    elif job.get("schedules"):
        state = "not running; its schedule is off"
    else:
        state = "not running; it has no schedule and runs when asked to"
    story = Story("job", str(job["id"]), state)
    story.waits = [
        {"text": f"run {run['id']} waits for an offer that fits: {_needs(job)}"}
        for run in active
        if run["id"] in waiting
    ]
    history = job.get("history") or {}
    if str(history.get("lastFailureAt") or "") > str(history.get("lastSuccessAt") or ""):
        failed = history.get("failedFinishedRuns") or []
        for run in failed[:1]:
            story.failures.append(Failure(f"run {run['id']}", str(run.get("finishedAt", ""))))
    return story


def _states(runs: Sequence[Json]) -> list[str]:
    return sorted({str(one.get("status", "")).lower() for one in runs})


def _needs(job: Json) -> str:
    run = job.get("run") or {}
    said = [f"{run.get('cpus', 0):g} cpus", f"{run.get('mem', 0):g} MB of memory"]
    if run.get("disk"):
        said.append(f"{run['disk']:g} MB of disk")
    if run.get("gpus"):
        said.append(f"{run['gpus']:g} gpus")
    rules = (run.get("placement") or {}).get("constraints") or []
    if rules:
        said.append(
            "where "
            + ", ".join(f"{one.get('attribute')} {one.get('operator')} {one.get('value', '')}".strip() for one in rules)
        )
    return ", ".join(said)
