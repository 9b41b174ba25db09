"""Containers speak to the outside with the machine's address: what plugins do for ``ipMasq``, by one nftables table.

The plugins bridge and ptp make a chain of iptables rules for each container, and take it away only while its network namespace
is still there, which it is not when a container has ended. So the agent keeps the networks' subnets in two sets instead: nothing
is made for a container, nothing remains of one.

Source: CNI plugins bridge and ptp, ``ipMasq``.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dcos.runtime.nft import Nft

TABLE: Final = "dcos_masquerade"
KINDS: Final = frozenset({"bridge", "ptp"})
"""Plugins whose ``ipMasq`` is done here."""

_SETS: Final = {4: "networks", 6: "networks6"}
_BASE: Final = f"""\
add table inet {TABLE}
add set inet {TABLE} networks {{ type ipv4_addr ; flags interval ; }}
add set inet {TABLE} networks6 {{ type ipv6_addr ; flags interval ; }}
add chain inet {TABLE} postrouting {{ type nat hook postrouting priority 100 ; }}
add rule inet {TABLE} postrouting ip saddr @networks ip daddr != @networks ip daddr != 224.0.0.0/4 masquerade
add rule inet {TABLE} postrouting ip6 saddr @networks6 ip6 daddr != @networks6 ip6 daddr != ff00::/8 masquerade
"""


def wants(config: Mapping[str, Any]) -> bool:
    """Whether the network asks for it and its plugin would do it by itself."""
    return config.get("type") in KINDS and config.get("ipMasq") is True


class Masquerade:
    """One machine's. Agents and their restarts share its table; a subnet stays until the machine's next start."""

    def __init__(self, nft: Nft | None = None) -> None:
        self._nft = nft or Nft()
        self._lock = asyncio.Lock()

    async def cover(self, subnets: Iterable[str]) -> None:
        """What comes from ``subnets`` (``address/length``, of a host as well) and leaves them.   Errors: NftError."""
        wanted = {ipaddress.ip_network(one, strict=False) for one in subnets}
        async with self._lock:
            found = await self._nft.objects("inet", TABLE)
            present = _networks(found or ())
            commands = "" if found is not None else _BASE
            for one in sorted(map(str, wanted - present)):
                commands += f"add element inet {TABLE} {_SETS[6 if ':' in one else 4]} {{ {one} }}\n"
            if commands:
                await self._nft.apply(commands)


def _networks(objects: Sequence[Mapping[str, Any]]) -> frozenset[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return frozenset(
        ipaddress.ip_network(
            f"{element['prefix']['addr']}/{element['prefix']['len']}" if isinstance(element, dict) else element
        )
        for one in objects
        if "set" in one
        for element in one["set"].get("elem", ())
    )
