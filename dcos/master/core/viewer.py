"""What one asker may see. Reads leave out, without a word, what he may not.   Source: object filtering of Mesos 1.11."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from dcos.model.acls import EVERYTHING, Acls, Action
from dcos.model.v1.types import ExecutorInfo, FrameworkInfo, Resource, Task

_FILTERS: Final = (
    Action.VIEW_FRAMEWORK,
    Action.VIEW_TASK,
    Action.VIEW_EXECUTOR,
    Action.VIEW_ROLE,
    Action.VIEW_FLAGS,
    Action.GET_QUOTA,
)


@dataclass(slots=True)
class Viewer:
    """Lives as long as one request or one stream; remembers what was decided."""

    acls: Acls
    principal: str | None
    _known: dict[tuple[Action, str | None], bool] = field(default_factory=dict)

    @property
    def limited(self) -> bool:
        """Whether there is anything at all that could be hidden."""
        return any(self.acls.decides(action) for action in _FILTERS)

    def may(self, action: Action, what: str | None = None) -> bool:
        if not self.acls.decides(action):
            return True
        key = (action, what)
        if key not in self._known:
            self._known[key] = self.acls.allows(action, self.principal, what)
        return self._known[key]

    def framework(self, info: FrameworkInfo) -> bool:
        return self.may(Action.VIEW_FRAMEWORK, info.user)

    def task(self, task: Task, info: FrameworkInfo) -> bool:
        return self.may(Action.VIEW_TASK, task.user if task.user is not None else info.user)

    def executor(self, executor: ExecutorInfo, info: FrameworkInfo) -> bool:
        command = executor.command
        return self.may(
            Action.VIEW_EXECUTOR, command.user if command is not None and command.user is not None else info.user
        )

    def role(self, name: str) -> bool:
        return self.may(Action.VIEW_ROLE, name)

    def resource(self, resource: Resource) -> bool:
        """By the roles it is reserved for or allocated to."""
        roles = {one.role for one in resource.reservations if one.role is not None}
        if resource.role not in (None, "*"):
            roles.add(resource.role or "*")
        if resource.allocation_info is not None and resource.allocation_info.role is not None:
            roles.add(resource.allocation_info.role)
        return all(self.role(one) for one in roles)

    def flags(self) -> bool:
        return self.may(Action.VIEW_FLAGS)


ALL: Final = Viewer(EVERYTHING, None)
