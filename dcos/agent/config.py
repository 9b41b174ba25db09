"""The agent's settings, named as upstream's flags.   Environment: ``MESOS_<NAME>``.

Flags that have no meaning here are accepted and shown, so that existing command lines and environment files work.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from dcos.agent import isolators
from dcos.agent.settings_of_old import WithoutEffect
from dcos.agent.volume_gids import parse_range, range_text
from dcos.model.acls import Acls
from dcos.model.sizes import parse as size
from dcos.model.sizes import text as size_text
from dcos.runtime.access_settings import acls, acls_text, basic, firewall, firewall_text, local
from dcos.runtime.credentials import CredentialFile, CredentialsFile, read_many, read_one
from dcos.runtime.rights_settings import security_level
from dcos.runtime.settings import REQUIRED, comma_list, contents, duration, flag_texts, integer, one_of, setting
from dcos.runtime.settings import port as port_number


def paths(text: str) -> tuple[Path, ...]:
    """``/a:/b``"""
    found = tuple(Path(one) for one in text.split(":") if one)
    if not all(one.is_absolute() for one in found):
        raise ValueError("must be absolute paths separated by colons")
    return found


def paths_text(value: tuple[Path, ...]) -> str:
    return ":".join(map(str, value))


def variables(text: str) -> dict[str, str]:
    """A JSON object of texts."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"must be a JSON object: {error}") from None
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise ValueError("must be a JSON object of strings")
    return value


def variables_text(value: dict[str, str]) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


MAX_REREGISTRATION_S = 15.0
"""Executors that come back later are given up."""


@dataclass(frozen=True, slots=True)
class JwtKey:
    path: Path
    key: bytes = field(repr=False)

    def __str__(self) -> str:
        return str(self.path)


def jwt_key(text: str) -> JwtKey:
    """Errors: ValueError, OSError."""
    path = Path(text.removeprefix("file://"))
    if not path.is_absolute():
        raise ValueError("must be a file: /path or file:///path")
    key = path.read_bytes()
    if len(key) < 32:
        raise ValueError("the key must have at least 32 bytes")
    return JwtKey(path, key)


