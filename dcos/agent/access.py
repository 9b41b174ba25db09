"""Who may ask the agent what: realms, what ACLs let a principal see, and which v1 calls they let it make.

Source: Mesos 1.11, authorization of the agent's HTTP API: objects are the users that executors run as.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from dcos.agent.config import Config
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.state import ExecutorRun, FrameworkRun
from dcos.model.acls import EVERYTHING, Acls, Action
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import CommandInfo, ContainerID, ExecutorInfo, FrameworkInfo, Task
from dcos.runtime.http_access import Access
from dcos.runtime.http_auth import Basic


class Realm(StrEnum):
    """Where callers may have to name themselves."""

    READONLY = "mesos-agent-readonly"
    READWRITE = "mesos-agent-readwrite"
    EXECUTOR = "mesos-agent-executor"


def access(config: Config) -> Access:
    """What the flags say of authentication."""
    secrets = config.http_credentials.secrets if config.http_credentials is not None else {}
    needed = {
        Realm.READONLY: config.authenticate_http_readonly,
        Realm.READWRITE: config.authenticate_http_readwrite,
    }
    realms = {str(realm): Basic(realm, secrets) for realm, wanted in needed.items() if wanted}
    return Access(realms, config.firewall_rules or frozenset())


def user_of(executor: ExecutorInfo, framework: FrameworkInfo) -> str:
    """Whom an executor runs as."""
    command = executor.command
    return command.user if command is not None and command.user is not None else framework.user


class Viewer:
    """What one asker may see."""

    def __init__(self, acls: Acls, principal: str | None) -> None:
        self._acls = acls
        self._principal = principal

    def may(self, action: Action, what: str | None = None) -> bool:
        return self._acls.allows(action, self._principal, what)

    def flags(self) -> bool:
        return self.may(Action.VIEW_FLAGS)

    def framework(self, info: FrameworkInfo) -> bool:
        return self.may(Action.VIEW_FRAMEWORK, info.user)

    def executor(self, executor: ExecutorInfo, framework: FrameworkInfo) -> bool:
        return self.may(Action.VIEW_EXECUTOR, user_of(executor, framework))

    def task(self, task: Task, framework: FrameworkInfo) -> bool:
        return self.may(Action.VIEW_TASK, task.user if task.user is not None else framework.user)

    def container(self, executor: ExecutorInfo, framework: FrameworkInfo) -> bool:
        return self.may(Action.VIEW_CONTAINER, user_of(executor, framework))


ALL = Viewer(EVERYTHING, None)


# ---- v1 calls --------------------------------------------------------------------------------------------------------

Wanted = Iterable[tuple[Action, str | None]]


class Guard:
    """Which v1 calls a principal may make."""

    def __init__(self, acls: Acls, core: AgentCore) -> None:
        self._acls = acls
        self._core = core

    def allows(self, principal: str | None, call: v1.Call) -> bool:
        """The call is well formed."""
        return all(self._acls.allows(action, principal, what) for action, what in self._wanted(call))

    def _wanted(self, call: v1.Call) -> Wanted:
        kinds = v1.CallType
        match call.type:
            case kinds.GET_FLAGS:
                return ((Action.VIEW_FLAGS, None),)
            case kinds.SET_LOGGING_LEVEL:
                return ((Action.SET_LOG_LEVEL, None),)
            case kinds.PRUNE_IMAGES:
                return ((Action.PRUNE_IMAGES, None),)
            case kinds.GET_RESOURCE_PROVIDERS:
                return ((Action.VIEW_RESOURCE_PROVIDER, None),)
            case kinds.MARK_RESOURCE_PROVIDER_GONE:
                return ((Action.MARK_RESOURCE_PROVIDER_GONE, None),)
            case (
                kinds.ADD_RESOURCE_PROVIDER_CONFIG
                | kinds.UPDATE_RESOURCE_PROVIDER_CONFIG
                | kinds.REMOVE_RESOURCE_PROVIDER_CONFIG
            ):
                return ((Action.MODIFY_RESOURCE_PROVIDER_CONFIG, None),)
            case kinds.LAUNCH_NESTED_CONTAINER if call.launch_nested_container is not None:
                body = call.launch_nested_container
                return self._launch(body.container_id, body.command)
            case kinds.LAUNCH_CONTAINER if call.launch_container is not None:
                launch = call.launch_container
                if launch.container_id.parent is None:
                    return ((Action.LAUNCH_STANDALONE_CONTAINER, None),)
                return self._launch(launch.container_id, launch.command)
            case kinds.LAUNCH_NESTED_CONTAINER_SESSION if call.launch_nested_container_session is not None:
                session = call.launch_nested_container_session
                return [
                    (Action.LAUNCH_SESSION_UNDER_PARENT, self._user(session.container_id)),
                    *_as_user(Action.LAUNCH_SESSION_AS_USER, session.command),
                ]
            case _:
                return self._other(call)

    def _launch(self, container: ContainerID, command: CommandInfo | None) -> Wanted:
        return [
            (Action.LAUNCH_NESTED_CONTAINER_UNDER_PARENT, self._user(container)),
            *_as_user(Action.LAUNCH_NESTED_CONTAINER_AS_USER, command),
        ]

    def _other(self, call: v1.Call) -> Wanted:
        for kind, (member, nested, standalone) in _CONTAINERS.items():
            if call.type is kind:
                container = _container_of(getattr(call, member))
                if container is None:
                    return ()
                if standalone is not None and container.parent is None and self._run_of(container) is None:
                    return ((standalone, None),)
                return ((nested, self._user(container)),)
        return ()

    def _user(self, container: ContainerID) -> str | None:
        """Whom the executor of the outermost container runs as; None where there is none."""
        found = self._run_of(container)
        return user_of(found[1].info, found[0].info) if found is not None else None

    def _run_of(self, container: ContainerID) -> tuple[FrameworkRun, ExecutorRun] | None:
        root = container
        while root.parent is not None:
            root = root.parent
        for framework in self._core.frameworks.values():
            for executor in framework.executors.values():
                if executor.run_id == root.value:
                    return framework, executor
        return None


def _as_user(action: Action, command: CommandInfo | None) -> Wanted:
    """A command that names no user runs as its parent's."""
    return () if command is None else ((action, command.user),)


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
