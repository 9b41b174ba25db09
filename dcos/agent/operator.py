"""``POST /api/v1``: the agent's operator calls.   Source: Mesos docs/operator-http-api.md; recorded answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

from aiohttp import web

from dcos.agent.access import Viewer
from dcos.agent.containerizer.base import ContainerError
from dcos.agent.core.state import ExecutorKind, ExecutorRun, FrameworkRun, Phase, TaskRun, task_message
from dcos.agent.identity import VERSION_INFO
from dcos.agent.resource_providers import Conflict, ProviderError
from dcos.agent.views import Views
from dcos.model.acls import Action
from dcos.model.task_states import TERMINAL
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import ContainerID, ContainerStatus, ExecutorInfo, Flag, FrameworkInfo, Metric, Task
from dcos.runtime.attached import FileRefused, Files
from dcos.runtime.mesos_http import forbidden, text_response
from dcos.runtime.verbosity import Verbosity


class CallError(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, text: str, missing: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.missing = missing
        """The permission that is."""

    def response(self) -> web.Response:
        return forbidden(self.missing) if self.missing else text_response(self.status, self.text)


_PROVIDER_CALLS = frozenset(
    {
        v1.CallType.ADD_RESOURCE_PROVIDER_CONFIG,
        v1.CallType.UPDATE_RESOURCE_PROVIDER_CONFIG,
        v1.CallType.REMOVE_RESOURCE_PROVIDER_CONFIG,
        v1.CallType.MARK_RESOURCE_PROVIDER_GONE,
    }
)


class Operator:
    """Answers calls."""

    def __init__(self, views: Views, files: Files, verbosity: Verbosity) -> None:
        self._views = views
        self._files = files
        self._verbosity = verbosity

    async def answer(self, call: v1.Call, viewer: Viewer, principal: str | None) -> dict[str, Any] | v1.Response | None:
        """The answer, or a tree of its form; None is an empty one.   Errors: CallError."""
        try:
            match call.type:
                case v1.CallType.LIST_FILES:
                    return await self._list_files(call, principal)
                case v1.CallType.READ_FILE:
                    return await self._read_file(call, principal)
                case v1.CallType.SET_LOGGING_LEVEL:
                    self._set_level(call)
                    return None
                case v1.CallType.PRUNE_IMAGES:
                    await self._prune_images(call)
                    return None
                case kind if kind in _PROVIDER_CALLS:
                    self._provider(call)
                    return None
                case _:
                    return self._answer(call, viewer)
        except FileRefused as refused:
            raise CallError(refused.status, refused.text, refused.missing) from refused

    def _answer(self, call: v1.Call, viewer: Viewer) -> dict[str, Any] | v1.Response:
        match call.type:
            case v1.CallType.GET_HEALTH:
                return v1.Response(type=v1.ResponseType.GET_HEALTH, get_health=v1.ResponseGetHealth(healthy=True))
            case v1.CallType.GET_FLAGS:
                flags = tuple(Flag(name=name, value=value) for name, value in self._views.flags.items())
                return v1.Response(type=v1.ResponseType.GET_FLAGS, get_flags=v1.ResponseGetFlags(flags=flags))
            case v1.CallType.GET_VERSION:
                return v1.Response(
                    type=v1.ResponseType.GET_VERSION, get_version=v1.ResponseGetVersion(version_info=VERSION_INFO)
                )
            case v1.CallType.GET_METRICS:
                metrics = tuple(Metric(name=name, value=value) for name, value in self._views.metrics().items())
                return v1.Response(type=v1.ResponseType.GET_METRICS, get_metrics=v1.ResponseGetMetrics(metrics=metrics))
            case v1.CallType.GET_LOGGING_LEVEL:
                return {"type": "GET_LOGGING_LEVEL", "get_logging_level": {"level": self._verbosity.level}}
            case v1.CallType.GET_STATE:
                return {
                    "type": "GET_STATE",
                    "get_state": {
                        "get_tasks": self._tasks(viewer),
                        "get_executors": self._executors(viewer),
                        "get_frameworks": self._frameworks(viewer),
                    },
                }
            case v1.CallType.GET_TASKS:
                return {"type": "GET_TASKS", "get_tasks": self._tasks(viewer)}
            case v1.CallType.GET_EXECUTORS:
                return {"type": "GET_EXECUTORS", "get_executors": self._executors(viewer)}
            case v1.CallType.GET_FRAMEWORKS:
                return {"type": "GET_FRAMEWORKS", "get_frameworks": self._frameworks(viewer)}
            case v1.CallType.GET_CONTAINERS:
                return self._containers(call.get_containers or v1.CallGetContainers(), viewer)
            case v1.CallType.GET_OPERATIONS:
                operations = self._views.daemon.core.operations.link_operations()
                return v1.Response(
                    type=v1.ResponseType.GET_OPERATIONS, get_operations=v1.ResponseGetOperations(operations=operations)
                )
            case v1.CallType.GET_RESOURCE_PROVIDERS:
                return {"type": "GET_RESOURCE_PROVIDERS", "get_resource_providers": {}}
            case v1.CallType.GET_AGENT:
                return v1.Response(
                    type=v1.ResponseType.GET_AGENT,
                    get_agent=self._views.agent(),
                )
            case None:
                raise CallError(400, "Failed to validate agent::Call: Expecting 'type' to be present")
            case other:
                raise CallError(501, f"Call {other} is not known")

    async def _prune_images(self, call: v1.Call) -> None:
        excluded = call.prune_images.excluded_images if call.prune_images is not None else ()
        try:
            await self._views.prune_images(excluded)
        except ContainerError as error:
            raise CallError(500, str(error)) from error

    def _provider(self, call: v1.Call) -> None:
        """Of local resource providers: their configurations are kept, and none ever subscribes."""
        kind = str(call.type).lower()
        body = getattr(call, kind)
        if body is None:
            raise CallError(400, f"Failed to validate agent::Call: Expecting '{kind}' to be present")
        if getattr(getattr(body, "info", None), "id", None) is not None:
            raise CallError(400, f"Failed to validate agent::Call: Expecting '{kind}.info.id' to be unset")
        providers = self._views.providers
        try:
            match body:
                case v1.CallAddResourceProviderConfig(info=info):
                    providers.add(info)
                case v1.CallUpdateResourceProviderConfig(info=info):
                    providers.update(info)
                case v1.CallRemoveResourceProviderConfig(type=of_type, name=name):
                    providers.remove(of_type, name)
                case _:
                    raise CallError(500, "Attempted to remove an unknown resource provider")
        except Conflict as error:
            raise CallError(409, "") from error
        except ProviderError as error:
            raise CallError(500, str(error)) from error

    def _set_level(self, call: v1.Call) -> None:
        if call.set_logging_level is None:
            raise CallError(400, "Failed to validate agent::Call: Expecting 'set_logging_level' to be present")
        self._verbosity.set(call.set_logging_level.level, call.set_logging_level.duration.nanoseconds / 1e9)

    async def _list_files(self, call: v1.Call, principal: str | None) -> v1.Response:
        if call.list_files is None:
            raise CallError(400, "Failed to validate agent::Call: Expecting 'list_files' to be present")
        infos = tuple(await asyncio.to_thread(self._files.list, call.list_files.path, principal))
        return v1.Response(type=v1.ResponseType.LIST_FILES, list_files=v1.ResponseListFiles(file_infos=infos))

    async def _read_file(self, call: v1.Call, principal: str | None) -> v1.Response:
        wanted = call.read_file
        if wanted is None:
            raise CallError(400, "Failed to validate agent::Call: Expecting 'read_file' to be present")
        size, data = await asyncio.to_thread(self._files.read, wanted.path, wanted.offset, wanted.length, principal)
        return v1.Response(type=v1.ResponseType.READ_FILE, read_file=v1.ResponseReadFile(size=size, data=data))

    # ---- bodies: arrays are written even when empty ------------------------------------------------------------------

    def _tasks(self, viewer: Viewer) -> dict[str, list[Task]]:
        out: dict[str, list[Task]] = {
            "pending_tasks": [],
            "queued_tasks": [],
            "launched_tasks": [],
            "terminated_tasks": [],
            "completed_tasks": [],
        }
        for framework, executor in self._all_executors():
            info = framework.info
            for run in executor.tasks.values():
                task = task_message(framework.framework_id, executor, run)
                if viewer.framework(info) and viewer.task(task, info):
                    out[_list_of(run)].append(task)
            done = [one for one in executor.completed if viewer.framework(info) and viewer.task(one, info)]
            out["completed_tasks"] += done
        return out

    def _executors(self, viewer: Viewer) -> dict[str, list[dict[str, ExecutorInfo]]]:
        core = self._views.daemon.core

        def shown(framework: FrameworkRun, given: Iterable[ExecutorRun]) -> list[dict[str, ExecutorInfo]]:
            seen = viewer.framework(framework.info)
            return [{"executor_info": one.info} for one in given if seen and viewer.executor(one, framework.info)]

        every = (*core.frameworks.values(), *core.completed_frameworks)
        return {
            "executors": [seen for one in core.frameworks.values() for seen in shown(one, one.executors.values())],
            "completed_executors": [seen for one in every for seen in shown(one, one.completed_executors)],
        }

    def _frameworks(self, viewer: Viewer) -> dict[str, list[dict[str, FrameworkInfo]]]:
        core = self._views.daemon.core

        def shown(given: Iterable[FrameworkRun]) -> list[dict[str, FrameworkInfo]]:
            return [{"framework_info": one.info} for one in given if viewer.framework(one.info)]

        return {"frameworks": shown(core.frameworks.values()), "completed_frameworks": shown(core.completed_frameworks)}

    def _containers(self, wanted: v1.CallGetContainers, viewer: Viewer) -> v1.Response:
        found: list[v1.ResponseGetContainersContainer] = []
        for framework, executor in self._all_executors():
            running = [run for run in executor.tasks.values() if run.phase is Phase.RUNNING]
            if not executor.pids or not viewer.container(executor, framework.info):
                continue
            common: dict[str, Any] = {
                "framework_id": framework.info.id,
                "executor_id": executor.info.executor_id,
                "executor_name": executor.info.name or "",
            }
            single = executor.kind is not ExecutorKind.DEFAULT
            found.append(
                v1.ResponseGetContainersContainer(
                    container_id=ContainerID(value=executor.run_id),
                    container_status=self._views.executor_status(executor) if single else None,
                    resource_statistics=self._views.executor_statistics(executor),
                    **common,
                )
            )
            if wanted.show_nested and not single:
                found += [
                    v1.ResponseGetContainersContainer(
                        container_id=ContainerID(value=run.container_id, parent=ContainerID(value=executor.run_id)),
                        container_status=self._views.container_status(executor, run),
                        resource_statistics=self._views.task_statistics(run),
                        **common,
                    )
                    for run in running
                ]
        found += self._asked_containers(wanted, viewer)
        return v1.Response(
            type=v1.ResponseType.GET_CONTAINERS, get_containers=v1.ResponseGetContainers(containers=tuple(found))
        )

    def _asked_containers(
        self, wanted: v1.CallGetContainers, viewer: Viewer
    ) -> Iterator[v1.ResponseGetContainersContainer]:
        """Those that calls launched."""
        nested = self._views.daemon.nested
        if nested is None:
            return
        for one in nested.live(nested=bool(wanted.show_nested), standalone=bool(wanted.show_standalone)):
            owner = nested.of_executor(one.container_id)
            if owner is None and not viewer.may(Action.VIEW_STANDALONE_CONTAINER):
                continue
            if owner is not None and not viewer.container(owner[1], owner[0].info):
                continue
            yield v1.ResponseGetContainersContainer(
                framework_id=owner[0].info.id if owner is not None else None,
                executor_id=owner[1].info.executor_id if owner is not None else None,
                executor_name=(owner[1].info.name or "") if owner is not None else None,
                container_id=one.container_id,
                container_status=ContainerStatus(container_id=one.container_id, executor_pid=one.pid),
                resource_statistics=self._views.process_statistics(one.pid),
            )

    def _all_executors(self) -> Iterator[tuple[FrameworkRun, ExecutorRun]]:
        core = self._views.daemon.core
        for framework in (*core.frameworks.values(), *core.completed_frameworks):
            for executor in (*framework.executors.values(), *framework.completed_executors):
                yield framework, executor


def _list_of(run: TaskRun) -> str:
    if run.state in TERMINAL:
        return "terminated_tasks"
    return "queued_tasks" if run.phase is Phase.PREPARING and not run.statuses else "launched_tasks"
