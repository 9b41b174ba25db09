"""Virtual IPs as nftables maps: what is wanted and what is there, to one transaction that makes them equal.

Shape ("classes"): one lookup of (protocol, address, port) in the verdict map ``vips`` jumps to chain ``nK``, K the number of
targets; the chain draws a number below K into the packet's mark and looks (protocol, address, port, mark) up in ``targets``.
So the cost of a packet does not grow with the number of VIPs, and a change of one backend is a change of one element. The draw
is random, not in turn: chains are shared by all VIPs of K targets, and turns would lock to a client's rhythm.
``known`` holds every VIP and counts the connections that asked for it: packets still addressed to one after the lookup have
no target and are refused.

Only the first packet of a connection comes here; connection tracking handles the rest, so existing connections survive every
change, also a replacement of the whole table. Connections through a VIP that leave this node carry its address (as upstream):
a backend may be on the client's own bridge, and containers' addresses mean nothing elsewhere.

Source: nft(8); measurements of ruleset shapes with 10,000 VIPs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dcos.net.core.vips import Service, Target

TABLE = "dcos_l4lb"
FAMILIES = {4: "ip", 6: "ip6"}
MARK = 0x0D050000
"""Marks of packets on their way to a target; the low half is the target's number. Cleared where the packet leaves."""
MAX_TARGETS = 0xFFFF
_BATCH = 2000
"""Elements a command, so that no line grows without bound."""

_MATCH = "meta l4proto {{ tcp, udp }} meta l4proto . {ip} daddr . th dport"

_BASE = """\
add table {family} {table}
add map {family} {table} vips {{ type inet_proto . {kind} . inet_service : verdict ; }}
add map {family} {table} targets {{ type inet_proto . {kind} . inet_service . mark : {kind} . inet_service ; }}
add set {family} {table} known {{ type inet_proto . {kind} . inet_service ; counter ; }}
add chain {family} {table} layout2
add chain {family} {table} prerouting {{ type nat hook prerouting priority -105 ; }}
add rule {family} {table} prerouting {match} @known {key} vmap @vips
add chain {family} {table} output {{ type nat hook output priority -105 ; }}
add rule {family} {table} output {match} @known {key} vmap @vips
add chain {family} {table} postrouting {{ type nat hook postrouting priority 95 ; }}
add rule {family} {table} postrouting oifname != "lo" {ours} meta mark set 0 masquerade
add chain {family} {table} refuse
add rule {family} {table} refuse meta l4proto tcp reject with tcp reset
add rule {family} {table} refuse reject
add chain {family} {table} refuse_local {{ type filter hook output priority 0 ; }}
add rule {family} {table} refuse_local ct status ! dnat {match} @known goto refuse
add chain {family} {table} refuse_routed {{ type filter hook forward priority 0 ; }}
add rule {family} {table} refuse_routed ct status ! dnat {match} @known goto refuse
"""
_RULES = {
    "layout2": 0,
    "prerouting": 1,
    "output": 1,
    "postrouting": 1,
    "refuse": 2,
    "refuse_local": 1,
    "refuse_routed": 1,
}
"""Chains of the base and how many rules each has."""

Slot = tuple[Service, int]


@dataclass(frozen=True, slots=True)
class Table:
    """One family's table: ``sound`` tells that its base is whole, so that elements can be changed one by one."""

    sound: bool = False
    vips: Mapping[Service, int] = field(default_factory=dict)
    targets: Mapping[Slot, Target] = field(default_factory=dict)
    known: frozenset[Service] = frozenset()
    classes: frozenset[int] = frozenset()
    wanted: Mapping[Service, tuple[Target, ...]] | None = field(default=None, compare=False)
    """What it was made for; None: it was read from the kernel."""


