"""Settings of dcos-telegraf."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dcos import registry
from dcos.runtime.credentials import MESOS_CREDENTIAL, CredentialFile, read_one
from dcos.runtime.settings import duration, setting
from dcos.runtime.settings import port as port_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    ip: str | None = setting(None, "This node's address (else ip_discovery_command, else the default route's).")
    ip_discovery_command: Path | None = setting(
        None, "Program that prints this node's address.", environ="MESOS_IP_DISCOVERY_COMMAND"
    )
    cluster_name: str = setting("", "Label dcos_cluster_name of every series.")
    port: int = setting(
        registry.port_of("dcos-telegraf"), "Port of Prometheus's text, on this node's address.", parse=port_number
    )
    socket: Path | None = setting(
        None, "Socket of v0, where systemd gives none. Default: telegraf-dcos-metrics.sock in /run/dcos."
    )
    statsd_port: int = setting(
        registry.port_of("dcos-telegraf", "statsd"), "UDP port of 127.0.0.1 for services' statsd.", parse=port_number
    )
    statsd_listen: str = setting("127.0.0.1", "Where that port is.")
    tasks_folder: Path | None = setting(
        None, "Folder of the socket at which agents ask for tasks' ports. Default: telegraf in /run/dcos."
    )
    tasks_host: str = setting("198.51.100.1", "Address of tasks' ports: one that containers of this node reach.")
    max_tasks: int = setting(2000, "Containers that may have a statsd port.")
    interval: float = setting(10.0, "How often everything is measured.", parse=duration)
    timeout: float = setting(8.0, "How long who is asked has to answer.", parse=duration)
    mesos_credential: CredentialFile | None = setting(None, MESOS_CREDENTIAL, parse=read_one, raw=True)
    mesos_master_port: int = setting(registry.port_of("dcos-mesos-master"), "Of this node.", parse=port_number)
    agent_port: int = setting(registry.port_of("dcos-mesos-slave"), "Of this node.", parse=port_number)
    marathon_port: int = setting(registry.port_of("dcos-marathon"), "Of this node.", parse=port_number)
    exhibitor_port: int = setting(registry.port_of("dcos-exhibitor"), "Of this node.", parse=port_number)
    net: str = setting("http://127.0.0.1:62080", "URL of dcos-net's API.")
    admin_router: str = setting("", "URL of this node's Admin Router. Default: that of its role.")
