"""The master's operator calls, responses and events.

Source: the schema table in ``dcos/wire/schema`` (Mesos 1.11); a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum

from dcos.model.v1 import maintenance, quota, scheduler
from dcos.model.v1.base import Message, explicit
from dcos.model.v1.types import (
    AgentID,
    AgentInfo,
    AgentInfoCapability,
    DrainInfo,
    DurationInfo,
    ExecutorInfo,
    FileInfo,
    Flag,
    FrameworkID,
    FrameworkInfo,
    InverseOffer,
    MachineID,
    MasterInfo,
    Metric,
    Offer,
    Operation,
    ProtobufDuration,
    Resource,
    ResourceProviderInfo,
    Role,
    Task,
    TaskState,
    TaskStatus,
    TimeInfo,
    ValueScalar,
    VersionInfo,
    WeightInfo,
)


class CallType(StrEnum):
    UNKNOWN = "UNKNOWN"
    GET_HEALTH = "GET_HEALTH"
    GET_FLAGS = "GET_FLAGS"
    GET_VERSION = "GET_VERSION"
    GET_METRICS = "GET_METRICS"
    GET_LOGGING_LEVEL = "GET_LOGGING_LEVEL"
    SET_LOGGING_LEVEL = "SET_LOGGING_LEVEL"
    LIST_FILES = "LIST_FILES"
    READ_FILE = "READ_FILE"
    GET_STATE = "GET_STATE"
    GET_AGENTS = "GET_AGENTS"
    GET_FRAMEWORKS = "GET_FRAMEWORKS"
    GET_EXECUTORS = "GET_EXECUTORS"
    GET_OPERATIONS = "GET_OPERATIONS"
    GET_TASKS = "GET_TASKS"
    GET_ROLES = "GET_ROLES"
    GET_WEIGHTS = "GET_WEIGHTS"
    UPDATE_WEIGHTS = "UPDATE_WEIGHTS"
    GET_MASTER = "GET_MASTER"
    SUBSCRIBE = "SUBSCRIBE"
    RESERVE_RESOURCES = "RESERVE_RESOURCES"
    UNRESERVE_RESOURCES = "UNRESERVE_RESOURCES"
    CREATE_VOLUMES = "CREATE_VOLUMES"
    DESTROY_VOLUMES = "DESTROY_VOLUMES"
    GROW_VOLUME = "GROW_VOLUME"
    SHRINK_VOLUME = "SHRINK_VOLUME"
    GET_MAINTENANCE_STATUS = "GET_MAINTENANCE_STATUS"
    GET_MAINTENANCE_SCHEDULE = "GET_MAINTENANCE_SCHEDULE"
    UPDATE_MAINTENANCE_SCHEDULE = "UPDATE_MAINTENANCE_SCHEDULE"
    START_MAINTENANCE = "START_MAINTENANCE"
    STOP_MAINTENANCE = "STOP_MAINTENANCE"
    DRAIN_AGENT = "DRAIN_AGENT"
    DEACTIVATE_AGENT = "DEACTIVATE_AGENT"
    REACTIVATE_AGENT = "REACTIVATE_AGENT"
    GET_QUOTA = "GET_QUOTA"
    UPDATE_QUOTA = "UPDATE_QUOTA"
    SET_QUOTA = "SET_QUOTA"
    REMOVE_QUOTA = "REMOVE_QUOTA"
    TEARDOWN = "TEARDOWN"
    MARK_AGENT_GONE = "MARK_AGENT_GONE"


class ResponseType(StrEnum):
    UNKNOWN = "UNKNOWN"
    GET_HEALTH = "GET_HEALTH"
    GET_FLAGS = "GET_FLAGS"
    GET_VERSION = "GET_VERSION"
    GET_METRICS = "GET_METRICS"
    GET_LOGGING_LEVEL = "GET_LOGGING_LEVEL"
    LIST_FILES = "LIST_FILES"
    READ_FILE = "READ_FILE"
    GET_STATE = "GET_STATE"
    GET_AGENTS = "GET_AGENTS"
    GET_FRAMEWORKS = "GET_FRAMEWORKS"
    GET_EXECUTORS = "GET_EXECUTORS"
    GET_OPERATIONS = "GET_OPERATIONS"
    GET_TASKS = "GET_TASKS"
    GET_ROLES = "GET_ROLES"
    GET_WEIGHTS = "GET_WEIGHTS"
    GET_MASTER = "GET_MASTER"
    GET_MAINTENANCE_STATUS = "GET_MAINTENANCE_STATUS"
    GET_MAINTENANCE_SCHEDULE = "GET_MAINTENANCE_SCHEDULE"
    GET_QUOTA = "GET_QUOTA"


class EventType(StrEnum):
    UNKNOWN = "UNKNOWN"
    SUBSCRIBED = "SUBSCRIBED"
    TASK_ADDED = "TASK_ADDED"
    TASK_UPDATED = "TASK_UPDATED"
    AGENT_ADDED = "AGENT_ADDED"
    AGENT_REMOVED = "AGENT_REMOVED"
    FRAMEWORK_ADDED = "FRAMEWORK_ADDED"
    FRAMEWORK_UPDATED = "FRAMEWORK_UPDATED"
    FRAMEWORK_REMOVED = "FRAMEWORK_REMOVED"
    HEARTBEAT = "HEARTBEAT"


class Call(Message, frozen=True, kw_only=True):
    type: CallType | None = None
    get_metrics: CallGetMetrics | None = None
    set_logging_level: CallSetLoggingLevel | None = None
    list_files: CallListFiles | None = None
    read_file: CallReadFile | None = None
    update_weights: CallUpdateWeights | None = None
    reserve_resources: CallReserveResources | None = None
    unreserve_resources: CallUnreserveResources | None = None
    create_volumes: CallCreateVolumes | None = None
    destroy_volumes: CallDestroyVolumes | None = None
    grow_volume: CallGrowVolume | None = None
    shrink_volume: CallShrinkVolume | None = None
    update_maintenance_schedule: CallUpdateMaintenanceSchedule | None = None
    start_maintenance: CallStartMaintenance | None = None
    stop_maintenance: CallStopMaintenance | None = None
    drain_agent: CallDrainAgent | None = None
    deactivate_agent: CallDeactivateAgent | None = None
    reactivate_agent: CallReactivateAgent | None = None
    update_quota: CallUpdateQuota | None = None
    teardown: CallTeardown | None = None
    mark_agent_gone: CallMarkAgentGone | None = None
    set_quota: CallSetQuota | None = None
    remove_quota: CallRemoveQuota | None = None


class CallGetMetrics(Message, frozen=True, kw_only=True):
    timeout: DurationInfo | None = None


class CallSetLoggingLevel(Message, frozen=True, kw_only=True):
    level: int
    duration: DurationInfo


class CallListFiles(Message, frozen=True, kw_only=True):
    path: str


class CallReadFile(Message, frozen=True, kw_only=True):
    path: str
    offset: int
    length: int | None = None


class CallUpdateWeights(Message, frozen=True, kw_only=True):
    weight_infos: tuple[WeightInfo, ...] = ()


class CallReserveResources(Message, frozen=True, kw_only=True):
    agent_id: AgentID
    source: tuple[Resource, ...] = ()
    resources: tuple[Resource, ...] = ()


class CallUnreserveResources(Message, frozen=True, kw_only=True):
    agent_id: AgentID
    resources: tuple[Resource, ...] = ()


class CallCreateVolumes(Message, frozen=True, kw_only=True):
    agent_id: AgentID
    volumes: tuple[Resource, ...] = ()


class CallDestroyVolumes(Message, frozen=True, kw_only=True):
    agent_id: AgentID
    volumes: tuple[Resource, ...] = ()


class CallGrowVolume(Message, frozen=True, kw_only=True):
    agent_id: AgentID | None = None
    volume: Resource
    addition: Resource


class CallShrinkVolume(Message, frozen=True, kw_only=True):
    agent_id: AgentID | None = None
    volume: Resource
    subtract: ValueScalar


class CallUpdateMaintenanceSchedule(Message, frozen=True, kw_only=True):
    schedule: maintenance.Schedule


class CallStartMaintenance(Message, frozen=True, kw_only=True):
    machines: tuple[MachineID, ...] = ()


class CallStopMaintenance(Message, frozen=True, kw_only=True):
    machines: tuple[MachineID, ...] = ()


class CallDrainAgent(Message, frozen=True, kw_only=True):
    agent_id: AgentID
    max_grace_period: ProtobufDuration | None = None
    mark_gone: bool = explicit(False)


class CallDeactivateAgent(Message, frozen=True, kw_only=True):
    agent_id: AgentID


class CallReactivateAgent(Message, frozen=True, kw_only=True):
    agent_id: AgentID


class CallUpdateQuota(Message, frozen=True, kw_only=True):
    force: bool | None = None
    quota_configs: tuple[quota.QuotaConfig, ...] = ()


class CallSetQuota(Message, frozen=True, kw_only=True):
    quota_request: quota.QuotaRequest


class CallRemoveQuota(Message, frozen=True, kw_only=True):
    role: str


class CallTeardown(Message, frozen=True, kw_only=True):
    framework_id: FrameworkID


class CallMarkAgentGone(Message, frozen=True, kw_only=True):
    agent_id: AgentID


class Response(Message, frozen=True, kw_only=True):
    type: ResponseType | None = None
    get_health: ResponseGetHealth | None = None
    get_flags: ResponseGetFlags | None = None
    get_version: ResponseGetVersion | None = None
    get_metrics: ResponseGetMetrics | None = None
    get_logging_level: ResponseGetLoggingLevel | None = None
    list_files: ResponseListFiles | None = None
    read_file: ResponseReadFile | None = None
    get_state: ResponseGetState | None = None
    get_agents: ResponseGetAgents | None = None
    get_frameworks: ResponseGetFrameworks | None = None
    get_executors: ResponseGetExecutors | None = None
    get_operations: ResponseGetOperations | None = None
    get_tasks: ResponseGetTasks | None = None
    get_roles: ResponseGetRoles | None = None
    get_weights: ResponseGetWeights | None = None
    get_master: ResponseGetMaster | None = None
    get_maintenance_status: ResponseGetMaintenanceStatus | None = None
    get_maintenance_schedule: ResponseGetMaintenanceSchedule | None = None
    get_quota: ResponseGetQuota | None = None


class ResponseGetHealth(Message, frozen=True, kw_only=True):
    healthy: bool


class ResponseGetFlags(Message, frozen=True, kw_only=True):
    flags: tuple[Flag, ...] = ()


class ResponseGetVersion(Message, frozen=True, kw_only=True):
    version_info: VersionInfo


class ResponseGetMetrics(Message, frozen=True, kw_only=True):
    metrics: tuple[Metric, ...] = ()


class ResponseGetLoggingLevel(Message, frozen=True, kw_only=True):
    level: int


class ResponseListFiles(Message, frozen=True, kw_only=True):
    file_infos: tuple[FileInfo, ...] = ()


class ResponseReadFile(Message, frozen=True, kw_only=True):
    size: int
    data: bytes


class ResponseGetState(Message, frozen=True, kw_only=True):
    get_tasks: ResponseGetTasks | None = None
    get_executors: ResponseGetExecutors | None = None
    get_frameworks: ResponseGetFrameworks | None = None
    get_agents: ResponseGetAgents | None = None


class ResponseGetAgents(Message, frozen=True, kw_only=True):
    agents: tuple[ResponseGetAgentsAgent, ...] = ()
    recovered_agents: tuple[AgentInfo, ...] = ()


class ResponseGetAgentsAgent(Message, frozen=True, kw_only=True):
    agent_info: AgentInfo
    active: bool
    deactivated: bool | None = None
    version: str
    pid: str | None = None
    registered_time: TimeInfo | None = None
    reregistered_time: TimeInfo | None = None
    total_resources: tuple[Resource, ...] = ()
    allocated_resources: tuple[Resource, ...] = ()
    offered_resources: tuple[Resource, ...] = ()
    capabilities: tuple[AgentInfoCapability, ...] = ()
    resource_providers: tuple[ResponseGetAgentsAgentResourceProvider, ...] = ()
    drain_info: DrainInfo | None = None
    estimated_drain_start_time: TimeInfo | None = None


class ResponseGetAgentsAgentResourceProvider(Message, frozen=True, kw_only=True):
    resource_provider_info: ResourceProviderInfo
    total_resources: tuple[Resource, ...] = ()


class ResponseGetFrameworks(Message, frozen=True, kw_only=True):
    frameworks: tuple[ResponseGetFrameworksFramework, ...] = ()
    completed_frameworks: tuple[ResponseGetFrameworksFramework, ...] = ()
    recovered_frameworks: tuple[FrameworkInfo, ...] = ()


class ResponseGetFrameworksFramework(Message, frozen=True, kw_only=True):
    framework_info: FrameworkInfo
    active: bool
    connected: bool
    recovered: bool
    registered_time: TimeInfo | None = None
    reregistered_time: TimeInfo | None = None
    unregistered_time: TimeInfo | None = None
    offers: tuple[Offer, ...] = ()
    inverse_offers: tuple[InverseOffer, ...] = ()
    allocated_resources: tuple[Resource, ...] = ()
    offered_resources: tuple[Resource, ...] = ()
    offer_constraints: scheduler.OfferConstraints | None = None


class ResponseGetExecutors(Message, frozen=True, kw_only=True):
    executors: tuple[ResponseGetExecutorsExecutor, ...] = ()
    orphan_executors: tuple[ResponseGetExecutorsExecutor, ...] = ()


class ResponseGetExecutorsExecutor(Message, frozen=True, kw_only=True):
    executor_info: ExecutorInfo
    agent_id: AgentID


class ResponseGetOperations(Message, frozen=True, kw_only=True):
    operations: tuple[Operation, ...] = ()


class ResponseGetTasks(Message, frozen=True, kw_only=True):
    pending_tasks: tuple[Task, ...] = ()
    tasks: tuple[Task, ...] = ()
    unreachable_tasks: tuple[Task, ...] = ()
    completed_tasks: tuple[Task, ...] = ()
    orphan_tasks: tuple[Task, ...] = ()


class ResponseGetRoles(Message, frozen=True, kw_only=True):
    roles: tuple[Role, ...] = ()


class ResponseGetWeights(Message, frozen=True, kw_only=True):
    weight_infos: tuple[WeightInfo, ...] = ()


class ResponseGetMaster(Message, frozen=True, kw_only=True):
    master_info: MasterInfo | None = None
    start_time: float | None = None
    elected_time: float | None = None


class ResponseGetMaintenanceStatus(Message, frozen=True, kw_only=True):
    status: maintenance.ClusterStatus


class ResponseGetMaintenanceSchedule(Message, frozen=True, kw_only=True):
    schedule: maintenance.Schedule


class ResponseGetQuota(Message, frozen=True, kw_only=True):
    status: quota.QuotaStatus


class Event(Message, frozen=True, kw_only=True):
    type: EventType | None = None
    subscribed: EventSubscribed | None = None
    task_added: EventTaskAdded | None = None
    task_updated: EventTaskUpdated | None = None
    agent_added: EventAgentAdded | None = None
    agent_removed: EventAgentRemoved | None = None
    framework_added: EventFrameworkAdded | None = None
    framework_updated: EventFrameworkUpdated | None = None
    framework_removed: EventFrameworkRemoved | None = None


class EventSubscribed(Message, frozen=True, kw_only=True):
    get_state: ResponseGetState | None = None
    heartbeat_interval_seconds: float | None = None


class EventTaskAdded(Message, frozen=True, kw_only=True):
    task: Task


class EventTaskUpdated(Message, frozen=True, kw_only=True):
    framework_id: FrameworkID
    status: TaskStatus
    state: TaskState


class EventFrameworkAdded(Message, frozen=True, kw_only=True):
    framework: ResponseGetFrameworksFramework


class EventFrameworkUpdated(Message, frozen=True, kw_only=True):
    framework: ResponseGetFrameworksFramework


class EventFrameworkRemoved(Message, frozen=True, kw_only=True):
    framework_info: FrameworkInfo


class EventAgentAdded(Message, frozen=True, kw_only=True):
    agent: ResponseGetAgentsAgent


class EventAgentRemoved(Message, frozen=True, kw_only=True):
    agent_id: AgentID
