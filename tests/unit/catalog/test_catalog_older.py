"""Packages for catalogs before DC/OS 1.10."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dcos.catalog.core.older import for_schema
from dcos.testing.packages import package
from dcos.wire.universe import Package, checked

CONFIG: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "default": 'say "a\\b"\n'},
        "count": {"type": "integer", "default": 3},
        "list": {"type": "array", "default": ['"']},
        "group": {"type": "object", "properties": {"inner": {"type": "string", "default": '{"a": 1}'}}},
        "odd": True,
    },
}
NEW = package("new", "1", 4, packagingVersion="4.0", upgradesFrom=["*"], downgradesTo=["1"], config=CONFIG)


def test_a_new_package_for_an_old_catalog() -> None:
    old = for_schema(NEW, 3)
    assert old is not None
    assert checked(old).schema == 3, "it keeps all rules of its form"
    assert (old.packaging_version, old.upgrades_from, old.downgrades_to) == ("3.0", None, None)
    assert (old.name, old.version, old.release_version, old.marathon) == ("new", "1", 4, NEW.marathon)
    properties = (old.config or {})["properties"]
    assert json.loads(f'"{properties["text"]["default"]}"') == 'say "a\\b"\n', "put between quotes it is JSON"
    assert properties["group"]["properties"]["inner"]["default"] == '{\\"a\\": 1}'
    assert {key: properties[key] for key in ("count", "list", "odd")} == {
        key: CONFIG["properties"][key] for key in ("count", "list", "odd")
    }
    assert NEW.config == CONFIG, "the package itself is as it was"


@pytest.mark.parametrize(
    ("one", "schema", "there"),
    [
        (package("pp", packagingVersion="2.0"), 3, True),
        (package("pp", packagingVersion="4.0"), 4, True),
        (package("pp", packagingVersion="5.0"), 4, True),
        (package("pp", packagingVersion="5.0"), 5, True),
        (package("pp", packagingVersion="5.0"), 3, True),
        (package("pp", packagingVersion="5.0", manager={"packageName": "m-m"}), 5, True),
        (package("pp", packagingVersion="5.0", manager={"packageName": "m-m"}), 4, False),
        (package("pp", packagingVersion="5.0", manager={"packageName": "m-m"}), 3, False),
    ],
)
def test_which_are_there(one: Package, schema: int, there: bool) -> None:
    found = for_schema(one, schema)
    assert (found is not None) is there
    assert found is None or checked(found).schema <= schema
