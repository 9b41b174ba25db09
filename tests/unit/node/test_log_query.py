"""What may be asked of the journal, and which words refuse the rest."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.node.core.log_query import BadQuery, Query, field_to_list, filters, first_version, second_version


def first(words: dict[str, str], *given: str, **more: Any) -> Query:
    return first_version(words, given, **{"stream": False, "last_event": None, "of": {}} | more)


def second(words: dict[str, str], *given: str, unit: str = "", last_event: str | None = None) -> Query:
    return second_version(words, given, unit=unit, last_event=last_event)


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ({}, Query()),
        ({"limit": "5"}, Query(limit=5)),
        ({"skip_prev": "10"}, Query(tail=True, back=10)),
        ({"skip_next": "3"}, Query(forward=3)),
        ({"cursor": "s=1", "skip_next": "1"}, Query(cursor="s=1", forward=1)),
        ({"cursor": "s=1", "skip_prev": "4", "skip_next": "1"}, Query(cursor="s=1", back=4, forward=1)),
        ({"read_reverse": "true"}, Query(tail=True, reverse=True)),
        ({"read_reverse": "true", "cursor": "s=1"}, Query(cursor="s=1", reverse=True)),
    ],
)
def test_first_version(words: dict[str, str], query: Query) -> None:
    assert first(words) == query


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ({}, Query()),
        ({"skip": "-10"}, Query(tail=True, back=10)),
        ({"cursor": "END"}, Query(tail=True, back=1)),
        ({"cursor": "END", "skip": "-10"}, Query(tail=True, back=10)),
        ({"cursor": "BEG"}, Query()),
        ({"cursor": "BEG", "skip": "2", "limit": "7"}, Query(forward=2, limit=7)),
        ({"cursor": "s=1", "skip": "-2"}, Query(cursor="s=1", back=2)),
    ],
)
def test_second_version(words: dict[str, str], query: Query) -> None:
    assert second(words) == query


def test_a_stream_that_broke_goes_on_behind_what_was_seen() -> None:
    words = {"skip_prev": "10", "cursor": "s=1"}
    assert first(words, stream=True, last_event="s=9") == Query(cursor="s=9", forward=1)
    assert first(words, last_event="s=9") == first(words), "a range does not break"
    assert second({"skip": "-10"}, last_event="s=9") == Query(cursor="s=9", forward=1)


def test_units_and_filters() -> None:
    assert second({}, unit="dcos-marathon").unit == "dcos-marathon.service"
    assert second({}, unit="dcos-log-agent.socket").unit == "dcos-log-agent.socket"
    assert filters(("priority:3", "_comm: python3")) == (("PRIORITY", "3"), ("_COMM", " python3"))
    assert first({}, "a:b", of={"FRAMEWORK_ID": "F"}).matches == (("FRAMEWORK_ID", "F"), ("A", "b"))


@pytest.mark.parametrize(
    ("words", "more", "says"),
    [
        ({"limit": "x"}, {}, "limit: 'x' is not a whole number"),
        ({"limit": "-1"}, {}, "limit: -1 is negative"),
        ({"skip_next": str(2**64)}, {}, "skip_next: .* is too large"),
        ({"limit": "1"}, {"stream": True}, "limit: a stream has none"),
        ({"read_reverse": "true"}, {"stream": True}, "read_reverse: a stream"),
        ({"read_reverse": "maybe"}, {}, "read_reverse: must be true or false"),
    ],
)
def test_what_makes_no_sense_is_refused(words: dict[str, str], more: dict[str, Any], says: str) -> None:
    with pytest.raises(BadQuery, match=says):
        first(words, **more)


@pytest.mark.parametrize("text", ["PRIORITY", "a:b:c", ":x", "A=B:c", "ä:b"])
def test_filters_that_are_none(text: str) -> None:
    with pytest.raises(BadQuery, match=r"^filter: "):
        filters((text,))


def test_only_fields_that_name_things_are_listed() -> None:
    assert field_to_list("_systemd_unit") == "_SYSTEMD_UNIT"
    for secret in ("MESSAGE", "_CMDLINE", "x"):
        with pytest.raises(BadQuery, match="not listed"):
            field_to_list(secret)
