"""Cosmos's API: packages installed, listed and removed."""

from __future__ import annotations

from dcos.catalog.core.contents import Contents
from dcos.testing.packages import package
from tests.unit.catalog.world import World


async def test_install_list_uninstall(world: World) -> None:
    installed = await world.ok("/package/install", {"packageName": "demo"}, version=2)
    assert installed == {"packageName": "demo", "packageVersion": "1.0", "appId": "/demo", "postInstallNotes": "hi"}
    assert world.marathon.apps["/demo"]["labels"]["own"] == "1"
    assert set(world.marathon.seen_authorization) == {"token=good"}
    assert await world.error("/package/install", {"packageName": "demo"}, version=2) == (
        409, "PackageAlreadyInstalled", None
    )  # fmt: skip
    again = await world.ok("/package/install", {"packageName": "demo", "appId": "team/demo"}, version=1)
    assert again == {"packageName": "demo", "packageVersion": "1.0", "appId": "/team/demo"}

    listed = (await world.ok("/package/list", {}))["packages"]
    assert [one["appId"] for one in listed] == ["/demo", "/team/demo"]
    definition = listed[0]["packageInformation"]["packageDefinition"]
    assert definition["name"] == "demo"
    assert "marathon" not in definition
    assert [one["appId"] for one in (await world.ok("/package/list", {"appId": "team/demo"}))["packages"]] == [
        "/team/demo"
    ]
    assert (await world.ok("/package/list", {"packageName": "other"}))["packages"] == []

    assert await world.error("/package/uninstall", {"packageName": "demo"}) == (
        400, "AmbiguousAppId", {"packageName": "demo", "appIds": ["/demo", "/team/demo"]}
    )  # fmt: skip
    assert (await world.error("/package/uninstall", {"packageName": "demo", "appId": "/zz"}))[1] == (
        "UninstallNonExistentAppForPackage"
    )
    one = await world.ok("/package/uninstall", {"packageName": "demo", "appId": "team/demo"})
    assert one == {
        "results": [
            {"packageName": "demo", "appId": "/team/demo", "packageVersion": "1.0", "postUninstallNotes": "bye"}
        ]
    }
    await world.ok("/package/uninstall", {"packageName": "demo", "all": True})
    assert world.marathon.apps == {}
    assert (await world.error("/package/uninstall", {"packageName": "demo"}))[1] == "PackageNotInstalled"


async def test_install_of_only_a_command_line(world: World) -> None:
    installed = await world.ok("/package/install", {"packageName": "only-cli"}, version=2)
    assert "appId" not in installed
    assert installed["cli"]["binaries"]["linux"]["x86-64"]["kind"] == "zip"
    assert (await world.error("/package/install", {"packageName": "only-cli"}))[1] == "ServiceMarathonTemplateNotFound"


async def test_marathon_refuses(world: World) -> None:
    world.shelf.own = Contents((package("demo", template='{"cmd": "no id"}'),))
    status, kind, data = await world.error("/package/install", {"packageName": "demo"}, version=2)
    assert (status, kind) == (400, "MarathonBadResponse")
    assert data == {"errors": [{"path": "/id", "errors": ["error.path.missing"]}]}


async def test_authorization_is_the_callers(world: World) -> None:
    status, answer, headers = await world.call("/package/install", {"packageName": "demo"}, version=2, token="bad")
    assert (status, answer["type"]) == (401, "Unauthorized")
    assert headers["WWW-Authenticate"] == "acsjwt"
    assert answer["data"] == {"serviceName": "marathon", "realm": "acsjwt"}
