"""Nouns of Marathon's v2 API: the pod definition and what is inside it.

A pod is one or more containers that share an agent, its network and volumes; it starts and ends as one. Members that are
always written have an explicit default; ``None`` and empty collections are left out.

Source: Marathon 1.11 pod definition.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from dcos.model import values
from dcos.model.marathon import (
    CheckCommand,
    Document,
    EnvSecret,
    ExecutorResources,
    Fetch,
    KillSelection,
    LinuxInfo,
    Network,
    NetworkMode,
    PersistentVolume,
    PullConfig,
    ReadinessCheck,
    ResourceLimits,
    SecretSource,
    UnreachableStrategy,
    UpgradeStrategy,
    VersionInfo,
)
from dcos.model.marathon_growth import Autoscaling, Rebalance
from dcos.model.v1.base import explicit

TCP, UDP = "tcp", "udp"


class Scheme(StrEnum):
    HTTP = "HTTP"
    HTTPS = "HTTPS"


class Resources(Document, frozen=True):
    """Of one container; memory and disk in MiB."""

    cpus: float = explicit(1.0)
    mem: float = explicit(128.0)
    disk: float = explicit(0.0)
    gpus: int = explicit(0)


class Endpoint(Document, frozen=True):
    """A port. ``host_port`` None: reached through the container's own address only; 0: any port of the host."""

    name: str
    container_port: int | None = None
    host_port: int | None = None
    protocol: tuple[str, ...] = ()
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    network_names: tuple[str, ...] = ()

    @property
    def protocols(self) -> tuple[str, ...]:
        """As discovery tells them."""
        return self.protocol or (TCP,)

    @property
    def transports(self) -> tuple[str, ...]:
        """Those of them that a port mapping has: anything above TCP is TCP."""
        return tuple(dict.fromkeys(one if one in (TCP, UDP) else TCP for one in self.protocols))


class PodImage(Document, frozen=True):
    id: str
    kind: Literal["DOCKER"] = explicit("DOCKER")
    pull_config: PullConfig | None = None
    force_pull: bool | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class PodExec(Document, frozen=True):
    command: CheckCommand
    override_entrypoint: bool | None = None


class HttpEndpointCheck(Document, frozen=True):
    endpoint: str
    path: str | None = None
    scheme: Scheme | None = None


class TcpEndpointCheck(Document, frozen=True):
    endpoint: str


class CommandCheck(Document, frozen=True):
    command: CheckCommand


class PodCheck(Document, frozen=True):
    """Tells about a container without consequences."""

    http: HttpEndpointCheck | None = None
    tcp: TcpEndpointCheck | None = None
    exec: CommandCheck | None = None
    interval_seconds: int = explicit(60)
    timeout_seconds: int = explicit(20)
    delay_seconds: int = explicit(15)


class PodHealthCheck(PodCheck, frozen=True):
    """Run by the agent, which kills what fails too often in a row."""

    grace_period_seconds: int = explicit(300)
    max_consecutive_failures: int = explicit(3)


class VolumeMount(Document, frozen=True):
    name: str
    mount_path: str
    read_only: bool | None = None


class Lifecycle(Document, frozen=True):
    kill_grace_period_seconds: float | None = None


class PodContainer(Document, frozen=True):
    name: str
    resources: Resources
    exec: PodExec | None = None
    resource_limits: ResourceLimits | None = None
    endpoints: tuple[Endpoint, ...] = ()
    image: PodImage | None = None
    environment: dict[str, str | EnvSecret] = msgspec.field(default_factory=dict)
    user: str | None = None
    health_check: PodHealthCheck | None = None
    check: PodCheck | None = None
    volume_mounts: tuple[VolumeMount, ...] = ()
    artifacts: tuple[Fetch, ...] = ()
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    lifecycle: Lifecycle | None = None
    tty: bool | None = None
    linux_info: LinuxInfo | None = None


class PodVolume(Document, frozen=True):
    """With none of ``host``, ``persistent`` and ``secret``: a folder that lives as long as the instance."""

    name: str
    host: str | None = None
    persistent: PersistentVolume | None = None
    secret: str | None = None


class Scaling(Document, frozen=True):
    """``kind`` ``all`` and ``autoscaling`` are extensions: one instance on every matching agent; a number that is measured."""

    kind: Literal["fixed", "all"] = explicit("fixed")
    instances: int = explicit(1)
    max_instances: int | None = None
    autoscaling: Autoscaling | None = None


class Backoff(Document, frozen=True):
    """Seconds."""

    backoff: float = explicit(1.0)
    backoff_factor: float = explicit(1.15)
    max_launch_delay: float = explicit(300.0)


class PodConstraint(Document, frozen=True):
    field_name: str
    operator: str
    value: str | None = None


class Placement(Document, frozen=True):
    constraints: tuple[PodConstraint, ...] = explicit(())
    accepted_resource_roles: tuple[str, ...] = explicit(())


