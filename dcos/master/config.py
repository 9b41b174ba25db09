"""Settings of the master: upstream's names, ``--name`` or ``MESOS_NAME``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from dcos.master.core.constraints import RegexLimits
from dcos.master.core.state import Rules
from dcos.model import sizes
from dcos.model.acls import EVERYTHING, Acls
from dcos.model.durations import text as duration_text
from dcos.model.v1.types import DomainInfo, RateLimits
from dcos.model.values import thousandths
from dcos.runtime.access_settings import acls, acls_text, basic, firewall, firewall_text, local
from dcos.runtime.credentials import CredentialsFile, read_many
from dcos.runtime.rights_settings import identity_service, security_level
from dcos.runtime.settings import comma_list, contents, duration, flag_texts, one_of, setting
from dcos.runtime.settings import port as port_number
from dcos.store.url import ZkUrl
from dcos.wire import mesos_json

PREFIX = "MESOS_"


def _quantities(text: str) -> tuple[dict[str, int], ...]:
    """``cpus:0.01|mem:32`` (either suffices), ``cpus:0.01;ports:1`` (both needed)."""
    out = []
    for alternative in text.split("|"):
        wanted = {}
        for part in alternative.split(";"):
            name, colon, value = part.strip().partition(":")
            if not colon or not name:
                raise ValueError("must look like cpus:0.01|mem:32")
            wanted[name] = thousandths(float(value))
        out.append(wanted)
    return tuple(out)


def _weights(text: str) -> tuple[tuple[str, float], ...]:
    """``role=weight,...``."""
    out = []
    for part in comma_list(text):
        role, equals, value = part.partition("=")
        if not equals or not role or float(value) <= 0:
            raise ValueError("must look like role=2.5,other=1 with positive weights")
        out.append((role, float(value)))
    return tuple(out)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError("must be at least 1")
    return value


def _quantities_text(value: tuple[dict[str, int], ...]) -> str:
    return "|".join(";".join(f"{key}:{amount / 1000:g}" for key, amount in one.items()) for one in value)


def _weights_text(value: tuple[tuple[str, float], ...]) -> str:
    return ",".join(f"{role}={weight:g}" for role, weight in value)


def domain(text: str) -> DomainInfo:
    """Errors: ValueError."""
    found = mesos_json.decode(contents(text).encode(), DomainInfo)
    if found.fault_domain is None:
        raise ValueError("`domain` must define `fault_domain`")
    return found


def whitelist(text: str) -> Path | None:
    """``/path`` or ``file:///path``; ``*`` is none."""
    path = Path(text.removeprefix("file://"))
    if text == "*":
        return None
    if not path.is_absolute():
        raise ValueError("must be a file: /path or file:///path")
    return path


def percentage(text: str) -> float:
    """``50%`` to 0.5."""
    value = float(text.removesuffix("%")) / 100 if text.endswith("%") else math.nan
    if not 0.0 <= value <= 1.0:
        raise ValueError("must be a percentage, 0% to 100%")
    return value


def rate(text: str) -> tuple[int, float]:
    """``1/10mins`` to (1, 600.0)."""
    count, slash, span = text.partition("/")
    if not slash or not count.isdigit() or int(count) < 1 or duration(span) <= 0:
        raise ValueError("must look like 1/10mins: a number of agents, a slash, a duration")
    return int(count), duration(span)


def rate_limits(text: str) -> RateLimits:
    """As upstream's master looks at them.   Errors: ValueError."""
    found = mesos_json.decode(contents(text).encode(), RateLimits)
    seen: set[str] = set()
    for limit in found.limits:
        if limit.principal in seen:
            raise ValueError(f"Duplicate principal {limit.principal} found in RateLimits configuration")
        seen.add(limit.principal)
        if limit.qps is not None and not limit.qps > 0:
            raise ValueError(f"Invalid qps: {limit.qps:g}. It must be a positive number")
    if found.aggregate_default_qps is not None and not found.aggregate_default_qps > 0:
        raise ValueError(
            f"Invalid aggregate_default_qps: {found.aggregate_default_qps:g}. It must be a positive number"
        )
    return found


