"""Operators' calls that change something, by type.   Members are present; who may call was decided before."""

from __future__ import annotations

from dcos.master.core import draining, maintenance, quota, weights
from dcos.master.core.effects import Answer
from dcos.master.core.state import State
from dcos.model.v1.master import Call, CallType


def call(state: State, request: int, call: Call, now: float) -> None:
    match call.type:
        case CallType.UPDATE_QUOTA if call.update_quota is not None:
            quota.update(state, request, call.update_quota, now)
        case CallType.SET_QUOTA if call.set_quota is not None:
            quota.set_quota(state, request, call.set_quota.quota_request, now)
        case CallType.REMOVE_QUOTA if call.remove_quota is not None:
            quota.remove(state, request, call.remove_quota.role)
        case CallType.UPDATE_WEIGHTS if call.update_weights is not None:
            weights.update(state, request, call.update_weights.weight_infos, now)
        case CallType.UPDATE_MAINTENANCE_SCHEDULE if call.update_maintenance_schedule is not None:
            maintenance.update(state, request, call.update_maintenance_schedule.schedule, now)
        case CallType.START_MAINTENANCE if call.start_maintenance is not None:
            maintenance.start(state, request, call.start_maintenance.machines, now)
        case CallType.STOP_MAINTENANCE if call.stop_maintenance is not None:
            maintenance.stop(state, request, call.stop_maintenance.machines)
        case CallType.DRAIN_AGENT if call.drain_agent is not None:
            draining.drain(state, request, call.drain_agent, now)
        case CallType.DEACTIVATE_AGENT if call.deactivate_agent is not None:
            draining.deactivate(state, request, call.deactivate_agent.agent_id.value, now)
        case CallType.REACTIVATE_AGENT if call.reactivate_agent is not None:
            draining.reactivate(state, request, call.reactivate_agent.agent_id.value)
        case _:
            state.emit(Answer(request, 501, f"{call.type} changes nothing here"))
