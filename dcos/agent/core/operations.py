"""What the agent has, beyond its flags: reservations and volumes, and the operations that make and unmake them.

Theory: the master's books allow an operation before it comes here, so that it is applied at once and saved together with
its result; what has to happen to volumes on disk follows, then the operation is FINISHED. The end is told, and repeated (10 s
doubling to 10 min, and at once after a registration), until it is acknowledged; then the operation is forgotten. An operation
that is known is not applied again. After a crash, what was being done to volumes is done again.

Source: Mesos agent (checkpointed resources, operation status update manager, docs/persistent-volume.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from dcos.agent.core.operation_events import ChangeVolumes, OperationAsked, SaveResources, VolumesChanged
from dcos.agent.core.updates import RETRY_MAX_S, RETRY_MIN_S
from dcos.model.conversions import (
    Conversion,
    ConversionError,
    checkpointed,
    conversion,
    is_checkpointed,
    show_volumes,
    stacked,
    with_checkpointed,
)
from dcos.model.operation_states import TERMINAL_OPERATIONS
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.types import (
    UUID,
    AgentID,
    FrameworkID,
    OfferOperation,
    OfferOperationType,
    Operation,
    OperationState,
    OperationStatus,
    Resource,
)
from dcos.wire.agent_link import UpdateOperationStatus, UpdateResources

Effect = SaveResources | ChangeVolumes
Message = UpdateOperationStatus | UpdateResources


@dataclass(slots=True)
class OperationRun:
    """An operation until its end is acknowledged."""

    uuid: bytes
    info: OfferOperation
    framework_id: str | None
    status: OperationStatus
    due_at: float | None = None
    interval_s: float = RETRY_MIN_S

    @property
    def ended(self) -> bool:
        return self.status.state in TERMINAL_OPERATIONS


class Operations:
    """``total``: everything the agent has. Each step adds to ``saves`` (first) and ``messages`` (then), which are taken."""

    def __init__(self, new_uuid: Callable[[], bytes]) -> None:
        self._new_uuid = new_uuid
        self.agent_id: str | None = None
        self.total: Resources = EMPTY
        self.oversubscribed: Resources = EMPTY
        """Revocable ones beyond the flags, for as long as the process lives."""
        self.runs: dict[bytes, OperationRun] = {}
        self.registered = False
        self.closed: str | None = None
        """Why no operation is taken any more (the agent drains)."""
        self.saves: list[Effect] = []
        self.messages: list[Message] = []

    # ---- start -------------------------------------------------------------------------------------------------------

    def restore(self, by_flags: Iterable[Resource], saved: Iterable[Resource], operations: Iterable[Operation]) -> None:
        """What an earlier process saved.   Errors: ConversionError if today's flags do not have it."""
        self.total = with_checkpointed(Resources.of(by_flags), saved) + self.oversubscribed
        for one in operations:
            framework = one.framework_id.value if one.framework_id is not None else None
            run = OperationRun(one.uuid.value, one.info, framework, one.latest_status)
            self.runs[run.uuid] = run
            if not run.ended:
                self.saves.append(_on_disk(run))

    # ---- steps -------------------------------------------------------------------------------------------------------

    def asked(self, event: OperationAsked) -> None:
        known = self.runs.get(event.uuid)
        if known is not None:
            self._resend(known, event.now)
            return
        operation = stacked(event.operation)
        status = OperationStatus(
            operation_id=operation.id, state=OperationState.OPERATION_PENDING, agent_id=self._agent_id()
        )
        run = OperationRun(event.uuid, operation, event.framework_id, status)
        self.runs[run.uuid] = run
        try:
            if self.closed is not None:
                raise ConversionError(self.closed)
            change = conversion(operation)
            self.total = change.apply(self.total)
        except ConversionError as error:
            self.messages.append(UpdateResources(total=self.total.messages()))
            self._end(run, OperationState.OPERATION_DROPPED, event.now, message=str(error))
            return
        show_volumes(operation)
        changed = _on_disk(run)
        if changed.made or changed.destroyed:
            self._save()
            self.saves.append(changed)
        else:
            self._finish(run, change, event.now)

    def volumes_changed(self, event: VolumesChanged) -> None:
        """The disk is as the operation wants it, or could not be brought there."""
        run = self.runs.get(event.uuid)
        if run is None or run.ended:
            return
        change = conversion(run.info)
        if event.error is None:
            self._finish(run, change, event.now)
            return
        if self.total.contains(change.converted):
            self.total = self.total - change.converted + change.consumed
        self.messages.append(UpdateResources(total=self.total.messages()))
        self._end(run, OperationState.OPERATION_FAILED, event.now, message=event.error)

    def acknowledged(self, uuid: bytes, status_uuid: bytes) -> None:
        run = self.runs.get(uuid)
        if run is not None and run.ended and run.status.uuid is not None and run.status.uuid.value == status_uuid:
            del self.runs[uuid]
            self._save()

    def connected(self, agent_id: str, now: float) -> None:
        """The master has registered the agent."""
        self.agent_id = agent_id
        self.registered = True
        for run in self.runs.values():
            self._resend(run, now)

    def tick(self, now: float) -> None:
        for run in self.runs.values():
            self._send_due(run, now)

    def next_deadline(self) -> float | None:
        if not self.registered:
            return None
        return min((run.due_at for run in self.runs.values() if run.due_at is not None), default=None)

    # ---- ends --------------------------------------------------------------------------------------------------------

    def _finish(self, run: OperationRun, change: Conversion, now: float) -> None:
        self._end(run, OperationState.OPERATION_FINISHED, now, converted=change.converted.messages())

    def _end(
        self,
        run: OperationRun,
        to: OperationState,
        now: float,
        *,
        message: str | None = None,
        converted: tuple[Resource, ...] = (),
    ) -> None:
        run.status = msgspec.structs.replace(
            run.status,
            state=to,
            message=message,
            converted_resources=converted,
            uuid=UUID(value=self._new_uuid()),
            agent_id=self._agent_id(),
        )
        self._save()
        self._resend(run, now)

    def _resend(self, run: OperationRun, now: float) -> None:
        if run.ended:
            run.interval_s = RETRY_MIN_S
            run.due_at = now
            self._send_due(run, now)

    def _send_due(self, run: OperationRun, now: float) -> None:
        if not self.registered or run.due_at is None or run.due_at > now:
            return
        run.due_at = now + run.interval_s
        run.interval_s = min(run.interval_s * 2, RETRY_MAX_S)
        framework = FrameworkID(value=run.framework_id) if run.framework_id is not None else None
        self.messages.append(UpdateOperationStatus(operation_uuid=run.uuid, status=run.status, framework_id=framework))

    def _save(self) -> None:
        self.saves.append(SaveResources(self.checkpointed(), self.link_operations()))

    def _agent_id(self) -> AgentID | None:
        return AgentID(value=self.agent_id) if self.agent_id is not None else None

    # ---- views -------------------------------------------------------------------------------------------------------

    def checkpointed(self) -> tuple[Resource, ...]:
        return checkpointed(self.total).messages()

    def link_operations(self) -> tuple[Operation, ...]:
        """As re-registration and the operators' API tell them."""
        return tuple(
            Operation(
                framework_id=FrameworkID(value=run.framework_id) if run.framework_id is not None else None,
                agent_id=self._agent_id(),
                info=run.info,
                latest_status=run.status,
                statuses=(run.status,),
                uuid=UUID(value=run.uuid),
            )
            for run in self.runs.values()
        )

    def missing(self, resources: Iterable[Resource]) -> Resources:
        """Reservations and volumes among ``resources`` that this agent does not have."""
        wanted = Resources.of(resources).filter(is_checkpointed)
        return EMPTY if self.total.contains(wanted) else wanted - self.total


def _on_disk(run: OperationRun) -> ChangeVolumes:
    info = run.info
    made = info.create.volumes if info.type is OfferOperationType.CREATE and info.create is not None else ()
    gone = info.destroy.volumes if info.type is OfferOperationType.DESTROY and info.destroy is not None else ()
    return ChangeVolumes(run.uuid, made, gone)
