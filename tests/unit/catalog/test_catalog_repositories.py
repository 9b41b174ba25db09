"""Cosmos's API: the list of repositories, and what they answer."""

from __future__ import annotations

import asyncio
import io
import zipfile

from dcos.catalog.persist import PATH, RepositoryList
from dcos.catalog.service import BUILTIN
from dcos.testing.packages import package
from dcos.testing.patience import PATIENCE_S
from dcos.wire.universe import Package, to_files
from tests.unit.catalog.world import World


async def test_repositories(world: World) -> None:
    universe = {"name": "Universe", "uri": BUILTIN.uri}
    assert await world.ok("/package/repository/list", {}) == {"repositories": [universe]}
    far = {"name": "far", "uri": f"{world.far}/repo"}
    assert await world.ok("/package/repository/add", far | {"index": 0}) == {"repositories": [far, universe]}
    assert "version=v5" in world.repository.accept
    assert PATH in world.ensemble.tree()
    assert (await world.ok("/package/describe", {"packageName": "far"}, version=3))["package"]["version"] == "9"
    assert world.repository.fetched == 1

    assert (await world.error("/package/repository/add", far))[1] == "RepositoryAlreadyPresent"
    out = await world.error("/package/repository/add", {"name": "n", "uri": "http://127.0.0.1:9/", "index": 7})
    assert out == (400, "RepositoryAddIndexOutOfBounds", {"attempted": 7, "max": 2})
    assert (await world.error("/package/repository/add", {"name": "n", "uri": "http://127.0.0.1:9/"}))[1] == (
        "RepositoryUriConnection"
    )
    assert await world.ok("/package/repository/delete", {"name": "far"}) == {"repositories": [universe]}
    assert (await world.error("/package/repository/delete", {"name": "far"}))[1] == "RepositoryNotPresent"
    assert (await world.error("/package/repository/delete", {}))[1] == "RepoNameOrUriMissing"
    assert (await world.error("/package/describe", {"packageName": "far"}, version=3))[1] == "PackageNotFound"
    await world.ok("/package/repository/delete", {"uri": BUILTIN.uri})
    assert (await world.ok("/package/search", {}))["packages"] == []
    await world.ok("/package/repository/add", universe)
    assert (await world.ok("/package/search", {}))["packages"]


async def test_repository_that_is_none(world: World) -> None:
    uri = f"{world.far}/repo"
    world.repository.status = 404
    refused = await world.error("/package/repository/add", {"name": "n", "uri": uri})
    assert refused[:2] == (400, "UniverseClientHttpError")
    world.repository.status = 200
    world.repository.content_type = "application/x-tar"
    assert (await world.error("/package/repository/add", {"name": "n", "uri": uri}))[1] == "UnsupportedContentType"
    redirected = await world.error("/package/repository/add", {"name": "n", "uri": f"{world.far}/far"})
    assert redirected[1] == "UnsupportedRedirect"
    assert (await world.ok("/package/repository/list", {}))["repositories"] == [
        {"name": "Universe", "uri": BUILTIN.uri}
    ]


async def test_redirects_are_followed(world: World) -> None:
    await world.ok("/package/repository/add", {"name": "n", "uri": f"{world.far}/moved"})
    await world.ok("/package/describe", {"packageName": "far"}, version=3)


async def test_failing_repository(world: World) -> None:
    """Without an earlier copy it fails what needs it; with one it is used."""
    await world.ok("/package/repository/add", {"name": "n", "uri": f"{world.far}/repo"})
    world.repository.status = 503
    world.shelf._fresh_s = 0.0
    await world.ok("/package/describe", {"packageName": "far"}, version=3)
    world.shelf.forget(())
    status, kind, data = await world.error("/package/search", {})
    assert (status, kind, data["clientStatus"]) == (500, "UniverseClientHttpError", 503)


async def test_what_is_left_out_is_listed(world: World) -> None:
    far = {"name": "far", "uri": f"{world.far}/repo"}
    await world.ok("/package/repository/add", far)
    own, shown = (await world.ok("/package/repository/status", {}))["repositories"]
    assert (own["name"], own["state"], own["form"], own["packages"]) == ("Universe", "good", "tree", 5)
    assert shown.pop("fetched").endswith("Z")
    reason = "Object missing required field `packagingVersion`"
    assert shown == far | {
        "state": "good", "form": "v4", "packages": 1, "versions": 1, "tooNew": [],
        "broken": [
            {"place": "/packages(1)", "name": "twisted", "version": "3", "reason": reason},
            {"place": "/packages(2)", "reason": reason},
        ],
    }  # fmt: skip
    status, kind, data = await world.error("/package/describe", {"packageName": "twisted"}, version=3)
    assert (status, kind) == (400, "PackageNotFound")
    assert data == {"packageName": "twisted", "broken": f"/packages(1): {reason}"}

    world.repository.status = 404
    world.shelf._fresh_s = 0.0
    _, shown = (await world.ok("/package/repository/status", {}))["repositories"]
    assert (shown["state"], shown["error"]["type"], shown["packages"]) == ("copy", "UniverseClientHttpError", 1)
    world.shelf.forget(())
    _, shown = (await world.ok("/package/repository/status", {}))["repositories"]
    assert (shown["state"], shown["packages"], shown["broken"]) == ("failed", 0, [])


async def test_a_slow_repository_is_not_waited_for_where_there_is_a_copy(world: World) -> None:
    """It is asked once, however many want it; its answer is used when it comes."""
    await world.ok("/package/repository/add", {"name": "n", "uri": f"{world.far}/repo"})
    world.shelf._fresh_s = 0.0
    world.shelf._patience_s = 0.01
    world.repository.gate = asyncio.Event()
    world.repository.packages = [package("far", "10", 2)]
    for _ in range(3):
        found = await world.ok("/package/describe", {"packageName": "far"}, version=3)
        assert found["package"]["version"] == "9"
    assert world.repository.fetched == 2
    world.repository.gate.set()
    world.shelf._patience_s = PATIENCE_S
    assert (await world.ok("/package/describe", {"packageName": "far"}, version=3))["package"]["version"] == "10"


async def test_zip_repository(world: World) -> None:
    world.repository.archive = zipped(package("packed", "1", 3))
    world.repository.content_type = "application/zip"
    await world.ok("/package/repository/add", {"name": "n", "uri": f"{world.far}/repo"})
    found = await world.ok("/package/describe", {"packageName": "packed"}, version=3)
    assert found["package"]["releaseVersion"] == 3


def zipped(one: Package) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        for name, data in to_files(one).items():
            out.writestr(f"repo/packages/{one.name[0].upper()}/{one.name}/{one.release_version}/{name}", data)
    return made.getvalue()


async def test_two_writers(world: World) -> None:
    """Somebody else writes between read and write."""
    other = RepositoryList((BUILTIN,), world.ensemble.session())
    await other.change(lambda entries: entries)

    before = world.store.set

    async def raced(path: str, data: bytes, *, version: int = -1) -> int:
        await other.change(lambda entries: entries)
        return await before(path, data, version=version)

    world.store.set = raced  # type: ignore[method-assign]
    assert (await world.error("/package/repository/delete", {"name": "Universe"}))[1] == "ConcurrentAccess"
