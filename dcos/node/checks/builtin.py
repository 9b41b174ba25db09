"""What the built-in checks look at. Each answers in one line.

``dcos-checks NAME [WORD ...]`` runs one: its line on stdout, its status as the exit code.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import stat
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from dcos.model.checks import CRITICAL, OK, UNKNOWN, WARNING
from dcos.model.layout import Layout
from dcos.node.checks.config import Config
from dcos.node.local import LocalHealth, Self
from dcos.node.sources import SourceError, UnitSource
from dcos.registry import NodeRole, port_of, services_on
from dcos.runtime import http, process, tls
from dcos.runtime.clock import Clock
from dcos.runtime.net import AddressError, detect_ip

Finding = tuple[int, str]
"""(status, what was seen)."""

POSTSTART = "dcos-checks-poststart.service"
NAMES = ("ready.spartan", "leader.mesos")
_SERVING = 3
"""Exhibitor's code of a ZooKeeper that serves."""
_MB = 1 << 20
_LITTLE_MB, _FEW_MB = 10 * 1024, 512
"""Free space: below the first and a twentieth of the whole is a warning, below the second critical."""
_CERTIFICATE_WORRY = 1 / 9
"""Part of a certificate's life that is left; dcos-certificates renews at a third."""
_SPEAK_TLS = (
    ("dcos-mesos-master", "http"),
    ("dcos-exhibitor", "http"),
    ("dcos-adminrouter", "https"),
    ("dcos-mesos-slave", "http"),
    ("dcos-mesos-slave-public", "http"),
    ("dcos-adminrouter-agent", "https"),
)
"""(service, port) that are looked at from the node's own address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What checks look at: this node and the ways to ask its services."""

    config: Config
    layout: Layout
    role: NodeRole
    units: UnitSource
    headers: Mapping[str, str]
    """Who we are to Mesos."""
    path: str
    """Where programs are looked for."""
    clock: Clock

    async def ip(self) -> str:
        """As it is now: a script tells it.   Errors: AddressError."""
        return await asyncio.to_thread(detect_ip, self.config.ip, self.config.ip_discovery_command)

    @property
    def is_machine(self) -> bool:
        """False: a node of a local cluster of plain processes, which shares its machine with others."""
        return self.layout.root == Path("/")


_SHARED = OK, "not looked at: this node is a folder on a machine that it shares"


async def components(here: Here) -> Finding:
    about = Self(
        role=here.role,
        ip="",
        wants=here.layout.systemd / "dcos.target.wants",
        agent_work=here.layout.mesos_work,
        journal_lines=0,
    )
    try:
        units = await LocalHealth(about, here.units).units()
    except SourceError as error:
        return UNKNOWN, str(error)
    # its own state is what this check makes it
    bad = [f"{unit.id}: {unit.output}" for unit in units if unit.health and unit.id != POSTSTART]
    return (CRITICAL, " ".join(bad)) if bad else (OK, f"{len(units)} units are healthy")


async def executable(here: Here, name: str) -> Finding:
    path = shutil.which(name, path=here.path)
    return (OK, f"{name} is {path}") if path else (CRITICAL, f"{name} is nowhere in {here.path}")


async def docker(here: Here) -> Finding:
    """Docker is optional; where it is installed, it should run or rest."""
    if not here.is_machine:
        return _SHARED
    try:
        state = (await here.units.states(["docker.service"]))["docker.service"]
    except SourceError as error:
        return UNKNOWN, str(error)
    if state.load_state != "loaded":
        return OK, "there is no Docker Engine: docker tasks are refused"
    if state.active_state == "failed":
        return WARNING, "docker.service has failed: docker tasks are refused"
    return OK, f"docker.service is {state.active_state}"


async def ip(here: Here) -> Finding:
    if here.config.ip:
        return OK, f"the address is set: {here.config.ip}"
    try:
        found = await here.ip()
    except AddressError as error:
        return CRITICAL, str(error)
    try:
        with socket.socket(socket.AF_INET6 if ":" in found else socket.AF_INET) as probe:
            probe.bind((found, 0))  # and listens to nobody
    except OSError as error:
        return CRITICAL, f"{found} is no address of this node: {error}"
    return OK, f"the address is {found}"


async def mesos_metric(here: Here, who: str, name: str) -> Finding:
    """``name`` is 1 among the metrics of this node's master or agent."""
    number = here.config.mesos_master_port if who == "master" else here.config.agent_port
    try:
        told = await _ask(here, number, "/metrics/snapshot", here.headers)
        value = float(told[name])
    except (_AwayError, LookupError, TypeError, ValueError) as error:
        return CRITICAL, f"the Mesos {who} does not tell {name}: {error}"
    return (OK if value == 1 else CRITICAL), f"{name} is {value:g}"


async def zookeeper(here: Here) -> Finding:
    try:
        told = await _ask(here, here.config.exhibitor_port, "/exhibitor/v1/cluster/state", {})
        state, words = int(told["state"]), str(told["description"])
    except (_AwayError, LookupError, TypeError, ValueError) as error:
        return CRITICAL, f"Exhibitor does not tell: {error}"
    return (OK if state == _SERVING else CRITICAL), f"ZooKeeper is {words}"


async def names(here: Here) -> Finding:
    if not here.is_machine:
        return _SHARED
    loop, bad = asyncio.get_running_loop(), []
    for name in NAMES:
        try:
            async with asyncio.timeout(here.config.timeout):
                await loop.getaddrinfo(name, None)
        except (OSError, TimeoutError) as error:
            bad.append(f"{name}: {error or 'no answer'}")
    return (CRITICAL, "; ".join(bad)) if bad else (OK, f"{' and '.join(NAMES)} have addresses")


