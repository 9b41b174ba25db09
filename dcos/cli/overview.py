"""How a cluster is, at a glance: what several services tell, put together, and the problems in it.

``gather`` asks and never fails: a service that does not answer is a problem like any other. ``assess`` decides, without I/O.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dcos.cli.context import Context
from dcos.cli.nodes import Node, all_nodes
from dcos.client.adminrouter import identity
from dcos.client.adminrouter.failures import ClientError, LoginNeeded

T = TypeVar("T")
Json = dict[str, Any]

HEALTHY, UNHEALTHY = 0, 1
MOST_NODES_IN_DETAIL = 20
"""Units are asked for of so many unhealthy nodes; the others are only named."""


@dataclass(slots=True)
class Answers:
    """What the services said; None: nothing. ``silent`` has a line for each that did not answer."""

    nodes: tuple[Node, ...] | None = None
    health: list[Json] | None = None
    units: list[Json] | None = None
    units_of: dict[str, list[Json]] = field(default_factory=dict)
    apps: list[Json] | None = None
    pods: list[Json] | None = None
    """Their status."""
    version: str = ""
    silent: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Overview:
    """Rows for tables; ``problems`` in plain words, empty when all is well."""

    nodes: tuple[Json, ...]
    components: Json
    services: tuple[Json, ...]
    problems: tuple[str, ...]

    @property
    def is_healthy(self) -> bool:
        return not self.problems


def gather(context: Context) -> Answers:
    """All services at the same time, each by a connection of its own.   Errors: LoginNeeded."""
    answers = Answers()
    asked = [_Asking(context, part, answers) for part in (_ask_mesos, _ask_health, _ask_marathon, _ask_version)]
    for one in asked:
        one.start()
    for one in asked:
        one.join()
        if one.trouble is not None:
            raise one.trouble
        answers.silent += one.silent
    return answers


class _Asking(threading.Thread):
    """Asks one service, and notes what did not answer."""

    def __init__(self, context: Context, part: Callable[[Context, _Asking], None], answers: Answers) -> None:
        super().__init__(name=part.__name__, daemon=True)
        self._context = Context(context.environ, context.verbosity, told=context.cluster)
        self._part = part
        self.answers = answers
        self.silent: list[str] = []
        self.trouble: BaseException | None = None

    def run(self) -> None:
        try:
            self._part(self._context, self)
        except BaseException as trouble:  # told by who joins
            self.trouble = trouble
        finally:
            self._context.close()

    def ask(self, what: str, question: Callable[[], T]) -> T | None:
        """None where there is no answer.   Errors: LoginNeeded."""
        try:
            return question()
        except LoginNeeded:
            raise
        except (ClientError, KeyError, TypeError) as error:
            self.silent.append(f"{what} does not answer: {error}")
            return None


def _ask_mesos(context: Context, asking: _Asking) -> None:
    asking.answers.nodes = asking.ask("the Mesos master", lambda: all_nodes(context.mesos, context.health))


def _ask_health(context: Context, asking: _Asking) -> None:
    health, answers = context.health, asking.answers
    answers.health = asking.ask("the health service", health.nodes)
    if answers.health is None:
        return
    answers.units = asking.ask("the health service", health.units)
    bad = [str(one["host_ip"]) for one in answers.health if one.get("health") != HEALTHY]
    for ip in bad[:MOST_NODES_IN_DETAIL]:
        units = asking.ask(f"the health service about {ip}", lambda ip=ip: health.units_of(ip))  # type: ignore[misc]
        if units is not None:
            answers.units_of[ip] = units


def _ask_marathon(context: Context, asking: _Asking) -> None:
    asking.answers.apps = asking.ask("Marathon", context.marathon.apps)
    if asking.answers.apps is not None:
        asking.answers.pods = asking.ask("Marathon", context.marathon.pods)


def _ask_version(context: Context, asking: _Asking) -> None:
    try:
        asking.answers.version = identity.version(context.transport)
    except ClientError:
        return  # the others tell that the cluster is away


def assess(answers: Answers) -> Overview:
    """The same answers always give the same overview."""
    problems = list(answers.silent)
    nodes = _nodes(answers, problems)
    components = _components(answers, problems)
    services = [_service(one, problems) for one in answers.apps or []]
    services += [_pod(one, problems) for one in answers.pods or []]
    return Overview(nodes, components, tuple(sorted(services, key=lambda one: str(one["id"]))), tuple(problems))


# ---- nodes -----------------------------------------------------------------------------------------------------------


def _nodes(answers: Answers, problems: list[str]) -> tuple[Json, ...]:
    told = {str(one["host_ip"]): one for one in answers.health or []}
    rows = [_node(one, told.pop(one.ip, None)) for one in answers.nodes or ()]
    if answers.nodes is not None:
        if not any(row["type"] == "master (leader)" for row in rows):
            problems.append("no master leads")
        if not any(row["type"].startswith("agent") for row in rows):
            problems.append("no agent is registered: nothing can run")
    for ip, one in sorted(told.items()):
        role = {"agent_public": "agent (public)"}.get(str(one.get("role")), str(one.get("role")))
        rows.append({"hostname": ip, "ip": ip, "id": "", "type": role, "status": "", "health": one.get("health", 3)})
        if answers.nodes is not None and role.startswith("agent"):
            problems.append(f"{role} {ip} is not registered with the Mesos master")
    for row in rows:
        if row["status"] not in ("", "ACTIVE"):
            problems.append(f"{row['type']} {row['ip']} is {row['status'].lower()}: it takes no new tasks")
        if row["health"] not in (HEALTHY, None) and not _bad_units(answers, row["ip"]):
            state = "unhealthy" if row["health"] == UNHEALTHY else "of unknown health"
            problems.append(f"{row['type']} {row['ip']} is {state}")
    return tuple(rows)


def _node(node: Node, told: Json | None) -> Json:
    return {
        "hostname": node.hostname,
        "ip": node.ip,
        "id": node.id,
        "type": node.kind,
        "status": node.status,
        "health": told.get("health", 3) if told else None,
    }


# ---- components ------------------------------------------------------------------------------------------------------


def _bad_units(answers: Answers, ip: str) -> list[Json]:
    return [one for one in answers.units_of.get(ip, []) if one.get("health") == UNHEALTHY]


def _components(answers: Answers, problems: list[str]) -> Json:
    unhealthy = []
    for ip in sorted(answers.units_of):
        for unit in _bad_units(answers, ip):
            reason = str(unit.get("output") or "").strip().split("\n", 1)[0]
            unhealthy.append({"unit": str(unit["id"]), "node": ip, "reason": reason})
            problems.append(f"{unit['id']} on {ip} is unhealthy" + (f": {reason}" if reason else ""))
    known = answers.units or []
    return {
        "total": len(known),
        "healthy": sum(1 for one in known if one.get("health") == HEALTHY),
        "unhealthy": unhealthy,
    }


# ---- services --------------------------------------------------------------------------------------------------------


def _service(app: Json, problems: list[str]) -> Json:
    wanted, running = int(app.get("instances", 0)), int(app.get("tasksRunning", 0))
    healthy, unhealthy = int(app.get("tasksHealthy", 0)), int(app.get("tasksUnhealthy", 0))
    checked = bool(app.get("healthChecks"))
    deploying = bool(app.get("deployments"))
    name = str(app["id"])
    if unhealthy:
        state = "unhealthy"
        problems.append(f"app {name}: {unhealthy} of {running} instances are unhealthy")
    elif running < wanted:
        state = "deploying" if deploying else "waiting"
        problems.append(f"app {name}: {running} of {wanted} instances run" + (" (deploying)" if deploying else ""))
    elif checked and healthy < wanted:
        state = "starting"
        problems.append(f"app {name}: {healthy} of {wanted} instances are known to be healthy")
    elif wanted == 0:
        state = "stopped"
    else:
        state = "deploying" if deploying else "healthy" if checked else "running"
    return {
        "id": name,
        "state": state,
        "instances": wanted,
        "running": running,
        "healthy": healthy if checked else None,
        "unhealthy": unhealthy if checked else None,
    }


def _pod(status: Json, problems: list[str]) -> Json:
    """A pod's row beside those of apps: stable instances are those that run, and healthy where that is checked."""
    name = str(status["id"])
    wanted = int((status["spec"].get("scaling") or {}).get("instances", 1))
    stable = sum(1 for one in status.get("instances", []) if one.get("status") == "STABLE")
    checked = any("healthCheck" in one for one in status["spec"].get("containers", []))
    if stable < wanted:
        state = "waiting"
        problems.append(f"pod {name}: {stable} of {wanted} instances are stable")
    else:
        state = "stopped" if wanted == 0 else "healthy" if checked else "running"
    return {
        "id": name,
        "state": state,
        "instances": wanted,
        "running": stable,
        "healthy": stable if checked else None,
        "unhealthy": None,
    }
