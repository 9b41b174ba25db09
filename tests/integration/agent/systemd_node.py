"""Where the systemd launcher is tested: a machine with systemd and the agent as its service.

A booted node, which has this machine's cgroups; in a virtual machine (``dcos.testing.vm``) that one itself, with cgroup v2.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from abc import ABC, abstractmethod
from pathlib import Path

from dcos.install.local import cgroups, cluster, image, nspawn
from dcos.testing import vm_guest
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[3]
INIT = """#!/bin/sh
for point in /sys/fs/cgroup/*; do mountpoint -q "$point" && mount -o remount,bind,rw "$point"; done
exec /lib/systemd/systemd --unit=basic.target
"""
SERVICE = """[Unit]
Description=Agent under test
[Service]
Type=notify
NotifyAccess=all
Delegate=yes
WorkingDirectory={repository}
ExecStart={python} -m dcos.agent.service --master=127.0.0.1:{master} --ip=127.0.0.1 --port={port} \\
 --work_dir=/var/lib/mesos/slave --launcher=systemd --cgroups_enable_cfs --registration_backoff_factor=50ms \\
 --no-hostname_lookup --network_cni_config_dir=/var/networks --network_cni_plugins_dir=/var/plugins \\
 --isolation=cgroups/cpu,cgroups/mem,disk/du,namespaces/pid,linux/capabilities --resources=cpus:4;mem:4096;disk:1024
StandardOutput=append:/var/agent.log
StandardError=append:/var/agent.log
"""


def program_folders() -> list[Path]:
    """What a machine must see of this one to run what is tested: the checkout, and Python where it is not Debian's own."""
    roots = {REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)} - {Path("/usr")}
    return sorted(roots)


def why_not() -> str:
    """Why there is no such machine; empty if there is one."""
    if vm_guest.is_here():
        return ""
    if obstacle := nspawn.obstacle(cluster.base_folder()):
        return obstacle
    if not image.is_built(cluster.base_folder()):
        return "the node image is not built yet (make up builds it)"
    return ""


def make() -> Node:
    """The one for this machine, not up yet."""
    return Here() if vm_guest.is_here() else Booted(Path(tempfile.mkdtemp(prefix="dcos-agent-node-", dir="/var/tmp")))


class Node(ABC):
    """A machine with systemd; its ``/var`` is seen at ``var``, its ports here."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.port = free_port()

    @abstractmethod
    async def boot(self, master: int) -> None:
        """Bring it up with the agent's unit, whose master listens on that port of loopback; not started yet."""

    @abstractmethod
    def down(self) -> None:
        """Leave nothing behind."""

    def entered(self) -> list[str]:
        """What runs the rest of a command line in it."""
        return []

    def unit(self, master: int) -> str:
        return SERVICE.format(repository=REPOSITORY, python=sys.executable, master=master, port=self.port)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self.entered(), *words], capture_output=True, text=True, timeout=PATIENCE_S)

    @property
    def unified(self) -> bool:
        """Whether it has cgroup v2 alone."""
        return self.run("test", "-e", "/sys/fs/cgroup/cgroup.controllers").returncode == 0

    def numbers(self, group: str, *files: str) -> dict[str, str]:
        """Of a control group below the hierarchies' roots; ``files`` are v1's ``controller/name``, or names of v2."""
        texts = {}
        for file in files:
            controller, _, name = file.rpartition("/")
            texts[name] = self.run("cat", f"/sys/fs/cgroup/{controller}/{group}/{name}").stdout.strip()
        return texts

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        text = self.run("systemctl", "show", unit, "--property=" + ",".join(properties)).stdout
        return dict(line.split("=", 1) for line in text.splitlines())

    def units(self) -> list[str]:
        text = self.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "mesos-*").stdout
        return [line.split()[0] for line in text.splitlines()]

    def alive(self, pid: int) -> bool:
        return self.run("test", "-d", f"/proc/{pid}").returncode == 0

    def log(self) -> str:
        path = self.var / "agent.log"
        return path.read_text() if path.exists() else ""


class Here(Node):
    """This very machine."""

    _UNIT = Path("/run/systemd/system/agent.service")

    def __init__(self) -> None:
        super().__init__(Path("/var"))

    async def boot(self, master: int) -> None:
        self._UNIT.write_text(self.unit(master))
        self.run("systemctl", "daemon-reload")

    def down(self) -> None:
        self.run("systemctl", "stop", "agent")
        self.run("systemctl", "reset-failed", "agent")
        self._UNIT.unlink()
        self.run("systemctl", "daemon-reload")
        for folder in ("lib/mesos", "image", "networks", "plugins"):
            shutil.rmtree(self.var / folder, ignore_errors=True)
        (self.var / "agent.log").unlink(missing_ok=True)


class Booted(Node):
    """A node that shares this machine's network and, below a group of its own, its cgroups."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "var")
        self.folder = folder
        self.groups: list[Path] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.leader = 0

    async def boot(self, master: int) -> None:
        for part in ("upper/etc/systemd/system", "upper/usr/local/sbin", "work", "root", "var"):
            (self.folder / part).mkdir(parents=True)
        upper = self.folder / "upper"
        (upper / "etc/machine-id").write_text(uuid.uuid4().hex + "\n")
        init = upper / "usr/local/sbin/test-init"
        init.write_text(INIT)
        init.chmod(0o755)
        (upper / "etc/systemd/system/agent.service").write_text(self.unit(master))
        lower = image.image_path(cluster.base_folder())
        options = f"lowerdir={lower},upperdir={upper},workdir={self.folder / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", self.folder / "root"], check=True)
        self.groups = cgroups.make_children(f"agent-test-{os.getpid()}")
        joins = "".join(f"echo $$ > {group}/cgroup.procs && " for group in self.groups)
        binds = " ".join(f"--bind-ro={one}" for one in program_folders())
        command = (
            f"systemd-nspawn --quiet --keep-unit --register=no --machine=agent-test-{os.getpid()}"
            f" --directory={self.folder}/root --bind={self.folder}/var:/var {binds}"
            " --system-call-filter='add_key keyctl request_key bpf perf_event_open'"
            # networks of tasks are set up in it
            " --capability=CAP_NET_ADMIN"
            " --resolv-conf=off --timezone=off --link-journal=no --console=read-only --kill-signal=SIGRTMIN+3"
            " /usr/local/sbin/test-init"
        )
        with (self.folder / "console").open("wb") as console:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", f"{joins}exec {command}"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        await self._ready()

    async def _ready(self) -> None:
        assert self.process is not None
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(OSError, ValueError):
                    text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
                    for pid in map(int, text.split()):
                        if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                            self.leader = pid
                if self.leader and self.run("systemctl", "is-active", "dbus.socket").stdout.strip() == "active":
                    return
                assert self.process.poll() is None, (self.folder / "console").read_text()
                await asyncio.sleep(0.1)

    def entered(self) -> list[str]:
        return ["nsenter", f"--target={self.leader}", "--mount", "--pid", "--"]

    def down(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        cgroups.remove(self.groups)
        subprocess.run(["umount", self.folder / "root"], check=False)
        shutil.rmtree(self.folder)
