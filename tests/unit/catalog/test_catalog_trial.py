"""Trials of packages and findings of lint: options made up from schemas, what fails and what is only strange."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dcos.catalog.core import lint
from dcos.catalog.core.trial import every_option, tried
from dcos.testing.packages import package
from dcos.wire.universe import to_files


def options(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"type": "boolean", "default": True}, False),
        ({"type": "boolean"}, True),
        ({"type": "integer", "default": 3}, 4),
        ({"type": "integer", "default": 3, "maximum": 3}, 2),
        ({"type": "number", "minimum": 7}, 7),
        ({"type": "string", "default": "kept"}, "kept"),
        ({"type": "string"}, "value"),
        ({"type": "string", "pattern": "^[0-9]+m$"}, "1m"),
        ({"type": "string", "minLength": 20}, "http://example.com/value"),
        ({"enum": ["a", "b"], "default": "b"}, "a"),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "object", "default": {"a": 1}}, {"a": 1}),
        ({"type": ["null", "integer"]}, 1),
        ({"type": "object", "properties": {"x": {"type": "boolean"}}}, {"x": True}),
    ],
)
def test_every_option(rule: dict[str, Any], value: Any) -> None:
    assert every_option(options(one=rule)) == {"one": value}


def test_what_nobody_can_guess_is_left_out() -> None:
    assert every_option(options(one={"type": "string", "pattern": "^secret-[0-9]{20}$"})) == {}


def test_a_good_package() -> None:
    trial = tried(package())
    assert trial.is_good
    assert (trial.defaults, trial.every, trial.refused, trial.taken) == ("", "", 2, ())


def test_one_that_needs_options() -> None:
    config = options(name={"type": "string", "default": "x"}, where=options(host={"type": "string"}))
    config["properties"]["where"]["required"] = ["host"]
    config["required"] = ["where"]
    trial = tried(package(config=config, template='{"id": "{{name}}", "cmd": "{{where.host}}"}'))
    assert trial.defaults.startswith("JsonSchemaMismatch: /: object has missing required properties")
    assert trial.needs == ("/where",)
    assert trial.is_good


@pytest.mark.parametrize(
    ("template", "defaults", "every"),
    [
        ('{"id": "a" {{#on}},{{/on}} "x": 1}', "JsonParsingError", ""),
        ('{"id": "a" {{^on}},{{/on}} {{^on}}"x": 1{{/on}} {{#on}}"x"{{/on}}}', "", "JsonParsingError"),
        ('{"cmd": "no id"}', "the app has no id", "the app has no id"),
        ("{{#on}}", "JsonParsingError", "JsonParsingError"),
    ],
)
def test_templates_that_break(template: str, defaults: str, every: str) -> None:
    trial = tried(package(config=options(on={"type": "boolean", "default": False}), template=template))
    assert trial.defaults.startswith(defaults)
    assert trial.every.startswith(every)
    assert bool(trial.defaults) == bool(defaults)
    assert bool(trial.every) == bool(every)
    assert not trial.is_good


def test_wrong_values_that_are_taken() -> None:
    config = {"properties": {"a": {"type": "string", "default": "x"}, "b": {"default": 1}}}
    trial = tried(package(config=config, template='{"id": "{{a}}"}'))
    assert (trial.refused, trial.taken) == (1, ())


def test_without_an_app() -> None:
    trial = tried(package(template=None, config=None))
    assert not trial.has_app
    assert trial.is_good


# ---- lint ------------------------------------------------------------------------------------------------------------


def said(name: str = "demo", release: str = "0", change: dict[str, bytes] | None = None, **more: Any) -> list[str]:
    files = to_files(package(**more)) | (change or {})
    return [str(one) for one in lint.folder(name, release, files)]


def test_lint_of_a_decent_package() -> None:
    found = said()
    assert all(one.startswith("warning: ") for one in found)
    assert any("postInstallNotes: is missing" in one for one in found)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"name": "other"}, "error: package.json/name: must be the folder's: other"),
        ({"release": "first"}, "error: first: the folder's name must be the release version"),
        ({"change": {"package.json": b"{"}}, "error: package.json: Input data was truncated"),
        ({"change": {"notes.txt": b""}}, "warning: notes.txt: is no file of a package and not read"),
        ({"config": {"type": 5}}, "error: config.json/type: is not draft 4"),
        (
            {"config": options(name={"type": "string", "default": 5})},
            "error: config.json/name: the default breaks the schema: instance type (integer)",
        ),
        ({"template": "{{#a}}"}, 'error: marathon.json.mustache: Unexpected EOF; the tag "a" was never closed'),
        ({"template": '{"id": "{{nmae}}"}'}, "warning: marathon.json.mustache: {{nmae}} is no option of config.json"),
        (
            {"template": "{{resource.assets.uris.a}}"},
            "warning: marathon.json.mustache: {{resource.assets.uris.a}} is not in",
        ),
        ({"template": '{"id": "{{name}}"}'}, "warning: config.json/instances: is used nowhere in the template"),
        ({"resource": {"images": {"icon-small": "/a.png"}}}, "error: resource.json: /a.png is no http or https URL"),
        ({"resource": {"extra": {}}}, "error: resource.json/extra: must be one of assets, cli, images"),
        (
            {"resource": {"cli": {"binaries": {"linux": {"x86-64": {"url": "http://h/a", "kind": "zip"}}}}}},
            "error: resource.json/cli/binaries/linux/x86-64/contentHash: must have the sha256 of the file",
        ),
    ],
)
def test_lint_finds(asked: dict[str, Any], expected: str) -> None:
    assert any(one.startswith(expected) for one in said(**asked)), said(**asked)


def test_unknown_members_are_named() -> None:
    files = to_files(package())
    described = json.loads(files["package.json"]) | {"descripton": "x"}
    found = said(change={"package.json": json.dumps(described).encode()})
    assert "error: package.json/descripton: is not a member that package.json has" in found
