"""Containers with networks of their own: the start waits in a new network namespace until plugins have attached it.

The launch script of such a container makes the namespaces (network, host name, mounts) and waits at a pipe, ``gate``. The
agent calls the plugins for the process that waits, writes ``hosts``, ``hostname`` and ``resolv.conf``, and opens the gate. A
container that was never let through when the agent died has not begun: recovery destroys it.

Tasks of a group share one network, which belongs to a process that does nothing but sleep.

Source: Mesos network/cni isolator.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dcos.agent import netns
from dcos.agent.containerizer import processes
from dcos.agent.containerizer.base import ContainerError, Launcher, LaunchError, Running
from dcos.agent.containerizer.box import Box
from dcos.agent.containerizer.cni import Attachment, NetworkError, Plugins, named
from dcos.agent.containerizer.default_dns import DefaultDns, Dns
from dcos.agent.containerizer.script import tool
from dcos.model.v1.types import NetworkInfo
from dcos.runtime.files import write_atomic

FILES = ("hosts", "hostname", "resolv.conf")
_SHIM = Path(__file__).parent / "shim" / "networked.sh"
_GATE, _RECORD, _FOLDER, _SHARED = "gate", "networks.json", "network", "network-of"
_READY_S = 30.0


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """``networks.json`` of a box."""

    hostname: str
    wanted: tuple[NetworkInfo, ...] = ()
    attached: tuple[Attachment, ...] = ()
    open: bool = False
    """The container was let through."""


class Networks:
    """``dns``: of networks whose plugin tells none; where that knows none either, it is the machine's ``resolver``."""

    def __init__(
        self, plugins: Plugins, resolver: Path = Path("/etc/resolv.conf"), dns: DefaultDns | None = None
    ) -> None:
        self._dns = dns or DefaultDns()
        self._plugins = plugins
        self._resolver = resolver

    # ---- start -------------------------------------------------------------------------------------------------------

    def begin(self, box: Box, infos: Sequence[NetworkInfo], hostname: str | None) -> bool:
        """Note what ``box`` shall join; False for the machine's own network.   Errors: NetworkError."""
        wanted = named(infos)
        if not wanted:
            return False
        for one in wanted:
            self._plugins.config(one.name or "")
        save(box, Record(hostname=hostname or box.container_id, wanted=wanted))
        folder = box.directory / _FOLDER
        folder.mkdir(mode=0o755, exist_ok=True)
        for name in FILES:
            (folder / name).touch(0o644)
        return True

    @staticmethod
    def gate(box: Box) -> None:
        """Make the launch script of ``box``, which has begun, wait in namespaces of its own."""
        gate = box.directory / _GATE
        gate.unlink(missing_ok=True)
        os.mkfifo(gate, 0o600)
        words = [tool("unshare"), "--net", "--uts", "--mount", "--propagation", "slave"]
        _wrap(box, [*words, "/bin/sh", str(_SHIM), str(gate), str(box.directory / _FOLDER)])

    async def attach(self, box: Box, pid: int) -> tuple[NetworkInfo, ...]:
        """Of a container that was started and waits: its networks, then it is let through.   Errors: LaunchError."""
        record = read(box)
        if record is None or record.open:
            return ()
        await self._ready(box, pid)
        try:
            for index, info in enumerate(record.wanted):
                attachment = await self._plugins.attach(box.container_id, f"/proc/{pid}/ns/net", info, index)
                record = msgspec.structs.replace(record, attached=(*record.attached, attachment))
                save(box, record)
        except NetworkError as error:
            raise LaunchError(str(error)) from error
        self._write_files(box, record)
        await _open(box.directory / _GATE)
        save(box, msgspec.structs.replace(record, open=True))
        return status(box)

    async def _ready(self, box: Box, pid: int) -> None:
        """Until the process is in a network of its own."""
        deadline = asyncio.get_running_loop().time() + _READY_S
        while not netns.is_elsewhere(pid):
            if not processes.alive(pid):
                raise LaunchError(f"container {box.container_id}: it ended before it had a network")
            if asyncio.get_running_loop().time() > deadline:
                raise LaunchError(f"container {box.container_id}: no network namespace within {_READY_S:g} s")
            await asyncio.sleep(0.002)

    def _write_files(self, box: Box, record: Record) -> None:
        folder = box.directory / _FOLDER
        first = next((one for each in record.attached for one in each.result.addresses), None)
        hosts = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
        if first is not None:
            hosts.append(f"{first} {record.hostname}")
        write_plain(folder / "hosts", "\n".join(hosts) + "\n")
        write_plain(folder / "hostname", f"{record.hostname}\n")
        given = (self._dns.of_network(one.name) for one in record.wanted if one.name is not None)
        default = next((one for one in given if one), "")
        write_plain(folder / "resolv.conf", resolver_text(record.attached) or default or self._machines_resolver())

    def _machines_resolver(self) -> str:
        try:
            return self._resolver.read_text()
        except OSError:
            return ""

    # ---- networks that a group shares --------------------------------------------------------------------------------

    async def hold(
        self, box: Box, launcher: Launcher, infos: Sequence[NetworkInfo], hostname: str | None, waits: str
    ) -> int:
        """The process of ``box`` that holds a group's network (if it has any), started if there is none.

        ``waits``: the script of a process that waits for ever.   Errors: LaunchError.
        """
        found = await launcher.find(box) if box.directory.exists() else None
        if isinstance(found, Running) and not is_waiting(box):
            return found.pid
        box.save()
        try:
            networked = self.begin(box, infos, hostname)
            write_atomic(box.launch, waits, mode=0o700)
            if networked:
                self.gate(box)
            pid = await launcher.start(box)
            if box.pid is None:
                box.save_pid(pid)
            await self.attach(box, pid)
        except BaseException:
            await self.let_go(box, launcher)
            raise
        return pid

    async def let_go(self, box: Box, launcher: Launcher) -> None:
        """End what ``hold`` began.   Errors: ContainerError."""
        await launcher.kill(box)
        await self.detach(box)
        await launcher.forget(box)
        await asyncio.to_thread(box.remove)

    @staticmethod
    def join(box: Box, holder: Box) -> None:
        """Note that ``box`` has the network that ``holder`` has."""
        write_atomic(box.directory / _SHARED, str(_home(holder)), mode=0o600)

    @staticmethod
    def enter(box: Box, pid: int) -> None:
        """Make the launch script of ``box``, which has joined, run in the network, host name and /etc of ``pid``."""
        words = [tool("nsenter"), f"--net=/proc/{pid}/ns/net", f"--uts=/proc/{pid}/ns/uts", "--"]
        words += [tool("unshare"), "--mount", "--propagation", "slave"]
        _wrap(box, [*words, "/bin/sh", str(_SHIM), "", str(_home(box) / _FOLDER)])

    # ---- end ---------------------------------------------------------------------------------------------------------

    async def detach(self, box: Box) -> None:
        """Give addresses back. Safe to repeat.   Errors: NetworkError, after all were tried."""
        record = read(box)
        problems = []
        for one in record.attached if record is not None else ():
            try:
                # the network went with its last process
                await self._plugins.detach(box.container_id, "", one)
            except NetworkError as error:
                problems.append(str(error))
        if problems:
            raise NetworkError("; ".join(problems))


