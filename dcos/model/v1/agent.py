"""The agent's operator calls, responses and process I/O.

Source: the schema table in ``dcos/wire/schema`` (Mesos 1.11); a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import field

from dcos.model.v1.base import Message
from dcos.model.v1.types import (
    AgentInfo,
    CommandInfo,
    ContainerID,
    ContainerInfo,
    ContainerStatus,
    DrainConfig,
    DurationInfo,
    ExecutorID,
    ExecutorInfo,
    FileInfo,
    Flag,
    FrameworkID,
    FrameworkInfo,
    Image,
    Metric,
    Operation,
    Resource,
    ResourceProviderID,
    ResourceProviderInfo,
    ResourceStatistics,
    Task,
    TaskResourceLimitation,
    TaskState,
    TaskStatusReason,
    TimeInfo,
    TTYInfo,
    ValueScalar,
    VersionInfo,
)


class CallAttachContainerInputType(StrEnum):
    UNKNOWN = "UNKNOWN"
    CONTAINER_ID = "CONTAINER_ID"
    PROCESS_IO = "PROCESS_IO"


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
    GET_CONTAINERS = "GET_CONTAINERS"
    GET_FRAMEWORKS = "GET_FRAMEWORKS"
    GET_EXECUTORS = "GET_EXECUTORS"
    GET_OPERATIONS = "GET_OPERATIONS"
    GET_TASKS = "GET_TASKS"
    GET_AGENT = "GET_AGENT"
    GET_RESOURCE_PROVIDERS = "GET_RESOURCE_PROVIDERS"
    LAUNCH_NESTED_CONTAINER = "LAUNCH_NESTED_CONTAINER"
    WAIT_NESTED_CONTAINER = "WAIT_NESTED_CONTAINER"
    KILL_NESTED_CONTAINER = "KILL_NESTED_CONTAINER"
    REMOVE_NESTED_CONTAINER = "REMOVE_NESTED_CONTAINER"
    LAUNCH_NESTED_CONTAINER_SESSION = "LAUNCH_NESTED_CONTAINER_SESSION"
    ATTACH_CONTAINER_INPUT = "ATTACH_CONTAINER_INPUT"
    ATTACH_CONTAINER_OUTPUT = "ATTACH_CONTAINER_OUTPUT"
    LAUNCH_CONTAINER = "LAUNCH_CONTAINER"
    WAIT_CONTAINER = "WAIT_CONTAINER"
    KILL_CONTAINER = "KILL_CONTAINER"
    REMOVE_CONTAINER = "REMOVE_CONTAINER"
    ADD_RESOURCE_PROVIDER_CONFIG = "ADD_RESOURCE_PROVIDER_CONFIG"
    UPDATE_RESOURCE_PROVIDER_CONFIG = "UPDATE_RESOURCE_PROVIDER_CONFIG"
    REMOVE_RESOURCE_PROVIDER_CONFIG = "REMOVE_RESOURCE_PROVIDER_CONFIG"
    MARK_RESOURCE_PROVIDER_GONE = "MARK_RESOURCE_PROVIDER_GONE"
    PRUNE_IMAGES = "PRUNE_IMAGES"


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
    GET_CONTAINERS = "GET_CONTAINERS"
    GET_FRAMEWORKS = "GET_FRAMEWORKS"
    GET_EXECUTORS = "GET_EXECUTORS"
    GET_OPERATIONS = "GET_OPERATIONS"
    GET_TASKS = "GET_TASKS"
    GET_AGENT = "GET_AGENT"
    GET_RESOURCE_PROVIDERS = "GET_RESOURCE_PROVIDERS"
    WAIT_NESTED_CONTAINER = "WAIT_NESTED_CONTAINER"
    WAIT_CONTAINER = "WAIT_CONTAINER"


class ProcessIODataType(StrEnum):
    UNKNOWN = "UNKNOWN"
    STDIN = "STDIN"
    STDOUT = "STDOUT"
    STDERR = "STDERR"


class ProcessIOControlType(StrEnum):
    UNKNOWN = "UNKNOWN"
    TTY_INFO = "TTY_INFO"
    HEARTBEAT = "HEARTBEAT"


class ProcessIOType(StrEnum):
    UNKNOWN = "UNKNOWN"
    DATA = "DATA"
    CONTROL = "CONTROL"


class Call(Message, frozen=True, kw_only=True):
    type: CallType | None = None
    get_metrics: CallGetMetrics | None = None
    set_logging_level: CallSetLoggingLevel | None = None
    list_files: CallListFiles | None = None
    read_file: CallReadFile | None = None
    get_containers: CallGetContainers | None = None
    launch_nested_container: CallLaunchNestedContainer | None = None
    wait_nested_container: CallWaitNestedContainer | None = None
    kill_nested_container: CallKillNestedContainer | None = None
    remove_nested_container: CallRemoveNestedContainer | None = None
    launch_nested_container_session: CallLaunchNestedContainerSession | None = None
    attach_container_input: CallAttachContainerInput | None = None
    attach_container_output: CallAttachContainerOutput | None = None
    launch_container: CallLaunchContainer | None = None
    wait_container: CallWaitContainer | None = None
    kill_container: CallKillContainer | None = None
    remove_container: CallRemoveContainer | None = None
    add_resource_provider_config: CallAddResourceProviderConfig | None = None
    update_resource_provider_config: CallUpdateResourceProviderConfig | None = None
    remove_resource_provider_config: CallRemoveResourceProviderConfig | None = None
    mark_resource_provider_gone: CallMarkResourceProviderGone | None = None
    prune_images: CallPruneImages | None = None


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


class CallGetContainers(Message, frozen=True, kw_only=True):
    show_nested: bool | None = None
    show_standalone: bool | None = None


class CallLaunchNestedContainer(Message, frozen=True, kw_only=True):
    container_id: ContainerID
    command: CommandInfo | None = None
    container: ContainerInfo | None = None


class CallWaitNestedContainer(Message, frozen=True, kw_only=True):
    container_id: ContainerID


class CallKillNestedContainer(Message, frozen=True, kw_only=True):
    container_id: ContainerID
    signal: int | None = None


class CallRemoveNestedContainer(Message, frozen=True, kw_only=True):
    container_id: ContainerID


class CallLaunchNestedContainerSession(Message, frozen=True, kw_only=True):
    container_id: ContainerID
    command: CommandInfo | None = None
    container: ContainerInfo | None = None


class CallAttachContainerInput(Message, frozen=True, kw_only=True):
    type: CallAttachContainerInputType | None = None
    container_id: ContainerID | None = None
    process_io: ProcessIO | None = None


class CallAttachContainerOutput(Message, frozen=True, kw_only=True):
    container_id: ContainerID


class CallLaunchContainer(Message, frozen=True, kw_only=True):
    container_id: ContainerID
    command: CommandInfo | None = None
    resources: tuple[Resource, ...] = ()
    container: ContainerInfo | None = None
    limits: dict[str, ValueScalar] = field(default_factory=dict)


class CallWaitContainer(Message, frozen=True, kw_only=True):
    container_id: ContainerID


class CallKillContainer(Message, frozen=True, kw_only=True):
    container_id: ContainerID
    signal: int | None = None


class CallRemoveContainer(Message, frozen=True, kw_only=True):
    container_id: ContainerID


class CallAddResourceProviderConfig(Message, frozen=True, kw_only=True):
    info: ResourceProviderInfo


class CallUpdateResourceProviderConfig(Message, frozen=True, kw_only=True):
    info: ResourceProviderInfo


class CallRemoveResourceProviderConfig(Message, frozen=True, kw_only=True):
    type: str
    name: str


class CallMarkResourceProviderGone(Message, frozen=True, kw_only=True):
    resource_provider_id: ResourceProviderID


class CallPruneImages(Message, frozen=True, kw_only=True):
    excluded_images: tuple[Image, ...] = ()


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
    get_containers: ResponseGetContainers | None = None
    get_frameworks: ResponseGetFrameworks | None = None
    get_executors: ResponseGetExecutors | None = None
    get_operations: ResponseGetOperations | None = None
    get_tasks: ResponseGetTasks | None = None
    get_agent: ResponseGetAgent | None = None
    get_resource_providers: ResponseGetResourceProviders | None = None
    wait_nested_container: ResponseWaitNestedContainer | None = None
    wait_container: ResponseWaitContainer | None = None


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


class ResponseGetContainers(Message, frozen=True, kw_only=True):
    containers: tuple[ResponseGetContainersContainer, ...] = ()


class ResponseGetContainersContainer(Message, frozen=True, kw_only=True):
    framework_id: FrameworkID | None = None
    executor_id: ExecutorID | None = None
    executor_name: str | None = None
    container_id: ContainerID
    container_status: ContainerStatus | None = None
    resource_statistics: ResourceStatistics | None = None


class ResponseGetFrameworks(Message, frozen=True, kw_only=True):
    frameworks: tuple[ResponseGetFrameworksFramework, ...] = ()
    completed_frameworks: tuple[ResponseGetFrameworksFramework, ...] = ()


class ResponseGetFrameworksFramework(Message, frozen=True, kw_only=True):
    framework_info: FrameworkInfo


class ResponseGetExecutors(Message, frozen=True, kw_only=True):
    executors: tuple[ResponseGetExecutorsExecutor, ...] = ()
    completed_executors: tuple[ResponseGetExecutorsExecutor, ...] = ()


class ResponseGetExecutorsExecutor(Message, frozen=True, kw_only=True):
    executor_info: ExecutorInfo


class ResponseGetOperations(Message, frozen=True, kw_only=True):
    operations: tuple[Operation, ...] = ()


class ResponseGetTasks(Message, frozen=True, kw_only=True):
    pending_tasks: tuple[Task, ...] = ()
    queued_tasks: tuple[Task, ...] = ()
    launched_tasks: tuple[Task, ...] = ()
    terminated_tasks: tuple[Task, ...] = ()
    completed_tasks: tuple[Task, ...] = ()


class ResponseGetAgent(Message, frozen=True, kw_only=True):
    agent_info: AgentInfo | None = None
    drain_config: DrainConfig | None = None
    estimated_drain_start_time: TimeInfo | None = None


class ResponseGetResourceProviders(Message, frozen=True, kw_only=True):
    resource_providers: tuple[ResponseGetResourceProvidersResourceProvider, ...] = ()


class ResponseGetResourceProvidersResourceProvider(Message, frozen=True, kw_only=True):
    resource_provider_info: ResourceProviderInfo
    total_resources: tuple[Resource, ...] = ()


class ResponseWaitNestedContainer(Message, frozen=True, kw_only=True):
    exit_status: int | None = None
    state: TaskState | None = None
    reason: TaskStatusReason | None = None
    limitation: TaskResourceLimitation | None = None
    message: str | None = None


class ResponseWaitContainer(Message, frozen=True, kw_only=True):
    exit_status: int | None = None
    state: TaskState | None = None
    reason: TaskStatusReason | None = None
    limitation: TaskResourceLimitation | None = None
    message: str | None = None


class ProcessIO(Message, frozen=True, kw_only=True):
    type: ProcessIOType | None = None
    data: ProcessIOData | None = None
    control: ProcessIOControl | None = None


class ProcessIOData(Message, frozen=True, kw_only=True):
    type: ProcessIODataType | None = None
    data: bytes | None = None


class ProcessIOControl(Message, frozen=True, kw_only=True):
    type: ProcessIOControlType | None = None
    tty_info: TTYInfo | None = None
    heartbeat: ProcessIOControlHeartbeat | None = None


class ProcessIOControlHeartbeat(Message, frozen=True, kw_only=True):
    interval: DurationInfo | None = None
