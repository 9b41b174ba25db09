"""Blue and green: one group takes over from another, and gives back, without a moment with too few instances."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from dcos.model.marathon_state import Condition
from tests.unit.marathon.conftest import Running


def group(name: str, instances: int) -> dict[str, Any]:
    base = {"cmd": f"sleep {name}", "cpus": 0.1, "mem": 16, "instances": instances}
    return {
        "id": f"/shop/{name}",
        "apps": [
            {**base, "id": "db", "portDefinitions": [{"port": 0, "labels": {"VIP_0": "/db:80"}}]},
            {**base, "id": "web", "dependencies": ["db"]},
        ],
    }


def counts(marathon: Running) -> dict[str, int]:
    found = Counter(
        one.app_id for one in marathon.leader.state.instances.values() if one.condition is Condition.RUNNING
    )
    return dict(sorted(found.items()))


@pytest.fixture
async def shop(marathon: Running) -> Running:
    await marathon.ask("POST", "/v2/groups", group("blue", 2), 201)
    await marathon.settled()
    await marathon.ask("POST", "/v2/groups", group("green", 0), 201)
    await marathon.settled()
    return marathon


async def test_one_group_takes_over_and_gives_back(shop: Running) -> None:
    planned = await shop.ask("PUT", "/v2/groups/shop/blue?dryRun=true", {"switchTo": "/shop/green"}, 200)
    assert [[one["app"] for one in step["actions"]] for step in planned["steps"]] == [
        ["/shop/green/db"],
        ["/shop/green/web"],
        ["/shop/blue/web"],
        ["/shop/blue/db"],
    ]
    shop.mesos.autorun = False
    made = await shop.ask("PUT", "/v2/groups/shop/blue", {"switchTo": "green"}, 200)
    for _ in range(3):
        await shop.tick(5)
    assert counts(shop) == {"/shop/blue/db": 2, "/shop/blue/web": 2}, "blue stays until green is well"
    shop.mesos.autorun = True
    await shop.ask("PUT", f"/v2/deployments/{made['deploymentId']}", {"action": "abort"}, 200)
    await shop.settled()
    assert counts(shop) == {"/shop/blue/db": 2, "/shop/blue/web": 2}
    await shop.ask("PUT", "/v2/groups/shop/blue", {"switchTo": "green"}, 200)
    await shop.settled()
    assert counts(shop) == {"/shop/green/db": 2, "/shop/green/web": 2}
    await shop.ask("PUT", "/v2/groups/shop/green", {"switchTo": "/shop/blue"}, 200)
    await shop.settled()
    assert counts(shop) == {"/shop/blue/db": 2, "/shop/blue/web": 2}


@pytest.mark.parametrize(
    ("live", "body", "status", "text"),
    [
        ("/shop/green", {"switchTo": "/shop/blue"}, 422, "nothing runs in '/shop/green'"),
        ("/shop/blue", {"switchTo": "/shop"}, 422, "neither in it nor around it"),
        ("/shop/blue", {"switchTo": "/shop/red"}, 404, "Group '/shop/red' does not exist"),
        ("/shop/blue", {"switchTo": "/shop/green", "scaleBy": 2}, 422, "in conjunction with other properties"),
        ("/shop/blue", {"switchTo": "/other"}, 422, "'/other' has no counterpart of /shop/blue/db, /shop/blue/web"),
    ],
)
async def test_what_cannot_be_switched_says_why(
    shop: Running, live: str, body: dict[str, Any], status: int, text: str
) -> None:
    await shop.ask("POST", "/v2/groups", {"id": "/other"}, 201)
    assert text in str(await shop.ask("PUT", f"/v2/groups{live}", body, status))