async def journald(here: Here) -> Finding:
    if not here.is_machine:
        return _SHARED
    for folder in (Path("/var/log/journal"), Path("/run/log/journal")):
        if folder.is_dir():
            seen = folder.stat()
            shown = f"{folder} is {stat.filemode(seen.st_mode)} of {folder.owner()}:{folder.group()}"
            readable = (
                seen.st_mode & 0o050 == 0o050 and folder.group() == "systemd-journal"
            ) or seen.st_mode & 0o005 == 5
            return (OK, shown) if readable else (CRITICAL, f"{shown}: group systemd-journal may not read it")
    return CRITICAL, "there is no journal"


async def disk(here: Here) -> Finding:
    status, seen = OK, []
    layout = here.layout
    folders = (layout.opt, layout.state, layout.run, layout.log, layout.mesos_work)
    filesystems = {folder.stat().st_dev: folder for folder in folders if folder.is_dir()}
    for folder in filesystems.values():
        there = os.statvfs(folder)
        free, whole = there.f_bavail * there.f_frsize // _MB, there.f_blocks * there.f_frsize // _MB
        few_files = there.f_files and there.f_favail * 100 < there.f_files
        seen.append(f"{folder}: {free} of {whole} MB free{', hardly a file more' if few_files else ''}")
        if few_files or free < min(_FEW_MB, whole // 10):
            status = max(status, CRITICAL)
        elif free < _LITTLE_MB and free * 20 < whole:
            status = max(status, WARNING)
    return status, "; ".join(seen)


async def certificates(here: Here) -> Finding:
    """As a client of the cluster sees them: by its authorities, for this node's address, and not about to end."""
    identity = tls.own()
    if identity is None:
        return OK, "services of this cluster speak without TLS"
    try:
        address = await here.ip()
    except AddressError as error:
        return UNKNOWN, str(error)
    status, seen = OK, []
    rows = {row.name for row in services_on(here.role)}
    for name, port in _SPEAK_TLS:
        if name not in rows:
            continue
        try:
            found = await _shown(identity.client, address, _port(here, name, port), here.config.timeout)
        except ssl.SSLError as error:
            status = CRITICAL
            seen.append(f"{name}: {error}")
            continue
        except (OSError, TimeoutError):
            continue  # that it does not run is what components tells
        start, end = (ssl.cert_time_to_seconds(found[key]) for key in ("notBefore", "notAfter"))
        left = end - here.clock.now()
        if left < (end - start) * _CERTIFICATE_WORRY:
            status = max(status, WARNING)
        seen.append(f"{name}: {left / 3600:.0f} hours left")
    return status, "; ".join(seen) or "no service shows one"


async def clock(here: Here) -> Finding:
    if not here.is_machine:
        return _SHARED
    if Path("/run/systemd/container").exists():
        return OK, "a container has the clock of its host"
    argv = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        answer = await process.run(argv, timeout_s=here.config.timeout, check=True)
    except (process.ProcessError, TimeoutError) as error:
        return UNKNOWN, f"timedatectl: {error or 'no answer'}"
    if answer.stdout.strip() == b"yes":
        return OK, "the clock is synchronised"
    return CRITICAL, "the clock is not synchronised: run chrony or systemd-timesyncd"


CHECKS: Mapping[str, Callable[..., Awaitable[Finding]]] = {
    "components": components,
    "executable": executable,
    "docker": docker,
    "ip": ip,
    "mesos-metric": mesos_metric,
    "journald": journald,
    "zookeeper": zookeeper,
    "names": names,
    "disk": disk,
    "certificates": certificates,
    "clock": clock,
}
"""By the first word of ``dcos-checks``."""


async def look(here: Here, words: Sequence[str]) -> Finding:
    """Run one.   Errors: LookupError, TypeError: there is no such check, or it takes other words."""
    return await CHECKS[words[0]](here, *words[1:])


class _AwayError(Exception):
    """A service did not answer, or not well."""


async def _ask(here: Here, number: int, path: str, headers: Mapping[str, str]) -> Any:
    """Decoded JSON of a service of this node.   Errors: _AwayError."""
    try:
        address = await here.ip()
        url = f"{tls.scheme()}://{f'[{address}]' if ':' in address else address}:{number}{path}"
        async with (
            http.session(timeout_s=here.config.timeout) as session,
            session.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise _AwayError(f"{url}: status {answer.status}")
            return msgspec.json.decode(await answer.read())
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError, AddressError) as error:
        raise _AwayError(f"{error or type(error).__name__}") from error


def _port(here: Here, name: str, port: str) -> int:
    config = here.config
    if name.startswith("dcos-mesos-slave"):
        return config.agent_port
    changed = {"dcos-mesos-master": config.mesos_master_port, "dcos-exhibitor": config.exhibitor_port}
    return changed.get(name) or port_of(name, port)


async def _shown(context: ssl.SSLContext, host: str, number: int, timeout_s: float) -> Mapping[str, Any]:
    """The certificate that a server shows, once it was verified.   Errors: ssl.SSLError, OSError, TimeoutError."""
    async with asyncio.timeout(timeout_s):
        _, writer = await asyncio.open_connection(host, number, ssl=context, server_hostname=host)
    try:
        found: Mapping[str, Any] = writer.get_extra_info("peercert")
        return found
    finally:
        writer.transport.abort()
