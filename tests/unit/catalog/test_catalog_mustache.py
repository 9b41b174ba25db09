"""Universe templates: mustache.java's rules with JSON values."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.catalog.core import mustache
from dcos.catalog.core.mustache import TemplateError, render

CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "text": ("plain {x}", {}, "plain {x}"),
    "string without quotes": ('"{{a}}"', {"a": "b"}, '"b"'),
    "string is JSON-escaped": ('"{{a}}"', {"a": 'q"\\\n'}, '"q\\"\\\\\\n"'),
    "no HTML escaping": ("{{a}}{{{a}}}{{&a}}", {"a": "<&'>"}, "<&'><&'><&'>"),
    "non-ASCII stays": ("{{a}}", {"a": "ü"}, "ü"),
    "integer": ("{{a}}", {"a": 5}, "5"),
    "whole float": ("{{a}}", {"a": 5.0}, "5"),
    "float": ("{{a}}", {"a": 0.1}, "0.1"),
    "boolean": ("{{a}} {{b}}", {"a": True, "b": False}, "true false"),
    "null and unknown": ("[{{a}}{{b}}{{c.d}}]", {"a": None, "c": 1}, "[]"),
    "dotted": ("{{a.b.c}}", {"a": {"b": {"c": 1}}}, "1"),
    "list as a value": ("{{a}}", {"a": ["x", 'y"', 1]}, '["x", "y\\"", 1]'),
    "list of strings keeps quotes": ("{{#a}}{{.}},{{/a}}", {"a": ["x", "y"]}, '"x","y",'),
    "list of numbers": ("{{#a}}{{.}},{{/a}}", {"a": [1, 2.0]}, "1,2,"),
    "list of objects": ("{{#a}}{{n}};{{/a}}", {"a": [{"n": "x"}, {"n": 2}]}, "x;2;"),
    "object is a scope": ("{{#a}}{{b}}{{c}}{{/a}}", {"a": {"b": 1}, "c": 2}, "12"),
    "string section": ("{{#a}}<{{a}}{{.}}>{{/a}}", {"a": "s"}, "<ss>"),
    "zero is true": ("{{#a}}yes{{/a}}{{^a}}no{{/a}}", {"a": 0}, "yes"),
    "empty object is true": ("{{#a}}yes{{/a}}{{^a}}no{{/a}}", {"a": {}}, "yes"),
    "true section": ("{{#a}}{{b}}{{/a}}", {"a": True, "b": 1}, "1"),
    "nested sections of the same name": ("{{#a}}{{#a}}x{{/a}}{{/a}}", {"a": True}, "x"),
    "inner scope decides a dotted name": ("{{#a}}[{{b.c}}]{{/a}}", {"a": {"b": {}}, "b": {"c": "far"}}, "[]"),
    "comment": ("a{{! nothing }}b", {}, "ab"),
    "standalone tags take their line": ("1\n{{#a}}\n2\n{{/a}}\n3\n", {"a": True}, "1\n2\n3\n"),
    "attributes of values are out of reach": ("[{{a.__class__}}{{a.upper}}]", {"a": "s"}, "[]"),
    "asJson": ('{"x": {{#asJson}}a{{/asJson}}}', {"a": '{"k": [1]}'}, '{"x": {"k": [1]}}'),
    "asJson of what is no string": ("{{#asJson}}a{{/asJson}}", {"a": 1}, "null"),
    "asJson of an inner name": ("{{#asJson}}a.b{{/asJson}}", {"a": {"b": "1"}}, "null"),
}


@pytest.mark.parametrize(("template", "context", "expected"), CASES.values(), ids=CASES.keys())
def test_render(template: str, context: dict[str, Any], expected: str) -> None:
    assert render(template, context) == expected


@pytest.mark.parametrize("value", [None, False, "", []], ids=["null", "false", "empty string", "empty list"])
def test_falsy(value: object) -> None:
    assert render("{{#a}}yes{{/a}}{{^a}}no{{/a}}", {"a": value}) == "no"


def test_unknown_is_falsy() -> None:
    assert render("{{#a}}yes{{/a}}{{^a}}no{{/a}}", {}) == "no"


@pytest.mark.parametrize("template", ["{{a", "{{#a}}", "{{#a}}{{/b}}", "{{/a}}", "{{> part}}", "{{}}"])
def test_bad_templates(template: str) -> None:
    with pytest.raises(TemplateError):
        render(template, {"a": True})


def test_growth_has_a_limit() -> None:
    with pytest.raises(mustache.TemplateError, match="limit"):
        mustache.render("{{#l}}" * 9 + "{{/l}}" * 9, {"l": list(range(40))})
    with pytest.raises(mustache.TemplateError, match="limit"):
        mustache.render("{{#l}}{{t}}{{/l}}", {"l": list(range(40)), "t": "x" * 1_000_000})


def test_names() -> None:
    template = "{{a.b}}{{{c}}}{{#d}}{{.}}{{e}}{{/d}}{{^f}}{{/f}}{{#asJson}}g{{/asJson}}"
    assert mustache.names(template) == {"a.b", "c", "d", "e", "f", "g"}
