"""What this machine gives to nodes that are its loopback addresses: a free network, virtual IPs or why not, programs."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence

from dcos import registry
from dcos.install.command import CommandFailed, run
from dcos.install.local.driver import NodeTrouble
from dcos.install.local.spec import LOOPBACKS
from dcos.install.prereqs import PREREQUISITES, Prerequisite
from dcos.net.core import ruleset, vips


def no_virtual_ips(prefix: str) -> str:
    """Why virtual IPs must be left out; empty when this kernel takes a table and a route of ours, tried and removed again."""
    if os.geteuid() != 0:
        return "only root may write nftables"
    missing = [tool for tool in ("nft", "ip") if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    number = prefix.rsplit(".", 1)[1]
    table = f"dcos_probe_{number}"
    trial = {vips.Service("tcp", f"11.{number}.0.1", 80): (vips.Target(f"{prefix}.21", 80),)}
    made = ruleset.difference(trial, ruleset.Table(), 4)
    commands = ruleset.commands(made, ruleset.Table(), 4, table)
    route = [f"11.{number}.0.0/16", "dev", "lo", "proto", number]
    try:
        run(["nft", "-f", "-"], input_text=commands, timeout_s=30)
        run(["nft", "-f", "-"], input_text=ruleset.removal(4, table), timeout_s=30)
        run(["ip", "route", "add", *route, "src", f"{prefix}.1"], timeout_s=30)
        run(["ip", "route", "del", *route], timeout_s=30)
    except CommandFailed as trouble:
        said = trouble.output.strip().splitlines()
        return f"{trouble.argv[0]} is refused: {said[0] if said else trouble}"
    return ""


def free_prefix(taken: set[str], candidates: Sequence[str] = LOOPBACKS) -> str:
    """The first loopback network that no known cluster has and where nobody, of another user say, serves what ours would."""
    ports = [registry.port_of(*one) for one in (("dcos-mesos-master", "http"), ("dcos-marathon", "http"))]
    for prefix in candidates:
        if prefix not in taken and all(_is_free(f"{prefix}.11", port) for port in ports):
            return prefix
    numbers = " and ".join(map(str, ports))
    raise NodeTrouble(
        f"no loopback network is free for a cluster: others have them, or something listens on ports {numbers} of every "
        f"address (tried {', '.join(candidates)})"
    )


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def missing_programs() -> tuple[Prerequisite, ...]:
    """What plain processes need of this machine and do not find."""
    return tuple(row for row in PREREQUISITES if row.plain and not row.is_here())


def wanted_programs() -> tuple[Prerequisite, ...]:
    """What set-up should install: for root nft too, though without it only virtual IPs are left out."""
    nft = tuple(row for row in PREREQUISITES if row.command == "nft" and os.geteuid() == 0 and not row.is_here())
    return (*missing_programs(), *nft)
