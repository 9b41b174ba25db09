"""Which networks need a route of ours, so that this node's own processes can send to virtual IPs at all."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from dcos.net.core.vips import Ranges


class Routed:
    """The ranges of named virtual IPs as networks; numeric virtual IPs elsewhere have routes of their own."""

    def __init__(self, ranges: Ranges) -> None:
        self._ends = {
            False: (_packed(ranges.min4), _packed(ranges.max4)),
            True: (_packed(ranges.min6), _packed(ranges.max6)),
        }
        self._networks = {
            False: _networks(ranges.min4, ranges.max4),
            True: _networks(ranges.min6, ranges.max6),
        }

    def named(self, ip: str) -> bool:
        """Whether it is in a range for named virtual IPs."""
        low, high = self._ends[":" in ip]
        return low <= _packed(ip) <= high

    def covers(self, ip: str, routes: set[str]) -> bool:
        """Whether ``routes`` hold its range's networks."""
        return self.named(ip) and self._networks[":" in ip] <= routes

    def networks(self, addresses: Iterable[str], hosts: frozenset[str]) -> set[str]:
        """For virtual ``addresses``. ``hosts``: addresses of real machines, to which routes lead already."""
        wanted = set(addresses)
        found = set(self._networks[False])
        if any(":" in one for one in wanted):
            found |= self._networks[True]
        return found | {f"{one}/{128 if ':' in one else 32}" for one in wanted - hosts if not self.named(one)}


def _packed(ip: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)


def _networks(low: str, high: str) -> set[str]:
    """The range from ``low`` to ``high`` as networks."""
    first, last = ipaddress.ip_address(low), ipaddress.ip_address(high)
    return {str(network) for network in ipaddress.summarize_address_range(first, last)}
