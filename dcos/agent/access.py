"""Who may ask the agent what: realms, what ACLs let a principal see, and which v1 calls they let it make.

Source: Mesos 1.11, authorization of the agent's HTTP API: objects are the users that executors run as.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from dcos.agent.config import Config
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.state import ExecutorRun, FrameworkRun
from dcos.model.acls import EVERYTHING, Action
from dcos.model.authorizer import PLAIN, About, Authorizer
from dcos.model.resource_messages import allocation_role
from dcos.model.secret_paths import spaces_of
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import CommandInfo, ContainerID, ExecutorInfo, FrameworkInfo, Task
from dcos.runtime.http_access import Access, Namer
from dcos.runtime.http_auth import Basic


class Realm(StrEnum):
    """Where callers may have to name themselves."""

    READONLY = "mesos-agent-readonly"
    READWRITE = "mesos-agent-readwrite"
    EXECUTOR = "mesos-agent-executor"


def access(config: Config, namer: Namer | None = None) -> Access:
    """What the flags say of authentication. ``namer``: of those who bring tokens or certificates."""
    secrets = config.http_credentials.secrets if config.http_credentials is not None else {}
    needed = {
        Realm.READONLY: config.authenticate_http_readonly,
        Realm.READWRITE: config.authenticate_http_readwrite,
    }
    realms = {str(realm): Basic(realm, secrets) for realm, wanted in needed.items() if wanted}
    return Access(realms, config.firewall_rules or frozenset(), namer)


def user_of(executor: ExecutorInfo, framework: FrameworkInfo) -> str:
    """Whom an executor runs as."""
    command = executor.command
    return command.user if command is not None and command.user is not None else framework.user


def about_framework(info: FrameworkInfo) -> About:
    return About(roles=info.roles or (info.role or "*",))


def about_executor(executor: ExecutorRun, framework: FrameworkInfo) -> About:
    """The groups of all that it runs or ran, and the roles that its resources are allocated to. For any thread."""
    runs = tuple(executor.tasks.values())
    given = (
        executor.info.labels,
        *(run.info.labels for run in runs),
        *(task.labels for task in tuple(executor.completed)),
    )
    resources = (*executor.info.resources, *(one for run in runs for one in run.info.resources))
    roles = tuple(dict.fromkeys(role for one in resources if (role := allocation_role(one)) is not None))
    return About(
        roles=roles or about_framework(framework).roles,
        spaces=spaces_of(*given),
        user=user_of(executor.info, framework),
    )


class Viewer:
    """What one asker may see."""

    def __init__(self, acls: Authorizer, principal: str | None) -> None:
        self._acls = acls
        self._principal = principal

    def may(self, action: Action, what: str | None = None, about: About = PLAIN) -> bool:
        return self._acls.allows(action, self._principal, what, about)

    def missing(self, action: Action, what: str | None = None) -> str:
        return self._acls.missing(action, self._principal, what)

    def flags(self) -> bool:
        return self.may(Action.VIEW_FLAGS)

    def framework(self, info: FrameworkInfo) -> bool:
        return self.may(Action.VIEW_FRAMEWORK, info.user, about_framework(info))

    def executor(self, executor: ExecutorRun, framework: FrameworkInfo) -> bool:
        return self._inside(Action.VIEW_EXECUTOR, executor, framework)

    def _inside(self, action: Action, executor: ExecutorRun, framework: FrameworkInfo) -> bool:
        """Nothing is gathered for who may see everything."""
        if not self._acls.decides(action, self._principal):
            return True
        about = about_executor(executor, framework)
        return self.may(action, about.user, about)

    def task(self, task: Task, framework: FrameworkInfo) -> bool:
        if not self._acls.decides(Action.VIEW_TASK, self._principal):
            return True
        user = task.user if task.user is not None else framework.user
        return self.may(Action.VIEW_TASK, user, About(spaces=spaces_of(task.labels)))

    def container(self, executor: ExecutorRun, framework: FrameworkInfo) -> bool:
        return self._inside(Action.VIEW_CONTAINER, executor, framework)


ALL = Viewer(EVERYTHING, None)


# ---- v1 calls --------------------------------------------------------------------------------------------------------

Wanted = Iterable[tuple[Action, str | None, About]]


class Guard:
    """Which v1 calls a principal may make."""

    def __init__(self, acls: Authorizer, core: AgentCore) -> None:
        self._acls = acls
        self._core = core

    def missing(self, principal: str | None, call: v1.Call) -> str | None:
        """None: the call, which is well formed, is allowed; else the permission that it needs, where it has a name, or
        nothing."""
        for action, what, about in self._wanted(call):
            if not self._acls.allows(action, principal, what, about):
                return self._acls.missing(action, principal, what, about)
        return None

    def _wanted(self, call: v1.Call) -> Wanted:
        kinds = v1.CallType
        if call.type in _WHOLE:
            return ((_WHOLE[call.type], None, PLAIN),)
        if call.type in _CONFIGURED:
            return ((Action.MODIFY_RESOURCE_PROVIDER_CONFIG, _CONFIGURED[call.type], PLAIN),)
        match call.type:
            case kinds.LAUNCH_NESTED_CONTAINER if call.launch_nested_container is not None:
                body = call.launch_nested_container
                return self._launch(body.container_id, body.command)
            case kinds.LAUNCH_CONTAINER if call.launch_container is not None:
                launch = call.launch_container
                if launch.container_id.parent is None:
                    return ((Action.LAUNCH_STANDALONE_CONTAINER, None, PLAIN),)
                return self._launch(launch.container_id, launch.command)
            case kinds.LAUNCH_NESTED_CONTAINER_SESSION if call.launch_nested_container_session is not None:
                session = call.launch_nested_container_session
                user, about = self._inside(session.container_id)
                return [
                    (Action.LAUNCH_SESSION_UNDER_PARENT, user, about),
                    *_as_user(Action.LAUNCH_SESSION_AS_USER, session.command, about),
                ]
            case _:
                return self._other(call)

    def _launch(self, container: ContainerID, command: CommandInfo | None) -> Wanted:
        user, about = self._inside(container)
        return [
            (Action.LAUNCH_NESTED_CONTAINER_UNDER_PARENT, user, about),
            *_as_user(Action.LAUNCH_NESTED_CONTAINER_AS_USER, command, about),
        ]

    def _other(self, call: v1.Call) -> Wanted:
        for kind, (member, nested, standalone) in _CONTAINERS.items():
            if call.type is kind:
                container = _container_of(getattr(call, member))
                if container is None:
                    return ()
                if standalone is not None and container.parent is None and self._run_of(container) is None:
                    return ((standalone, None, PLAIN),)
                return ((nested, *self._inside(container)),)
        return ()

    def _inside(self, container: ContainerID) -> tuple[str | None, About]:
        """Whom the executor of the outermost container runs as, None where there is none; and what is known of it."""
        found = self._run_of(container)
        if found is None:
            return None, PLAIN
        about = about_executor(found[1], found[0].info)
        return about.user, about

    def _run_of(self, container: ContainerID) -> tuple[FrameworkRun, ExecutorRun] | None:
        root = container
        while root.parent is not None:
            root = root.parent
        for framework in self._core.frameworks.values():
            for executor in framework.executors.values():
                if executor.run_id == root.value:
                    return framework, executor
        return None


_WHOLE: dict[v1.CallType, Action] = {
    v1.CallType.GET_FLAGS: Action.VIEW_FLAGS,
    v1.CallType.SET_LOGGING_LEVEL: Action.SET_LOG_LEVEL,
    v1.CallType.PRUNE_IMAGES: Action.PRUNE_IMAGES,
    v1.CallType.GET_RESOURCE_PROVIDERS: Action.VIEW_RESOURCE_PROVIDER,
    v1.CallType.MARK_RESOURCE_PROVIDER_GONE: Action.MARK_RESOURCE_PROVIDER_GONE,
}
"""Calls about nothing in particular."""

_CONFIGURED: dict[v1.CallType, str] = {
    v1.CallType.ADD_RESOURCE_PROVIDER_CONFIG: "create",
    v1.CallType.UPDATE_RESOURCE_PROVIDER_CONFIG: "update",
    v1.CallType.REMOVE_RESOURCE_PROVIDER_CONFIG: "delete",
}
"""What they do to a configuration. ACLs know no difference."""


def _as_user(action: Action, command: CommandInfo | None, about: About) -> Wanted:
    """A command that names no user runs as its parent's."""
    return () if command is None else ((action, command.user, about),)


