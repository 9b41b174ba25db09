"""Which containers, images and volumes go: over an Engine in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dcos.node.docker_gc import Engine, EngineError, again, collect
from dcos.runtime import http
from dcos.runtime.unix_sockets import listening

A64, B64 = "a" * 64, "b" * 64


class Docker:
    """Docker's API over three lists."""

    def __init__(self) -> None:
        self.containers = {"c1": ("exited", "i1"), "c2": ("running", "i2"), "mesos-c": ("exited", "i6")}
        self.images: dict[str, list[str]] = {
            "i6": ["task:1"],
            "i1": ["one:1"],
            "i2": ["two:1"],
            "i3": ["three:1", "three:2"],
            "i4": [],
        }
        self.volumes = [A64, "named"]
        self.refuse: dict[str, int] = {}
        self.deleted: list[str] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/containers/json", self._containers)
        app.router.add_get("/images/json", self._images)
        app.router.add_get("/volumes", self._volumes)
        app.router.add_delete("/{kind}/{id}", self._delete)
        return app

    async def _containers(self, request: web.Request) -> web.Response:
        assert request.query["all"] == "true"
        return web.json_response(
            [
                {"Id": id, "Names": [f"/{id}"], "State": state, "ImageID": image}
                for id, (state, image) in self.containers.items()
            ]
        )

    async def _images(self, request: web.Request) -> web.Response:
        return web.json_response(
            [{"Id": id, "RepoTags": tags or ["<none>:<none>"], "RepoDigests": None} for id, tags in self.images.items()]
        )

    async def _volumes(self, request: web.Request) -> web.Response:
        assert json.loads(request.query["filters"]) == {"dangling": ["true"]}
        return web.json_response({"Volumes": [{"Name": name} for name in self.volumes] or None})

    async def _delete(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        if id in self.refuse:
            return web.json_response({"message": "no"}, status=self.refuse[id])
        self.deleted.append(id)
        self.containers.pop(id, None)
        self.volumes = [name for name in self.volumes if name != id]
        self.images = {
            image: [tag for tag in tags if tag != id]
            for image, tags in self.images.items()
            if image != id and tags != [id]
        }
        return web.json_response([], status=200)


async def run(docker: Docker, folder: Path) -> dict[str, Any]:
    path = folder / "docker.sock"
    path.unlink(missing_ok=True)
    async with http.listen_on(docker.application(), listening(path)), http.session(unix=path) as session:
        return await collect(Engine(session), folder / "idle.json")


async def test_what_was_idle_for_two_runs_goes(tmp_path: Path) -> None:
    docker = Docker()
    assert await run(docker, tmp_path) == {"containers": 0, "images": 0, "volumes": 0}
    assert docker.deleted == []
    docker.images["i5"] = ["fetched:just-now"]
    docker.volumes.append(B64)
    assert await run(docker, tmp_path) == {"containers": 1, "images": 3, "volumes": 1}
    assert sorted(docker.deleted) == sorted(["c1", "three:1", "three:2", "i4", A64])
    docker.deleted.clear()
    await run(docker, tmp_path)  # one:1 lost its container only then
    assert sorted(docker.deleted) == sorted(["fetched:just-now", "one:1", B64])
    assert docker.containers == {"c2": ("running", "i2"), "mesos-c": ("exited", "i6")}, "the agent has those of tasks"
    assert docker.volumes == ["named"]


async def test_what_is_used_again_stays_and_trouble_stops_nothing(tmp_path: Path) -> None:
    docker = Docker()
    await run(docker, tmp_path)
    docker.containers["c3"] = ("running", "i3")
    docker.refuse = {"c1": 409, A64: 404, "i4": 500}
    with pytest.raises(EngineError, match="DELETE /images/i4: 500"):
        await run(docker, tmp_path)
    assert docker.deleted == []
    docker.refuse = {}
    assert (await run(docker, tmp_path))["images"] == 1


async def test_an_engine_that_tells_something_else_is_trouble(tmp_path: Path) -> None:
    async def down(request: web.Request) -> web.Response:
        return web.Response(status=503, text="starting")

    app = web.Application()
    app.router.add_get("/{any:.*}", down)
    path = tmp_path / "docker.sock"
    async with http.listen_on(app, listening(path)), http.session(unix=path) as session:
        with pytest.raises(EngineError, match="503 starting"):
            await collect(Engine(session), tmp_path / "idle.json")


def test_a_file_that_cannot_be_read_is_a_first_run() -> None:
    assert again({}, {"images": ("a",)}) == {"images": ()}
    assert again({"images": ("b", "a")}, {"images": ("a", "c")}) == {"images": ("a",)}
