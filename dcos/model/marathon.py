"""Nouns of Marathon's v2 API: the app definition and what is inside it.

Members that are always written have an explicit default; ``None`` and empty collections are left out, as upstream's
``omitEmpty``. Members under "read, never written" are old spellings that normalisation turns into today's.

Source: Marathon 1.11 app definition.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec

from dcos.model.marathon_growth import Autoscaling, Promotion, Rebalance, RolloutStep
from dcos.model.v1.base import explicit


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A JSON object of the v2 API; Python names are written in camelCase."""


class NetworkMode(StrEnum):
    CONTAINER = "container"
    BRIDGE = "container/bridge"
    HOST = "host"


class EngineType(StrEnum):
    DOCKER = "DOCKER"
    MESOS = "MESOS"


class PortProtocol(StrEnum):
    TCP = "tcp"
    UDP = "udp"
    BOTH = "udp,tcp"


class KillSelection(StrEnum):
    YOUNGEST_FIRST = "YOUNGEST_FIRST"
    OLDEST_FIRST = "OLDEST_FIRST"
    HIGHEST_INDEX_FIRST = "HIGHEST_INDEX_FIRST"
    """An extension."""


class CheckProtocol(StrEnum):
    HTTP = "HTTP"
    HTTPS = "HTTPS"
    TCP = "TCP"
    COMMAND = "COMMAND"
    MESOS_HTTP = "MESOS_HTTP"
    MESOS_HTTPS = "MESOS_HTTPS"
    MESOS_TCP = "MESOS_TCP"


MARATHON_CHECKS = frozenset({CheckProtocol.HTTP, CheckProtocol.HTTPS, CheckProtocol.TCP})
"""Health checks that Marathon's leader itself runs; the agent runs the others."""


class VolumeMode(StrEnum):
    RW = "RW"
    RO = "RO"


class DockerNetwork(StrEnum):
    BRIDGE = "BRIDGE"
    HOST = "HOST"
    NONE = "NONE"
    USER = "USER"


class IpProtocol(StrEnum):
    IPv4 = "IPv4"
    IPv6 = "IPv6"


class EnvSecret(Document, frozen=True):
    secret: str


class Network(Document, frozen=True):
    mode: NetworkMode = explicit(NetworkMode.CONTAINER)
    name: str | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class PortDefinition(Document, frozen=True):
    port: int = explicit(0)
    protocol: PortProtocol = explicit(PortProtocol.TCP)
    name: str | None = None
    labels: dict[str, str] = explicit({})


class PortMapping(Document, frozen=True):
    container_port: int = explicit(0)
    host_port: int | None = None
    service_port: int = explicit(0)
    protocol: PortProtocol = explicit(PortProtocol.TCP)
    name: str | None = None
    labels: dict[str, str] = explicit({})
    network_names: tuple[str, ...] = ()


class Parameter(Document, frozen=True):
    key: str
    value: str


class PullConfig(Document, frozen=True):
    secret: str


class Docker(Document, frozen=True):
    image: str
    force_pull_image: bool = explicit(False)
    privileged: bool = explicit(False)
    parameters: tuple[Parameter, ...] = explicit(())
    pull_config: PullConfig | None = None
    # read, never written
    network: DockerNetwork | None = None
    port_mappings: tuple[PortMapping, ...] | None = None
    credential: dict[str, str] | None = None


class PersistentVolume(Document, frozen=True):
    size: int
    type: str = explicit("root")
    max_size: int | None = None
    profile_name: str | None = None
    constraints: tuple[tuple[str, ...], ...] = ()


class ExternalVolume(Document, frozen=True):
    provider: str
    name: str | None = None
    size: int | None = None
    shared: bool | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    """Texts for ``dvdi``; for ``csi`` nested, as Mesos wants them."""


class Volume(Document, frozen=True):
    container_path: str
    host_path: str | None = None
    mode: VolumeMode | None = None
    persistent: PersistentVolume | None = None
    external: ExternalVolume | None = None
    secret: str | None = None


class Seccomp(Document, frozen=True):
    profile_name: str | None = None
    unconfined: bool | None = None


class IpcInfo(Document, frozen=True):
    mode: str
    shm_size: int | None = None


class LinuxInfo(Document, frozen=True):
    seccomp: Seccomp | None = None
    ipc_info: IpcInfo | None = None


class Container(Document, frozen=True):
    type: EngineType = explicit(EngineType.DOCKER)
    docker: Docker | None = None
    volumes: tuple[Volume, ...] = explicit(())
    port_mappings: tuple[PortMapping, ...] | None = None
    linux_info: LinuxInfo | None = None


class Fetch(Document, frozen=True):
    uri: str
    extract: bool = explicit(True)
    executable: bool = explicit(False)
    cache: bool = explicit(False)
    dest_path: str | None = None


class Command(Document, frozen=True):
    value: str


class HealthCheck(Document, frozen=True):
    protocol: CheckProtocol = explicit(CheckProtocol.HTTP)
    path: str | None = None
    port: int | None = None
    port_index: int | None = None
    command: Command | None = None
    grace_period_seconds: int = explicit(300)
    interval_seconds: int = explicit(60)
    timeout_seconds: int = explicit(20)
    max_consecutive_failures: int = explicit(3)
    delay_seconds: int = explicit(15)
    ignore_http1xx: bool = msgspec.field(default=False, name="ignoreHttp1xx")
    ip_protocol: IpProtocol = explicit(IpProtocol.IPv4)