def _container_of(body: v1.CallAttachContainerInput | None) -> ContainerID | None:
    """Every body of these calls has its container by this name."""
    return None if body is None else body.container_id


_CONTAINERS: dict[v1.CallType, tuple[str, Action, Action | None]] = {
    v1.CallType.WAIT_NESTED_CONTAINER: ("wait_nested_container", Action.WAIT_NESTED_CONTAINER, None),
    v1.CallType.WAIT_CONTAINER: (
        "wait_container",
        Action.WAIT_NESTED_CONTAINER,
        Action.WAIT_STANDALONE_CONTAINER,
    ),
    v1.CallType.KILL_NESTED_CONTAINER: ("kill_nested_container", Action.KILL_NESTED_CONTAINER, None),
    v1.CallType.KILL_CONTAINER: (
        "kill_container",
        Action.KILL_NESTED_CONTAINER,
        Action.KILL_STANDALONE_CONTAINER,
    ),
    v1.CallType.REMOVE_NESTED_CONTAINER: ("remove_nested_container", Action.REMOVE_NESTED_CONTAINER, None),
    v1.CallType.REMOVE_CONTAINER: (
        "remove_container",
        Action.REMOVE_NESTED_CONTAINER,
        Action.REMOVE_STANDALONE_CONTAINER,
    ),
    v1.CallType.ATTACH_CONTAINER_OUTPUT: ("attach_container_output", Action.ATTACH_CONTAINER_OUTPUT, None),
    v1.CallType.ATTACH_CONTAINER_INPUT: ("attach_container_input", Action.ATTACH_CONTAINER_INPUT, None),
}
