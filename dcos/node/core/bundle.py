"""A diagnostics bundle: what it is called, how far it is, what belongs into it.   Source: dcos-diagnostics, bundles of 2.x."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from dcos.registry import NodeRole

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")
Json = dict[str, Any]


class Status(enum.StrEnum):
    STARTED = "Started"
    IN_PROGRESS = "InProgress"
    DONE = "Done"
    CANCELED = "Canceled"
    DELETED = "Deleted"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


OVER = frozenset({Status.DONE, Status.CANCELED, Status.DELETED, Status.FAILED, Status.UNKNOWN})
WITHOUT_FILE = frozenset({Status.CANCELED, Status.DELETED, Status.FAILED, Status.UNKNOWN})


class Kind(enum.StrEnum):
    LOCAL = "Local"
    CLUSTER = "Cluster"


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """As the API shows it. Times in RFC 3339, empty while there is none."""

    id: str
    type: Kind
    size: int = 0
    status: Status = Status.STARTED
    started_at: str = ""
    stopped_at: str = ""
    errors: list[str] = []


def is_id(text: str) -> bool:
    """Whether it can name a bundle, and a folder."""
    return _ID.fullmatch(text) is not None and ".." not in text


def part_of(id: str) -> str:
    """Id of the bundle that each node makes for one of the cluster."""
    return f"{id}.part"


def time_text(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")


_SYSTEM = (
    ("os-release", "/etc/os-release"),
    ("resolv.conf", "/etc/resolv.conf"),
    ("cpuinfo", "/proc/cpuinfo"),
    ("meminfo", "/proc/meminfo"),
    ("loadavg", "/proc/loadavg"),
    ("mounts", "/proc/self/mounts"),
)
_CONFIGURATION = ("dcos-version.json", "expanded.config.json", "user.config.yaml", "master_list")
COMMANDS = (
    ("ip-address", ("ip", "address")),
    ("ip-route", ("ip", "route", "show", "table", "all")),
    ("sockets", ("ss", "-tuapnOe")),
    ("processes", ("ps", "axww", "-o", "pid,ppid,user,stat,lstart,time,rss,comm")),
    ("disks", ("df", "-h")),
    ("inodes", ("df", "-i")),
    ("memory", ("free", "-k")),
    ("kernel", ("uname", "-a")),
    ("clock", ("timedatectl", "status")),
    ("units", ("systemctl", "list-units", "--all", "--no-pager", "--full", "dcos*")),
    ("timers", ("systemctl", "list-timers", "--all", "--no-pager", "dcos*")),
)
"""Name and words. Arguments of processes are left out: there may be secrets of tasks in them."""


def files(etc: str) -> tuple[tuple[str, str], ...]:
    """(name in the bundle, path)."""
    return (*_SYSTEM, *((name, f"{etc}/{name}") for name in _CONFIGURATION))


_MESOS = ("state", "state-summary", "flags", "metrics/snapshot", "version")
_MASTER = ("frameworks", "roles", "slaves", "tasks", "maintenance/schedule", "maintenance/status", "quota")
_MARATHON = ("apps", "deployments", "groups", "info", "leader", "queue", "tasks", "pods", "pods/::status")
_EXHIBITOR = ("cluster/list", "cluster/log", "cluster/state", "cluster/status", "config/get-state")


def endpoints(role: NodeRole, ports: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """(name in the bundle, URL). ``ports``: URL of a service of this node, by its name."""
    found: list[tuple[str, str]] = []

    def add(service: str, prefix: str, paths: tuple[str, ...]) -> None:
        for path in paths:
            name = re.sub(r"[^0-9A-Za-z]+", "_", path).strip("_")
            found.append((f"{service}/{name}.json", f"{ports[service]}{prefix}{path}"))

    if role is NodeRole.MASTER:
        add("dcos-mesos-master", "/master/", (*_MESOS[:3], *_MASTER[:-1]))
        add("dcos-mesos-master", "/", (*_MESOS[3:], "quota", "registrar(1)/registry", "overlay-master/state"))
        add("dcos-marathon", "/v2/", _MARATHON)
        add("dcos-marathon", "/", ("metrics",))
        add("dcos-exhibitor", "/exhibitor/v1/", _EXHIBITOR)
        add("dcos-mesos-dns", "/v1/", ("config", "version", "axfr"))
        add("dcos-metronome", "/v1/", ("jobs",))
    else:
        service = "dcos-mesos-slave" if role is NodeRole.AGENT else "dcos-mesos-slave-public"
        add(service, "/", ("state", "flags", "metrics/snapshot", "version", "containers", "overlay-agent/overlay"))
    add("dcos-net", "/v1/", ("vips", "nodes", "records", "version"))
    return tuple(found)
