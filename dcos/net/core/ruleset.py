"""Virtual IPs as nftables maps: what is wanted and what is there, to one transaction that makes them equal.

Shape ("classes"): one lookup of (protocol, address, port) in the map ``vips`` gives K, the number of targets, as the packet's
mark, and ``classes`` the chain ``nK`` for it; that draws a number below K into the mark and looks (protocol, address, port, mark)
up in ``targets``. So the cost of a packet does not grow with the number of VIPs, and a change of a backend is one of one element.
(A map from VIPs to chains spares a lookup, but the kernel walks all of it at each change, for loops.) The draw is random, not
in turn: chains are shared by all VIPs of K targets, and turns would lock to a client's rhythm.
``known`` holds every VIP: packets still addressed to one after the lookup have no target and are refused.

The kernel counts for each VIP that is used, in sets it fills itself: ``asked`` first packets of connections, ``refused`` those
that found no target, ``received`` and ``sent`` what clients sent to targets and got from them. Each packet is
counted once: where it comes in from outside, or where a process of this node sends it. A VIP nobody uses for a day starts from 0.

Only the first packet of a connection comes here; connection tracking handles the rest, so existing connections survive every
change, also a replacement of the whole table. Connections through a VIP that leave this node carry its address (as upstream):
a backend may be on the client's own bridge, and containers' addresses mean nothing elsewhere.

Source: nft(8); measurements of ruleset shapes with 10,000 VIPs.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dcos.net.core.vips import Service, Target

K = TypeVar("K")
V = TypeVar("V")

TABLE = "dcos_l4lb"
FAMILIES = {4: "ip", 6: "ip6"}
MARK = 0x0D050000
"""Marks of packets on their way to a target; the low half is the number of targets, then the target's own. Cleared where the
packet leaves."""
MAX_TARGETS = 0xFFFF
_BATCH = 2000
"""Elements a command, so that no line grows without bound."""

_MATCH = "meta l4proto {{ tcp, udp }} meta l4proto . {ip} daddr . th dport"

_BASE = """\
add table {family} {table}
add map {family} {table} vips {{ type inet_proto . {kind} . inet_service : mark ; }}
add map {family} {table} classes {{ type mark : verdict ; }}
add map {family} {table} targets {{ type inet_proto . {kind} . inet_service . mark : {kind} . inet_service ; }}
add set {family} {table} known {{ type inet_proto . {kind} . inet_service ; }}
add chain {family} {table} layout4
{counts}\
add chain {family} {table} choose
add rule {family} {table} choose update @asked {{ {key} counter }}
add rule {family} {table} choose meta mark set {key} map @vips
add rule {family} {table} choose meta mark vmap @classes
add chain {family} {table} prerouting {{ type nat hook prerouting priority -105 ; }}
add rule {family} {table} prerouting {match} @known goto choose
add chain {family} {table} output {{ type nat hook output priority -105 ; }}
add rule {family} {table} output {match} @known goto choose
add chain {family} {table} postrouting {{ type nat hook postrouting priority 95 ; }}
add rule {family} {table} postrouting oifname != "lo" {ours} meta mark set 0 masquerade
add chain {family} {table} refuse
add rule {family} {table} refuse update @refused {{ {key} counter }}
add rule {family} {table} refuse meta l4proto tcp reject with tcp reset
add rule {family} {table} refuse reject
add chain {family} {table} refuse_local {{ type filter hook output priority 0 ; }}
add rule {family} {table} refuse_local ct status ! dnat {match} @known goto refuse
add chain {family} {table} refuse_routed {{ type filter hook forward priority 0 ; }}
add rule {family} {table} refuse_routed ct status ! dnat {match} @known goto refuse
add chain {family} {table} traffic
add rule {family} {table} traffic meta l4proto tcp ct direction original {of_vip} update @received {{ {vip} counter }}
add rule {family} {table} traffic meta l4proto tcp ct direction reply {of_vip} update @sent {{ {vip} counter }}
add rule {family} {table} traffic meta l4proto udp ct direction original {of_vip} update @received {{ {vip} counter }}
add rule {family} {table} traffic meta l4proto udp ct direction reply {of_vip} update @sent {{ {vip} counter }}
add chain {family} {table} traffic_local {{ type filter hook output priority -150 ; }}
add rule {family} {table} traffic_local ct status dnat goto traffic
add chain {family} {table} traffic_routed {{ type filter hook prerouting priority -150 ; }}
add rule {family} {table} traffic_routed iifname != "lo" ct status dnat goto traffic
"""
_COUNT = (
    "add set {family} {table} {name} {{ type inet_proto . {kind} . inet_service ; "
    "flags dynamic,timeout ; timeout 1d ; size 65535 ; }}\n"
)


def _rules_of(base: str) -> dict[str, int]:
    """Its chains and how many rules each has."""
    found = re.findall(r"\badd (chain|rule) \{family\} \{table\} (\w+)", base)
    rules = [name for kind, name in found if kind == "rule"]
    return {name: rules.count(name) for kind, name in found if kind == "chain"}


_RULES = _rules_of(_BASE)
CHAINS = frozenset(_RULES)
"""Those that every table has."""

COUNTED = {"asked": ("packets", "connections"), "refused": ("packets", "refused"),
           "received": ("bytes", "bytes_in"), "sent": ("bytes", "bytes_out")}  # fmt: skip
"""Set to what is read of it, and which count that is."""

Slot = tuple[Service, int]


@dataclass(slots=True)
class Table:
    """One family's table: ``sound`` tells that its base is whole, so that elements can be changed one by one.

    Its owner changes it in place, by ``take``.
    """

    sound: bool = False
    vips: dict[Service, int] = field(default_factory=dict)
    targets: dict[Slot, Target] = field(default_factory=dict)
    known: set[Service] = field(default_factory=set)
    classes: set[int] = field(default_factory=set)
    rules: Mapping[str, Collection[bytes]] = field(default_factory=dict)
    """By chain, in the kernel's words, as long as nobody changed them."""
    there: bool = False
    """Whether the kernel has a table of the name, whatever is in it."""
    made: bool = field(default=False, compare=False)
    """By us and for what was wanted; False: it was read from the kernel, and may hold what nobody wants."""

    def take(self, difference: Difference) -> None:
        """Become what the kernel's table is once the difference's commands have run."""
        if difference.anew:
            self.vips, self.targets, self.known, self.classes = {}, {}, set(), set()
        _update(self.vips, difference.vips)
        _update(self.targets, difference.targets)
        self.known = (self.known - difference.forgotten) if difference.forgotten else self.known
        self.known |= difference.learned
        self.classes |= difference.classes
        self.there = self.sound = self.made = True


