"""Node and cluster checks as files tell them: ``dcos-check-config.json`` and ``custom_checks`` of ``config.yaml``.

    {"cluster_checks": {name: {description, cmd: [word, ...], timeout}},
     "node_checks": {"checks": {name: {description, cmd, timeout, roles: [master|agent]}}, "prestart": [name, ...],
                     "poststart": [name, ...]},
     "check_env": {variable: value}}

``check_env`` is of the file alone: all variables that a check's program has. ``roles`` missing: everywhere. A status is 0 OK,
1 WARNING, 2 CRITICAL, 3 UNKNOWN.   Source: dcos-check-runner, DC/OS ``gen/calc.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
MASTER, AGENT = "master", "agent"
CLUSTER, PRESTART, POSTSTART = "cluster", "node-prestart", "node-poststart"
KINDS = (PRESTART, POSTSTART, CLUSTER)

_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``timeout`` as it was written: ``30s``."""

    description: str
    cmd: tuple[str, ...]
    timeout: str
    roles: frozenset[str] = frozenset({MASTER, AGENT})

    @property
    def timeout_s(self) -> float:
        return seconds(self.timeout)

    def shown(self) -> dict[str, Any]:
        """As lists have it."""
        return {"description": self.description, "cmd": list(self.cmd), "timeout": self.timeout}


@dataclass(frozen=True, slots=True)
class Checks:
    """All checks of a node. Every node check is in one of the two lists, or in both."""

    cluster: Mapping[str, Check] = field(default_factory=dict)
    node: Mapping[str, Check] = field(default_factory=dict)
    prestart: tuple[str, ...] = ()
    poststart: tuple[str, ...] = ()

    def of(self, kind: str, role: str) -> dict[str, Check]:
        """The checks of a kind that a node of ``role`` (master or agent) has."""
        if kind == CLUSTER:
            return dict(self.cluster)
        names = self.prestart if kind == PRESTART else self.poststart
        return {name: self.node[name] for name in names if role in self.node[name].roles}

    def with_more(self, other: Checks) -> Checks:
        """Both.   Errors: ValueError naming what is in both."""
        again = sorted((self.cluster.keys() & other.cluster.keys()) | (self.node.keys() & other.node.keys()))
        if again:
            raise ValueError(f"custom checks must not have names of built-in ones: {', '.join(again)}")
        return Checks(
            {**self.cluster, **other.cluster},
            {**self.node, **other.node},
            (*self.prestart, *other.prestart),
            (*self.poststart, *other.poststart),
        )

    def as_json(self) -> dict[str, Any]:
        """What ``parse`` reads."""
        node = {name: {**check.shown(), "roles": sorted(check.roles)} for name, check in self.node.items()}
        return {
            "cluster_checks": {name: check.shown() for name, check in self.cluster.items()},
            "node_checks": {"checks": node, "prestart": list(self.prestart), "poststart": list(self.poststart)},
        }


