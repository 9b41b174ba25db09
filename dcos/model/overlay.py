"""What ``dcos_overlay_network`` of ``config.yaml`` says: the overlay networks and where tunnels end.

Source: DC/OS on-premises keys (``gen/calc.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

MIN_MTU = 552
MAX_NAME = 13
"""A bridge is called ``m-<name>``, and device names have at most 15 characters."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_OUI = re.compile(r"([0-9A-Fa-f]{2}):([0-9A-Fa-f]{2}):([0-9A-Fa-f]{2}):00:00:00")
_MIN_PART = 28
"""Halves of a node's part still have room for a gateway and containers."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """One network; ``prefix`` is the length of a node's part of ``subnet``."""

    name: str
    subnet: IPv4Network
    prefix: int


@dataclass(frozen=True, slots=True)
class Settings:
    vtep_subnet: IPv4Network
    oui: str
    overlays: tuple[Overlay, ...]
    """Those that are enabled."""
    mtu: int = 1420

    @property
    def capacity(self) -> int:
        """How many nodes there can be."""
        parts = [1 << (one.prefix - one.subnet.prefixlen) for one in self.overlays]
        return min(self.vtep_subnet.num_addresses - 2, *parts)


def parse(value: Any, mtu: int = 1420) -> Settings:
    """``dcos_overlay_network``.   Errors: ValueError naming the member and the rule."""
    if not isinstance(value, dict):
        raise ValueError("must be a map with vtep_subnet, vtep_mac_oui and overlays")
    for key in ("vtep_subnet", "vtep_mac_oui", "overlays"):
        if key not in value:
            raise ValueError(f"{key}: must be given")
    oui = value["vtep_mac_oui"]
    if not isinstance(oui, str) or _OUI.fullmatch(oui) is None:
        raise ValueError(f"vtep_mac_oui: must be like 70:B3:D5:00:00:00, not {oui!r}")
    listed = value["overlays"]
    if not isinstance(listed, list) or not listed:
        raise ValueError("overlays: must be a list with at least one network")
    found = [_overlay(one, f"overlays[{index}]") for index, one in enumerate(listed)]
    vteps = _network(value["vtep_subnet"], "vtep_subnet")
    if vteps.prefixlen > 30:
        raise ValueError(f"vtep_subnet: must have a prefix length of at most 30, not {vteps}")
    _need_apart([("vtep_subnet", vteps), *((one.name, one.subnet) for one, _ in found)])
    names = [one.name for one, _ in found]
    again = next((name for name in names if names.count(name) > 1), None)
    if again:
        raise ValueError(f"overlays: the name {again!r} is given more than once")
    return Settings(vteps, oui[:8].lower(), tuple(one for one, enabled in found if enabled), mtu)


def _overlay(value: Any, at: str) -> tuple[Overlay, bool]:
    """It, and whether it is enabled."""
    if not isinstance(value, dict):
        raise ValueError(f"{at}: must be a map")
    name, prefix, enabled = value.get("name"), value.get("prefix"), value.get("enabled", True)
    if not isinstance(name, str) or _NAME.fullmatch(name) is None or len(name) > MAX_NAME:
        raise ValueError(f"{at}.name: must be at most {MAX_NAME} letters, digits, '_', '.' and '-', not {name!r}")
    if "subnet6" in value or "prefix6" in value:
        raise ValueError(f"{at}.subnet6: overlays over IPv6 come with a later version")
    if not isinstance(enabled, bool):
        raise ValueError(f"{at}.enabled: must be true or false, not {enabled!r}")
    subnet = _network(value.get("subnet"), f"{at}.subnet")
    if type(prefix) is not int or not subnet.prefixlen <= prefix <= _MIN_PART:
        raise ValueError(f"{at}.prefix: must be a number from {subnet.prefixlen} to {_MIN_PART}, not {prefix!r}")
    return Overlay(name, subnet, prefix), enabled


def _network(value: Any, at: str) -> IPv4Network:
    try:
        if not isinstance(value, str) or "/" not in value:
            raise ValueError(repr(value))
        return IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"{at}: must be an IPv4 network like 9.0.0.0/8: {error}") from None


def _need_apart(named: list[tuple[str, IPv4Network]]) -> None:
    for index, (name, network) in enumerate(named):
        for other, taken in named[:index]:
            if network.overlaps(taken):
                raise ValueError(f"{name}: {network} overlaps {taken} of {other}")
