"""Which v1 operator calls which principal may make: one row per call that can be refused (403).

Calls that only show something are not here: they leave out what the asker may not see (``core/viewer.py``). Nor are operations
on resources: those are validated first (``core/operate.py``).
Source: Mesos 1.11, authorization of the master's operator API.
"""

from __future__ import annotations

from collections.abc import Callable

from dcos.master.core.authorization import Wanted
from dcos.master.core.state import State
from dcos.model.acls import Action
from dcos.model.authorizer import Authorizer
from dcos.model.v1.master import Call, CallType


def missing(acls: Authorizer, principal: str | None, call: Call, state: State) -> str | None:
    """None: the call is allowed; else the permission that it needs, where it has a name, or nothing."""
    guard = _GUARDS.get(call.type) if call.type is not None else None
    for action, what in guard(call, state) if guard is not None else ():
        if not acls.allows(action, principal, what):
            return acls.missing(action, principal, what)
    return None


def changes(kind: CallType) -> bool:
    """Whether a call is one by which an operator changes something."""
    return kind in _OPERATIONS or (kind in _GUARDS and not kind.startswith("GET_"))


def _whole(action: Action) -> Callable[[Call, State], Wanted]:
    return lambda _call, _state: ((action, None),)


def _teardown(call: Call, state: State) -> Wanted:
    name = call.teardown.framework_id.value if call.teardown is not None else ""
    framework = state.frameworks.get(name)
    # Who may tear down nothing learns nothing of an id that is not there.
    return () if framework is None else ((Action.TEARDOWN_FRAMEWORK, framework.info.principal or ""),)


def _drain(call: Call, _: State) -> Wanted:
    """Whoever lets an agent be gone in the end has to be allowed that too."""
    gone = call.drain_agent is not None and call.drain_agent.mark_gone
    return [(Action.DRAIN_AGENT, None), *([(Action.MARK_AGENT_GONE, None)] if gone else [])]


def _weights(call: Call, _: State) -> Wanted:
    given = call.update_weights.weight_infos if call.update_weights is not None else ()
    return [(Action.UPDATE_WEIGHT, one.role) for one in given]


def _quotas(call: Call, _: State) -> Wanted:
    given = call.update_quota.quota_configs if call.update_quota is not None else ()
    return [(Action.UPDATE_QUOTA, one.role) for one in given]


def _set_quota(call: Call, _: State) -> Wanted:
    return ((Action.UPDATE_QUOTA, call.set_quota.quota_request.role),) if call.set_quota is not None else ()


def _remove_quota(call: Call, _: State) -> Wanted:
    return ((Action.UPDATE_QUOTA, call.remove_quota.role),) if call.remove_quota is not None else ()


_OPERATIONS = frozenset(
    {
        CallType.RESERVE_RESOURCES,
        CallType.UNRESERVE_RESOURCES,
        CallType.CREATE_VOLUMES,
        CallType.DESTROY_VOLUMES,
        CallType.GROW_VOLUME,
        CallType.SHRINK_VOLUME,
    }
)

_GUARDS: dict[CallType, Callable[[Call, State], Wanted]] = {
    CallType.GET_FLAGS: _whole(Action.VIEW_FLAGS),
    CallType.SET_LOGGING_LEVEL: _whole(Action.SET_LOG_LEVEL),
    CallType.TEARDOWN: _teardown,
    CallType.MARK_AGENT_GONE: _whole(Action.MARK_AGENT_GONE),
    CallType.DRAIN_AGENT: _drain,
    CallType.DEACTIVATE_AGENT: _whole(Action.DEACTIVATE_AGENT),
    CallType.REACTIVATE_AGENT: _whole(Action.REACTIVATE_AGENT),
    CallType.GET_MAINTENANCE_SCHEDULE: _whole(Action.GET_MAINTENANCE_SCHEDULE),
    CallType.GET_MAINTENANCE_STATUS: _whole(Action.GET_MAINTENANCE_STATUS),
    CallType.UPDATE_MAINTENANCE_SCHEDULE: _whole(Action.UPDATE_MAINTENANCE_SCHEDULE),
    CallType.START_MAINTENANCE: _whole(Action.START_MAINTENANCE),
    CallType.STOP_MAINTENANCE: _whole(Action.STOP_MAINTENANCE),
    CallType.UPDATE_WEIGHTS: _weights,
    CallType.UPDATE_QUOTA: _quotas,
    CallType.SET_QUOTA: _set_quota,
    CallType.REMOVE_QUOTA: _remove_quota,
}
