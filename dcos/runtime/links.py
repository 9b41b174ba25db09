"""Devices without hardware, their addresses and routes, by netlink.

The device of choice for addresses of our own is a bridge without ports: dummy devices are missing from some kernels, a bridge
from none that runs containers. The netlink library runs an event loop of its own: call these functions in a thread.
Errors: LinkError naming the device and what was refused.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyroute2
from pyroute2.netlink.exceptions import NetlinkError

IPRoute: Any = pyroute2.IPRoute  # type: ignore[attr-defined]


class LinkError(Exception):
    """The kernel refused a change of a device, address or route."""


def ensure_device(name: str, addresses: Iterable[str] = ()) -> bool:
    """A bridge without ports, up, with at least ``addresses`` (as /32 or /128); tells whether anything was changed."""
    changed = False
    try:
        with IPRoute() as route:
            index = _index(route, name)
            if index is None:
                try:
                    route.link("add", ifname=name, kind="bridge")
                except NetlinkError as error:
                    if error.code != errno.EEXIST:
                        raise
                index = _index(route, name)
                changed = True
            assert index is not None
            if not route.get_links(index)[0]["flags"] & 1:
                route.link("set", index=index, state="up")
                changed = True
            held = {str(message.get_attr("IFA_ADDRESS")) for message in route.get_addr(index=index)}
            for address in addresses:
                if address not in held:
                    route.addr("add", index=index, address=address, prefixlen=128 if ":" in address else 32)
                    changed = True
    except (NetlinkError, OSError) as error:
        raise LinkError(f"device {name}: {error}") from error
    return changed


def remove_device(name: str) -> bool:
    """Remove it with its addresses and routes; False where there is none."""
    try:
        with IPRoute() as route:
            index = _index(route, name)
            if index is None:
                return False
            route.link("del", index=index)
    except (NetlinkError, OSError) as error:
        raise LinkError(f"device {name}: {error}") from error
    return True


def routes(device: str) -> set[str]:
    """Destinations (``network/length``) of the unicast routes in the main table that lead to ``device``."""
    found = set()
    with IPRoute() as route:
        index = _index(route, device)
        if index is None:
            return set()
        for family, full in ((socket.AF_INET, 32), (socket.AF_INET6, 128)):
            for message in route.get_routes(family=family, table=254):
                if message.get_attr("RTA_OIF") == index and message["proto"] == _PROTOCOL:
                    length = message["dst_len"]
                    found.add(f"{message.get_attr('RTA_DST')}/{full if length is None else length}")
    return found


_PROTOCOL = 0x0D
"""Marks our routes, so that those the kernel or others made stay alone."""


def change_routes(
    device: str, *, add: Iterable[str] = (), remove: Iterable[str] = (), source: str | None = None
) -> None:
    """Routes to ``device``; ``source`` is the address that this node's own packets to IPv4 destinations get."""
    try:
        with IPRoute() as route:
            index = _index(route, device)
            if index is None:
                raise LinkError(f"device {device}: not there")
            for destination in remove:
                try:
                    route.route("del", dst=destination, oif=index, proto=_PROTOCOL)
                except NetlinkError as error:
                    if error.code != errno.ESRCH:
                        raise
            for destination in add:
                options = {"prefsrc": source} if source and ":" not in destination else {}
                route.route("replace", dst=destination, oif=index, proto=_PROTOCOL, **options)
    except (NetlinkError, OSError) as error:
        raise LinkError(f"routes of {device}: {error}") from error


def _index(route: Any, name: str) -> int | None:
    found = route.link_lookup(ifname=name)
    return int(found[0]) if found else None


def enable_forwarding() -> bool:
    """Let this node route IPv4 (containers reach virtual IPs through it); tells whether it was off."""
    switch = Path("/proc/sys/net/ipv4/ip_forward")
    if switch.read_text().strip() == "1":
        return False
    switch.write_text("1\n")
    return True