class CheckCommand(Document, frozen=True):
    shell: str | None = None
    argv: tuple[str, ...] | None = None


class CheckExec(Document, frozen=True):
    command: CheckCommand


class CheckHttp(Document, frozen=True):
    port_index: int | None = None
    port: int | None = None
    path: str | None = None
    scheme: str | None = None


class CheckTcp(Document, frozen=True):
    port_index: int | None = None
    port: int | None = None


class Check(Document, frozen=True):
    http: CheckHttp | None = None
    tcp: CheckTcp | None = None
    exec: CheckExec | None = None
    interval_seconds: int = explicit(60)
    timeout_seconds: int = explicit(20)
    delay_seconds: int = explicit(15)


class ReadinessCheck(Document, frozen=True):
    name: str = explicit("readinessCheck")
    protocol: Literal["HTTP", "HTTPS"] = explicit("HTTP")
    path: str = explicit("/")
    port_name: str = explicit("http-api")
    interval_seconds: int = explicit(30)
    timeout_seconds: int = explicit(10)
    http_status_codes_for_ready: tuple[int, ...] = explicit((200,))
    preserve_last_response: bool = explicit(False)


class UpgradeStrategy(Document, frozen=True):
    minimum_health_capacity: float = explicit(1.0)
    maximum_over_capacity: float = explicit(1.0)
    # extensions
    steps: tuple[RolloutStep, ...] = ()
    promotion: Promotion | None = None


class UnreachableStrategy(Document, frozen=True):
    inactive_after_seconds: int = explicit(0)
    expunge_after_seconds: int = explicit(0)


class ExecutorResources(Document, frozen=True):
    cpus: float = explicit(0.1)
    mem: float = explicit(32.0)
    disk: float = explicit(10.0)


class ResourceLimits(Document, frozen=True):
    cpus: float | Literal["unlimited"] | None = None
    mem: float | Literal["unlimited"] | None = None


class SecretSource(Document, frozen=True):
    source: str


class Residency(Document, frozen=True):
    relaunch_escalation_timeout_seconds: int = explicit(3600)
    task_lost_behavior: str = explicit("WAIT_FOREVER")


class IpDiscoveryPort(Document, frozen=True):
    number: int
    name: str
    protocol: PortProtocol = explicit(PortProtocol.TCP)
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class IpDiscovery(Document, frozen=True):
    ports: tuple[IpDiscoveryPort, ...] = ()


class IpAddress(Document, frozen=True):
    groups: tuple[str, ...] = ()
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    network_name: str | None = None
    discovery: IpDiscovery | None = None


class VersionInfo(Document, frozen=True):
    last_scaling_at: str
    last_config_change_at: str


class App(Document, frozen=True):
    """One version of an app. ``id`` is absolute once normalised; ``version`` is an ISO-8601 instant and the version's id."""

    id: str
    cmd: str | None = None
    args: tuple[str, ...] = ()
    user: str | None = None
    env: dict[str, str | EnvSecret] = msgspec.field(default_factory=dict)
    instances: int = explicit(1)
    cpus: float = explicit(1.0)
    mem: float = explicit(128.0)
    disk: float = explicit(0.0)
    gpus: int = explicit(0)
    resource_limits: ResourceLimits | None = None
    executor: str = explicit("")
    executor_resources: ExecutorResources | None = None
    constraints: tuple[tuple[str, ...], ...] = ()
    accepted_resource_roles: tuple[str, ...] | None = None
    role: str | None = None
    container: Container | None = None
    networks: tuple[Network, ...] = ()
    port_definitions: tuple[PortDefinition, ...] | None = None
    require_ports: bool = explicit(False)
    fetch: tuple[Fetch, ...] = ()
    dependencies: tuple[str, ...] = ()
    health_checks: tuple[HealthCheck, ...] = ()
    check: Check | None = None
    readiness_checks: tuple[ReadinessCheck, ...] = ()
    backoff_seconds: float = explicit(1.0)
    backoff_factor: float = explicit(1.15)
    max_launch_delay_seconds: float = explicit(300.0)
    task_kill_grace_period_seconds: int | None = None
    upgrade_strategy: UpgradeStrategy | None = None
    unreachable_strategy: UnreachableStrategy | Literal["disabled"] | None = None
    kill_selection: KillSelection = explicit(KillSelection.YOUNGEST_FIRST)
    residency: Residency | None = None
    labels: dict[str, str] = explicit({})
    secrets: dict[str, SecretSource] = msgspec.field(default_factory=dict)
    tty: bool | None = None
    version: str | None = None
    version_info: VersionInfo | None = None
    # extensions
    instances_mode: Literal["all"] | None = None
    """``all``: one on every matching agent; ``instances`` is then their number now."""
    autoscaling: Autoscaling | None = None
    rebalance: Rebalance | None = None
    # read, never written
    ports: tuple[int, ...] | None = None
    uris: tuple[str, ...] | None = None
    ip_address: IpAddress | None = None

    @property
    def config_version(self) -> str:
        """The version at which anything but the number of instances last changed."""
        return self.version_info.last_config_change_at if self.version_info else (self.version or "")

    @property
    def is_resident(self) -> bool:
        """Whether it keeps persistent volumes."""
        return self.container is not None and any(volume.persistent for volume in self.container.volumes)

    @property
    def port_mappings(self) -> tuple[PortMapping, ...]:
        return (self.container.port_mappings or ()) if self.container else ()

    @property
    def is_host_network(self) -> bool:
        return all(network.mode is NetworkMode.HOST for network in self.networks)
