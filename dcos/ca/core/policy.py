"""Who gets a certificate with which names.

Theory: a request carries only public keys. Who asks is proven by the enrolment key of masters or of agents, with which its whole
body is sealed; for which address, on an agent, by where the connection comes from. All else follows from the service table. So an
agent can have no certificate of a service of masters, and none for another node's address.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from dcos.registry import NodeRole, Service, services_on
from dcos.wire.certificates import Names

SCHEME = "Enrolment"
MASTER_NAMES = ("leader.mesos", "master.mesos", *(f"zk-{number}.zk" for number in range(1, 6)))
SERVICE_NAMES: Mapping[str, str] = {"dcos-marathon": "marathon.mesos", "dcos-metronome": "metronome.mesos"}
AGENTS = ("dcos-mesos-slave", "dcos-mesos-slave-public")
AGENT_NAME = "dcos-mesos-agent"
"""Of both kinds: an Admin Router does not know which one it asks."""
_MOST_EXTRA = 8


class Refused(Exception):
    """A request that is not granted; ``status`` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, once that is proven."""

    role: NodeRole
    address: str
    extra: tuple[str, ...] = ()
    """Further addresses of a master: where it is seen from outside."""


def seal(key: str, body: bytes) -> str:
    """The header that proves a request."""
    return f"{SCHEME} {hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}"


def certified(role: NodeRole) -> tuple[Service, ...]:
    """The services of a node that have certificates."""
    return tuple(row for row in services_on(role) if row.certificate)


def key_name(role: NodeRole) -> str:
    """Which enrolment key nodes of a role have."""
    return "master" if role is NodeRole.MASTER else "agent"


def asker(
    *,
    role: str,
    address: str,
    extra: tuple[str, ...],
    header: str,
    body: bytes,
    keys: Mapping[str, str],
    came_from: str | None,
    masters: frozenset[str],
    revoked: frozenset[str] = frozenset(),
) -> Asker:
    """Who sent ``body``.   ``came_from``: the other end's address, None for a process of this machine.   Errors: Refused."""
    try:
        node_role = NodeRole(role)
    except ValueError:
        raise Refused(400, f"role: {role!r} is none of {', '.join(NodeRole)}") from None
    proof = seal(keys[key_name(node_role)], body)
    if not hmac.compare_digest(header.encode(), proof.encode()):
        raise Refused(401, "the request is not sealed with the enrolment key of its role")
    for one in (address, *extra):
        if not _is_address(one):
            raise Refused(400, f"address: {one!r} is no IP address")
    if len(extra) > _MOST_EXTRA:
        raise Refused(400, f"addresses: at most {_MOST_EXTRA}, not {len(extra)}")
    if address in revoked:
        raise Refused(403, f"{address} is revoked: it gets no certificate any more")
    if node_role is NodeRole.MASTER:
        if came_from is not None and came_from not in masters:
            raise Refused(403, f"{came_from} is not among the masters")
        return Asker(node_role, address, extra)
    if extra:
        raise Refused(403, "addresses: an agent has its own one only")
    if address in masters:
        raise Refused(403, f"{address} is a master's address")
    if came_from != address:
        raise Refused(403, f"the request for {address} came from {came_from or 'a master'}: a node asks for itself")
    return Asker(node_role, address)


def names(who: Asker, service: str) -> Names:
    """What the certificate of a service says.   Errors: Refused."""
    if service not in {row.name for row in certified(who.role)}:
        raise Refused(403, f"{service}: no such service on a {who.role}")
    # nginx, which compares names and no addresses, asks for the service itself
    dns = ["localhost", service]
    if service in AGENTS:
        dns.append(AGENT_NAME)
    if who.role is NodeRole.MASTER:
        dns += MASTER_NAMES
        if service in SERVICE_NAMES:
            dns.append(SERVICE_NAMES[service])
    addresses = dict.fromkeys((who.address, *who.extra, "127.0.0.1", "::1"))
    return Names(service, str(who.role), tuple(dns), tuple(addresses))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
