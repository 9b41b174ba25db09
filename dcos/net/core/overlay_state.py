"""What is told of the overlay: every node's part of every network, and whether it is there.

Source: messages ``State`` and ``AgentInfo`` of DC/OS's overlay modules, as ``/overlay-master/state`` and
``/overlay-agent/overlay`` show them in JSON.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from dcos.model.overlay import Overlay, Settings
from dcos.net.core import overlay
from dcos.net.core.overlay import DEVICE, VNI, Part, Place


class Report(NamedTuple):
    """What a node says of itself. ``error``: what it could not make; empty: all is well."""

    ip: str
    error: str = ""


def cluster_state(settings: Settings, nodes: Mapping[int, Report], masters: Collection[str]) -> dict[str, Any]:
    """Answer of ``/overlay-master/state``; nodes in the order of their numbers. ``masters`` have no bridges."""
    network: dict[str, Any] = {"vtep_subnet": str(settings.vtep_subnet)}
    if settings.vtep_subnet6 is not None:
        network["vtep_subnet6"] = str(settings.vtep_subnet6)
    network["vtep_mac_oui"] = f"{settings.oui}:00:00:00".upper()
    network["overlays"] = [_info(one) for one in settings.overlays]
    agents = [
        node_state(settings, number, one, bridges=one.ip not in masters)
        for number, one in sorted(nodes.items())
        if 1 <= number <= settings.capacity
    ]
    return {"network": network, "agents": agents}


def node_state(settings: Settings, number: int, report: Report, *, bridges: bool) -> dict[str, Any]:
    """Answer of ``/overlay-agent/overlay`` of the node with ``number``."""
    place = overlay.place(settings, number)
    infos = {one.name: _info(one) for one in settings.overlays}
    state = {"status": "STATUS_FAILED", "error": report.error} if report.error else {"status": "STATUS_OK"}
    return {
        "ip": report.ip,
        "overlays": [
            {
                "info": infos[part.name],
                **{f"subnet{_suffix(block.subnet.version)}": str(block.subnet) for block in part.blocks},
                "backend": {"vxlan": _vxlan(settings, place)},
                **(_bridges(part) if bridges else {}),
                "state": state,
            }
            for part in place.parts
        ],
    }


def _suffix(version: int) -> str:
    return "" if version == 4 else "6"


def _info(one: Overlay) -> dict[str, Any]:
    told: dict[str, Any] = {"name": one.name}
    for each in one.ranges:
        suffix = _suffix(each.subnet.version)
        told |= {f"subnet{suffix}": str(each.subnet), f"prefix{suffix}": each.prefix}
    return told


def _vxlan(settings: Settings, place: Place) -> dict[str, Any]:
    told: dict[str, Any] = {
        "vni": VNI,
        "vtep_name": DEVICE,
        "vtep_ip": f"{place.vtep_ip}/{settings.vtep_subnet.prefixlen}",
        "vtep_mac": place.vtep_mac,
    }
    if settings.vtep_subnet6 is not None:
        told["vtep_ip6"] = f"{place.vtep_ip6}/{settings.vtep_subnet6.prefixlen}"
    return told


def _bridges(part: Part) -> dict[str, Any]:
    mesos: dict[str, Any] = {"name": f"m-{part.name}"}
    docker: dict[str, Any] = {"name": f"d-{part.name}"}
    for block in part.blocks:
        key = f"ip{_suffix(block.subnet.version)}"
        mesos[key], docker[key] = str(block.mesos), str(block.docker)
    return {"mesos_bridge": mesos, "docker_bridge": docker}
