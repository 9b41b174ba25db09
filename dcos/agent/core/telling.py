"""Status updates: made, recorded, saved, sent.

A status is saved before it is sent, and sent only while registered; what is unacknowledged comes again.
Source: Mesos status update rules (one in flight for each task; the latest state goes along).
"""

from __future__ import annotations

import msgspec

from dcos.agent.core.draining import told_as
from dcos.agent.core.events import (
    SaveUpdate,
    Send,
)
from dcos.agent.core.memory import Memory, in_docker
from dcos.agent.core.state import (
    ExecutorRun,
    FrameworkRun,
    TaskRun,
    container_id_of,
)
from dcos.agent.core.updates import UpdateStream
from dcos.model.task_states import TERMINAL
from dcos.model.v1.types import (
    AgentID,
    CheckInfoType,
    CheckStatusInfo,
    CheckStatusInfoCommand,
    CheckStatusInfoHttp,
    CheckStatusInfoTcp,
    ContainerStatus,
    ExecutorID,
    FrameworkID,
    Label,
    Labels,
    NetworkInfo,
    NetworkInfoIPAddress,
    Resource,
    TaskID,
    TaskResourceLimitation,
    TaskState,
    TaskStatus,
    TaskStatusReason,
    TaskStatusSource,
)
from dcos.wire.agent_link import StatusUpdate


class Telling(Memory):
    """Adds the way out for updates."""

    def _update(
        self,
        framework: FrameworkRun,
        executor: ExecutorRun,
        run: TaskRun,
        state: TaskState,
        now: float,
        *,
        message: str | None = None,
        reason: TaskStatusReason | None = None,
        source: TaskStatusSource = TaskStatusSource.SOURCE_EXECUTOR,
        healthy: bool | None = None,
        data: bytes | None = None,
        limited: tuple[Resource, ...] = (),
    ) -> None:
        if framework.terminating or executor.silent:
            run.state = state
            return
        state, reason = told_as(self.drain, framework.info, state, reason)
        status = TaskStatus(
            task_id=run.info.task_id,
            state=state,
            message=message,
            source=source,
            reason=reason,
            data=data,
            limitation=TaskResourceLimitation(resources=limited) if limited else None,
            labels=_address_label(run),
            agent_id=AgentID(value=self.agent_id) if self.agent_id is not None else run.info.agent_id,
            executor_id=executor.info.executor_id,
            timestamp=now,
            uuid=self._new_uuid(),
            healthy=healthy,
            check_status=self._check_status(run),
            container_status=ContainerStatus(
                container_id=container_id_of(executor, run),
                network_infos=_network_infos(run)
                or (NetworkInfo(ip_addresses=(NetworkInfoIPAddress(ip_address=self.rules.ip),)),),
                executor_pid=run.pid,
            ),
        )
        self._record(run, status)
        self._count_end(status)
        self._count("updates")
        if executor.checkpoint:
            self._out.append(SaveUpdate(framework.framework_id, executor.executor_id, executor.run_id, status))
        run.stream.push(status, now)
        self._send_due(now)

    def _check_status(self, run: TaskRun) -> CheckStatusInfo | None:
        """Every status of a task with a check carries one, empty before the first result."""
        check = run.info.check
        if check is None or run.check_status is not None:
            return run.check_status
        match check.type:
            case CheckInfoType.COMMAND:
                return CheckStatusInfo(type=check.type, command=CheckStatusInfoCommand())
            case CheckInfoType.HTTP:
                return CheckStatusInfo(type=check.type, http=CheckStatusInfoHttp())
            case CheckInfoType.TCP:
                return CheckStatusInfo(type=check.type, tcp=CheckStatusInfoTcp())
            case _:
                return None

    def _record(self, run: TaskRun, status: TaskStatus) -> None:
        """A new status replaces the previous one of the same state."""
        run.state = status.state
        if run.statuses and run.statuses[-1].state is status.state:
            run.statuses[-1] = status
        else:
            run.statuses.append(status)
        if status.healthy is not None:
            run.health.healthy = status.healthy
        if status.container_status is not None and status.container_status.executor_pid is not None:
            run.pid = status.container_status.executor_pid

    def _count_end(self, status: TaskStatus) -> None:
        """By state; ends also by source and reason, in upstream's old words."""
        self._count(f"tasks/{status.state}")
        if status.state in TERMINAL and status.source is not None and status.reason is not None:
            source, reason = (one.lower().replace("agent", "slave") for one in (status.source, status.reason))
            self._count(f"{status.state.lower()}/{source}/{reason}")

    def _refuse(
        self,
        framework_id: str,
        task_id: TaskID,
        state: TaskState,
        reason: TaskStatusReason,
        message: str,
        now: float,
    ) -> None:
        """A terminal update of a task that the agent does not hold."""
        stream = UpdateStream()
        status = TaskStatus(
            task_id=task_id,
            state=state,
            message=message,
            source=TaskStatusSource.SOURCE_AGENT,
            reason=reason,
            agent_id=AgentID(value=self.agent_id) if self.agent_id is not None else None,
            timestamp=now,
            uuid=self._new_uuid(),
        )
        stream.push(status, now)
        self._stray[framework_id, task_id.value] = stream
        self._count_end(status)
        self._send_due(now)

    def _send_due(self, now: float) -> None:
        if not self.registered:
            return
        for framework, executor, run in self.runs():
            if not framework.terminating and (status := run.stream.take_due(now)) is not None:
                self._out.append(
                    Send(
                        StatusUpdate(
                            framework_id=FrameworkID(value=framework.framework_id),
                            status=status,
                            latest_state=run.state,
                            executor_id=ExecutorID(value=executor.executor_id),
                        )
                    )
                )
        for (framework_id, _), stream in self._stray.items():
            if (status := stream.take_due(now)) is not None:
                self._out.append(
                    Send(
                        StatusUpdate(
                            framework_id=FrameworkID(value=framework_id), status=status, latest_state=status.state
                        )
                    )
                )

    def _take_operations(self) -> None:
        """What operations want: saved before it is told."""
        operations = self.operations
        if operations.saves or operations.messages:
            self._out += operations.saves
            self._out += [Send(message) for message in operations.messages]
            operations.saves, operations.messages = [], []


def _network_infos(run: TaskRun) -> tuple[NetworkInfo, ...]:
    """The container's own addresses, in the network that the task asked for where nobody named it."""
    if any(one.name for one in run.network_infos):
        return run.network_infos
    asked = run.info.container.network_infos if run.info.container is not None else ()
    if len(asked) != 1 or len(run.network_infos) != 1:
        return run.network_infos
    return (msgspec.structs.replace(asked[0], ip_addresses=run.network_infos[0].ip_addresses),)


def _address_label(run: TaskRun) -> Labels | None:
    """Where DNS servers of old look for a docker task's address."""
    if not run.network_infos or not in_docker(run.info.container):
        return None
    first = next(iter(run.network_infos[0].ip_addresses), None)
    if first is None or first.ip_address is None:
        return None
    return Labels(labels=(Label(key="Docker.NetworkSettings.IPAddress", value=first.ip_address),))
