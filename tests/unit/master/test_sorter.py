"""The worked examples of the DRF paper and of Mesos's sorter tests."""

from __future__ import annotations

import random

import pytest

from dcos.master.core.sorter import RandomSorter, Sorter, Totals
from dcos.model.resources import Resources


def amounts(cpus: float, mem: float) -> dict[str, int]:
    return {"cpus": round(cpus * 1000), "mem": round(mem * 1000)}


class Stage:
    """A sorter with a short hand: ``cpus, mem`` as numbers."""

    def __init__(self, cpus: float, mem: float, weights: dict[str, float] | None = None) -> None:
        self.totals = Totals()
        self.total(cpus, mem)
        self.sorter = Sorter(self.totals, weights)

    def total(self, cpus: float, mem: float) -> None:
        self.totals.amounts.clear()
        self.totals.add(Resources.scalars(cpus=cpus, mem=mem))

    def add(self, client: str, cpus: float = 0, mem: float = 0, times: int = 1) -> None:
        if client not in self.sorter:
            self.sorter.add(client)
            self.sorter.activate(client)
        for _ in range(times):
            if cpus or mem:
                self.sorter.allocated(client, amounts(cpus / times, mem / times))

    def less(self, client: str, cpus: float, mem: float) -> None:
        self.sorter.unallocated(client, amounts(cpus, mem))

    @property
    def order(self) -> str:
        return " ".join(self.sorter.order())


def test_the_papers_example() -> None:
    stage = Stage(9, 18)
    stage.add("A")
    stage.add("B")
    tasks = {"A": (1, 4), "B": (3, 1)}
    picked = []
    left = 9
    while left > 0:
        client = stage.sorter.order()[0]
        picked.append(client)
        stage.add(client, *tasks[client])
        left -= tasks[client][0]
    assert picked == ["A", "B", "A", "B", "A"]
    assert stage.sorter.share("A") == stage.sorter.share("B") == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"a": "a/a", "b": "b/b", "c": "c/c", "d": "d/d", "e": "e/e", "f": "f/f"},
        {"a": "a/a/a/a/a", "c": "c/c/c", "d": "d/d"},
    ],
    ids=["flat", "two levels", "mixed depth"],
)
def test_drf(names: dict[str, str]) -> None:
    def n(name: str) -> str:
        return names.get(name, name)

    def expect(text: str) -> None:
        assert stage.order == " ".join(n(name) for name in text.split())

    stage = Stage(100, 100)
    stage.add(n("a"), 5, 5)
    stage.add(n("b"), 6, 6)
    expect("a b")
    stage.add(n("c"), 1, 1)
    stage.add(n("d"), 3, 1)
    expect("c d a b")
    stage.sorter.remove(n("a"))
    stage.less(n("b"), 4, 4)
    expect("c b d")
    stage.add(n("e"), 1, 5)
    stage.total(50, 100)
    expect("c b e d")
    stage.total(50, 200)
    stage.add(n("f"), 5, 1)
    stage.add(n("c"), 0, 15)
    expect("e b d c f")
    stage.sorter.deactivate(n("d"))
    expect("e b c f")
    stage.sorter.activate(n("d"))
    expect("e b d c f")


def test_weights() -> None:
    stage = Stage(100, 100, {"b": 2.0})
    stage.add("a", 5, 5)
    stage.add("b", 6, 6)
    assert stage.order == "b a"
    stage.add("c", 4, 4)
    assert stage.order == "b c a"
    stage.sorter.set_weight("d", 10.0)
    stage.add("d", 10, 20)
    assert stage.order == "d b c a"
    stage.sorter.remove("b")
    assert stage.order == "d c a"
    stage.add("d", 10, 25)
    assert stage.order == "c d a"
    stage.add("e", 1, 1)
    stage.sorter.set_weight("e", 0.1)
    assert stage.order == "c d a e"
    stage.sorter.remove("a")
    assert stage.order == "c d e"


