"""No address of the overlay is ever leased twice, whoever comes and goes; changes of tables end where they should."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.model.overlay import parse
from dcos.net import leases
from dcos.net.core import overlay
from dcos.net.core.overlay import Route, Tunnels
from dcos.store.memory import MemoryEnsemble

NODES = [f"10.0.0.{number}" for number in range(1, 9)]
SMALL = parse(
    {
        "vtep_subnet": "44.128.0.0/28",
        "vtep_subnet6": "fd01:a::/64",
        "vtep_mac_oui": "70:B3:D5:00:00:00",
        "overlays": [
            {"name": "one", "subnet": "9.0.0.0/21", "prefix": 24},
            {"name": "two", "subnet": "9.1.0.0/16", "prefix": 20, "subnet6": "fd01:b::/64", "prefix6": 68},
            {"name": "six", "subnet6": "fd01:c::/64", "prefix6": 80},
            {"name": "off", "subnet": "9.2.0.0/24", "prefix": 28, "enabled": False},
        ],
    }
)
STEPS = st.lists(st.tuples(st.sampled_from(["come", "go"]), st.lists(st.sampled_from(NODES), min_size=1)), max_size=6)


@settings(max_examples=40)
@given(STEPS)
def test_whoever_comes_and_goes(steps: list[tuple[str, list[str]]]) -> None:
    async def play() -> None:
        ensemble = MemoryEnsemble()
        store = ensemble.session()
        for verb, nodes in steps:
            before = await leases.held(store)
            if verb == "come":
                # all at once, one of them twice: as after a restart
                results = await asyncio.gather(
                    *(leases.take(ensemble.session(), ip, SMALL.capacity) for ip in dict.fromkeys(nodes)),
                    return_exceptions=True,
                )
                assert all(isinstance(one, int | leases.Full) for one in results)
            else:
                await leases.release(store, nodes[0])
            after = await leases.held(store)
            kept = {number: ip for number, ip in before.items() if verb == "come" or ip != nodes[0]}
            assert kept.items() <= after.items()
            assert len(set(after.values())) == len(after)
            assert_apart([overlay.place(SMALL, number) for number in after])

    asyncio.run(play())


def assert_apart(places: list[overlay.Place]) -> None:
    for ends in ({one.vtep_ip for one in places}, {one.vtep_ip6 for one in places}, {one.vtep_mac for one in places}):
        assert len(ends) == len(places)
    subnets = [each for one in places for block in one.blocks for each in (block.mesos, block.docker)]
    # overlaps of other families are never
    assert not any(a.version == b.version and a.overlaps(b) for index, a in enumerate(subnets) for b in subnets[:index])
    wholes = {(one.name, each.subnet.version): each.subnet for one in SMALL.overlays for each in one.ranges}
    for part in (part for one in places for part in one.parts):
        for block in part.blocks:
            low, high = block.subnet[0], block.subnet[-1]
            assert low in wholes[part.name, low.version]
            assert high in wholes[part.name, low.version]


def test_all_numbers_have_their_own() -> None:
    whole = [overlay.place(SMALL, number) for number in range(1, SMALL.capacity + 1)]
    assert SMALL.capacity == 8
    assert_apart(whole)


MAPS = st.dictionaries(st.integers(1, 8), st.sampled_from(NODES), max_size=8)


@given(MAPS, MAPS)
def test_the_difference_makes_the_one_into_the_other(before: dict[int, str], after: dict[int, str]) -> None:
    found, wanted = overlay.tunnels(SMALL, 1, before), overlay.tunnels(SMALL, 1, after)
    ip, fdb = overlay.changes(wanted, found)
    assert told(found, [*ip, *fdb]) == wanted
    assert overlay.changes(wanted, wanted) == ([], [])
    assert len(ip) + len(fdb) <= 4 * len(set(before.items()) ^ set(after.items())) * (len(SMALL.subnets) + 2)


def told(found: Tunnels, lines: list[str]) -> Tunnels:
    """What the kernel would know after ``lines``."""
    neighbours, ends, routes = dict(found.neighbours), dict(found.ends), set(found.routes)
    for line in lines:
        words = line.split()
        match words[:2]:
            case ["neigh", "replace"]:
                neighbours[words[2]] = words[4]
            case ["neigh", "del"]:
                del neighbours[words[2]]
            case ["fdb", "append"]:
                assert words[2] not in ends
                ends[words[2]] = words[6]
            case ["fdb", "del"]:
                assert ends.pop(words[2]) == words[6]
            case ["route", "replace"]:
                routes.add(Route(words[2], words[4]))
            case ["route", "del"]:
                routes.remove(Route(words[2], words[4]))
            case other:
                raise AssertionError(other)
    return Tunnels(neighbours, ends, frozenset(routes))
