"""The overlay network: every node holds a number, and everything of its own follows from that number.

Number ``n`` (from 1) gives the node the ``n``-th address of ``vtep_subnet`` for its tunnel end, that end's MAC address, and the
``n``-th part of each overlay for its containers: the first half for Mesos, the second for Docker. Numbers are the only thing
that nodes have to agree on, so no two nodes can have an address in common as long as they have different numbers.

Source: ``dcos_overlay_network`` of ``config.yaml`` and the devices of the overlay modules (6.3 of the cluster facts).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, NamedTuple

from dcos.model.overlay import Overlay, Settings

DEVICE = "vtep1024"
VNI = 1024
PORT = 64000
TABLE = 42
"""Routing table of what is behind other nodes."""


class Part(NamedTuple):
    """What a node has of one overlay."""

    name: str
    subnet: IPv4Network
    mesos: IPv4Network
    docker: IPv4Network


@dataclass(frozen=True, slots=True)
class Place:
    """What a node has by its number."""

    vtep_ip: IPv4Address
    vtep_mac: str
    parts: tuple[Part, ...]


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
    tail = ":".join(f"{byte:02x}" for byte in vtep.packed[1:])
    return Place(vtep, f"{settings.oui}:{tail}", tuple(_part(one, number) for one in settings.overlays))


def _part(overlay: Overlay, number: int) -> Part:
    size = 2 ** (32 - overlay.prefix)
    subnet = IPv4Network((overlay.subnet.network_address + (number - 1) * size, overlay.prefix))
    mesos, docker = subnet.subnets()
    return Part(overlay.name, subnet, mesos, docker)


def tunnels(settings: Settings, own: int, nodes: Mapping[int, str]) -> Tunnels:
    """To every other of ``nodes`` (number to address). Numbers out of range, of other settings, lead nowhere."""
    neighbours: dict[str, str] = {}
    ends: dict[str, str] = {}
    routes = set()
    for number, ip in nodes.items():
        if number == own or not 1 <= number <= settings.capacity:
            continue
        other = place(settings, number)
        neighbours[str(other.vtep_ip)] = other.vtep_mac
        ends[other.vtep_mac] = ip
        routes |= {Route(str(part.subnet), str(other.vtep_ip)) for part in other.parts}
    return Tunnels(neighbours, ends, frozenset(routes))


def cni_config(part: Part, mtu: int, data_dir: str) -> dict[str, Any]:
    """The network for containers without Docker on this node."""
    bridge = f"m-{part.name}"
    ipam = {
        "type": "host-local",
        "subnet": str(part.mesos),
        "dataDir": data_dir,
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    delegate = {"type": "bridge", "bridge": bridge, "isGateway": True, "ipMasq": False, "hairpinMode": True}
    return {
        "cniVersion": "0.2.0",
        "name": part.name,
        "type": "mesos-cni-port-mapper",
        "excludeDevices": [bridge],
        "delegate": {**delegate, "mtu": mtu, "ipam": ipam},
    }


def docker_network(part: Part, mtu: int) -> dict[str, Any]:
    """Body of ``POST /networks/create`` of the Docker Engine."""
    return {
        "Name": part.name,
        "CheckDuplicate": True,
        "Driver": "bridge",
        "IPAM": {"Driver": "default", "Config": [{"Subnet": str(part.docker)}]},
        "Options": {
            "com.docker.network.bridge.name": f"d-{part.name}",
            "com.docker.network.bridge.enable_ip_masquerade": "false",
            "com.docker.network.driver.mtu": str(mtu),
        },
    }


NFT_TABLE = "dcos_overlay"


def nft_table(settings: Settings, own: Place) -> str:
    """What leaves the overlays gets the node's address; between overlays, and to nodes' tunnel ends, addresses stay."""
    mine = ", ".join(str(part.subnet) for part in own.parts)
    inside = ", ".join(map(str, (settings.vtep_subnet, *(one.subnet for one in settings.overlays))))
    at = f"ip {NFT_TABLE}"
    return (
        f"add table {at}\ndelete table {at}\nadd table {at}\n"
        f"add chain {at} postrouting {{ type nat hook postrouting priority 100 ; }}\n"
        f"add rule {at} postrouting ip saddr {{ {mine} }} ip daddr != {{ {inside}, 224.0.0.0/4 }} masquerade\n"
    )


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