def table_of(wanted: Mapping[Service, tuple[Target, ...]], before: Table) -> Table:
    """The table for ``wanted``. Targets that stay keep their number, so that little changes, and VIPs that stay cost nothing."""
    # One that was read is made anew: what others put there, numbers beyond a VIP's count say, is left out.
    counts, slots = ({}, {}) if before.wanted is None else (dict(before.vips), dict(before.targets))
    known = before.wanted or {}
    differing, gone = _differing(wanted, known)
    for service in (*differing, *gone) if known else ():
        for number in range(counts.pop(service, 0)):
            del slots[service, number]
    for service in differing:
        targets = wanted[service][:MAX_TARGETS]
        if not targets:
            continue
        counts[service] = len(targets)
        kept: dict[int, Target] = {}
        for number in range(min(len(targets), before.vips.get(service, 0))):
            target = before.targets.get((service, number))
            if target in targets and target not in kept.values():
                kept[number] = target
        rest = iter([target for target in targets if target not in kept.values()])
        for number in range(len(targets)):
            slots[service, number] = kept[number] if number in kept else next(rest)
    names = (before.known - set(gone)).union(differing) if known else frozenset(wanted)
    classes = before.classes | {counts[one] for one in differing if one in counts}
    return Table(True, counts, slots, names, classes, wanted)


def _differing(
    wanted: Mapping[Service, tuple[Target, ...]], known: Mapping[Service, tuple[Target, ...]]
) -> tuple[list[Service], list[Service]]:
    """VIPs of ``wanted`` that are otherwise in ``known``, and those that are there only."""
    return [one for one, targets in wanted.items() if known.get(one) != targets], [
        one for one in known if one not in wanted
    ]


def of_version(wanted: Mapping[Service, tuple[Target, ...]], version: int) -> dict[Service, tuple[Target, ...]]:
    """The VIPs of one family."""
    return {one: targets for one, targets in wanted.items() if (":" in one.ip) == (version == 6)}


def transaction(
    wanted: Mapping[Service, tuple[Target, ...]], found: Table, version: int, name: str = TABLE
) -> tuple[str, Table]:
    """Commands for ``nft -f`` (empty: nothing to do) and the table after them, which is called ``name``."""
    family = FAMILIES[version]
    at = f"{family} {name}"
    if not found.sound:
        after = table_of(wanted, Table())
        return _whole(after, family, name), after
    after = table_of(wanted, found)
    services, slots = _candidates(found, after)
    lines = [_class(at, family, count) for count in sorted(after.classes - found.classes)]
    gone = [one for one in services if one in found.vips and after.vips.get(one) != found.vips[one]]
    old = [slot for slot in slots if slot in found.targets and after.targets.get(slot) != found.targets[slot]]
    lines += _elements("delete", at, "vips", [_service(one) for one in gone])
    lines += _elements("delete", at, "targets", [_slot(slot) for slot in old])
    lines += _elements("delete", at, "known", [_service(one) for one in found.known - after.known])
    lines += _elements("add", at, "known", [_service(one) for one in after.known - found.known])
    new = [slot for slot in slots if slot in after.targets and found.targets.get(slot) != after.targets[slot]]
    lines += _elements("add", at, "targets", [f"{_slot(slot)} : {_target(after.targets[slot])}" for slot in new])
    fresh = [one for one in services if one in after.vips and found.vips.get(one) != after.vips[one]]
    lines += _elements("add", at, "vips", [f"{_service(one)} : goto n{after.vips[one]}" for one in fresh])
    return "".join(line + "\n" for line in lines), after


def _candidates(found: Table, after: Table) -> tuple[Iterable[Service], Iterable[Slot]]:
    """What may differ between two tables: everything, unless it is known what the first was made for."""
    if found.wanted is None or after.wanted is None:
        return dict.fromkeys((*found.vips, *after.vips)), dict.fromkeys((*found.targets, *after.targets))
    differing, gone = _differing(after.wanted, found.wanted)
    services = [*differing, *gone]
    return services, [
        (one, number) for one in services for number in range(max(found.vips.get(one, 0), after.vips.get(one, 0)))
    ]


def removal(version: int, name: str = TABLE) -> str:
    """Commands that remove the table, whether it is there or not."""
    at = f"{FAMILIES[version]} {name}"
    return f"add table {at}\ndelete table {at}\n"


