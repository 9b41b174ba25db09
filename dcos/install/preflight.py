"""Checks before an installation: all failures at once, each with what to do about it.

Source: DC/OS ``gen/build_deploy/bash.py`` preflight, without what has no meaning here (ipset, IPVS, XFS, raid modules).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dcos.install.prereqs import PREREQUISITES, find_command
from dcos.registry import NodeRole, Port, services_on

SYSTEMD_OLDEST = 247  # delegated units with cgroup v2, credentials of PrivateDevices in containers
SPACE_MB = 1024
DOCKER_OLDEST = (19, 3)


@dataclass(frozen=True, slots=True)
class Finding:
    """``fatal`` ones stop the installation; others are shown."""

    problem: str
    remedy: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{'FAIL' if self.fatal else 'WARN'}: {self.problem}\n      {self.remedy}"


@dataclass(frozen=True, slots=True)
class Machine:
    """What the checks look at; tests hand in another one."""

    root: Path = Path("/")
    is_root: bool = True
    which: Callable[[str], str | None] = find_command
    output: Callable[[list[str]], str | None] = lambda argv: _output(argv)
    port_is_free: Callable[[str, int, str], bool] = lambda address, number, protocol: _port_is_free(
        address, number, protocol
    )
    free_mb: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free // 2**20


def this_machine() -> Machine:
    return Machine(is_root=os.geteuid() == 0)


def _output(argv: list[str]) -> str | None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _port_is_free(address: str, number: int, protocol: str) -> bool:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if protocol == "tcp":
            # As the services bind: connections that just ended do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, number))
        except OSError as trouble:
            return trouble.errno not in (98, 13)
    return True


def check(role: NodeRole, arguments: dict[str, str], machine: Machine) -> list[Finding]:
    """Everything that speaks against installing here, worst first."""
    found = [
        *_rights(machine),
        *_earlier(machine),
        *_systemd(machine),
        *_packages(role, machine),
        *_ports(role, machine),
        *_space(machine),
        *_selinux(machine),
        *_docker(role, machine),
        *_clock(arguments, machine),
    ]
    return sorted(found, key=lambda finding: not finding.fatal)


def _rights(machine: Machine) -> Iterator[Finding]:
    if not machine.is_root:
        yield Finding("this is not root", "run the installer as root: sudo bash dcos_install.sh ROLE")


def _earlier(machine: Machine) -> Iterator[Finding]:
    systemd = machine.root / "etc/systemd/system"
    for path in (systemd / "dcos.target", systemd / "dcos.target.wants"):
        if path.exists():
            yield Finding(f"{path} is left from an earlier installation", f"remove it: rm -r {path}")
    opt = machine.root / "opt/mesosphere"
    # The installer's own staging folder lies there, so that moving in is a rename.
    if opt.is_dir() and any(not path.name.startswith(".staging.") for path in opt.iterdir()):
        yield Finding(f"{opt} is not empty: an earlier installation", f"remove what is in it: rm -r {opt}")


def _systemd(machine: Machine) -> Iterator[Finding]:
    text = machine.output(["systemctl", "--version"])
    match = re.match(r"systemd (\d+)", text or "")
    if match is None:
        yield Finding("systemd does not answer", "install systemd and boot with it as PID 1")
        return
    if int(match.group(1)) < SYSTEMD_OLDEST:
        yield Finding(f"systemd is {match.group(1)}", f"upgrade to {SYSTEMD_OLDEST} or newer")
    if not (machine.root / "run/systemd/system").is_dir():
        yield Finding("this machine was not booted with systemd", "boot with systemd as PID 1")


def _packages(role: NodeRole, machine: Machine) -> Iterator[Finding]:
    missing = []
    for row in PREREQUISITES:
        if role.value not in row.roles:
            continue
        if not row.is_here(machine.root, machine.which):
            missing.append(row)
            proof = f"command {row.command}" if row.command else f"file {row.file}"
            yield Finding(f"no {proof} ({row.why})", f"apt-get install {row.package}")
    if len(missing) > 1:
        names = " ".join(row.package for row in missing)
        yield Finding(
            f"{len(missing)} packages are missing",
            f"all at once: dcos_install.sh --install-prereqs {role}, or apt-get install {names}",
        )


def addresses(port: Port) -> tuple[str, ...]:
    """Addresses to try for a port: services on their own cluster-only addresses clash with nobody."""
    match port.bind:
        case "any" | "node":
            return ("0.0.0.0",)
        case "loopback":
            return ("127.0.0.1",)
        case _:
            return ()


def _ports(role: NodeRole, machine: Machine) -> Iterator[Finding]:
    for row in services_on(role):
        for port in row.ports:
            for protocol in port.protocols:
                for address in addresses(port):
                    if not machine.port_is_free(address, port.number, protocol):
                        yield Finding(
                            f"{protocol} port {port.number} is in use; {row.name} needs it",
                            f"stop what listens there: ss -lnp 'sport = :{port.number}' names it",
                        )


def _space(machine: Machine) -> Iterator[Finding]:
    for folder in ("opt", "var/lib"):
        path = machine.root / folder
        while not path.exists():
            path = path.parent
        free = machine.free_mb(path)
        if free < SPACE_MB:
            yield Finding(f"{path} has {free} MB free", f"make room: at least {SPACE_MB} MB")


def _selinux(machine: Machine) -> Iterator[Finding]:
    if machine.which("getenforce") and (machine.output(["getenforce"]) or "").strip() == "Enforcing":
        policy = re.search(r"^SELINUXTYPE=(\w+)", _text(machine.root / "etc/selinux/config"), re.MULTILINE)
        if policy is None or policy.group(1) != "targeted":
            yield Finding(
                "SELinux enforces another policy than targeted",
                "set SELINUXTYPE=targeted in /etc/selinux/config, or SELINUX=permissive",
            )


def _docker(role: NodeRole, machine: Machine) -> Iterator[Finding]:
    """Docker is needed only by tasks that ask for the docker containerizer; images run without it."""
    if role is NodeRole.MASTER or machine.which("docker") is None:
        return
    text = machine.output(["docker", "version", "--format", "{{.Server.Version}}"])
    match = re.match(r"(\d+)\.(\d+)", text or "")
    if match is None:
        yield Finding(
            "docker is installed and its daemon does not answer",
            "start it, or expect no docker containerizer",
            fatal=False,
        )
    elif (int(match.group(1)), int(match.group(2))) < DOCKER_OLDEST:
        yield Finding(
            f"docker is {match.group(0)}", f"upgrade to {'.'.join(map(str, DOCKER_OLDEST))} or newer", fatal=False
        )


def _clock(arguments: dict[str, str], machine: Machine) -> Iterator[Finding]:
    if arguments.get("check_time") != "true" or not machine.which("timedatectl"):
        return
    virtual = (machine.output(["systemd-detect-virt", "--container"]) or "").strip()
    if virtual and virtual != "none":
        return  # a container has its host's clock and cannot tell who keeps it
    answer = machine.output(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
    if answer is not None and answer.strip() == "no":
        yield Finding(
            "the clock is not synchronised", "run chrony or systemd-timesyncd, or set check_time: false", fatal=False
        )


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