def ping_timeout(text: str) -> float:
    value = duration(text)
    if not 1.0 <= value <= 900.0:
        raise ValueError("must be between 1secs and 15mins")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    zk: ZkUrl | None = setting(
        None,
        "ZooKeeper URL, zk://host1:port1,host2:port2/path. The leader is elected under the path; the registry is kept "
        "beside it under PATH-registry. Without it --registry=in_memory is needed, and the master leads alone.",
        parse=ZkUrl.parse,
    )
    ip: str | None = setting(None, "Address to listen on (default: what ip_discovery_command prints, else the node's).")
    port: int = setting(5050, "Port to listen on.", parse=port_number)
    advertise_ip: str | None = setting(None, "Address that others reach this master by, if not the one listened on.")
    advertise_port: int | None = setting(None, "Port that others reach this master by, if another.", parse=port_number)
    hostname: str | None = setting(None, "Host name to advertise (default: see hostname_lookup).")
    hostname_lookup: bool = setting(True, "Look the host name up by the address; otherwise the address is advertised.")
    ip_discovery_command: str | None = setting(None, "Program that prints the address to listen on.")
    cluster: str | None = setting(None, "Human readable name of the cluster.")
    domain: DomainInfo | None = setting(
        None,
        "Fault domain of this master, as JSON or the path of a file of it.",
        parse=domain,
        raw=True,
        text=lambda value: mesos_json.encode(value).decode(),
    )
    work_dir: Path = setting(Path("/var/lib/dcos/mesos/master"), "Folder of this master. Holds nothing that matters.")
    zk_session_timeout: float = setting(10.0, "ZooKeeper session timeout.", parse=duration)
    offer_timeout: float | None = setting(
        None, "Offers are rescinded after this time (default: never).", parse=duration
    )
    allocation_interval: float = setting(1.0, "Cycle after which returned offers may be made again.", parse=duration)
    agent_ping_timeout: float = setting(
        15.0,
        "An agent has to answer each ping within this time, 1secs to 15mins.",
        parse=ping_timeout,
        shown="15secs",
        text=duration_text,
        flags=("slave_ping_timeout",),
    )
    max_agent_ping_timeouts: int = setting(
        5,
        "Missed pings after which an agent is unreachable.",
        parse=_count,
        flags=("max_slave_ping_timeouts",),
    )
    agent_reregister_timeout: float = setting(
        600.0,
        "Time that agents have to come back after a lost connection or a change of leader.",
        parse=duration,
        flags=("slave_reregister_timeout",),
    )
    min_allocatable_resources: tuple[dict[str, int], ...] = setting(
        ({"cpus": 10}, {"mem": 32_000}),
        "What an offer must have at least: alternatives by |, their parts by ; (cpus:0.01|mem:32).",
        parse=_quantities,
        shown="cpus:0.01|mem:32",
        text=_quantities_text,
    )
    roles: tuple[str, ...] = setting((), "Roles that frameworks may have (default: any).", parse=comma_list)
    weights: tuple[tuple[str, float], ...] = setting(
        (), "Weights of roles, role=weight,...", parse=_weights, text=_weights_text
    )
    root_submissions: bool = setting(True, "Whether frameworks of user root are accepted.")
    filter_gpu_resources: bool = setting(
        True, "Whether agents with GPUs are offered only to frameworks with the GPU_RESOURCES capability."
    )
    fair_sharing_excluded_resource_names: tuple[str, ...] = setting(
        (), "Resources that do not count for fair shares.", parse=comma_list
    )
    max_completed_frameworks: int = setting(50, "Completed frameworks to remember.")
    max_completed_tasks_per_framework: int = setting(1000, "Completed tasks to remember for each framework.")
    max_unreachable_tasks_per_framework: int = setting(1000, "Unreachable tasks to remember for each framework.")
    max_operator_event_stream_subscribers: int = setting(
        1000, "Event streams of operators; one more ends the oldest.", parse=_count
    )
    registry: str = setting(
        "replicated_log",
        "replicated_log: the registry is in ZooKeeper. in_memory: without --zk it is gone when the master ends, with it it is "
        "in ZooKeeper all the same.",
        parse=one_of("replicated_log", "in_memory"),
    )
    registry_fetch_timeout: float = setting(60.0, "A registry read that takes longer ends the master.", parse=duration)
    registry_store_timeout: float = setting(20.0, "A registry write that takes longer ends the master.", parse=duration)
    registry_gc_interval: float = setting(900.0, "How often old agents leave the registry.", parse=duration)
    registry_max_agent_age: float = setting(14 * 86400.0, "How long lost agents are remembered.", parse=duration)
    registry_max_agent_count: int = setting(102_400, "How many lost agents are remembered.")

    role_sorter: str = setting(
        "drf",
        "How roles take turns: drf, or random (by weight).",
        parse=one_of("drf", "random"),
        flags=("user_sorter",),
    )
    framework_sorter: str = setting(
        "drf", "How the frameworks of a role take turns: drf or random.", parse=one_of("drf", "random")
    )
    whitelist: Path | None = setting(
        None,
        "File of host names, one a line, looked at again and again: others get no offers.",
        parse=whitelist,
        raw=True,
    )
    agent_removal_rate_limit: tuple[int, float] | None = setting(
        None,
        "How many agents may be marked unreachable in what time, 1/10mins (default: no limit).",
        parse=rate,
        text=lambda value: f"{value[0]}/{duration_text(value[1])}",
        flags=("slave_removal_rate_limit",),
    )
    recovery_agent_removal_limit: float = setting(
        1.0,
        "Share of the agents that may be missing after a change of leader; more end the master.",
        parse=percentage,
        shown="100%",
        text=lambda value: f"{value * 100:g}%",
        flags=("recovery_slave_removal_limit",),
    )
    require_agent_domain: bool = setting(False, "Whether agents without a fault domain are refused.")
    offer_constraints_re2_max_mem: int = setting(
        4096,
        "What a compiled expression of offer constraints may take.",
        parse=sizes.parse,
        shown="4KB",
        text=sizes.text,
    )
    offer_constraints_re2_max_program_size: int = setting(
        100, "How big, in RE2's measure, an expression of offer constraints may be.", parse=_count
    )
    memory_profiling: bool = setting(False, "Whether /memory-profiler/ is there, which tells who holds memory.")
    publish_per_framework_metrics: bool = setting(True, "Whether metrics show every framework by itself.")

    # ---- who may do what ---------------------------------------------------------------------------------------------

    credentials: CredentialsFile | None = setting(
        None,
        "File of principals and secrets, JSON or text: /path or file:///path.",
        parse=read_many,
        raw=True,
    )
    authenticate_http_readonly: bool = setting(False, "Whether readers of endpoints have to name themselves.")
    authenticate_http_readwrite: bool = setting(
        False,
        "Whether callers of endpoints that change something have to name themselves.",
        flags=("authenticate_http",),
    )
    authenticate_http_frameworks: bool = setting(False, "Whether schedulers have to name themselves.")
    authenticate_agents: bool = setting(
        False,
        "Whether agents have to prove a principal (their --credential) to register.",
        flags=("authenticate_slaves",),
    )
    http_authenticators: str = setting("basic", "How callers of endpoints name themselves: basic.", parse=basic)
    http_framework_authenticators: str | None = setting(
        None, "How schedulers name themselves: basic; needed for --authenticate_http_frameworks.", parse=basic
    )
    acls: Acls | None = setting(
        None,
        "Who may do what: JSON, or the path of a file of it.",
        parse=acls,
        raw=True,
        text=acls_text,
    )
    authorizers: str = setting("local", "Who decides what is allowed: local.", parse=local)
    security: str = security_level()
    bouncer: str = identity_service()
    firewall_rules: frozenset[str] | None = setting(
        None,
        "Endpoints that nobody may call, as JSON or the path of a file of it.",
        parse=firewall,
        raw=True,
        text=firewall_text,
    )

    # ---- logs --------------------------------------------------------------------------------------------------------

    log_dir: Path | None = setting(None, "Folder shown as the master's log, where it holds mesos-master.INFO.")
    external_log_file: Path | None = setting(None, "File shown as the master's log.")

    # ---- taken, so that existing command lines work; without effect here ---------------------------------------------

    quorum: int | None = setting(None, "The ensemble of ZooKeeper keeps the registry.", inert=True)
    registry_strict: bool = setting(False, "Gone upstream too.", inert=True)
    log_auto_initialize: bool = setting(True, "There is no replicated log.", inert=True)
    authenticate_frameworks: bool = setting(
        False,
        "There is no libprocess driver to authenticate; see --authenticate_http_frameworks.",
        flags=("authenticate",),
        inert=True,
    )
    authenticators: str = setting("crammd5", "As --authenticate_frameworks.", inert=True)
    authentication_v0_timeout: float = setting(15.0, "As --authenticate_frameworks.", parse=duration, inert=True)
    allocator: str = setting("hierarchical", "There is one allocator.", inert=True)
    allocator_agent_recovery_factor: float = setting(
        0.8, "Where there is quota, a new leader offers nothing before this part of the agents is back."
    )
    allocator_recovery_timeout: float = setting(
        600.0, "Time after which a new leader waits for agents no more and offers.", parse=duration
    )
    rate_limits: RateLimits | None = setting(
        None,
        "Limits of the messages of libprocess drivers by principal, as JSON or the path of a file of it: looked at, and "
        "without effect as there are no such drivers; schedulers over HTTP are not throttled.",
        parse=rate_limits,
        raw=True,
        text=lambda value: mesos_json.encode(value).decode(),
        inert=True,
    )
    modules: str | None = setting(None, "There are no modules.", inert=True)
    modules_dir: str | None = setting(None, "There are no modules.", inert=True)
    hooks: str | None = setting(None, "There are no modules.", inert=True)
    master_contender: str | None = setting(None, "The election is ZooKeeper's.", inert=True)
    master_detector: str | None = setting(None, "The election is ZooKeeper's.", inert=True)
    max_executors_per_agent: int | None = setting(
        None, "Belongs to an isolator that is not here.", flags=("max_executors_per_slave",), inert=True
    )
    webui_dir: str = setting("/usr/share/mesos/webui", "The GUI is served by Admin Router.", inert=True)
    logbufsecs: int = setting(0, "Logs are not buffered.", inert=True)
    logging_level: str = setting("INFO", "DCOS_LOG_LEVEL sets the level.", inert=True)
    initialize_driver_logging: bool = setting(True, "There is no driver.", inert=True)
    quiet: bool = setting(False, "Logs go to the journal.", inert=True)

    def rules(self) -> Rules:
        """What of this the core needs."""
        return Rules(
            offer_timeout_s=self.offer_timeout,
            allocation_interval_s=self.allocation_interval,
            ping_s=self.agent_ping_timeout,
            max_missed_pings=self.max_agent_ping_timeouts,
            agent_reregister_s=self.agent_reregister_timeout,
            max_completed_frameworks=self.max_completed_frameworks,
            max_completed_tasks=self.max_completed_tasks_per_framework,
            max_unreachable_tasks=self.max_unreachable_tasks_per_framework,
            min_allocatable=self.min_allocatable_resources,
            roles=frozenset((*self.roles, "*")) if self.roles else None,
            weights=dict(self.weights),
            root_submissions=self.root_submissions,
            hide_gpus=self.filter_gpu_resources,
            excluded_from_shares=frozenset(self.fair_sharing_excluded_resource_names),
            registry_max_age_s=self.registry_max_agent_age,
            registry_max_count=self.registry_max_agent_count,
            registry_gc_s=self.registry_gc_interval,
            acls=self.acls or EVERYTHING,
            random_roles=self.role_sorter == "random",
            random_frameworks=self.framework_sorter == "random",
            removal_interval_s=(
                self.agent_removal_rate_limit[1] / self.agent_removal_rate_limit[0]
                if self.agent_removal_rate_limit is not None
                else 0.0
            ),
            recovery_removal_limit=self.recovery_agent_removal_limit,
            allocator_recovery_factor=self.allocator_agent_recovery_factor,
            allocator_recovery_s=self.allocator_recovery_timeout,
            require_domain=self.require_agent_domain,
            regex_limits=RegexLimits(
                max_mem=self.offer_constraints_re2_max_mem,
                max_program_size=self.offer_constraints_re2_max_program_size,
            ),
        )

    def problems(self) -> list[str]:
        """Settings that contradict each other, in upstream's words."""
        out = []
        if self.zk is None and self.registry != "in_memory":
            out.append("--zk is missing: without it only --registry=in_memory is possible")
        wanted = {
            "mesos-master-readonly": self.authenticate_http_readonly,
            "mesos-master-readwrite": self.authenticate_http_readwrite,
            "mesos-master-scheduler": self.authenticate_http_frameworks,
        }
        out += [
            f"No credentials provided for the default 'basic' HTTP authenticator for realm '{realm}'"
            for realm, needed in wanted.items()
            if needed and self.credentials is None
        ]
        if self.authenticate_http_frameworks and self.http_framework_authenticators is None:
            out.append(
                "Missing `--http_framework_authenticators` flag. This must be used in conjunction with"
                " `--authenticate_http_frameworks`"
            )
        if self.offer_timeout is not None and self.offer_timeout <= 0:
            shown = duration_text(self.offer_timeout)
            out.append(f"Invalid value '{shown}' for --offer_timeout: Must be greater than zero")
        out += [
            f"Invalid weight: '{role}={weight:g}'. {role} is not a valid role"
            for role, weight in self.weights
            if self.roles and role not in (*self.roles, "*")
        ]
        if self.security != "disabled":
            out += [
                f"--security={self.security} and --{flag} exclude each other: accounts' permissions decide"
                for flag, given in (("acls", self.acls is not None), ("authenticate_agents", self.authenticate_agents))
                if given
            ]
        if self.authenticate_agents and self.credentials is None:
            out.append("Agent authentication requires credentials (see --credentials flag)")
        return out

    @property
    def election_path(self) -> str:
        """Where the leader is elected, in ZooKeeper or in memory."""
        return self.zk.path if self.zk is not None else "/mesos"

    def flags(self) -> dict[str, str]:
        """As ``/flags`` shows them: every value a text, unset ones left out, never credentials."""
        return {**flag_texts(self), "help": "false", "version": "false"}
