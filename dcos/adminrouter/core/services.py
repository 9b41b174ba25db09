"""Where ``/service/<name>/`` and ``/agent/<id>/`` lead, from what Marathon and the Mesos master say.

Theory: what they say is read once into small tables (``Apps``, ``Cluster``) that are swapped as a whole; a request then only
looks up. Names are kept in Mesos-DNS' order: ``a/b`` is ``b.a``. The shortest leading part of the path that names something
wins.
Source: Admin Router's service resolution; ``docs/reference/adminrouter.md``.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from dcos.adminrouter.core.targets import Refusal, Target

NAME_SEGMENTS = 10
LEADER_SERVICES = ("marathon", "metronome")
"""Names that always mean the leading instance of this cluster's own scheduler."""

NO_APPS = Refusal("503 Service Unavailable: invalid Marathon svcapps cache", passing=True)
NO_CLUSTER = Refusal("503 Service Unavailable: invalid Mesos state cache", passing=True)
NO_DNS = Refusal("503 Service Unavailable: MesosDNS request has failed", passing=True)
NO_MASTER = Refusal("503 Service Unavailable: no leading Mesos master is known")
NOT_FOUND = Refusal("404 Not Found: service not found.")


class StateError(ValueError):
    """What was fetched is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTarget:
    """A Marathon app's running task. ``host`` may be a name that still has to be resolved."""

    scheme: str
    host: str
    port: int
    rewrite: bool
    buffered: bool


@dataclass(frozen=True, slots=True)
class Apps:
    """Apps that want to be found, by name."""

    by_name: Mapping[str, AppTarget] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Framework:
    name: str
    webui_url: str | None
    """Empty: ask Mesos-DNS. None: not to be found."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the leading master says. Agents' addresses are ``ip:port``."""

    by_id: Mapping[str, Framework] = field(default_factory=dict)
    by_name: Mapping[str, Framework] = field(default_factory=dict)
    agents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """A name that leads somewhere: ``segments`` of the path are its name."""

    segments: tuple[str, ...]
    target: AppTarget
    path: str = ""


@dataclass(frozen=True, slots=True)
class AskDns:
    """A framework that is found by its Mesos-DNS name only."""

    segments: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class LeaderOf:
    """The leading instance of one of ``LEADER_SERVICES``."""

    name: str


Resolution = Found | AskDns | LeaderOf | Refusal


# ---- resolving -------------------------------------------------------------------------------------------------------


def normalized(name: str) -> str:
    """``a/b`` to ``b.a``; empty segments are dropped."""
    return ".".join(reversed([segment for segment in name.split("/") if segment]))


def candidates(path: str) -> Iterator[tuple[str, ...]]:
    """The leading parts of a path that may be a service's name, shortest first."""
    segments = [segment for segment in path.split("/") if segment][:NAME_SEGMENTS]
    for count in range(1, len(segments) + 1):
        yield tuple(segments[:count])


def resolve(path: str, apps: Apps | None, cluster: Cluster | None, skip: int = 0) -> Resolution:
    """Where ``path`` (what follows ``/service``) leads. ``skip``: candidates already tried without success.

    ``apps`` or ``cluster`` None: not known (yet), or too old to be trusted.
    """
    for number, segments in enumerate(candidates(path)):
        if number < skip:
            continue
        name = ".".join(reversed(segments))
        if name in LEADER_SERVICES:
            return LeaderOf(name)
        if apps is None:
            return NO_APPS
        app = apps.by_name.get(name)
        if app is not None:
            return Found(segments, app)
        if cluster is None:
            return NO_CLUSTER
        framework = cluster.by_id.get(name) or cluster.by_name.get(name)
        if framework is None or framework.webui_url is None:
            continue
        if framework.webui_url == "":
            return AskDns(segments, framework.name)
        found = _web_ui(segments, framework.webui_url)
        if found is not None:
            return found
    return NOT_FOUND


def _web_ui(segments: tuple[str, ...], url: str) -> Found | None:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    target = AppTarget(scheme=parts.scheme, host=parts.hostname, port=port, rewrite=True, buffered=True)
    return Found(segments, target, parts.path.rstrip("/"))


def proxied(found: Found, ip: str) -> Target:
    """The target behind a found name, whose host is ``ip``."""
    return Target(
        address=address(ip, found.target.port),
        scheme=found.target.scheme,
        path=found.path,
        strip=len(found.segments) if found.target.rewrite else 0,
        location=location_of(found.segments),
        buffered=found.target.buffered,
    )


def location_of(segments: tuple[str, ...]) -> str:
    return "/service/" + "/".join(quote(segment, safe="", errors="surrogateescape") for segment in segments)


def address(ip: str, port: int) -> str:
    """``ip:port`` as nginx takes it.   Errors: ValueError."""
    return f"[{ip}]:{port}" if ipaddress.ip_address(ip).version == 6 else f"{ip}:{port}"


# ---- what Marathon says ----------------------------------------------------------------------------------------------


class _Address(msgspec.Struct, rename="camel"):
    ip_address: str = ""


