"""What permission each action of Mesos needs, and who may do what by the permissions that are known.

``NEEDS`` is the table: one row an action. A row is what all must be held; each of its parts is what any of suffices. An id ends
with what it is about: ``dcos:mesos:master:framework:role`` alone is every role, ``...:role:dev`` is ``dev`` and all below it.

``Granted`` knows the grants of those who ask: the edge tells it before it lets a request in, so that the core can decide at once.
Source of the ids: DC/OS Enterprise, permissions reference; rows marked "ours" are of actions for which it has no id.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from dcos.model.acls import Action
from dcos.model.authorizer import PLAIN, About
from dcos.model.permissions import NOTHING, Grants, Permission

MESOS: Final = "dcos:mesos"
MASTER: Final = f"{MESOS}:master"
AGENT: Final = f"{MESOS}:agent"
_REMEMBERED: Final = 4096


class By(Enum):
    """What an id ends with."""

    WHOLE = "nothing more"
    WHAT = "the object's name"
    USER = "the user's name"
    ROLES = "one of its roles"
    SPACES = "each of its groups"
    GIVEN_SPACES = "each of its groups; without any, nothing is needed"


@dataclass(frozen=True, slots=True)
class Need:
    rid: str
    action: str
    """Empty: the object's name says it."""
    by: By = By.WHOLE

    def endings(self, what: str | None, about: About) -> tuple[str, ...]:
        """What may follow the id."""
        match self.by:
            case By.WHOLE:
                return ("",)
            case By.WHAT:
                return (f":{what}" if what else "",)
            case By.USER:
                user = what or about.user
                return (f":{user}" if user else "",)
            case By.ROLES:
                return tuple(f":{role}" for role in about.roles) or ("",)
            case By.SPACES:
                return tuple(f":/{space.strip('/')}" for space in about.spaces) or ("",)
            case By.GIVEN_SPACES:
                return tuple(f":/{space.strip('/')}" for space in about.spaces)

    def wanted(self, what: str | None, about: About) -> Iterator[Permission]:
        for ending in self.endings(what, about):
            yield Permission(self.rid + ending, self.action or what or "full")

    def held(self, grants: Grants, what: str | None, about: About) -> bool:
        enough = any if self.by is By.ROLES else all
        return enough(grants.allow(one) for one in self.wanted(what, about))


Row = tuple[tuple[Need, ...], ...]


def _one(rid: str, action: str, by: By = By.WHOLE) -> Row:
    return ((Need(rid, action, by),),)


_ROLE_SEEN: Final[Row] = (
    (
        Need(f"{MASTER}:framework:role", "read", By.WHAT),
        Need(f"{MASTER}:weight:role", "read", By.WHAT),
        Need(f"{MASTER}:quota:role", "read", By.WHAT),
    ),
)
_DEBUGGED: Final[Row] = (
    (
        Need(f"{AGENT}:container:app_id", "update", By.SPACES),
        Need(f"{AGENT}:container:role", "update", By.ROLES),
    ),
)
_SESSION: Final[Row] = (
    (
        Need(f"{AGENT}:nested_container_session:app_id", "create", By.SPACES),
        Need(f"{AGENT}:nested_container_session:role", "create", By.ROLES),
    ),
)
_AS_USER: Final = _one(f"{AGENT}:nested_container_session:user", "create", By.USER)
_STANDALONE: Final = _one(f"{AGENT}:container:app_id", "update")

