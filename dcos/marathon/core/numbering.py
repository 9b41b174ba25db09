"""Every instance of an app has an index: the lowest that no other instance of the same configuration has.

So the instances of an app at rest are numbered 0 to n-1, and a replacement gets the number of the one that it replaces. An
update gives the new instances their own 0 to n-1 beside the old ones. Told to the task as ``MARATHON_APP_INSTANCE_INDEX`` and
to everybody as a label of the same name, from which Mesos-DNS makes ``<index>.<app>``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from msgspec.structs import replace

from dcos.model.marathon_state import Instance
from dcos.model.names import INDEX_LABEL
from dcos.model.v1.types import Environment, EnvironmentVariable, Label, Labels, TaskInfo
from dcos.scheduling.pods import Launch


class Numbers:
    """The indexes of an app's or pod's instances, by configuration; kept as they come and go, for there may be thousands."""

    def __init__(self, siblings: Iterable[Instance]) -> None:
        self._taken: dict[str, Counter[int]] = defaultdict(Counter)
        self._lowest: dict[str, int] = defaultdict(int)
        """No smaller one is free."""
        for one in siblings:
            self.add(one)

    def add(self, instance: Instance) -> None:
        if instance.occupies and instance.index is not None:
            self._taken[instance.config_version][instance.index] += 1

    def remove(self, instance: Instance) -> None:
        index, version = instance.index, instance.config_version
        if not instance.occupies or index is None:
            return
        taken = self._taken[version]
        taken[index] -= 1
        if taken[index] <= 0:
            del taken[index]
            self._lowest[version] = min(self._lowest[version], index)

    def lowest(self, config_version: str) -> int:
        """The lowest that is free."""
        taken, index = self._taken[config_version], self._lowest[config_version]
        while index in taken:
            index += 1
        self._lowest[config_version] = index
        return index


def numbered(info: TaskInfo, index: int | None) -> TaskInfo:
    """The task with its index in environment and labels; what the app itself says stays."""
    if index is None:
        return info
    text = str(index)
    known = info.labels.labels if info.labels is not None else ()
    if all(one.key != INDEX_LABEL for one in known):
        info = replace(info, labels=Labels(labels=(*known, Label(key=INDEX_LABEL, value=text))))
    command = info.command if info.command is not None else info.executor.command if info.executor else None
    if command is None:
        return info
    variables = command.environment.variables if command.environment is not None else ()
    if any(one.name == INDEX_LABEL for one in variables):
        return info
    variable = EnvironmentVariable(name=INDEX_LABEL, value=text)
    command = replace(command, environment=Environment(variables=(*variables, variable)))
    if info.command is not None:
        return replace(info, command=command)
    assert info.executor is not None
    return replace(info, executor=replace(info.executor, command=command))


def numbered_pod(launch: Launch, index: int | None) -> Launch:
    """The same for each container of a pod."""
    tasks = tuple(numbered(task, index) for task in launch.group.tasks)
    return Launch(launch.executor, replace(launch.group, tasks=tasks))
