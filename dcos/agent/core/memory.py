"""What the agent holds and how it is looked up. Changed only through the classes built on this one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dcos.agent.core.draining import Drain
from dcos.agent.core.events import (
    Effect,
)
from dcos.agent.core.executors import role_of
from dcos.agent.core.operations import Operations
from dcos.agent.core.state import (
    COMPLETED_FRAMEWORKS,
    ExecutorKind,
    ExecutorRun,
    FrameworkRun,
    Phase,
    TaskRun,
    task_message,
)
from dcos.agent.core.updates import UpdateStream
from dcos.model.acls import EVERYTHING
from dcos.model.authorizer import Authorizer
from dcos.model.resources import EMPTY, Resources
from dcos.model.secret_paths import spaces_of
from dcos.model.v1.types import (
    ContainerInfo,
    ContainerInfoType,
    FrameworkInfo,
    Labels,
    TaskInfo,
)
from dcos.wire.agent_link import AgentFramework


@dataclass(frozen=True, slots=True)
class Rules:
    """What the core needs to know of the settings."""

    ip: str
    launcher_dir: str = "/opt/mesosphere/libexec/mesos"
    shutdown_grace_s: float = 5.0
    containerizers: tuple[str, ...] = ("mesos",)
    docker_stop_timeout_s: float = 0.0
    """Grace of docker tasks that name none; 0: as other tasks have."""
    switch_user: bool = True
    max_completed_executors: int = 150
    registration_s: float = 60.0
    """For a custom executor to subscribe."""
    reregistration_s: float = 2.0
    """For one to subscribe again to a restarted agent."""
    holds_limits: bool = True
    """Whether the launcher can keep a command to the limits that its task names."""
    default_container: ContainerInfo | None = None
    """How tasks and executors are contained that do not say."""
    acls: Authorizer = EVERYTHING


class Memory:
    """Frameworks by id, tasks by container. ``new_uuid`` gives 16 fresh bytes."""

    def __init__(self, rules: Rules, new_uuid: Callable[[], bytes]) -> None:
        self.rules = rules
        self.agent_id: str | None = None
        self.frameworks: dict[str, FrameworkRun] = {}
        self.completed_frameworks: deque[FrameworkRun] = deque(maxlen=COMPLETED_FRAMEWORKS)
        self.registered = False
        self.operations = Operations(new_uuid)
        """And what the agent has."""
        self.leaving: str | None = None
        self.drain: Drain | None = None
        self.counters: dict[str, int] = {}
        self._new_uuid = new_uuid
        self._by_container: dict[str, tuple[FrameworkRun, ExecutorRun, TaskRun]] = {}
        self._executor_of: dict[str, tuple[FrameworkRun, ExecutorRun]] = {}
        """Custom executors by their container."""
        self._stray: dict[tuple[str, str], UpdateStream] = {}
        self._out: list[Effect] = []

    def runs(self) -> Iterator[tuple[FrameworkRun, ExecutorRun, TaskRun]]:
        """Every task that is live or still owes an answer."""
        for framework in self.frameworks.values():
            for executor in framework.executors.values():
                for run in executor.tasks.values():
                    yield framework, executor, run

    def find_executor(self, container_id: str) -> ExecutorRun | None:
        """Whose container it is: a task's executor, or a custom one."""
        custom = self._executor_of.get(container_id)
        if custom is not None:
            return custom[1]
        found = self._by_container.get(container_id)
        return found[1] if found is not None else None

    def containers(self) -> set[str]:
        """Ids of all containers that live or are being prepared."""
        live = {key for key, (_, _, run) in self._by_container.items() if run.phase is not Phase.ENDED}
        return live | set(self._executor_of)

    def pid_of(self, container_id: str) -> int | None:
        """The main process of a task's container."""
        found = self._by_container.get(container_id)
        return found[2].pid if found is not None else None

    def is_running(self, container_id: str) -> bool:
        """Whether the container was told to have started, and not to have ended."""
        custom = self._executor_of.get(container_id)
        if custom is not None:
            return custom[1].life is not None and custom[1].life.started
        found = self._by_container.get(container_id)
        return found is not None and found[2].phase is Phase.RUNNING

    def allocated(self) -> Resources:
        """What running tasks and executors take of the agent."""
        total = EMPTY
        for framework in self.frameworks.values():
            for executor in framework.executors.values():
                if executor.active:
                    total = total + executor.used()
        return total

    def link_frameworks(self) -> tuple[AgentFramework, ...]:
        """What re-registration tells."""
        return tuple(
            AgentFramework(
                info=framework.info,
                executors=tuple(
                    one.info for one in framework.executors.values() if one.kind is ExecutorKind.DEFAULT or one.alive
                ),
                tasks=tuple(
                    task_message(framework.framework_id, executor, run)
                    for executor in framework.executors.values()
                    for run in executor.tasks.values()
                ),
            )
            for framework in self.frameworks.values()
            if not framework.terminating
        )

    def _framework_for(self, info: FrameworkInfo) -> FrameworkRun:
        framework_id = id_of(info)
        framework = self.frameworks.get(framework_id)
        if framework is None:
            framework = next((one for one in self.completed_frameworks if one.framework_id == framework_id), None)
            if framework is not None:
                self.completed_frameworks.remove(framework)
                framework.terminating = False
            else:
                framework = self._new_framework(info)
            self.frameworks[framework_id] = framework
        framework.info = info
        return framework

    def _new_framework(self, info: FrameworkInfo) -> FrameworkRun:
        return FrameworkRun(info=info, completed_executors=deque(maxlen=self.rules.max_completed_executors))

    def _new_run(self, framework: FrameworkRun, task: TaskInfo, container_id: str) -> TaskRun:
        own = task.command.user if task.command is not None else None
        user = (own or framework.info.user) if self.rules.switch_user else ""
        return TaskRun(info=task, container_id=container_id, user=user, role=role_of(task))

    def _find(self, framework_id: str, task_id: str) -> tuple[FrameworkRun, ExecutorRun, TaskRun] | None:
        framework = self.frameworks.get(framework_id)
        for executor in framework.executors.values() if framework is not None else ():
            run = executor.tasks.get(task_id)
            if framework is not None and run is not None:
                return framework, executor, run
        return None

    def _has_containerizer_for(self, container: ContainerInfo | None) -> bool:
        return ("docker" if in_docker(container) else "mesos") in self.rules.containerizers

    def _count(self, name: str) -> None:
        self.counters[name] = self.counters.get(name, 0) + 1


def in_docker(container: ContainerInfo | None) -> bool:
    """Whether the docker containerizer is asked for."""
    return container is not None and container.type is ContainerInfoType.DOCKER


def has_image(container: ContainerInfo | None) -> bool:
    """Whether an image is asked for, of the mesos containerizer."""
    return container is not None and container.mesos is not None and container.mesos.image is not None


def space_of(labels: Labels | None) -> str:
    """The path by which secrets are told apart; empty: none was said."""
    return next(iter(spaces_of(labels)), "")


def id_of(framework: FrameworkInfo) -> str:
    return framework.id.value if framework.id is not None else ""