NEEDS: Final[Mapping[Action, Row]] = {
    # ---- frameworks and what they do ----
    Action.REGISTER_FRAMEWORK: _one(f"{MASTER}:framework:role", "create", By.WHAT),
    Action.TEARDOWN_FRAMEWORK: _one(f"{MASTER}:framework:principal", "delete", By.WHAT),
    Action.RUN_TASK: (
        (Need(f"{MASTER}:task:user", "create", By.WHAT),),
        # A task reads the secrets of the group that it says it belongs to.
        (Need(f"{MASTER}:task:app_id", "create", By.GIVEN_SPACES),),
    ),
    Action.RESERVE_RESOURCES: _one(f"{MASTER}:reservation:role", "create", By.WHAT),
    Action.UNRESERVE_RESOURCES: _one(f"{MASTER}:reservation:principal", "delete", By.WHAT),
    Action.CREATE_VOLUME: _one(f"{MASTER}:volume:role", "create", By.WHAT),
    Action.RESIZE_VOLUME: _one(f"{MASTER}:volume:role", "create", By.WHAT),
    Action.DESTROY_VOLUME: _one(f"{MASTER}:volume:principal", "delete", By.WHAT),
    Action.CREATE_BLOCK_DISK: _one(f"{MASTER}:block_disk", "create"),
    Action.DESTROY_BLOCK_DISK: _one(f"{MASTER}:block_disk", "delete"),
    Action.CREATE_MOUNT_DISK: _one(f"{MASTER}:mount_disk", "create"),
    Action.DESTROY_MOUNT_DISK: _one(f"{MASTER}:mount_disk", "delete"),
    Action.DESTROY_RAW_DISK: _one(f"{MASTER}:mount_disk", "delete"),  # ours
    # ---- roles ----
    Action.GET_QUOTA: _one(f"{MASTER}:quota:role", "read", By.WHAT),
    Action.UPDATE_QUOTA: _one(f"{MASTER}:quota:role", "update", By.WHAT),
    Action.UPDATE_WEIGHT: _one(f"{MASTER}:weight:role", "update", By.WHAT),
    Action.VIEW_ROLE: _ROLE_SEEN,
    # ---- what is shown ----
    Action.GET_ENDPOINT: _one(f"{MASTER}:endpoint:path", "read", By.WHAT),
    Action.VIEW_FRAMEWORK: _one(f"{MASTER}:framework:role", "read", By.ROLES),
    Action.VIEW_TASK: _one(f"{MASTER}:task:app_id", "read", By.SPACES),
    Action.VIEW_EXECUTOR: _one(f"{MASTER}:executor:app_id", "read", By.SPACES),
    Action.VIEW_CONTAINER: _one(f"{AGENT}:executor:app_id", "read", By.SPACES),
    Action.ACCESS_SANDBOX: _one(f"{AGENT}:sandbox:app_id", "read", By.SPACES),
    Action.ACCESS_MESOS_LOG: _one(f"{MASTER}:log", "read"),
    Action.VIEW_FLAGS: _one(f"{MASTER}:flags", "read"),
    Action.SET_LOG_LEVEL: _one(f"{MASTER}:endpoint:path:/logging/toggle", "read"),
    # ---- containers ----
    Action.LAUNCH_NESTED_CONTAINER_UNDER_PARENT: _DEBUGGED,
    Action.LAUNCH_NESTED_CONTAINER_AS_USER: _AS_USER,
    Action.LAUNCH_SESSION_UNDER_PARENT: _SESSION,
    Action.LAUNCH_SESSION_AS_USER: _AS_USER,
    Action.ATTACH_CONTAINER_INPUT: _DEBUGGED,
    Action.ATTACH_CONTAINER_OUTPUT: _DEBUGGED,
    Action.KILL_NESTED_CONTAINER: _DEBUGGED,
    Action.WAIT_NESTED_CONTAINER: _DEBUGGED,
    Action.REMOVE_NESTED_CONTAINER: _DEBUGGED,
    Action.LAUNCH_STANDALONE_CONTAINER: _STANDALONE,  # ours
    Action.KILL_STANDALONE_CONTAINER: _STANDALONE,  # ours
    Action.WAIT_STANDALONE_CONTAINER: _STANDALONE,  # ours
    Action.REMOVE_STANDALONE_CONTAINER: _STANDALONE,  # ours
    Action.VIEW_STANDALONE_CONTAINER: _one(f"{AGENT}:executor:app_id", "read"),  # ours
    Action.PRUNE_IMAGES: _one(AGENT, "update"),  # ours
    # ---- machines ----
    Action.REGISTER_AGENT: _one(f"{MASTER}:agent", "create"),  # ours
    Action.DRAIN_AGENT: _one(f"{MASTER}:agent", "delete"),
    Action.MARK_AGENT_GONE: _one(f"{MASTER}:agent", "delete"),
    Action.DEACTIVATE_AGENT: _one(f"{MASTER}:agent", "update"),
    Action.REACTIVATE_AGENT: _one(f"{MASTER}:agent", "update"),
    Action.UPDATE_MAINTENANCE_SCHEDULE: _one(f"{MASTER}:agent", "update"),  # ours
    Action.START_MAINTENANCE: _one(f"{MASTER}:agent", "update"),  # ours
    Action.STOP_MAINTENANCE: _one(f"{MASTER}:agent", "update"),  # ours
    Action.GET_MAINTENANCE_SCHEDULE: _one(f"{MASTER}:agent", "read"),  # ours
    Action.GET_MAINTENANCE_STATUS: _one(f"{MASTER}:agent", "read"),  # ours
    Action.VIEW_RESOURCE_PROVIDER: _one(f"{AGENT}:resource_provider", "read"),
    Action.MODIFY_RESOURCE_PROVIDER_CONFIG: _one(f"{AGENT}:resource_provider_config", ""),
    Action.MARK_RESOURCE_PROVIDER_GONE: _one(f"{AGENT}:resource_provider_config", "delete"),
}
"""As a master asks; an agent asks the same of itself: ``SHOWN_BY_AGENTS``."""

