"""What Marathon keeps running: apps and pods alike.

Deployments, the queue, back-off, placement and instances only use what both have: ``id``, ``version``, ``config_version``,
``instances``, ``role``, ``labels``, total ``cpus``, ``mem``, ``disk`` and ``gpus``, ``constraints``,
``accepted_resource_roles``, ``dependencies``, the back-off's three numbers, ``upgrade_strategy``,
``unreachable_strategy``, ``kill_selection``, ``health_checks``, ``readiness_checks``, ``is_resident`` and
``is_host_network``. An app and a pod never share an id.
"""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from dcos.model.marathon import App, UpgradeStrategy
from dcos.model.pods import Pod

RunSpec = App | Pod
Strategy = TypeVar("Strategy", UpgradeStrategy, UpgradeStrategy | None)


def scaled(spec: RunSpec, instances: int) -> RunSpec:
    """The same with another number of instances."""
    if isinstance(spec, App):
        return replace(spec, instances=instances)
    return replace(spec, scaling=replace(spec.scaling, instances=instances))


def is_upgrade(before: RunSpec, after: RunSpec) -> bool:
    """Whether anything differs that running instances would have to be replaced for: all but the number of instances and
    the extensions that say how that number comes about and how updates go."""
    if isinstance(before, App) and isinstance(after, App) and before.instances_mode != after.instances_mode:
        before = replace(before, upgrade_strategy=after.upgrade_strategy)  # its default goes with the mode
    return bool(_essence(before) != _essence(after))


def is_same(before: RunSpec, after: RunSpec) -> bool:
    """Whether nothing at all differs but the version."""
    blank = partial(replace, version=None, version_info=None)
    return bool(blank(before) == blank(after))


def _essence(spec: RunSpec) -> RunSpec:
    if isinstance(spec, Pod):
        scheduling = replace(spec.scheduling, upgrade=_plain(spec.scheduling.upgrade))
        made = replace(spec, version=None, version_info=None, scheduling=scheduling)
        return scaled(made, 0)
    return replace(
        spec,
        instances=0,
        version=None,
        version_info=None,
        upgrade_strategy=_plain(spec.upgrade_strategy),
        instances_mode=None,
        autoscaling=None,
        rebalance=None,
    )


def _plain(strategy: Strategy) -> Strategy:
    return replace(strategy, steps=(), promotion=None) if strategy is not None else strategy