@dataclass(frozen=True, slots=True)
class Difference:
    """What one transaction changes. ``anew``: the table is made first, and whatever was there is gone."""

    anew: bool
    vips: Mapping[Service, int | None]
    """Number of targets; None: none any more."""
    targets: Mapping[Slot, Target | None]
    learned: frozenset[Service]
    forgotten: frozenset[Service]
    classes: frozenset[int]
    """New ones."""

    def __bool__(self) -> bool:
        return bool(self.anew or self.vips or self.targets or self.learned or self.forgotten)


def _update(mapping: dict[K, V], changes: Mapping[K, V | None]) -> None:
    for key, value in changes.items():
        if value is None:
            mapping.pop(key, None)
        else:
            mapping[key] = value


def difference(
    wanted: Mapping[Service, tuple[Target, ...]],
    found: Table,
    version: int,
    changed: Collection[Service] | None = None,
) -> Difference:
    """From ``found`` to the VIPs of one family in ``wanted``. Targets that stay keep their number, so that little changes.

    ``changed``: all that is wanted otherwise than when ``found`` was made; None: everything has to be looked at.
    """
    base = found if found.sound else Table()
    numbers: dict[Service, set[int]] = {}
    if changed is None or not base.made:
        changed = {*wanted, *base.known, *base.vips}
        for service, number in base.targets:
            numbers.setdefault(service, set()).add(number)
        changed |= numbers.keys()
    vips: dict[Service, int | None] = {}
    targets: dict[Slot, Target | None] = {}
    learned: set[Service] = set()
    forgotten: set[Service] = set()
    for service in changed:
        if (":" in service.ip) != (version == 6):
            continue
        goal, count = wanted.get(service), base.vips.get(service, 0)
        if goal is None and service in base.known:
            forgotten.add(service)
        elif goal is not None and service not in base.known:
            learned.add(service)
        slots = _numbered(goal or (), service, count, base)
        if len(slots) != count:
            vips[service] = len(slots) or None
        for number in {*range(max(len(slots), count)), *numbers.get(service, ())}:
            target = slots[number] if number < len(slots) else None
            if base.targets.get((service, number)) != target:
                targets[service, number] = target
    fresh = {count for count in vips.values() if count} - base.classes
    return Difference(not found.sound, vips, targets, frozenset(learned), frozenset(forgotten), frozenset(fresh))


