"""The overlay network: every node holds a number, and everything of its own follows from that number.

Number ``n`` (from 1) gives the node the ``n``-th address of ``vtep_subnet`` (and of ``vtep_subnet6``) for its tunnel end, that
end's MAC address, and the ``n``-th part of each overlay for its containers: the first half for Mesos, the second for
Docker. Numbers are the only thing that nodes have to agree on, so no two nodes can have an address in common as long as they
have different numbers.

Source: ``dcos_overlay_network`` of ``config.yaml`` and the devices of the overlay modules (6.3 of the cluster facts).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, NamedTuple

from dcos.model.overlay import Network, Overlay, Range, Settings
from dcos.net.core.names import FORWARDER6

DEVICE = "vtep1024"
VNI = 1024
PORT = 64000
TABLE = 42
"""Routing table of what is behind other nodes."""


class Block(NamedTuple):
    """What a node has of one family of an overlay."""

    subnet: Network
    mesos: Network
    docker: Network


class Part(NamedTuple):
    """What a node has of one overlay; IPv4 first."""

    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What a node has by its number."""

    vtep_ip: IPv4Address
    vtep_ip6: IPv6Address | None
    vtep_mac: str
    parts: tuple[Part, ...]

    def vtep(self, version: int) -> str:
        """Its tunnel's end in that family."""
        return str(self.vtep_ip if version == 4 else self.vtep_ip6)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(block for part in self.parts for block in part.blocks)


class Route(NamedTuple):
    subnet: str
    via: str


@dataclass(frozen=True, slots=True)
class Tunnels:
    """What the kernel has to know of other nodes."""

    neighbours: Mapping[str, str]
    """Address of a tunnel's end to its MAC address."""
    ends: Mapping[str, str]
    """MAC address to the node's own address."""
    routes: frozenset[Route]


def free_numbers(taken: Collection[int], capacity: int) -> list[int]:
    """Numbers that nobody has, lowest first."""
    return [number for number in range(1, capacity + 1) if number not in taken]


def place(settings: Settings, number: int) -> Place:
    """What the node with ``number`` has.   Errors: ValueError outside of 1 to ``capacity``."""
    if not 1 <= number <= settings.capacity:
        raise ValueError(f"node number {number} is not from 1 to {settings.capacity}")
    vtep = settings.vtep_subnet.network_address + number
    vtep6 = settings.vtep_subnet6.network_address + number if settings.vtep_subnet6 is not None else None
    tail = ":".join(f"{byte:02x}" for byte in vtep.packed[1:])
    return Place(vtep, vtep6, f"{settings.oui}:{tail}", tuple(_part(one, number) for one in settings.overlays))


def _part(overlay: Overlay, number: int) -> Part:
    return Part(overlay.name, tuple(_block(one, number) for one in overlay.ranges))


def _block(one: Range, number: int) -> Block:
    whole = one.subnet
    start = int(whole.network_address) + (number - 1) * (1 << (whole.max_prefixlen - one.prefix))
    subnet: Network = IPv4Network((start, one.prefix)) if whole.version == 4 else IPv6Network((start, one.prefix))
    mesos, docker = subnet.subnets()
    return Block(subnet, mesos, docker)


def tunnels(settings: Settings, own: int, nodes: Mapping[int, str]) -> Tunnels:
    """To every other of ``nodes`` (number to address). Numbers out of range, of other settings, lead nowhere."""
    neighbours: dict[str, str] = {}
    ends: dict[str, str] = {}
    routes = set()
    for number, ip in nodes.items():
        if number == own or not 1 <= number <= settings.capacity:
            continue
        other = place(settings, number)
        for version in (4, 6) if settings.ipv6 else (4,):
            neighbours[other.vtep(version)] = other.vtep_mac
        ends[other.vtep_mac] = ip
        routes |= {Route(str(one.subnet), other.vtep(one.subnet.version)) for one in other.blocks}
    return Tunnels(neighbours, ends, frozenset(routes))


def cni_config(part: Part, mtu: int, data_dir: str) -> dict[str, Any]:
    """The network for containers without Docker on this node."""
    bridge = f"m-{part.name}"
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": str(one.mesos)}] for one in part.blocks],
        "dataDir": data_dir,
        "routes": [{"dst": "0.0.0.0/0" if one.mesos.version == 4 else "::/0"} for one in part.blocks],
    }
    delegate: dict[str, Any] = {
        "type": "bridge",
        "bridge": bridge,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
    }
    if all(one.mesos.version == 6 for one in part.blocks):
        delegate["dns"] = {"nameservers": [FORWARDER6]}
    return {
        "cniVersion": "0.2.0",
        "name": part.name,
        "type": "mesos-cni-port-mapper",
        "excludeDevices": [bridge],
        "delegate": {**delegate, "mtu": mtu, "ipam": ipam},
    }


_UNPROTECTED = (1, 48)
"""Docker Engines from this API version (28.0) on drop what comes to containers from other machines, unless told not to."""


def docker_network(part: Part, mtu: int, api: tuple[int, int] = (1, 40)) -> dict[str, Any]:
    """Body of ``POST /networks/create`` of a Docker Engine of API version ``api``."""
    options = {
        "com.docker.network.bridge.name": f"d-{part.name}",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
        "com.docker.network.driver.mtu": str(mtu),
    }
    versions = [one.docker.version for one in part.blocks]
    if api >= _UNPROTECTED:
        options |= {f"com.docker.network.bridge.gateway_mode_ipv{one}": "nat-unprotected" for one in versions}
    return {
        "Name": part.name,
        "CheckDuplicate": True,
        "Driver": "bridge",
        "EnableIPv6": 6 in versions,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": str(one.docker)} for one in part.blocks]},
        "Options": options,
    }


def changes(wanted: Tunnels, found: Tunnels) -> tuple[list[str], list[str]]:
    """Lines for ``ip -batch`` and ``bridge -batch`` that make ``found`` into ``wanted``; what goes, goes first."""
    ip, fdb = [], []
    for route in sorted(found.routes - wanted.routes):
        ip.append(f"route del {route.subnet} via {route.via} dev {DEVICE} table {TABLE}")
    ip += [
        f"neigh del {address} dev {DEVICE}" for address in sorted(found.neighbours) if address not in wanted.neighbours
    ]
    fdb += [
        f"fdb del {mac} dev {DEVICE} dst {ip_}"
        for mac, ip_ in sorted(found.ends.items())
        if wanted.ends.get(mac) != ip_
    ]
    for address, mac in sorted(wanted.neighbours.items()):
        if found.neighbours.get(address) != mac:
            ip.append(f"neigh replace {address} lladdr {mac} dev {DEVICE} nud permanent")
    for mac, end in sorted(wanted.ends.items()):
        if found.ends.get(mac) != end:
            fdb.append(f"fdb append {mac} dev {DEVICE} dst {end} self permanent")
    for route in sorted(wanted.routes - found.routes):
        ip.append(f"route replace {route.subnet} via {route.via} dev {DEVICE} onlink table {TABLE}")
    return ip, fdb
