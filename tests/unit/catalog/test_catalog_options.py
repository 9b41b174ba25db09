"""Options: defaults, merge, the validator's report."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.catalog.core.errors import CatalogError
from dcos.catalog.core.options import check, defaults, matches, merge, report, resolve

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "service": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "default": "x"},
                "cpus": {"type": "number", "default": 0.5, "minimum": 0.1},
                "user": {"type": "string"},
            },
            "required": ["name", "user"],
            "additionalProperties": False,
        },
        "whole": {"type": "object", "default": {"a": 1}, "properties": {"b": {"default": 2}}},
        "empty": {"type": "object", "properties": {"c": {"type": "string"}}},
    },
}


def test_defaults() -> None:
    assert defaults(SCHEMA) == {"service": {"name": "x", "cpus": 0.5}, "whole": {"a": 1}}
    assert defaults(None) == {}


@pytest.mark.parametrize(
    ("below", "above", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_merge(below: dict[str, Any], above: dict[str, Any], expected: dict[str, Any]) -> None:
    assert merge(below, above) == expected


def test_nothing_to_check() -> None:
    assert resolve(None, None) == {}
    assert resolve({"type": "object", "required": ["x"]}, None) == {}


def test_no_schema() -> None:
    with pytest.raises(CatalogError) as caught:
        resolve(None, {"a": 1})
    assert caught.value.type == "OptionsNotAllowed"


def test_report() -> None:
    with pytest.raises(CatalogError) as caught:
        resolve(SCHEMA, {"service": {"cpus": "two", "odd": 1}})
    assert caught.value.type == "JsonSchemaMismatch"
    assert caught.value.message == "Options JSON failed validation"
    assert caught.value.data is not None
    assert caught.value.data["errors"] == [
        {
            "level": "error",
            "schema": {"loadingURI": "#", "pointer": "/properties/service"},
            "instance": {"pointer": "/service"},
            "domain": "validation",
            "keyword": "required",
            "message": 'object has missing required properties (["user"])',
            "required": ["name", "user"],
            "missing": ["user"],
        },
        {
            "level": "error",
            "schema": {"loadingURI": "#", "pointer": "/properties/service"},
            "instance": {"pointer": "/service"},
            "domain": "validation",
            "keyword": "additionalProperties",
            "message": 'object instance has properties which are not allowed by the schema: ["odd"]',
            "unwanted": ["odd"],
        },
        {
            "level": "error",
            "schema": {"loadingURI": "#", "pointer": "/properties/service/properties/cpus"},
            "instance": {"pointer": "/service/cpus"},
            "domain": "validation",
            "keyword": "type",
            "message": 'instance type (string) does not match any allowed primitive type (allowed: ["number"])',
            "found": "string",
            "expected": ["number"],
        },
    ]


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        ({"minimum": 2}, 1, "numeric instance is lower than the required minimum (minimum: 2, found: 1)"),
        ({"maximum": 2}, 3, "numeric instance is greater than the required maximum (maximum: 2, found: 3)"),
        ({"enum": ["a", "b"]}, "c", 'instance value ("c") not found in enum (possible values: ["a","b"])'),
        ({"pattern": "^a+$"}, "b", 'ECMA 262 regex "^a+$" does not match input string "b"'),
        ({"minLength": 2}, "b", 'string "b" is too short (length: 1, required minimum: 2)'),
        ({"maxLength": 1}, "bb", 'string "bb" is too long (length: 2, maximum allowed: 1)'),
        ({"minItems": 1}, [], "array is too short: must have at least 1 elements but instance has 0 elements"),
        ({"maxItems": 0}, [1], "array is too long: must have at most 0 elements but instance has 1 elements"),
    ],
)
def test_words(rule: dict[str, Any], value: object, message: str) -> None:
    (entry,) = check({"properties": {"x": rule}}, {"x": value})
    assert entry["message"] == message
    assert entry["instance"] == {"pointer": "/x"}


@pytest.mark.parametrize(
    "rule", [{"pattern": "(?<name>["}, {"required": True}, {"media": {"type": "x"}}], ids=["regex", "draft 3", "media"]
)
def test_what_is_not_draft_4_refuses_nothing(rule: dict[str, Any]) -> None:
    assert check({"properties": {"x": rule}}, {"x": {} if "required" in rule else "text"}) == ()


def test_remote_references_are_not_fetched() -> None:
    with pytest.raises(CatalogError, match="cannot be found"):
        report({"properties": {"x": {"$ref": "http://127.0.0.1:9/schema"}}}, {"x": 1})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "banana", "properties": {"a": {"default": 1}}},
        {"properties": {"a": {"default": 1, "minimum": "x"}}},
        {"properties": {"a": {"default": 1, "$ref": "#/properties/a"}}},
        {"properties": {"a": {"default": 1, "enum": 5}}},
    ],
)
def test_a_schema_that_is_none_is_named_as_the_fault(schema: dict[str, Any]) -> None:
    with pytest.raises(CatalogError, match="schema cannot be used") as caught:
        resolve(schema, {})
    assert caught.value.type == "JsonSchemaMismatch"


def test_patterns() -> None:
    assert matches("^(a+)+$", "a" * 50)
    assert not matches("^(a+)+$", "a" * 50 + "!")  # Python's own would not end
    assert matches("^(?!x)a", "ab")
    assert not matches("^(?!x)a", "xa")
    assert matches("(", "anything")
    names = {"patternProperties": {"^x-": {"type": "integer"}, "(": {}}, "additionalProperties": False}
    assert [one["keyword"] for one in check(names, {"x-a": "text"})] == ["type"]
    assert [
        one["keyword"] for one in check({"patternProperties": {"^x-": {}}, "additionalProperties": False}, {"y": 1})
    ] == ["additionalProperties"]
    assert [one["instance"]["pointer"] for one in check({"additionalProperties": {"type": "string"}}, {"y": 1})] == [
        "/y"
    ]