def seconds(text: str) -> float:
    """``1m30s`` in seconds.   Errors: ValueError."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"must be numbers with units (ns us ms s m h), like 30s, not {text!r}")
    value: float = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not 0 < value <= LONGEST_S:
        raise ValueError(f"must be more than nothing and at most an hour, not {text!r}")
    return value


def parse(told: object) -> Checks:
    """Checks from decoded JSON; ``check_env`` is not looked at.   Errors: ValueError naming the member and the rule."""
    whole = _map(told, "checks")
    _only(whole, ("cluster_checks", "node_checks", "check_env"), "checks")
    cluster = {
        _name(name, "cluster_checks"): _check(one, f"cluster_checks.{name}", with_roles=False)
        for name, one in _map(whole.get("cluster_checks", {}), "cluster_checks").items()
    }
    nodes = _map(whole.get("node_checks", {}), "node_checks")
    _only(nodes, ("checks", "prestart", "poststart"), "node_checks")
    node = {
        _name(name, "node_checks.checks"): _check(one, f"node_checks.checks.{name}", with_roles=True)
        for name, one in _map(nodes.get("checks", {}), "node_checks.checks").items()
    }
    lists = {}
    for key in ("prestart", "poststart"):
        lists[key] = _words(nodes.get(key, []), f"node_checks.{key}")
        for name in lists[key]:
            if name not in node:
                raise ValueError(f"node_checks.{key}: {name!r} is not in node_checks.checks")
        if len(set(lists[key])) != len(lists[key]):
            raise ValueError(f"node_checks.{key}: names must be unique")
    for name in node:
        if name not in lists["prestart"] and name not in lists["poststart"]:
            raise ValueError(f"node_checks.checks.{name}: must be listed in prestart or poststart")
    return Checks(cluster, node, lists["prestart"], lists["poststart"])


def _check(told: object, where: str, *, with_roles: bool) -> Check:
    given = _map(told, where)
    _only(given, ("description", "cmd", "timeout", *(("roles",) if with_roles else ())), where)
    description, timeout = (_text(given.get(key), f"{where}.{key}") for key in ("description", "timeout"))
    cmd = _words(given.get("cmd"), f"{where}.cmd")
    if not cmd or not cmd[0]:
        raise ValueError(f"{where}.cmd: must name a program")
    try:
        seconds(timeout)
    except ValueError as error:
        raise ValueError(f"{where}.timeout: {error}") from None
    roles = _words(given.get("roles", [MASTER, AGENT]), f"{where}.roles")
    if not roles or set(roles) - {MASTER, AGENT}:
        raise ValueError(f"{where}.roles: must be a list of master, agent or both")
    return Check(description, cmd, timeout, frozenset(roles))


def _map(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{where}: must be a map")
    return value


def _only(given: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in given:
        if key not in known:
            raise ValueError(f"{where}: {key!r} is not known; known are {', '.join(known)}")


def _name(name: str, where: str) -> str:
    if not name or any(letter.isspace() or not letter.isprintable() for letter in name):
        raise ValueError(f"{where}: {name!r}: names have no blanks")
    return name


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{where}: must be text, not empty")
    return value


def _words(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and "\0" not in one for one in value):
        raise ValueError(f"{where}: must be a list of texts")
    return tuple(value)


_LONG, _SHORT = "30s", "5s"
_BOTH = frozenset({MASTER, AGENT})
_MASTERS, _AGENTS = frozenset({MASTER}), frozenset({AGENT})
BUILT_IN: tuple[tuple[str, str, tuple[str, ...], str, frozenset[str]], ...] = (
    ("components_master", "All units of this node are healthy", ("components",), _LONG, _MASTERS),
    ("components_agent", "All units of this node are healthy", ("components",), _LONG, _AGENTS),
    ("xz", "The program xz is there", ("executable", "xz"), _SHORT, _BOTH),
    ("tar", "The program tar is there", ("executable", "tar"), _SHORT, _BOTH),
    ("curl", "The program curl is there", ("executable", "curl"), _SHORT, _BOTH),
    ("unzip", "The program unzip is there", ("executable", "unzip"), _SHORT, _BOTH),
    ("docker", "The Docker Engine answers, where there is one", ("docker",), _LONG, _AGENTS),
    ("ip_detect_script", "The script ip-detect prints an address of this node", ("ip",), _LONG, _BOTH),
    (
        "mesos_master_replog_synchronized",
        "The Mesos master has read the cluster's state",
        ("mesos-metric", "master", "registrar/log/recovered"),
        _LONG,
        _MASTERS,
    ),
    (
        "mesos_agent_registered_with_masters",
        "The Mesos agent is registered with the masters",
        ("mesos-metric", "agent", "slave/registered"),
        _LONG,
        _AGENTS,
    ),
    ("journald_dir_permissions", "Group systemd-journal may read the journal", ("journald",), _SHORT, _BOTH),
    ("zookeeper_serving", "ZooKeeper of this node serves", ("zookeeper",), _LONG, _MASTERS),
    ("names_resolve", "ready.spartan and leader.mesos have addresses", ("names",), _LONG, _BOTH),
    ("disk_space", "There is space where state, logs and sandboxes are kept", ("disk",), _SHORT, _BOTH),
    ("certificates", "The certificates that services of this node show are good", ("certificates",), _LONG, _BOTH),
    ("clock_sync", "The clock is synchronised", ("clock",), _SHORT, _BOTH),
)
"""(name, description, words of ``dcos-checks``, timeout, roles). All are poststart checks."""


def built_in(program: str, *, check_time: bool) -> Checks:
    """``program``: path of ``dcos-checks``."""
    node = {
        name: Check(description, (program, *words), timeout, roles)
        for name, description, words, timeout, roles in BUILT_IN
        if check_time or name != "clock_sync"
    }
    return Checks(node=node, poststart=tuple(node))