class _Task(msgspec.Struct, rename="camel"):
    host: str | None = None
    ports: list[int] | None = None
    state: str | None = None
    ip_addresses: list[_Address] | None = None


class _Mapping(msgspec.Struct, rename="camel"):
    container_port: int | None = None


class _Docker(msgspec.Struct, rename="camel"):
    port_mappings: list[_Mapping] | None = None


class _Container(msgspec.Struct, rename="camel"):
    port_mappings: list[_Mapping] | None = None
    docker: _Docker | None = None


class _Network(msgspec.Struct):
    mode: str = "container"


class _App(msgspec.Struct):
    labels: dict[str, Any] = {}
    tasks: list[_Task] = []
    networks: list[_Network] = []
    container: _Container | None = None


class _AppList(msgspec.Struct):
    apps: list[msgspec.Raw]


def read_apps(raw: bytes) -> Apps:
    """Read ``/v2/apps?embed=apps.tasks``. An app that cannot be used is left out.   Errors: StateError."""
    try:
        listed = msgspec.json.decode(raw, type=_AppList).apps
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateError(f"apps: {error}") from error
    by_name: dict[str, AppTarget] = {}
    for entry in listed:
        try:
            app = msgspec.json.decode(entry, type=_App)
        except msgspec.DecodeError:
            continue
        target = _app_target(app)
        name = app.labels.get("DCOS_SERVICE_NAME")
        if target is not None and isinstance(name, str) and normalized(name):
            by_name[normalized(name)] = target
    return Apps(by_name)


def _app_target(app: _App) -> AppTarget | None:
    labels = app.labels
    scheme, index = labels.get("DCOS_SERVICE_SCHEME"), _index(labels.get("DCOS_SERVICE_PORT_INDEX"))
    task = next((one for one in app.tasks if one.state == "TASK_RUNNING"), None)
    if scheme not in ("http", "https") or index is None or task is None:
        return None
    host, port = _endpoint(app, task, index)
    if not host or not port or not 0 < port < 65536:
        return None
    return AppTarget(
        scheme=scheme,
        host=host,
        port=port,
        rewrite=not _is_false(labels.get("DCOS_SERVICE_REWRITE_REQUEST_URLS")),
        buffered=not _is_false(labels.get("DCOS_SERVICE_REQUEST_BUFFERING")),
    )


def _endpoint(app: _App, task: _Task, index: int) -> tuple[str | None, int | None]:
    """Host and port of a task: its own on a container network, otherwise those of its host."""
    if not any(network.mode == "container" for network in app.networks):
        return task.host, _at(task.ports, index)
    host = task.ip_addresses[0].ip_address if task.ip_addresses else None
    container = app.container or _Container()
    mappings = container.port_mappings or (container.docker.port_mappings if container.docker else None)
    mapping = _at(mappings, index)
    port = mapping.container_port if mapping else None
    return host, port or _at(task.ports, index)


def _at(values: list[Any] | None, index: int) -> Any:
    return values[index] if values is not None and 0 <= index < len(values) else None


def _index(label: object) -> int | None:
    """A label's number, which upstream also takes as ``0.0`` and the like."""
    try:
        value = float(label) if isinstance(label, str | int | float) and not isinstance(label, bool) else math.nan
    except ValueError:
        return None
    return int(value) if value.is_integer() and 0 <= value < 1000 else None


def _is_false(label: object) -> bool:
    return label is False or label == "false"


# ---- what the Mesos master says --------------------------------------------------------------------------------------


class _Framework(msgspec.Struct):
    id: str = ""
    name: str = ""
    webui_url: str | None = None


class _Agent(msgspec.Struct):
    id: str
    pid: str = ""


class _Summary(msgspec.Struct):
    frameworks: list[_Framework] = []
    slaves: list[_Agent] = []


def read_cluster(raw: bytes) -> Cluster:
    """Read ``/master/state-summary``.   Errors: StateError."""
    try:
        summary = msgspec.json.decode(raw, type=_Summary)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateError(f"state-summary: {error}") from error
    by_id, by_name = {}, {}
    for entry in summary.frameworks:
        name = normalized(entry.name)
        by_id[entry.id] = by_name[name] = Framework(name, entry.webui_url)
    agents = {agent.id: agent.pid.partition("@")[2] for agent in summary.slaves if "@" in agent.pid}
    return Cluster(by_id, by_name, agents)


class _Record(msgspec.Struct):
    ip: str = ""
    port: str | int = ""


def read_srv(raw: bytes) -> tuple[str, int] | None:
    """The first record of a Mesos-DNS answer as (ip, port); None: there is no such name.   Errors: StateError."""
    try:
        records = msgspec.json.decode(raw, type=list[_Record])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateError(f"services: {error}") from error
    if not records or not records[0].ip:
        return None
    try:
        port = int(records[0].port)
        ipaddress.ip_address(records[0].ip)
    except ValueError as error:
        raise StateError(f"services: {error}") from error
    return records[0].ip, port
