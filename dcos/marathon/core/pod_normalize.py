"""A pod as a client wrote it, brought to its canonical form: absolute id, dependent defaults filled in.

Applying it twice changes nothing.   Source: Marathon 1.11 pod normalisation.
"""

from __future__ import annotations

from msgspec.structs import replace

from dcos.marathon.core.normalize import Defaults
from dcos.model.marathon import Network, NetworkMode, UnreachableStrategy, UpgradeStrategy
from dcos.model.pods import Pod, PodContainer, Scheduling
from dcos.scheduling import ids


def canonical(pod: Pod, defaults: Defaults, *, base: str = ids.ROOT) -> Pod:
    networks = tuple(
        replace(one, name=defaults.network_name) if one.mode is NetworkMode.CONTAINER and one.name is None else one
        for one in (pod.networks or (Network(mode=NetworkMode.HOST),))
    )
    containers = pod.containers
    if not any(one.mode is NetworkMode.CONTAINER for one in networks):
        containers = tuple(_with_host_ports(one) for one in containers)
    return replace(
        pod,
        id=ids.canonical(pod.id, base),
        networks=networks,
        containers=containers,
        role=pod.role or defaults.enforced_role or defaults.role,
        scaling=replace(pod.scaling, instances=1) if pod.instances_mode == "all" else pod.scaling,
        scheduling=_scheduling(pod),
        legacy_shared_cgroups=pod.legacy_shared_cgroups or None,
    )


def _with_host_ports(container: PodContainer) -> PodContainer:
    """Outside container networks every endpoint has a port of the host, any unless it says."""
    endpoints = tuple(replace(one, host_port=0) if one.host_port is None else one for one in container.endpoints)
    return replace(container, endpoints=endpoints)


def _scheduling(pod: Pod) -> Scheduling:
    given, resident = pod.scheduling, pod.is_resident
    upgrade, unreachable = given.upgrade, given.unreachable_strategy
    if upgrade is None and pod.instances_mode == "all":
        upgrade = UpgradeStrategy(maximum_over_capacity=0.0)
    elif upgrade is None:
        kept = UpgradeStrategy(minimum_health_capacity=0.5, maximum_over_capacity=0.0)
        upgrade = kept if resident else UpgradeStrategy()
    if unreachable is None:
        unreachable = "disabled" if resident else UnreachableStrategy()
    return replace(given, upgrade=upgrade, unreachable_strategy=unreachable)
