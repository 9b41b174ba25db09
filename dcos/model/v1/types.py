"""Nouns of the Mesos v1 API shared by its schedulers, executors and operators.

Source: the schema table in ``dcos/wire/schema`` (Mesos 1.11); a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import field

from dcos.model.v1.base import Message, explicit


class MachineInfoMode(StrEnum):
    UP = "UP"
    DRAINING = "DRAINING"
    DOWN = "DOWN"


class FrameworkInfoCapabilityType(StrEnum):
    UNKNOWN = "UNKNOWN"
    REVOCABLE_RESOURCES = "REVOCABLE_RESOURCES"
    TASK_KILLING_STATE = "TASK_KILLING_STATE"
    GPU_RESOURCES = "GPU_RESOURCES"
    SHARED_RESOURCES = "SHARED_RESOURCES"
    PARTITION_AWARE = "PARTITION_AWARE"
    MULTI_ROLE = "MULTI_ROLE"
    RESERVATION_REFINEMENT = "RESERVATION_REFINEMENT"
    REGION_AWARE = "REGION_AWARE"


class CheckInfoType(StrEnum):
    UNKNOWN = "UNKNOWN"
    COMMAND = "COMMAND"
    HTTP = "HTTP"
    TCP = "TCP"


class HealthCheckType(StrEnum):
    UNKNOWN = "UNKNOWN"
    COMMAND = "COMMAND"
    HTTP = "HTTP"
    TCP = "TCP"


class ExecutorInfoType(StrEnum):
    UNKNOWN = "UNKNOWN"
    DEFAULT = "DEFAULT"
    CUSTOM = "CUSTOM"


class MasterInfoCapabilityType(StrEnum):
    UNKNOWN = "UNKNOWN"
    AGENT_UPDATE = "AGENT_UPDATE"
    AGENT_DRAINING = "AGENT_DRAINING"


class AgentInfoCapabilityType(StrEnum):
    UNKNOWN = "UNKNOWN"
    MULTI_ROLE = "MULTI_ROLE"
    HIERARCHICAL_ROLE = "HIERARCHICAL_ROLE"
    RESERVATION_REFINEMENT = "RESERVATION_REFINEMENT"
    RESOURCE_PROVIDER = "RESOURCE_PROVIDER"
    RESIZE_VOLUME = "RESIZE_VOLUME"
    AGENT_OPERATION_FEEDBACK = "AGENT_OPERATION_FEEDBACK"
    AGENT_DRAINING = "AGENT_DRAINING"
    TASK_RESOURCE_LIMITS = "TASK_RESOURCE_LIMITS"


class CSIPluginContainerInfoService(StrEnum):
    UNKNOWN = "UNKNOWN"
    CONTROLLER_SERVICE = "CONTROLLER_SERVICE"
    NODE_SERVICE = "NODE_SERVICE"


class ValueType(StrEnum):
    SCALAR = "SCALAR"
    RANGES = "RANGES"
    SET = "SET"
    TEXT = "TEXT"


class ResourceReservationInfoType(StrEnum):
    UNKNOWN = "UNKNOWN"
    STATIC = "STATIC"
    DYNAMIC = "DYNAMIC"


class ResourceDiskInfoSourceType(StrEnum):
    UNKNOWN = "UNKNOWN"
    PATH = "PATH"
    MOUNT = "MOUNT"
    BLOCK = "BLOCK"
    RAW = "RAW"


class OfferOperationType(StrEnum):
    UNKNOWN = "UNKNOWN"
    LAUNCH = "LAUNCH"
    LAUNCH_GROUP = "LAUNCH_GROUP"
    RESERVE = "RESERVE"
    UNRESERVE = "UNRESERVE"
    CREATE = "CREATE"
    DESTROY = "DESTROY"
    GROW_VOLUME = "GROW_VOLUME"
    SHRINK_VOLUME = "SHRINK_VOLUME"
    CREATE_DISK = "CREATE_DISK"
    DESTROY_DISK = "DESTROY_DISK"


class TaskStatusSource(StrEnum):
    SOURCE_MASTER = "SOURCE_MASTER"
    SOURCE_AGENT = "SOURCE_AGENT"
    SOURCE_EXECUTOR = "SOURCE_EXECUTOR"


class TaskStatusReason(StrEnum):
    REASON_COMMAND_EXECUTOR_FAILED = "REASON_COMMAND_EXECUTOR_FAILED"
    REASON_CONTAINER_LAUNCH_FAILED = "REASON_CONTAINER_LAUNCH_FAILED"
    REASON_CONTAINER_LIMITATION = "REASON_CONTAINER_LIMITATION"
    REASON_CONTAINER_LIMITATION_DISK = "REASON_CONTAINER_LIMITATION_DISK"
    REASON_CONTAINER_LIMITATION_MEMORY = "REASON_CONTAINER_LIMITATION_MEMORY"
    REASON_CONTAINER_PREEMPTED = "REASON_CONTAINER_PREEMPTED"
    REASON_CONTAINER_UPDATE_FAILED = "REASON_CONTAINER_UPDATE_FAILED"
    REASON_MAX_COMPLETION_TIME_REACHED = "REASON_MAX_COMPLETION_TIME_REACHED"
    REASON_EXECUTOR_REGISTRATION_TIMEOUT = "REASON_EXECUTOR_REGISTRATION_TIMEOUT"
    REASON_EXECUTOR_REREGISTRATION_TIMEOUT = "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"
    REASON_EXECUTOR_TERMINATED = "REASON_EXECUTOR_TERMINATED"
    REASON_EXECUTOR_UNREGISTERED = "REASON_EXECUTOR_UNREGISTERED"
    REASON_FRAMEWORK_REMOVED = "REASON_FRAMEWORK_REMOVED"
    REASON_GC_ERROR = "REASON_GC_ERROR"
    REASON_INVALID_FRAMEWORKID = "REASON_INVALID_FRAMEWORKID"
    REASON_INVALID_OFFERS = "REASON_INVALID_OFFERS"
    REASON_IO_SWITCHBOARD_EXITED = "REASON_IO_SWITCHBOARD_EXITED"
    REASON_MASTER_DISCONNECTED = "REASON_MASTER_DISCONNECTED"
    REASON_RECONCILIATION = "REASON_RECONCILIATION"
    REASON_RESOURCES_UNKNOWN = "REASON_RESOURCES_UNKNOWN"
    REASON_AGENT_DISCONNECTED = "REASON_AGENT_DISCONNECTED"
    REASON_AGENT_DRAINING = "REASON_AGENT_DRAINING"
    REASON_AGENT_REMOVED = "REASON_AGENT_REMOVED"
    REASON_AGENT_REMOVED_BY_OPERATOR = "REASON_AGENT_REMOVED_BY_OPERATOR"
    REASON_AGENT_REREGISTERED = "REASON_AGENT_REREGISTERED"
    REASON_AGENT_RESTARTED = "REASON_AGENT_RESTARTED"
    REASON_AGENT_UNKNOWN = "REASON_AGENT_UNKNOWN"
    REASON_TASK_KILLED_DURING_LAUNCH = "REASON_TASK_KILLED_DURING_LAUNCH"
    REASON_TASK_CHECK_STATUS_UPDATED = "REASON_TASK_CHECK_STATUS_UPDATED"
    REASON_TASK_HEALTH_CHECK_STATUS_UPDATED = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
    REASON_TASK_GROUP_INVALID = "REASON_TASK_GROUP_INVALID"
    REASON_TASK_GROUP_UNAUTHORIZED = "REASON_TASK_GROUP_UNAUTHORIZED"
    REASON_TASK_INVALID = "REASON_TASK_INVALID"
    REASON_TASK_UNAUTHORIZED = "REASON_TASK_UNAUTHORIZED"
    REASON_TASK_UNKNOWN = "REASON_TASK_UNKNOWN"


class EnvironmentVariableType(StrEnum):
    UNKNOWN = "UNKNOWN"
    VALUE = "VALUE"
    SECRET = "SECRET"


class SecretType(StrEnum):
    UNKNOWN = "UNKNOWN"
    REFERENCE = "REFERENCE"
    VALUE = "VALUE"


class ImageType(StrEnum):
    APPC = "APPC"
    DOCKER = "DOCKER"


class MountPropagationMode(StrEnum):
    UNKNOWN = "UNKNOWN"
    HOST_TO_CONTAINER = "HOST_TO_CONTAINER"
    BIDIRECTIONAL = "BIDIRECTIONAL"


class VolumeSourceSandboxPathType(StrEnum):
    UNKNOWN = "UNKNOWN"
    SELF = "SELF"
    PARENT = "PARENT"


class VolumeSourceCSIVolumeVolumeCapabilityAccessModeMode(StrEnum):
    UNKNOWN = "UNKNOWN"
    SINGLE_NODE_WRITER = "SINGLE_NODE_WRITER"
    SINGLE_NODE_READER_ONLY = "SINGLE_NODE_READER_ONLY"
    MULTI_NODE_READER_ONLY = "MULTI_NODE_READER_ONLY"
    MULTI_NODE_SINGLE_WRITER = "MULTI_NODE_SINGLE_WRITER"
    MULTI_NODE_MULTI_WRITER = "MULTI_NODE_MULTI_WRITER"


class VolumeSourceType(StrEnum):
    UNKNOWN = "UNKNOWN"
    DOCKER_VOLUME = "DOCKER_VOLUME"
    HOST_PATH = "HOST_PATH"
    SANDBOX_PATH = "SANDBOX_PATH"
    SECRET = "SECRET"
    CSI_VOLUME = "CSI_VOLUME"


class VolumeMode(StrEnum):
    RW = "RW"
    RO = "RO"


class NetworkInfoProtocol(StrEnum):
    IPv4 = "IPv4"
    IPv6 = "IPv6"


class CapabilityInfoCapability(StrEnum):
    UNKNOWN = "UNKNOWN"
    CHOWN = "CHOWN"
    DAC_OVERRIDE = "DAC_OVERRIDE"
    DAC_READ_SEARCH = "DAC_READ_SEARCH"
    FOWNER = "FOWNER"
    FSETID = "FSETID"
    KILL = "KILL"
    SETGID = "SETGID"
    SETUID = "SETUID"
    SETPCAP = "SETPCAP"
    LINUX_IMMUTABLE = "LINUX_IMMUTABLE"
    NET_BIND_SERVICE = "NET_BIND_SERVICE"
    NET_BROADCAST = "NET_BROADCAST"
    NET_ADMIN = "NET_ADMIN"
    NET_RAW = "NET_RAW"
    IPC_LOCK = "IPC_LOCK"
    IPC_OWNER = "IPC_OWNER"
    SYS_MODULE = "SYS_MODULE"
    SYS_RAWIO = "SYS_RAWIO"
    SYS_CHROOT = "SYS_CHROOT"
    SYS_PTRACE = "SYS_PTRACE"
    SYS_PACCT = "SYS_PACCT"
    SYS_ADMIN = "SYS_ADMIN"
    SYS_BOOT = "SYS_BOOT"
    SYS_NICE = "SYS_NICE"
    SYS_RESOURCE = "SYS_RESOURCE"
    SYS_TIME = "SYS_TIME"
    SYS_TTY_CONFIG = "SYS_TTY_CONFIG"
    MKNOD = "MKNOD"
    LEASE = "LEASE"
    AUDIT_WRITE = "AUDIT_WRITE"
    AUDIT_CONTROL = "AUDIT_CONTROL"
    SETFCAP = "SETFCAP"
    MAC_OVERRIDE = "MAC_OVERRIDE"
    MAC_ADMIN = "MAC_ADMIN"
    SYSLOG = "SYSLOG"
    WAKE_ALARM = "WAKE_ALARM"
    BLOCK_SUSPEND = "BLOCK_SUSPEND"
    AUDIT_READ = "AUDIT_READ"


class LinuxInfoIpcMode(StrEnum):
    UNKNOWN = "UNKNOWN"
    PRIVATE = "PRIVATE"
    SHARE_PARENT = "SHARE_PARENT"


class RLimitInfoRLimitType(StrEnum):
    UNKNOWN = "UNKNOWN"
    RLMT_AS = "RLMT_AS"
    RLMT_CORE = "RLMT_CORE"
    RLMT_CPU = "RLMT_CPU"
    RLMT_DATA = "RLMT_DATA"
    RLMT_FSIZE = "RLMT_FSIZE"
    RLMT_LOCKS = "RLMT_LOCKS"
    RLMT_MEMLOCK = "RLMT_MEMLOCK"
    RLMT_MSGQUEUE = "RLMT_MSGQUEUE"
    RLMT_NICE = "RLMT_NICE"
    RLMT_NOFILE = "RLMT_NOFILE"
    RLMT_NPROC = "RLMT_NPROC"
    RLMT_RSS = "RLMT_RSS"
    RLMT_RTPRIO = "RLMT_RTPRIO"
    RLMT_RTTIME = "RLMT_RTTIME"
    RLMT_SIGPENDING = "RLMT_SIGPENDING"
    RLMT_STACK = "RLMT_STACK"


class ContainerInfoDockerInfoNetwork(StrEnum):
    HOST = "HOST"
    BRIDGE = "BRIDGE"
    NONE = "NONE"
    USER = "USER"


class ContainerInfoType(StrEnum):
    DOCKER = "DOCKER"
    MESOS = "MESOS"


class CgroupInfoBlkioOperation(StrEnum):
    UNKNOWN = "UNKNOWN"
    TOTAL = "TOTAL"
    READ = "READ"
    WRITE = "WRITE"
    SYNC = "SYNC"
    ASYNC = "ASYNC"
    DISCARD = "DISCARD"


class DiscoveryInfoVisibility(StrEnum):
    FRAMEWORK = "FRAMEWORK"
    CLUSTER = "CLUSTER"
    EXTERNAL = "EXTERNAL"


class Status(StrEnum):
    DRIVER_NOT_STARTED = "DRIVER_NOT_STARTED"
    DRIVER_RUNNING = "DRIVER_RUNNING"
    DRIVER_ABORTED = "DRIVER_ABORTED"
    DRIVER_STOPPED = "DRIVER_STOPPED"


class TaskState(StrEnum):
    TASK_STAGING = "TASK_STAGING"
    TASK_STARTING = "TASK_STARTING"
    TASK_RUNNING = "TASK_RUNNING"
    TASK_KILLING = "TASK_KILLING"
    TASK_FINISHED = "TASK_FINISHED"
    TASK_FAILED = "TASK_FAILED"
    TASK_KILLED = "TASK_KILLED"
    TASK_ERROR = "TASK_ERROR"
    TASK_LOST = "TASK_LOST"
    TASK_DROPPED = "TASK_DROPPED"
    TASK_UNREACHABLE = "TASK_UNREACHABLE"
    TASK_GONE = "TASK_GONE"
    TASK_GONE_BY_OPERATOR = "TASK_GONE_BY_OPERATOR"
    TASK_UNKNOWN = "TASK_UNKNOWN"


class OperationState(StrEnum):
    OPERATION_UNSUPPORTED = "OPERATION_UNSUPPORTED"
    OPERATION_PENDING = "OPERATION_PENDING"
    OPERATION_FINISHED = "OPERATION_FINISHED"
    OPERATION_FAILED = "OPERATION_FAILED"
    OPERATION_ERROR = "OPERATION_ERROR"
    OPERATION_DROPPED = "OPERATION_DROPPED"
    OPERATION_UNREACHABLE = "OPERATION_UNREACHABLE"
    OPERATION_GONE_BY_OPERATOR = "OPERATION_GONE_BY_OPERATOR"
    OPERATION_RECOVERING = "OPERATION_RECOVERING"
    OPERATION_UNKNOWN = "OPERATION_UNKNOWN"


class DrainState(StrEnum):
    UNKNOWN = "UNKNOWN"
    DRAINING = "DRAINING"
    DRAINED = "DRAINED"


class FrameworkID(Message, frozen=True, kw_only=True):
    value: str


class OfferID(Message, frozen=True, kw_only=True):
    value: str


class AgentID(Message, frozen=True, kw_only=True):
    value: str


class TaskID(Message, frozen=True, kw_only=True):
    value: str


class ExecutorID(Message, frozen=True, kw_only=True):
    value: str


class ContainerID(Message, frozen=True, kw_only=True):
    value: str
    parent: ContainerID | None = None


class ResourceProviderID(Message, frozen=True, kw_only=True):
    value: str


class OperationID(Message, frozen=True, kw_only=True):
    value: str


class TimeInfo(Message, frozen=True, kw_only=True):
    nanoseconds: int


class DurationInfo(Message, frozen=True, kw_only=True):
    nanoseconds: int


class Address(Message, frozen=True, kw_only=True):
    hostname: str | None = None
    ip: str | None = None
    port: int


class URL(Message, frozen=True, kw_only=True):
    scheme: str
    address: Address
    path: str | None = None
    query: tuple[Parameter, ...] = ()
    fragment: str | None = None


class Unavailability(Message, frozen=True, kw_only=True):
    start: TimeInfo
    duration: DurationInfo | None = None


class MachineID(Message, frozen=True, kw_only=True):
    hostname: str | None = None
    ip: str | None = None


class MachineInfo(Message, frozen=True, kw_only=True):
    id: MachineID
    mode: MachineInfoMode | None = None
    unavailability: Unavailability | None = None


class FrameworkInfo(Message, frozen=True, kw_only=True):
    user: str
    name: str
    id: FrameworkID | None = None
    failover_timeout: float = explicit(0.0)
    checkpoint: bool = explicit(False)
    role: str | None = None
    roles: tuple[str, ...] = ()
    hostname: str | None = None
    principal: str | None = None
    webui_url: str | None = None
    capabilities: tuple[FrameworkInfoCapability, ...] = ()
    labels: Labels | None = None
    offer_filters: dict[str, OfferFilters] = field(default_factory=dict)


class FrameworkInfoCapability(Message, frozen=True, kw_only=True):
    type: FrameworkInfoCapabilityType | None = None


class CheckInfo(Message, frozen=True, kw_only=True):
    type: CheckInfoType | None = None
    command: CheckInfoCommand | None = None
    http: CheckInfoHttp | None = None
    tcp: CheckInfoTcp | None = None
    delay_seconds: float = explicit(15.0)
    interval_seconds: float = explicit(10.0)
    timeout_seconds: float = explicit(20.0)


class CheckInfoCommand(Message, frozen=True, kw_only=True):
    command: CommandInfo


class CheckInfoHttp(Message, frozen=True, kw_only=True):
    port: int
    path: str | None = None


class CheckInfoTcp(Message, frozen=True, kw_only=True):
    port: int


class HealthCheck(Message, frozen=True, kw_only=True):
    delay_seconds: float = explicit(15.0)
    interval_seconds: float = explicit(10.0)
    timeout_seconds: float = explicit(20.0)
    consecutive_failures: int = explicit(3)
    grace_period_seconds: float = explicit(10.0)
    type: HealthCheckType | None = None
    command: CommandInfo | None = None
    http: HealthCheckHTTPCheckInfo | None = None
    tcp: HealthCheckTCPCheckInfo | None = None


class HealthCheckHTTPCheckInfo(Message, frozen=True, kw_only=True):
    protocol: NetworkInfoProtocol = explicit(NetworkInfoProtocol.IPv4)
    scheme: str | None = None
    port: int
    path: str | None = None
    statuses: tuple[int, ...] = ()


class HealthCheckTCPCheckInfo(Message, frozen=True, kw_only=True):
    protocol: NetworkInfoProtocol = explicit(NetworkInfoProtocol.IPv4)
    port: int


class KillPolicy(Message, frozen=True, kw_only=True):
    grace_period: DurationInfo | None = None


class CommandInfo(Message, frozen=True, kw_only=True):
    uris: tuple[CommandInfoURI, ...] = ()
    environment: Environment | None = None
    shell: bool = explicit(True)
    value: str | None = None
    arguments: tuple[str, ...] = ()
    user: str | None = None


class CommandInfoURI(Message, frozen=True, kw_only=True):
    value: str
    executable: bool | None = None
    extract: bool = explicit(True)
    cache: bool | None = None
    output_file: str | None = None


class ExecutorInfo(Message, frozen=True, kw_only=True):
    type: ExecutorInfoType | None = None
    executor_id: ExecutorID
    framework_id: FrameworkID | None = None
    command: CommandInfo | None = None
    container: ContainerInfo | None = None
    resources: tuple[Resource, ...] = ()
    name: str | None = None
    source: str | None = None
    data: bytes | None = None
    discovery: DiscoveryInfo | None = None
    shutdown_grace_period: DurationInfo | None = None
    labels: Labels | None = None


class DomainInfo(Message, frozen=True, kw_only=True):
    fault_domain: DomainInfoFaultDomain | None = None


class DomainInfoFaultDomain(Message, frozen=True, kw_only=True):
    region: DomainInfoFaultDomainRegionInfo
    zone: DomainInfoFaultDomainZoneInfo


class DomainInfoFaultDomainRegionInfo(Message, frozen=True, kw_only=True):
    name: str


class DomainInfoFaultDomainZoneInfo(Message, frozen=True, kw_only=True):
    name: str


class MasterInfo(Message, frozen=True, kw_only=True):
    id: str
    ip: int
    port: int
    pid: str | None = None
    hostname: str | None = None
    version: str | None = None
    address: Address | None = None
    domain: DomainInfo | None = None
    capabilities: tuple[MasterInfoCapability, ...] = ()


class MasterInfoCapability(Message, frozen=True, kw_only=True):
    type: MasterInfoCapabilityType | None = None


class AgentInfo(Message, frozen=True, kw_only=True):
    hostname: str
    port: int = explicit(5051)
    resources: tuple[Resource, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    id: AgentID | None = None
    domain: DomainInfo | None = None


class AgentInfoCapability(Message, frozen=True, kw_only=True):
    type: AgentInfoCapabilityType | None = None


class CSIPluginContainerInfo(Message, frozen=True, kw_only=True):
    services: tuple[CSIPluginContainerInfoService, ...] = ()
    command: CommandInfo | None = None
    resources: tuple[Resource, ...] = ()
    container: ContainerInfo | None = None


class CSIPluginEndpoint(Message, frozen=True, kw_only=True):
    csi_service: CSIPluginContainerInfoService
    endpoint: str


class CSIPluginInfo(Message, frozen=True, kw_only=True):
    type: str
    name: str = explicit("default")
    containers: tuple[CSIPluginContainerInfo, ...] = ()
    endpoints: tuple[CSIPluginEndpoint, ...] = ()
    target_path_root: str | None = None
    target_path_exists: bool | None = None


class ResourceProviderInfo(Message, frozen=True, kw_only=True):
    id: ResourceProviderID | None = None
    attributes: tuple[Attribute, ...] = ()
    type: str
    name: str
    default_reservations: tuple[ResourceReservationInfo, ...] = ()
    storage: ResourceProviderInfoStorage | None = None


class ResourceProviderInfoStorage(Message, frozen=True, kw_only=True):
    plugin: CSIPluginInfo
    reconciliation_interval_seconds: float | None = None


class Value(Message, frozen=True, kw_only=True):
    type: ValueType
    scalar: ValueScalar | None = None
    ranges: ValueRanges | None = None
    set: ValueSet | None = None
    text: ValueText | None = None


class ValueScalar(Message, frozen=True, kw_only=True):
    value: float


class ValueRange(Message, frozen=True, kw_only=True):
    begin: int
    end: int


class ValueRanges(Message, frozen=True, kw_only=True):
    range: tuple[ValueRange, ...] = ()


class ValueSet(Message, frozen=True, kw_only=True):
    item: tuple[str, ...] = ()


class ValueText(Message, frozen=True, kw_only=True):
    value: str


class Attribute(Message, frozen=True, kw_only=True):
    name: str
    type: ValueType
    scalar: ValueScalar | None = None
    ranges: ValueRanges | None = None
    set: ValueSet | None = None
    text: ValueText | None = None


class Resource(Message, frozen=True, kw_only=True):
    provider_id: ResourceProviderID | None = None
    name: str
    type: ValueType
    scalar: ValueScalar | None = None
    ranges: ValueRanges | None = None
    set: ValueSet | None = None
    role: str | None = None
    allocation_info: ResourceAllocationInfo | None = None
    reservation: ResourceReservationInfo | None = None
    reservations: tuple[ResourceReservationInfo, ...] = ()
    disk: ResourceDiskInfo | None = None
    revocable: ResourceRevocableInfo | None = None
    shared: ResourceSharedInfo | None = None


class ResourceAllocationInfo(Message, frozen=True, kw_only=True):
    role: str | None = None


class ResourceReservationInfo(Message, frozen=True, kw_only=True):
    type: ResourceReservationInfoType | None = None
    role: str | None = None
    principal: str | None = None
    labels: Labels | None = None


class ResourceDiskInfo(Message, frozen=True, kw_only=True):
    persistence: ResourceDiskInfoPersistence | None = None
    volume: Volume | None = None
    source: ResourceDiskInfoSource | None = None


class ResourceDiskInfoPersistence(Message, frozen=True, kw_only=True):
    id: str
    principal: str | None = None


class ResourceDiskInfoSource(Message, frozen=True, kw_only=True):
    type: ResourceDiskInfoSourceType
    path: ResourceDiskInfoSourcePath | None = None
    mount: ResourceDiskInfoSourceMount | None = None
    vendor: str | None = None
    id: str | None = None
    metadata: Labels | None = None
    profile: str | None = None


class ResourceDiskInfoSourcePath(Message, frozen=True, kw_only=True):
    root: str | None = None


class ResourceDiskInfoSourceMount(Message, frozen=True, kw_only=True):
    root: str | None = None


class TrafficControlStatistics(Message, frozen=True, kw_only=True):
    id: str
    backlog: int | None = None
    bytes: int | None = None
    drops: int | None = None
    overlimits: int | None = None
    packets: int | None = None
    qlen: int | None = None
    ratebps: int | None = None
    ratepps: int | None = None
    requeues: int | None = None


class IpStatistics(Message, frozen=True, kw_only=True):
    Forwarding: int | None = None
    DefaultTTL: int | None = None
    InReceives: int | None = None
    InHdrErrors: int | None = None
    InAddrErrors: int | None = None
    ForwDatagrams: int | None = None
    InUnknownProtos: int | None = None
    InDiscards: int | None = None
    InDelivers: int | None = None
    OutRequests: int | None = None
    OutDiscards: int | None = None
    OutNoRoutes: int | None = None
    ReasmTimeout: int | None = None
    ReasmReqds: int | None = None
    ReasmOKs: int | None = None
    ReasmFails: int | None = None
    FragOKs: int | None = None
    FragFails: int | None = None
    FragCreates: int | None = None


class IcmpStatistics(Message, frozen=True, kw_only=True):
    InMsgs: int | None = None
    InErrors: int | None = None
    InCsumErrors: int | None = None
    InDestUnreachs: int | None = None
    InTimeExcds: int | None = None
    InParmProbs: int | None = None
    InSrcQuenchs: int | None = None
    InRedirects: int | None = None
    InEchos: int | None = None
    InEchoReps: int | None = None
    InTimestamps: int | None = None
    InTimestampReps: int | None = None
    InAddrMasks: int | None = None
    InAddrMaskReps: int | None = None
    OutMsgs: int | None = None
    OutErrors: int | None = None
    OutDestUnreachs: int | None = None
    OutTimeExcds: int | None = None
    OutParmProbs: int | None = None
    OutSrcQuenchs: int | None = None
    OutRedirects: int | None = None
    OutEchos: int | None = None
    OutEchoReps: int | None = None
    OutTimestamps: int | None = None
    OutTimestampReps: int | None = None
    OutAddrMasks: int | None = None
    OutAddrMaskReps: int | None = None


class TcpStatistics(Message, frozen=True, kw_only=True):
    RtoAlgorithm: int | None = None
    RtoMin: int | None = None
    RtoMax: int | None = None
    MaxConn: int | None = None
    ActiveOpens: int | None = None
    PassiveOpens: int | None = None
    AttemptFails: int | None = None
    EstabResets: int | None = None
    CurrEstab: int | None = None
    InSegs: int | None = None
    OutSegs: int | None = None
    RetransSegs: int | None = None
    InErrs: int | None = None
    OutRsts: int | None = None
    InCsumErrors: int | None = None


class UdpStatistics(Message, frozen=True, kw_only=True):
    InDatagrams: int | None = None
    NoPorts: int | None = None
    InErrors: int | None = None
    OutDatagrams: int | None = None
    RcvbufErrors: int | None = None
    SndbufErrors: int | None = None
    InCsumErrors: int | None = None
    IgnoredMulti: int | None = None


class SNMPStatistics(Message, frozen=True, kw_only=True):
    ip_stats: IpStatistics | None = None
    icmp_stats: IcmpStatistics | None = None
    tcp_stats: TcpStatistics | None = None
    udp_stats: UdpStatistics | None = None


class DiskStatistics(Message, frozen=True, kw_only=True):
    source: ResourceDiskInfoSource | None = None
    persistence: ResourceDiskInfoPersistence | None = None
    limit_bytes: int | None = None
    used_bytes: int | None = None


class ResourceStatistics(Message, frozen=True, kw_only=True):
    timestamp: float
    processes: int | None = None
    threads: int | None = None
    cpus_user_time_secs: float | None = None
    cpus_system_time_secs: float | None = None
    cpus_limit: float | None = None
    cpus_soft_limit: float | None = None
    cpus_nr_periods: int | None = None
    cpus_nr_throttled: int | None = None
    cpus_throttled_time_secs: float | None = None
    mem_total_bytes: int | None = None
    mem_total_memsw_bytes: int | None = None
    mem_limit_bytes: int | None = None
    mem_soft_limit_bytes: int | None = None
    mem_file_bytes: int | None = None
    mem_anon_bytes: int | None = None
    mem_cache_bytes: int | None = None
    mem_rss_bytes: int | None = None
    mem_mapped_file_bytes: int | None = None
    mem_swap_bytes: int | None = None
    mem_unevictable_bytes: int | None = None
    mem_low_pressure_counter: int | None = None
    mem_medium_pressure_counter: int | None = None
    mem_critical_pressure_counter: int | None = None
    disk_limit_bytes: int | None = None
    disk_used_bytes: int | None = None
    disk_statistics: tuple[DiskStatistics, ...] = ()
    blkio_statistics: CgroupInfoBlkioStatistics | None = None
    perf: PerfStatistics | None = None
    net_rx_packets: int | None = None
    net_rx_bytes: int | None = None
    net_rx_errors: int | None = None
    net_rx_dropped: int | None = None
    net_tx_packets: int | None = None
    net_tx_bytes: int | None = None
    net_tx_errors: int | None = None
    net_tx_dropped: int | None = None
    net_tcp_rtt_microsecs_p50: float | None = None
    net_tcp_rtt_microsecs_p90: float | None = None
    net_tcp_rtt_microsecs_p95: float | None = None
    net_tcp_rtt_microsecs_p99: float | None = None
    net_tcp_active_connections: float | None = None
    net_tcp_time_wait_connections: float | None = None
    net_traffic_control_statistics: tuple[TrafficControlStatistics, ...] = ()
    net_snmp_statistics: SNMPStatistics | None = None


class ResourceUsage(Message, frozen=True, kw_only=True):
    executors: tuple[ResourceUsageExecutor, ...] = ()
    total: tuple[Resource, ...] = ()


class ResourceUsageExecutor(Message, frozen=True, kw_only=True):
    executor_info: ExecutorInfo
    allocated: tuple[Resource, ...] = ()
    statistics: ResourceStatistics | None = None
    container_id: ContainerID
    tasks: tuple[ResourceUsageExecutorTask, ...] = ()


class ResourceUsageExecutorTask(Message, frozen=True, kw_only=True):
    name: str
    id: TaskID
    resources: tuple[Resource, ...] = ()
    labels: Labels | None = None


class PerfStatistics(Message, frozen=True, kw_only=True):
    timestamp: float
    duration: float
    cycles: int | None = None
    stalled_cycles_frontend: int | None = None
    stalled_cycles_backend: int | None = None
    instructions: int | None = None
    cache_references: int | None = None
    cache_misses: int | None = None
    branches: int | None = None
    branch_misses: int | None = None
    bus_cycles: int | None = None
    ref_cycles: int | None = None
    cpu_clock: float | None = None
    task_clock: float | None = None
    page_faults: int | None = None
    minor_faults: int | None = None
    major_faults: int | None = None
    context_switches: int | None = None
    cpu_migrations: int | None = None
    alignment_faults: int | None = None
    emulation_faults: int | None = None
    l1_dcache_loads: int | None = None
    l1_dcache_load_misses: int | None = None
    l1_dcache_stores: int | None = None
    l1_dcache_store_misses: int | None = None
    l1_dcache_prefetches: int | None = None
    l1_dcache_prefetch_misses: int | None = None
    l1_icache_loads: int | None = None
    l1_icache_load_misses: int | None = None
    l1_icache_prefetches: int | None = None
    l1_icache_prefetch_misses: int | None = None
    llc_loads: int | None = None
    llc_load_misses: int | None = None
    llc_stores: int | None = None
    llc_store_misses: int | None = None
    llc_prefetches: int | None = None
    llc_prefetch_misses: int | None = None
    dtlb_loads: int | None = None
    dtlb_load_misses: int | None = None
    dtlb_stores: int | None = None
    dtlb_store_misses: int | None = None
    dtlb_prefetches: int | None = None
    dtlb_prefetch_misses: int | None = None
    itlb_loads: int | None = None
    itlb_load_misses: int | None = None
    branch_loads: int | None = None
    branch_load_misses: int | None = None
    node_loads: int | None = None
    node_load_misses: int | None = None
    node_stores: int | None = None
    node_store_misses: int | None = None
    node_prefetches: int | None = None
    node_prefetch_misses: int | None = None


class OfferFilters(Message, frozen=True, kw_only=True):
    min_allocatable_resources: OfferFiltersMinAllocatableResources | None = None


class OfferFiltersResourceQuantities(Message, frozen=True, kw_only=True):
    quantities: dict[str, ValueScalar] = field(default_factory=dict)


class OfferFiltersMinAllocatableResources(Message, frozen=True, kw_only=True):
    quantities: tuple[OfferFiltersResourceQuantities, ...] = ()


class Request(Message, frozen=True, kw_only=True):
    agent_id: AgentID | None = None
    resources: tuple[Resource, ...] = ()


class Offer(Message, frozen=True, kw_only=True):
    id: OfferID
    framework_id: FrameworkID
    agent_id: AgentID
    hostname: str
    url: URL | None = None
    domain: DomainInfo | None = None
    resources: tuple[Resource, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    executor_ids: tuple[ExecutorID, ...] = ()
    unavailability: Unavailability | None = None
    allocation_info: ResourceAllocationInfo | None = None


class OfferOperation(Message, frozen=True, kw_only=True):
    type: OfferOperationType | None = None
    id: OperationID | None = None
    launch: OfferOperationLaunch | None = None
    launch_group: OfferOperationLaunchGroup | None = None
    reserve: OfferOperationReserve | None = None
    unreserve: OfferOperationUnreserve | None = None
    create: OfferOperationCreate | None = None
    destroy: OfferOperationDestroy | None = None
    grow_volume: OfferOperationGrowVolume | None = None
    shrink_volume: OfferOperationShrinkVolume | None = None
    create_disk: OfferOperationCreateDisk | None = None
    destroy_disk: OfferOperationDestroyDisk | None = None


class OfferOperationLaunch(Message, frozen=True, kw_only=True):
    task_infos: tuple[TaskInfo, ...] = ()


class OfferOperationLaunchGroup(Message, frozen=True, kw_only=True):
    executor: ExecutorInfo
    task_group: TaskGroupInfo


class OfferOperationReserve(Message, frozen=True, kw_only=True):
    source: tuple[Resource, ...] = ()
    resources: tuple[Resource, ...] = ()


class OfferOperationUnreserve(Message, frozen=True, kw_only=True):
    resources: tuple[Resource, ...] = ()


class OfferOperationCreate(Message, frozen=True, kw_only=True):
    volumes: tuple[Resource, ...] = ()


class OfferOperationDestroy(Message, frozen=True, kw_only=True):
    volumes: tuple[Resource, ...] = ()


class OfferOperationGrowVolume(Message, frozen=True, kw_only=True):
    volume: Resource
    addition: Resource


class OfferOperationShrinkVolume(Message, frozen=True, kw_only=True):
    volume: Resource
    subtract: ValueScalar


class OfferOperationCreateDisk(Message, frozen=True, kw_only=True):
    source: Resource
    target_type: ResourceDiskInfoSourceType
    target_profile: str | None = None


class OfferOperationDestroyDisk(Message, frozen=True, kw_only=True):
    source: Resource


class InverseOffer(Message, frozen=True, kw_only=True):
    id: OfferID
    url: URL | None = None
    framework_id: FrameworkID
    agent_id: AgentID | None = None
    unavailability: Unavailability
    resources: tuple[Resource, ...] = ()


class TaskInfo(Message, frozen=True, kw_only=True):
    name: str
    task_id: TaskID
    agent_id: AgentID
    resources: tuple[Resource, ...] = ()
    executor: ExecutorInfo | None = None
    command: CommandInfo | None = None
    container: ContainerInfo | None = None
    health_check: HealthCheck | None = None
    check: CheckInfo | None = None
    kill_policy: KillPolicy | None = None
    data: bytes | None = None
    labels: Labels | None = None
    discovery: DiscoveryInfo | None = None
    max_completion_time: DurationInfo | None = None
    limits: dict[str, ValueScalar] = field(default_factory=dict)


class TaskGroupInfo(Message, frozen=True, kw_only=True):
    tasks: tuple[TaskInfo, ...] = ()


class Task(Message, frozen=True, kw_only=True):
    name: str
    task_id: TaskID
    framework_id: FrameworkID
    executor_id: ExecutorID | None = None
    agent_id: AgentID
    state: TaskState
    resources: tuple[Resource, ...] = ()
    statuses: tuple[TaskStatus, ...] = ()
    status_update_state: TaskState | None = None
    status_update_uuid: bytes | None = None
    labels: Labels | None = None
    discovery: DiscoveryInfo | None = None
    container: ContainerInfo | None = None
    health_check: HealthCheck | None = None
    kill_policy: KillPolicy | None = None
    user: str | None = None
    limits: dict[str, ValueScalar] = field(default_factory=dict)


class TaskResourceLimitation(Message, frozen=True, kw_only=True):
    resources: tuple[Resource, ...] = ()


class UUID(Message, frozen=True, kw_only=True):
    value: bytes


class Operation(Message, frozen=True, kw_only=True):
    framework_id: FrameworkID | None = None
    agent_id: AgentID | None = None
    info: OfferOperation
    latest_status: OperationStatus
    statuses: tuple[OperationStatus, ...] = ()
    uuid: UUID


class OperationStatus(Message, frozen=True, kw_only=True):
    operation_id: OperationID | None = None
    state: OperationState
    message: str | None = None
    converted_resources: tuple[Resource, ...] = ()
    uuid: UUID | None = None
    agent_id: AgentID | None = None
    resource_provider_id: ResourceProviderID | None = None


class CheckStatusInfo(Message, frozen=True, kw_only=True):
    type: CheckInfoType | None = None
    command: CheckStatusInfoCommand | None = None
    http: CheckStatusInfoHttp | None = None
    tcp: CheckStatusInfoTcp | None = None


class CheckStatusInfoCommand(Message, frozen=True, kw_only=True):
    exit_code: int | None = None


class CheckStatusInfoHttp(Message, frozen=True, kw_only=True):
    status_code: int | None = None


class CheckStatusInfoTcp(Message, frozen=True, kw_only=True):
    succeeded: bool | None = None


class TaskStatus(Message, frozen=True, kw_only=True):
    task_id: TaskID
    state: TaskState
    message: str | None = None
    source: TaskStatusSource | None = None
    reason: TaskStatusReason | None = None
    data: bytes | None = None
    agent_id: AgentID | None = None
    executor_id: ExecutorID | None = None
    timestamp: float | None = None
    uuid: bytes | None = None
    healthy: bool | None = None
    check_status: CheckStatusInfo | None = None
    labels: Labels | None = None
    container_status: ContainerStatus | None = None
    unreachable_time: TimeInfo | None = None
    limitation: TaskResourceLimitation | None = None


class Filters(Message, frozen=True, kw_only=True):
    refuse_seconds: float = explicit(5.0)


class Environment(Message, frozen=True, kw_only=True):
    variables: tuple[EnvironmentVariable, ...] = ()


class EnvironmentVariable(Message, frozen=True, kw_only=True):
    name: str
    type: EnvironmentVariableType = explicit(EnvironmentVariableType.VALUE)
    value: str | None = None
    secret: Secret | None = None


class Parameter(Message, frozen=True, kw_only=True):
    key: str
    value: str


class Parameters(Message, frozen=True, kw_only=True):
    parameter: tuple[Parameter, ...] = ()


class Credential(Message, frozen=True, kw_only=True):
    principal: str
    secret: str | None = None


class Credentials(Message, frozen=True, kw_only=True):
    credentials: tuple[Credential, ...] = ()


class Secret(Message, frozen=True, kw_only=True):
    type: SecretType | None = None
    reference: SecretReference | None = None
    value: SecretValue | None = None


class SecretReference(Message, frozen=True, kw_only=True):
    name: str
    key: str | None = None


class SecretValue(Message, frozen=True, kw_only=True):
    data: bytes


class RateLimit(Message, frozen=True, kw_only=True):
    qps: float | None = None
    principal: str
    capacity: int | None = None


class RateLimits(Message, frozen=True, kw_only=True):
    limits: tuple[RateLimit, ...] = ()
    aggregate_default_qps: float | None = None
    aggregate_default_capacity: int | None = None


class Image(Message, frozen=True, kw_only=True):
    type: ImageType
    appc: ImageAppc | None = None
    docker: ImageDocker | None = None
    cached: bool = explicit(True)


class ImageAppc(Message, frozen=True, kw_only=True):
    name: str
    id: str | None = None
    labels: Labels | None = None


class ImageDocker(Message, frozen=True, kw_only=True):
    name: str
    credential: Credential | None = None
    config: Secret | None = None


class MountPropagation(Message, frozen=True, kw_only=True):
    mode: MountPropagationMode | None = None


class Volume(Message, frozen=True, kw_only=True):
    mode: VolumeMode
    container_path: str
    host_path: str | None = None
    image: Image | None = None
    source: VolumeSource | None = None


class VolumeSource(Message, frozen=True, kw_only=True):
    type: VolumeSourceType | None = None
    docker_volume: VolumeSourceDockerVolume | None = None
    host_path: VolumeSourceHostPath | None = None
    sandbox_path: VolumeSourceSandboxPath | None = None
    secret: Secret | None = None
    csi_volume: VolumeSourceCSIVolume | None = None


class VolumeSourceDockerVolume(Message, frozen=True, kw_only=True):
    driver: str | None = None
    name: str
    driver_options: Parameters | None = None


class VolumeSourceHostPath(Message, frozen=True, kw_only=True):
    path: str
    mount_propagation: MountPropagation | None = None


class VolumeSourceSandboxPath(Message, frozen=True, kw_only=True):
    type: VolumeSourceSandboxPathType | None = None
    path: str


class VolumeSourceCSIVolume(Message, frozen=True, kw_only=True):
    plugin_name: str
    static_provisioning: VolumeSourceCSIVolumeStaticProvisioning | None = None


class VolumeSourceCSIVolumeVolumeCapability(Message, frozen=True, kw_only=True):
    block: VolumeSourceCSIVolumeVolumeCapabilityBlockVolume | None = None
    mount: VolumeSourceCSIVolumeVolumeCapabilityMountVolume | None = None
    access_mode: VolumeSourceCSIVolumeVolumeCapabilityAccessMode


class VolumeSourceCSIVolumeVolumeCapabilityMountVolume(Message, frozen=True, kw_only=True):
    fs_type: str | None = None
    mount_flags: tuple[str, ...] = ()


class VolumeSourceCSIVolumeVolumeCapabilityAccessMode(Message, frozen=True, kw_only=True):
    mode: VolumeSourceCSIVolumeVolumeCapabilityAccessModeMode


class VolumeSourceCSIVolumeStaticProvisioning(Message, frozen=True, kw_only=True):
    volume_id: str
    volume_capability: VolumeSourceCSIVolumeVolumeCapability
    node_stage_secrets: dict[str, Secret] = field(default_factory=dict)
    node_publish_secrets: dict[str, Secret] = field(default_factory=dict)
    volume_context: dict[str, str] = field(default_factory=dict)


class NetworkInfo(Message, frozen=True, kw_only=True):
    ip_addresses: tuple[NetworkInfoIPAddress, ...] = ()
    name: str | None = None
    groups: tuple[str, ...] = ()
    labels: Labels | None = None
    port_mappings: tuple[NetworkInfoPortMapping, ...] = ()


class NetworkInfoIPAddress(Message, frozen=True, kw_only=True):
    protocol: NetworkInfoProtocol = explicit(NetworkInfoProtocol.IPv4)
    ip_address: str | None = None


class NetworkInfoPortMapping(Message, frozen=True, kw_only=True):
    host_port: int
    container_port: int
    protocol: str | None = None


class CapabilityInfo(Message, frozen=True, kw_only=True):
    capabilities: tuple[CapabilityInfoCapability, ...] = ()


class SeccompInfo(Message, frozen=True, kw_only=True):
    profile_name: str | None = None
    unconfined: bool | None = None


class LinuxInfo(Message, frozen=True, kw_only=True):
    capability_info: CapabilityInfo | None = None
    bounding_capabilities: CapabilityInfo | None = None
    effective_capabilities: CapabilityInfo | None = None
    share_pid_namespace: bool | None = None
    seccomp: SeccompInfo | None = None
    ipc_mode: LinuxInfoIpcMode | None = None
    shm_size: int | None = None
    share_cgroups: bool = explicit(True)


class RLimitInfo(Message, frozen=True, kw_only=True):
    rlimits: tuple[RLimitInfoRLimit, ...] = ()


class RLimitInfoRLimit(Message, frozen=True, kw_only=True):
    type: RLimitInfoRLimitType | None = None
    hard: int | None = None
    soft: int | None = None


class TTYInfo(Message, frozen=True, kw_only=True):
    window_size: TTYInfoWindowSize | None = None


class TTYInfoWindowSize(Message, frozen=True, kw_only=True):
    rows: int
    columns: int


class ContainerInfo(Message, frozen=True, kw_only=True):
    type: ContainerInfoType
    volumes: tuple[Volume, ...] = ()
    hostname: str | None = None
    docker: ContainerInfoDockerInfo | None = None
    mesos: ContainerInfoMesosInfo | None = None
    network_infos: tuple[NetworkInfo, ...] = ()
    linux_info: LinuxInfo | None = None
    rlimit_info: RLimitInfo | None = None
    tty_info: TTYInfo | None = None


class ContainerInfoDockerInfo(Message, frozen=True, kw_only=True):
    image: str
    network: ContainerInfoDockerInfoNetwork = explicit(ContainerInfoDockerInfoNetwork.HOST)
    port_mappings: tuple[ContainerInfoDockerInfoPortMapping, ...] = ()
    privileged: bool = explicit(False)
    parameters: tuple[Parameter, ...] = ()
    force_pull_image: bool | None = None
    volume_driver: str | None = None


class ContainerInfoDockerInfoPortMapping(Message, frozen=True, kw_only=True):
    host_port: int
    container_port: int
    protocol: str | None = None


class ContainerInfoMesosInfo(Message, frozen=True, kw_only=True):
    image: Image | None = None


class ContainerStatus(Message, frozen=True, kw_only=True):
    container_id: ContainerID | None = None
    network_infos: tuple[NetworkInfo, ...] = ()
    cgroup_info: CgroupInfo | None = None
    executor_pid: int | None = None


class CgroupInfo(Message, frozen=True, kw_only=True):
    net_cls: CgroupInfoNetCls | None = None


class CgroupInfoBlkioValue(Message, frozen=True, kw_only=True):
    op: CgroupInfoBlkioOperation | None = None
    value: int | None = None


class CgroupInfoBlkioCFQStatistics(Message, frozen=True, kw_only=True):
    device: DeviceNumber | None = None
    sectors: int | None = None
    time: int | None = None
    io_serviced: tuple[CgroupInfoBlkioValue, ...] = ()
    io_service_bytes: tuple[CgroupInfoBlkioValue, ...] = ()
    io_service_time: tuple[CgroupInfoBlkioValue, ...] = ()
    io_wait_time: tuple[CgroupInfoBlkioValue, ...] = ()
    io_merged: tuple[CgroupInfoBlkioValue, ...] = ()
    io_queued: tuple[CgroupInfoBlkioValue, ...] = ()


class CgroupInfoBlkioThrottlingStatistics(Message, frozen=True, kw_only=True):
    device: DeviceNumber | None = None
    io_serviced: tuple[CgroupInfoBlkioValue, ...] = ()
    io_service_bytes: tuple[CgroupInfoBlkioValue, ...] = ()


class CgroupInfoBlkioStatistics(Message, frozen=True, kw_only=True):
    cfq: tuple[CgroupInfoBlkioCFQStatistics, ...] = ()
    cfq_recursive: tuple[CgroupInfoBlkioCFQStatistics, ...] = ()
    throttling: tuple[CgroupInfoBlkioThrottlingStatistics, ...] = ()


class CgroupInfoNetCls(Message, frozen=True, kw_only=True):
    classid: int | None = None


class Labels(Message, frozen=True, kw_only=True):
    labels: tuple[Label, ...] = ()


class Label(Message, frozen=True, kw_only=True):
    key: str
    value: str | None = None


class Port(Message, frozen=True, kw_only=True):
    number: int
    name: str | None = None
    protocol: str | None = None
    visibility: DiscoveryInfoVisibility | None = None
    labels: Labels | None = None


class Ports(Message, frozen=True, kw_only=True):
    ports: tuple[Port, ...] = ()


class DiscoveryInfo(Message, frozen=True, kw_only=True):
    visibility: DiscoveryInfoVisibility
    name: str | None = None
    environment: str | None = None
    location: str | None = None
    version: str | None = None
    ports: Ports | None = None
    labels: Labels | None = None


class WeightInfo(Message, frozen=True, kw_only=True):
    weight: float
    role: str | None = None


class VersionInfo(Message, frozen=True, kw_only=True):
    version: str
    build_date: str | None = None
    build_time: float | None = None
    build_user: str | None = None
    git_sha: str | None = None
    git_branch: str | None = None
    git_tag: str | None = None


class Flag(Message, frozen=True, kw_only=True):
    name: str
    value: str | None = None


class Role(Message, frozen=True, kw_only=True):
    name: str
    weight: float
    frameworks: tuple[FrameworkID, ...] = ()
    resources: tuple[Resource, ...] = ()


class Metric(Message, frozen=True, kw_only=True):
    name: str
    value: float | None = None


class FileInfo(Message, frozen=True, kw_only=True):
    path: str
    nlink: int | None = None
    size: int | None = None
    mtime: TimeInfo | None = None
    mode: int | None = None
    uid: str | None = None
    gid: str | None = None


class Device(Message, frozen=True, kw_only=True):
    path: str | None = None
    number: DeviceNumber | None = None


class DeviceNumber(Message, frozen=True, kw_only=True):
    major_number: int
    minor_number: int


class DeviceAccess(Message, frozen=True, kw_only=True):
    device: Device
    access: DeviceAccessAccess


class DeviceAccessAccess(Message, frozen=True, kw_only=True):
    read: bool | None = None
    write: bool | None = None
    mknod: bool | None = None


class DeviceWhitelist(Message, frozen=True, kw_only=True):
    allowed_devices: tuple[DeviceAccess, ...] = ()


class DrainConfig(Message, frozen=True, kw_only=True):
    max_grace_period: DurationInfo | None = None
    mark_gone: bool = explicit(False)


class DrainInfo(Message, frozen=True, kw_only=True):
    state: DrainState
    config: DrainConfig


class ProtobufDuration(Message, frozen=True, kw_only=True):
    seconds: int | None = None
    nanos: int | None = None


class ResourceRevocableInfo(Message, frozen=True, kw_only=True):
    pass


class ResourceSharedInfo(Message, frozen=True, kw_only=True):
    pass


class VolumeSourceCSIVolumeVolumeCapabilityBlockVolume(Message, frozen=True, kw_only=True):
    pass