class Scheduling(Document, frozen=True):
    backoff: Backoff = explicit(Backoff())
    upgrade: UpgradeStrategy | None = None
    placement: Placement = explicit(Placement())
    kill_selection: KillSelection = explicit(KillSelection.YOUNGEST_FIRST)
    unreachable_strategy: UnreachableStrategy | Literal["disabled"] | None = None
    rebalance: Rebalance | None = None
    """An extension."""


class Pod(Document, frozen=True):
    """One version of a pod. The properties are what it has in common with an app (``dcos.model.run_spec``)."""

    id: str
    containers: tuple[PodContainer, ...]
    labels: dict[str, str] = explicit({})
    version: str | None = None
    user: str | None = None
    environment: dict[str, str | EnvSecret] = msgspec.field(default_factory=dict)
    secrets: dict[str, SecretSource] = msgspec.field(default_factory=dict)
    volumes: tuple[PodVolume, ...] = ()
    networks: tuple[Network, ...] = ()
    scaling: Scaling = explicit(Scaling())
    scheduling: Scheduling = explicit(Scheduling())
    executor_resources: ExecutorResources = explicit(ExecutorResources())
    role: str | None = None
    linux_info: LinuxInfo | None = None
    legacy_shared_cgroups: bool | None = None
    version_info: VersionInfo | None = None
    """Kept, not shown: the API's pods have none."""

    @property
    def config_version(self) -> str:
        """The version at which anything but the number of instances last changed."""
        return self.version_info.last_config_change_at if self.version_info else (self.version or "")

    @property
    def instances(self) -> int:
        return self.scaling.instances

    @property
    def instances_mode(self) -> Literal["all"] | None:
        """``all``: one on every matching agent."""
        return "all" if self.scaling.kind == "all" else None

    @property
    def autoscaling(self) -> Autoscaling | None:
        return self.scaling.autoscaling

    @property
    def rebalance(self) -> Rebalance | None:
        return self.scheduling.rebalance

    @property
    def cpus(self) -> float:
        """Of all containers and the executor."""
        return _sum(self.executor_resources.cpus, *(one.resources.cpus for one in self.containers))

    @property
    def mem(self) -> float:
        return _sum(self.executor_resources.mem, *(one.resources.mem for one in self.containers))

    @property
    def disk(self) -> float:
        return _sum(self.executor_resources.disk, *(one.resources.disk for one in self.containers))

    @property
    def gpus(self) -> int:
        return sum(one.resources.gpus for one in self.containers)

    @property
    def constraints(self) -> tuple[tuple[str, ...], ...]:
        return tuple(
            (one.field_name, one.operator) if one.value is None else (one.field_name, one.operator, one.value)
            for one in self.scheduling.placement.constraints
        )

    @property
    def accepted_resource_roles(self) -> tuple[str, ...] | None:
        return self.scheduling.placement.accepted_resource_roles or None

    @property
    def dependencies(self) -> tuple[str, ...]:
        """None of its own; those of its groups count."""
        return ()

    @property
    def backoff_seconds(self) -> float:
        return self.scheduling.backoff.backoff

    @property
    def backoff_factor(self) -> float:
        return self.scheduling.backoff.backoff_factor

    @property
    def max_launch_delay_seconds(self) -> float:
        return self.scheduling.backoff.max_launch_delay

    @property
    def upgrade_strategy(self) -> UpgradeStrategy | None:
        return self.scheduling.upgrade

    @property
    def unreachable_strategy(self) -> UnreachableStrategy | Literal["disabled"] | None:
        return self.scheduling.unreachable_strategy

    @property
    def kill_selection(self) -> KillSelection:
        return self.scheduling.kill_selection

    @property
    def checked_containers(self) -> tuple[PodContainer, ...]:
        """Those with a health check; an instance is healthy when all of them are."""
        return tuple(one for one in self.containers if one.health_check is not None)

    @property
    def health_checks(self) -> tuple[PodHealthCheck, ...]:
        """In the order of ``checked_containers``."""
        return tuple(one.health_check for one in self.containers if one.health_check is not None)

    @property
    def readiness_checks(self) -> tuple[ReadinessCheck, ...]:
        return ()

    @property
    def is_resident(self) -> bool:
        """Whether it keeps persistent volumes."""
        return any(volume.persistent for volume in self.volumes)

    @property
    def is_host_network(self) -> bool:
        return all(network.mode is NetworkMode.HOST for network in self.networks)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Of all containers, in order."""
        return tuple(endpoint for container in self.containers for endpoint in container.endpoints)

    def container(self, name: str) -> PodContainer | None:
        return next((one for one in self.containers if one.name == name), None)

    def volume(self, name: str) -> PodVolume | None:
        return next((one for one in self.volumes if one.name == name), None)


def _sum(*quantities: float) -> float:
    """Rounded each as Mesos rounds, so that the parts of an offer sum up to it."""
    return sum(values.thousandths(one) for one in quantities) / 1000
