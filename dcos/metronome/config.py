"""Settings of Metronome; ``METRONOME_<NAME>`` in the environment. Times of plain numbers are ms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dcos import registry
from dcos.runtime.rights_settings import identity_service, security_level
from dcos.runtime.settings import REQUIRED, features, milliseconds, one_of, port, setting, whole_seconds

FEATURES = frozenset({"secrets", "gpu_resources"})
SUPPORTED_FEATURES = frozenset({"secrets", "gpu_resources"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    master: str = setting(REQUIRED, "ZooKeeper URL of the Mesos masters, zk://host:port,.../mesos.")
    zk: str = setting(REQUIRED, "ZooKeeper URL where Metronome keeps its state, zk://host:port,.../metronome.")
    zk_session_timeout: float = setting(10.0, "Session timeout with ZooKeeper in ms.", parse=milliseconds)
    http_address: str | None = setting(None, "Address to listen on; default: this node's own.")
    http_port: int = setting(registry.port_of("dcos-metronome"), "Port to listen on.", parse=port)
    hostname: str = setting("", "Name or address that others reach this instance by; default: the address detected.")
    ip: str | None = setting(None, "This node's address, where hostname is not given.")
    ip_discovery_command: Path | None = setting(
        None,
        "Program that prints this node's address, where neither hostname nor ip is given.",
        environ="MESOS_IP_DISCOVERY_COMMAND",
    )
    framework_name: str = setting("metronome", "Name of the framework in Mesos.")
    mesos_user: str | None = setting("root", "User of runs that name none.")
    mesos_role: str = setting("*", "Mesos role of all runs.")
    mesos_authentication_principal: str | None = setting(None, "Principal to subscribe with.")
    mesos_authentication_secret: str | None = setting(None, "Secret of the principal.", secret=True)
    mesos_authentication_secret_file: Path | None = setting(None, "File with the secret of the principal.")
    failover_timeout: float = setting(604800.0, "Seconds that tasks stay when Metronome is away.", parse=whole_seconds)
    history_count: int = setting(1000, "Finished runs kept of each job, of successful and of failed ones.")
    decline_offer_duration: float = setting(300.0, "How long declined offers stay away, in ms.", parse=milliseconds)
    min_revive_offers_interval: float = setting(5.0, "Least time between two revives, in ms.", parse=milliseconds)
    task_launch_timeout: float = setting(300.0, "Time to get running, in ms, then killed.", parse=milliseconds)
    task_launch_confirm_timeout: float = setting(300.0, "Time to get staged, in ms.", parse=milliseconds)
    kill_retry_timeout: float = setting(10.0, "Time until a kill is sent again, in ms.", parse=milliseconds)
    reconciliation_interval: float = setting(900.0, "Time between reconciliations, in ms.", parse=milliseconds)
    leader_proxy_timeout: float = setting(30.0, "Waiting for the leader, in ms.", parse=milliseconds)
    mesos_bridge_name: str = setting("mesos-bridge", "Network that container/bridge means for Mesos containers.")
    security: str = security_level()
    bouncer: str = identity_service()
    features_enable: tuple[str, ...] = setting((), "Features to enable, comma separated.", parse=features(FEATURES))
    gpu_scheduling_behavior: str = setting(
        "restricted",
        "restricted: agents with GPUs only run jobs that want some; unrestricted: any.",
        parse=one_of("restricted", "unrestricted"),
    )
