"""``/exhibitor/v1/explorer``: ZooKeeper's nodes, to look at and, where that is allowed, to change.

Nodes are read as anybody: what an access list hides stays hidden. Changes are for procedures that clean up behind a framework.
Source: Exhibitor 1.7 REST.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from dcos.exhibitor.activity import Activity
from dcos.runtime import http
from dcos.store.base import NoNode, Store, StoreError
from dcos.store.zookeeper import connect, read_with_stat

_LONGEST_S = 20.0
_TRACKED = ("netflix-user-name", "netflix-ticket-number", "netflix-reason")
_NOT_FOUND = {"bytes": "", "str": "", "stat": "* not found * "}


class Explorer:
    """``address`` of the own ZooKeeper; each request has a session of its own."""

    def __init__(self, address: str, activity: Activity, *, may_change: bool) -> None:
        self.may_change = may_change
        self._address = address
        self._activity = activity

    def add_routes(self, app: web.Application, base: str) -> None:
        app.router.add_get(f"{base}/explorer/node", self._children)
        app.router.add_get(f"{base}/explorer/node-data", self._data)
        app.router.add_put(f"{base}/explorer/znode/{{path:.*}}", self._put)
        app.router.add_delete(f"{base}/explorer/znode/{{path:.*}}", self._delete)

    async def _children(self, request: web.Request) -> web.Response:
        key = request.query.get("key", "/")
        try:
            names = await self._with(lambda store: store.children(key))
            if names is None:
                raise NoNode(key)
        except (StoreError, TimeoutError, ValueError) as error:
            self._activity.error("explorer", f"no children of {key}: {error}")
            return http.json_response([{"title": "* Exception *", "key": "*", "isLazy": False, "expand": False}])
        below = key.rstrip("/")
        return http.json_response(
            [{"title": name, "key": f"{below}/{name}", "isLazy": True, "expand": False} for name in names]
        )

    async def _data(self, request: web.Request) -> web.Response:
        key = request.query.get("key", "/")
        try:
            found = await self._with(lambda store: read_with_stat(store, key))
        except (StoreError, TimeoutError, ValueError) as error:
            return http.json_response({"bytes": "", "str": "Exception", "stat": str(error)})
        if found is None:
            return http.json_response(_NOT_FOUND)
        data, stat = found
        about = {
            "bytes": "".join(f"{byte:x} " for byte in data),
            "str": data.decode(errors="replace"),
            "stat": ", ".join(f"{name}: {value}" for name, value in stat.items()),
        }
        return http.json_response(about)

    async def _put(self, request: web.Request) -> web.Response:
        path = f"/{request.match_info['path']}"
        text = (await request.text()).strip().strip('"')

        async def change(store: Store) -> None:
            data = bytes.fromhex(text)
            try:
                await store.set(path, data)
            except NoNode:
                await store.create(path, data, parents=True)

        return await self._change("put", path, request, change)

    async def _delete(self, request: web.Request) -> web.Response:
        path = f"/{request.match_info['path']}"
        return await self._change("delete", path, request, lambda store: store.delete(path, recursive=True))

    async def _change(
        self, verb: str, path: str, request: web.Request, change: Callable[[Store], Awaitable[None]]
    ) -> web.Response:
        who = ", ".join(f"{name}: {request.headers[name]}" for name in _TRACKED if name in request.headers)
        self._activity.info("explorer", f"{verb} {path} ({who or 'nobody named'})")
        if not self.may_change:
            return web.Response(status=403)
        try:
            await self._with(change)
        except (StoreError, TimeoutError, ValueError) as error:
            return http.json_response({"message": str(error) or type(error).__name__, "succeeded": False})
        return http.json_response({"message": "OK", "succeeded": True})

    async def _with(self, use: Callable[[Store], Awaitable[Any]]) -> Any:
        """Errors: StoreError, TimeoutError; ValueError (a path that cannot be)."""
        async with asyncio.timeout(_LONGEST_S):
            store = await connect(self._address)
            try:
                return await use(store)
            finally:
                await store.close()
