from __future__ import annotations

from pathlib import Path

from dcos.dev import docs


def test_generated_pages_are_up_to_date() -> None:
    assert docs.stale(Path(__file__).parents[3]) == []
