"""Everything the leader knows. Owned by the scheduler core and changed in place; what is stored is marked so.

It changes by ``dcos.marathon.core.turn`` only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dcos.marathon.core.agents import Cluster
from dcos.marathon.core.autoscale import Advice
from dcos.marathon.core.backoff import Delay
from dcos.marathon.core.census import Census
from dcos.marathon.core.health import Health, overall, remembered
from dcos.marathon.core.normalize import Defaults
from dcos.marathon.core.numbering import Numbers
from dcos.marathon.core.queue import LaunchQueue, WaitingOffer
from dcos.marathon.core.rebalance import Move
from dcos.marathon.core.validate import Rules
from dcos.model.marathon import MARATHON_CHECKS, App
from dcos.model.marathon_state import (
    Condition,
    Deployment,
    Goal,
    Group,
    History,
    Instance,
    Release,
    TaskFailure,
)
from dcos.model.past import RootChange
from dcos.model.pods import Pod
from dcos.model.run_spec import RunSpec
from dcos.scheduling.build import TaskSettings
from dcos.scheduling.constraints import NOWHERE, Spread
from dcos.scheduling.match import Policy, Reasons
from dcos.scheduling.unheard import Unheard

MAX_HISTORY = 10
"""Ended instances that are remembered per pod."""


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """Times in seconds."""

    role: str = "*"
    principal: str | None = None
    defaults: Defaults = field(default_factory=Defaults)
    rules: Rules = field(default_factory=Rules)
    policy: Policy = field(default_factory=Policy)
    task: TaskSettings = field(default_factory=TaskSettings)
    service_ports: tuple[int, int] = (10000, 20000)
    max_instances_per_offer: int = 5
    offer_matching_timeout_s: float = 3.0
    launch_tokens: int = 100
    launch_token_refresh_s: float = 30.0
    reservation_timeout_s: float = 20.0
    scale_check_initial_s: float = 15.0
    scale_check_interval_s: float = 300.0
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


WAITS_S = 3.0
"""What waits no longer needs no explanation from the operator API."""


@dataclass(slots=True)
class Watched:
    """An app or pod with autoscaling, as this leader knows it."""

    since: float
    history: tuple[Advice, ...] = ()
    scaled: tuple[str, float] = ("", 0.0)
    """The version of its last scaling, and when that was."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many more instances each group of agents would take, when there were ``have``; ``key``: as computed for (the
    cluster as seen at, the version of the app or pod)."""

    key: tuple[float, str]
    room: Mapping[str, int]
    have: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Measurement:
    """The newest answer to a rollout's query; ``value`` None: there was none, ``trouble`` says why."""

    at: float
    value: float | None = None
    trouble: str = ""


