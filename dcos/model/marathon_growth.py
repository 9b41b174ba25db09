"""Nouns of what our Marathon has beyond upstream's app definition. All are optional and left out unless they are set.

Percentages are 0 to 100. Prometheus URLs are those of its HTTP API's base (``http://prometheus:9090``).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dcos.model.v1.base import explicit


class Extra(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A JSON object within an app; Python names are written in camelCase."""


class RolloutStep(Extra, frozen=True):
    """So many new instances, then a pause. Exactly one of ``percent`` and ``instances``."""

    percent: float | None = None
    instances: int | None = None
    pause: bool | None = None
    """Wait for ``continue``."""
    pause_seconds: float | None = None


class MetricBound(Extra, frozen=True):
    """A Prometheus query whose first value must stay within bounds."""

    query: str
    prometheus_url: str | None = None
    min: float | None = None
    max: float | None = None


class Promotion(Extra, frozen=True):
    """When a rollout goes on by itself and what happens when it must not."""

    on_failure: Literal["rollback", "pause"] = explicit("rollback")
    max_failures: int = explicit(3)
    """So many new instances that failed or were killed for their health end the rollout; also so many bad measurements
    in a row."""
    deadline_seconds: float | None = None
    """A step must be ready within it."""
    metric: MetricBound | None = None
    interval_seconds: float = explicit(15.0)


class RequestTarget(Extra, frozen=True):
    """Requests per second and instance, from a counter that the instances themselves serve as Prometheus text: an app at its
    port ``port_index``, a pod at its endpoint of that name (its first one unless given)."""

    target: float
    metric: str = explicit("http_requests_total")
    path: str = explicit("/metrics")
    port_index: int = explicit(0)
    endpoint: str | None = None


class QueryTarget(Extra, frozen=True):
    """A Prometheus query: its first value per instance shall be ``target``."""

    query: str
    target: float
    prometheus_url: str | None = None


class Autoscaling(Extra, frozen=True):
    """``cpu`` and ``mem``: percent of what the app asks for, averaged over its instances."""

    max: int
    min: int = explicit(1)
    cpu: float | None = None
    mem: float | None = None
    requests: RequestTarget | None = None
    query: QueryTarget | None = None
    interval_seconds: float = explicit(15.0)
    cooldown_seconds: float = explicit(60.0)
    """After any scaling."""
    scale_down_seconds: float = explicit(300.0)
    """The highest number wanted within this time is kept."""
    tolerance_percent: float = explicit(10.0)
    dry_run: bool = explicit(False)


class Rebalance(Extra, frozen=True):
    """Even spreading over ``by`` while the app runs: a new instance first, then the old one goes."""

    by: str = explicit("hostname")
    """A constraint's field: hostname, @zone, @region or an attribute."""
    max_disruption: int = explicit(1)
    """Instances under way at the same time."""
    interval_seconds: float = explicit(60.0)
    """Between a finished move and the next."""
