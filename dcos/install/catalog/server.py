"""Serve a catalog's folder: ``/repo`` for ``dcos package repo add``, ``/files/`` for what packages need.

Each client gets the packages that its DC/OS runs (``dcos/<release>`` in its User-Agent) in the newest form that it takes.
Reads only, lists nothing, asks nobody who they are: for a network that may read all of it.   Source: the server of Universe.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from dcos.catalog.core.contents import Contents
from dcos.catalog.fetch import SCHEMAS
from dcos.catalog.repository import read_tree
from dcos.install.catalog.folder import FILES
from dcos.install.catalog.sources import EVERY_RELEASE
from dcos.runtime import http
from dcos.wire.cosmos import negotiate, universe_repository
from dcos.wire.errors import WireError
from dcos.wire.universe import runs_on, to_json

REPO: Final = "/repo"
_RELEASE = re.compile(r"(?:^|\s)dcos/([0-9][0-9.]*)")
_OFFERED: Final = tuple(universe_repository(schema) for schema in SCHEMAS)


class CatalogServer:
    """The folder is read again when its packages change, a look at most once a request."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: float | None = None
        self._contents = Contents()

    def application(self) -> web.Application:
        app = http.application()
        app.router.add_get(REPO, self._repo)
        app.router.add_get("/", self._hello)
        (self._folder / FILES).mkdir(exist_ok=True)
        app.router.add_static(f"/{FILES}", self._folder / FILES)
        return app

    async def contents(self) -> Contents:
        """All packages, for whatever release."""
        changed = await asyncio.to_thread(_changed, self._folder)
        if changed != self._seen:
            self._contents = await asyncio.to_thread(read_tree, self._folder, EVERY_RELEASE)
            self._seen = changed
        return self._contents

    async def _repo(self, request: web.Request) -> web.Response:
        try:
            kind = negotiate(_OFFERED, request.headers.get("Accept"))
        except WireError:
            kind = None
        if kind is None:
            return web.Response(status=406, text=f"this catalog has {', '.join(map(str, _OFFERED))}\n")
        schema = SCHEMAS[_OFFERED.index(kind)]
        named = _RELEASE.search(request.headers.get("User-Agent", ""))
        release = named[1] if named else EVERY_RELEASE
        packages = (await self.contents()).packages
        shown = [to_json(one) for one in packages if one.schema <= schema and runs_on(one, release)]
        answer = web.Response(body=msgspec.json.encode({"packages": shown}), headers={"Content-Type": str(kind)})
        answer.enable_compression()
        return answer

    async def _hello(self, request: web.Request) -> web.Response:
        number = len((await self.contents()).packages)
        return web.Response(
            text=f"a catalog of {number} package versions: dcos package repo add NAME http://{request.host}{REPO}\n"
        )


def _changed(folder: Path) -> float:
    """When the tree of packages last changed."""
    return max(
        (one.stat().st_mtime for one in [folder / "repo", *folder.glob("repo/packages/**/*")] if one.exists()),
        default=0,
    )


async def serve(folder: Path, address: str, port: int, ready: Callable[[str, int], None]) -> None:
    """Until cancelled. ``ready``: called with where it listens.   Errors: OSError."""
    server = CatalogServer(folder)
    async with http.listen(server.application(), host=address, port=port) as (host, number):
        ready(host, number)
        await asyncio.Event().wait()
