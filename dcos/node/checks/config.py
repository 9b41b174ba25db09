"""Settings of the checks: of the runner, its API and the built-in ones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dcos import registry
from dcos.model.layout import Layout
from dcos.node.config import role_of, source
from dcos.registry import NodeRole
from dcos.runtime.credentials import MESOS_CREDENTIAL, CredentialFile, read_one
from dcos.runtime.settings import duration, setting
from dcos.runtime.settings import port as port_number
from dcos.wire import envfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    check_config: Path | None = setting(
        None, "File of the checks. Default: check-config of dcos-check-runner.yaml in /opt/mesosphere/etc."
    )
    role: NodeRole | None = setting(
        None, "What this node is. Default: the role marker in /etc/mesosphere/roles.", parse=role_of
    )
    ip: str | None = setting(None, "This node's address (else ip_discovery_command, else the default route's).")
    ip_discovery_command: Path | None = setting(
        None, "Program that prints this node's address.", environ="MESOS_IP_DISCOVERY_COMMAND"
    )
    socket: Path | None = setting(
        None, "Socket of the API, where systemd gives none. Default: dcos-checks-api.sock in /run/dcos."
    )
    units_source: str = setting(
        "auto", "Who knows the units: auto, dbus (systemd) or file:<path> (a supervisor's).", parse=source
    )
    max_running: int = setting(8, "So many checks run at the same time; the others wait.")
    timeout: float = setting(4.0, "How long a service has to answer a built-in check.", parse=duration)
    mesos_credential: CredentialFile | None = setting(None, MESOS_CREDENTIAL, parse=read_one, raw=True)
    mesos_master_port: int = setting(registry.port_of("dcos-mesos-master"), "Of this node.", parse=port_number)
    agent_port: int = setting(registry.port_of("dcos-mesos-slave"), "Of this node.", parse=port_number)
    exhibitor_port: int = setting(registry.port_of("dcos-exhibitor"), "Of this node.", parse=port_number)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that the service has, for who calls the programs by hand; what is set already stays."""
    layout = Layout.from_environ(environ)
    found: dict[str, str] = {}
    for path in (layout.opt / "environment", layout.etc / "dcos-checks"):
        if os.access(path, os.R_OK):
            found |= envfile.parse(path.read_text(encoding="utf-8"))
    return {**found, **environ}
