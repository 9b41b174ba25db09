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
from collections.abc import Iterable

from dcos.marathon.core import effects
from dcos.marathon.core.state import State
from dcos.model.marathon import App
from dcos.model.marathon_state import Deployment, Group, Instance, TaskFailure
from dcos.scheduling import ids
from dcos.store.base import Store
from dcos.store.election import Epoch
from dcos.store.journal import BUCKETS, PARALLEL, Journal, bucket, encode
from dcos.store.tree import join

SCHEMA = 1
_ROOT_KEY = "_"
_BUCKETED = ("app", "instance", "task-failure")
_FOLDERS = ("group", "deployment", *_BUCKETED, *(f"{name}/{one}" for name in _BUCKETED for one in BUCKETS))


class Repository:
    """The stored state under ``base`` (``<zk>/state``). Reading is for any process, writing needs an epoch."""

    def __init__(self, store: Store, base: str, *, marker: str) -> None:
        self._base = base
        self._journal = Journal(store, base, marker=marker)

    @property
    def epoch_path(self) -> str:
        return join(self._base, "epoch")

    # ---- reading -----------------------------------------------------------------------------------------------------

    async def app_version(self, app_id: str, version: str) -> App | None:
        if not app_id or "/" in version or version in ("", ".", ".."):
            return None
        return await self._journal.document(f"{_app_path(app_id)}/{version}", App)

    async def load(self, epoch: Epoch) -> State:
        """Everything, as the new leader.   Errors: SchemaTooNew, StoreError."""
        journal = self._journal
        await journal.prepare(epoch, _FOLDERS, schema=SCHEMA)
        state = State()
        framework = await journal.raw("framework-id")
        state.framework_id = framework.decode() if framework else None
        state.groups = {group.id: group for group in await journal.documents("group", Group)}
        deployments = await journal.documents("deployment", Deployment)
        state.deployments = {one.id: one for one in sorted(deployments, key=lambda one: one.version)}
        for one in BUCKETS:
            for instance in await journal.documents(f"instance/{one}", Instance):
                state.instances[instance.id] = instance
            for failure in await journal.documents(f"task-failure/{one}", TaskFailure):
                state.failures[failure.app_id] = failure
        await self._load_apps(state)
        return state

    async def _load_apps(self, state: State) -> None:
        journal = self._journal
        used: dict[str, set[str]] = {}
        for instance in state.instances.values():
            used.setdefault(instance.app_id, set()).add(instance.version)
        for deployment in state.deployments.values():
            for app_id, version in [*deployment.originals.items(), *deployment.targets.items()]:
                if version is not None:
                    used.setdefault(app_id, set()).add(version)

        async def one(path: str, key: str) -> None:
            app_id = ids.from_key(key)
            pointer, children = await asyncio.gather(journal.raw(path), journal.names(path))
            versions = list(children)
            journal.known.update((path, *(f"{path}/{version}" for version in versions)))
            state.versions[app_id] = versions
            wanted = (pointer or b"").decode()
            for version in versions:
                if version != wanted and version not in used.get(app_id, ()):
                    continue
                app = await journal.document(f"{path}/{version}", App)
                if app is not None:
                    state.specs[app_id, version] = app
                    if version == wanted:
                        state.apps[app_id] = app

        jobs = [(f"app/{one}/{key}", key) for one in BUCKETS for key in await journal.names(f"app/{one}")]
        for start in range(0, len(jobs), PARALLEL):
            await asyncio.gather(*(one(path, key) for path, key in jobs[start : start + PARALLEL]))

    # ---- writing -----------------------------------------------------------------------------------------------------

    async def save(self, batch: Iterable[effects.Effect]) -> None:
        """Store what the effects say.   Errors: Deposed, SessionLost; the process must end then."""
        wanted: dict[str, bytes | None] = {}
        for effect in batch:
            for path, data in self._nodes_of(effect, wanted):
                wanted.pop(path, None)
                wanted[path] = data
        await self._journal.save(wanted)

    async def forget_framework(self) -> None:
        """Subscribe as a new framework next time.   Errors: as ``save``."""
        await self._journal.save({"framework-id": None})

    def _nodes_of(self, effect: effects.Effect, wanted: dict[str, bytes | None]) -> Iterable[tuple[str, bytes | None]]:
        match effect:
            case effects.SaveApp(app):
                path = _app_path(app.id)
                if path in self._journal.known or path in wanted:
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
                for version in [one for one in {*self._journal.known, *wanted} if one.startswith(path + "/")]:
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


def _app_path(app_id: str) -> str:
    key = ids.key(app_id)
    return f"app/{bucket(key)}/{key}"


def _failure_path(app_id: str) -> str:
    key = ids.key(app_id)
    return f"task-failure/{bucket(key)}/{key}"
