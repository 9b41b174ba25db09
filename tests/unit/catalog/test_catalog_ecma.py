"""Patterns that look ahead or behind: the same answers as Python's matcher, and an end to those that have none."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dcos.catalog.core.ecma import MAX_STEPS, Budget, TooHard, Unreadable, found
from dcos.catalog.core.errors import CatalogError
from dcos.catalog.core.options import report


@pytest.mark.parametrize(
    ("pattern", "fits", "fails"),
    [
        ("^(?!x)a", "ab", "xa"),
        ("^(?!.*--)[a-z][a-z0-9-]*$", "a-b-c", "a--b"),
        (r"^(?=.*\d)(?=.*[A-Z]).{4,8}$", "aB3d", "abc4"),
        (r"(?<=/)[^/]+$", "a/b", "ab"),
        (r"(?<!\\)\$", "a$", r"a\$"),
        (r"^(?:(?!\.\.).)*$", "a.b.c", "a..b"),
        (r"\bcat\b(?!s)", "the cat", "concat"),
        (r"^\x41\u0042\cJ[\b\-\]]$(?!x)", "AB\n]", "AB\nb"),
        ("^(?<name>ab){2}(?!c)$", "abab", "ab"),
        ("^a{2,3}(?!b)", "aa", "ab"),
        ("^a{,3}(?!b)", "a{,3}", "aa"),
        ("^[^](?!b)", "a", ""),
        ("^(?!a)[]|^y$", "y", "a"),
        ("^$(?!x)", "", "\n"),
    ],
)
def test_what_ecma_says(pattern: str, fits: str, fails: str) -> None:
    assert found(pattern, fits)
    assert not found(pattern, fails)


@pytest.mark.parametrize("pattern", ["(", ")", "a)", "[a", "*a", "a**", "{2}", "a{3,2}", "[b-a]", "a\\", "(?i)a", "(?"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(Unreadable):
        found(pattern, "a")


@pytest.mark.parametrize(
    ("pattern", "text", "why"),
    [
        (r"(a)\1", "aa", "refers to what a group matched"),
        (r"(?<n>a)\k<n>", "aa", "refers to what a group matched"),
        ("((a{99}){99}){99}(?!b)", "a", "is longer than"),
        ("(" * 60 + ")" * 60 + "(?!a)", "a", "groups within each other"),
        ("(?=(?:a|b|c){300}x)", "a" * 3000, f"more than {MAX_STEPS:,} steps"),
    ],
)
def test_what_is_too_hard(pattern: str, text: str, why: str) -> None:
    with pytest.raises(TooHard, match=re.escape(why)):
        found(pattern, text)


@pytest.mark.parametrize("pattern", ["^(?=(a+)+$)", "^(?!(a|aa)+$)b", "(?=(a*)*b)", "^(?:(?=a)a*)*$(?<=b)"])
def test_what_backtracks_without_end_elsewhere_ends(pattern: str) -> None:
    assert not found(pattern, "a" * 60 + "!", Budget(20_000))


def test_all_patterns_of_a_schema_share_one_budget() -> None:
    rule = {"type": "string", "pattern": "^(?=(a+)+$)"}
    names = [f"n{number}" for number in range(400)]
    schema = {"properties": dict.fromkeys(names, rule)}
    with pytest.raises(CatalogError, match="schema cannot be used: its patterns take more than") as caught:
        report(schema, dict.fromkeys(names, "a" * 900))
    assert caught.value.type == "JsonSchemaMismatch"
    assert report(schema, {"n1": "b"})[0]["keyword"] == "pattern"


pieces = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", r"\b", "^", "$", ""]),
    lambda inner: st.one_of(
        st.builds("(?:{})".format, inner),
        st.builds("({}|{})".format, inner, inner),
        st.builds("{}{}".format, inner, inner),
        st.builds("(?={})".format, inner),
        st.builds("(?!{})".format, inner),
        st.builds("(?:{}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}?", "*?"])),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(pieces, st.text("ab-", max_size=6))
@example("(?<=b)a|(?<!a)b", "ab")
def test_the_same_answer_as_pythons(pattern: str, text: str) -> None:
    assert found(pattern, text) is (re.search(pattern, text) is not None)
