"""Containers that have virtual IPs inside their own network: what upstream's CNI plugin ``dcos-l4lb`` does, built in.

A network of this type names a ``delegate``, which makes the interface. The container's network then gets the device that
virtual IPs are routed to, and a file by the container's id says where the network is: dcos-net fills it with virtual IPs for as
long as the file is there. ``minuteman: {"enable": false}`` leaves it at the delegate, ``minuteman.path`` names another folder.

Source: dcos-cni's ``l4lb`` and its settings. Its ``spartan`` (a link of its own to the forwarders) is not made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dcos.runtime import links
from dcos.runtime.files import write_atomic

TYPE: Final = "dcos-l4lb"
DEVICE: Final = "minuteman"
FOLDER: Final = "/var/run/dcos/cni/l4lb"


def folder_of(config: Mapping[str, Any]) -> str:
    """Where a network's containers are noted; empty: they have no virtual IPs inside."""
    told = config.get("minuteman")
    if told is None:
        return FOLDER
    if not isinstance(told, Mapping) or told.get("enable") is False:
        return ""
    return str(told.get("path") or FOLDER)


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
