"""Flags of Mesos 1.11's agent that do nothing here: taken and shown, so that existing command lines and files work.

Who builds what a flag is for moves its row to ``config.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dcos.runtime.settings import duration, setting


def inert(default: Any, why: str, *others: str) -> Any:
    """``others``: older names of the same flag."""
    return setting(default, why, flags=others, inert=True)


def inert_time(default: float | None, why: str) -> Any:
    return setting(default, why, parse=duration, inert=True)


_NO_MODULES = "There are no modules."
_NO_LIBPROCESS = "The link to the master is authenticated by --credential alone."
_NO_PORT_MAPPING = "Belongs to network/port_mapping, which is not here."
_NO_APPC = "There are no appc images."
_NO_PERF = "There is no perf_event isolator."
_JOURNAL = "Logs go to the journal; DCOS_LOG_LEVEL sets the level."


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutEffect:
    agent_features: str | None = inert(None, "All capabilities are always on.")
    agent_subsystems: str | None = inert(None, "systemd places the agent.", "slave_subsystems")
    allowed_devices: str | None = inert(None, "There is no devices isolator.")
    appc_simple_discovery_uri_prefix: str = inert("http://", _NO_APPC)
    appc_store_dir: str = inert("/tmp/mesos/store/appc", _NO_APPC)
    authenticatee: str = inert("crammd5", _NO_LIBPROCESS)
    authentication_backoff_factor: float = inert_time(1.0, _NO_LIBPROCESS)
    authentication_timeout_max: float = inert_time(60.0, _NO_LIBPROCESS)
    authentication_timeout_min: float = inert_time(5.0, _NO_LIBPROCESS)
    cgroups_cpu_enable_pids_and_tids_count: bool = inert(False, "Statistics always count them.")
    cgroups_destroy_timeout: float = inert_time(60.0, "Control groups are killed at once.")
    cgroups_net_cls_primary_handle: str | None = inert(None, "There is no net_cls isolator.")
    cgroups_net_cls_secondary_handles: str | None = inert(None, "There is no net_cls isolator.")
    container_logger: str | None = inert(None, _NO_MODULES)
    csi_plugin_config_dir: str | None = inert(None, "There are no CSI volumes: a task that asks for one fails.")
    disk_profile_adaptor: str | None = inert(None, _NO_MODULES)
    docker_ignore_runtime: bool = inert(False, "Images' settings are always used.")
    docker_mesos_image: str | None = inert(None, "The agent does not run in Docker.")
    docker_volume_checkpoint_dir: str = inert("/var/run/mesos/isolators/docker/volume", "Docker keeps its volumes.")
    egress_flow_classifier_parent: str | None = inert(None, _NO_PORT_MAPPING)
    egress_rate_limit_per_container: str | None = inert(None, _NO_PORT_MAPPING)
    egress_unique_flow_per_container: bool | None = inert(None, _NO_PORT_MAPPING)
    ephemeral_ports_per_container: int | None = inert(None, _NO_PORT_MAPPING)
    eth0_name: str | None = inert(None, _NO_PORT_MAPPING)
    executor_reregistration_retry_interval: float | None = setting(
        None, "There are no libprocess executors.", parse=duration, inert=True
    )
    gc_non_executor_container_sandboxes: bool = inert(False, "Nested sandboxes go with their executor's.")
    hooks: str | None = inert(None, _NO_MODULES)
    image_provisioner_backend: str | None = inert(None, "overlayfs is used where it can be had, else a copy.")
    initialize_driver_logging: bool = inert(True, "There is no driver.")
    ip6: str | None = inert(None, "Containers are told IPv4 addresses.")
    ip6_discovery_command: str | None = inert(None, "Containers are told IPv4 addresses.")
    lo_name: str | None = inert(None, _NO_PORT_MAPPING)
    logbufsecs: int = inert(0, "Logs are not buffered.")
    logging_level: str = inert("INFO", _JOURNAL)
    master_detector: str | None = inert(None, "The election is ZooKeeper's.")
    modules_dir: str | None = inert(None, _NO_MODULES)
    network_cni_metrics: bool = inert(True, "Networks are dcos-net's.")
    network_cni_root_dir_persist: bool = inert(False, "Networks are dcos-net's.")
    network_enable_snmp_statistics: bool | None = inert(None, _NO_PORT_MAPPING)
    network_enable_socket_statistics_details: bool | None = inert(None, _NO_PORT_MAPPING)
    network_enable_socket_statistics_summary: bool | None = inert(None, _NO_PORT_MAPPING)
    nvidia_gpu_devices: str | None = inert(None, "There is no gpu/nvidia isolator.")
    oversubscribed_resources_interval: float = inert_time(15.0, "What the fixed estimator gives never changes.")
    perf_duration: float = inert_time(10.0, _NO_PERF)
    perf_events: str | None = inert(None, _NO_PERF)
    perf_interval: float = inert_time(60.0, _NO_PERF)
    quiet: bool = inert(False, _JOURNAL)
    secret_resolver: str | None = inert(None, _NO_MODULES)
    xfs_kill_containers: bool | None = inert(None, "There is no disk/xfs isolator; disk/du measures.")
    xfs_project_range: str | None = inert(None, "There is no disk/xfs isolator; disk/du measures.")
