"""Resources that are offered beyond those of the machine, revocable at any time, and who takes them back.

Upstream's own two modules are built in, under their names and with the parameters that ``--modules`` gives them: the fixed
estimator (``resources``: what is offered beside everything else) and the load controller (``load_threshold_5min``,
``load_threshold_15min``: above one of them whatever runs on revocable resources is ended).
Source: Mesos docs/oversubscription.md, fixed resource estimator, load QoS controller.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from dcos.agent.core.agent import AgentCore
from dcos.agent.core.events import ContainerLimited, Event
from dcos.agent.core.state import Phase
from dcos.model.resource_rules import resources_problem
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.types import ResourceRevocableInfo, TaskStatusReason
from dcos.runtime.clock import Clock

FIXED = ("fixed", "org_apache_mesos_FixedResourceEstimator")
LOAD = ("load", "org_apache_mesos_LoadQoSController")
_LEAST_S = 1.0
_THRESHOLDS = ("load_threshold_5min", "load_threshold_15min")
_WORDS = "Container preempted by QoS correction"


def idle(estimator: str | None, controller: str | None) -> dict[str, str]:
    """Modules that do nothing here, by their flags."""
    given = (("resource_estimator", estimator, FIXED), ("qos_controller", controller, LOAD))
    return {flag: name for flag, name, known in given if name is not None and name not in known}


class _Parameter(msgspec.Struct):
    key: str
    value: str


class _Module(msgspec.Struct):
    name: str
    parameters: list[_Parameter] = []


class _Library(msgspec.Struct):
    file: str = ""
    name: str = ""
    modules: list[_Module] | _Module = []


class _Modules(msgspec.Struct):
    libraries: list[_Library] = []


def parameters(modules: str | None, name: str) -> dict[str, str]:
    """What ``--modules`` gives a module.   Errors: ValueError."""
    try:
        read = _Modules() if modules is None else msgspec.json.decode(modules, type=_Modules)
    except msgspec.MsgspecError as error:
        raise ValueError(f"--modules: {error}") from None
    for library in read.libraries:
        for module in [library.modules] if isinstance(library.modules, _Module) else library.modules:
            if module.name == name:
                return {one.key: one.value for one in module.parameters}
    return {}


def oversubscribed(estimator: str | None, modules: str | None) -> Resources:
    """What is offered beyond the machine's own.   Errors: ValueError."""
    if estimator not in FIXED:
        return EMPTY
    text = parameters(modules, FIXED[1]).get("resources")
    if text is None:
        raise ValueError(f"--resource_estimator: --modules gives no parameter 'resources' of {FIXED[1]}")
    try:
        given = Resources.parse(text).messages()
    except ValueError as error:
        raise ValueError(f"--modules: resources of {FIXED[1]}: {error}") from None
    revocable = tuple(msgspec.structs.replace(one, revocable=ResourceRevocableInfo()) for one in given)
    if (problem := resources_problem(revocable)) is not None:
        raise ValueError(f"--modules: resources of {FIXED[1]}: {problem}")
    return Resources.of(revocable)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Loads of the machine; None: any will do."""

    of_5_min: float | None = None
    of_15_min: float | None = None

    def exceeded(self, load: tuple[float, float, float]) -> bool:
        """``load`` as the kernel tells it: of 1, 5 and 15 minutes."""
        _, five, fifteen = load
        return (self.of_5_min is not None and five > self.of_5_min) or (
            self.of_15_min is not None and fifteen > self.of_15_min
        )


def thresholds(controller: str | None, modules: str | None) -> Thresholds | None:
    """None: nothing is taken back.   Errors: ValueError."""
    if controller not in LOAD:
        return None
    given = parameters(modules, LOAD[1])
    found: list[float | None] = []
    for key in _THRESHOLDS:
        try:
            found.append(float(given[key]) if key in given else None)
        except ValueError:
            raise ValueError(f"--modules: {key} of {LOAD[1]}: {given[key]!r} is not a number") from None
    if found == [None, None]:
        raise ValueError(f"--qos_controller: --modules gives no parameter of {LOAD[1]}: {', '.join(_THRESHOLDS)}")
    return Thresholds(*found)


class LoadController:
    """Ends what runs on revocable resources while the machine has more to do than ``thresholds`` allow."""

    def __init__(
        self,
        core: AgentCore,
        limits: Thresholds,
        *,
        interval_s: float,
        post: Callable[[Event], None],
        clock: Clock,
        load: Callable[[], tuple[float, float, float]] = os.getloadavg,
    ) -> None:
        self._core = core
        self._limits = limits
        self._interval_s = max(interval_s, _LEAST_S)
        self._post = post
        self._clock = clock
        self._load = load

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._interval_s)
            self.look()

    def look(self) -> None:
        if not self._limits.exceeded(self._load()):
            return
        reason, now = TaskStatusReason.REASON_CONTAINER_PREEMPTED, self._clock.now()
        for container_id in list(self._revocable()):
            self._post(ContainerLimited(container_id, _WORDS, reason, (), now))

    def _revocable(self) -> Iterator[str]:
        """Containers of executors that use anything revocable: all of an executor is."""
        for framework in self._core.frameworks.values():
            for executor in framework.executors.values():
                if not executor.used().revocable():
                    continue
                if executor.life is not None:
                    yield executor.run_id
                    continue
                for run in executor.tasks.values():
                    if run.phase is Phase.RUNNING and run.killing is None:
                        yield run.container_id