SHOWN_BY_AGENTS: Final = (
    Action.GET_ENDPOINT,
    Action.VIEW_FRAMEWORK,
    Action.VIEW_TASK,
    Action.VIEW_EXECUTOR,
    Action.ACCESS_MESOS_LOG,
    Action.VIEW_FLAGS,
    Action.SET_LOG_LEVEL,
)
"""What masters and agents show both, each by ids of its own."""


def of_agents(row: Row) -> Row:
    """The same row for an agent."""
    return tuple(tuple(Need(one.rid.replace(MASTER, AGENT), one.action, one.by) for one in part) for part in row)


ON_AGENTS: Final[Mapping[Action, Row]] = {
    **NEEDS,
    **{action: of_agents(NEEDS[action]) for action in SHOWN_BY_AGENTS},
    # The master asked before it sent the task.
    Action.RUN_TASK: (),
}


class Granted:
    """An ``Authorizer`` by permissions.

    ``services``: who is known from the start and stays. ``anonymous``: whether who proved nothing may do everything.
    """

    def __init__(
        self, needs: Mapping[Action, Row] = NEEDS, *, services: Mapping[str, Grants] | None = None, anonymous: bool
    ) -> None:
        self._needs = needs
        self._services = services or {}
        self._anonymous = anonymous
        self._known: OrderedDict[str, Grants] = OrderedDict()

    def tell(self, principal: str, grants: Grants) -> None:
        """What ``principal`` may do from now on."""
        self._known[principal] = grants
        self._known.move_to_end(principal)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def knows(self, principal: str) -> bool:
        """Whether nobody has to be asked what it may do."""
        return principal in self._services

    def rights(self, principal: str | None) -> Grants:
        """Those that are known."""
        if principal is None:
            return NOTHING
        found = self._services.get(principal)
        return found if found is not None else self._known.get(principal, NOTHING)

    def unlimited(self, principal: str | None) -> bool:
        return self._anonymous if principal is None else self.rights(principal).allow(Permission(MESOS))

    def allows(self, action: Action, principal: str | None, what: str | None = None, about: About = PLAIN) -> bool:
        if self.unlimited(principal):
            return True
        grants = self.rights(principal)
        return all(any(need.held(grants, what, about) for need in part) for part in self._needs[action])

    def decides(self, _: Action, principal: str | None) -> bool:
        return not self.unlimited(principal)

    def missing(self, action: Action, principal: str | None, what: str | None = None, about: About = PLAIN) -> str:
        """Of what is not held, the first."""
        grants = self.rights(principal)
        for part in self._needs[action]:
            if not any(need.held(grants, what, about) for need in part):
                wanted = tuple(part[0].wanted(what, about))
                return next((one.rid for one in wanted if not grants.allow(one)), wanted[0].rid)
        return ""

    def asker(self, _: str | None, proved: str | None) -> str | None:
        return proved

    def bare(self, principal: str | None) -> bool:
        return self.allows(Action.REGISTER_FRAMEWORK, principal)
