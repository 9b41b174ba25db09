"""The agent's settings, named as upstream's flags.   Environment: ``MESOS_<NAME>``.

Flags that have no meaning here are accepted and shown, so that existing command lines and environment files work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from dcos.model.durations import text as duration_text
from dcos.runtime.settings import REQUIRED, comma_list, duration, integer, setting
from dcos.runtime.settings import port as port_number

_SIZES = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}


def size(text: str) -> int:
    """``2GB`` to bytes."""
    match = re.fullmatch(r"\s*(\d+)\s*([KMGT]?B)\s*", text)
    if match is None:
        raise ValueError("must be a number and a unit of B, KB, MB, GB, TB")
    return int(match[1]) * _SIZES[match[2]]


def variables(text: str) -> dict[str, str]:
    """A JSON object of texts."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"must be a JSON object: {error}") from None
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise ValueError("must be a JSON object of strings")
    return value


def one_of(*allowed: str) -> Callable[[str], str]:
    """A parser that takes only these words."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Flags of ``dcos-mesos-agent``."""

    master: str = setting(
        REQUIRED, "Where the leading master is found: zk://host:port,.../path, or host:port of a master."
    )
    ip: str | None = setting(None, "Address to listen on and to be known by.")
    port: int = setting(5051, "Port to listen on.", parse=port_number)
    advertise_ip: str | None = setting(None, "Address told to the master instead of --ip.")
    advertise_port: int | None = setting(None, "Port told to the master instead of --port.", parse=port_number)
    hostname: str | None = setting(None, "Name that frameworks and links see (the address unless given).")
    hostname_lookup: bool = setting(True, "Look the hostname up; without, it is the address.")
    ip_discovery_command: Path | None = setting(None, "Program that prints the address to use, instead of --ip.")
    work_dir: Path = setting(REQUIRED, "Folder of sandboxes, checkpoints and images; it must outlive reboots.")
    runtime_dir: Path | None = setting(
        None,
        "Folder of running containers' state; it must not outlive reboots (/var/run/mesos, below DCOS_ROOT).",
    )
    attributes: str = setting("", "Attributes of the machine: rack:r1;level:3.")
    resources: str = setting("", "Resources of the machine: cpus:4;mem:2048;ports:[21000-24000], or a JSON array.")
    default_role: str = setting("*", "Role of --resources that name none.")
    domain: str | None = setting(None, "Fault domain as JSON.")
    launcher: str | None = setting(
        None,
        "Who keeps tasks alive: linux or systemd (transient units), posix (a shell beside each). Chosen by the machine"
        " unless given.",
        parse=one_of("linux", "systemd", "posix"),
    )
    launcher_dir: str = setting("/opt/mesosphere/libexec/mesos", "Shown in executor infos, as upstream does.")
    isolation: tuple[str, ...] = setting(("posix/cpu", "posix/mem"), "Isolators, comma separated.", parse=comma_list)
    containerizers: tuple[str, ...] = setting(("mesos",), "Containerizers in order of preference.", parse=comma_list)
    image_providers: tuple[str, ...] = setting((), "Image kinds that may be used: docker.", parse=comma_list)
    image_provisioner_backend: str | None = setting(
        None, "Accepted; overlayfs is used where it can be had, else a copy."
    )
    docker: str = setting("docker", "Docker's client: carries the output of docker tasks into their sandboxes.")
    docker_socket: str = setting("/var/run/docker.sock", "Docker's socket.")
    docker_registry: str = setting(
        "https://registry-1.docker.io", "Registry of images without one, or a folder of archives."
    )
    docker_config: str | None = setting(None, "Registry credentials: a docker config.json.", secret=True)
    docker_store_dir: Path | None = setting(None, "Folder of images (work_dir/store unless given).")
    docker_remove_delay: float = setting(
        21600.0, "How long ended containers of docker are kept to be looked at.", parse=duration
    )
    docker_stop_timeout: float = setting(
        0.0, "Grace of docker tasks that name none in their kill policy (3 secs if 0).", parse=duration
    )
    docker_kill_orphans: bool = setting(
        True, "After a restart, end containers of docker named mesos-* that are no task of this agent."
    )
    systemd_enable_support: bool = setting(True, "Use systemd for tasks where it is the machine's manager.")
    systemd_runtime_directory: Path = setting(Path("/run/systemd/system"), "Exists where systemd is the manager.")
    cgroups_enable_cfs: bool = setting(False, "Limit cpus hard to what a task asked for.")
    cgroups_hierarchy: Path = setting(Path("/sys/fs/cgroup"), "Where cgroups are mounted.")
    cgroups_limit_swap: bool = setting(False, "Accepted.")
    cgroups_root: str = setting("mesos", "Name of the cgroup above containers that systemd does not place.")
    recover: str = setting(
        "reconnect", "reconnect, or cleanup: kill all tasks and exit.", parse=one_of("reconnect", "cleanup")
    )
    strict: bool = setting(True, "Checkpoints that cannot be read end the agent; without, they are left out.")
    recovery_timeout: float = setting(900.0, "How long executors wait for the agent to come back.", parse=duration)
    reconfiguration_policy: str = setting(
        "equal", "Which changes of flags a restart may bring: equal or additive.", parse=one_of("equal", "additive")
    )
    executor_environment_variables: dict[str, str] | None = setting(
        None, "JSON object of variables given to every task.", parse=variables
    )
    executor_registration_timeout: float = setting(
        60.0, "Time for a custom executor to subscribe after its start.", parse=duration
    )
    executor_reregistration_timeout: float = setting(
        2.0, "Time for a custom executor to subscribe again after the agent's restart.", parse=duration
    )
    executor_reregistration_retry_interval: float | None = setting(None, "Accepted.", parse=duration)
    executor_shutdown_grace_period: float = setting(
        5.0, "Time for tasks to end when their executor is shut down.", parse=duration
    )
    http_command_executor: bool = setting(False, "Told to tasks.")
    http_heartbeat_interval: float = setting(30.0, "Between heartbeats of streams.", parse=duration)
    fetcher_cache_dir: Path | None = setting(None, "Folder of cached downloads (work_dir/fetch unless given).")
    fetcher_cache_size: int = setting(2 * 2**30, "Bytes of cached downloads.", parse=size)
    fetcher_stall_timeout: float = setting(60.0, "A download that stands still this long fails.", parse=duration)
    frameworks_home: str | None = setting(None, "Folder that relative URIs are looked up in.")
    gc_delay: float = setting(604800.0, "How long ended tasks' sandboxes are kept.", parse=duration)
    gc_disk_headroom: float = setting(0.1, "Share of the disk to keep free: sandboxes go earlier when it fills up.")
    disk_watch_interval: float = setting(60.0, "Between looks at the disk.", parse=duration)
    switch_user: bool = setting(True, "Run tasks as the user that they or their framework name.")
    sandbox_directory: str = setting("/mnt/mesos/sandbox", "Where a task in an image sees its sandbox.")
    registration_backoff_factor: float = setting(
        1.0, "First pause before registering; it doubles up to 1 min.", parse=duration
    )
    zk_session_timeout: float = setting(10.0, "ZooKeeper session.", parse=duration)
    max_completed_executors_per_framework: int = setting(150, "Ended executors kept in memory.", parse=integer)
    log_dir: str | None = setting(None, "Accepted: the journal has the log.")
    external_log_file: str | None = setting(None, "File shown as the agent's log.")
    logging_level: str = setting("INFO", "Accepted: DCOS_LOG_LEVEL sets the level.")
    quiet: bool = setting(False, "Accepted.")


def shown(config: Config) -> dict[str, str]:
    """Flags as ``/flags`` and ``/state`` tell them: texts, unset and secret ones left out."""
    out: dict[str, str] = {}
    for row in sorted(fields(config), key=lambda one: one.name):
        value = getattr(config, row.name)
        if row.metadata["secret"] or value is None or (value == "" and row.name != "frameworks_home"):
            continue
        parse = row.metadata["parse"]
        if isinstance(value, bool):
            out[row.name] = "true" if value else "false"
        elif parse is duration:
            out[row.name] = duration_text(value)
        elif parse is size:
            out[row.name] = size_text(value)
        elif isinstance(value, tuple):
            if value:
                out[row.name] = ",".join(value)
        elif isinstance(value, dict):
            out[row.name] = json.dumps(value, separators=(",", ":"), sort_keys=True)
        else:
            out[row.name] = str(value)
    return out


def size_text(value: int) -> str:
    for unit in ("TB", "GB", "MB", "KB"):
        if value and value % _SIZES[unit] == 0:
            return f"{value // _SIZES[unit]}{unit}"
    return f"{value}B"
