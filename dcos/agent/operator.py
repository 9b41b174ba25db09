"""``POST /api/v1``: the agent's operator calls.   Source: Mesos docs/operator-http-api.md; recorded answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dcos.agent.core.state import ExecutorKind, ExecutorRun, FrameworkRun, Phase, TaskRun, task_message
from dcos.agent.files import Files, Invalid, NotFound
from dcos.agent.identity import VERSION_INFO
from dcos.agent.views import Views
from dcos.model.task_states import TERMINAL
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import ContainerID, ContainerStatus, ExecutorInfo, Flag, FrameworkInfo, Metric, Task


class CallError(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Operator:
    """Answers calls."""

    def __init__(self, views: Views, files: Files) -> None:
        self._views = views
        self._files = files

    def answer(self, call: v1.Call) -> dict[str, Any] | v1.Response:
        """The answer, or a tree of its form.   Errors: CallError."""
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
                return {"type": "GET_LOGGING_LEVEL", "get_logging_level": {"level": 0}}
            case v1.CallType.LIST_FILES:
                return self._list_files(call)
            case v1.CallType.READ_FILE:
                return self._read_file(call)
            case v1.CallType.GET_STATE:
                return {
                    "type": "GET_STATE",
                    "get_state": {
                        "get_tasks": self._tasks(),
                        "get_executors": self._executors(),
                        "get_frameworks": self._frameworks(),
                    },
                }
            case v1.CallType.GET_TASKS:
                return {"type": "GET_TASKS", "get_tasks": self._tasks()}
            case v1.CallType.GET_EXECUTORS:
                return {"type": "GET_EXECUTORS", "get_executors": self._executors()}
            case v1.CallType.GET_FRAMEWORKS:
                return {"type": "GET_FRAMEWORKS", "get_frameworks": self._frameworks()}
            case v1.CallType.GET_CONTAINERS:
                return self._containers(call.get_containers or v1.CallGetContainers())
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
                    get_agent=v1.ResponseGetAgent(agent_info=self._views.daemon.info),
                )
            case None:
                raise CallError(400, "Failed to validate agent::Call: Expecting 'type' to be present")
            case other:
                raise CallError(501, f"Call {other} is not supported by this agent")

    def _list_files(self, call: v1.Call) -> v1.Response:
        if call.list_files is None:
            raise CallError(400, "Failed to validate agent::Call: Expecting 'list_files' to be present")
        try:
            infos = tuple(self._files.list(call.list_files.path))
        except NotFound as error:
            raise CallError(404, "") from error
        return v1.Response(type=v1.ResponseType.LIST_FILES, list_files=v1.ResponseListFiles(file_infos=infos))

    def _read_file(self, call: v1.Call) -> v1.Response:
        wanted = call.read_file
        if wanted is None:
            raise CallError(400, "Failed to validate agent::Call: Expecting 'read_file' to be present")
        try:
            size, data = self._files.read(wanted.path, max(0, wanted.offset), wanted.length)
        except NotFound as error:
            raise CallError(404, "") from error
        except Invalid as error:
            raise CallError(400, str(error)) from error
        return v1.Response(type=v1.ResponseType.READ_FILE, read_file=v1.ResponseReadFile(size=size, data=data))

    # ---- bodies: arrays are written even when empty ------------------------------------------------------------------

    def _tasks(self) -> dict[str, list[Task]]:
        out: dict[str, list[Task]] = {
            "pending_tasks": [],
            "queued_tasks": [],
            "launched_tasks": [],
            "terminated_tasks": [],
            "completed_tasks": [],
        }
        for framework, executor in self._all_executors():
            for run in executor.tasks.values():
                out[_list_of(run)].append(task_message(framework.framework_id, executor, run))
            out["completed_tasks"] += executor.completed
        return out

    def _executors(self) -> dict[str, list[dict[str, ExecutorInfo]]]:
        core = self._views.daemon.core
        live = [one for framework in core.frameworks.values() for one in framework.executors.values()]
        done = [
            one
            for framework in (*core.frameworks.values(), *core.completed_frameworks)
            for one in framework.completed_executors
        ]
        return {
            "executors": [{"executor_info": one.info} for one in live],
            "completed_executors": [{"executor_info": one.info} for one in done],
        }

    def _frameworks(self) -> dict[str, list[dict[str, FrameworkInfo]]]:
        core = self._views.daemon.core
        return {
            "frameworks": [{"framework_info": one.info} for one in core.frameworks.values()],
            "completed_frameworks": [{"framework_info": one.info} for one in core.completed_frameworks],
        }

    def _containers(self, wanted: v1.CallGetContainers) -> v1.Response:
        found: list[v1.ResponseGetContainersContainer] = []
        for framework, executor in self._all_executors():
            running = [run for run in executor.tasks.values() if run.phase is Phase.RUNNING]
            if not executor.pids:
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
        found += self._asked_containers(wanted)
        return v1.Response(
            type=v1.ResponseType.GET_CONTAINERS, get_containers=v1.ResponseGetContainers(containers=tuple(found))
        )

    def _asked_containers(self, wanted: v1.CallGetContainers) -> Iterator[v1.ResponseGetContainersContainer]:
        """Those that calls launched."""
        nested = self._views.daemon.nested
        if nested is None:
            return
        for one in nested.live(nested=bool(wanted.show_nested), standalone=bool(wanted.show_standalone)):
            owner = nested.of_executor(one.container_id)
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
