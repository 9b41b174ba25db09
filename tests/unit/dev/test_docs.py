from __future__ import annotations

from pathlib import Path

from dcos.dev import docs


def test_generated_pages_are_up_to_date() -> None:
    assert docs.stale(Path(__file__).parents[3]) == []


def test_decisions_have_numbers_of_their_own() -> None:
    names = sorted(path.name for path in (Path(__file__).parents[3] / "docs/decisions").glob("*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
