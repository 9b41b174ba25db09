"""What passes between overlays: the rules, judged packet by packet, say what ``accept`` says."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.model.overlay import Settings, parse
from dcos.net.core import overlay, policy

NAMES = ("a", "b", "c", "d")
SHAPES: dict[str, dict[str, Any]] = {
    "a": {"subnet": "9.0.0.0/16", "prefix": 24},
    "b": {"subnet": "9.1.0.0/16", "prefix": 24, "subnet6": "fd01:b::/64", "prefix6": 80},
    "c": {"subnet6": "fd01:c::/64", "prefix6": 80},
    "d": {"subnet": "9.3.0.0/16", "prefix": 24, "subnet6": "fd01:d::/64", "prefix6": 80},
}
OUTSIDE = {4: "192.0.2.7", 6: "2001:db8::7"}


@st.composite
def networks(draw: st.DrawFn) -> Settings:
    """Some of the networks, each open to all or to those it names."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    listed = []
    for name in names:
        accept = draw(st.none() | st.lists(st.sampled_from(names), unique=True))
        listed.append({"name": name, **SHAPES[name]} | ({} if accept is None else {"accept": accept}))
    return parse(
        {
            "vtep_subnet": "44.128.0.0/20",
            "vtep_subnet6": "fd01:a::/64",
            "vtep_mac_oui": "70:B3:D5:00:00:00",
            "overlays": listed,
        }
    )


class Packet(NamedTuple):
    source: str
    to: str
    device: str
    """By which it comes to the node."""
    begins: bool
    """A connection; else it is one of a connection that passed before."""


class Rules:
    """The chains of a table, as nft would go through them. Knows the words that the policy uses, and no others."""

    def __init__(self, commands: str) -> None:
        self._chains: dict[str, list[str]] = {}
        for line in commands.splitlines():
            found = re.fullmatch(r"add rule inet dcos_overlay (\w+) (.+)", line)
            if found:
                self._chains.setdefault(found[1], []).append(found[2])

    def passes(self, packet: Packet) -> bool:
        for rule in self._chains.get("forward", []):
            verdict = _verdict(rule, packet)
            if verdict is not None:
                return verdict == "accept"
        return True

    def masquerades(self, packet: Packet) -> bool:
        return any(_verdict(rule, packet) == "masquerade" for rule in self._chains["postrouting"])


_PART = re.compile(
    r"(?P<device>iifname) \{ (?P<devices>[^}]*) \}|(?P<word>ip6?) (?P<side>[sd]addr) (?P<no>!= )?\{ (?P<of>[^}]*) \}"
    r"|(?P<known>ct state established,related)|(?P<verdict>accept|drop|masquerade|reject with icmpx admin-prohibited)"
)


def _verdict(rule: str, packet: Packet) -> str | None:
    """None: the rule is not for the packet."""
    at = 0
    for part in _PART.finditer(rule):
        assert rule[at : part.start()].strip() == "", f"not understood: {rule}"
        at = part.end()
        if part["device"] and packet.device not in part["devices"].replace('"', "").split(", "):
            return None
        if part["known"] and packet.begins:
            return None
        if part["word"]:
            address = ip_address(packet.source if part["side"] == "saddr" else packet.to)
            if address.version != (4 if part["word"] == "ip" else 6):
                return None
            if any(address in ip_network(one) for one in part["of"].split(", ")) == bool(part["no"]):
                return None
        if part["verdict"]:
            return part["verdict"].split()[0]
    raise AssertionError(f"no verdict: {rule}")


def addresses(given: Settings, version: int) -> dict[str, str]:
    """One of each network that has that family, of a node far away."""
    return {
        one.name: str(each.subnet[7]) for one in given.overlays for each in one.ranges if each.subnet.version == version
    }


@settings(max_examples=150)
@given(networks(), st.sampled_from([4, 6]), st.data())
def test_who_is_not_named_is_not_heard(given: Settings, version: int, data: st.DataObject) -> None:
    rules = Rules(policy.table(given, overlay.place(given, 1)))
    of = addresses(given, version)
    accept = {one.name: one.accept for one in given.overlays}
    for sender, source in {**of, "": OUTSIDE[version]}.items():
        for receiver, to in of.items():
            named = accept[receiver]
            # from outside everybody may come: only other overlays are judged
            wanted = not sender or sender == receiver or named is None or sender in named
            device = data.draw(
                st.sampled_from(["vtep1024", "eth0", *([f"m-{sender}", f"d-{sender}"] if sender else [])])
            )
            packet = Packet(source, to, device, begins=True)
            assert rules.passes(packet) == wanted, packet
            assert rules.passes(packet._replace(begins=False)), "answers always pass"


@settings(max_examples=60)
@given(networks(), st.sampled_from([4, 6]))
def test_nobody_speaks_for_another_network(given: Settings, version: int) -> None:
    """Where any network is closed, a container cannot give itself an address of one that is accepted."""
    rules = Rules(policy.table(given, overlay.place(given, 1)))
    of = addresses(given, version)
    closed = any(one.accept is not None for one in given.overlays)
    for liar in (one.name for one in given.overlays):
        for claimed, source in of.items():
            for to in of.values():
                for bridge in (f"m-{liar}", f"d-{liar}"):
                    for begins in (True, False):
                        if closed and claimed != liar:
                            assert not rules.passes(Packet(source, to, bridge, begins))


@settings(max_examples=60)
@given(networks(), st.integers(1, 200))
def test_only_what_leaves_the_overlays_gets_the_nodes_address(given: Settings, number: int) -> None:
    own = overlay.place(given, number)
    rules = Rules(policy.table(given, own))
    for block in own.blocks:
        version = block.subnet.version
        mine = str(block.mesos[5])
        inside = [*addresses(given, version).values(), own.vtep(version)]
        assert not any(rules.masquerades(Packet(mine, to, "", begins=True)) for to in inside)
        assert rules.masquerades(Packet(mine, OUTSIDE[version], "", begins=True))
        # those of other nodes have had their turn
        assert not rules.masquerades(Packet(str(block.subnet[0] - 1), OUTSIDE[version], "", begins=True))
