"""What Marathon keeps in ZooKeeper, below ``<zk>/state``.

    schema                       the layout's number
    epoch                        moved by each leader (dcos.store.election)
    journal                      marker of the last transaction: tells after a broken connection whether it happened
    framework-id
    app/<bucket>/<key>           data: the wanted version, empty once removed
    app/<bucket>/<key>/<version> one document per version
    group/<key>                  key of the root: _
    instance/<bucket>/<id>
    deployment/<id>
    task-failure/<bucket>/<key>

``key`` is the id with ``_`` for ``/``; buckets are 0-f. Documents are JSON, deflated from 4 KB on. Each batch of effects is
one transaction (several, parts first, when it is too big for one) that fails unless we still lead.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from dcos.marathon.core import effects
from dcos.marathon.core.state import State
from dcos.model.marathon import App
from dcos.model.marathon_state import Deployment, Group, Instance, TaskFailure
from dcos.scheduling import ids
from dcos.store.base import BadVersion, Create, Delete, Disconnected, NodeExists, NoNode, Operation, Set, Store
from dcos.store.election import Epoch
from dcos.store.tree import join

SCHEMA = 1
DEFLATE_FROM = 4096
MAX_BATCH_BYTES = 500_000
MAX_BATCH_OPERATIONS = 500
_BUCKETS = "0123456789abcdef"
_ROOT_KEY = "_"
_BUCKETED = ("app", "instance", "task-failure")
_PARALLEL = 64

D = TypeVar("D", bound=msgspec.Struct)


class SchemaTooNew(Exception):
    """A newer Marathon wrote this state."""


class Deposed(Exception):
    """Somebody else leads: our write was refused."""


def encode(document: Any) -> bytes:
    raw = msgspec.json.encode(document)
    return zlib.compress(raw) if len(raw) >= DEFLATE_FROM else raw


def decode(raw: bytes, kind: type[D]) -> D:
    return msgspec.json.decode(raw if raw[:1] == b"{" else zlib.decompress(raw), type=kind)


def upgrade(schema: int, tree: dict[str, bytes]) -> dict[str, bytes]:
    """All nodes (relative path to data) in today's layout.   Errors: SchemaTooNew."""
    if schema > SCHEMA:
        raise SchemaTooNew(f"the stored state has schema {schema}, this version knows {SCHEMA}")
    return tree


def bucket(key: str) -> str:
    return _BUCKETS[zlib.crc32(key.encode()) & 15]


