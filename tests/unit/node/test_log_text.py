"""How lines are written, and where they begin and end in parts of a file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.node.core.log_text import Form, entry, event, last_lines_begin, lines_end, wanted

ENTRY = ({"MESSAGE": "it runs", "UNIT": "x"}, "s=1;i=2", 1_700_000_000_250_000, 77)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.TEXT),
        ("*/*", Form.TEXT),
        ("text/plain", Form.TEXT),
        ("application/json", Form.JSON),
        ("text/html, Text/Event-Stream;q=0.9", Form.EVENTS),
    ],
)
def test_what_is_accepted(accept: str, form: Form) -> None:
    assert wanted(accept) is form


def test_an_entry_in_each_form() -> None:
    assert entry(Form.TEXT, *ENTRY, id=True) == b"2023-11-14 22:13:20: it runs\n"
    line = entry(Form.JSON, *ENTRY, id=True)
    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        "fields": ENTRY[0],
        "cursor": "s=1;i=2",
        "realtime_timestamp": 1_700_000_000_250_000,
        "monotonic_timestamp": 77,
    }
    assert entry(Form.EVENTS, *ENTRY, id=True) == b"id: s=1;i=2\ndata: " + line[:-1] + b"\n\n"
    assert entry(Form.EVENTS, *ENTRY, id=False) == b"data: " + line[:-1] + b"\n\n"
    assert entry(Form.TEXT, {}, "c", 0, 0, id=False) == b"1970-01-01 00:00:00: \n"


def test_a_line_break_ends_no_event() -> None:
    assert event({"a": "x\n\ny"}) == b'data: {"a":"x\\n\\ny"}\n\n'


@given(st.lists(st.sampled_from([b"", b"a", b"bb"]), max_size=12), st.integers(1, 14))
def test_lines_are_counted_from_both_ends(texts: list[bytes], count: int) -> None:
    block = b"".join(text + b"\n" for text in texts)
    lines = block.splitlines(keepends=True)
    end, left = lines_end(block, count)
    if count <= len(lines):
        assert (block[:end], left) == (b"".join(lines[:count]), 0)
    else:
        assert (end, left) == (None, count - len(lines))
    begin, left = last_lines_begin(block[:-1], count)
    if count < len(lines):
        assert begin is not None
        assert (block[begin:], left) == (b"".join(lines[-count:]), 0)
    else:
        assert (begin, left) == (None, count - max(0, len(lines) - 1))
