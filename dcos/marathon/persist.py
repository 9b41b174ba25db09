"""What Marathon keeps in ZooKeeper, below ``<zk>/state``.

    schema                       the layout's number
    epoch                        moved by each leader (dcos.store.election)
    journal                      marker of the last transaction: tells after a broken connection whether it happened
    framework-id
    app/<bucket>/<key>           data: the wanted version, empty once removed
    app/<bucket>/<key>/<version> one document per version
    pod/<bucket>/<key>           as an app
    group/<key>                  key of the root: _
    root/<version>               what a change of apps, pods and groups replaced
    root/<version>~<number>      more definitions that it removed, where they are many
    instance/<bucket>/<id>
    release/<bucket>/<id>        reservations to be given back, by instance
    deployment/<id>
    task-failure/<bucket>/<key>
    history/<bucket>/<key>       how a pod's last instances ended

``key`` is the id with ``_`` for ``/``; buckets are 0-f. Documents are JSON, deflated from 4 KB on. Each batch of effects is
one transaction (several, parts first, when it is too big for one) that fails unless we still lead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from dcos.marathon.core import effects
from dcos.marathon.core.state import State
from dcos.model.marathon import App
from dcos.model.marathon_state import Deployment, Group, History, Instance, Release, TaskFailure
from dcos.model.past import RootChange
from dcos.model.pods import Pod
from dcos.model.run_spec import RunSpec
from dcos.scheduling import ids
from dcos.store.base import Store
from dcos.store.election import Epoch
from dcos.store.journal import BUCKETS, Journal, bucket, encode
from dcos.store.tree import join

SCHEMA = 2
"""2: pods. An earlier version would kill them as instances of nothing."""
_ROOT_KEY = "_"
BESIDE = "~"
IN_ONE = 500
"""Removed definitions in one document."""
_BUCKETED = ("app", "pod", "instance", "release", "task-failure", "history")
_KINDS: dict[str, type[App] | type[Pod]] = {"app": App, "pod": Pod}
_FOLDERS = ("group", "root", "deployment", *_BUCKETED, *(f"{name}/{one}" for name in _BUCKETED for one in BUCKETS))


class Repository:
    """The stored state under ``base`` (``<zk>/state``). Reading is for any process, writing needs an epoch."""

    def __init__(self, store: Store, base: str, *, marker: str) -> None:
        self._base = base
        self._journal = Journal(store, base, marker=marker)
        self._beside: dict[str, int] = {}
        """How many documents lie beside that of a root's change."""
        self._forsaken: set[str] = set()
        """Versions of changes whose own document was never written."""

    @property
    def epoch_path(self) -> str:
        return join(self._base, "epoch")

    # ---- reading -----------------------------------------------------------------------------------------------------

    async def app_version(self, app_id: str, version: str) -> App | None:
        if not app_id or "/" in version or version in ("", ".", ".."):
            return None
        return await self._journal.document(f"{_path('app', app_id)}/{version}", App)

    async def pod_version(self, pod_id: str, version: str) -> Pod | None:
        if not pod_id or "/" in version or version in ("", ".", ".."):
            return None
        return await self._journal.document(f"{_path('pod', pod_id)}/{version}", Pod)

    async def specs(self, wanted: Mapping[str, str], pods: Collection[str]) -> dict[str, RunSpec]:
        """Stored versions by id; ``pods``: which ids are pods'. Those that are not stored are left out."""
        made: dict[str, RunSpec] = {}
        for category, kind in _KINDS.items():
            asked = {one: version for one, version in wanted.items() if (one in pods) == (kind is Pod)}
            paths = [f"{_path(category, one)}/{version}" for one, version in asked.items()]
            made |= {one.id: one for one in await self._journal.read(paths, kind) if one is not None}
        return made

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
        state.past = await self._load_past()
        for one in BUCKETS:
            for instance in await journal.documents(f"instance/{one}", Instance):
                state.instances[instance.id] = instance
            for release in await journal.documents(f"release/{one}", Release):
                state.releases[release.instance_id] = release
            for failure in await journal.documents(f"task-failure/{one}", TaskFailure):
                state.failures[failure.app_id] = failure
            for history in await journal.documents(f"history/{one}", History):
                state.histories[history.app_id] = history
        await self._load_specs(state)
        return state

    async def _load_past(self) -> list[RootChange]:
        """Each change with the definitions that lie beside it. What lies beside none is removed with the next one."""
        names = sorted(await self._journal.names("root"))
        changes: dict[str, RootChange] = {}
        beside: dict[str, list[RootChange]] = {}
        for name, one in zip(
            names, await self._journal.read([f"root/{name}" for name in names], RootChange), strict=True
        ):
            if one is not None and BESIDE in name:
                beside.setdefault(one.version, []).append(one)
            elif one is not None:
                changes[one.version] = one
        self._beside = {version: len(found) for version, found in beside.items()}
        self._forsaken = set(beside) - set(changes)
        return [
            replace(
                one,
                apps=(*one.apps, *(app for part in beside.get(version, ()) for app in part.apps)),
                pods=(*one.pods, *(pod for part in beside.get(version, ()) for pod in part.pods)),
            )
            for version, one in sorted(changes.items())
        ]

    async def _load_specs(self, state: State) -> None:
        journal = self._journal
        used: dict[str, set[str]] = {}
        for instance in state.instances.values():
            used.setdefault(instance.app_id, set()).add(instance.version)
        for deployment in state.deployments.values():
            for spec_id, version in [*deployment.originals.items(), *deployment.targets.items()]:
                if version is not None:
                    used.setdefault(spec_id, set()).add(version)

        for category, kind in _KINDS.items():
            folders = [f"{category}/{bucket}" for bucket in BUCKETS]
            listed = zip(folders, await journal.names_of_many(folders), strict=True)
            found = [(f"{folder}/{key}", ids.from_key(key)) for folder, keys in listed for key in keys]
            paths = [path for path, _ in found]
            pointers, versions = await journal.raws(paths), await journal.names_of_many(paths)
            wanted: set[tuple[str, str]] = set()
            needed: list[tuple[str, str]] = []
            for (path, spec_id), pointer, names in zip(found, pointers, versions, strict=True):
                state.versions[spec_id] = list(names)
                journal.known.update(f"{path}/{name}" for name in names)
                now = (pointer or b"").decode()
                wanted.add((spec_id, now))
                needed += ((spec_id, name) for name in names if name == now or name in used.get(spec_id, ()))
            specs: list[RunSpec | None] = [
                *await journal.read([f"{_path(category, spec_id)}/{name}" for spec_id, name in needed], kind)
            ]
            for (spec_id, name), spec in zip(needed, specs, strict=True):
                if spec is None:
                    continue
                state.specs[spec_id, name] = spec
                if (spec_id, name) in wanted:
                    state.want(spec)

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
            case effects.SaveSpec(spec):
                path = _path("app" if isinstance(spec, App) else "pod", spec.id)
                if path in self._journal.known or path in wanted:
                    yield f"{path}/{spec.version}", encode(spec)
                    yield path, str(spec.version).encode()
                else:
                    yield path, str(spec.version).encode()
                    yield f"{path}/{spec.version}", encode(spec)
            case effects.RemoveSpec(spec_id):
                yield self._path_of(spec_id, wanted), b""
            case effects.ForgetVersion(spec_id, version):
                yield f"{self._path_of(spec_id, wanted)}/{version}", None
            case effects.ForgetSpec(spec_id, versions):
                path = self._path_of(spec_id, wanted)
                for version in versions:
                    yield f"{path}/{version}", None
                yield path, None
                yield _path("task-failure", spec_id), None
                yield _path("history", spec_id), None
            case effects.SaveGroup(group):
                yield f"group/{ids.key(group.id) or _ROOT_KEY}", encode(group)
            case effects.DropGroup(group_id):
                yield f"group/{ids.key(group_id)}", None
            case effects.SaveRootChange(change):
                yield from self._root_change(change)
            case effects.DropRootChange(version):
                yield f"root/{version}", None
                yield from self._without_beside(version)
            case effects.SaveInstance(instance):
                yield f"instance/{bucket(instance.id)}/{instance.id}", encode(instance)
            case effects.DropInstance(instance_id):
                yield f"instance/{bucket(instance_id)}/{instance_id}", None
            case effects.SaveDeployment(deployment):
                yield f"deployment/{deployment.id}", encode(deployment)
            case effects.DropDeployment(deployment_id):
                yield f"deployment/{deployment_id}", None
            case effects.SaveFailure(failure):
                yield _path("task-failure", failure.app_id), encode(failure)
            case effects.SaveHistory(history):
                yield _path("history", history.app_id), encode(history)
            case effects.SaveRelease(release):
                yield f"release/{bucket(release.instance_id)}/{release.instance_id}", encode(release)
            case effects.DropRelease(instance_id):
                yield f"release/{bucket(instance_id)}/{instance_id}", None
            case effects.SaveFrameworkId(framework_id):
                yield "framework-id", framework_id.encode()
            case effects.Send() | effects.Publish() | effects.MatchMore():
                return

    def _root_change(self, change: RootChange) -> Iterable[tuple[str, bytes | None]]:
        """Its document comes last: without it what lies beside means nothing. No document is too big for ZooKeeper."""
        for version in sorted(self._forsaken):
            yield from self._without_beside(version)
        self._forsaken.clear()
        removed: tuple[RunSpec, ...] = (*change.apps, *change.pods)
        rest = [removed[start : start + IN_ONE] for start in range(IN_ONE, len(removed), IN_ONE)]
        for number, part in enumerate(rest):
            yield _path_beside(change.version, number), encode(_holding(RootChange(version=change.version), part))
        if rest:
            self._beside[change.version] = len(rest)
        yield f"root/{change.version}", encode(_holding(change, removed[:IN_ONE]))

    def _without_beside(self, version: str) -> Iterable[tuple[str, bytes | None]]:
        for number in range(self._beside.pop(version, 0)):
            yield _path_beside(version, number), None

    def _path_of(self, spec_id: str, wanted: dict[str, bytes | None]) -> str:
        """Where a stored app or pod is; it is one of them at a time."""
        as_pod = _path("pod", spec_id)
        is_pod = as_pod in self._journal.known or wanted.get(as_pod) is not None
        return as_pod if is_pod else _path("app", spec_id)


def _holding(change: RootChange, specs: Sequence[RunSpec]) -> RootChange:
    """The change with these removed definitions."""
    apps = tuple(one for one in specs if isinstance(one, App))
    return replace(change, apps=apps, pods=tuple(one for one in specs if isinstance(one, Pod)))


def _path_beside(version: str, number: int) -> str:
    return f"root/{version}{BESIDE}{number:04d}"


def _path(category: str, spec_id: str) -> str:
    key = ids.key(spec_id)
    return f"{category}/{bucket(key)}/{key}"
