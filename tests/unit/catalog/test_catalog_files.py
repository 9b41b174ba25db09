"""Cosmos's API: files that packages name, and the repository that comes with it."""

from __future__ import annotations

import hashlib
import json

import aiohttp
import pytest

from dcos.catalog import command_line
from dcos.catalog.core.contents import Contents
from dcos.testing.packages import package
from tests.unit.catalog.world import World


async def test_resource(world: World) -> None:
    async with world.session.get(world.url + "/package/resource", params={"url": f"{world.far}/file.bin"}) as answer:
        assert (answer.status, await answer.read()) == (200, b"0123456789")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="file.bin"'
    async with world.session.get(world.url + "/package/resource", params={"url": f"{world.far}/repo"}) as answer:
        assert answer.status == 403
        assert json.loads(await answer.read())["type"] == "Forbidden"


async def test_a_file_of_the_catalogs_own(world: World) -> None:
    """It is given out here, and not told to other catalogs, which could not reach it."""
    archive = b"an archive"
    world.shelf.put(command_line.package(archive, "3.0.0"), {command_line.URL: archive})
    described = await world.ok("/package/describe", {"packageName": "dcos-core-cli"}, version=3)
    for system in ("linux", "darwin"):
        binary = described["package"]["resource"]["cli"]["binaries"][system]["x86-64"]
        assert binary["contentHash"] == [{"algo": "sha256", "value": hashlib.sha256(archive).hexdigest()}]
        async with world.session.get(binary["url"]) as answer:
            assert (answer.status, await answer.read()) == (200, archive)
            assert answer.headers["Content-Disposition"] == 'attachment; filename="dcos-core-cli.zip"'
    async with world.session.get(world.url + "/universe/repo") as answer:
        assert "dcos-core-cli" not in [one["name"] for one in (await answer.json(content_type=None))["packages"]]


async def test_resource_that_is_cut_short(world: World) -> None:
    """The client notices: nobody takes half a file for a whole one."""
    world.shelf.own = Contents((package("pic-ture", resource={"images": {"icon-small": f"{world.far}/cut"}}),))
    url = world.url + "/package/resource"
    with pytest.raises(aiohttp.ClientError):
        async with world.session.get(url, params={"url": f"{world.far}/cut"}) as answer:
            await answer.read()
    async with world.session.get(world.url + "/capabilities") as answer:
        assert answer.status == 200


@pytest.mark.parametrize("schema", [5, 4, 3])
async def test_builtin_repository_is_served(world: World, schema: int) -> None:
    """Packages for DC/OS before 1.10 (v3) are written in its way."""
    accept = f"application/vnd.dcos.universe.repo+json;charset=utf-8;version=v{schema}"
    async with world.session.get(world.url + "/universe/repo", headers={"Accept": accept}) as answer:
        assert answer.headers["Content-Type"] == accept
        packages = json.loads(await answer.read())["packages"]
    assert len(packages) == 5
    assert {one["packagingVersion"] for one in packages} == {"3.0" if schema == 3 else "4.0"}


@pytest.mark.parametrize(
    ("user_agent", "there"),
    [
        ("cosmos/1.0 dcos/1.12.4", False),
        ("cosmos/1.0 dcos/2.0.0-rc1", True),
        ("cosmos/1.0 dcos/10", True),
        ("curl", True),
    ],
)
async def test_packages_for_a_newer_release_are_not_offered(world: World, user_agent: str, there: bool) -> None:
    world.shelf.own = Contents((package("new-one", minDcosReleaseVersion="1.13"),))
    async with world.session.get(world.url + "/universe/repo", headers={"User-Agent": user_agent}) as answer:
        found = json.loads(await answer.read())["packages"]
    assert [one["name"] for one in found] == (["new-one"] if there else [])
