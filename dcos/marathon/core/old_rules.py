"""Rules of an app as a client wrote it: old spellings must not contradict today's.

They speak about the members that a request gives, before these are laid over the present app and translated.
Source: Marathon 1.11, validateOldAppAPI and validateOldAppUpdateAPI.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dcos.marathon.core.common_rules import Fault
from dcos.model.marathon import EngineType, NetworkMode

Fields = Mapping[str, Any]


def old_faults(fields: Fields) -> Iterator[Fault]:
    container: Fields = fields.get("container") or {}
    docker: Fields = container.get("docker") or {}
    engine = container.get("type", EngineType.DOCKER)
    yield from _container(container, docker, engine)
    ports, definitions = fields.get("ports") or (), fields.get("portDefinitions") or ()
    address, networks = fields.get("ipAddress"), fields.get("networks") or ()
    if fields.get("uris") and fields.get("fetch"):
        yield "/uris", "may not be set in conjunction with fetch"
    if not _unique([port for port in ports if port]):
        yield "/", "ports must be unique"
    if address is not None and (ports or definitions):
        yield "/", "cannot specify both an IP address and port"
    if ports and definitions and [one.get("port", 0) for one in definitions] != list(ports):
        yield "/", "cannot specify both ports and port definitions"
    if address is not None and networks:
        yield "/", "must not specify both networks and ipAddress"
    if docker.get("network") is not None and networks:
        yield "/", "must not specify both container.docker.network and networks"
    if address is not None and address.get("discovery") and container and engine == EngineType.DOCKER:
        yield "/ipAddress", "ipAddress/discovery is not allowed for Docker containers"
    if any(one.get("mode", NetworkMode.CONTAINER) != NetworkMode.HOST for one in networks) and definitions:
        yield "/", "portDefinitions are only allowed with host-networking"


def _container(container: Fields, docker: Fields, engine: str) -> Iterator[Fault]:
    if docker.get("credential") is not None:
        yield "/container/docker/credential", "must be empty"
    if container and engine == EngineType.MESOS:
        for name in ("network", "portMappings", "parameters"):
            if docker.get(name):
                yield f"/container/docker/{name}", "must be empty"
    names = [one["name"] for one in docker.get("portMappings") or () if one.get("name") is not None]
    if not _unique(names):
        yield "/container/docker/portMappings", "Port names must be unique."


def _unique(found: Sequence[object]) -> bool:
    return len(set(found)) == len(found)
