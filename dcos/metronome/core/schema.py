"""What a client may send: JSON Schemas of jobs and schedules. Members that are not named here are refused.

Source: Metronome's jobspec and schedulespec schemas; the texts are those of the validator that it uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from jsonschema import ValidationError

Schema = dict[str, Any]

JOB_ID: Final = r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
SCHEDULE_ID: Final = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"

_TEXT: Final[Schema] = {"type": "string"}
_FLAG: Final[Schema] = {"type": "boolean"}
_WORDS: Final[Schema] = {"type": "array", "items": _TEXT}
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
    args=_WORDS,
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

# ---- texts -----------------------------------------------------------------------------------------------------------

_TYPES: Final[tuple[tuple[type, str], ...]] = (
    (bool, "boolean"), (int, "number"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"),
)  # fmt: skip


def _type_of(value: Any) -> str:
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "null")


def _missing(error: Any) -> str:
    name = next(one for one in error.validator_value if f"'{one}'" in error.message)
    return f"Property {name} missing."


def _unknown(error: Any) -> str:
    known = error.schema["properties"]
    names = " and ".join(f"'{name}'" for name in error.instance if name not in known)
    return f"Additional properties are not allowed, but found properties {names}."


_TEXTS: Final[Mapping[str, Callable[[Any], str]]] = {
    "required": _missing,
    "additionalProperties": _unknown,
    "type": lambda error: f"Wrong type. Expected {error.validator_value}, was {_type_of(error.instance)}.",
    "minimum": lambda error: f"{error.instance} is smaller than required minimum value of {error.validator_value}.",
    "minLength": lambda error: f"'{error.instance}' does not match minimum length of {error.validator_value}.",
    "maxItems": lambda error: (
        f"Too many items. {len(error.instance)} items found, but only a maximum of {error.validator_value} is allowed."
    ),
    "pattern": lambda error: f"'{error.instance}' does not match pattern '{error.validator_value}'.",
    "enum": lambda error: "Instance is invalid enum value.",
    "anyOf": lambda error: "Instance does not match any of the schemas.",
    "oneOf": lambda error: "Instance does not match any schema.",
}


def fault_text(error: ValidationError) -> str:
    """What a client reads of it."""
    return _TEXTS[str(error.validator)](error)
