"""Rules of what our Marathon has beyond upstream's apps and pods: each broken one gives (path, text)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from dcos.model.marathon import App, UpgradeStrategy
from dcos.model.marathon_growth import Autoscaling, MetricBound, Promotion, Rebalance, RequestTarget, RolloutStep
from dcos.model.run_spec import RunSpec

Fault = tuple[str, str]
MAX_STEPS = 50
MAX_INSTANCES = 10_000


@dataclass(frozen=True, slots=True)
class _Paths:
    """Where a document has what apps and pods both can have."""

    kind: str
    upgrade: str
    autoscaling: str
    rebalance: str
    mode: str
    """Of ``all``."""


_OF_APPS = _Paths("apps", "/upgradeStrategy", "/autoscaling", "/rebalance", "/instances")
_OF_PODS = _Paths("pods", "/scheduling/upgrade", "/scaling/autoscaling", "/scheduling/rebalance", "/scaling/kind")


def extra_faults(spec: RunSpec) -> Iterator[Fault]:
    paths = _OF_APPS if isinstance(spec, App) else _OF_PODS
    if spec.upgrade_strategy is not None:
        yield from _rollout(spec.upgrade_strategy, paths.upgrade)
    if spec.autoscaling is not None:
        yield from _autoscaling(spec.autoscaling, spec, paths.autoscaling)
    if spec.rebalance is not None:
        yield from _rebalance(spec.rebalance, spec, paths)
    if spec.instances_mode == "all":
        strategy = spec.upgrade_strategy
        if strategy is not None and strategy.maximum_over_capacity != 0:
            yield f"{paths.upgrade}/maximumOverCapacity", "must be 0 with instances 'all': each agent holds one"
        if spec.is_resident:
            yield paths.mode, f"'all' is not supported for {paths.kind} with persistent volumes"


def _rollout(strategy: UpgradeStrategy, path: str) -> Iterator[Fault]:
    if len(strategy.steps) > MAX_STEPS:
        yield f"{path}/steps", f"must not be more than {MAX_STEPS}"
    for index, step in enumerate(strategy.steps):
        yield from _step(step, f"{path}/steps({index})")
    for name in ("percent", "instances"):
        sizes = [size for step in strategy.steps if (size := getattr(step, name)) is not None]
        if sizes != sorted(sizes):
            yield f"{path}/steps", f"{name} must not fall from step to step"
    if strategy.promotion is not None:
        yield from _promotion(strategy.promotion, f"{path}/promotion")


def _step(step: RolloutStep, path: str) -> Iterator[Fault]:
    if (step.percent is None) == (step.instances is None):
        yield path, "must have exactly one of percent and instances"
    if step.percent is not None and not 0 < step.percent <= 100:
        yield f"{path}/percent", f"got {step.percent:g}, expected more than 0 and at most 100"
    if step.instances is not None and step.instances < 1:
        yield f"{path}/instances", f"got {step.instances}, expected 1 or more"
    if step.pause and step.pause_seconds is not None:
        yield path, "must have at most one of pause and pauseSeconds"
    if step.pause_seconds is not None:
        yield from _not_negative(f"{path}/pauseSeconds", step.pause_seconds)


def _promotion(promotion: Promotion, path: str) -> Iterator[Fault]:
    if promotion.max_failures < 1:
        yield f"{path}/maxFailures", f"got {promotion.max_failures}, expected 1 or more"
    if promotion.deadline_seconds is not None:
        yield from _positive(f"{path}/deadlineSeconds", promotion.deadline_seconds)
    if promotion.interval_seconds < 1:
        yield f"{path}/intervalSeconds", f"got {promotion.interval_seconds:g}, expected 1 or more"
    if promotion.metric is not None:
        yield from _bound(promotion.metric, f"{path}/metric")


def _bound(metric: MetricBound, path: str) -> Iterator[Fault]:
    yield from _query(metric.query, metric.prometheus_url, path)
    if metric.min is None and metric.max is None:
        yield path, "must have min, max or both"
    elif metric.min is not None and metric.max is not None and metric.min > metric.max:
        yield path, f"min {metric.min:g} must not be greater than max {metric.max:g}"


def _query(query: str, url: str | None, path: str) -> Iterator[Fault]:
    if not query.strip():
        yield f"{path}/query", "must not be empty"
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield f"{path}/prometheusUrl", "must be an http:// or https:// URL"
        elif parts.username is not None or parts.password is not None:
            yield f"{path}/prometheusUrl", "must not contain a user or password: anybody who sees the app would"


def _autoscaling(policy: Autoscaling, spec: RunSpec, path: str) -> Iterator[Fault]:
    if policy.min < 1:
        yield f"{path}/min", f"got {policy.min}, expected 1 or more"
    if policy.max < policy.min:
        yield f"{path}/max", f"got {policy.max}, expected at least min, {policy.min}"
    if policy.max > MAX_INSTANCES:
        yield f"{path}/max", f"got {policy.max}, expected at most {MAX_INSTANCES}"
    if not any((policy.cpu is not None, policy.mem is not None, policy.requests, policy.query)):
        yield path, "must have at least one of cpu, mem, requests and query"
    for name in ("cpu", "mem"):
        value = getattr(policy, name)
        if value is not None:
            yield from _positive(f"{path}/{name}", value)
    if policy.mem is not None and spec.mem <= 0:
        yield f"{path}/mem", "needs an app that asks for memory"
    if policy.requests is not None:
        yield from _requests(policy.requests, spec, f"{path}/requests")
    if policy.query is not None:
        yield from _query(policy.query.query, policy.query.prometheus_url, f"{path}/query")
        yield from _positive(f"{path}/query/target", policy.query.target)
    if policy.interval_seconds < 1:
        yield f"{path}/intervalSeconds", f"got {policy.interval_seconds:g}, expected 1 or more"
    yield from _not_negative(f"{path}/cooldownSeconds", policy.cooldown_seconds)
    yield from _not_negative(f"{path}/scaleDownSeconds", policy.scale_down_seconds)
    yield from _not_negative(f"{path}/tolerancePercent", policy.tolerance_percent)
    if spec.instances_mode == "all":
        yield path, "cannot be combined with instances 'all'"


def _requests(target: RequestTarget, spec: RunSpec, path: str) -> Iterator[Fault]:
    yield from _positive(f"{path}/target", target.target)
    if not target.path.startswith("/"):
        yield f"{path}/path", "must start with '/'"
    if isinstance(spec, App):
        ports = len(spec.port_definitions or ()) if spec.is_host_network else len(spec.port_mappings)
        if not 0 <= target.port_index < ports:
            yield f"{path}/portIndex", f"the app has {ports} ports"
        if target.endpoint is not None:
            yield f"{path}/endpoint", "only pods have endpoints: use portIndex"
    elif not spec.endpoints:
        yield f"{path}/endpoint", "the pod has no endpoints"
    elif target.endpoint not in (None, *(one.name for one in spec.endpoints)):
        yield f"{path}/endpoint", f"the pod has no endpoint '{target.endpoint}'"


def _rebalance(policy: Rebalance, spec: RunSpec, paths: _Paths) -> Iterator[Fault]:
    path = paths.rebalance
    if not policy.by:
        yield f"{path}/by", "must not be empty"
    if policy.max_disruption < 1:
        yield f"{path}/maxDisruption", f"got {policy.max_disruption}, expected 1 or more"
    yield from _not_negative(f"{path}/intervalSeconds", policy.interval_seconds)
    if spec.is_resident:
        yield path, f"is not supported for {paths.kind} with persistent volumes: they stay where their data is"
    if spec.instances_mode == "all":
        yield path, "cannot be combined with instances 'all'"


def _positive(path: str, value: float) -> Iterator[Fault]:
    if not value > 0 or not math.isfinite(value):
        yield path, f"got {value:g}, expected more than 0"


def _not_negative(path: str, value: float) -> Iterator[Fault]:
    if not value >= 0 or not math.isfinite(value):
        yield path, f"got {value:g}, expected 0 or more"
