"""What Marathon keeps running: apps and pods alike.

Deployments, the queue, back-off, placement and instances only use what both have: ``id``, ``version``, ``config_version``,
``instances``, ``role``, ``labels``, total ``cpus``, ``mem``, ``disk`` and ``gpus``, ``constraints``,
``accepted_resource_roles``, ``dependencies``, the back-off's three numbers, ``upgrade_strategy``,
``unreachable_strategy``, ``kill_selection``, ``health_checks``, ``readiness_checks``, ``is_resident`` and
``is_host_network``. An app and a pod never share an id.
"""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from dcos.model.marathon import App
from dcos.model.pods import Pod

RunSpec = App | Pod


def scaled(spec: RunSpec, instances: int) -> RunSpec:
    """The same with another number of instances."""
    if isinstance(spec, App):
        return replace(spec, instances=instances)
    return replace(spec, scaling=replace(spec.scaling, instances=instances))


def is_upgrade(before: RunSpec, after: RunSpec) -> bool:
    """Whether anything but the number of instances differs."""
    blank = partial(replace, version=None, version_info=None)
    return bool(blank(scaled(before, 0)) != blank(scaled(after, 0)))
