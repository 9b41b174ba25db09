"""Settings of dcos-ca and dcos-certificates."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dcos import registry
from dcos.runtime.settings import REQUIRED, boolean, integer, port, setting
from dcos.wire import certificates


def addresses(text: str) -> tuple[str, ...]:
    """A JSON list.   Errors: ValueError."""
    try:
        found = msgspec.json.decode(text.encode(), type=tuple[str, ...])
        return tuple(str(ipaddress.ip_address(one)) for one in found)
    except (msgspec.MsgspecError, ValueError):
        raise ValueError('must be a list of addresses, ["10.0.0.1"]') from None


def days(text: str) -> int:
    value = integer(text)
    if not 1 <= value <= 825:
        raise ValueError("must be a number of days, 1 to 825")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Of dcos-ca."""

    key_file: Path = setting(REQUIRED, "File with the private key that signs (PEM, mode 0600).")
    chain_file: Path = setting(
        REQUIRED, "File with the certificate of that key and, where it is no root, those above it up to the root (PEM)."
    )
    enrolment_file: Path = setting(
        REQUIRED, 'File with the keys by which nodes prove their role: {"master": ..., "agent": ...} (mode 0600).'
    )
    master_list: tuple[str, ...] = setting(REQUIRED, "Addresses of the masters, a JSON list.", parse=addresses)
    revoked: tuple[str, ...] = setting((), "Addresses of nodes that get none any more, a JSON list.", parse=addresses)
    days: int = setting(certificates.LEAF_DAYS, "How many days certificates hold.", parse=days)
    socket: Path | None = setting(None, "Socket to listen on. Default: dcos-ca/ca.sock in the folder for sockets.")
    socket_group: str = setting("dcos_adminrouter", "Group that may connect to it beside root.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Of dcos-certificates."""

    enrolment_file: Path = setting(REQUIRED, "File with the key by which this node proves its role (mode 0600).")
    ca_bundle: Path = setting(
        REQUIRED, "File with the roots that this cluster trusts (PEM), the first of whom signs now."
    )
    master_list: tuple[str, ...] = setting(REQUIRED, "Addresses of the masters, a JSON list.", parse=addresses)
    https_port: int = setting(
        registry.port_of("dcos-adminrouter", "https"), "Port of the masters' Admin Routers for HTTPS.", parse=port
    )
    socket: Path | None = setting(None, "Socket of this master's own authority. Default: where dcos-ca listens.")
    ip: str | None = setting(None, "The node's own address. Default: what detect_ip says.")
    ip_discovery_command: Path | None = setting(
        None, "Program that prints the node's address. Default: detect_ip.", environ="MESOS_IP_DISCOVERY_COMMAND"
    )
    renew: bool = setting(False, "Make all certificates anew, also those that still serve.", parse=boolean)
