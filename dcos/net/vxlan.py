"""A VXLAN device whose other ends are told, not learned: made, read back and changed by the ``ip`` and ``bridge`` programs.

Errors: LinkError.
"""

from __future__ import annotations

from collections.abc import Sequence

from dcos.net.core.overlay import Route, Tunnels
from dcos.runtime import links


async def add_device(name: str, *, vni: int, port: int, local: str, mac: str, address: str, mtu: int) -> bool:
    """Make it and its address; one that is otherwise than wanted is made again. Tells whether anything was done."""
    found = await links.show("-d", "addr", "show", "dev", name)
    if found and _is(found[0], vni, port, local, mac, address, mtu):
        return False
    await links.remove_device(name)
    await links.change(
        f"link add {name} address {mac} mtu {mtu} type vxlan id {vni} dstport {port} local {local} nolearning",
        f"addr add {address} dev {name}",
        f"link set dev {name} up",
        about=f"device {name}",
    )
    return True


def _is(found: dict[str, object], vni: int, port: int, local: str, mac: str, address: str, mtu: int) -> bool:
    info = found.get("linkinfo")
    data = info.get("info_data") if isinstance(info, dict) else None
    flags, addresses = found.get("flags"), found.get("addr_info")
    if not isinstance(data, dict) or not isinstance(flags, list) or not isinstance(addresses, list):
        return False
    held = {f"{one.get('local')}/{one.get('prefixlen')}" for one in addresses}
    same = (data.get("id"), data.get("port"), data.get("local"), data.get("learning")) == (vni, port, local, False)
    return same and "UP" in flags and address in held and (found.get("address"), found.get("mtu")) == (mac, mtu)


async def tunnels_of(name: str, table: int) -> Tunnels:
    """What the kernel knows of other ends by the device ``name``."""
    neighbours = await links.show("neigh", "show", "dev", name, "nud", "permanent") or ()
    entries = await links.show("fdb", "show", "dev", name, program_name="bridge") or ()
    routes = await links.show("route", "show", "table", str(table), "dev", name) or ()
    return Tunnels(
        {str(one["dst"]): str(one["lladdr"]) for one in neighbours if "lladdr" in one},
        {str(one["mac"]): str(one["dst"]) for one in entries if "dst" in one},
        frozenset(_route(one) for one in routes if "gateway" in one),
    )


def _route(shown: dict[str, object]) -> Route:
    destination = str(shown["dst"])
    return Route(destination if "/" in destination else f"{destination}/32", str(shown["gateway"]))


async def rules_of(table: int) -> set[str]:
    """Destinations that are looked up in ``table``."""
    shown = await links.show("rule", "show", "table", str(table)) or ()
    return {f"{one['dst']}/{one.get('dstlen', 32)}" for one in shown if "dst" in one}


async def change(ip: Sequence[str], bridge: Sequence[str]) -> None:
    """Run lines of ``ip -batch`` and ``bridge -batch``, all of each; what is there already, or gone, does not matter."""
    harmless = ("File exists", "No such process", "No such file or directory", "Cannot find device")
    await links.change(*ip, but=harmless, about="overlay")
    await links.change(*bridge, but=harmless, about="overlay", program_name="bridge")
