"""What the catalog does to Marathon and Mesos: install, list, uninstall, update.

Every call to Marathon and Admin Router carries the caller's own Authorization, and so does what is ended in Mesos where
permissions are checked; that the caller may is looked at before (``core/caller.py``). The neighbours' refusals become errors in
the catalog's words.   Source: cosmos handlers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from dcos.catalog.core.caller import Caller, to_tear_down
from dcos.catalog.core.collection import Collection, Found
from dcos.catalog.core.errors import (
    CatalogError,
    already_installed,
    app_id_changed,
    app_not_deleted,
    app_not_found,
    forbidden,
    incomplete_uninstall,
    manager_failed,
    manager_not_found,
    marathon_failed,
    marathon_refused,
    options_not_stored,
    several_frameworks,
    unauthorized,
    unavailable,
    uninstall_not_started,
    upgrade_not_supported,
)
from dcos.catalog.core.installed import SDK_API_VERSION, Installed, to_uninstall
from dcos.catalog.core.options import defaults, merge
from dcos.catalog.core.render import NAME, normal_id, render
from dcos.client.marathon import Marathon
from dcos.client.mesos import MesosError, MesosMaster
from dcos.client.neighbour import Answered, NeighbourError, Unreachable, exchange
from dcos.model.v1.master import Call, CallTeardown, CallType
from dcos.model.v1.types import FrameworkID, FrameworkInfo
from dcos.runtime.log import Logger
from dcos.wire.cosmos import MediaType, ServiceUpdateRequest, UninstallRequest
from dcos.wire.universe import Json, Package

SDK_POLL_S = 10.0
SDK_POLLS = 10_000
SDK_UNINSTALL_VARIABLE = "SDK_UNINSTALL"


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Where the others are."""

    session: aiohttp.ClientSession
    marathon: str
    admin_router: str
    mesos: MesosMaster


@asynccontextmanager
async def _in_our_words() -> AsyncIterator[None]:
    """Turn the neighbours' errors into the catalog's."""
    try:
        yield
    except Unreachable as error:
        raise unavailable(error.who) from None
    except Answered as error:
        raise _refusal(error) from None


def _refusal(error: Answered) -> CatalogError:
    if error.status == 401:
        return unauthorized(error.who, error.challenge)
    if error.status == 403:
        return forbidden(error.who, error.reason)
    if error.status < 500 and error.message is not None:
        return marathon_refused(error.message, error.details)
    return marathon_failed(error.status)


