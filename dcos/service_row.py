"""What a row of the service table says: a service with its unit, user, ports, routes and state.

The table is ``dcos/registry.py``, where these names are to be had too.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class NodeRole(enum.StrEnum):
    """What a machine is. (A "role" without prefix is the Mesos resource role.)"""

    MASTER = "master"
    AGENT = "slave"
    PUBLIC_AGENT = "slave_public"


MASTERS = frozenset({NodeRole.MASTER})
AGENTS = frozenset({NodeRole.AGENT, NodeRole.PUBLIC_AGENT})
EVERYWHERE = frozenset(NodeRole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port that a service listens on.   ``bind``: loopback, node (the node's own address), any, or fixed addresses.

    ``on_masters``: what it listens on there besides, unless the setting named here is false.
    """

    name: str
    number: int
    bind: str = "node"
    protocols: tuple[str, ...] = ("tcp",)
    on_masters: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path at the Admin Router that leads to a service.

    ``to`` names a port of the service or, with ``unix:``, a socket below ``/run/dcos``; ``upstream_path`` None keeps the
    path, otherwise it replaces ``prefix``; ``auth`` asks for a valid token, ``needs`` for full rights on that permission id
    where permissions are checked (empty: the service checks itself).
    """

    prefix: str
    to: str
    upstream_path: str | None = None
    auth: bool = True
    needs: str = ""
    exact: bool = False
    pattern: bool = False
    """``prefix`` is a regular expression over the whole path; it goes before all that are none."""
    on: frozenset[NodeRole] = MASTERS
    buffered: bool = True
    drop_authorization: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One systemd unit of ``dcos.target``."""

    name: str
    """Unit name without ``.service``."""
    title: str
    """Left of the colon in ``Description=``; the health API shows it as the name."""
    summary: str
    on: frozenset[NodeRole]
    command: tuple[str, ...]
    """Console script and its fixed arguments."""
    unit: str = "python.service.in"
    """Template below ``units/``."""
    user: str = "root"
    why_root: str = ""
    """Required where ``user`` is root."""
    groups: tuple[str, ...] = ()
    """Supplementary groups."""
    ports: tuple[Port, ...] = ()
    routes: tuple[Route, ...] = ()
    health: str = ""
    """Path that answers 200 on the port named ``http`` when the service serves."""
    state: tuple[str, ...] = ()
    """Folders below ``/var/lib/dcos`` that the service owns, mode 0700."""
    writes: tuple[str, ...] = ()
    """Further paths that it may write (everything else is read-only)."""
    env_file: str = ""
    """Name below ``/opt/mesosphere/etc``."""
    environment: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    directives: tuple[tuple[str, str, str], ...] = ()
    """(directive, value, reason): what the template does not say, or says otherwise."""
    sockets: tuple[str, ...] = ()
    """Names below ``/run/dcos`` at which systemd listens for it, for Admin Router alone; so they are there whenever it is not."""
    timer: tuple[tuple[str, str], ...] = ()
    """Lines of a ``[Timer]``; a service with a timer is a oneshot."""
    restart_s: int = 2
    start_timeout_s: int = 300
    certificate: bool = True
    """Whether the node has a certificate made for it. Those that meet nobody need none."""
    asks_certificate: bool = True
    """Whether it lets only services of the cluster connect, in mode strict; others check tokens themselves."""
    verifies_outside: bool = False
    """Whether it (or a program it starts) checks certificates of servers outside the cluster. The others load no
    authorities: 2 MB and a tenth of a second each."""
    memory_mb: int = 60
    """Resident memory expected when idle; bench/up.py prints it beside what it measures."""
