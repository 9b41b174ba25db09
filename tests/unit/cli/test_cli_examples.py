"""The examples of the guide are what the commands print."""

from __future__ import annotations

from tests.unit.cli import examples


def test_every_example_prints_what_the_page_says() -> None:
    page = examples.PAGE.read_text()
    count = 0
    for block, content in examples.outcome(page):
        assert content == block.content, "python -m tests.unit.cli.examples writes what is printed now"
        count += len(block.commands)
    assert count >= 40
