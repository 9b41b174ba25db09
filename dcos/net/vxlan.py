"""A VXLAN device whose other ends are told, not learned: made, read back and changed by the ``ip`` and ``bridge`` programs.

Errors: LinkError.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence

from dcos.net.core.overlay import Route, Tunnels
from dcos.runtime import links


async def add_device(
    name: str, *, vni: int, port: int, local: str, mac: str, addresses: Sequence[str], mtu: int
) -> bool:
    """Make it and its addresses; one that is otherwise than wanted is made again. Tells whether anything was done."""
    found = await links.show("-d", "addr", "show", "dev", name)
    if found and _is(found[0], vni, port, local, mac, addresses, mtu):
        return False
    await links.remove_device(name)
    await links.change(
        f"link add {name} address {mac} mtu {mtu} type vxlan id {vni} dstport {port} local {local} nolearning",
        *(f"addr add {one} dev {name}{' nodad' if ':' in one else ''}" for one in addresses),
        f"link set dev {name} up",
        about=f"device {name}",
    )
    return True


def _is(found: dict[str, object], vni: int, port: int, local: str, mac: str, wanted: Sequence[str], mtu: int) -> bool:
    info = found.get("linkinfo")
    data = info.get("info_data") if isinstance(info, dict) else None
    flags, addresses = found.get("flags"), found.get("addr_info")
    if not isinstance(data, dict) or not isinstance(flags, list) or not isinstance(addresses, list):
        return False
    held = {f"{one.get('local')}/{one.get('prefixlen')}" for one in addresses}
    same = (data.get("id"), data.get("port"), data.get("local"), data.get("learning")) == (vni, port, local, False)
    return same and "UP" in flags and held.issuperset(wanted) and (found.get("address"), found.get("mtu")) == (mac, mtu)


async def tunnels_of(name: str, table: int) -> Tunnels:
    """What the kernel knows of other ends by the device ``name``."""
    neighbours: list[dict[str, object]] = []
    routes: list[dict[str, object]] = []
    for family in ("-4", "-6"):
        neighbours += await links.show(family, "neigh", "show", "dev", name, "nud", "permanent") or ()
        routes += await links.show(family, "route", "show", "table", str(table), "dev", name) or ()
    entries = await links.show("fdb", "show", "dev", name, program_name="bridge") or ()
    return Tunnels(
        {
            str(one["dst"]): str(one["lladdr"])
            for one in neighbours
            if "lladdr" in one and not _is_group(str(one["dst"]))
        },
        {str(one["mac"]): str(one["dst"]) for one in entries if "dst" in one},
        frozenset(_route(one) for one in routes if "gateway" in one),
    )


def _is_group(address: str) -> bool:
    return ipaddress.ip_address(address).is_multicast


def _route(shown: dict[str, object]) -> Route:
    destination = str(shown["dst"])
    length = 128 if ":" in destination else 32
    return Route(destination if "/" in destination else f"{destination}/{length}", str(shown["gateway"]))


async def rules_of(table: int) -> set[str]:
    """Destinations that are looked up in ``table``."""
    found = set()
    for family, length in (("-4", 32), ("-6", 128)):
        shown = await links.show(family, "rule", "show", "table", str(table)) or ()
        found |= {f"{one['dst']}/{one.get('dstlen', length)}" for one in shown if "dst" in one}
    return found


_HARMLESS = ("File exists", "No such process", "No such file or directory", "Cannot find device")


async def change_rules(verb: str, subnets: Collection[str], table: int) -> None:
    """``add`` or ``del``: ``subnets`` are looked up in ``table``."""
    for family, colon in (("-4", False), ("-6", True)):
        lines = [f"rule {verb} to {one} lookup {table}" for one in sorted(subnets) if (":" in one) == colon]
        await links.change(*lines, but=_HARMLESS, about="overlay", family=family)


async def change(ip: Sequence[str], bridge: Sequence[str]) -> None:
    """Run lines of ``ip -batch`` and ``bridge -batch``, all of each; what is there already, or gone, does not matter."""
    await links.change(*ip, but=_HARMLESS, about="overlay")
    await links.change(*bridge, but=_HARMLESS, about="overlay", program_name="bridge")
