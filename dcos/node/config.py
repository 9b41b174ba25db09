"""Settings of dcos-diagnostics."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from dcos import registry
from dcos.model.layout import Layout
from dcos.registry import NodeRole
from dcos.runtime.credentials import MESOS_CREDENTIAL, CredentialFile, read_one
from dcos.runtime.settings import duration, setting
from dcos.runtime.settings import port as port_number
from dcos.store.url import ZkUrl


def addresses(text: str) -> tuple[str, ...]:
    """A JSON list or comma-separated."""
    try:
        given = json.loads(text) if text.lstrip().startswith("[") else [part.strip() for part in text.split(",")]
        return tuple(str(ipaddress.ip_address(host)) for host in given)
    except ValueError as error:
        raise ValueError(f"must be a list of IP addresses: {error}") from None


def role_of(text: str) -> NodeRole:
    """Mesosphere's names (master, slave, slave_public) or this API's (agent, agent_public)."""
    names = {role.value: role for role in NodeRole} | {"agent": NodeRole.AGENT, "agent_public": NodeRole.PUBLIC_AGENT}
    if text not in names:
        raise ValueError(f"must be one of {', '.join(names)}")
    return names[text]


def role_marked(layout: Layout) -> NodeRole | None:
    """What the installer made of this node; None: nothing."""
    return next((role for role in NodeRole if (layout.config / "roles" / role.value).exists()), None)


def source(text: str) -> str:
    if text in ("auto", "dbus") or (text.startswith("file:") and len(text) > len("file:")):
        return text
    raise ValueError("must be auto, dbus or file:<path>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    role: NodeRole | None = setting(
        None,
        "What this node is: master, slave, slave_public. Default: the role marker that the installer left in "
        "/etc/mesosphere/roles.",
        parse=role_of,
    )
    ip: str | None = setting(None, "This node's address (else ip_discovery_command, else the default route's).")
    ip_discovery_command: Path | None = setting(
        None, "Program that prints this node's address.", environ="MESOS_IP_DISCOVERY_COMMAND"
    )
    port: int = setting(
        registry.port_of("dcos-diagnostics"), "Port of the masters, each on its own address.", parse=port_number
    )
    socket: Path | None = setting(None, "Socket of an agent. Default: dcos-diagnostics.sock in /run/dcos.")
    socket_group: str = setting(
        "dcos_adminrouter", "Group that may use the socket; left as it is if there is no such group or we may not."
    )
    agent_port: int | None = setting(
        None,
        "Port of Admin Router on agents. Default: 61001, or 61002 where services ask each other over TLS.",
        parse=port_number,
    )
    master_list: tuple[str, ...] = setting(
        (), "The masters, comma-separated or as a JSON list. Default: those that contend in ZooKeeper.", parse=addresses
    )
    zk: ZkUrl | None = setting(
        None,
        "Where the Mesos masters contend, zk://host:port,.../mesos: tells who leads (masters only).",
        parse=ZkUrl.parse,
    )
    mesos_credential: CredentialFile | None = setting(None, MESOS_CREDENTIAL, parse=read_one, raw=True)
    zk_session_timeout: float = setting(10.0, "Session timeout with ZooKeeper.", parse=duration)
    units_source: str = setting(
        "auto",
        "Who knows the units' states: dbus (systemd), file:<path> (written by a process supervisor), or auto: systemd "
        "where it runs, else units.json in /run/dcos.",
        parse=source,
    )
    pull_interval: float = setting(60.0, "How often a master asks every node.", parse=duration)
    pull_interval_trouble: float = setting(
        3.0, "The same while a node is not healthy, new, or the list of agents is not known.", parse=duration
    )
    pull_timeout: float = setting(5.0, "How long a node has to answer.", parse=duration)
    forget_after: float = setting(
        3600.0, "An agent that Mesos counts as unreachable is still asked for so long.", parse=duration
    )
    bundles: Path | None = setting(
        None, "Folder of diagnostics bundles. Default: dcos-diagnostics/diag-bundles in /var/lib/dcos."
    )
    collect_timeout: float = setting(60.0, "How long a service has to answer when a bundle is made.", parse=duration)
    ports: str = setting(
        "", "Where services of this node are, service=host:port,...; the others are at the service table's ports."
    )
    journal_lines: int = setting(10, "Lines of its journal that are shown of an unhealthy unit.")
