"""Settings of Marathon under upstream's names; ``MARATHON_<NAME>`` in the environment. Times of plain numbers are ms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dcos.runtime.credentials import secret_of
from dcos.runtime.rights_settings import identity_service, security_level
from dcos.runtime.settings import (
    REQUIRED,
    boolean,
    comma_list,
    features,
    milliseconds,
    one_of,
    port,
    setting,
    whole_seconds,
)

FEATURES = frozenset({"vips", "task_killing", "gpu_resources", "external_volumes", "secrets", "maintenance_mode"})
SUPPORTED_FEATURES = frozenset({"vips", "task_killing", "gpu_resources", "external_volumes", "secrets"})


def _readable(text: str) -> Path:
    """Errors: ValueError, OSError, rather now than on becoming leader."""
    path = Path(text)
    path.read_text(encoding="utf-8")
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    master: str = setting(REQUIRED, "ZooKeeper URL of the Mesos masters, zk://host:port,.../mesos.")
    zk: str = setting(REQUIRED, "ZooKeeper URL where Marathon keeps its state, zk://host:port,.../marathon.")
    zk_session_timeout: float = setting(10.0, "Session timeout with ZooKeeper in ms.", parse=milliseconds)
    zk_max_versions: int = setting(50, "Versions kept of each app.")
    http_address: str | None = setting(None, "Address to listen on; default: this node's own.")
    http_port: int = setting(8080, "Port to listen on.", parse=port)
    https_address: str | None = setting(None, "Address to listen on for HTTPS; default: as http_address.")
    https_port: int = setting(
        8443, "Port for HTTPS, where ssl_keystore_path or LIBPROCESS_SSL_ENABLED is given.", parse=port
    )
    ssl_keystore_path: Path | None = setting(
        None, "File with the key and the certificate for HTTPS, then those above it (PEM); default: LIBPROCESS_SSL_*."
    )
    hostname: str = setting("", "Name or address that others reach this instance by; default: the address detected.")
    ip: str | None = setting(None, "This node's address, where hostname is not given.")
    ip_discovery_command: Path | None = setting(
        None,
        "Program that prints this node's address, where neither hostname nor ip is given.",
        environ="MESOS_IP_DISCOVERY_COMMAND",
    )
    framework_name: str = setting("marathon", "Name of the framework in Mesos.")
    mesos_user: str | None = setting("root", "User of tasks that name none.")
    mesos_role: str = setting("*", "Mesos role of apps that name none.")
    mesos_authentication_principal: str | None = setting(None, "Principal to subscribe with.")
    mesos_authentication_secret: str | None = setting(None, "Secret of the principal.", secret=True)
    mesos_authentication_secret_file: Path | None = setting(
        None, "File that holds it, where it is not given.", parse=_readable
    )
    failover_timeout: float = setting(604800.0, "Seconds that tasks stay when Marathon is away.", parse=whole_seconds)
    checkpoint: bool = setting(True, "Let tasks outlive a restart of the agent.", parse=boolean)
    webui_url: str | None = setting(None, "URL of the web interface; default: this instance.")
    mesos_leader_ui_url: str = setting("/mesos", "URL of the Mesos interface, for clients.")
    default_accepted_resource_roles: tuple[str, ...] = setting(
        (), "Reservations that apps may use that do not say: *, and or the role.", parse=comma_list
    )
    accepted_resource_roles_default_behavior: str = setting(
        "any", "The same as a word: any, unreserved or reserved.", parse=one_of("any", "unreserved", "reserved")
    )
    security: str = security_level()
    bouncer: str = identity_service()
    enable_features: tuple[str, ...] = setting(
        ("vips", "task_killing"), "Features to enable, comma separated.", parse=features(FEATURES)
    )
    gpu_scheduling_behavior: str = setting(
        "restricted",
        "restricted: agents with GPUs only run apps that want some; unrestricted: any.",
        parse=one_of("restricted", "unrestricted"),
    )
    default_network_name: str | None = setting(None, "Network of apps in container mode that name none.")
    mesos_bridge_name: str = setting("mesos-bridge", "Network that container/bridge means for Mesos containers.")
    env_vars_prefix: str = setting("", "Prefix of HOST and PORT variables.")
    local_port_min: int = setting(10000, "Smallest service port to assign.", parse=port)
    local_port_max: int = setting(20000, "Largest service port to assign.", parse=port)
    max_instances_per_offer: int = setting(5, "Instances launched from one offer at most.")
    offer_matching_timeout: float = setting(
        3.0, "Longest time in ms that an offer is held to be looked at; then it is given back.", parse=milliseconds
    )
    launch_tokens: int = setting(100, "Launches under way at most; each that runs allows another.")
    launch_token_refresh_interval: float = setting(
        30.0, "Time in ms after which all launch tokens are there again.", parse=milliseconds
    )
    draining_seconds: float = setting(
        0.0, "How long before its maintenance nothing is launched on an agent any more.", parse=whole_seconds
    )
    decline_offer_duration: float = setting(300.0, "How long declined offers stay away, in ms.", parse=milliseconds)
    min_revive_offers_interval: float = setting(5.0, "Least time between two revives, in ms.", parse=milliseconds)
    task_launch_timeout: float = setting(300.0, "Time to get running, in ms, then killed.", parse=milliseconds)
    task_launch_confirm_timeout: float = setting(300.0, "Time to get staged, in ms.", parse=milliseconds)
    task_reservation_timeout: float = setting(
        20.0, "Time for a reservation to be seen, in ms, then it is given up.", parse=milliseconds
    )
    kill_retry_timeout: float = setting(10.0, "Time until a kill is sent again, in ms.", parse=milliseconds)
    reconciliation_initial_delay: float = setting(15.0, "First reconciliation, in ms.", parse=milliseconds)
    reconciliation_interval: float = setting(600.0, "Time between reconciliations, in ms.", parse=milliseconds)
    scale_apps_initial_delay: float = setting(
        15.0, "First time that the number of instances is checked, in ms.", parse=milliseconds
    )
    scale_apps_interval: float = setting(300.0, "Time between those checks, in ms.", parse=milliseconds)
    max_running_deployments: int = setting(100, "Deployments at the same time.")
    new_group_enforce_role: str = setting(
        "off", "Whether new top-level groups enforce their role: top or off.", parse=one_of("top", "off")
    )
    leader_proxy_connection_timeout: float = setting(5.0, "Connecting to the leader, in ms.", parse=milliseconds)
    leader_proxy_read_timeout: float = setting(10.0, "Waiting for the leader, in ms.", parse=milliseconds)
    event_stream_max_outstanding_messages: int = setting(1000, "Events held for a slow client; then it is dropped.")
    prometheus_url: str | None = setting(
        None, "Prometheus for queries of rollouts and autoscaling that name none, http://host:port."
    )
    metrics_prometheus: bool = setting(False, "Serve /metrics/prometheus.", parse=boolean)
    access_control_allow_origin: tuple[str, ...] = setting((), "Origins that browsers may call from.", parse=comma_list)

    def accepted_roles(self) -> str:
        """any, unreserved or reserved."""
        roles = self.default_accepted_resource_roles
        if not roles:
            return self.accepted_resource_roles_default_behavior
        if roles == ("*",):
            return "unreserved"
        return "any" if "*" in roles else "reserved"

    @property
    def mesos_secret(self) -> str | None:
        """Reads the file each time: a new secret is used from the next subscription on."""
        return secret_of(self.mesos_authentication_secret, self.mesos_authentication_secret_file)
