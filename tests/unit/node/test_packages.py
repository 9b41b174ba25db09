"""Packages on a disk: ids, what is there, what is active; the API over it."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from dcos.node.packages.api import application
from dcos.node.packages.installed import PackageId, package_id


@pytest.fixture
def opt(tmp_path: Path) -> Path:
    for name in ("dcos--3.0.0-abc", "dcos--2.9", "dcos-config--setup_12", "notes", "a--"):
        (tmp_path / "packages" / name).mkdir(parents=True)
    (tmp_path / "packages/file--1").touch()
    (tmp_path / "active/dcos-metadata").mkdir(parents=True)
    for name, target in (
        ("dcos", "dcos--3.0.0-abc"), ("dcos-config", "dcos-config--setup_12"), ("gone", "gone--1")
    ):  # fmt: skip
        (tmp_path / "active" / name).symlink_to(f"../packages/{target}")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [("dcos--3.0", "dcos", "3.0"), ("a-b--c-d", "a-b", "c-d"), ("x--setup_1--2", "x", "setup_1--2")],
)
def test_ids(text: str, name: str, version: str) -> None:
    assert package_id(text) == PackageId(text, name, version)


@pytest.mark.parametrize("text", ["", "dcos", "--1", "a--", "a b--1", "../x--1", "a--1/../b--1"])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match="name--version"):
        package_id(text)


async def test_the_api_reads(opt: Path) -> None:
    async with TestClient(TestServer(application(opt))) as client:

        async def get(path: str) -> tuple[int, object]:
            async with client.get(path) as answer:
                return answer.status, await answer.json()

        assert await get("/repository/") == (200, ["dcos--2.9", "dcos--3.0.0-abc", "dcos-config--setup_12"])
        assert await get("/active/") == (200, ["dcos--3.0.0-abc", "dcos-config--setup_12"])
        one = {"id": "dcos--3.0.0-abc", "name": "dcos", "version": "3.0.0-abc"}
        assert await get("/active/dcos--3.0.0-abc") == (200, one)
        assert await get("/repository/dcos--2.9") == (200, {"id": "dcos--2.9", "name": "dcos", "version": "2.9"})
        assert await get("/active/dcos--2.9") == (404, {"error": "package dcos--2.9 is not active"})
        assert await get("/repository/x--1") == (404, {"error": "package x--1 is not on this node"})
        assert (await get("/repository/notes"))[0] == 404
        (opt / "packages/new--1").mkdir()
        assert (await get("/repository/new--1"))[0] == 200, "what changes on the disk is seen at once"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/repository/dcos--4"), ("DELETE", "/repository/dcos--2.9"), ("PUT", "/active/")],
)
async def test_the_api_changes_nothing(opt: Path, method: str, path: str) -> None:
    before = sorted(opt.rglob("*"))
    async with TestClient(TestServer(application(opt))) as client, client.request(method, path, json=[]) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
        assert "dcos_install.sh" in (await answer.json())["error"]
    assert sorted(opt.rglob("*")) == before