def location_problem(location: str | None) -> str | None:
    """Of a unix socket, in upstream's words: the kernel takes no longer one."""
    if location is not None and len(os.fsencode(location)) >= 108:
        return "Domain socket location cannot be longer than 108 characters."
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(WithoutEffect):
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
    resource_estimator: str | None = setting(
        None,
        "What is offered beyond --resources, revocable: org_apache_mesos_FixedResourceEstimator, with the parameter resources"
        " in --modules. Without, nothing.",
    )
    qos_controller: str | None = setting(
        None,
        "Who ends what runs on revocable resources: org_apache_mesos_LoadQoSController, with load_threshold_5min or"
        " load_threshold_15min in --modules. Without, nobody.",
    )
    qos_correction_interval_min: float = setting(0.0, "Between looks of the controller, 1 s at least.", parse=duration)
    revocable_cpu_low_priority: bool = setting(True, "Revocable cpus weigh a hundredth of others.")
    modules: str | None = setting(
        None,
        "Parameters of the two modules above, as JSON or the path of a file of it; other modules do nothing.",
        parse=contents,
    )
    default_role: str = setting("*", "Role of --resources that name none.")
    domain: str | None = setting(None, "Fault domain as JSON, or the path of a file of it.", parse=contents)
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
    docker: str = setting("docker", "Docker's client: carries the output of docker tasks into their sandboxes.")
    docker_socket: str = setting("/var/run/docker.sock", "Docker's socket.")
    docker_registry: str = setting(
        "https://registry-1.docker.io", "Registry of images without one, or a folder of archives."
    )
    docker_config: str | None = setting(
        None, "Registry credentials: a docker config.json, or its path.", parse=contents, secret=True
    )
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
    cgroups_limit_swap: bool = setting(False, "Memory limits hold for memory and swap together (cgroup v1, docker).")
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
        None, "JSON object of variables given to every task.", parse=variables, text=variables_text
    )
    executor_registration_timeout: float = setting(
        60.0, "Time for a custom executor to subscribe after its start.", parse=duration
    )
    executor_reregistration_timeout: float = setting(
        2.0, "Time for a custom executor to subscribe again after the agent's restart.", parse=duration
    )
    executor_shutdown_grace_period: float = setting(
        5.0, "Time for tasks to end when their executor is shut down.", parse=duration
    )
    http_command_executor: bool = setting(False, "Told to tasks.")
    http_executor_domain_sockets: bool = setting(
        False, "Executors may reach the agent by a unix socket, MESOS_DOMAIN_SOCKET, as well."
    )
    domain_socket_location: str | None = setting(
        None,
        "Where that socket is (<runtime_dir>/agent.sock unless given), or systemd:NAME: one that systemd hands over.",
    )
    http_heartbeat_interval: float = setting(30.0, "Between heartbeats of streams.", parse=duration)
    fetcher_cache_dir: Path | None = setting(None, "Folder of cached downloads (work_dir/fetch unless given).")
    fetcher_cache_size: int = setting(2 * 2**30, "Bytes of cached downloads.", parse=size, text=size_text)
    fetcher_stall_timeout: float = setting(60.0, "A download that stands still this long fails.", parse=duration)
    hadoop_home: str | None = setting(
        None, "Folder of Hadoop, whose client fetches URIs of schemes such as hdfs (hadoop of the PATH unless given)."
    )
    frameworks_home: str | None = setting(None, "Folder that relative URIs are looked up in.")
    gc_delay: float = setting(604800.0, "How long ended tasks' sandboxes are kept.", parse=duration)
    gc_disk_headroom: float = setting(0.1, "Share of the disk to keep free: sandboxes go earlier when it fills up.")
    disk_watch_interval: float = setting(60.0, "Between looks at the disk.", parse=duration)
    container_disk_watch_interval: float = setting(
        15.0, "Between looks at what each sandbox takes (isolator disk/du).", parse=duration
    )
    enforce_container_disk_quota: bool = setting(
        False, "End tasks whose sandbox takes more than their disk (isolator disk/du)."
    )
    container_ports_watch_interval: float | None = setting(
        None,
        "Between looks at the ports that tasks listen on, 30secs unless given (isolator network/ports).",
        parse=duration,
    )
    enforce_container_ports: bool | None = setting(
        None, "End tasks that listen on ports they were not given (isolator network/ports)."
    )
    check_agent_port_range_only: bool | None = setting(
        None, "Only the agent's own ports are watched (isolator network/ports)."
    )
    sandbox_log_max_size: int = setting(
        0, "stdout and stderr in sandboxes are rotated at this size; 0B: never.", parse=size, text=size_text
    )
    sandbox_log_keep: int = setting(9, "Rotated files kept of each: stdout.1 is the newest.", parse=integer)
    effective_capabilities: str | None = setting(
        None,
        'Capabilities of tasks that name none (isolator linux/capabilities): {"capabilities": ["NET_RAW"]}, or a file of it.',
        parse=contents,
        flags=("allowed_capabilities",),
    )
    bounding_capabilities: str | None = setting(
        None, "Capabilities that no task may exceed (isolator linux/capabilities), written likewise.", parse=contents
    )
    seccomp_config_dir: Path | None = setting(None, "Folder of seccomp profiles (isolator linux/seccomp).")
    seccomp_profile_name: str | None = setting(None, "Profile of tasks in images that name none.")
    default_container_dns: str | None = setting(
        None, "Name servers of containers whose network tells none, by network, as JSON or its file."
    )
    default_container_info: str | None = setting(
        None,
        "How tasks and executors are contained that do not say: a ContainerInfo of type MESOS as JSON, or its file.",
    )
    default_container_shm_size: int | None = setting(
        None, "Size of /dev/shm in images with an IPC namespace of their own.", parse=size, text=size_text
    )
    disallow_sharing_agent_ipc_namespace: bool = setting(False, "Refuse tasks that want the machine's IPC namespace.")
    disallow_sharing_agent_pid_namespace: bool = setting(
        False, "Tasks in images never see the machine's processes (isolator namespaces/pid)."
    )
    network_cni_config_dir: Path | None = setting(
        None, "Folder of networks that tasks without docker may join: JSON files with name and type."
    )
    network_cni_plugins_dir: str | None = setting(
        None, "Folders, separated by colons, of the plugins that the networks' types name."
    )
    resource_provider_config_dir: Path | None = setting(
        None,
        "Folder, which is there, of configurations of local resource providers: kept by the operator API; none is started,"
        " for there are no CSI plugins.",
    )
    host_path_volume_force_creation: tuple[Path, ...] = setting(
        (),
        "Folders, separated by colons, below which missing host paths of volumes are made.",
        parse=paths,
        text=paths_text,
    )
    docker_volume_chown: bool = setting(
        False, "Give volumes of a driver to the task's user, where no Docker Engine runs the task."
    )
    volume_gid_range: range | None = setting(
        None,
        "Group ids, [10000-20000], by which tasks of several users share volumes; without, volumes keep their group.",
        parse=parse_range,
        text=range_text,
    )
    image_gc_config: str | None = setting(
        None,
        'When images go: {"image_disk_headroom": 0.1, "image_disk_watch_interval": {"nanoseconds": 3600000000000},'
        ' "excluded_images": []}, or a file of it; without, never.',
        parse=contents,
    )
    switch_user: bool = setting(True, "Run tasks as the user that they or their framework name.")
    sandbox_directory: str = setting("/mnt/mesos/sandbox", "Where a task in an image sees its sandbox.")
    registration_backoff_factor: float = setting(
        1.0, "First pause before registering; it doubles up to 1 min.", parse=duration
    )
    zk_session_timeout: float = setting(10.0, "ZooKeeper session.", parse=duration)
    max_completed_executors_per_framework: int = setting(150, "Ended executors kept in memory.", parse=integer)
    log_dir: str | None = setting(None, "Folder shown as the agent's log, where it holds mesos-slave.INFO.")
    external_log_file: str | None = setting(None, "File shown as the agent's log.")
    memory_profiling: bool = setting(False, "Answer /memory-profiler: who holds the agent's memory.")

    # ---- who may do what ---------------------------------------------------------------------------------------------

    credential: CredentialFile | None = setting(
        None,
        "File of the principal and secret that this agent proves to the master: /path or file:///path.",
        parse=read_one,
        raw=True,
    )
    service_account_credential: Path | None = setting(
        None,
        "File of the service account by which this agent reads secrets for its tasks: JSON with uid, private_key and "
        "login_endpoint. Without the file, tasks with secrets of the store fail.",
    )
    statsd_socket: Path | None = setting(
        None,
        "Socket of dcos-telegraf, which gives each container of this agent a port for statsd. Default: containers have none.",
    )
    secrets_url: str | None = setting(
        None,
        "Front door of the secret store, https://host[:port]; leader.mesos is the leading master's machine. Default: that of "
        "the service account's login_endpoint.",
    )
    secrets_ca: Path | None = setting(
        None, "Certificates of the authorities that vouch for the front door; without them, it is not verified."
    )
    http_credentials: CredentialsFile | None = setting(
        None,
        "File of principals and secrets of callers, JSON or text: /path or file:///path.",
        parse=read_many,
        raw=True,
    )
    authenticate_http_readonly: bool = setting(False, "Whether readers of endpoints have to name themselves.")
    authenticate_http_readwrite: bool = setting(
        False,
        "Whether callers of endpoints that change something have to name themselves.",
        flags=("authenticate_http",),
    )
    authenticate_http_executors: bool = setting(
        False, "Whether custom executors have to show the token that they were given (needs --jwt_secret_key)."
    )
    jwt_secret_key: JwtKey | None = setting(
        None, "File of the key that executors' tokens are signed with: /path or file:///path.", parse=jwt_key, raw=True
    )
    http_authenticators: str | None = setting(None, "How callers of endpoints name themselves: basic.", parse=basic)
    authorizer: str = setting("local", "Who decides what is allowed: local.", parse=local)
    security: str = security_level()
    identity_url: str | None = setting(
        None,
        "Front door that knows what accounts may do, https://host[:port]; leader.mesos is the leading master's machine. "
        "Default: that of --secrets_url, else https://leader.mesos. Verified by --secrets_ca.",
    )
    acls: Acls | None = setting(
        None, "Who may do what: JSON, or the path of a file of it.", parse=acls, raw=True, text=acls_text
    )
    firewall_rules: frozenset[str] | None = setting(
        None,
        "Endpoints that nobody may call, as JSON or the path of a file of it.",
        parse=firewall,
        raw=True,
        text=firewall_text,
    )

    def problems(self) -> list[str]:
        """Settings that contradict each other, in upstream's words."""
        wanted = {
            "mesos-agent-readonly": self.authenticate_http_readonly,
            "mesos-agent-readwrite": self.authenticate_http_readwrite,
        }
        out = [
            f"No credentials provided for the default 'basic' HTTP authenticator for realm '{realm}'"
            for realm, needed in wanted.items()
            if needed and self.http_credentials is None
        ]
        if self.security != "disabled" and self.acls is not None:
            out.append(f"--security={self.security} and --acls exclude each other: accounts' permissions decide")
        if self.credential is not None and not re.fullmatch(r'[^"\x00-\x1f\x7f]+', self.credential.principal):
            out.append("--credential: a principal cannot be empty or have quotes or control characters")
        if not 0 <= self.executor_reregistration_timeout <= MAX_REREGISTRATION_S:
            out.append(f"--executor_reregistration_timeout: must not be more than {MAX_REREGISTRATION_S:g}secs")
        if not (self.modules or self.modules_dir):
            out += [f"--isolation: unknown isolator '{one}'" for one in isolators.unknown(self.isolation)]
        for flag, names, known in (
            ("containerizers", self.containerizers, ("mesos", "docker")),
            ("image_providers", self.image_providers, ("docker", "appc")),
        ):
            out += [f"--{flag}: '{one}' is none of {', '.join(known)}" for one in names if one.lower() not in known]
        if (problem := location_problem(self.domain_socket_location)) is not None:
            out.append(f"--domain_socket_location: {problem}")
        if self.authenticate_http_executors and self.jwt_secret_key is None:
            out.append("--jwt_secret_key must be specified when --authenticate_http_executors is set to true")
        return out


def shown(config: Config) -> dict[str, str]:
    """Flags as ``/flags`` and ``/state`` tell them: texts, unset and secret ones left out."""
    chosen = {
        "docker_store_dir": f"{config.work_dir}/store",
        "fetcher_cache_dir": f"{config.work_dir}/fetch",
        "frameworks_home": "",
        "help": "false",
        "runtime_dir": "/var/run/mesos",
        "version": "false",
    }
    texts = dict(sorted({**chosen, **flag_texts(config)}.items()))
    return {name: text for name, text in texts.items() if text or name == "frameworks_home"}
