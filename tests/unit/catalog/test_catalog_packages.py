"""Cosmos's API: packages described, searched and rendered."""

from __future__ import annotations

import base64
import json

import pytest

from dcos.catalog.core.contents import Contents
from dcos.testing.packages import package
from dcos.wire.universe import to_json
from tests.unit.catalog.world import PLAIN, World


async def test_describe(world: World) -> None:
    v3 = await world.ok("/package/describe", {"packageName": "demo"}, version=3)
    plain = json.loads(json.dumps(to_json(PLAIN)))
    assert v3["package"] == plain
    v2 = await world.ok("/package/describe", {"packageName": "demo", "packageVersion": "1.0"}, version=2)
    assert v2 == {key: value for key, value in plain.items() if key != "releaseVersion"}
    refused = await world.error("/package/describe", {"packageName": "up-gr"}, version=2)
    assert refused[:2] == (400, "ConversionFromPackageToV2DescribeResponse")
    described = await world.ok("/package/describe", {"packageName": "only-cli"}, version=3)
    url = described["package"]["resource"]["cli"]["binaries"]["linux"]["x86-64"]["url"]
    assert url == f"{world.url}/package/resource?url=http%3A%2F%2Fh%2Fc.zip"


async def test_not_found(world: World) -> None:
    assert await world.error("/package/describe", {"packageName": "zz"}, version=3) == (
        400, "PackageNotFound", {"packageName": "zz"}
    )  # fmt: skip
    assert await world.error("/package/render", {"packageName": "demo", "packageVersion": "9"}) == (
        400, "VersionNotFound", {"packageName": "demo", "packageVersion": "9"}
    )  # fmt: skip


async def test_search_and_versions(world: World) -> None:
    found = await world.ok("/package/search", {"query": "demo"})
    assert [one["name"] for one in found["packages"]] == ["demo"]
    assert found["packages"][0]["versions"] == {"1.0": 0}
    versions = await world.ok("/package/list-versions", {"packageName": "demo", "includePackageVersions": False})
    assert versions == {"results": {"1.0": "0"}}


async def test_render(world: World) -> None:
    app = (await world.ok("/package/render", {"packageName": "demo", "options": {"name": "x"}, "appId": "y"}))[
        "marathonJson"
    ]
    assert app["id"] == "/y"
    assert json.loads(base64.b64decode(app["labels"]["DCOS_PACKAGE_OPTIONS"])) == {"name": "x"}
    refused = await world.error("/package/render", {"packageName": "only-cli"})
    assert refused[:2] == (400, "ServiceMarathonTemplateNotFound")
    mismatch = await world.error("/package/render", {"packageName": "demo", "options": {"instances": "two"}})
    assert mismatch[:2] == (400, "JsonSchemaMismatch")
    assert mismatch[2]["errors"][0]["instance"] == {"pointer": "/instances"}
    assert (await world.error("/package/render", {"packageName": "only-cli", "options": {"a": 1}}))[1] == (
        "ServiceMarathonTemplateNotFound"
    )


@pytest.mark.parametrize(
    ("template", "kind"),
    [
        ("[1]", "MarathonTemplateMustBeJsonObject"),
        ("{", "JsonParsingError"),
        ("{{#a}}", "JsonParsingError"),
        ('{"labels": {"a": 1}}', "JsonDecodingError"),
    ],
)
async def test_bad_templates(world: World, template: str, kind: str) -> None:
    world.shelf.own = Contents((package("demo", template=template),))
    assert (await world.error("/package/render", {"packageName": "demo"}))[:2] == (400, kind)
