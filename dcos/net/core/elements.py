"""The elements of a table of virtual IPs as the kernel has them: a difference to what goes and comes, a listing to a table.

The same as ``ruleset.commands`` in the kernel's own form. Keys are protocol, address and port (and the mark with a target's
number), data of targets address and port, of VIPs the mark with the number of their targets.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from dcos.net.core import ruleset
from dcos.net.core.ruleset import MARK, Difference, Slot, Table
from dcos.net.core.vips import Service, Target
from dcos.wire import nftables
from dcos.wire.nftables import Change, Element

SETS = ("vips", "targets", "known", "classes")
_PROTOCOLS = {"tcp": 6, "udp": 17}
_NAMES = {number: name for name, number in _PROTOCOLS.items()}
_ORDER: Literal["little", "big"] = sys.byteorder
_LENGTH = {4: 4, 6: 16}
"""Bytes of an address."""


class _Packer:
    """Addresses come again and again."""

    def __init__(self) -> None:
        self._addresses: dict[str, bytes] = {}
        self._services: dict[Service, bytes] = {}

    def address(self, ip: str) -> bytes:
        found = self._addresses.get(ip)
        if found is None:
            found = ipaddress.IPv6Address(ip).packed if ":" in ip else bytes(map(int, ip.split(".")))
            self._addresses[ip] = found
        return found

    def service(self, one: Service) -> bytes:
        found = self._services.get(one)
        if found is None:
            protocol = bytes((_PROTOCOLS[one.protocol], 0, 0, 0))
            found = self._services[one] = protocol + self.address(one.ip) + _port(one.port)
        return found

    def slot(self, slot: Slot) -> bytes:
        return self.service(slot[0]) + _mark(slot[1])

    def target(self, target: Target) -> bytes:
        return self.address(target.ip) + _port(target.port)


def _mark(number: int) -> bytes:
    return (MARK + number).to_bytes(4, _ORDER)


def _number(mark: bytes) -> int:
    return int.from_bytes(mark, _ORDER) - MARK


def _port(port: int) -> bytes:
    return port.to_bytes(2, "big") + b"\0\0"


def changes(difference: Difference, old: Table) -> list[Change]:
    """What one transaction does to a table that is there with the elements of ``old`` and has all chains."""
    pack, element = _Packer(), nftables.element
    counts, targets = difference.vips.items(), difference.targets.items()
    made = (
        Change(False, "vips", [element(pack.service(one)) for one in difference.vips if one in old.vips]),
        Change(False, "targets", [element(pack.slot(slot)) for slot in difference.targets if slot in old.targets]),
        Change(False, "known", [element(pack.service(one)) for one in difference.forgotten]),
        Change(True, "known", [element(pack.service(one)) for one in difference.learned]),
        Change(
            True, "targets", [element(pack.slot(slot), pack.target(one)) for slot, one in targets if one is not None]
        ),
        Change(True, "vips", [element(pack.service(one), _mark(count)) for one, count in counts if count]),
    )
    return [one for one in made if one.elements]


def read_table(
    rules: Mapping[str, Collection[bytes]], listed: Mapping[str, Iterable[Element]] | None, version: int
) -> Table:
    """From a table's ``rules`` by chain, and the elements of ``SETS``; None: not all of these are there."""
    if listed is None or not ruleset.is_sound({chain: len(found) for chain, found in rules.items()}):
        return Table(there=bool(rules))
    end, services = 4 + _LENGTH[version], dict[bytes, Service]()

    def service(key: bytes) -> Service:
        key = key[: end + 4]
        found = services.get(key)
        if found is None:
            found = services[key] = Service(_NAMES[key[0]], _ip(key[4:end]), int.from_bytes(key[end : end + 2], "big"))
        return found

    def target(data: bytes) -> Target:
        return Target(_ip(data[: end - 4]), int.from_bytes(data[end - 4 : end - 2], "big"))

    classes = {int(chain[1:]) for chain in rules if chain not in ruleset.CHAINS}
    try:
        if {(_number(one.key), one.chain) for one in listed["classes"]} != {(one, f"n{one}") for one in classes}:
            return Table(there=True)
        return Table(
            rules=rules,
            there=True,
            sound=True,
            vips={service(one.key): _number(one.data) for one in listed["vips"]},
            targets={(service(one.key), _number(one.key[end + 4 :])): target(one.data) for one in listed["targets"]},
            known={service(one.key) for one in listed["known"]},
            classes=classes,
        )
    except (KeyError, ValueError, IndexError):
        return Table(there=True)


def _ip(packed: bytes) -> str:
    return str(ipaddress.IPv6Address(packed)) if len(packed) == 16 else ".".join(map(str, packed))
