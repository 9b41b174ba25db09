"""Health checks and checks that agents run: what those of apps and pods have in common, and how a port is told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    kind = v1.HealthCheckType.COMMAND
    if http is not None or tcp is not None:
        kind = v1.HealthCheckType.HTTP if http is not None else v1.HealthCheckType.TCP
    return v1.HealthCheck(
        type=kind,
        delay_seconds=float(check.delay_seconds),
        interval_seconds=float(check.interval_seconds),
        timeout_seconds=float(check.timeout_seconds),
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
    kind = v1.CheckInfoType.COMMAND
    if http is not None or tcp is not None:
        kind = v1.CheckInfoType.HTTP if http is not None else v1.CheckInfoType.TCP
    return v1.CheckInfo(
        type=kind,
        delay_seconds=float(check.delay_seconds),
        interval_seconds=float(check.interval_seconds),
        timeout_seconds=float(check.timeout_seconds),
        command=command,
        http=http,
        tcp=tcp,
    )


def port_labels(labels: Mapping[str, str], *, of_host: bool, networks: Sequence[str]) -> dict[str, str]:
    """Those of a port in discovery (VIPs among them), and where its number is valid: on the host, or in the first of
    ``networks``."""
    made = {**labels, "network-scope": "host" if of_host else "container"}
    if not of_host and networks:
        made["network-name"] = networks[0]
    return made
