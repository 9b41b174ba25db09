"""What Marathon keeps running: apps and pods alike.

Deployments, the queue, back-off, placement and instances only use what both have: ``id``, ``version``, ``config_version``,
``instances``, ``role``, ``labels``, total ``cpus``, ``mem``, ``disk`` and ``gpus``, ``constraints``,
``accepted_resource_roles``, ``dependencies``, the back-off's three numbers, ``upgrade_strategy``,
``unreachable_strategy``, ``kill_selection``, ``health_checks``, ``readiness_checks``, ``is_resident``,
``is_host_network``, and the extensions ``instances_mode``, ``autoscaling`` and ``rebalance``. An app and a pod never share an id.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from dcos.model.marathon import App, UpgradeStrategy
from dcos.model.pods import Pod, PodConstraint, Scaling

RunSpec = App | Pod


def scaled(spec: RunSpec, instances: int) -> RunSpec:
    """The same with another number of instances."""
    if isinstance(spec, App):
        return replace(spec, instances=instances)
    return replace(spec, scaling=replace(spec.scaling, instances=instances))


def constrained(spec: RunSpec, constraints: Sequence[tuple[str, ...]]) -> RunSpec:
    """The same with other placement constraints."""
    if isinstance(spec, App):
        return replace(spec, constraints=tuple(constraints))
    made = tuple(
        PodConstraint(field_name=one[0], operator=one[1], value=next(iter(one[2:]), None)) for one in constraints
    )
    placement = replace(spec.scheduling.placement, constraints=made)
    return replace(spec, scheduling=replace(spec.scheduling, placement=placement))


def bound(spec: RunSpec, *more: tuple[str, ...]) -> RunSpec:
    """The same with ``more`` constraints."""
    return constrained(spec, (*spec.constraints, *more))


def is_upgrade(before: RunSpec, after: RunSpec) -> bool:
    """Whether anything differs that running instances would have to be replaced for: all but the number of instances and
    the extensions that say how that number comes about and how updates go."""
    changes_mode = before.instances_mode != after.instances_mode  # the strategy's default goes with it
    return bool(_essence(before, strategy=not changes_mode) != _essence(after, strategy=not changes_mode))


def is_same(before: RunSpec, after: RunSpec) -> bool:
    """Whether nothing at all differs but the version."""
    blank = partial(replace, version=None, version_info=None)
    return bool(blank(before) == blank(after))


def _essence(spec: RunSpec, *, strategy: bool) -> RunSpec:
    """``strategy``: with how updates go."""
    upgrade = _plain(spec.upgrade_strategy) if strategy else None
    if isinstance(spec, Pod):
        scheduling = replace(spec.scheduling, upgrade=upgrade, rebalance=None)
        return replace(spec, version=None, version_info=None, scaling=Scaling(), scheduling=scheduling)
    return replace(
        spec,
        instances=0,
        version=None,
        version_info=None,
        upgrade_strategy=upgrade,
        instances_mode=None,
        autoscaling=None,
        rebalance=None,
    )


def _plain(strategy: UpgradeStrategy | None) -> UpgradeStrategy | None:
    return replace(strategy, steps=(), promotion=None) if strategy is not None else strategy