class Repository:
    """The stored state under ``base`` (``<zk>/state``). Reading is for any process, writing needs an epoch."""

    def __init__(self, store: Store, base: str, *, marker: str) -> None:
        self._store = store
        self._base = base
        self._marker = marker
        self._count = 0
        self._known: set[str] = set()
        self._epoch: Epoch | None = None

    @property
    def epoch_path(self) -> str:
        return join(self._base, "epoch")

    # ---- reading -----------------------------------------------------------------------------------------------------

    async def app_version(self, app_id: str, version: str) -> App | None:
        if not app_id or "/" in version or version in ("", ".", ".."):
            return None
        node = await self._store.get(join(self._base, f"{_app_path(app_id)}/{version}"))
        return decode(node.data, App) if node else None

    async def load(self, epoch: Epoch) -> State:
        """Everything, as the new leader.   Errors: SchemaTooNew, StoreError."""
        self._epoch = epoch
        await self._prepare()
        state = State()
        framework = await self._store.get(join(self._base, "framework-id"))
        if framework is not None and framework.data:
            state.framework_id = framework.data.decode()
            self._known.add("framework-id")
        for group in await self._documents("group", await self._names("group"), Group):
            state.groups[group.id] = group
        for deployment in await self._documents("deployment", await self._names("deployment"), Deployment):
            state.deployments[deployment.id] = deployment
        state.deployments = dict(sorted(state.deployments.items(), key=lambda one: one[1].version))
        for one in _BUCKETS:
            names = await self._names(f"instance/{one}")
            for instance in await self._documents(f"instance/{one}", names, Instance):
                state.instances[instance.id] = instance
            names = await self._names(f"task-failure/{one}")
            for failure in await self._documents(f"task-failure/{one}", names, TaskFailure):
                state.failures[failure.app_id] = failure
        await self._load_apps(state)
        return state

    async def _load_apps(self, state: State) -> None:
        used: dict[str, set[str]] = {}
        for instance in state.instances.values():
            used.setdefault(instance.app_id, set()).add(instance.version)
        for deployment in state.deployments.values():
            for app_id, version in [*deployment.originals.items(), *deployment.targets.items()]:
                if version is not None:
                    used.setdefault(app_id, set()).add(version)

        async def one(path: str, key: str) -> None:
            app_id = ids.from_key(key)
            pointer, children = await asyncio.gather(
                self._store.get(join(self._base, path)), self._store.children(join(self._base, path))
            )
            versions = list(children or ())
            self._known.add(path)
            self._known.update(f"{path}/{version}" for version in versions)
            state.versions[app_id] = versions
            wanted = pointer.data.decode() if pointer else ""
            for version in versions:
                if version == wanted or version in used.get(app_id, ()):
                    node = await self._store.get(join(self._base, f"{path}/{version}"))
                    if node is not None:
                        app = decode(node.data, App)
                        state.specs[app_id, version] = app
                        if version == wanted:
                            state.apps[app_id] = app

        jobs = [(f"app/{one}/{key}", key) for one in _BUCKETS for key in await self._names(f"app/{one}")]
        for start in range(0, len(jobs), _PARALLEL):
            await asyncio.gather(*(one(path, key) for path, key in jobs[start : start + _PARALLEL]))

    async def _names(self, path: str) -> tuple[str, ...]:
        return await self._store.children(join(self._base, path)) or ()

    async def _documents(self, path: str, names: Sequence[str], kind: type[D]) -> list[D]:
        found = []
        for start in range(0, len(names), _PARALLEL):
            part = names[start : start + _PARALLEL]
            nodes = await asyncio.gather(*(self._store.get(join(self._base, f"{path}/{name}")) for name in part))
            for name, node in zip(part, nodes, strict=True):
                if node is not None:
                    self._known.add(f"{path}/{name}")
                    found.append(decode(node.data, kind))
        return found

    async def _prepare(self) -> None:
        """Make the folders, check the schema."""
        schema = await self._store.get(join(self._base, "schema"))
        if schema is not None:
            upgrade(int(schema.data), {})
        folders = ["group", "deployment", *_BUCKETED, *(f"{name}/{one}" for name in _BUCKETED for one in _BUCKETS)]
        for name, data in [("journal", b""), *((folder, b"") for folder in folders), ("schema", str(SCHEMA).encode())]:
            if not await self._store.exists(join(self._base, name)):
                try:
                    await self._store.create(join(self._base, name), data, parents=True)
                except NodeExists:
                    continue

    # ---- writing -----------------------------------------------------------------------------------------------------

    async def save(self, batch: Iterable[effects.Effect]) -> None:
        """Store what the effects say.   Errors: Deposed, SessionLost; the process must end then."""
        wanted: dict[str, bytes | None] = {}
        for effect in batch:
            for path, data in self._nodes_of(effect, wanted):
                wanted.pop(path, None)
                wanted[path] = data
        operations = [one for path, data in wanted.items() if (one := self._operation(path, data)) is not None]
        for part in _parts(operations):
            await self._transact(part)

    async def forget_framework(self) -> None:
        """Subscribe as a new framework next time.   Errors: as ``save``."""
        if "framework-id" in self._known:
            self._known.discard("framework-id")
            await self._transact([Delete(join(self._base, "framework-id"))])

    def _operation(self, path: str, data: bytes | None) -> Operation | None:
        full = join(self._base, path)
        if data is None:
            if path not in self._known:
                return None
            self._known.discard(path)
            return Delete(full)
        if path in self._known:
            return Set(full, data)
        self._known.add(path)
        return Create(full, data)

    def _nodes_of(self, effect: effects.Effect, wanted: dict[str, bytes | None]) -> Iterable[tuple[str, bytes | None]]:
        match effect:
            case effects.SaveApp(app):
                path = _app_path(app.id)
                if path in self._known or path in wanted:
                    yield f"{path}/{app.version}", encode(app)
                    yield path, str(app.version).encode()
                else:
                    yield path, str(app.version).encode()
                    yield f"{path}/{app.version}", encode(app)
            case effects.RemoveApp(app_id):
                yield _app_path(app_id), b""
            case effects.ForgetVersion(app_id, version):
                yield f"{_app_path(app_id)}/{version}", None
            case effects.ForgetApp(app_id):
                path = _app_path(app_id)
                for version in [one for one in {*self._known, *wanted} if one.startswith(path + "/")]:
                    yield version, None
                yield path, None
                yield _failure_path(app_id), None
            case effects.SaveGroup(group):
                yield f"group/{ids.key(group.id) or _ROOT_KEY}", encode(group)
            case effects.DropGroup(group_id):
                yield f"group/{ids.key(group_id)}", None
            case effects.SaveInstance(instance):
                yield f"instance/{bucket(instance.id)}/{instance.id}", encode(instance)
            case effects.DropInstance(instance_id):
                yield f"instance/{bucket(instance_id)}/{instance_id}", None
            case effects.SaveDeployment(deployment):
                yield f"deployment/{deployment.id}", encode(deployment)
            case effects.DropDeployment(deployment_id):
                yield f"deployment/{deployment_id}", None
            case effects.SaveFailure(failure):
                yield _failure_path(failure.app_id), encode(failure)
            case effects.SaveFrameworkId(framework_id):
                yield "framework-id", framework_id.encode()
            case effects.Send() | effects.Publish():
                return

    async def _transact(self, operations: Sequence[Operation]) -> None:
        assert self._epoch is not None, "writing before loading"
        self._count += 1
        journal = join(self._base, "journal")
        marker = f"{self._marker}:{self._count}".encode()
        while True:
            try:
                await self._store.transact([self._epoch.check(), Set(journal, marker), *operations])
                return
            except (BadVersion, NoNode, NodeExists) as error:
                raise Deposed(str(error)) from error
            except Disconnected:
                node = await self._retry_read(lambda: self._store.get(journal))
                if node is not None and node.data == marker:
                    return

    async def _retry_read(self, read: Callable[[], Any]) -> Any:
        while True:
            try:
                return await read()
            except Disconnected:
                await asyncio.sleep(0.1)


def _app_path(app_id: str) -> str:
    key = ids.key(app_id)
    return f"app/{bucket(key)}/{key}"


def _failure_path(app_id: str) -> str:
    key = ids.key(app_id)
    return f"task-failure/{bucket(key)}/{key}"


def _parts(operations: Sequence[Operation]) -> Iterable[list[Operation]]:
    """Split so that each part fits a request."""
    part: list[Operation] = []
    size = 0
    for operation in operations:
        length = len(operation.data) if isinstance(operation, Create | Set) else 0
        if part and (size + length > MAX_BATCH_BYTES or len(part) >= MAX_BATCH_OPERATIONS):
            yield part
            part, size = [], 0
        part.append(operation)
        size += length + len(operation.path)
    if part:
        yield part
