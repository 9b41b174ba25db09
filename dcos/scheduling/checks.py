"""Health checks and checks that agents run: what those of apps and pods have in common, and how a port is told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dcos.model.marathon import Check, CheckCommand, HealthCheck
from dcos.model.pods import PodCheck, PodHealthCheck
from dcos.model.v1 import types as v1


def command_of(command: CheckCommand) -> v1.CommandInfo:
    words = command.argv or ()
    if command.shell is not None:
        return v1.CommandInfo(shell=True, value=command.shell)
    return v1.CommandInfo(shell=False, value=words[0] if words else None, arguments=words)


def health_check(
    check: HealthCheck | PodHealthCheck,
    *,
    command: v1.CommandInfo | None = None,
    http: v1.HealthCheckHTTPCheckInfo | None = None,
    tcp: v1.HealthCheckTCPCheckInfo | None = None,
) -> v1.HealthCheck:
    """With the times of ``check``; one of the others says how it is made."""
    return v1.HealthCheck(
        **_times(check),
        type=v1.HealthCheckType[_way(http, tcp)],
        grace_period_seconds=float(check.grace_period_seconds),
        consecutive_failures=check.max_consecutive_failures,
        command=command,
        http=http,
        tcp=tcp,
    )


def check_info(
    check: Check | PodCheck,
    *,
    command: v1.CheckInfoCommand | None = None,
    http: v1.CheckInfoHttp | None = None,
    tcp: v1.CheckInfoTcp | None = None,
) -> v1.CheckInfo:
    """The same of a check that has no consequences."""
    return v1.CheckInfo(**_times(check), type=v1.CheckInfoType[_way(http, tcp)], command=command, http=http, tcp=tcp)


def _times(check: HealthCheck | Check | PodCheck) -> dict[str, Any]:
    """Those that every check has."""
    return {name: float(getattr(check, name)) for name in ("delay_seconds", "interval_seconds", "timeout_seconds")}


def _way(http: object, tcp: object) -> str:
    """As both kinds of checks call it."""
    return "HTTP" if http is not None else "TCP" if tcp is not None else "COMMAND"


def port_labels(labels: Mapping[str, str], *, of_host: bool, networks: Sequence[str]) -> dict[str, str]:
    """Those of a port in discovery (VIPs among them), and where its number is valid: on the host, or in the first of
    ``networks``."""
    made = {**labels, "network-scope": "host" if of_host else "container"}
    if not of_host and networks:
        made["network-name"] = networks[0]
    return made
