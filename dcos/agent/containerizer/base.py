"""The interfaces between the containerizer and its parts.   ContainerError > LaunchError."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dcos.agent.containerizer.box import Box, Mark
from dcos.agent.core.events import Plan
from dcos.agent.core.exits import Exit
from dcos.model.v1.types import CommandInfo, NetworkInfo


class ContainerError(Exception):
    """A container could not be started, stopped or looked at: says which and why."""


class LaunchError(ContainerError):
    """It could not be started; the task fails with these words."""


@dataclass(frozen=True, slots=True)
class Running:
    """Found alive; ``pid`` is the task's main process."""

    pid: int
    network_infos: tuple[NetworkInfo, ...] = ()
    """Where it is reached; none: at the machine's own address."""
    data: bytes | None = None
    """Told along with TASK_RUNNING."""


@dataclass(frozen=True, slots=True)
class Ended:
    end: Exit


Found = Running | Ended | None
"""None: there is no such container."""


class Launcher(Protocol):
    """Starts a box's ``launch`` script and remembers how it ended, whether or not the agent lives."""

    name: str

    async def start(self, box: Box) -> int:
        """Returns the main process's pid.   Errors: LaunchError."""
        ...

    async def update(self, box: Box) -> None:
        """Set the limits that the box's mark now has.   Errors: ContainerError."""
        ...

    async def find(self, box: Box) -> Found:
        """The container as it is now."""
        ...

    async def wait(self, box: Box) -> Exit:
        """Return when the main process ended, at once if it had; ``Exit()`` when nobody knows how."""
        ...

    async def signal(self, box: Box, number: int) -> None:
        """To every process of the container; none left is fine."""
        ...

    async def kill(self, box: Box) -> None:
        """SIGKILL to every process of the container, until none is left."""
        ...

    async def forget(self, box: Box) -> None:
        """Drop what the launcher itself remembers. Nothing of the container runs any more."""
        ...


@runtime_checkable
class Grouping(Protocol):
    """A launcher that can put several containers under common limits."""

    async def limit_group(self, group: str, mark: Mark) -> None:
        """Errors: ContainerError."""
        ...

    async def drop_group(self, group: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Probe:
    """A command to run in a running container."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


class Backend(Protocol):
    """Turns a plan into a box whose ``launch`` script can be run."""

    name: str

    async def prepare(self, plan: Plan, box: Box, environment: Mapping[str, str]) -> None:
        """Write the scripts; fetch what they need.   Errors: LaunchError."""
        ...

    def supervisor(self, carrier: Launcher) -> Launcher:
        """Who keeps the container alive, given who starts its launch script."""
        ...

    async def started(self, box: Box, pid: int) -> Running:
        """What is to be told of a container that has just been started, once it runs.   Errors: ContainerError."""
        ...

    def begun(self, box: Box) -> bool:
        """Whether a container that was started came so far as to run its program."""
        ...

    async def signal(self, box: Box, number: int) -> bool:
        """Deliver a signal inside; False leaves it to the launcher."""
        ...

    async def judged(self, box: Box, end: Exit) -> Exit:
        """The end as a task's, with what is known of memory; before ``cleanup``."""
        ...

    async def update(self, box: Box) -> bool:
        """Set the limits that the box's mark now has; False leaves it to the launcher.   Errors: ContainerError."""
        ...

    async def cleanup(self, box: Box) -> None:
        """Kill what is left and remove what the backend made. Safe to repeat."""
        ...

    async def execute(self, box: Box, command: CommandInfo, timeout_s: float | None) -> int:
        """Run ``command`` in the container, beside the task; its exit status.   Errors: ContainerError, TimeoutError."""
        ...
