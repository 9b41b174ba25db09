"""Whether a scheduler's call is well formed; the first problem, in upstream's words, or None.

Source: Mesos master validation of ``scheduler::Call``.
"""

from __future__ import annotations

from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import FrameworkID

UUID_BYTES = 16
_WITHOUT_MEMBER = frozenset({CallType.TEARDOWN, CallType.REVIVE, CallType.SUPPRESS})


def call_problem(call: Call) -> str | None:
    """``type`` set but UNKNOWN passes: it is answered apart (501)."""
    if call.type is None:
        return "Expecting 'type' to be present"
    if call.type is CallType.UNKNOWN:
        return None
    member = call.type.lower()
    if call.type is CallType.SUBSCRIBE:
        if call.subscribe is None:
            return "Expecting 'subscribe' to be present"
        if _value(call.framework_id) != _value(call.subscribe.framework_info.id):
            return "'framework_id' differs from 'subscribe.framework_info.id'"
        return None
    if call.framework_id is None:
        return "Expecting 'framework_id' to be present"
    if call.type not in _WITHOUT_MEMBER and getattr(call, member) is None:
        return f"Expecting '{member}' to be present"
    if call.acknowledge is not None and call.type is CallType.ACKNOWLEDGE:
        return _uuid_problem(call.acknowledge.uuid)
    if call.acknowledge_operation_status is not None and call.type is CallType.ACKNOWLEDGE_OPERATION_STATUS:
        problem = _uuid_problem(call.acknowledge_operation_status.uuid)
        if problem is None and call.acknowledge_operation_status.agent_id is None:
            return "Expecting 'agent_id' to be present"
        return problem
    if (
        call.update_framework is not None
        and call.type is CallType.UPDATE_FRAMEWORK
        and _value(call.framework_id) != _value(call.update_framework.framework_info.id)
    ):
        return "'framework_id' differs from 'update_framework.framework_info.id'"
    return None


def _value(framework_id: FrameworkID | None) -> str:
    return framework_id.value if framework_id is not None else ""


def _uuid_problem(uuid: bytes) -> str | None:
    return None if len(uuid) == UUID_BYTES else "Not a valid UUID"
