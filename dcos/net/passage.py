"""Let what this node's containers send and get pass the filter for forwarded packets.

Where Docker was the first to switch forwarding on it drops whatever it does not know: containers of plugins would reach virtual
IPs on their own node only, and those of bridges that are not Docker's nothing beyond their node. One chain of ours for each
purpose accepts just that; nothing else passes by it, so rules for published ports keep their say. Nothing is made where
nobody filters, or where there are no iptables.

Source: upstream accepts all forwarded packets, by a rule at the end of FORWARD.   Errors: LinkError.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from typing import NamedTuple

from dcos.runtime import links

_PROGRAMS = {4: "iptables", 6: "ip6tables"}


class Chain(NamedTuple):
    """``match``: what of the forwarded packets is sent through it."""

    name: str
    match: tuple[str, ...] = ()

    @property
    def jump(self) -> list[str]:
        """The rule, as iptables shows it."""
        return ["FORWARD", *self.match, "-j", self.name]


VIPS = Chain("DCOS-L4LB", ("-m", "conntrack", "--ctstate", "DNAT"))
BRIDGES = Chain("DCOS-BRIDGE")
CHAINS = (VIPS, BRIDGES)


def to_virtual(networks: Iterable[str]) -> set[str]:
    """Rules for connections whose first destination was in ``networks``."""
    return {f"-m conntrack --ctorigdst {_bare(one)} -j ACCEPT" for one in networks}


def of_bridges(networks: Iterable[str]) -> set[str]:
    """Rules for what containers in ``networks`` send; to them only answers and mapped ports."""
    rules: set[str] = set()
    for one in networks:
        rules |= {
            f"-s {_bare(one)} -j ACCEPT",
            f"-d {_bare(one)} -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT",
        }
    return rules


async def let_pass(chain: Chain, rules: Collection[str]) -> bool:
    """Make ``chain`` of ``rules`` (as iptables shows them); tells whether it was not."""
    changed = False
    for version, program in _PROGRAMS.items():
        wanted = {one for one in rules if (":" in one) == (version == 6)}
        if not wanted or shutil.which(program) is None:
            continue
        shown = await links.program(program, "-w", "-S")
        if not shown.ok:
            raise links.LinkError(f"{program}: {shown.stderr.decode(errors='replace').strip()}")
        present = [line.split() for line in shown.stdout.decode().splitlines()]
        jumps = ["-A", *chain.jump] in present
        if not jumps and not _filters(present):
            continue
        if jumps and {" ".join(one[2:]) for one in present if one[:2] == ["-A", chain.name]} == wanted:
            continue
        lines = [f"-A {chain.name} {one}" for one in sorted(wanted)]
        if not jumps:
            lines.append(f"-I {' '.join(chain.jump)}")
        text = "\n".join(["*filter", f":{chain.name} - [0:0]", *lines, "COMMIT", ""])
        made = await links.program(f"{program}-restore", "-w", "-n", input=text.encode())
        if not made.ok:
            raise links.LinkError(f"{program}-restore: {made.stderr.decode(errors='replace').strip()}")
        changed = True
    return changed


async def remove() -> None:
    """Take the chains away."""
    for program in _PROGRAMS.values():
        for chain in CHAINS if shutil.which(program) else ():
            if not (await links.program(program, "-w", "-S", chain.name)).ok:
                continue
            for words in (("-D", *chain.jump), ("-F", chain.name), ("-X", chain.name)):
                await links.program(program, "-w", *words)


def _filters(rules: Iterable[list[str]]) -> bool:
    """Whether anybody but us filters forwarded packets."""
    ours = [["-A", *chain.jump] for chain in CHAINS]
    return any(
        words[1] == "FORWARD" and words[:3] != ["-P", "FORWARD", "ACCEPT"] and words not in ours for words in rules
    )


def _bare(network: str) -> str:
    """As iptables shows it after ``--ctorigdst``; after ``-s`` and ``-d`` networks keep their length."""
    return network.removesuffix("/128" if ":" in network else "/32")
