"""A Docker Engine of the tests' own: private socket, data, bridge and network namespace; gone afterwards."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from dcos.model.v1.types import ContainerInfo, ContainerInfoDockerInfo, ContainerInfoType, Volume
from dcos.testing.patience import PATIENCE_S

IMAGE = "dcos-test:1"
DRIVER = os.environ.get("DCOS_TEST_DOCKER_CGROUP_DRIVER", "cgroupfs")
"""Who makes control groups for the Engine: it does (``cgroupfs``), or ``systemd`` where that runs."""
TOOLS = ("sh", "cat", "ls", "sleep", "env", "id", "mkdir", "touch", "hostname", "head", "kill", "python3")


def obstacle() -> str:
    """Why no Engine can be had here; empty if one can."""
    if os.geteuid() != 0:
        return "only root can run a Docker Engine"
    missing = [name for name in ("dockerd", "containerd", "docker", "nsenter") if shutil.which(name) is None]
    if missing:
        return f"missing programs: {', '.join(missing)} (package docker.io)"
    probe = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True)
    return "" if probe.returncode == 0 else "network namespaces cannot be made here"


def container(
    image: str = IMAGE, *, volumes: tuple[Volume, ...] = (), hostname: str | None = None, **docker: Any
) -> Any:
    networks = docker.pop("network_infos", ())
    return ContainerInfo(
        type=ContainerInfoType.DOCKER,
        docker=ContainerInfoDockerInfo(image=image, **docker),
        volumes=volumes,
        hostname=hostname,
        network_infos=networks,
    )


class NoEngine(Exception):
    """The daemon will not run on this machine."""


class DockerEngine:
    """``pid`` is of a process that holds the namespaces; its network is the containers' "host"."""

    def __init__(self) -> None:
        # a short path: the daemon's sockets lie below it
        self.folder = Path(tempfile.mkdtemp(prefix="dcos-dk-", dir="/var/tmp"))
        self.socket = self.folder / "docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        # plugins of volumes are looked for in one place, which is this Engine's own too
        script = (
            "ip link set lo up; mount --make-rprivate /; mkdir -p /run/docker"
            "; mount -t tmpfs plugins /run/docker; mkdir /run/docker/plugins; echo ready; exec sleep infinity"
        )
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        self._holder.stdout.close()

    @property
    def plugins(self) -> Path:
        """Where plugins' sockets belong, seen from outside."""
        return Path(f"/proc/{self.pid}/root/run/docker/plugins")

    @property
    def pid(self) -> int:
        return self._holder.pid

    def start(self) -> None:
        words = [
            *("dockerd", f"--host=unix://{self.socket}", f"--data-root={self.folder}/data"),
            *(
                f"--exec-root={self.folder}/exec",
                f"--pidfile={self.folder}/pid",
                f"--exec-opt=native.cgroupdriver={DRIVER}",
                *([f"--cgroup-parent=/{self.folder.name}"] if DRIVER == "cgroupfs" else []),
            ),
            *("--bip=172.29.77.1/24", "--log-level=warn", "--live-restore"),
        ]
        if self.inside("sh", "-c", "iptables -t nat -N probe && iptables -t nat -X probe").returncode == 0:
            words.append("--userland-proxy=false")
        else:
            # this kernel has no tables for IPv4: mapped ports are carried by docker-proxy
            words.append("--iptables=false")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["nsenter", f"--target={self.pid}", "--net", "--mount", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 2 * PATIENCE_S
        while self.docker("version", check=False).returncode != 0:
            if self._process.poll() is not None:
                raise NoEngine(f"dockerd ended at its start: {self.log().strip().splitlines()[-1:]}")
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def docker(self, *words: str, check: bool = True, input: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        env = {**os.environ, "DOCKER_CONFIG": str(self.folder / "client")}
        return subprocess.run(
            ["docker", f"--host=unix://{self.socket}", *words], check=check, capture_output=True, input=input, env=env
        )

    def inside(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in the Engine's network namespace."""
        return subprocess.run(
            ["nsenter", f"--target={self.pid}", "--net", "--", *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def names(self) -> list[str]:
        return self.docker("ps", "--all", "--format={{.Names}}").stdout.decode().split()

    def load(self) -> None:
        """The small image that all tests use."""
        self.docker("import", "--change=ENV FROM_IMAGE=1", "-", IMAGE, input=root_files())

    def stop(self, *, hard: bool = False) -> None:
        """The daemon alone; containers live on."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
            self._process.wait(PATIENCE_S)

    def remove(self) -> None:
        """Containers, daemon, files."""
        with contextlib.suppress(subprocess.CalledProcessError):
            if names := self.names():
                self.docker("rm", "--force", "--volumes", *names)
        self.stop()
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.folder / "exec/containerd/containerd.pid").read_text()), signal.SIGKILL)
        # shims of containers that an Engine which could not be asked left behind
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if f"{self.folder}/exec/".encode() in entry.read_bytes():
                    os.kill(int(entry.parent.name), signal.SIGKILL)
        # and the containers of such shims
        for file in Path("/sys/fs/cgroup").glob(f"*/{self.folder.name}/**/cgroup.procs"):
            with contextlib.suppress(OSError):
                for pid in file.read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
        self._holder.kill()
        self._holder.wait()
        for group in (*Path("/sys/fs/cgroup").glob(f"*/{self.folder.name}"), Path("/sys/fs/cgroup", self.folder.name)):
            with contextlib.suppress(OSError):
                group.rmdir()
        shutil.rmtree(self.folder, ignore_errors=True)


def root_files() -> bytes:
    """A tree with a shell and a few tools of this machine, as tar."""
    files: dict[str, Path] = {}
    for name in TOOLS:
        found = shutil.which(name)
        if found is None or name == "python3":
            continue
        program = Path(found).resolve()
        files[f"bin/{name}"] = program
        for line in subprocess.run(["ldd", program], capture_output=True, text=True).stdout.splitlines():
            files |= {word.lstrip("/"): Path(word).resolve() for word in line.split() if word.startswith("/")}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for folder in ("tmp", "etc", "proc", "sys", "dev", "mnt"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
        for name, source in files.items():
            info = archive.gettarinfo(str(source), arcname=name)
            info.mode = 0o755
            with source.open("rb") as content:
                archive.addfile(info, content)
    return out.getvalue()