def _wrap(box: Box, words: list[str]) -> None:
    """``words`` and a script: that is what was to be launched."""
    inner = box.directory / "networked"
    write_atomic(inner, box.launch.read_text(), mode=0o700)
    write_atomic(box.launch, f"#!/bin/sh\nexec {shlex.join([*words, str(inner)])}\n", mode=0o700)


def resolver_text(attached: Sequence[Attachment]) -> str:
    """``resolv.conf`` as the first network that tells name servers wants it; empty if none does."""
    result = next((one.result for one in attached if one.result.nameservers), None)
    if result is None:
        return ""
    found = Dns(
        nameservers=tuple(result.nameservers),
        domain=result.domain,
        search=tuple(result.search),
        options=tuple(result.options),
    )
    return found.text


def files_of(box: Box) -> dict[str, Path]:
    """The container's own files of /etc by name; none with the machine's network."""
    folder = _home(box) / _FOLDER
    return {f"/etc/{name}": folder / name for name in FILES} if folder.is_dir() else {}


def _home(box: Box) -> Path:
    """Folder of the box whose network it is."""
    try:
        return Path((box.directory / _SHARED).read_text())
    except OSError:
        return box.directory


def status(box: Box) -> tuple[NetworkInfo, ...]:
    """Its networks as status updates show them; none for the machine's."""
    home = _home(box)
    record = read(Box(home.parent, home.name))
    return () if record is None else tuple(one.status() for one in record.attached)


def is_waiting(box: Box) -> bool:
    """Whether the container has networks to come still."""
    record = read(box)
    return record is not None and not record.open


def read(box: Box) -> Record | None:
    try:
        return msgspec.json.decode((box.directory / _RECORD).read_bytes(), type=Record)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ContainerError(f"container {box.container_id}: its networks cannot be read: {error}") from error


def save(box: Box, record: Record) -> None:
    write_atomic(box.directory / _RECORD, msgspec.json.encode(record), mode=0o600)


def write_plain(path: Path, text: str) -> None:
    """In place, for it may be mounted already; readable by everybody."""
    path.write_text(text)
    path.chmod(0o644)


async def _open(gate: Path) -> None:
    """Once the container reads from it.   Errors: LaunchError."""
    deadline = asyncio.get_running_loop().time() + _READY_S
    while True:
        try:
            handle = os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or asyncio.get_running_loop().time() > deadline:
                raise LaunchError(f"the container does not wait for its network: {error}") from error
            await asyncio.sleep(0.002)
            continue
        try:
            os.write(handle, b"\n")
        finally:
            os.close(handle)
        return
