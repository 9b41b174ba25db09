"""Settings of dcos-log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dcos import registry
from dcos.registry import NodeRole
from dcos.runtime.credentials import MESOS_CREDENTIAL, CredentialFile, read_one
from dcos.runtime.settings import REQUIRED, duration, one_of, setting
from dcos.runtime.settings import port as port_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    role: str = setting(
        REQUIRED,
        "What this node is: master, or agent: then tasks' files are served too.",
        parse=one_of("master", "agent"),
    )
    ip: str | None = setting(None, "This node's address (else ip_discovery_command, else the default route's).")
    ip_discovery_command: Path | None = setting(
        None, "Program that prints this node's address.", environ="MESOS_IP_DISCOVERY_COMMAND"
    )
    socket: Path | None = setting(
        None, "Socket to listen at, where systemd gives none. Default: dcos-log.sock in /run/dcos."
    )
    admin_router: str = setting(
        "http://127.0.0.1", "An Admin Router of the masters: there Mesos is asked which agent has a task."
    )
    agent_port: int = setting(registry.port_of("dcos-mesos-slave"), "Port of this node's agent.", parse=port_number)
    mesos_credential: CredentialFile | None = setting(None, MESOS_CREDENTIAL, parse=read_one, raw=True)
    need_authorization: bool = setting(True, "Whether who asks for a task's files must show a token.")
    journal: Path | None = setting(None, "Folder of the journal. Default: this machine's.")
    read_timeout: float = setting(10.0, "How long Mesos has to answer.", parse=duration)
    follow_interval: float = setting(1.0, "How often a followed file is looked at that does not grow.", parse=duration)
    max_answers: int = setting(200, "So many may be read to at the same time; 503 says that there are more.")


def is_agent(role: str) -> bool:
    return role != NodeRole.MASTER
