"""``/node/diagnostics`` of every node, ``/diagnostics`` and ``/report/diagnostics`` of masters, below ``/system/health/v1``.

Source: dcos-diagnostics's bundle API of 2.x, and the one before it that older command lines use.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from dcos.node.bundles.making import Make, Making
from dcos.node.bundles.nodes import NodeAway, NodeRefused, Nodes
from dcos.node.bundles.store import Exists, NoRoom
from dcos.node.core.bundle import OVER, WITHOUT_FILE, Bundle, Kind, Status, is_id, time_text
from dcos.node.core.report import Target
from dcos.registry import NodeRole
from dcos.runtime import http
from dcos.runtime.clock import Clock

BASE = "/system/health/v1"
Targets = Callable[[], Awaitable[Sequence[Target]]]
MakeOf = Callable[[Sequence[Target]], Make]


class Wish(msgspec.Struct, frozen=True):
    """Body of a PUT."""

    masters: bool = True
    agents: bool = True


class _Nodes(msgspec.Struct, frozen=True):
    """Body of the older API."""

    nodes: list[str] = []


def refused(status: int, text: str) -> web.Response:
    return http.json_response({"code": status, "error": text}, status=status)


class NodeApi:
    """This node's own. ``make`` collects."""

    def __init__(self, making: Making, make: Make) -> None:
        self.making = making
        self._make = make

    def add_to(self, router: web.UrlDispatcher) -> None:
        path = f"{BASE}/node/diagnostics"
        router.add_get(path, self._list)
        router.add_put(f"{path}/{{id}}", self._put)
        router.add_get(f"{path}/{{id}}", self._get)
        router.add_delete(f"{path}/{{id}}", self._delete)
        router.add_get(f"{path}/{{id}}/file", self._file)

    async def _list(self, _: web.Request) -> web.Response:
        return http.json_response(self.making.store.all())

    async def _put(self, request: web.Request) -> web.Response:
        return begin(self.making, request.match_info["id"], Kind.LOCAL, self._make)

    async def _get(self, request: web.Request) -> web.Response:
        found = self.making.store.get(request.match_info["id"])
        return http.json_response(found) if found is not None else _unknown(request.match_info["id"])

    async def _delete(self, request: web.Request) -> web.Response:
        found = self.making.store.get(request.match_info["id"])
        if found is None:
            return _unknown(request.match_info["id"])
        return http.json_response(await self.making.remove(found))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        found = self.making.store.get(request.match_info["id"])
        if found is None:
            return _unknown(request.match_info["id"])
        if found.status in WITHOUT_FILE:
            return refused(410, f"bundle {found.id} has no file: it is {found.status}")
        if found.status is not Status.DONE:
            return refused(404, f"bundle {found.id} is not done yet: it is {found.status}")
        return web.FileResponse(self.making.store.file(found.id), headers=_attachment(found.id))


def begin(making: Making, id: str, kind: Kind, make: Make) -> web.Response:
    if not is_id(id):
        return refused(400, "id: must be letters, digits, '.', '_' and '-', at most 100")
    try:
        return http.json_response(making.begin(id, kind, make))
    except Exists:
        return refused(409, f"bundle {id} already exists")
    except NoRoom as error:
        return refused(507, str(error))


def _unknown(id: str) -> web.Response:
    return refused(404, f"bundle {id} not found")


def _attachment(id: str) -> dict[str, str]:
    return {"Content-Type": "application/zip", "Content-Disposition": f"attachment; filename={id}.zip"}