def test_ties_go_to_who_was_allocated_to_less_often() -> None:
    stage = Stage(100, 100)
    for name, times in {"a": 1, "b": 1, "c": 3, "d": 2, "e": 1}.items():
        stage.add(name, 3, 3, times)
    assert stage.order == "a b e d c"
    stage.less("c", 3, 3)
    assert stage.order == "c a b e d"
    stage.add("c", 3, 3)
    assert stage.order == "a b e d c"
    stage.sorter.deactivate("a")
    stage.less("a", 3, 3)
    stage.add("a", 3, 3)
    stage.sorter.activate("a")
    assert stage.order == "b e a d c"


def test_hierarchy() -> None:
    stage = Stage(100, 100)
    for name in ("a", "b/c", "b/d"):
        stage.add(name)
    assert stage.order == "a b/c b/d"
    stage.add("a", 6, 6)
    assert stage.order == "b/c b/d a"
    stage.add("b/c", 4, 4)
    stage.add("b/d", 3, 3)
    assert stage.order == "a b/d b/c"
    stage.add("a", 2, 2)
    assert stage.order == "b/d b/c a"
    stage.add("b/e/f")
    assert stage.order == "b/e/f b/d b/c a"
    stage.add("b/e/f", 3.5, 3.5)
    assert stage.order == "a b/d b/e/f b/c"
    stage.sorter.remove("b/e/f")
    assert stage.order == "b/d b/c a"
    stage.less("b/c", 3, 3)
    assert stage.order == "b/c b/d a"


def test_a_role_competes_with_its_own_sub_roles() -> None:
    stage = Stage(100, 100)
    stage.add("a", 5, 5)
    stage.add("a/b")
    assert stage.order == "a/b a"
    stage.add("a/b", 9, 9)
    assert stage.order == "a a/b"
    stage.sorter.remove("a/b")
    assert stage.order == "a"
    assert stage.sorter.share("a") == pytest.approx(0.05)
    stage.add("a/b")
    stage.sorter.remove("a")
    assert stage.order == "a/b"
    stage.sorter.remove("a/b")
    assert len(stage.sorter) == 0


def _positions(sorter: RandomSorter, runs: int = 4000) -> dict[str, list[float]]:
    """How often each client came at each place."""
    counts: dict[str, list[int]] = {}
    for _ in range(runs):
        order = sorter.order()
        for place, client in enumerate(order):
            counts.setdefault(client, [0] * len(order))[place] += 1
    return {client: [count / runs for count in places] for client, places in counts.items()}


def _near(found: list[float], expected: list[float]) -> bool:
    return all(abs(one - other) < 0.05 for one, other in zip(found, expected, strict=True))


def test_a_random_order_follows_the_weights() -> None:
    weights = {str(number): float(number) for number in range(1, 6)}
    sorter = RandomSorter(Totals(), weights, draw=random.Random(7).random)
    for client in weights:
        sorter.add(client)
        sorter.activate(client)
    found = _positions(sorter)
    assert _near(found["1"], [0.07, 0.08, 0.12, 0.20, 0.54])
    assert _near(found["2"], [0.13, 0.16, 0.20, 0.28, 0.23])
    assert _near(found["3"], [0.20, 0.22, 0.24, 0.22, 0.12])
    assert _near(found["4"], [0.27, 0.26, 0.23, 0.17, 0.07])
    assert _near(found["5"], [0.33, 0.28, 0.21, 0.13, 0.04])


def test_a_random_order_of_a_tree() -> None:
    weights = {"a": 1.0, "a/b": 2.0, "c": 2.0, "c/d": 1.0, "c/e": 2.0}
    sorter = RandomSorter(Totals(), weights, draw=random.Random(7).random)
    for client in ("a", "a/b", "c/d", "c/e"):
        sorter.add(client)
        sorter.activate(client)
    found = _positions(sorter)
    assert _near(found["a"], [0.11, 0.15, 0.23, 0.51])
    assert _near(found["a/b"], [0.22, 0.27, 0.30, 0.21])
    assert _near(found["c/d"], [0.22, 0.27, 0.30, 0.21])
    assert _near(found["c/e"], [0.44, 0.31, 0.18, 0.07])
    sorter.deactivate("c/e")
    assert set(sorter.order()) == {"a", "a/b", "c/d"}
    sorter.set_weight("a", 1000.0)
    assert _positions(sorter, 500)["c/d"][2] > 0.9
