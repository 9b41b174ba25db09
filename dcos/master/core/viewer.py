"""What one asker may see. Reads leave out, without a word, what he may not.   Source: object filtering of Mesos 1.11."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from dcos.master.core.records import ExecutorRecord, TaskRecord
from dcos.master.core.state import State
from dcos.model.acls import EVERYTHING, Action
from dcos.model.authorizer import PLAIN, About, Authorizer
from dcos.model.secret_paths import spaces_of
from dcos.model.v1.master import Event, EventAgentAdded, ResponseGetAgentsAgent
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

    acls: Authorizer
    principal: str | None
    _known: dict[tuple[Action, str | None, About], bool] = field(default_factory=dict)

    @property
    def limited(self) -> bool:
        """Whether there is anything at all that could be hidden."""
        return any(self.acls.decides(action, self.principal) for action in _FILTERS)

    def may(self, action: Action, what: str | None = None, about: About = PLAIN) -> bool:
        if not self.acls.decides(action, self.principal):
            return True
        key = (action, what, about)
        if key not in self._known:
            self._known[key] = self.acls.allows(action, self.principal, what, about)
        return self._known[key]

    def framework(self, info: FrameworkInfo) -> bool:
        return self.may(Action.VIEW_FRAMEWORK, info.user, About(roles=info.roles or (info.role or "*",)))

    def task(self, task: Task, info: FrameworkInfo) -> bool:
        user = task.user if task.user is not None else info.user
        return self.may(Action.VIEW_TASK, user, About(spaces=spaces_of(task.labels)))

    def executor(self, executor: ExecutorInfo, info: FrameworkInfo) -> bool:
        command = executor.command
        user = command.user if command is not None and command.user is not None else info.user
        return self.may(Action.VIEW_EXECUTOR, user, About(spaces=spaces_of(executor.labels)))

    def tasks(self, given: Iterable[TaskRecord], info: FrameworkInfo) -> list[TaskRecord]:
        """Those that he may see of a framework's: as ``task`` for each, of which there may be very many."""
        if not self.acls.decides(Action.VIEW_TASK, self.principal):
            return list(given)
        may = _Decided(lambda user, about: self.may(Action.VIEW_TASK, info.user if user is None else user, about))
        return [one for one in given if may[one.message.user, spaces_of(one.message.labels)]]

    def executors(self, given: Iterable[ExecutorRecord], info: FrameworkInfo) -> list[ExecutorRecord]:
        if not self.acls.decides(Action.VIEW_EXECUTOR, self.principal):
            return list(given)
        may = _Decided(lambda user, about: self.may(Action.VIEW_EXECUTOR, info.user if user is None else user, about))
        return [one for one in given if may[_user(one.info), spaces_of(one.info.labels)]]

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


class _Decided(dict[tuple[str | None, tuple[str, ...]], bool]):
    """Whether what a user runs for some groups may be seen, decided once for each."""

    def __init__(self, decide: Callable[[str | None, About], bool]) -> None:
        self._decide = decide

    def __missing__(self, key: tuple[str | None, tuple[str, ...]]) -> bool:
        found = self[key] = self._decide(key[0], About(spaces=key[1]))
        return found


def _user(executor: ExecutorInfo) -> str | None:
    return executor.command.user if executor.command is not None else None


def seen(viewer: Viewer, event: Event, state: State) -> Event | None:
    """An event of the operators' stream as ``viewer`` gets it; None: not at all."""
    if event.task_added is not None:
        task = event.task_added.task
        return event if _task_seen(viewer, task.framework_id.value, task, state) else None
    if event.task_updated is not None:
        update = event.task_updated
        framework = state.frameworks.get(update.framework_id.value) or state.completed.get(update.framework_id.value)
        record = framework.tasks.get(update.status.task_id.value) if framework is not None else None
        task_ = record.message if record is not None else None
        return event if _task_seen(viewer, update.framework_id.value, task_, state) else None
    if event.framework_added is not None:
        return event if viewer.framework(event.framework_added.framework.framework_info) else None
    if event.framework_updated is not None:
        return event if viewer.framework(event.framework_updated.framework.framework_info) else None
    if event.framework_removed is not None:
        return event if viewer.framework(event.framework_removed.framework_info) else None
    if event.agent_added is not None:
        agent = agent_seen(event.agent_added.agent, viewer)
        return msgspec.structs.replace(event, agent_added=EventAgentAdded(agent=agent))
    return event


def _task_seen(viewer: Viewer, framework_id: str, task: Task | None, state: State) -> bool:
    framework = state.frameworks.get(framework_id) or state.completed.get(framework_id)
    if framework is None or not viewer.framework(framework.info):
        return False
    return viewer.task(task, framework.info) if task is not None else viewer.may(Action.VIEW_TASK, framework.info.user)


def agent_seen(view: ResponseGetAgentsAgent, viewer: Viewer) -> ResponseGetAgentsAgent:
    """An agent without resources of roles that the viewer may not see."""
    if not viewer.limited:
        return view
    kinds = ("total_resources", "allocated_resources", "offered_resources")
    parts = {name: tuple(one for one in getattr(view, name) if viewer.resource(one)) for name in kinds}
    info = view.agent_info
    info = msgspec.structs.replace(info, resources=tuple(one for one in info.resources if viewer.resource(one)))
    return msgspec.structs.replace(view, agent_info=info, **parts)
