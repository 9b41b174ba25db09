"""Documents that a service tells about itself: the files of a folder of its package, and what is made from its types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from aiohttp import web

_TYPES = {".raml": "application/raml+yaml", ".json": "application/json"}


def folder(where: Path) -> dict[str, bytes]:
    """All files below ``where`` by their paths relative to it."""
    return {
        file.relative_to(where).as_posix(): file.read_bytes() for file in sorted(where.rglob("*")) if file.is_file()
    }


def add_routes(app: web.Application, prefix: str, documents: Callable[[], Mapping[str, bytes]]) -> None:
    """Serve ``documents`` by their paths below ``prefix``; they are made when somebody asks first."""
    made: dict[str, bytes] = {}

    async def get(request: web.Request) -> web.StreamResponse:
        if not made:
            made.update(documents())
        path = request.match_info["path"]
        if path not in made:
            raise web.HTTPNotFound
        return web.Response(body=made[path], content_type=_TYPES[Path(path).suffix], charset="utf-8")

    app.router.add_get(prefix + "/{path:.+}", get)