def _numbered(goal: tuple[Target, ...], service: Service, count: int, base: Table) -> list[Target]:
    """Targets by number."""
    goal = goal[:MAX_TARGETS]
    kept: dict[int, Target] = {}
    for number in range(min(len(goal), count)):
        target = base.targets.get((service, number))
        if target in goal and target not in kept.values():
            kept[number] = target
    if not kept:
        return list(goal)
    rest = iter([target for target in goal if target not in kept.values()])
    return [kept[number] if number in kept else next(rest) for number in range(len(goal))]


def commands(difference: Difference, found: Table, version: int, name: str = TABLE) -> str:
    """Input of ``nft -f`` that makes the difference to ``found``; empty: nothing to do. The table is called ``name``."""
    at = f"{FAMILIES[version]} {name}"
    old = Table() if difference.anew else found
    changed = difference.vips.items()
    lines = _elements("delete", at, "vips", [_service(one) for one, _ in changed if one in old.vips])
    lines += _elements("delete", at, "targets", [_slot(slot) for slot in difference.targets if slot in old.targets])
    lines += _elements("delete", at, "known", map(_service, difference.forgotten))
    lines += _elements("add", at, "known", map(_service, difference.learned))
    new = [f"{_slot(slot)} : {_target(target)}" for slot, target in difference.targets.items() if target is not None]
    lines += _elements("add", at, "targets", new)
    lines += _elements("add", at, "vips", [f"{_service(one)} : {MARK + count:#x}" for one, count in changed if count])
    return frame(difference, version, name) + "".join(line + "\n" for line in lines)


def frame(difference: Difference, version: int, name: str = TABLE) -> str:
    """The part of ``commands`` that makes tables and chains, without elements; empty: they are there."""
    family = FAMILIES[version]
    lines = [_class(f"{family} {name}", family, count) + "\n" for count in sorted(difference.classes)]
    return (_base(family, name) if difference.anew else "") + "".join(lines)


def removal(version: int, name: str = TABLE) -> str:
    """Commands that remove the table, whether it is there or not."""
    at = f"{FAMILIES[version]} {name}"
    return f"add table {at}\ndelete table {at}\n"


def _base(family: str, name: str) -> str:
    """An empty table in place of whatever is there."""
    at = f"{family} {name}"
    kind = "ipv4_addr" if family == "ip" else "ipv6_addr"
    vip = f"meta l4proto . ct original {family} daddr . ct original proto-dst"
    return f"add table {at}\ndelete table {at}\n" + _BASE.format(
        family=family,
        table=name,
        kind=kind,
        counts="".join(_COUNT.format(family=family, table=name, name=one, kind=kind) for one in COUNTED),
        vip=vip,
        of_vip=f"{vip} @known",
        match=_MATCH.format(ip=family),
        key=f"meta l4proto . {family} daddr . th dport",
        ours=f"ct status dnat meta mark & 0xffff0000 == {MARK:#x}",
    )


def _class(at: str, family: str, count: int) -> str:
    match = f"meta l4proto . {family} daddr . th dport . meta mark"
    turn = f"meta l4proto {{ tcp, udp }} dnat {family} to {match} map @targets"
    return (
        f"add chain {at} n{count}\n"
        f"add rule {at} n{count} meta mark set numgen random mod {count} offset {MARK:#x} {turn}\n"
        # its number was read before a transaction that took targets away, its target after it: there is always a first one
        f"add rule {at} n{count} meta mark set {MARK:#x} {turn}\n"
        f"add element {at} classes {{ {MARK + count:#x} : goto n{count} }}"
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


def is_sound(rules: Mapping[str, int]) -> bool:
    """Whether a table's chains, with the numbers of their rules, are the base and classes of ours."""
    return {name: rules.get(name) for name in _RULES} == _RULES and all(
        count == 2 and name[:1] == "n" and name[1:].isdigit() for name, count in rules.items() if name not in _RULES
    )


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one VIP, since it was first used."""

    connections: int = 0
    """First packets of connections, and every packet that was refused."""
    refused: int = 0
    bytes_in: int = 0
    """From clients to targets, with headers, without the first packet."""
    bytes_out: int = 0


def read_counts(objects: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[Service, Counts]:
    """From what ``nft -j list set`` prints of each set of ``COUNTED``."""
    found: dict[Service, dict[str, int]] = {}
    for name, listed in objects.items():
        unit, count = COUNTED[name]
        for element in (one["elem"] for entry in listed if "set" in entry for one in entry["set"].get("elem", ())):
            if "counter" in element:
                found.setdefault(_read_service(element["val"]["concat"]), {})[count] = int(element["counter"][unit])
    return {service: Counts(**counts) for service, counts in found.items()}


def _read_service(parts: list[Any]) -> Service:
    return Service(str(parts[0]), str(ipaddress.ip_address(parts[1])), int(parts[2]))
