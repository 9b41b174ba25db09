"""Entries of agents on pages."""

from __future__ import annotations

import random

import msgspec

from dcos.master.pages import PAGE_BYTES, Pages


def sized(length: int) -> bytes:
    return b'"' + b"x" * (length - 2) + b'"'


def decoded(pages: Pages, numbers: set[int]) -> dict[int, dict[str, str]]:
    stored = {number: pages.data(number, 2) for number in numbers}
    return {number: msgspec.json.decode(data)["agents"] for number, data in stored.items() if data is not None}


def test_agents_that_come_together_lie_together() -> None:
    pages = Pages()
    assert {page for number in range(100) for page in pages.put(f"a{number}", sized(500))} == {0}
    assert {page for number in range(100, 200) for page in pages.put(f"a{number}", sized(500))} == {0, 1}
    assert pages.put("a7", sized(400)) == (0,)


def test_a_page_that_emptied_is_gone_and_filled_again() -> None:
    pages = Pages()
    for number in range(200):
        pages.put(f"a{number}", sized(1000))
    for number in range(60):
        assert pages.take(f"a{number}") == (0,)
    assert pages.take("a0") == ()
    for number in range(60, 70):
        pages.take(f"a{number}")
    assert pages.data(0, 2) is None
    after = [pages.put(f"b{number}", sized(1000))[0] for number in range(100)]
    assert 0 in after
    assert max(after) == 3


def test_an_entry_that_grows_too_much_moves() -> None:
    pages = Pages()
    for number in range(100):
        pages.put(f"a{number}", sized(600))
    assert pages.put("a5", sized(50_000)) == (0,)
    assert pages.put("a6", sized(200_000)) == (0, 1)
    assert pages.put("a6", sized(400_000)) == (1,)
    assert "a6" in decoded(pages, {1})[1]
    assert "a6" not in decoded(pages, {0})[0]


def test_what_changed_is_always_named() -> None:
    """Whoever writes the pages that are named has everything stored."""
    rng = random.Random(7)
    pages = Pages()
    stored: dict[int, bytes | None] = {}
    model: dict[str, bytes] = {}
    for step in range(3000):
        agent = f"a{rng.randrange(300)}"
        if rng.random() < 0.3:
            model.pop(agent, None)
            changed = pages.take(agent)
        else:
            model[agent] = sized(rng.choice((300, 500, 5000)))
            changed = pages.put(agent, model[agent])
        for page in changed:
            stored[page] = pages.data(page, 2)
        if step % 500 == 499:
            again = Pages()
            for page, data in stored.items():
                if data is not None:
                    assert len(data) < 3 * PAGE_BYTES
                    agents = msgspec.json.decode(data)["agents"]
                    again.load(page, {name: msgspec.json.encode(one) for name, one in agents.items()})
            assert dict(again.entries()) == model
            pages = again
