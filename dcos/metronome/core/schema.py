"""What a client may send: JSON Schemas of jobs and schedules. Members that are not named here are refused.

Source: Metronome's jobspec and schedulespec schemas.
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

JOB_ID: Final = r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
SCHEDULE_ID: Final = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"

_TEXT: Final[Schema] = {"type": "string"}
_FLAG: Final[Schema] = {"type": "boolean"}
_TEXTS: Final[Schema] = {"type": "array", "items": _TEXT}
_LABELS: Final[Schema] = {"type": "object", "additionalProperties": _TEXT}


def _object(required: tuple[str, ...] = (), **members: Schema) -> Schema:
    made: Schema = {"type": "object", "properties": members, "additionalProperties": False}
    return {**made, "required": list(required)} if required else made


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


SCHEDULE: Final = _object(
    ("id", "cron"),
    id={"type": "string", "pattern": SCHEDULE_ID},
    cron=_TEXT,
    timezone=_TEXT,
    startingDeadlineSeconds={"type": "integer", "minimum": 1},
    concurrencyPolicy={"enum": ["ALLOW", "FORBID"]},
    enabled=_FLAG,
    nextRunAt=_TEXT,
)

RUN: Final = _object(
    ("cpus", "mem", "disk"),
    cpus={"type": "number", "minimum": 0.01},
    mem={"type": "number", "minimum": 32},
    disk={"type": "number", "minimum": 0},
    gpus={"type": "integer", "minimum": 0},
    cmd={"type": "string", "minLength": 1},
    args=_TEXTS,
    user=_TEXT,
    env={"type": "object", "additionalProperties": {"anyOf": [_TEXT, _object(("secret",), secret=_TEXT)]}},
    secrets={"type": "object", "additionalProperties": _object(("source",), source=_TEXT)},
    docker=_object(
        ("image",),
        image={"type": "string", "minLength": 1},
        forcePullImage=_FLAG,
        privileged=_FLAG,
        parameters=_list(_object(("key", "value"), key=_TEXT, value=_TEXT)),
    ),
    ucr=_object(
        ("image",),
        image=_object(
            ("id",), id={"type": "string", "minLength": 1}, kind={"enum": ["docker", "appc"]}, forcePull=_FLAG
        ),
        privileged=_FLAG,
    ),
    volumes=_list(
        {
            "oneOf": [
                _object(
                    ("containerPath", "hostPath", "mode"),
                    containerPath={"type": "string", "minLength": 1},
                    hostPath={"type": "string", "minLength": 1},
                    mode={"enum": ["RO", "RW"]},
                ),
                _object(("containerPath", "secret"), containerPath={"type": "string", "minLength": 1}, secret=_TEXT),
            ]
        }
    ),
    networks=_list(_object((), mode={"enum": ["host", "container", "container/bridge"]}, name=_TEXT, labels=_LABELS)),
    artifacts=_list(_object(("uri",), uri=_TEXT, extract=_FLAG, executable=_FLAG, cache=_FLAG)),
    placement=_object(
        (),
        constraints=_list(
            _object(
                ("attribute", "operator"),
                attribute={"type": "string", "minLength": 1},
                operator={"enum": ["EQ", "IS", "LIKE", "UNLIKE"]},
                value=_TEXT,
            )
        ),
    ),
    maxLaunchDelay={"type": "integer", "minimum": 1},
    restart=_object(
        ("policy",),
        policy={"enum": ["NEVER", "ON_FAILURE"]},
        activeDeadlineSeconds={"type": "integer", "minimum": 0},
    ),
    taskKillGracePeriodSeconds={"type": "number", "minimum": 0},
)

JOB: Final = _object(
    ("id", "run"),
    id={"type": "string", "pattern": JOB_ID},
    description=_TEXT,
    labels=_LABELS,
    dependencies=_list(_object(("id",), id={"type": "string", "pattern": JOB_ID})),
    schedules=_list(SCHEDULE, maxItems=1),
    run=RUN,
)