class Operations:
    """``caller``: of one request. ``spawn`` runs what goes on after the answer."""

    def __init__(
        self,
        neighbours: Neighbours,
        caller: Caller,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        log: Logger,
    ) -> None:
        self._neighbours = neighbours
        self._caller = caller
        self._spawn = spawn
        self._log = log
        self._marathon = Marathon(neighbours.session, neighbours.marathon, authorization=caller.authorization)

    async def apps(self) -> list[Json]:
        """All apps that came from a package."""
        async with _in_our_words():
            return await self._marathon.apps(label=NAME)

    async def app(self, app_id: str) -> Json:
        """Errors: MarathonAppNotFound."""
        async with _in_our_words():
            app = await self._marathon.app(app_id)
        if app is None:
            raise app_not_found(app_id)
        return app

    async def install(self, app: Json) -> str:
        """Post the rendered app; returns its id as Marathon has it.   Errors: PackageAlreadyInstalled and others."""
        async with _in_our_words():
            try:
                created = await self._marathon.create(app)
            except Answered as error:
                if error.status == 409:
                    raise already_installed() from None
                raise
        return normal_id(str(created["id"]))

    async def uninstall(self, asked: UninstallRequest, collection: Collection) -> tuple[Json, ...]:
        """Results, one for each app removed."""
        chosen = to_uninstall(await self.apps(), asked.package_name, asked.app_id, bool(asked.all))
        results = []
        for one in chosen:
            async with _in_our_words():
                if one.is_sdk:
                    await self._uninstall_sdk(one)
                else:
                    await self._uninstall_plain(one)
            result: Json = {"packageName": asked.package_name, "appId": one.app_id}
            if one.version is not None:
                result["packageVersion"] = one.version
            if notes := _goodbye(one, collection):
                result["postUninstallNotes"] = notes
            results.append(result)
        return tuple(results)

    async def _uninstall_plain(self, one: Installed) -> None:
        if one.framework_name is not None and self._caller.grants is not None:
            try:
                await self._ends(one.framework_name)  # who may not end it shall not delete the app first
            except MesosError:
                raise unavailable("mesos") from None
        await self._delete(one.app_id)
        if one.framework_name is None:
            return
        name = one.name or ""
        try:
            ids = await self._ends(one.framework_name)
            if len(ids) > 1:
                raise several_frameworks(name, one.version, one.framework_name, ids)
            for framework_id in ids:
                teardown = CallTeardown(framework_id=FrameworkID(value=framework_id))
                call = Call(type=CallType.TEARDOWN, teardown=teardown)
                await self._neighbours.mesos.call(call, authorization=self._caller.in_mesos)
        except MesosError as error:
            self._log.warning("framework_left", app=one.app_id, framework=one.framework_name, reason=str(error))
            raise incomplete_uninstall(name) from None

    async def _delete(self, app_id: str) -> None:
        """Errors: MarathonAppDeleteError, those of Marathon's that say who may not or that it is not there."""
        try:
            await self._marathon.delete(app_id)
        except Answered as error:
            if error.status in (401, 403):
                raise
            raise app_not_deleted(app_id, error.message or f"status {error.status}") from None

    async def _ends(self, name: str) -> list[str]:
        """Ids of the active frameworks with this name, which the caller may tear down.   Errors: MesosError, Forbidden."""
        answer = await self._neighbours.mesos.call(Call(type=CallType.GET_FRAMEWORKS))
        known = answer.get_frameworks.frameworks if answer.get_frameworks is not None else ()
        found: list[FrameworkInfo] = [
            one.framework_info for one in known if one.active and one.framework_info.name == name
        ]
        self._caller.need(*(to_tear_down(one.principal) for one in found))
        return [one.id.value for one in found if one.id is not None]

    # ---- services that remove themselves ----

    async def _uninstall_sdk(self, one: Installed) -> None:
        """Tell the scheduler to clean up and answer; the app is deleted when it is done."""
        app = await self._marathon.app(one.app_id)
        if app is None:
            return
        before = await self._framework_ids(one)
        env = app.get("env") or {}
        if before is None and env.get(SDK_UNINSTALL_VARIABLE) != "true":  # one that cleans up already may tell no more
            raise uninstall_not_started(one.app_id, "its scheduler does not tell its framework ids")
        changed = {key: value for key, value in app.items() if key not in _NOT_PUT}
        changed["env"] = env | {SDK_UNINSTALL_VARIABLE: "true"}
        try:
            deployment = await self._marathon.replace(changed)
        except Answered as error:
            if error.status in (401, 403) or error.status >= 500:
                raise
            raise uninstall_not_started(one.app_id, error.message or f"Marathon answers {error.status}") from None
        self._spawn(self._finish_sdk(one, before, deployment))

    async def _framework_ids(self, one: Installed) -> frozenset[str] | None:
        """None when the scheduler does not tell.   Errors: Answered, where the caller may not ask it."""
        try:
            ids = await self._ask_service(one, "state/frameworkId")
        except NeighbourError as error:
            if _is_refused(error):
                raise
            return None
        return frozenset(map(str, ids)) if isinstance(ids, list) else None

    async def _ask_service(self, one: Installed, path: str, *, only: int | None = None) -> Any:
        version = one.labels.get(SDK_API_VERSION, "v1")
        url = f"{self._neighbours.admin_router.rstrip('/')}/service/{one.app_id.strip('/')}/{version}/{path}"
        headers = {"Authorization": self._caller.authorization} if self._caller.authorization else None
        return await exchange(self._neighbours.session, one.app_id, "GET", url, headers=headers, only=only)

    async def _finish_sdk(self, one: Installed, before: frozenset[str] | None, deployment: str) -> None:
        for _ in range(SDK_POLLS):
            await asyncio.sleep(SDK_POLL_S)
            try:
                if await self._sdk_is_done(one, before, deployment):
                    await self._marathon.delete(one.app_id)
                    self._log.info("uninstalled", app=one.app_id)
                    return
            except Answered as error:
                if 400 <= error.status < 500:
                    self._log.warning("uninstall_given_up", app=one.app_id, reason=str(error))
                    return
            except NeighbourError as error:
                self._log.info("uninstall_waits", app=one.app_id, reason=str(error))
        self._log.warning("uninstall_given_up", app=one.app_id, reason="it took too long")

    async def _sdk_is_done(self, one: Installed, before: frozenset[str] | None, deployment: str) -> bool:
        if any(running.get("id") == deployment for running in await self._marathon.deployments()):
            return False
        try:
            await self._ask_service(one, "plans/deploy", only=200)  # 202 while the plan is under way
        except NeighbourError as error:
            if _is_refused(error):  # a token that is over gets no better
                raise
            return False
        now = await self._framework_ids(one)
        return now is None or before is None or now == before

    # ---- packages that another package's service installs ----

    async def manager_of(self, package: Package | None, manager_id: str | None) -> str | None:
        """The app id of the service that installs ``package``; None: that is us.   Errors: CustomPackageManagerNotFound."""
        if manager_id is not None:
            return normal_id(manager_id)
        if package is None or package.manager is None:
            return None
        wanted = package.manager.package_name
        for one in map(Installed.of, await self.apps()):
            if one.name == wanted:
                return one.app_id
        raise manager_not_found(wanted)

    async def pass_on(self, manager: str, path: str, body: Json, asks: MediaType, answers: MediaType) -> Json:
        """The manager's own answer to the same request.   Errors: CustomPackageManagerError."""
        url = f"{self._neighbours.admin_router.rstrip('/')}/service/{manager.strip('/')}{path}"
        headers = {"Content-Type": str(asks), "Accept": str(answers)}
        if self._caller.authorization:
            headers["Authorization"] = self._caller.authorization
        try:
            answer = await exchange(self._neighbours.session, manager, "POST", url, body=body, headers=headers)
        except Unreachable as error:
            raise unavailable(error.who) from None
        except Answered as error:
            if error.status in (401, 403):
                raise _refusal(error) from None
            raise manager_failed(manager, error.status, error.text) from None
        return answer if isinstance(answer, dict) else {}

    # ---- services ----

    async def describe_service(self, app_id: str, collection: Collection) -> tuple[Package, Json]:
        """The package an app runs, and the answer without the package."""
        one = Installed.of(await self.app(app_id))
        package = _package_of(one, collection)
        answer: Json = {
            "upgradesTo": list(collection.upgrades_to(package.name, package.version)),
            "downgradesTo": list(collection.downgrades_to(package)),
        }
        if one.options is not None:
            answer["userProvidedOptions"] = one.options
            answer["resolvedOptions"] = merge(defaults(package.config), one.options)
        return package, answer

    async def update_service(self, asked: ServiceUpdateRequest, collection: Collection) -> tuple[Package, Json]:
        """Render with the new options and put in place; the answer without the package."""
        one = Installed.of(await self.app(asked.app_id))
        package = _package_of(one, collection)
        source = _source(one, collection, package)
        if asked.package_version is not None and asked.package_version != package.version:
            package, source = _other_version(package, asked.package_version, collection)
        given = asked.options or {}
        if not asked.replace:
            if one.options is None:
                raise options_not_stored()
            given = merge(one.options, given)
        app = render(package, source, given, None)
        new_id = normal_id(str(app.get("id", "")))
        if new_id != one.app_id:
            raise app_id_changed(new_id, one.app_id)
        async with _in_our_words():
            deployment = await self._marathon.replace(app)
        return package, {
            "resolvedOptions": merge(defaults(package.config), given),
            "marathonDeploymentId": deployment,
        }


