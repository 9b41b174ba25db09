"""JSON of Marathon's v2 API: bytes to documents with upstream's error codes, documents to JSON, error bodies.

Unknown members are ignored, ``null`` means absent, enum texts are matched without regard to case. All faults of a body
are reported together, one detail per path.   Source: Marathon 1.11 (play-json codes, MarathonExceptionMapper).
"""

from __future__ import annotations

import enum
import functools
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from dcos.model.marathon import App
from dcos.model.marathon_limits import LIMITS
from dcos.model.marathon_state import iso
from dcos.model.pods import Pod
from dcos.model.run_spec import RunSpec

T = TypeVar("T")

MISSING = "error.path.missing"
LOCKED_TEXT = (
    "App is locked by one or more deployments. Override with the option '?force=true'. "
    "View details at '/v2/deployments/<DEPLOYMENT_ID>'."
)


class ApiError(Exception):
    """An answer other than success: ``status`` and the JSON ``body``."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status}: {body.get('message', '')}")
        self.status = status
        self.body = body


Fault = tuple[str, str]
"""(path, text): ``("/cpus", "error.expected.jsnumber")``."""


def _details(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    by_path: dict[str, list[str]] = {}
    for path, text in faults:
        by_path.setdefault(path or "/", []).append(text)
    return [{"path": path, "errors": errors} for path, errors in by_path.items()]


def not_json(text: str) -> ApiError:
    return ApiError(400, {"message": "Invalid JSON", "details": text})


def wrong_shape(faults: Sequence[Fault]) -> ApiError:
    return ApiError(422, {"message": "Invalid JSON", "details": _details(faults)})


def invalid(faults: Sequence[Fault]) -> ApiError:
    return ApiError(422, {"message": "Object is not valid", "details": _details(faults)})


def refused(text: str) -> ApiError:
    return ApiError(422, {"message": text})


def version_of(text: str) -> str:
    """A version as we write it, from any ISO-8601 date and time with an offset.   Errors: ApiError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or "T" not in text:
        raise refused(f"Invalid timestamp provided '{text}'. Expecting ISO-8601 datetime string.")
    return iso(moment.timestamp())


def not_found(text: str) -> ApiError:
    return ApiError(404, {"message": text})


def app_unknown(app_id: str, version: str | None = None) -> ApiError:
    return not_found(f"App '{app_id}' does not exist" + (f" in version {version}" if version else ""))


def pod_unknown(pod_id: str, version: str | None = None) -> ApiError:
    return not_found(f"Pod '{pod_id}' does not exist" + (f" in version {version}" if version else ""))


def group_unknown(group_id: str, version: str | None = None) -> ApiError:
    return not_found(f"Group '{group_id}' does not exist" + (f" in version {version}" if version else ""))


def locked(deployments: Sequence[str]) -> ApiError:
    return ApiError(409, {"message": LOCKED_TEXT, "deployments": [{"id": one} for one in deployments]})