def _whole(after: Table, family: str, name: str) -> str:
    ip = family
    at = f"{family} {name}"
    base = _BASE.format(
        family=family,
        table=name,
        kind="ipv4_addr" if family == "ip" else "ipv6_addr",
        match=_MATCH.format(ip=ip),
        key=f"meta l4proto . {ip} daddr . th dport",
        ours=f"ct status dnat meta mark & 0xffff0000 == {MARK:#x}",
    )
    lines = [_class(at, family, count) for count in sorted(after.classes)]
    lines += _elements("add", at, "known", [_service(one) for one in after.known])
    lines += _elements(
        "add", at, "targets", [f"{_slot(slot)} : {_target(target)}" for slot, target in after.targets.items()]
    )
    lines += _elements("add", at, "vips", [f"{_service(one)} : goto n{count}" for one, count in after.vips.items()])
    start = f"add table {at}\ndelete table {at}\n"
    return start + base + "".join(line + "\n" for line in lines)


def _class(at: str, family: str, count: int) -> str:
    match = f"meta l4proto . {family} daddr . th dport . meta mark"
    return (
        f"add chain {at} n{count}\n"
        f"add rule {at} n{count} meta mark set numgen random mod {count} offset {MARK:#x} "
        f"meta l4proto {{ tcp, udp }} dnat {family} to {match} map @targets"
    )


def _elements(verb: str, at: str, name: str, elements: Iterable[str]) -> list[str]:
    listed = sorted(elements)
    return [
        f"{verb} element {at} {name} {{ {', '.join(listed[first : first + _BATCH])} }}"
        for first in range(0, len(listed), _BATCH)
    ]


def _service(one: Service) -> str:
    return f"{one.protocol} . {one.ip} . {one.port}"


def _slot(slot: Slot) -> str:
    return f"{_service(slot[0])} . {MARK + slot[1]:#x}"


def _target(target: Target) -> str:
    return f"{target.ip} . {target.port}"


# ---- what the kernel has ---------------------------------------------------------------------------------------------


def read_table(objects: Iterable[Mapping[str, Any]]) -> Table:
    """The table from the list under ``nftables`` that ``nft -j list table`` prints; unsound if anything is not as we make it."""
    rules: dict[str, int] = {}
    sets: dict[str, list[Any]] = {}
    for entry in objects:
        if "chain" in entry:
            rules.setdefault(entry["chain"]["name"], 0)
        elif "rule" in entry:
            chain = entry["rule"]["chain"]
            rules[chain] = rules.get(chain, 0) + 1
        elif "map" in entry:
            sets[entry["map"]["name"]] = entry["map"].get("elem", [])
        elif "set" in entry:
            sets[entry["set"]["name"]] = entry["set"].get("elem", [])
    classes = {name for name in rules if name not in _RULES}
    sound = {name: rules.get(name) for name in _RULES} == _RULES and all(rules[name] == 1 for name in classes)
    if not sound or not {"vips", "targets", "known"} <= set(sets):
        return Table()
    try:
        return Table(
            sound=True,
            vips={_read_service(key["concat"]): int(value["goto"]["target"][1:]) for key, value in sets["vips"]},
            targets={
                (_read_service(key["concat"]), key["concat"][3] - MARK): Target(*value["concat"])
                for key, value in sets["targets"]
            },
            known=frozenset(_read_service(_bare(key)["concat"]) for key in sets["known"]),
            classes=frozenset(int(name[1:]) for name in classes),
        )
    except (KeyError, TypeError, ValueError, IndexError):
        return Table()


def _bare(element: Mapping[str, Any]) -> Mapping[str, Any]:
    """An element without its counter."""
    found: Mapping[str, Any] = element["elem"]["val"] if "elem" in element else element
    return found


def read_counts(objects: Iterable[Mapping[str, Any]]) -> dict[Service, int]:
    """First packets that asked for each VIP, from what ``nft -j list set`` prints of the set ``known``."""
    return {
        _read_service(_bare(one)["concat"]): int(one["elem"]["counter"]["packets"])
        for entry in objects
        if "set" in entry
        for one in entry["set"].get("elem", ())
        if "counter" in one.get("elem", ())
    }


def _read_service(parts: list[Any]) -> Service:
    return Service(str(parts[0]), str(ipaddress.ip_address(parts[1])), int(parts[2]))
