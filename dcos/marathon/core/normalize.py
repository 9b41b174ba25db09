"""From what a client wrote to the one canonical form: old spellings translated, defaults that depend on others filled in.

Works on a whole app, after the members of an update were laid over the present ones. Applying it twice changes nothing.
Source: Marathon 1.11 app normalisation.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from dcos.model.marathon import (
    App,
    Container,
    DockerNetwork,
    EngineType,
    Fetch,
    HealthCheck,
    Network,
    NetworkMode,
    PortDefinition,
    PortMapping,
    Residency,
    UnreachableStrategy,
    UpgradeStrategy,
)
from dcos.scheduling import ids

SINGLE_INSTANCE = "MARATHON_SINGLE_INSTANCE_APP"
_ARCHIVE = re.compile(r".*\.(tar|tar\.gz|tar\.bz2|tar\.xz|gz|tgz|tbz2|txz|zip)$")
_MERGED_FROM = {
    "ports": "portDefinitions",
    "uris": "fetch",
    "ipAddress": "networks",
}
"""Old top-level members and what an update that has them replaces."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the service's settings contribute."""

    role: str = "*"
    network_name: str | None = None
    enforced_role: str | None = None
    """Top-level group's name where the group enforces it."""


def overlay(present: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """Lay an update over an app: each top-level member replaces the whole old one, two are dropped when absent.

    Source: partialUpdate of Marathon (executorResources and resourceLimits do not stay).
    """
    made = {
        name: value
        for name, value in present.items()
        if name not in ("version", "versionInfo", "executorResources", "resourceLimits")
    }
    for old, new in _MERGED_FROM.items():
        if old in update and new not in update:
            made.pop(new, None)
    docker = (update.get("container") or {}).get("docker") or {}
    if "networks" not in update and ("network" in docker or "portMappings" in docker):
        made.pop("networks", None)
    if "networks" in update or "ipAddress" in update or "network" in docker:
        hosted = all(one.get("mode") == NetworkMode.HOST for one in update.get("networks", [{"mode": "host"}]))
        if not hosted and "portDefinitions" not in update and "ports" not in update:
            made.pop("portDefinitions", None)
    if "instances" in update:
        made.pop("instancesMode", None)
    made.update(update)
    if "upgradeStrategy" in update:  # extensions stay unless they are named: who does not see them does not send them
        before = present.get("upgradeStrategy") or {}
        made["upgradeStrategy"] = {**_extensions_of(before), **update["upgradeStrategy"]}
    if made.get("instancesMode") != present.get("instancesMode") and "upgradeStrategy" not in update:
        made.pop("upgradeStrategy", None)
    for kept in ("upgradeStrategy",):
        if "labels" in update and kept not in update:
            before, after = present.get("labels") or {}, update["labels"] or {}
            if before.get(SINGLE_INSTANCE) != after.get(SINGLE_INSTANCE):
                made.pop(kept, None)
    return made


def _extensions_of(strategy: Mapping[str, Any]) -> dict[str, Any]:
    return {name: strategy[name] for name in ("steps", "promotion") if name in strategy}


def translate(app: App) -> App:
    """Old spellings into today's; the old members are empty afterwards."""
    app = _translate_networks(app)
    if app.ports is not None:
        if app.port_definitions is None and app.is_host_network:
            made = tuple(
                PortDefinition(port=port, name="default" if not index else None) for index, port in enumerate(app.ports)
            )
            app = replace(app, port_definitions=made)
        app = replace(app, ports=None)
    if app.uris is not None:
        if not app.fetch:
            made_fetch = tuple(Fetch(uri=uri, extract=bool(_ARCHIVE.fullmatch(uri))) for uri in app.uris)
            app = replace(app, fetch=made_fetch)
        app = replace(app, uris=None)
    return app


def _translate_networks(app: App) -> App:
    networks = app.networks
    container = app.container
    if app.ip_address is not None:
        if not networks:
            networks = (
                Network(
                    mode=NetworkMode.CONTAINER, name=app.ip_address.network_name, labels=dict(app.ip_address.labels)
                ),
            )
        discovery = app.ip_address.discovery
        if discovery is not None and discovery.ports and (container is None or container.port_mappings is None):
            mappings = tuple(
                PortMapping(container_port=port.number, name=port.name, protocol=port.protocol, labels=port.labels)
                for port in discovery.ports
            )
            container = replace(container or Container(type=EngineType.MESOS), port_mappings=mappings)
    if container is not None and container.docker is not None:
        docker = container.docker
        if docker.port_mappings is not None and container.port_mappings is None:
            container = replace(container, port_mappings=docker.port_mappings)
        if docker.network is not None and (not networks or docker.network is DockerNetwork.USER):
            if docker.network is DockerNetwork.BRIDGE:
                networks = (Network(mode=NetworkMode.BRIDGE),)
            elif docker.network is DockerNetwork.HOST:
                networks = (Network(mode=NetworkMode.HOST),)
            elif docker.network is DockerNetwork.USER and not networks:
                networks = (Network(mode=NetworkMode.CONTAINER),)
        container = replace(container, docker=replace(docker, network=None, port_mappings=None))
    return replace(app, networks=networks, container=container, ip_address=None)


def canonical(app: App, defaults: Defaults, *, base: str = ids.ROOT) -> App:
    """The app with absolute ids and every dependent default."""
    app = translate(app)
    app_id = ids.canonical(app.id, base)
    networks = tuple(
        replace(one, name=defaults.network_name) if one.mode is NetworkMode.CONTAINER and one.name is None else one
        for one in (app.networks or (Network(mode=NetworkMode.HOST),))
    )
    app = replace(
        app,
        id=app_id,
        networks=networks,
        role=app.role or defaults.enforced_role or defaults.role,
        dependencies=tuple(ids.canonical(one, ids.parent(app_id)) for one in app.dependencies),
        health_checks=tuple(_canonical_check(one) for one in app.health_checks),
        executor_resources=app.executor_resources,
    )
    if app.instances_mode == "all":
        app = replace(app, instances=1)  # their number follows the agents
    app = _canonical_ports(app)
    resident = app.is_resident
    external = app.container is not None and any(volume.external for volume in app.container.volumes)
    if app.upgrade_strategy is None:
        if app.labels.get(SINGLE_INSTANCE) == "true":
            strategy = UpgradeStrategy(minimum_health_capacity=0.0, maximum_over_capacity=0.0)
        elif app.instances_mode == "all":
            strategy = UpgradeStrategy(maximum_over_capacity=0.0)
        elif resident or external:
            strategy = UpgradeStrategy(minimum_health_capacity=0.5, maximum_over_capacity=0.0)
        else:
            strategy = UpgradeStrategy()
        app = replace(app, upgrade_strategy=strategy)
    if app.unreachable_strategy is None:
        app = replace(app, unreachable_strategy="disabled" if resident else UnreachableStrategy())
    if resident and app.residency is None:
        app = replace(app, residency=Residency())
    elif not resident:
        app = replace(app, residency=None)
    return app


def _canonical_ports(app: App) -> App:
    container = app.container
    if app.is_host_network:
        definitions = app.port_definitions
        if definitions is None:
            definitions = (PortDefinition(port=0, name="default"),)
        return replace(app, port_definitions=definitions)
    bridge = any(one.mode is NetworkMode.BRIDGE for one in app.networks)
    if container is None:
        container = Container(type=EngineType.MESOS)
    mappings = container.port_mappings
    if mappings is None:
        mappings = (PortMapping(container_port=0, name="default", host_port=0 if bridge else None),)
    if bridge:
        mappings = tuple(replace(one, host_port=0) if one.host_port is None else one for one in mappings)
    return replace(
        app, container=replace(container, port_mappings=mappings), port_definitions=None, require_ports=False
    )


def _canonical_check(check: HealthCheck) -> HealthCheck:
    if check.protocol == "COMMAND":
        return replace(check, port=None, port_index=None, path=None)
    if check.port is None and check.port_index is None:
        check = replace(check, port_index=0)
    if "HTTP" in check.protocol and check.path is None:
        check = replace(check, path="/")
    return check


def with_service_ports(app: App, before: App | None, taken: Collection[int], low: int, high: int, start: int) -> App:
    """Replace each service port 0: ports that the app held before come first, then free ones of [low, high].

    ``start`` chooses where the search begins, so that neighbours differ.   Errors: LookupError when none is free.
    """
    wanted = service_ports(app)
    if all(wanted):
        return app
    used = set(wanted)
    held = [port for port in (service_ports(before) if before else ()) if port and port not in wanted]
    size = high - low + 1
    cursor = start % size
    made: list[int] = []
    for port in wanted:
        if not port and held:
            port = held.pop(0)
            used.add(port)
        elif not port:
            for step in range(size):
                candidate = low + (cursor + step) % size
                if candidate not in used and candidate not in taken:
                    break
            else:
                raise LookupError(f"no free service port in [{low}, {high}]")
            cursor = candidate - low + 1
            used.add(candidate)
            port = candidate
        made.append(port)
    if app.port_definitions is not None:
        pairs = zip(app.port_definitions, made, strict=True)
        return replace(app, port_definitions=tuple(replace(one, port=port) for one, port in pairs))
    assert app.container is not None
    mapped = zip(app.port_mappings, made, strict=True)
    mappings = tuple(replace(one, service_port=port) for one, port in mapped)
    return replace(app, container=replace(app.container, port_mappings=mappings))


def service_ports(app: App) -> tuple[int, ...]:
    if app.port_definitions is not None:
        return tuple(one.port for one in app.port_definitions)
    return tuple(one.service_port for one in app.port_mappings)
