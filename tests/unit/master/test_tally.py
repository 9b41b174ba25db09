"""Sums over agents."""

from __future__ import annotations

from dcos.master.core.tally import Tally
from dcos.model.resources import EMPTY, Resources


def test_one_agents_ports_go_and_the_others_stay() -> None:
    tally = Tally()
    some = Resources.parse("cpus:1;ports:[1-3];set:{a}")
    tally.add("one", some)
    tally.add("two", some)
    assert tally.whole == Resources.parse("cpus:2;ports:[1-3];set:{a}")
    tally.remove("one", some)
    assert tally.whole == some
    tally.remove("two", some)
    assert tally.whole == EMPTY
