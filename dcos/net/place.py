"""Where a balancer's table and routes are, and whose turn it is to write them.

Usually one node is one network namespace, and its dcos-net is the only writer. The nodes of a local cluster of plain processes
are loopback addresses of one machine: they share one namespace, so one table does for all of them, and one of their dcos-net
at a time writes it.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from dcos.net.core.ruleset import TABLE
from dcos.runtime import links

OWN_DEVICE = "minuteman"
SPARTAN = "spartan"
"""The device with the forwarder's addresses."""


@dataclass(frozen=True, slots=True)
class Place:
    """``protocol`` marks the routes. ``device`` ``lo`` is nobody's own: only routes come and go there.

    ``inside``: path of a container's network namespace. Its device is made by who made its network, and nothing is routed there.
    """

    table: str = TABLE
    device: str = OWN_DEVICE
    protocol: int = links.PROTOCOL
    shared: bool = False
    inside: str = ""

    @property
    def own(self) -> bool:
        """Whether the device is ours to make and to remove."""
        return not self.shared and not self.inside


USUAL = Place()


def place_of(loopback_cluster: int) -> Place:
    """The usual place for 0, else that of the local cluster with this number.

    Routes lead to ``lo``: from a loopback source the kernel sends to no other device, and what goes out by ``lo`` is not asked
    again for its route, so that a packet may be turned to another loopback address.
    """
    number = loopback_cluster
    return Place(f"{TABLE}_{number}", "lo", number, shared=True) if number else USUAL


class Turn:
    """One holder among the processes of a network namespace: the kernel gives the name to one and takes it at its end."""

    def __init__(self, name: str) -> None:
        self._address = f"\0dcos-turn/{name}"
        self._held: socket.socket | None = None

    def is_mine(self) -> bool:
        """Take it if nobody has it."""
        if self._held is None:
            one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                one.bind(self._address)
            except OSError:
                one.close()
                return False
            self._held = one
        return True

    def end(self) -> None:
        """Let another have it."""
        if self._held is not None:
            self._held.close()
            self._held = None
