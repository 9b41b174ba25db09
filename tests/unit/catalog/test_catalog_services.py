"""Cosmos's API: installed services described and updated, and those that another package manages."""

from __future__ import annotations

from dcos.catalog.core.contents import Contents
from dcos.testing.packages import package
from tests.unit.catalog.world import World


async def test_service_describe_and_update(world: World) -> None:
    await world.ok("/package/install", {"packageName": "demo", "options": {"name": "svc"}}, version=2)
    described = await world.ok("/service/describe", {"appId": "svc"})
    assert described["package"]["name"] == "demo"
    assert described["userProvidedOptions"] == {"name": "svc"}
    assert described["resolvedOptions"] == {"name": "svc", "instances": 1}
    assert (described["upgradesTo"], described["downgradesTo"]) == ([], [])

    updated = await world.ok("/service/update", {"appId": "/svc", "options": {"instances": 4}, "replace": False})
    assert updated["resolvedOptions"] == {"name": "svc", "instances": 4}
    assert updated["marathonDeploymentId"]
    assert world.marathon.apps["/svc"]["instances"] == 4

    changed = await world.error("/service/update", {"appId": "/svc", "options": {"instances": 4}, "replace": True})
    assert changed == (400, "AppIdChanged", {"newAppId": "/demo", "oldAppId": "/svc"})
    upgrade = await world.error("/service/update", {"appId": "/svc", "packageVersion": "2", "replace": False})
    assert upgrade[1] == "VersionUpgradeNotSupportedInOpen"
    assert upgrade[2]["possible"] == []
    assert (await world.error("/service/describe", {"appId": "/zz"}))[1] == "MarathonAppNotFound"


async def test_upgrade_and_downgrade(world: World) -> None:
    old = package("demo", "1.0", 0)
    new = package("demo", "2.0", 1, upgradesFrom=["1.0"], downgradesTo=["1.0"])
    world.shelf.own = Contents((old, new, package("demo", "3.0", 2)))
    asked = {"packageName": "demo", "packageVersion": "1.0", "options": {"instances": 3}}
    await world.ok("/package/install", asked, version=2)
    assert (await world.ok("/service/describe", {"appId": "demo"}))["upgradesTo"] == ["2.0"]
    up = await world.ok("/service/update", {"appId": "demo", "packageVersion": "2.0", "replace": False})
    assert (up["package"]["version"], up["resolvedOptions"]["instances"]) == ("2.0", 3)
    assert world.marathon.apps["/demo"]["labels"]["DCOS_PACKAGE_VERSION"] == "2.0"
    described = await world.ok("/service/describe", {"appId": "demo"})
    assert (described["upgradesTo"], described["downgradesTo"]) == ([], ["1.0"])
    refused = await world.error("/service/update", {"appId": "demo", "packageVersion": "3.0", "replace": False})
    assert refused[:2] == (400, "VersionUpgradeNotSupportedInOpen")
    down = await world.ok("/service/update", {"appId": "demo", "packageVersion": "1.0", "replace": True, "options": {}})
    assert (down["package"]["version"], down["resolvedOptions"]["instances"]) == ("1.0", 1)


async def test_package_of_another_manager(world: World) -> None:
    managed = package("managed", packagingVersion="5.0", manager={"packageName": "the-manager"})
    manager = package("the-manager", template='{"id": "the-manager", "instances": 1}')
    world.shelf.own = Contents((managed, manager))
    assert await world.error("/package/install", {"packageName": "managed"}, version=2) == (
        400, "CustomPackageManagerNotFound", {"managerId": "the-manager"}
    )  # fmt: skip
    await world.ok("/package/install", {"packageName": "the-manager"}, version=2)
    done = await world.ok("/package/install", {"packageName": "managed", "options": {"a": 1}}, version=2)
    assert done == {"packageName": "managed", "packageVersion": "1.0"}
    assert world.door.passed_on == [
        ("/service/the-manager/package/install", {"packageName": "managed", "options": {"a": 1}})
    ]
    await world.ok("/package/uninstall", {"packageName": "managed"})
    asked = {"appId": "/m", "packageName": "managed", "packageVersion": "1.0"}
    await world.ok("/service/describe", asked)
    changed = {"appId": "/m", "packageName": "managed", "currentPackageVersion": "1.0", "replace": True}
    await world.ok("/service/update", changed)
    assert [path.removeprefix("/service/the-manager") for path, _ in world.door.passed_on] == [
        "/package/install", "/package/uninstall", "/service/describe", "/service/update"
    ]  # fmt: skip
    failed = await world.error("/package/uninstall", {"packageName": "broken", "managerId": "the-manager"})
    assert failed == (
        400,
        "CustomPackageManagerError",
        {"managerId": "/the-manager", "statusCode": 500, "responseContent": "broken manager"},
    )
