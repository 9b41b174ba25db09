"""What a driver of local clusters must be able to do. Two are there: ``nspawn`` and ``process``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from dcos.install.genconf import Served
from dcos.install.local.spec import NodeSpec

ON = "on"
OFF = "off"


class NodeTrouble(Exception):
    """A node did not do what it was told; the message says which and shows what it said last."""


class Driver(Protocol):
    """Makes, enters and removes the nodes of one cluster."""

    name: str

    def prepare(self) -> None:
        """Make what all nodes share."""
        ...

    def bootstrap_url(self) -> str:
        """Where the nodes fetch the bundle from."""
        ...

    def configure(self, config: Path, say: Callable[[str], None]) -> Served:
        """What the nodes are installed from, made of this checkout and ``config``. Errors: ConfigError, CommandFailed."""
        ...

    def start(self, node: NodeSpec) -> None:
        """Make the node if it is new, boot it. Returns when it runs. Errors: NodeTrouble."""
        ...

    def stop(self, node: NodeSpec, *, hard: bool = False) -> None:
        """Power it off; ``hard`` kills it."""
        ...

    def state(self, node: NodeSpec) -> str:
        """``on``, ``off``, or what is wrong with it: then ``start`` puts it right."""
        ...

    def is_installed(self, node: NodeSpec) -> str:
        """Id of the bundle on the node; empty when there is none."""
        ...

    def install(self, nodes: Sequence[NodeSpec], served: Served) -> None:
        """Install the nodes, all at once, and start their services. Errors: NodeTrouble."""
        ...

    def reconfigure(self, node: NodeSpec, served: Served) -> str:
        """Put another configuration on a node that is installed; returns what was said when its services are there again.

        Errors: NodeTrouble.
        """
        ...

    def units(self, node: NodeSpec) -> Mapping[str, Mapping[str, str | int]]:
        """``active_state`` and ``pid`` of every unit that ``dcos.target`` starts on a node; empty before it is installed."""
        ...

    def enter(self, node: NodeSpec, argv: Sequence[str]) -> list[str]:
        """The command that runs ``argv`` on the node. Errors: NodeTrouble when it is off."""
        ...

    def journal(self, node: NodeSpec, unit: str, *, lines: int, follow: bool = False) -> list[str]:
        """The command that shows what a unit (or, for ``""``, the node) said."""
        ...

    def url(self, node: NodeSpec, service: str, port: str = "http") -> str:
        """Base URL of a service on a node, as this machine reaches it."""
        ...

    def memory_bytes(self, node: NodeSpec) -> int | None:
        """Memory of everything on the node without page cache."""
        ...

    def destroy(self) -> None:
        """Remove whatever of the cluster is found, after a crash too."""
        ...
