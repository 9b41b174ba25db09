"""Where things lie on a node.

Source: DC/OS's file layout (/opt/mesosphere, /var/lib/dcos, /run/dcos); ``DCOS_ROOT`` moves all of it below another
folder, so that several nodes can live on one machine as plain processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """Every path of a node, below ``root``."""

    root: Path = Path("/")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Layout:
        return cls(Path(environ.get("DCOS_ROOT") or "/"))

    @property
    def opt(self) -> Path:
        return self.root / "opt/mesosphere"

    @property
    def bin(self) -> Path:
        return self.opt / "bin"

    @property
    def etc(self) -> Path:
        return self.opt / "etc"

    @property
    def state(self) -> Path:
        """What outlives a reboot."""
        return self.root / "var/lib/dcos"

    @property
    def run(self) -> Path:
        """Sockets, pid files, rendered configuration: gone at reboot."""
        return self.root / "run/dcos"

    @property
    def mesos_work(self) -> Path:
        return self.root / "var/lib/mesos/slave"

    @property
    def log(self) -> Path:
        return self.root / "var/log/mesos"

    @property
    def config(self) -> Path:
        """Role markers, set-up flags and what the operator overrides."""
        return self.root / "etc/mesosphere"

    @property
    def systemd(self) -> Path:
        return self.root / "etc/systemd/system"

    @property
    def resolv_conf(self) -> Path:
        return self.root / "etc/resolv.conf"

    @property
    def cluster_id(self) -> Path:
        return self.state / "cluster-id"
