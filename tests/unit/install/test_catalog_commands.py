"""``dcos-install catalog``: from a new package to a catalog that another reads, with its files and image names changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner, Result

from dcos.install.catalog import folder, mirror, server, sources
from dcos.install.main import cli
from dcos.install.serve import serving
from dcos.testing.packages import package
from dcos.wire.cosmos import universe_repository
from dcos.wire.universe import to_json


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["catalog", *map(str, words)])


def test_from_new_to_a_catalog(tmp_path: Path) -> None:
    made = run("new", "my-service", "--to", tmp_path)
    assert made.exit_code == 0, made.output
    linted = run("lint", "--strict", tmp_path / "my-service")
    assert (linted.exit_code, linted.output) == (0, "1 package versions: 0 errors, 0 warnings\n")
    tried = run("test", tmp_path / "my-service")
    assert tried.exit_code == 0
    assert "1 render with their defaults" in tried.output
    assert "0 fail" in tried.output
    again = run("new", "my-service", "--to", tmp_path)
    assert (again.exit_code, "is there already" in again.output) == (1, True)
    assert "must match" in run("new", "My", "--to", tmp_path).output

    catalog = tmp_path / "catalog"
    built = run(
        "build", tmp_path / "my-service", "--to", catalog, "--zip", tmp_path / "c.zip", "--json", tmp_path / "c.json"
    )
    assert built.output == f"{catalog}: 1 package versions written\n"
    for source in (catalog, tmp_path / "c.zip", tmp_path / "c.json"):
        assert [one.name for one in sources.read(str(source)).packages] == ["my-service"]
    assert "is not empty" in run("build", tmp_path / "my-service", "--to", catalog).output
    assert run("add", tmp_path / "c.zip", "--to", catalog, "-p", "my-service=0.1.0").exit_code == 0
    assert "there is no package other" in run("add", tmp_path / "c.zip", "--to", catalog, "-p", "other").output
    assert run("add", tmp_path / "missing.zip", "--to", catalog).exit_code == 1


def test_choosing() -> None:
    packages = (package("a-a", "1", 0), package("a-a", "2", 1), package("b-b", "1", 0))
    assert [one.version for one in sources.chosen(packages, ["a-a"], latest=True)] == ["2"]
    assert [one.version for one in sources.chosen(packages, ["a-a=1", "b-b"], latest=False)] == ["1", "1"]
    assert len(sources.chosen(packages, [], latest=False)) == 3


def test_what_is_broken_fails(tmp_path: Path) -> None:
    good = package("good", template='{"id": "x" {{#on}},{{/on}}}', config={"properties": {"on": {"type": "boolean"}}})
    file = tmp_path / "repo.json"
    file.write_text(json.dumps({"packages": [to_json(good), {"name": "bad"}]}))
    tried = run("test", file)
    assert tried.exit_code == 1
    assert "FAIL good 1.0: every option: JsonParsingError" in tried.output
    assert "left out" in tried.output
    shown = json.loads(CliRunner().invoke(cli, ["catalog", "test", "--json", str(file)]).stdout)
    assert shown[0]["name"] == "good"
    assert run("lint", file).exit_code == 1


def resources(url: str, sha256: str) -> dict[str, Any]:
    binary = {"url": f"{url}/tool", "kind": "executable", "contentHash": [{"algo": "sha256", "value": sha256}]}
    return {
        "images": {"icon-small": f"{url}/a%20b.png", "icon-large": "data:x,y"},
        "assets": {"uris": {"jar": f"{url}/gone.jar"}, "container": {"docker": {"main": "nginx:1.25"}}},
        "cli": {"binaries": {"linux": {"x86-64": binary}}},
    }


def test_mirror(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www/a b.png").write_bytes(b"png")
    (tmp_path / "www/tool").write_bytes(b"tool")
    sha256 = hashlib.sha256(b"tool").hexdigest()
    copied: list[str] = []

    def copy(image: str) -> str:
        copied.append(image)
        return mirror.name_in("reg:5000", image)

    config = {
        "properties": {
            "docker_image": {"type": "string", "default": "quay.io/a/b:2"},
            "image_pull": {"type": "boolean"},
        }
    }
    with serving(tmp_path / "www", "127.0.0.1") as port:
        url = f"http://127.0.0.1:{port}"
        literal = '{"id": "x", "container": {"docker": {"image": "redis:7"}}, "y": {"image": "{{docker_image}}"}}'
        one = package("with-all", resource=resources(url, sha256), template=literal, config=config)
        wrong = package("wrong-hash", resource={"cli": resources(f"{url}/", "0" * 64)["cli"]})
        said: list[str] = []
        done = mirror.mirrored(
            [one, wrong], tmp_path / "c", url="http://cat:8080/", max_bytes=1000, copy=copy, say=said.append
        )
    assert (done.files, done.images) == (2, 3)
    assert copied == ["nginx:1.25", "redis:7", "quay.io/a/b:2"]
    assert ["HTTP status 404" in text for text in done.missing] == [True, False]
    assert "its package says 000" in done.missing[1]
    changed, left = done.packages
    assert changed.resource is not None
    assert left.resource == wrong.resource
    icon = changed.resource["images"]["icon-small"]
    place = tmp_path / "c/files" / icon.removeprefix("http://cat:8080/files/").replace("%20", " ")
    assert place.read_bytes() == b"png"
    assert changed.resource["images"]["icon-large"] == "data:x,y"
    assert changed.resource["assets"]["uris"] == {"jar": f"{url}/gone.jar"}
    assert changed.resource["assets"]["container"] == {"docker": {"main": "reg:5000/nginx:1.25"}}
    assert '"image": "reg:5000/redis:7"' in (changed.template or "")
    assert '"image": "{{docker_image}}"' in (changed.template or "")
    assert changed.config is not None
    assert changed.config["properties"]["docker_image"]["default"] == "reg:5000/quay.io/a/b:2"

    folder.write(tmp_path / "c", done.packages)
    again = mirror.mirrored(sources.read(str(tmp_path / "c")).packages, tmp_path / "c", url="http://cat:8080", max_bytes=9,
                            copy=None, say=said.append)  # fmt: skip
    assert again.files == 0
    with serving(tmp_path / "www", "127.0.0.1") as port:
        tall = package("tall", resource={"images": {"icon-small": f"http://127.0.0.1:{port}/tool"}})
        done = mirror.mirrored([tall], tmp_path / "d", url="http://c", max_bytes=3, copy=None, say=said.append)
    assert "larger than 3 bytes" in done.missing[0]
    assert not [one for one in (tmp_path / "d").rglob("*") if one.is_file()]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "r:5/nginx"),
        ("a/b:1", "r:5/a/b:1"),
        ("docker.io/a/b:1", "r:5/a/b:1"),
        ("quay.io/a/b:1", "r:5/quay.io/a/b:1"),
        ("localhost:5000/b", "r:5/localhost_5000/b"),
    ],
)
def test_names_of_images(image: str, name: str) -> None:
    assert mirror.name_in("r:5", image) == name


async def test_serve(tmp_path: Path) -> None:
    old = package("o-o", packagingVersion="3.0")
    folder.write(tmp_path, [old, package("new", minDcosReleaseVersion="2.2"), package("mid")])
    (tmp_path / "files").mkdir()
    (tmp_path / "files/one").write_bytes(b"1")
    where: asyncio.Queue[str] = asyncio.Queue()
    serving_it = asyncio.create_task(
        server.serve(tmp_path, "127.0.0.1", 0, lambda host, port: where.put_nowait(f"http://{host}:{port}"))
    )
    url = await where.get()

    async def names(schema: int, agent: str) -> list[str]:
        headers = {"Accept": str(universe_repository(schema)), "User-Agent": agent}
        async with session.get(f"{url}/repo", headers=headers) as answer:
            assert answer.headers["Content-Type"] == headers["Accept"]
            return sorted(one["name"] for one in (await answer.json(content_type=None))["packages"])

    async with aiohttp.ClientSession() as session:
        assert await names(5, "curl") == ["mid", "new", "o-o"]
        assert await names(5, "cosmos/0.8 dcos/2.1") == ["mid", "o-o"]
        assert await names(3, "cosmos/0.8 dcos/2.2.0") == ["o-o"]
        async with session.get(f"{url}/repo", headers={"Accept": "text/html"}) as answer:
            assert answer.status == 406
        async with session.get(f"{url}/files/one") as answer:
            assert await answer.read() == b"1"
        async with session.get(f"{url}/files/") as answer:
            assert answer.status == 403
        folder.write(tmp_path, [package("later")])
        assert "later" in await names(5, "curl")
    serving_it.cancel()
    await asyncio.gather(serving_it, return_exceptions=True)
