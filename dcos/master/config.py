"""Settings of the master: upstream's names, ``--name`` or ``MESOS_NAME``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from dcos.master.core.state import Rules
from dcos.model.values import thousandths
from dcos.runtime.settings import REQUIRED, comma_list, duration, duration_text, setting
from dcos.runtime.settings import port as port_number
from dcos.store.url import ZkUrl

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    zk: ZkUrl = setting(
        REQUIRED,
        "ZooKeeper URL, zk://host1:port1,host2:port2/path. The leader is elected under the path; the registry is kept "
        "beside it under PATH-registry.",
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
    quorum: int | None = setting(None, "Accepted for compatibility: the ensemble of ZooKeeper keeps the registry.")
    work_dir: Path = setting(Path("/var/lib/dcos/mesos/master"), "Folder of this master. Holds nothing that matters.")
    zk_session_timeout: float = setting(10.0, "ZooKeeper session timeout.", parse=duration)
    offer_timeout: float | None = setting(
        None, "Offers are rescinded after this time (default: never).", parse=duration
    )
    allocation_interval: float = setting(1.0, "Cycle after which returned offers may be made again.", parse=duration)
    agent_ping_timeout: float = setting(15.0, "An agent has to answer each ping within this time.", parse=duration)
    max_agent_ping_timeouts: int = setting(5, "Missed pings after which an agent is unreachable.", parse=_count)
    agent_reregister_timeout: float = setting(
        600.0, "Time that agents have to come back after a lost connection or a change of leader.", parse=duration
    )
    min_allocatable_resources: tuple[dict[str, int], ...] = setting(
        ({"cpus": 10}, {"mem": 32_000}),
        "What an offer must have at least: alternatives by |, their parts by ; (cpus:0.01|mem:32).",
        parse=_quantities,
        shown="cpus:0.01|mem:32",
    )
    roles: tuple[str, ...] = setting((), "Roles that frameworks may have (default: any).", parse=comma_list)
    weights: tuple[tuple[str, float], ...] = setting((), "Weights of roles, role=weight,...", parse=_weights)
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
    registry_store_timeout: float = setting(20.0, "A registry write that takes longer ends the master.", parse=duration)
    registry_gc_interval: float = setting(900.0, "How often old agents leave the registry.", parse=duration)
    registry_max_agent_age: float = setting(14 * 86400.0, "How long lost agents are remembered.", parse=duration)
    registry_max_agent_count: int = setting(102_400, "How many lost agents are remembered.")

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
            roles=frozenset(self.roles) or None,
            weights=dict(self.weights),
            root_submissions=self.root_submissions,
            hide_gpus=self.filter_gpu_resources,
            excluded_from_shares=frozenset(self.fair_sharing_excluded_resource_names),
            registry_max_age_s=self.registry_max_agent_age,
            registry_max_count=self.registry_max_agent_count,
            registry_gc_s=self.registry_gc_interval,
        )

    def flags(self) -> dict[str, str]:
        """As ``/flags`` shows them: every value a text, unset ones left out, never credentials."""
        return {
            row.name: _text(row.name, value) for row in fields(self) if (value := getattr(self, row.name)) is not None
        }


_DURATIONS = frozenset(
    {
        "zk_session_timeout",
        "offer_timeout",
        "allocation_interval",
        "agent_ping_timeout",
        "agent_reregister_timeout",
        "registry_store_timeout",
        "registry_gc_interval",
        "registry_max_agent_age",
    }
)


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if name in _DURATIONS and isinstance(value, float):
        return duration_text(value)
    if name == "min_allocatable_resources" and isinstance(value, tuple):
        return "|".join(";".join(f"{key}:{amount / 1000:g}" for key, amount in one.items()) for one in value)
    if name == "weights" and isinstance(value, tuple):
        return ",".join(f"{role}={weight:g}" for role, weight in value)
    return ",".join(value) if isinstance(value, tuple) else str(value)
