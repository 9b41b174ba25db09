"""What ``dcos_overlay_network`` of ``config.yaml`` says: the overlay networks and where tunnels end.

Source: DC/OS on-premises keys (``gen/calc.py``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Any

MIN_MTU = 552
MAX_NAME = 13
"""A bridge is called ``m-<name>``, and device names have at most 15 characters."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_OUI = re.compile(r"([0-9A-Fa-f]{2}):([0-9A-Fa-f]{2}):([0-9A-Fa-f]{2}):00:00:00")
_MIN_PART, _MIN_PART6 = 28, 120
"""Halves of a node's part still have room for a gateway and containers."""

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Range:
    """One family of a network: every node has a part of ``subnet``, of length ``prefix``."""

    subnet: Network
    prefix: int

    @property
    def parts(self) -> int:
        return 1 << (self.prefix - self.subnet.prefixlen)


@dataclass(frozen=True, slots=True)
class Overlay:
    """One network; of one family or both."""

    name: str
    ranges: tuple[Range, ...]
    """IPv4 first."""
    accept: tuple[str, ...] | None = None
    """Other overlays that may open connections to containers of this one; None: all of them."""


@dataclass(frozen=True, slots=True)
class Settings:
    vtep_subnet: IPv4Network
    vtep_subnet6: IPv6Network | None
    oui: str
    overlays: tuple[Overlay, ...]
    """Those that are enabled."""
    mtu: int = 1420
    """Largest packet: ``vtep_mtu``, else what the caller says."""

    @property
    def ipv6(self) -> bool:
        """Whether any network has IPv6 addresses."""
        return any(isinstance(each.subnet, IPv6Network) for one in self.overlays for each in one.ranges)

    def without_ipv6(self) -> Settings:
        """For a node that has none: what it makes. Numbers of nodes are counted by the whole all the same."""
        ranges = [(one, tuple(each for each in one.ranges if each.subnet.version == 4)) for one in self.overlays]
        return replace(
            self, vtep_subnet6=None, overlays=tuple(replace(one, ranges=found) for one, found in ranges if found)
        )

    @property
    def subnets(self) -> tuple[Network, ...]:
        """Of all overlays."""
        return tuple(each.subnet for one in self.overlays for each in one.ranges)

    @property
    def capacity(self) -> int:
        """How many nodes there can be."""
        parts = [each.parts for one in self.overlays for each in one.ranges]
        if self.vtep_subnet6 is not None:
            parts.append(self.vtep_subnet6.num_addresses - 2)
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
    own_mtu = value.get("vtep_mtu")
    if own_mtu is not None:
        if not isinstance(own_mtu, int) or isinstance(own_mtu, bool) or own_mtu < MIN_MTU:
            raise ValueError(f"vtep_mtu: must be a number, at least {MIN_MTU}, not {own_mtu!r}")
        mtu = own_mtu
    listed = value["overlays"]
    if not isinstance(listed, list) or not listed:
        raise ValueError("overlays: must be a list with at least one network")
    found = [_overlay(one, f"overlays[{index}]") for index, one in enumerate(listed)]
    vteps = IPv4Network(_network(value["vtep_subnet"], "vtep_subnet", 4))
    vteps6 = (
        None if value.get("vtep_subnet6") is None else IPv6Network(_network(value["vtep_subnet6"], "vtep_subnet6", 6))
    )
    for name, of_vteps in (("vtep_subnet", vteps), ("vtep_subnet6", vteps6)):
        if of_vteps is not None and of_vteps.max_prefixlen - of_vteps.prefixlen < 2:
            longest = of_vteps.max_prefixlen - 2
            raise ValueError(f"{name}: must have a prefix length of at most {longest}, not {of_vteps}")
    named = [(one.name, each.subnet) for one, _ in found for each in one.ranges]
    _need_apart([("vtep_subnet", vteps), *((("vtep_subnet6", vteps6),) if vteps6 else ()), *named])
    names = [one.name for one, _ in found]
    again = next((name for name in names if names.count(name) > 1), None)
    if again:
        raise ValueError(f"overlays: the name {again!r} is given more than once")
    for index, (one, _) in enumerate(found):
        unknown = [name for name in one.accept or () if name not in names]
        if unknown:
            raise ValueError(f"overlays[{index}].accept: {unknown[0]!r} is no overlay's name")
    settings = Settings(vteps, vteps6, oui[:8].lower(), tuple(one for one, enabled in found if enabled), mtu)
    if settings.ipv6 and vteps6 is None:
        raise ValueError("vtep_subnet6: must be given when an overlay has a subnet6")
    return settings


def _overlay(value: Any, at: str) -> tuple[Overlay, bool]:
    """It, and whether it is enabled."""
    if not isinstance(value, dict):
        raise ValueError(f"{at}: must be a map")
    name, enabled, accept = value.get("name"), value.get("enabled", True), value.get("accept")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None or len(name) > MAX_NAME:
        raise ValueError(f"{at}.name: must be at most {MAX_NAME} letters, digits, '_', '.' and '-', not {name!r}")
    if not isinstance(enabled, bool):
        raise ValueError(f"{at}.enabled: must be true or false, not {enabled!r}")
    if accept is not None and not (isinstance(accept, list) and all(isinstance(one, str) for one in accept)):
        raise ValueError(f"{at}.accept: must be a list of overlays' names, not {accept!r}")
    ranges = tuple(
        _range(value, at, family)
        for family in (4, 6)
        if any(f"{key}{_SUFFIX[family]}" in value for key in ("subnet", "prefix"))
    )
    if not ranges:
        raise ValueError(f"{at}: must have a subnet or a subnet6")
    return Overlay(name, ranges, None if accept is None else tuple(accept)), enabled


_SUFFIX = {4: "", 6: "6"}


def _range(value: dict[str, Any], at: str, family: int) -> Range:
    suffix, longest = _SUFFIX[family], _MIN_PART if family == 4 else _MIN_PART6
    subnet, prefix = (
        _network(value.get(f"subnet{suffix}"), f"{at}.subnet{suffix}", family),
        value.get(f"prefix{suffix}"),
    )
    if type(prefix) is not int or not subnet.prefixlen <= prefix <= longest:
        raise ValueError(f"{at}.prefix{suffix}: must be a number from {subnet.prefixlen} to {longest}, not {prefix!r}")
    return Range(subnet, prefix)


def _network(value: Any, at: str, family: int) -> Network:
    try:
        if not isinstance(value, str) or "/" not in value:
            raise ValueError(repr(value))
        return IPv4Network(value) if family == 4 else IPv6Network(value)
    except ValueError as error:
        example = "9.0.0.0/8" if family == 4 else "fd01:b::/64"
        raise ValueError(f"{at}: must be an IPv{family} network like {example}: {error}") from None


def _need_apart(named: Sequence[tuple[str, Network]]) -> None:
    for index, (name, network) in enumerate(named):
        for other, taken in named[:index]:
            if network.version == taken.version and network.overlaps(taken):
                raise ValueError(f"{name}: {network} overlaps {taken} of {other}")
