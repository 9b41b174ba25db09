"""What passes between overlays and out of them, as one nftables table.

What leaves the overlays gets the node's address; between overlays, and to nodes' tunnel ends, addresses stay. An overlay with
``accept`` refuses connections from overlays that are not named there. That is judged on the sender's node and on the
receiver's, so that a virtual IP is no way around it. Answers pass, and nodes reach every container.

A chain without rules that is called after what the table says tells whether the kernel has the one that is wanted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dcos.model.overlay import Network, Settings
from dcos.net.core.overlay import Place

TABLE = "dcos_overlay"
_AT = f"inet {TABLE}"
_MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}
_WORD = {4: "ip", 6: "ip6"}


def table(settings: Settings, own: Place) -> str:
    """Commands that make it anew."""
    chains = {
        "postrouting": ("type nat hook postrouting priority 100 ;", list(_masquerade(settings, own))),
        "forward": ("type filter hook forward priority 0 ;", list(_forward(settings))),
    }
    lines = [f"add chain {_AT} {name} {{ {hook} }}" for name, (hook, _) in chains.items()]
    lines += [f"add rule {_AT} {name} {rule}" for name, (_, rules) in chains.items() for rule in rules]
    mark = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
    # nodes had a table of this name for IPv4 alone
    start = [f"add table ip {TABLE}", f"delete table ip {TABLE}", f"add table {_AT}", f"delete table {_AT}"]
    return "".join(f"{line}\n" for line in (*start, f"add table {_AT}", f"add chain {_AT} made_{mark}", *lines))


def is_whole(objects: Iterable[Mapping[str, Any]] | None, wanted: str) -> bool:
    """Whether the table that nft lists is the one that the commands ``wanted`` make."""
    listed = list(objects or ())
    chains = {one["chain"]["name"] for one in listed if "chain" in one}
    made = {line.split()[4] for line in wanted.splitlines() if line.startswith("add chain")}
    rules = sum("rule" in one for one in listed)
    return chains == made and rules == sum(line.startswith("add rule") for line in wanted.splitlines())


def removal() -> str:
    return "".join(f"add table {one} {TABLE}\ndelete table {one} {TABLE}\n" for one in ("ip", "inet"))


def _masquerade(settings: Settings, own: Place) -> Iterator[str]:
    for version, word in _WORD.items():
        mine = _of(version, (one.subnet for one in own.blocks))
        vteps = (settings.vtep_subnet, *((settings.vtep_subnet6,) if settings.vtep_subnet6 else ()))
        inside = _of(version, (*vteps, *settings.subnets))
        if mine:
            yield f"{word} saddr {_set(mine)} {word} daddr != {_set([*inside, _MULTICAST[version]])} masquerade"


def _forward(settings: Settings) -> Iterator[str]:
    refusing = [one for one in settings.overlays if one.accept is not None]
    if not refusing:
        return
    for one in settings.overlays:  # nobody speaks for another network
        others = [each.subnet for other in settings.overlays if other is not one for each in other.ranges]
        for version, word in _WORD.items():
            if of := _of(version, others):
                yield f'iifname {{ "m-{one.name}", "d-{one.name}" }} {word} saddr {_set(of)} drop'
    yield "ct state established,related accept"
    for one in refusing:
        strangers = [
            each.subnet
            for other in settings.overlays
            if other is not one and other.name not in (one.accept or ())
            for each in other.ranges
        ]
        for version, word in _WORD.items():
            to, of = _of(version, (each.subnet for each in one.ranges)), _of(version, strangers)
            if to and of:
                yield f"{word} saddr {_set(of)} {word} daddr {_set(to)} reject with icmpx admin-prohibited"


def _of(version: int, networks: Iterable[Network]) -> list[str]:
    return [str(one) for one in networks if one.version == version]


def _set(networks: Iterable[str]) -> str:
    return f"{{ {', '.join(networks)} }}"
