"""Sums over holders."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dcos.master.core.tally import Holdings, Tally
from dcos.model.resources import EMPTY, Resources

SOME = st.sampled_from(
    [Resources.parse(text) for text in ("cpus:1;ports:[1-3]", "ports:[2-9];set:{a,b}", "mem:5;set:{b}", "ports:[4-4]")]
)


def test_one_agents_ports_go_and_the_others_stay() -> None:
    tally = Tally()
    some = Resources.parse("cpus:1;ports:[1-3];set:{a}")
    tally.add(some)
    tally.add(some)
    assert tally.whole == Resources.parse("cpus:2;ports:[1-3];set:{a}")
    assert tally.quantities(lambda _: True) == {"cpus": 2000, "ports": 6000, "set": 2000}
    tally.remove(some)
    assert tally.whole == some
    tally.remove(some)
    assert tally.whole == EMPTY
    assert tally.quantities(lambda _: True) == {}


def test_what_came_together_may_go_apart() -> None:
    tally = Tally()
    tally.add(Resources.parse("ports:[1-2]"))
    tally.remove(Resources.parse("ports:[1-1]"))
    assert tally.whole == Resources.parse("ports:[2-2]")


@given(st.lists(SOME), st.integers(0, 10))
def test_it_is_the_sum_of_what_is_left(added: list[Resources], gone: int) -> None:
    tally = Tally()
    for one in added:
        tally.add(one)
    for one in added[:gone]:
        tally.remove(one)
    assert tally.whole == sum(added[gone:], EMPTY)


def test_by_role() -> None:
    holdings = Holdings()
    holdings.add("a", Resources.parse("cpus:1"))
    holdings.add("b", Resources.parse("cpus:2;ports:[1-1]"))
    assert holdings.whole == Resources.parse("cpus:3;ports:[1-1]")
    holdings.remove("a", Resources.parse("cpus:1"))
    assert [(role, tally.whole) for role, tally in holdings.tallies()] == [("b", holdings.whole)]
