"""From what a client sent to a job or schedule that keeps every rule: schema first, then the rules between members."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from jsonschema import Draft7Validator

from dcos.metronome.core import cron, schema
from dcos.model.marathon import EnvSecret, NetworkMode
from dcos.model.metronome import Job, Run, Schedule
from dcos.model.schedulers import Invalid, Refused

_JOB = Draft7Validator(schema.JOB)
_SCHEDULE = Draft7Validator(schema.SCHEDULE)
_MOST_FAULTS = 50
_NOT_BOTH = "Jobs may have either dependencies or schedules, not both"

Fault = tuple[str, str]


def job(body: Any, job_id: str | None = None, *, features: Collection[str] = ()) -> Job:
    """The job that ``body`` describes; ``job_id`` overrides the one inside.   Errors: Invalid."""
    if isinstance(body, Mapping) and job_id is not None:
        body = {**body, "id": job_id}
    _check(_JOB, body)
    made = msgspec.convert(_with_is(body), Job, strict=False)
    faults = [*_run_faults(made.run), *_feature_faults(made.run, features), *_dependency_faults(made)]
    for one in made.schedules:
        faults += _schedule_faults(one, "/schedules/0")
    if faults:
        raise Invalid(faults)
    return made


def schedule(body: Any, schedule_id: str | None = None) -> Schedule:
    """Errors: Invalid."""
    if isinstance(body, Mapping) and schedule_id is not None:
        body = {**body, "id": schedule_id}
    _check(_SCHEDULE, body)
    made = msgspec.convert({name: value for name, value in body.items() if name != "nextRunAt"}, Schedule)
    faults = list(_schedule_faults(made, ""))
    if faults:
        raise Invalid(faults)
    return made


def _check(validator: Draft7Validator, body: Any) -> None:
    faults = []
    for error in validator.iter_errors(body):
        faults.append(("/" + "/".join(str(part) for part in error.absolute_path), _text(schema.fault_text(error))))
        if len(faults) == _MOST_FAULTS:
            break
    if faults:
        raise Invalid(faults)


def _text(message: str) -> str:
    return message if len(message) <= 500 else message[:500] + "..."


def _with_is(body: Mapping[str, Any]) -> dict[str, Any]:
    """EQ is another word for IS and reads back as that; what only we tell is dropped."""
    run = dict(body["run"])
    if constraints := run.get("placement", {}).get("constraints"):
        changed = [{**one, "operator": "IS"} if one["operator"] == "EQ" else one for one in constraints]
        run["placement"] = {"constraints": changed}
    schedules = [
        {name: value for name, value in one.items() if name != "nextRunAt"} for one in body.get("schedules", ())
    ]
    return {**body, "run": run, "schedules": schedules}


# ---- rules -----------------------------------------------------------------------------------------------------------


def _run_faults(run: Run) -> Iterator[Fault]:
    if run.cmd is None and run.docker is None and run.ucr is None:
        yield "/run", "Cmd, Docker or UCR image must be specified"
    if run.docker is not None and run.ucr is not None:
        yield "/run", "Either Docker or UCR should be provided, but not both"
    if run.docker is not None and run.gpus:
        yield "/run/gpus", "GPUs are not supported with Docker"
    if run.cmd is not None and run.args:
        yield "/run", "Either cmd or args may be specified, but not both"
    yield from _secret_faults(run)
    yield from _network_faults(run)
    for index, one in enumerate(run.placement.constraints):
        path = f"/run/placement/constraints/{index}"
        if one.operator in ("LIKE", "UNLIKE"):
            try:
                re.compile(one.value or "")
            except re.error as error:
                yield path, f"'{one.value}' is not a valid regular expression: {error}"
        if not one.value:
            yield path, f"{one.operator.value} needs a value"


def _feature_faults(run: Run, features: Collection[str]) -> Iterator[Fault]:
    if run.secrets and "secrets" not in features:
        yield "/run/secrets", "Feature secrets is not enabled. Enable with --features_enable secrets"
    if run.gpus and "gpu_resources" not in features:
        yield "/run/gpus", "Feature gpu_resources is not enabled. Enable with --features_enable gpu_resources"


def _secret_faults(run: Run) -> Iterator[Fault]:
    used = {value.secret for value in run.env.values() if isinstance(value, EnvSecret)}
    used |= {volume.secret for volume in run.volumes if volume.secret is not None}
    defined = set(run.secrets)
    text = ""
    for what, names, helps in (
        ("referenced, but undefined", used - defined, "add them to"),
        ("defined, but not referenced", defined - used, "remove them from"),
    ):
        if names:
            text += f"The following secrets are {what}: {', '.join(sorted(names))}. Please {helps} the secrets field."
    if text:
        yield "/run", text
    if run.docker is not None and any(volume.secret is not None for volume in run.volumes):
        yield "/run/volumes", "File based secrets are only supported by UCR"


def _network_faults(run: Run) -> Iterator[Fault]:
    modes = {network.mode for network in run.networks}
    if len(modes) > 1:
        yield (
            "/run/networks",
            "You may not mix host, container, or container/bridge networking. Only define one kind of network.",
        )
    if modes - {NetworkMode.HOST} and run.docker is None and run.ucr is None:
        yield "/run/networks", "Only containers may join container or bridge networks"
    if modes & {NetworkMode.HOST, NetworkMode.BRIDGE} and len(run.networks) > 1:
        yield "/run/networks", "Only one host or container/bridge network modes are allowed"
    if run.docker is not None and modes == {NetworkMode.CONTAINER} and len(run.networks) > 1:
        yield "/run/networks", "Docker does not allow specification of multiple networks"
    names = [network.name for network in run.networks if network.name is not None]
    if len(set(names)) != len(names):
        yield "/run/networks", "network names must be unique"
    for index, network in enumerate(run.networks):
        if network.mode is NetworkMode.CONTAINER and not network.name:
            yield f"/run/networks/{index}/name", "must be given in container mode"
        if network.mode is not NetworkMode.CONTAINER and network.name:
            yield f"/run/networks/{index}/name", f"may not be given in {network.mode.value} mode"


def _dependency_faults(job: Job) -> Iterator[Fault]:
    names = [one.id for one in job.dependencies]
    if len(set(names)) != len(names):
        yield "/dependencies", "Dependencies must be unique"
    if names and job.schedules:
        yield "/dependencies", _NOT_BOTH


def no_schedule_beside_dependencies() -> Invalid:
    return Invalid([("/schedules", _NOT_BOTH)])


def _schedule_faults(one: Schedule, path: str) -> Iterator[Fault]:
    try:
        cron.parse(one.cron)
    except cron.CronError as error:
        yield f"{path}/cron", str(error)
    try:
        zone(one)
    except (KeyError, ValueError, OSError):
        yield f"{path}/timezone", f"'{one.timezone}' is not a time zone"


def zone(one: Schedule) -> ZoneInfo:
    """Errors: KeyError, ValueError, OSError."""
    return ZoneInfo(one.timezone)


# ---- between jobs ----------------------------------------------------------------------------------------------------


def check_dependencies(job: Job, others: Mapping[str, Job]) -> None:
    """Errors: Refused."""
    unknown = sorted({one.id for one in job.dependencies} - others.keys() - {job.id})
    if unknown:
        raise Refused(f"Dependencies contain unknown jobs. unknown=[{', '.join(unknown)}]")
    if job.id in _reached((one.id for one in job.dependencies), {**others, job.id: job}):
        raise Refused("Dependencies have a cycle.")


def _reached(first: Iterator[str], jobs: Mapping[str, Job]) -> Collection[str]:
    seen: set[str] = set()
    waiting = list(first)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [one.id for one in jobs[name].dependencies] if name in jobs else []
    return seen


def dependants(job_id: str, jobs: Mapping[str, Job]) -> list[str]:
    """Jobs that depend on this one."""
    return sorted(one.id for one in jobs.values() if any(parent.id == job_id for parent in one.dependencies))