class ClusterApi:
    """``own``: this master's address."""

    def __init__(self, making: Making, nodes: Nodes, targets: Targets, make: MakeOf, *, own: str, clock: Clock) -> None:
        self._making = making
        self._nodes = nodes
        self._targets = targets
        self._make = make
        self._own = own
        self._clock = clock

    def add_to(self, router: web.UrlDispatcher) -> None:
        path = f"{BASE}/diagnostics"
        router.add_get(path, self._list)
        router.add_put(f"{path}/{{id}}", self._put)
        router.add_get(f"{path}/{{id}}", self._get)
        router.add_delete(f"{path}/{{id}}", self._delete)
        router.add_get(f"{path}/{{id}}/file", self._file)
        old = f"{BASE}/report/diagnostics"
        router.add_post(f"{old}/create", self._old_create)
        router.add_post(f"{old}/cancel", self._old_cancel)
        router.add_get(f"{old}/status", self._old_status)
        router.add_get(f"{old}/status/all", self._old_status_all)
        router.add_get(f"{old}/list", self._old_list)
        router.add_get(f"{old}/list/all", self._old_list_all)
        router.add_get(f"{old}/serve/{{file}}", self._old_serve)
        router.add_post(f"{old}/delete/{{file}}", self._old_delete)

    # ---- whose it is

    async def _masters(self) -> list[Target]:
        return [one for one in await self._targets() if one.role is NodeRole.MASTER]

    async def _of_masters(self) -> dict[str, list[Bundle]]:
        """Bundles of the cluster by the master that has them; masters that do not answer are left out."""
        found: dict[str, list[Bundle]] = {}
        for master in await self._masters():
            if master.ip == self._own:
                bundles = self._making.store.all()
            else:
                try:
                    bundles = await self._nodes.all(master)
                except NodeAway:
                    continue
            found[master.ip] = [bundle for bundle in bundles if bundle.type is Kind.CLUSTER]
        return found

    async def _where(self, id: str) -> tuple[Target | None, Bundle] | None:
        """(the master that has it, None for this one; the bundle)."""
        own = self._making.store.get(id)
        if own is not None and own.type is Kind.CLUSTER:
            return None, own
        for master in await self._masters():
            if master.ip == self._own:
                continue
            try:
                found = await self._nodes.get(master, id)
            except NodeAway:
                continue
            if found.type is Kind.CLUSTER:
                return master, found
        return None

    # ---- today's API

    async def _list(self, _: web.Request) -> web.Response:
        found = [bundle for bundles in (await self._of_masters()).values() for bundle in bundles]
        return http.json_response(sorted(found, key=lambda one: (one.started_at, one.id)))

    async def _put(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            wish = msgspec.json.decode(body, type=Wish) if body.strip() else Wish()
        except msgspec.MsgspecError as error:
            return refused(400, f"body: {error}")
        id = request.match_info["id"]
        if await self._where(id) is not None:
            return refused(409, f"bundle {id} already exists")
        targets = [
            one for one in await self._targets() if (wish.masters if one.role is NodeRole.MASTER else wish.agents)
        ]
        return begin(self._making, id, Kind.CLUSTER, self._make(targets))

    async def _get(self, request: web.Request) -> web.Response:
        found = await self._where(request.match_info["id"])
        return http.json_response(found[1]) if found is not None else _unknown(request.match_info["id"])

    async def _delete(self, request: web.Request) -> web.Response:
        found = await self._where(request.match_info["id"])
        if found is None:
            return _unknown(request.match_info["id"])
        return http.json_response(await self._removed(*found))

    async def _removed(self, master: Target | None, bundle: Bundle) -> Bundle:
        if master is None:
            return await self._making.remove(bundle)
        return await self._nodes.remove(master, bundle.id)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return await self._sent(request, request.match_info["id"])

    async def _sent(self, request: web.Request, id: str) -> web.StreamResponse:
        found = await self._where(id)
        if found is None:
            return _unknown(id)
        master, bundle = found
        if bundle.status in WITHOUT_FILE:
            return refused(410, f"bundle {id} has no file: it is {bundle.status}")
        if bundle.status is not Status.DONE:
            return refused(404, f"bundle {id} is not done yet: it is {bundle.status}")
        if master is None:
            return web.FileResponse(self._making.store.file(id), headers=_attachment(id))
        pieces = self._nodes.file(master, id)
        try:
            return await _passed_on(request, pieces, id)
        except NodeAway as error:
            return refused(error.status if isinstance(error, NodeRefused) else 502, str(error))

    # ---- the API before it

    def _old(self, status: int, text: str, **extra: Any) -> web.Response:
        body: dict[str, Any] = {"response_http_code": status, "version": 1, "status": text, "errors": None}
        if status >= 400:
            body["errors"] = [text]
        if extra:
            body["extra"] = extra
        return http.json_response(body, status=status)

    async def _old_create(self, request: web.Request) -> web.Response:
        try:
            wish = msgspec.json.decode(await request.read(), type=_Nodes)
        except msgspec.MsgspecError as error:
            return self._old(400, f"body: {error}")
        if self._making.running(Kind.CLUSTER):
            return self._old(503, "Job is already running")
        known = await self._targets()
        chosen: dict[str, Target] = {}
        for word in wish.nodes:
            found = [one for one in known if _is_meant(word, one)]
            if not found:
                return self._old(404, f"nodes: {word!r} is none of this cluster")
            chosen.update((one.ip, one) for one in found)
        if not chosen:
            return self._old(400, "nodes: must name some: all, masters, agents, addresses or Mesos ids")
        now = self._clock.now()
        id = f"bundle-{time_text(now)[:10]}-{int(now)}"
        try:
            self._making.begin(id, Kind.CLUSTER, self._make(list(chosen.values())))
        except Exists:
            return self._old(503, "Job is already running")
        except NoRoom as error:
            return self._old(507, str(error))
        return self._old(200, "Job has been successfully started", bundle_name=f"{id}.zip")

    async def _old_cancel(self, _: web.Request) -> web.Response:
        running = self._making.running(Kind.CLUSTER)
        if not running:
            return self._old(503, "No running jobs")
        for bundle in running:
            await self._making.remove(bundle)
        return self._old(200, "Attempting to cancel a job, please check job status.")

    def _status(self, bundles: Sequence[Bundle]) -> dict[str, Any]:
        newest = max(bundles, key=lambda one: one.started_at, default=None)
        folder = str(self._making.store.folder)
        found = os.statvfs(folder)
        return {
            "is_running": any(one.status not in OVER for one in bundles),
            "status": str(newest.status) if newest is not None else "",
            "errors": newest.errors if newest is not None else [],
            "last_bundle_dir": f"{folder}/{newest.id}" if newest is not None else "",
            "job_started": newest.started_at if newest is not None else "",
            "job_ended": newest.stopped_at if newest is not None else "",
            "job_duration": "",
            "job_progress_percentage": 0 if newest is None or newest.status not in OVER else 100,
            "diagnostics_bundle_dir": folder,
            "diagnostics_job_timeout_min": 30,
            "diagnostics_partition_disk_usage_percent": round(100 * (1 - found.f_bavail / max(1, found.f_blocks)), 1),
        }

    async def _old_status(self, _: web.Request) -> web.Response:
        own = [one for one in self._making.store.all() if one.type is Kind.CLUSTER]
        return http.json_response(self._status(own))

    async def _old_status_all(self, _: web.Request) -> web.Response:
        return http.json_response({ip: self._status(found) for ip, found in (await self._of_masters()).items()})

    async def _old_list(self, _: web.Request) -> web.Response:
        return http.json_response(_listed(one for one in self._making.store.all() if one.type is Kind.CLUSTER))

    async def _old_list_all(self, _: web.Request) -> web.Response:
        return http.json_response({ip: _listed(found) for ip, found in (await self._of_masters()).items()})

    async def _old_serve(self, request: web.Request) -> web.StreamResponse:
        return await self._sent(request, request.match_info["file"].removesuffix(".zip"))

    async def _old_delete(self, request: web.Request) -> web.Response:
        name = request.match_info["file"]
        if not name.startswith("bundle-") or not name.endswith(".zip"):
            return self._old(400, f"{name!r} must be called bundle-*.zip")
        found = await self._where(name.removesuffix(".zip"))
        if found is None or found[1].status is Status.DELETED:
            return self._old(404, f"Bundle not found {name}")
        await self._removed(*found)
        return self._old(200, f"Deleted {name}")


def _is_meant(word: str, target: Target) -> bool:
    if word in ("masters", "agents"):
        return (word == "masters") is (target.role is NodeRole.MASTER)
    return word == "all" or (word != "" and word in (target.ip, target.mesos_id))


def _listed(bundles: Any) -> list[dict[str, Any]]:
    return [{"file_name": f"{one.id}.zip", "file_size": one.size} for one in bundles if one.status is Status.DONE]


async def _passed_on(request: web.Request, pieces: AsyncIterator[bytes], id: str) -> web.StreamResponse:
    """Errors: NodeRefused, NodeAway (before anything was sent)."""
    answer = web.StreamResponse(headers=_attachment(id))
    async for piece in pieces:
        if not answer.prepared:
            await answer.prepare(request)
        await answer.write(piece)
    if not answer.prepared:
        await answer.prepare(request)
    await answer.write_eof()
    return answer