_NOT_PUT = frozenset(
    {
        "uris", "version", "versionInfo", "tasks", "tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy", "deployments",
        "lastTaskFailure", "readinessCheckResults", "tasksStats", "taskStats",
    }
)  # fmt: skip
"""What Marathon shows of an app and does not take back."""


def _package_of(one: Installed, collection: Collection) -> Package:
    if one.definition is not None:
        return one.definition
    if one.name is None:
        raise app_not_found(one.app_id)
    return collection.find(one.name, one.version).package


def _other_version(package: Package, version: str, collection: Collection) -> tuple[Package, str]:
    """The version to go to, if both it and the present one allow it: ``upgradesFrom`` of the new, ``downgradesTo`` of the old.

    Errors: VersionUpgradeNotSupportedInOpen.
    """
    possible = (
        *collection.upgrades_to(package.name, package.version),
        *collection.downgrades_to(package),
    )
    if version not in possible:
        raise upgrade_not_supported(version, package.version, possible)
    found = collection.find(package.name, version)
    return found.package, found.source


def _source(one: Installed, collection: Collection, package: Package) -> str:
    """Where the package came from, as the app's label says or else as the collection does."""
    from_label = one.labels.get("DCOS_PACKAGE_SOURCE")
    return from_label or collection.find(package.name, package.version).source


def _is_refused(error: NeighbourError) -> bool:
    """Whether the caller's own token is not good, or not good enough."""
    return isinstance(error, Answered) and error.status in (401, 403)


def _goodbye(one: Installed, collection: Collection) -> str | None:
    if one.definition is not None:
        return one.definition.post_uninstall_notes
    try:
        found: Found = collection.find(one.name or "", one.version)
    except CatalogError:
        return None
    return found.package.post_uninstall_notes
