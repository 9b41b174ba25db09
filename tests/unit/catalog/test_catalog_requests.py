"""Cosmos's API: the frame of every request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.catalog.world import World


async def test_capabilities(world: World) -> None:
    async with world.session.get(world.url + "/capabilities") as answer:
        assert answer.headers["Content-Type"] == "application/vnd.dcos.capabilities+json;charset=utf-8;version=v1"
        names = [one["name"] for one in (await answer.json(content_type=None))["capabilities"]]
    assert names == ["PACKAGE_MANAGEMENT", "SUPPORT_CLUSTER_REPORT", "METRONOME", "LOGGING", "LOGGING_V2"]


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"Content-Type": "application/json"}, "not_valid"),
        ({"Accept": "text/html"}, "not_valid"),
        ({"Accept": "nonsense"}, "not_valid"),
        ({"Accept": "text/html", "Content-Type": "text/html"}, "multiple_errors"),
    ],
)
async def test_wrong_media_types(world: World, headers: dict[str, str], kind: str) -> None:
    status, answer, _ = await world.call("/package/search", {}, headers=headers)
    assert (status, answer["type"]) == (400, kind)


@pytest.mark.parametrize("body", [{}, {"packageName": 5}])
async def test_bad_bodies(world: World, body: dict[str, Any]) -> None:
    assert (await world.error("/package/describe", body, version=3))[:2] == (400, "json_error")


async def test_no_content_type(world: World) -> None:
    async with world.session.post(world.url + "/package/search", skip_auto_headers=["Content-Type"]) as answer:
        assert (answer.status, json.loads(await answer.read())["type"]) == (400, "not_present")


async def test_no_zookeeper(world: World) -> None:
    world.list.store = None
    assert await world.error("/package/search", {}) == (503, "ServiceUnavailable", {"serviceName": "zookeeper"})
