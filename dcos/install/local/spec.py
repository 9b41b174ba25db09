"""What a local cluster is: its nodes, their roles, names and addresses. Pure: the same counts give the same plan.

Addresses on a bridge: .1 this machine, .11-.19 masters, .21-.120 private agents, .121-.220 public agents.
As plain processes: 127.0.<index>.<same last number>.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dcos.install.prereqs import MASTER, SLAVE, SLAVE_PUBLIC

# Chosen to stay clear of DC/OS's own ranges (9/8, 11/8, 44.128/20, 172.29/16, 172.31.254/24, 198.51.100/24) and of
# what home routers, clouds and Docker hand out.
SUBNETS = tuple(f"10.213.{index}" for index in range(77, 93))
LOOPBACKS = tuple(f"127.0.{index}" for index in range(77, 93))
DEFAULT_NAME = "dcos"
LONGEST_ROOT = 55
_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


class SpecError(ValueError):
    """A cluster that cannot be: says which number or name and why."""


class NodeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One node: ``name`` is its host name, ``role`` what ``dcos_install.sh`` is called with."""

    name: str
    role: str
    ip: str
    index: int


class ClusterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A whole cluster; ``prefix`` is the first three numbers of its /24."""

    name: str
    driver: str
    prefix: str
    nodes: tuple[NodeSpec, ...]
    security: str = "disabled"
    """As in ``config.yaml``."""
    no_vips: str = ""
    """Why the cluster has no virtual IPs; empty when it has."""

    @property
    def host_ip(self) -> str:
        """This machine's own address on the bridge."""
        return f"{self.prefix}.1"

    @property
    def number(self) -> int:
        """The third number of all its addresses: no other cluster of the machine has it."""
        return int(self.prefix.rsplit(".", 1)[1])

    @property
    def masters(self) -> tuple[NodeSpec, ...]:
        return tuple(node for node in self.nodes if node.role == MASTER)

    @property
    def agents(self) -> tuple[NodeSpec, ...]:
        return tuple(node for node in self.nodes if node.role != MASTER)

    def node(self, name: str) -> NodeSpec:
        """Errors: SpecError with the names there are."""
        for node in self.nodes:
            if name in (node.name, node.ip):
                return node
        raise SpecError(f"no node {name!r}; there are {', '.join(node.name for node in self.nodes)}")


def check_name(name: str) -> str:
    """The name, or SpecError: it becomes part of file, network and unit names."""
    if not _NAME.fullmatch(name):
        raise SpecError(f"cluster name {name!r}: a letter, then letters, digits and '-', at most 20, lower case")
    return name


def plan(name: str, driver: str, prefix: str, *, masters: int, agents: int, public_agents: int) -> ClusterSpec:
    """Lay out a cluster. Errors: SpecError for counts that cannot be."""
    check_name(name)
    if masters not in (1, 3, 5, 7, 9):
        raise SpecError(f"masters: {masters} is not 1, 3, 5, 7 or 9")
    for key, count in (("agents", agents), ("public_agents", public_agents)):
        if not 0 <= count <= 100:
            raise SpecError(f"{key}: {count} is not between 0 and 100")
    rows = [("master", MASTER, masters, 11), ("agent", SLAVE, agents, 21), ("public", SLAVE_PUBLIC, public_agents, 121)]
    nodes: list[NodeSpec] = []
    for word, role, count, first in rows:
        for number in range(count):
            last = first + number
            nodes.append(NodeSpec(name=f"{word}{number + 1}", role=role, ip=f"{prefix}.{last}", index=last))
    return ClusterSpec(name=name, driver=driver, prefix=prefix, nodes=tuple(nodes))


@dataclass(frozen=True, slots=True)
class Folders:
    """Where one cluster keeps everything on this machine."""

    base: Path
    name: str

    @property
    def cluster(self) -> Path:
        return self.base / "clusters" / self.name

    @property
    def spec(self) -> Path:
        return self.cluster / "cluster.json"

    @property
    def genconf(self) -> Path:
        return self.cluster / "genconf"

    @property
    def password(self) -> Path:
        """The generated admin password, mode 0600."""
        return self.cluster / "admin-password"

    @property
    def cli(self) -> Path:
        """``DCOS_DIR`` of the command line client that belongs to the cluster."""
        return self.cluster / "cli"

    @property
    def nodes(self) -> Path:
        return self.cluster / "nodes"

    def node(self, name: str) -> Path:
        return self.nodes / name

    def alias(self, uid: int) -> Path:
        """A folder with short names for the nodes' roots, see ``root``."""
        return Path("/tmp") / f"dcos-{uid}-{self.name}"

    def root(self, name: str, uid: int) -> Path:
        """``DCOS_ROOT`` of a node that is plain processes: its folder, or a link to it where that is too long.

        Services put sockets below it, and the kernel takes no more than 107 bytes for a socket's path.
        """
        real = self.node(name) / "root"
        return real if len(str(real)) <= LONGEST_ROOT else self.alias(uid) / name
