"""Everything the leader knows. Owned by the scheduler core and changed in place; what is stored is marked so.

``Turn`` is one batch of decisions: the time, fresh ids, and the effects so far. Every change of stored state goes through
it, so that state and effects cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dcos.marathon.core import effects
from dcos.marathon.core.backoff import Delay
from dcos.marathon.core.health import Health, overall, remembered
from dcos.marathon.core.normalize import Defaults
from dcos.marathon.core.validate import Rules
from dcos.model.marathon import MARATHON_CHECKS, App
from dcos.model.marathon_state import Condition, Deployment, Group, Instance, TaskFailure, iso
from dcos.model.v1.scheduler import Call
from dcos.model.v1.types import Offer
from dcos.scheduling.build import TaskSettings
from dcos.scheduling.match import Policy, Reason
from dcos.scheduling.unheard import Unheard


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """Times in seconds."""

    role: str = "*"
    defaults: Defaults = field(default_factory=Defaults)
    rules: Rules = field(default_factory=Rules)
    policy: Policy = field(default_factory=Policy)
    task: TaskSettings = field(default_factory=TaskSettings)
    service_ports: tuple[int, int] = (10000, 20000)
    max_instances_per_offer: int = 5
    decline_s: float = 120.0
    min_revive_interval_s: float = 5.0
    launch_confirm_timeout_s: float = 300.0
    launch_timeout_s: float = 300.0
    kill_retry_s: float = 10.0
    reconcile_initial_s: float = 15.0
    reconcile_interval_s: float = 600.0
    max_running_deployments: int = 100
    max_versions: int = 50
    new_group_enforce_role: bool = False


@dataclass(slots=True)
class Refusal:
    """An offer that an app could not use."""

    offer: Offer
    reasons: tuple[Reason, ...]
    at: float


@dataclass(slots=True)
class QueueEntry:
    """An app that has instances to launch."""

    app: App
    count: int
    since: float
    processed: int = 0
    unused: int = 0
    last_used_at: float | None = None
    last_unused_at: float | None = None
    attempt: dict[Reason, int] = field(default_factory=dict)
    """Refusals by reason since the entry was made."""
    refusals: dict[str, Refusal] = field(default_factory=dict)
    """The last one per agent."""


@dataclass(slots=True)
class State:
    # stored
    framework_id: str | None = None
    groups: dict[str, Group] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    """The wanted version of every app."""
    specs: dict[tuple[str, str], App] = field(default_factory=dict)
    """Definitions by (id, version): the wanted ones, those of running instances and of deployments."""
    versions: dict[str, list[str]] = field(default_factory=dict)
    """Stored versions of each app, oldest first."""
    instances: dict[str, Instance] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    failures: dict[str, TaskFailure] = field(default_factory=dict)
    # made anew by each leader
    by_app: dict[str, dict[str, Instance]] = field(default_factory=dict)
    locks: dict[str, str] = field(default_factory=dict)
    """The deployment that changes an app, by app."""
    queue: dict[str, QueueEntry] = field(default_factory=dict)
    delays: dict[str, Delay] = field(default_factory=dict)
    health: dict[str, tuple[Health, ...]] = field(default_factory=dict)
    """Per instance, one per health check of its app's version."""
    ready: set[str] = field(default_factory=set)
    """Instances past their readiness check."""
    readiness: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The last readiness result of each instance."""
    kill_sent: dict[str, float] = field(default_factory=dict)
    finished: dict[str, set[str]] = field(default_factory=dict)
    """Per deployment the apps whose action of the running step is done."""
    waits: dict[str, str] = field(default_factory=dict)
    """Why the running action of an app is not done."""
    dirty: set[str] = field(default_factory=set)
    """Apps to decide about."""
    subscribed: bool = False
    master: str | None = None
    suppressed: bool = False
    last_revive: float | None = None
    wants_revive: bool = False
    next_reconcile: float = 0.0
    unheard: Unheard = field(default_factory=Unheard)
    last_version: str = ""

    def index(self) -> None:
        """Fill what follows from the stored parts, after loading."""
        self.by_app = {}
        for instance in self.instances.values():
            self.by_app.setdefault(instance.app_id, {})[instance.id] = instance
            spec = self.spec_of(instance)
            if spec is not None and instance.task.healthy is not None:
                self.health[instance.id] = tuple(
                    Health() if check.protocol in MARATHON_CHECKS else remembered(instance.task.healthy, instance.since)
                    for check in spec.health_checks
                )
        self.dirty = set(self.apps) | set(self.by_app)
        for deployment in self.deployments.values():
            self.dirty |= deployment.affected
            self.locks.update(dict.fromkeys(deployment.affected, deployment.id))
        self.last_version = max((version for versions in self.versions.values() for version in versions), default="")

    def of_app(self, app_id: str) -> list[Instance]:
        return list(self.by_app.get(app_id, {}).values())

    def spec_of(self, instance: Instance) -> App | None:
        return self.specs.get((instance.app_id, instance.version))

    def health_of(self, instance: Instance) -> bool | None:
        """Healthy, unhealthy, or None: unknown or unchecked."""
        return overall(self.health.get(instance.id, ()))

    def is_healthy(self, instance: Instance) -> bool:
        if instance.condition is not Condition.RUNNING:
            return False
        spec = self.spec_of(instance)
        return (spec is not None and not spec.health_checks) or self.health_of(instance) is True

    def is_ready(self, instance: Instance) -> bool:
        spec = self.spec_of(instance)
        unchecked = spec is None or not spec.readiness_checks
        return self.is_healthy(instance) and (unchecked or instance.id in self.ready)

    def deployment_of(self, app_id: str) -> Deployment | None:
        return self.deployments.get(self.locks.get(app_id, ""))

    def roles(self, default: str) -> tuple[str, ...]:
        """Those that the framework subscribes with."""
        return tuple(sorted({default} | {app.role for app in self.apps.values() if app.role}))


class Turn:
    """One batch of decisions over ``state``."""

    def __init__(self, state: State, settings: CoreSettings, now: float, ids: Iterator[str]) -> None:
        self.state = state
        self.settings = settings
        self.now = now
        self._ids = ids
        self.effects: list[effects.Effect] = []

    def fresh(self) -> str:
        """A new UUID text."""
        return next(self._ids)

    def new_version(self) -> str:
        """Now as a version; later than every version given before."""
        version = iso(self.now)
        if version <= self.state.last_version:
            version = _next_millisecond(self.state.last_version)
        self.state.last_version = version
        return version

    # ---- the world ----

    def send(self, call: Call, reason: str = "") -> None:
        self.effects.append(effects.Send(call, reason))

    def publish(self, kind: str, **fields: Any) -> None:
        self.effects.append(effects.Publish(kind, fields))

    # ---- stored state ----

    def save_app(self, app: App) -> None:
        assert app.version is not None
        self.state.apps[app.id] = app
        self.state.specs[app.id, app.version] = app
        versions = self.state.versions.setdefault(app.id, [])
        versions.append(app.version)
        self.effects.append(effects.SaveApp(app))
        self.state.dirty.add(app.id)
        self._forget_old(app.id, versions)

    def _forget_old(self, app_id: str, versions: list[str]) -> None:
        surplus = len(versions) - self.settings.max_versions
        if surplus <= 0:
            return
        used = self.used_versions(app_id)
        for version in [one for one in versions if one not in used][:surplus]:
            versions.remove(version)
            self.state.specs.pop((app_id, version), None)
            self.effects.append(effects.ForgetVersion(app_id, version))

    def used_versions(self, app_id: str) -> set[str]:
        used = {instance.version for instance in self.state.of_app(app_id)}
        if app_id in self.state.apps:
            used.add(self.state.apps[app_id].version or "")
        for deployment in self.state.deployments.values():
            used |= {version or "" for version in (deployment.originals.get(app_id), deployment.targets.get(app_id))}
        return used

    def remove_app(self, app_id: str) -> None:
        del self.state.apps[app_id]
        self.effects.append(effects.RemoveApp(app_id))
        self.state.dirty.add(app_id)

    def forget_app(self, app_id: str) -> None:
        for version in self.state.versions.pop(app_id, []):
            self.state.specs.pop((app_id, version), None)
        self.state.delays.pop(app_id, None)
        self.state.failures.pop(app_id, None)
        self.effects.append(effects.ForgetApp(app_id))

    def save_group(self, group: Group) -> None:
        self.state.groups[group.id] = group
        self.effects.append(effects.SaveGroup(group))

    def drop_group(self, group_id: str) -> None:
        del self.state.groups[group_id]
        self.effects.append(effects.DropGroup(group_id))

    def save_instance(self, instance: Instance) -> None:
        before = self.state.instances.get(instance.id)
        self.state.instances[instance.id] = instance
        self.state.by_app.setdefault(instance.app_id, {})[instance.id] = instance
        self.state.dirty.add(instance.app_id)
        self.effects.append(effects.SaveInstance(instance))
        if before is None or before.condition is not instance.condition:
            self.publish_condition(instance)

    def publish_condition(self, instance: Instance) -> None:
        self.publish(
            "instance_changed_event",
            instanceId=instance.id,
            condition=instance.condition.value,
            runSpecId=instance.app_id,
            agentId=instance.agent.agent_id,
            host=instance.agent.host,
            runSpecVersion=instance.version,
        )

    def drop_instance(self, instance: Instance) -> None:
        state = self.state
        state.instances.pop(instance.id, None)
        siblings = state.by_app.get(instance.app_id, {})
        siblings.pop(instance.id, None)
        if not siblings:
            state.by_app.pop(instance.app_id, None)
        state.health.pop(instance.id, None)
        state.ready.discard(instance.id)
        state.readiness.pop(instance.id, None)
        state.kill_sent.pop(instance.id, None)
        state.dirty.add(instance.app_id)
        self.effects.append(effects.DropInstance(instance.id))

    def save_deployment(self, deployment: Deployment) -> None:
        if deployment.id not in self.state.deployments:
            self.state.locks.update(dict.fromkeys(deployment.affected, deployment.id))
        self.state.deployments[deployment.id] = deployment
        self.state.dirty |= deployment.affected
        self.effects.append(effects.SaveDeployment(deployment))

    def drop_deployment(self, deployment: Deployment) -> None:
        del self.state.deployments[deployment.id]
        self.state.finished.pop(deployment.id, None)
        self.state.dirty |= deployment.affected
        for app_id in deployment.affected:
            self.state.waits.pop(app_id, None)
            self.state.locks.pop(app_id, None)
        self.effects.append(effects.DropDeployment(deployment.id))

    def save_failure(self, failure: TaskFailure) -> None:
        self.state.failures[failure.app_id] = failure
        self.effects.append(effects.SaveFailure(failure))

    def save_framework_id(self, framework_id: str) -> None:
        if self.state.framework_id != framework_id:
            self.state.framework_id = framework_id
            self.effects.append(effects.SaveFrameworkId(framework_id))


def seconds_of(version: str) -> float:
    """The instant that a version names."""
    return datetime.fromisoformat(version.replace("Z", "+00:00")).timestamp()


def _next_millisecond(version: str) -> str:
    return iso(seconds_of(version) + 0.001)
