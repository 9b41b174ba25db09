"""Host ports that lead into containers: what upstream's CNI plugin ``mesos-cni-port-mapper`` does, built in.

A network of this type names a ``delegate``, which makes the interface; the port mappings of the container's ``NetworkInfo``
then lead from any local address but loopback to the container's IPv4 address. Members of the configuration that shape
upstream's iptables rules (``chain``, ``excludeDevices``) are not needed: one nftables table has two maps for all ports, and
containers of one network reach each other's mapped ports too.

Source: Mesos docs/cni.md, "CNI port-mapper plugin".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dcos.model.v1.types import NetworkInfoPortMapping
from dcos.runtime.nft import Nft

TYPE: Final = "mesos-cni-port-mapper"
TABLE: Final = "dcos_port_mapper"
PROTOCOLS: Final = ("tcp", "udp")

_LOCAL = "fib daddr type local dnat ip to {0} dport map @{0}_ports"
_TABLE = [
    f"add table ip {TABLE}",
    *(f"add map ip {TABLE} {one}_ports {{ type inet_service : ipv4_addr . inet_service ; }}" for one in PROTOCOLS),
    f"add set ip {TABLE} members {{ type ipv4_addr ; }}",
    f"add chain ip {TABLE} prerouting {{ type nat hook prerouting priority -101 ; }}",
    f"add chain ip {TABLE} output {{ type nat hook output priority -101 ; }}",
    f"add chain ip {TABLE} postrouting {{ type nat hook postrouting priority 99 ; }}",
    *(f"add rule ip {TABLE} prerouting {_LOCAL.format(one)}" for one in PROTOCOLS),
    *(f"add rule ip {TABLE} output ip daddr != 127.0.0.0/8 {_LOCAL.format(one)}" for one in PROTOCOLS),
    f"add rule ip {TABLE} postrouting ct status dnat ip saddr @members ip daddr @members masquerade",
]

Ports = Mapping[str, Mapping[int, tuple[str, int]]]
"""By protocol: host port to address and port."""


def delegate_of(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the delegate is given; None where there is none."""
    delegate = config.get("delegate")
    if not isinstance(delegate, dict):
        return None
    kept = {name: config[name] for name in ("cniVersion", "args") if name in config}
    return {**kept, **delegate, "name": config.get("name")}


class PortMapper:
    """One machine's. Agents and their restarts share its table; each changes only what leads to its containers."""

    def __init__(self, nft: Nft | None = None) -> None:
        self._nft = nft or Nft()
        self._lock = asyncio.Lock()

    async def open(self, address: str, mappings: Sequence[NetworkInfoPortMapping]) -> None:
        """Errors: NftError."""
        async with self._lock:
            found = await self._nft.objects("ip", TABLE)
            present = _ports(found or ())
            commands = list(_TABLE) if found is None else []
            for one in mappings:
                protocol = (one.protocol or "tcp").lower()
                if one.host_port in present.get(protocol, {}):
                    commands.append(f"delete element ip {TABLE} {protocol}_ports {{ {one.host_port} }}")
                target = f"{address} . {one.container_port}"
                commands.append(f"add element ip {TABLE} {protocol}_ports {{ {one.host_port} : {target} }}")
            commands.append(f"add element ip {TABLE} members {{ {address} }}")
            await self._nft.apply("\n".join(commands) + "\n")

    async def close(self, address: str) -> None:
        """Whatever leads to ``address``.   Errors: NftError."""
        async with self._lock:
            found = await self._nft.objects("ip", TABLE)
            commands = [
                f"delete element ip {TABLE} {protocol}_ports {{ {port} }}"
                for protocol, ports in _ports(found or ()).items()
                for port, (target, _) in ports.items()
                if target == address
            ]
            if address in _members(found or ()):
                commands.append(f"delete element ip {TABLE} members {{ {address} }}")
            if commands:
                await self._nft.apply("\n".join(commands) + "\n")


def _ports(objects: Sequence[Mapping[str, Any]]) -> Ports:
    made = {}
    for one in objects:
        if "map" in one:
            elements = {
                int(port): (str(to["concat"][0]), int(to["concat"][1])) for port, to in one["map"].get("elem", ())
            }
            made[str(one["map"]["name"]).removesuffix("_ports")] = elements
    return made


def _members(objects: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(str(address) for one in objects if "set" in one for address in one["set"].get("elem", ()))
