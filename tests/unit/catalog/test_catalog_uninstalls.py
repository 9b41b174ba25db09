"""Cosmos's API: frameworks that end with their package, services that clean up before they are removed."""

from __future__ import annotations

import asyncio

import pytest

from dcos.catalog import operations
from dcos.catalog.core.contents import Contents
from dcos.client.marathon import Marathon
from dcos.client.neighbour import Answered
from dcos.testing.packages import package
from dcos.testing.patience import PATIENCE_S
from tests.unit.catalog.world import World


async def test_uninstall_ends_the_framework(world: World) -> None:
    await world.ok("/package/install", {"packageName": "frame"}, version=2)
    world.mesos.frameworks = {"id-1": "fw", "id-2": "other"}
    await world.ok("/package/uninstall", {"packageName": "frame"})
    assert world.mesos.frameworks == {"id-2": "other"}

    await world.ok("/package/install", {"packageName": "frame"}, version=2)
    world.mesos.frameworks = {"id-1": "fw", "id-2": "fw"}
    status, kind, data = await world.error("/package/uninstall", {"packageName": "frame"})
    assert (status, kind) == (400, "MultipleFrameworkIds")
    assert data["ids"] == ["id-1", "id-2"]
    assert world.marathon.apps == {}


SDK_TEMPLATE = '{"id": "sdk", "instances": 1, "env": {"A": "b"}, "labels": {"DCOS_COMMONS_UNINSTALL": "true"}}'


async def test_uninstall_of_a_service_that_cleans_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "SDK_POLL_S", 0.0)
    world.shelf.own = Contents((package("sdk-like", template=SDK_TEMPLATE),))
    await world.ok("/package/install", {"packageName": "sdk-like"}, version=2)
    await world.ok("/package/uninstall", {"packageName": "sdk-like"})
    app = world.marathon.apps["/sdk"]
    assert app["env"] == {"A": "b", "SDK_UNINSTALL": "true"}
    assert "tasksRunning" not in app
    (work,) = world.later
    finishing = asyncio.create_task(work)
    await asyncio.sleep(0.05)
    assert "/sdk" in world.marathon.apps
    world.door.deploy_status = 200
    await asyncio.wait_for(finishing, PATIENCE_S)
    assert world.marathon.apps == {}


async def test_a_refusal_does_not_count_as_cleaned_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "SDK_POLL_S", 0.0)
    world.shelf.own = Contents((package("sdk-like", template=SDK_TEMPLATE),))
    await world.ok("/package/install", {"packageName": "sdk-like"}, version=2)
    await world.ok("/package/uninstall", {"packageName": "sdk-like"})
    (work,) = world.later
    world.door.missing = "a:right"
    world.door.deploy_status = 200
    await asyncio.wait_for(work, PATIENCE_S)
    assert "/sdk" in world.marathon.apps

    status, kind, data = await world.error("/package/uninstall", {"packageName": "sdk-like"})
    assert (status, kind) == (403, "Forbidden")
    assert data == {"serviceName": "/sdk", "reason": "the permission a:right is missing"}


async def test_a_token_that_is_over_ends_the_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "SDK_POLL_S", 0.0)
    world.shelf.own = Contents((package("sdk-like", template=SDK_TEMPLATE),))
    await world.ok("/package/install", {"packageName": "sdk-like"}, version=2)
    await world.ok("/package/uninstall", {"packageName": "sdk-like"})
    (work,) = world.later
    world.door.deploy_status = 401
    await asyncio.wait_for(work, PATIENCE_S)
    assert world.door.plans == 1
    assert "/sdk" in world.marathon.apps


async def test_an_uninstall_that_was_begun_before_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog that waited for the end is gone, and the scheduler tells nothing any more."""
    monkeypatch.setattr(operations, "SDK_POLL_S", 0.0)
    world.shelf.own = Contents((package("sdk-like", template=SDK_TEMPLATE),))
    await world.ok("/package/install", {"packageName": "sdk-like"}, version=2)
    await world.ok("/package/uninstall", {"packageName": "sdk-like"})
    world.later.pop().close()
    world.door.framework_ids = None
    world.door.deploy_status = 200
    await world.ok("/package/uninstall", {"packageName": "sdk-like"})
    (work,) = world.later
    await asyncio.wait_for(work, PATIENCE_S)
    assert world.marathon.apps == {}


async def test_uninstall_of_a_service_that_does_not_answer(world: World) -> None:
    world.shelf.own = Contents((package("sdk-like", template=SDK_TEMPLATE),))
    await world.ok("/package/install", {"packageName": "sdk-like"}, version=2)
    world.door.framework_ids = None
    assert (await world.error("/package/uninstall", {"packageName": "sdk-like"}))[1] == "FailedToStartUninstall"
    assert "/sdk" in world.marathon.apps


async def test_marathon_does_not_take_the_change(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service cannot be told to clean up: nothing is begun, and nothing waits for its end."""
    world.shelf.own = Contents((package("sdk-like", template=SDK_TEMPLATE),))
    await world.ok("/package/install", {"packageName": "sdk-like"}, version=2)

    async def refused(*_: object) -> str:
        raise Answered("marathon", 422, b'{"message": "Object is not valid"}')

    monkeypatch.setattr(Marathon, "replace", refused)
    assert await world.error("/package/uninstall", {"packageName": "sdk-like"}) == (
        400, "FailedToStartUninstall", {"appId": "/sdk", "explanation": "Object is not valid"}
    )  # fmt: skip
    assert world.later == []
    assert "SDK_UNINSTALL" not in world.marathon.apps["/sdk"]["env"]