@dataclass(slots=True)
class State:
    # stored
    framework_id: str | None = None
    groups: dict[str, Group] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    """The wanted version of every app."""
    pods: dict[str, Pod] = field(default_factory=dict)
    """The wanted version of every pod."""
    specs: dict[tuple[str, str], RunSpec] = field(default_factory=dict)
    """Definitions by (id, version): the wanted ones, those of running instances and of deployments."""
    versions: dict[str, list[str]] = field(default_factory=dict)
    """Stored versions of each app and pod, oldest first."""
    instances: dict[str, Instance] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    failures: dict[str, TaskFailure] = field(default_factory=dict)
    histories: dict[str, History] = field(default_factory=dict)
    """Of pods."""
    releases: dict[str, Release] = field(default_factory=dict)
    """Reservations to be given back, by instance."""
    # made anew by each leader
    past: list[RootChange] = field(default_factory=list)
    """The last changes of apps, pods and groups, oldest first."""
    by_spec: dict[str, dict[str, Instance]] = field(default_factory=dict)
    locks: dict[str, str] = field(default_factory=dict)
    """The deployment that changes an app or pod, by its id."""
    queue: LaunchQueue = field(default_factory=LaunchQueue)
    offers: dict[str, WaitingOffer] = field(default_factory=dict)
    """Those that are still to be looked at, by id."""
    tokens: int = 0
    """Launches that may be made now."""
    tokens_since: float = 0.0
    numbers: dict[str, Numbers] = field(default_factory=dict)
    """The indexes of instances, by app or pod; made on demand."""
    spreads: dict[str, tuple[tuple[tuple[str, ...], str], Spread]] = field(default_factory=dict)
    """Where instances are, for the fields of their constraints and a configuration; made on demand."""
    kept_roles: Counter[str] = field(default_factory=Counter)
    """Of instances with a reservation."""
    unconfirmed: set[str] = field(default_factory=set)
    """Instances whose reservation nobody has seen yet."""
    missed: dict[str, str] = field(default_factory=dict)
    """Roles of the reservations of instances that cannot be reached, by instance."""
    moving: set[str] = field(default_factory=set)
    """Instances of which time alone may ask something: all but those that run as they shall, or rest."""
    conditions: Counter[Condition] = field(default_factory=Counter)
    """How many instances are in each."""
    probed: set[str] = field(default_factory=set)
    """Apps with a version that Marathon itself asks for health or readiness."""
    refused_again: dict[str, tuple[str, Reasons]] = field(default_factory=dict)
    """Host and reasons where an instance could not be launched on its reservation, by app or pod."""
    released_on: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """The same by agent and role."""
    release_asked: set[str] = field(default_factory=set)
    """Releases whose operations were sent."""
    sweep_until: float = 0.0
    next_sweep: float = 0.0
    to_check: list[str] = field(default_factory=list)
    """Apps and pods whose number of instances is still to be looked at this time."""
    check_at_once: int = 1
    next_scale_check: float = 0.0
    home_region: str | None = None
    """The leading master's."""
    delays: dict[str, Delay] = field(default_factory=dict)
    health: dict[str, tuple[Health, ...]] = field(default_factory=dict)
    """Per instance, one per health check of its run spec's version."""
    ready: set[str] = field(default_factory=set)
    """Instances past their readiness check."""
    readiness: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The last readiness result of each instance."""
    kill_sent: dict[str, float] = field(default_factory=dict)
    finished: dict[str, set[str]] = field(default_factory=dict)
    """Per deployment the apps and pods whose action of the running step is done."""
    waits: dict[str, str] = field(default_factory=dict)
    """Why the running action of an app or pod is not done."""
    autoscaling: dict[str, Watched] = field(default_factory=dict)
    watching: dict[str, None] = field(default_factory=dict)
    """What follows agents or measurements: on all agents, autoscaled, rebalanced."""
    to_tell: list[str] = field(default_factory=list)
    """What waits and was not looked at yet for events about it."""
    moves: dict[str, tuple[Move, ...]] = field(default_factory=dict)
    """By app or pod those that its rebalancing has under way."""
    swept: dict[str, tuple[float, str]] = field(default_factory=dict)
    """As ``everywhere``: for what its instances on agents that match no more were ended."""
    rooms: dict[str, Room] = field(default_factory=dict)
    """By app or pod that is rebalanced."""
    moved_at: dict[str, float] = field(default_factory=dict)
    avoided: dict[tuple[str, str], float] = field(default_factory=dict)
    """Until when rebalancing leaves a group alone: (app or pod, group)."""
    everywhere: dict[str, tuple[tuple[float, str], frozenset[str]]] = field(default_factory=dict)
    """Agents that shall have an instance of what runs on all, by its id: for (the cluster as seen at, its version)."""
    measured: dict[str, Measurement] = field(default_factory=dict)
    """By app or pod whose rollout asks for a metric."""
    dirty: set[str] = field(default_factory=set)
    """Apps and pods to decide about."""
    cluster: Cluster | None = None
    """Agents and roles as the operator API told last, while something needs to know."""
    subscribed: bool = False
    master: str | None = None
    suppressed: set[str] = field(default_factory=set)
    """Roles."""
    last_revive: float | None = None
    offered: int = 0
    """Offers since then."""
    wants_revive: bool = False
    next_reconcile: float = 0.0
    unheard: Unheard = field(default_factory=Unheard)
    last_version: str = ""
    census: Census = field(default_factory=Census)
    """Of ``apps`` and ``pods``."""

    def index(self) -> None:
        """Fill what follows from the stored parts, after loading."""
        self.census = Census(self.all_wanted().values())
        for release in self.releases.values():
            self.add_release(release)
        self.by_spec = {}
        self.conditions = Counter(one.condition for one in self.instances.values())
        for instance in self.instances.values():
            self.by_spec.setdefault(instance.app_id, {})[instance.id] = instance
            self.keep(None, instance)
            if moves(instance):
                self.moving.add(instance.id)
            known = _remembered_health(instance, self.spec_of(instance))
            if any(one.is_known for one in known):
                self.health[instance.id] = known
        self.probed = {spec.id for spec in self.specs.values() if is_probed(spec)}
        for spec in self.all_wanted().values():
            self.watch(spec)
        self.dirty = set(self.apps) | set(self.pods) | set(self.by_spec)
        for deployment in self.deployments.values():
            self.dirty |= deployment.affected
            self.locks.update(dict.fromkeys(deployment.affected, deployment.id))
        self.last_version = max((version for versions in self.versions.values() for version in versions), default="")

    def wanted(self, spec_id: str) -> RunSpec | None:
        """The app or pod of this id."""
        return self.apps.get(spec_id) or self.pods.get(spec_id)

    def want(self, spec: RunSpec) -> None:
        self.census.replace(self.wanted(spec.id), spec)
        self.watch(spec)
        if isinstance(spec, App):
            self.apps[spec.id] = spec
        else:
            self.pods[spec.id] = spec

    def unwant(self, spec_id: str) -> None:
        self.census.replace(self.wanted(spec_id), None)
        self.apps.pop(spec_id, None)
        self.pods.pop(spec_id, None)

    def all_wanted(self) -> dict[str, RunSpec]:
        return {**self.apps, **self.pods}

    def instances_of(self, spec_id: str) -> list[Instance]:
        return list(self.by_spec.get(spec_id, {}).values())

    def spec_of(self, instance: Instance) -> RunSpec | None:
        return self.specs.get((instance.app_id, instance.version))

    def health_of(self, instance: Instance) -> bool | None:
        """Healthy, unhealthy, or None: unknown or unchecked."""
        return overall(self.health.get(instance.id, ()))

    def is_healthy(self, instance: Instance) -> bool:
        if instance.condition is not Condition.RUNNING:
            return False
        spec = self.specs.get((instance.app_id, instance.version))
        return (spec is not None and not spec.health_checks) or self.health_of(instance) is True

    def is_ready(self, instance: Instance) -> bool:
        if not self.is_healthy(instance):
            return False
        spec = self.specs.get((instance.app_id, instance.version))
        return spec is None or not spec.readiness_checks or instance.id in self.ready

    def deployment_of(self, spec_id: str) -> Deployment | None:
        return self.deployments.get(self.locks.get(spec_id, ""))

    def wants_cluster(self, now: float) -> bool:
        """Whether somebody needs ``cluster``: what follows agents, or has waited for a while."""
        oldest = next(iter(self.queue), None)
        return bool(self.watching) or (oldest is not None and now - self.queue[oldest].since > WAITS_S)

    def watch(self, spec: RunSpec) -> None:
        """Keep ``watching``."""
        if spec.instances_mode or spec.autoscaling or spec.rebalance:
            self.watching[spec.id] = None
        else:
            self.watching.pop(spec.id, None)

    def watched(self) -> list[RunSpec]:
        """The apps and pods of ``watching``."""
        return [spec for one in self.watching if (spec := self.wanted(one)) is not None]

    def roles(self, default: str) -> tuple[str, ...]:
        """Those that the framework subscribes with."""
        return tuple(sorted({default, *self.census.roles, *self.kept_roles} | self.released_roles))

    def keep(self, before: Instance | None, after: Instance | None) -> None:
        """Take note of an instance's reservation, or that it is no more."""
        if before is not None and before.reservation is not None:
            self.unconfirmed.discard(before.id)
            self.missed.pop(before.id, None)
            self.kept_roles[before.role] -= 1
            if not self.kept_roles[before.role]:
                del self.kept_roles[before.role]
        if after is not None and after.reservation is not None:
            self.kept_roles[after.role] += 1
            if not after.reservation.confirmed:
                self.unconfirmed.add(after.id)
            if after.is_unreachable:
                self.missed[after.id] = after.role

    @property
    def released_roles(self) -> set[str]:
        return {one.role for one in self.releases.values()}

    def releases_on(self, agent_id: str, role: str) -> list[Release]:
        return [self.releases[one] for one in sorted(self.released_on.get((agent_id, role), ()))]

    def add_release(self, release: Release) -> None:
        self.releases[release.instance_id] = release
        self.released_on.setdefault((release.agent_id, release.role), set()).add(release.instance_id)

    def forget_release(self, instance_id: str) -> None:
        release = self.releases.pop(instance_id, None)
        self.release_asked.discard(instance_id)
        if release is None:
            return
        place = (release.agent_id, release.role)
        self.released_on[place].discard(instance_id)
        if not self.released_on[place]:
            del self.released_on[place]

    def spread_of(self, spec: RunSpec) -> Spread:
        """Where its instances are, as far as its constraints ask."""
        if not spec.constraints:
            return NOWHERE
        fields, config = tuple(sorted({one[0] for one in spec.constraints})), spec.config_version
        known = self.spreads.get(spec.id)
        if known is None or known[0] != (fields, config):
            made = Spread(fields, apart={one[0] for one in spec.constraints if one[1] == "GROUP_BY"})
            for one in self.instances_of(spec.id):
                if one.holds_place:
                    made.add(one.agent, newest=one.has_config(config))
            known = self.spreads[spec.id] = ((fields, config), made)
        return known[1]

    def numbers_of(self, spec_id: str) -> Numbers:
        """The indexes of its instances."""
        if spec_id not in self.numbers:
            self.numbers[spec_id] = Numbers(self.instances_of(spec_id))
        return self.numbers[spec_id]

    def moved(self, before: Instance | None, after: Instance | None) -> None:
        """Keep what is counted by condition, by place and by index."""
        one = after or before
        assert one is not None
        if before is not None:
            self.conditions[before.condition] -= 1
        if after is not None:
            self.conditions[after.condition] += 1
        numbers = self.numbers.get(one.app_id)
        if numbers is not None:
            if before is not None:
                numbers.remove(before)
            if after is not None:
                numbers.add(after)
        known = self.spreads.get(one.app_id)
        if known is None:
            return
        (_, config), spread = known
        if before is not None and before.holds_place:
            spread.add(before.agent, -1, newest=before.has_config(config))
        if after is not None and after.holds_place:
            spread.add(after.agent, newest=after.has_config(config))

    def forget_health(self, instance_id: str) -> None:
        """What was known of its last run."""
        self.health.pop(instance_id, None)
        self.ready.discard(instance_id)
        self.readiness.pop(instance_id, None)
        self.kill_sent.pop(instance_id, None)


def moves(instance: Instance) -> bool:
    as_it_shall = instance.condition is Condition.RUNNING and instance.goal is Goal.RUNNING
    return not (as_it_shall or instance.rests)


def is_probed(spec: RunSpec) -> bool:
    if not isinstance(spec, App):
        return False  # agents check pods
    return bool(spec.readiness_checks) or any(check.protocol in MARATHON_CHECKS for check in spec.health_checks)


def _remembered_health(instance: Instance, spec: RunSpec | None) -> tuple[Health, ...]:
    """What the agent last said, one per health check; Marathon's own are asked anew."""
    if spec is None:
        return ()
    if isinstance(spec, App):
        agents = [(check.protocol not in MARATHON_CHECKS, instance.task.healthy) for check in spec.health_checks]
    else:
        by_name = {task.name: task.healthy for task in instance.tasks}
        agents = [(True, by_name.get(container.name)) for container in spec.checked_containers]
    return tuple(
        remembered(healthy, instance.since) if by_agent and healthy is not None else Health()
        for by_agent, healthy in agents
    )


def seconds_of(version: str) -> float:
    """The instant that a version names."""
    return datetime.fromisoformat(version.replace("Z", "+00:00")).timestamp()
