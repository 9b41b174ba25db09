"""dcos-docker-gc: takes away what nobody uses any more of this node's Docker Engine. A timer starts it each hour.

Containers that are not running, images without a container, volumes without a name and without a container go when they were
so at the last run already, too: what was stopped or fetched within the hour is somebody's still. Volumes with a name stay:
somebody gave it. Containers of tasks are not touched: the agent removes them (``--docker_remove_delay``), for it knows how they
ended.
Source: DC/OS' docker-gc, which prunes at once.

Exit code 1: the Engine did not answer, or refused (what could be taken away is gone then).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from dcos.runtime import app as runtime
from dcos.runtime import http
from dcos.runtime.app import App, Exit
from dcos.runtime.files import write_atomic
from dcos.runtime.settings import boolean, duration, setting

EXIT_ENGINE = 1
_CONTAINERS, _IMAGES, _VOLUMES = "containers", "images", "volumes"
_RESTING = ("created", "exited", "dead")
_OF_TASKS = "/mesos-"
"""How names of tasks' containers begin."""
_WITHOUT_NAME = re.compile(r"[0-9a-f]{64}")
_GONE, _IN_USE = 404, 409

Idle = dict[str, tuple[str, ...]]
"""Ids by kind."""


class EngineError(Exception):
    """The Engine did not answer, or not well; the text says what it was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    enabled: bool = setting(True, "Whether anything is taken away.", parse=boolean)
    docker_socket: Path | None = setting(None, "Docker's socket. Default: /var/run/docker.sock.")
    folder: Path | None = setting(None, "Where it is kept what was idle. Default: docker-gc in /var/lib/dcos.")
    timeout: float = setting(120.0, "How long the Engine has to answer.", parse=duration)


class Engine:
    """What of Docker's API is needed.   Errors of all: EngineError."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def idle(self) -> Idle:
        containers = await self._get("/containers/json?all=true")
        images = await self._get("/images/json")
        volumes = (await self._get('/volumes?filters={"dangling":["true"]}')).get("Volumes") or []
        used = {one["ImageID"] for one in containers}
        return {
            _CONTAINERS: tuple(
                sorted(one["Id"] for one in containers if one["State"] in _RESTING and not _of_task(one))
            ),
            _IMAGES: tuple(sorted(name for one in images if one["Id"] not in used for name in _names(one))),
            _VOLUMES: tuple(sorted(one["Name"] for one in volumes if _WITHOUT_NAME.fullmatch(one["Name"]))),
        }

    async def remove(self, kind: str, id: str) -> bool:
        """False: it is in use (again), or gone. A container's volumes without a name go with it."""
        path = f"/{kind}/{quote(id, safe='')}{'?v=true' if kind == _CONTAINERS else ''}"
        try:
            async with self._session.delete(f"http://docker{path}") as answer:
                if answer.status in (_GONE, _IN_USE):
                    return False
                if answer.status >= 300:
                    raise EngineError(f"DELETE {path}: {answer.status} {(await answer.text())[:500].strip()}")
                return True
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EngineError(f"DELETE {path}: {error or type(error).__name__}") from error

    async def _get(self, path: str) -> Any:
        try:
            async with self._session.get(f"http://docker{path}") as answer:
                if answer.status != 200:
                    raise EngineError(f"GET {path}: {answer.status} {(await answer.text())[:500].strip()}")
                return msgspec.json.decode(await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
            raise EngineError(f"GET {path}: {error or type(error).__name__}") from error


def _of_task(container: Mapping[str, Any]) -> bool:
    return any(name.startswith(_OF_TASKS) for name in container.get("Names") or ())


def _names(image: Mapping[str, Any]) -> list[str]:
    """By which it is taken away: all its tags, else its digests, else its id."""
    tags = [tag for tag in image.get("RepoTags") or [] if tag != "<none>:<none>"]
    digests = [digest for digest in image.get("RepoDigests") or [] if not digest.startswith("<none>@")]
    return tags or digests or [image["Id"]]


def again(before: Mapping[str, tuple[str, ...]], now: Idle) -> Idle:
    """What was idle then and is now."""
    return {kind: tuple(id for id in ids if id in set(before.get(kind, ()))) for kind, ids in now.items()}


async def collect(engine: Engine, known: Path) -> dict[str, int]:
    """One run: how many of each kind were taken away.   Errors: EngineError, after everything was tried; OSError."""
    now = await engine.idle()
    removed: dict[str, int] = {}
    trouble: list[str] = []
    for kind, ids in again(_before(known), now).items():
        removed[kind] = 0
        for id in ids:
            try:
                removed[kind] += await engine.remove(kind, id)
            except EngineError as error:
                trouble.append(str(error))
    write_atomic(known, msgspec.json.encode(await engine.idle()), mode=0o600)
    if trouble:
        raise EngineError("; ".join(trouble))
    return removed


def _before(known: Path) -> Idle:
    try:
        return msgspec.json.decode(known.read_bytes(), type=Idle)
    except (OSError, msgspec.MsgspecError):
        return {}


async def run(app: App[Config]) -> None:
    config = app.config
    if app.layout.root != Path("/") and config.docker_socket is None:
        app.log.info("nothing_to_do", why="this node shares its machine, whose Docker Engine is not its own")
        return
    socket = config.docker_socket or Path("/var/run/docker.sock")
    if not config.enabled or not socket.exists():
        app.log.info(
            "nothing_to_do", why="there is no Docker Engine" if config.enabled else "enable_docker_gc is false"
        )
        return
    folder = config.folder or app.layout.state / "docker-gc"
    folder.mkdir(parents=True, exist_ok=True)
    async with http.session(timeout_s=config.timeout, unix=socket) as session:
        try:
            removed = await collect(Engine(session), folder / "idle.json")
        except EngineError as error:
            raise Exit(EXIT_ENGINE, str(error)) from error
    app.log.info("collected", **removed)


def main() -> int:
    return runtime.main("dcos-docker-gc", Config, run, prefix="DOCKER_GC_")
