"""Let what goes through virtual IPs pass the filter for forwarded packets.

Where Docker was the first to switch forwarding on it drops whatever it does not know: containers of plugins would reach virtual
IPs on their own node only. One chain of ours accepts connections whose first destination is a virtual IP; nothing else
passes by it, so rules for published ports keep their say. Nothing is made where nobody filters, or where there are no iptables.

Errors: LinkError.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from dcos.runtime import links

CHAIN = "DCOS-L4LB"
_JUMP = ("FORWARD", "-m", "conntrack", "--ctstate", "DNAT", "-j", CHAIN)
_PROGRAMS = {4: "iptables", 6: "ip6tables"}


async def let_pass(networks: Iterable[str]) -> bool:
    """Make the chain say so of virtual addresses in ``networks``; tells whether it did not."""
    wanted, changed = set(networks), False
    for version, program in _PROGRAMS.items():
        mine = {_bare(one) for one in wanted if (":" in one) == (version == 6)}
        if not mine or shutil.which(program) is None:
            continue
        shown = await links.program(program, "-w", "-S")
        if not shown.ok:
            raise links.LinkError(f"{program}: {shown.stderr.decode(errors='replace').strip()}")
        rules = [line.split() for line in shown.stdout.decode().splitlines()]
        jumps = ["-A", *_JUMP] in rules
        if not jumps and not _filters(rules):
            continue
        if jumps and _accepted(rules) == mine:
            continue
        lines = [f"-A {CHAIN} -m conntrack --ctorigdst {one} -j ACCEPT" for one in sorted(mine)]
        if not jumps:
            lines.append(f"-I {' '.join(_JUMP)}")
        text = "\n".join(["*filter", f":{CHAIN} - [0:0]", *lines, "COMMIT", ""])
        made = await links.program(f"{program}-restore", "-w", "-n", input=text.encode())
        if not made.ok:
            raise links.LinkError(f"{program}-restore: {made.stderr.decode(errors='replace').strip()}")
        changed = True
    return changed


async def remove() -> None:
    """Take the chain away."""
    for program in _PROGRAMS.values():
        if shutil.which(program) is None or not (await links.program(program, "-w", "-S", CHAIN)).ok:
            continue
        for words in (("-D", *_JUMP), ("-F", CHAIN), ("-X", CHAIN)):
            await links.program(program, "-w", *words)


def _filters(rules: Iterable[list[str]]) -> bool:
    """Whether anybody filters forwarded packets."""
    return any(words[1] == "FORWARD" and words[:3] != ["-P", "FORWARD", "ACCEPT"] for words in rules)


def _accepted(rules: Iterable[list[str]]) -> set[str]:
    """Networks that our chain accepts."""
    return {
        _bare(words[words.index("--ctorigdst") + 1])
        for words in rules
        if words[:2] == ["-A", CHAIN] and "--ctorigdst" in words
    }


def _bare(network: str) -> str:
    """As iptables shows it."""
    return network.removesuffix("/128" if ":" in network else "/32")