def parse(raw: bytes) -> Any:
    """Any JSON text.   Errors: ApiError 400."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(str(error)) from error


def read(value: Any, kind: type[T], path: str = "") -> T:
    """A typed document from parsed JSON.   Errors: ApiError 422 with every fault."""
    faults: list[Fault] = []
    fixed = _fit(value, kind, path, faults)
    if faults:
        raise wrong_shape(faults)
    try:
        return msgspec.convert(fixed, kind)
    except msgspec.ValidationError as error:
        rule, _, where = str(error).partition(" - at ")
        raise wrong_shape([(where.strip("`").lstrip("$").replace(".", "/"), rule)]) from error


def fit(value: Any, kind: Any, path: str = "") -> Any:
    """``value`` as plain JSON that fits ``kind``, without adding defaults.   Errors: ApiError 422 with every fault."""
    faults: list[Fault] = []
    fixed = _fit(value, kind, path, faults)
    if faults:
        raise wrong_shape(faults)
    return fixed


def _fit(value: Any, kind: Any, path: str, faults: list[Fault]) -> Any:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _fit_union(value, [part for part in typing.get_args(kind) if part is not type(None)], path, faults)
    if origin is typing.Literal:
        for option in typing.get_args(kind):
            if isinstance(value, str) and value.lower() == str(option).lower():
                return option
        faults.append((path, "error.unknown.enum.literal" if isinstance(value, str) else "error.expected.jsstring"))
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            faults.append((path, "error.expected.jsarray"))
            return value
        item = typing.get_args(kind)[0]
        return [_fit(one, item, f"{path}({index})", faults) for index, one in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            faults.append((path, "error.expected.jsobject"))
            return value
        item = typing.get_args(kind)[1]
        return {key: _fit(one, item, f"{path}/{key}", faults) for key, one in value.items() if one is not None}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _fit_struct(value, kind, path, faults)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        if not isinstance(value, str):
            faults.append((path, "error.expected.jsstring"))
            return value
        for option in kind:
            if option.value.lower() == value.lower():
                return option.value
        faults.append((path, "error.unknown.enum.literal"))
        return value
    return _fit_scalar(value, kind, path, faults)


def _fit_scalar(value: Any, kind: Any, path: str, faults: list[Fault]) -> Any:
    if kind is str:
        if not isinstance(value, str):
            faults.append((path, "error.expected.jsstring"))
    elif kind is bool:
        if not isinstance(value, bool):
            faults.append((path, "error.expected.jsboolean"))
    elif kind is int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            faults.append((path, "error.expected.jsnumber"))
        elif value != int(value) or abs(value) > 2**63 - 1:
            faults.append((path, "error.expected.int"))
        else:
            return int(value)
    elif kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            faults.append((path, "error.expected.jsnumber"))
        else:
            return float(value)
    return value


def _fit_union(value: Any, parts: list[Any], path: str, faults: list[Fault]) -> Any:
    """The first part that fits; otherwise the faults of the part of the same JSON kind."""
    best: list[Fault] | None = None
    for part in parts:
        tried: list[Fault] = []
        fixed = _fit(value, part, path, tried)
        if not tried:
            return fixed
        struct = isinstance(part, type) and issubclass(part, msgspec.Struct)
        if best is None or (struct and isinstance(value, dict)):
            best = tried
    faults += best or []
    return value


def _fit_struct(value: Any, kind: type[msgspec.Struct], path: str, faults: list[Fault]) -> Any:
    if not isinstance(value, dict):
        faults.append((path, "error.expected.jsobject"))
        return value
    made = {}
    limits = LIMITS.get(kind, {})
    for field in _fields(kind):
        given = value.get(field.encode_name)
        if given is not None:
            where, before = f"{path}/{field.encode_name}", len(faults)
            made[field.encode_name] = fixed = _fit(given, field.type, where, faults)
            limit = limits.get(field.encode_name)
            if limit is not None and len(faults) == before:
                faults += limit.faults(fixed, where)
        elif field.required:
            faults.append((f"{path}/{field.encode_name}", MISSING))
    return made


@functools.cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def plain(value: Any) -> Any:
    """A document as plain JSON values."""
    return msgspec.to_builtins(value)


EXTENSIONS = ("instancesMode", "autoscaling", "rebalance")
"""Members of an app that upstream's has not; so are these of its ``upgradeStrategy``:"""
STRATEGY_EXTENSIONS = ("steps", "promotion")


def app_json(app: App, *, extensions: bool = True) -> dict[str, Any]:
    """An app as the API writes it. Without ``extensions`` only upstream's members: there are clients that fail at others."""
    made: dict[str, Any] = msgspec.to_builtins(app)
    for check in made.get("healthChecks", ()):
        if check["protocol"] in ("HTTP", "HTTPS"):
            check.setdefault("ignoreHttp1xx", False)
    return made if extensions else without_extensions(made)


def without_extensions(app: Mapping[str, Any]) -> dict[str, Any]:
    """An app as the API writes it, with upstream's members only."""
    made = {name: value for name, value in app.items() if name not in EXTENSIONS}
    if strategy := made.get("upgradeStrategy"):
        made["upgradeStrategy"] = {name: value for name, value in strategy.items() if name not in STRATEGY_EXTENSIONS}
    return made


def names_extensions(fields: Mapping[str, Any]) -> bool:
    """Whether whoever wrote these members of an app knows of extensions."""
    strategy = fields.get("upgradeStrategy") or {}
    return any(name in fields for name in EXTENSIONS) or any(name in strategy for name in STRATEGY_EXTENSIONS)


def pod_json(pod: Pod) -> dict[str, Any]:
    """A pod as the API writes it."""
    made: dict[str, Any] = msgspec.to_builtins(pod)
    made.pop("versionInfo", None)
    return made


def spec_json(spec: RunSpec, *, extensions: bool = True) -> dict[str, Any]:
    """``{"app": ...}`` or ``{"pod": ...}``."""
    return {"app": app_json(spec, extensions=extensions)} if isinstance(spec, App) else {"pod": pod_json(spec)}
