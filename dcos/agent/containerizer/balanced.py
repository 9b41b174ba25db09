"""Containers that have virtual IPs inside their own network: what upstream's CNI plugin ``dcos-l4lb`` does, built in.

A network of this type names a ``delegate``, which makes the interface. The container's network then gets the device that
virtual IPs are routed to, and a file by the container's id says where the network is: dcos-net fills it with virtual IPs for as
long as the file is there. ``minuteman: {"enable": false}`` leaves that out, ``minuteman.path`` names another folder.
Unless ``spartan`` is false, a link of its own leads to the node's forwarders and nowhere else.

Source: dcos-cni's ``l4lb``, its settings, addresses and names of devices.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dcos.runtime import links
from dcos.runtime.files import write_atomic

TYPE: Final = "dcos-l4lb"
DEVICE: Final = "minuteman"
FOLDER: Final = "/var/run/dcos/cni/l4lb"
LINK: Final = "spartan0"
"""The container's end; the node's has a name by the container's id."""
_FORWARDERS: Final = ("198.51.100.1", "198.51.100.2", "198.51.100.3")
_DATA: Final = "/var/run/dcos/cni/networks"


def folder_of(config: Mapping[str, Any]) -> str:
    """Where a network's containers are noted; empty: they have no virtual IPs inside."""
    told = config.get("minuteman")
    if told is None:
        return FOLDER
    if not isinstance(told, Mapping) or told.get("enable") is False:
        return ""
    return str(told.get("path") or FOLDER)


def addresses_of(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the plugin ``host-local`` is told, for an address of the container's link to the forwarders; None: it has none.

    Addresses are noted where those of the delegate are.
    """
    if config.get("spartan") is False:
        return None
    delegate = config.get("delegate")
    ipam = delegate.get("ipam") if isinstance(delegate, Mapping) else None
    data = ipam.get("dataDir") if isinstance(ipam, Mapping) else None
    return {
        "cniVersion": "0.2.0",
        "name": "spartan-network",
        "type": "host-local",
        "ipam": {
            "type": "host-local",
            "subnet": "198.51.100.0/24",
            "rangeStart": "198.51.100.10",
            "rangeEnd": "198.51.100.253",
            "dataDir": data or _DATA,
        },
    }


async def join(container_id: str, netns: str, address: str) -> None:
    """Make the link to the forwarders.   Errors: LinkError."""
    end, about = _end(container_id), f"link {LINK}"
    await links.change(
        f"link add name {end} type veth peer name {LINK} netns {netns}",
        f"link set dev {end} up",
        f"route replace {address}/32 dev {end} scope link",
        about=about,
    )
    await links.change(
        f"addr add {address}/32 dev {LINK}",
        f"link set dev {LINK} up",
        *(f"route add {one}/32 dev {LINK} scope link src {address}" for one in _FORWARDERS),
        about=about,
        inside=netns,
    )


async def part(container_id: str) -> None:
    """Safe to repeat, and after the container's network has gone.   Errors: LinkError."""
    await links.remove_device(_end(container_id))


def _end(container_id: str) -> str:
    return f"sp{hashlib.sha1(container_id.encode(), usedforsecurity=False).hexdigest()[:12]}"


async def register(folder: str, container_id: str, netns: str) -> None:
    """The device first: whoever reads the file finds it.   Errors: LinkError, OSError."""
    await links.ensure_device(DEVICE, inside=netns)
    place = Path(folder)
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_atomic(place / container_id, netns.encode(), mode=0o644)


def unregister(folder: str, container_id: str) -> None:
    """Safe to repeat. The device goes with the network."""
    with contextlib.suppress(FileNotFoundError):
        (Path(folder) / container_id).unlink()
