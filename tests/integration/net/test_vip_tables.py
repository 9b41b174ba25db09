"""Tables of virtual IPs in a real kernel: any series of changes ends where it should, whoever changed them meanwhile."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

import pytest

from dcos.net.core import elements, ruleset
from dcos.net.core.ruleset import FAMILIES, TABLE, Table
from dcos.net.core.vips import Service, Target
from dcos.runtime.nft_netlink import Netlink
from dcos.testing import netns
from dcos.testing.netns import Namespace

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
]

BALANCE = """
import asyncio
from dcos.net.balancer import Balancer
from dcos.net.core.vips import Ranges, Service, Target
from dcos.runtime import links
from dcos.runtime.nft import Nft
async def nft(text):
    assert (await links.program("nft", "-f", "-", input=text.encode())).ok, text
def words(text):
    return sorted(text.replace(b",", b" ").split())  # elements come in any order
async def main():
    balancer = Balancer(Nft(), Ranges(), node_ip="10.77.0.1")
    wanted = {Service("tcp", f"11.0.0.{n}", 80): (Target("10.0.0.1", n), Target("10.0.0.2", n)) for n in range(1, 9)}
    await nft("add table ip dcos_l4lb\\nadd chain ip dcos_l4lb of_an_older_version")
    await balancer.want(wanted)
    assert balancer.failures == 0
    before = (await links.program("nft", "list", "table", "ip", "dcos_l4lb")).stdout
    assert b"of_an_older_version" not in before
    for harm in HARMS:
        await nft(harm)
        await balancer.repair()
        after = (await links.program("nft", "list", "table", "ip", "dcos_l4lb")).stdout
        assert words(after) == words(before), (harm, after.decode())
    print(balancer.repairs, balancer.failures)
asyncio.run(main())
"""
HARMS = [
    "delete element ip dcos_l4lb known { tcp . 11.0.0.3 . 80 }",
    "add element ip dcos_l4lb targets { tcp . 11.0.0.3 . 80 . 0x0d050009 : 10.9.9.9 . 9 }",
    "flush map ip dcos_l4lb classes",
    "flush chain ip dcos_l4lb refuse_local",
    # as many rules as before, but others
    "flush chain ip dcos_l4lb n2\nadd rule ip dcos_l4lb n2 drop",
    "add chain ip dcos_l4lb n77",
    "delete table ip dcos_l4lb",
]


@pytest.fixture
def space() -> Iterator[Namespace]:
    with netns.namespaces("tables") as (made,):
        yield made


def random_wanted(dice: random.Random, version: int) -> dict[Service, tuple[Target, ...]]:
    vip, backend = ("11.0.0.{}", "10.0.0.{}") if version == 4 else ("fd01:c::{}", "fd02::{}")
    targets = [Target(backend.format(n), port) for n in range(1, 5) for port in (80, 65535)]
    return {
        Service(protocol, vip.format(n), 80): tuple(sorted(dice.sample(targets, dice.randrange(6))))
        for protocol in ("tcp", "udp")
        for n in range(1, 7)
        if dice.randrange(3)
    }


@pytest.fixture
def netlink(space: Namespace) -> Iterator[Netlink]:
    with Netlink() as made:
        assert space.inside(made.generation) is not None, "its socket is in the namespace now"
        yield made


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("seed", range(3))
def test_any_series_of_changes_is_what_the_kernel_has(
    space: Namespace, netlink: Netlink, version: int, seed: int
) -> None:
    dice, table, family = random.Random(seed), Table(), FAMILIES[version]
    for _ in range(12):
        wanted = random_wanted(dice, version)
        made = ruleset.difference(wanted, table, version)
        for line in ruleset.frame(made, version).splitlines():
            space.run("nft", line)
        before = netlink.generation()
        changes = elements.changes(made, table)
        netlink.change(family, TABLE, changes)
        assert netlink.generation() == (before or 0) + bool(changes), "one transaction"
        table.take(made)
        listed = {name: netlink.elements(family, TABLE, name) for name in elements.SETS}
        found = elements.read_table(netlink.rules(family, TABLE), listed, version)
        table.rules = found.rules
        assert found == table
        assert not ruleset.difference(wanted, found, version)


def test_a_refused_transaction_changes_nothing(space: Namespace, netlink: Netlink) -> None:
    table = Table()
    web, other = Service("tcp", "11.0.0.1", 80), Service("tcp", "11.0.0.2", 80)
    made = ruleset.difference({web: (Target("10.0.0.1", 80),)}, table, 4)
    for line in ruleset.commands(made, table, 4).splitlines():
        space.run("nft", line)
    table.take(made)
    before = netlink.elements("ip", TABLE, "known")
    # it believes that there is a VIP which is not: taking it away is refused, and with it what would come
    table.known.add(other)
    made = ruleset.difference({web: (), Service("udp", "11.0.0.3", 53): ()}, table, 4)
    with pytest.raises(FileNotFoundError):
        netlink.change("ip", TABLE, elements.changes(made, table))
    assert netlink.elements("ip", TABLE, "known") == before
    with pytest.raises(FileNotFoundError):
        netlink.elements("ip", "no_such_table", "known")


def test_whatever_others_change_is_put_right(space: Namespace) -> None:
    """Also a table of an older version, in its place, and rules that were exchanged for as many others."""
    space.ip("addr", "add", "10.77.0.1/32", "dev", "lo")
    text = space.run(sys.executable, "-c", BALANCE.replace("HARMS", repr(HARMS)))
    assert text.split()[-2:] == [str(len(HARMS)), "0"]
