"""Nodes out of several services' answers: agents as Mesos has them, masters as the cluster's names have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dcos.client.adminrouter.failures import ClientError
from dcos.client.adminrouter.health import Health
from dcos.client.adminrouter.mesos import Mesos
from dcos.wire.pid import pid_address

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Node:
    """``kind``: master (leader), master (standby), agent, agent (public). ``raw`` is Mesos's object of an agent."""

    hostname: str
    ip: str
    public_ips: tuple[str, ...]
    id: str
    kind: str
    status: str
    region: str
    zone: str
    raw: Json

    def json(self) -> Json:
        """An agent as Mesos has it with a few fields more, or what is known of a master."""
        more: Json = {
            "host": self.hostname,
            "hostname": self.hostname,
            "ip": self.ip,
            "public_ips": list(self.public_ips),
            "type": "agent" if self.kind.startswith("agent") else self.kind,
            "region": self.region,
            "zone": self.zone,
        }
        if self.status:
            more["status"] = self.status
        return self.raw | more


def all_nodes(mesos: Mesos, health: Health) -> tuple[Node, ...]:
    """Masters first.   Errors: ClientError when there is no leading Mesos master."""
    state = mesos.state()
    public = mesos.public_addresses()
    leader = str(state.get("hostname") or "")
    masters = sorted(_masters(mesos, health) | ({leader} if leader else set()))
    return (
        *(_master(ip, leader, state, public) for ip in masters),
        *(_agent(agent, public) for agent in sorted(state.get("slaves", []), key=lambda one: str(one.get("hostname")))),
    )


def _masters(mesos: Mesos, health: Health) -> set[str]:
    """Addresses, from whoever tells."""
    found: set[str] = set()
    try:
        found |= set(mesos.masters())
    except (ClientError, KeyError, TypeError):
        found = set()
    try:
        found |= {str(one["host_ip"]) for one in health.nodes() if one.get("role") == "master"}
    except (ClientError, KeyError, TypeError):
        return found
    return found


def _master(ip: str, leader: str, state: Json, public: dict[str, tuple[str, ...]]) -> Node:
    leads = ip == leader
    region, zone = _place(state.get("domain")) if leads else ("N/A", "N/A")
    return Node(
        hostname=ip,
        ip=ip,
        public_ips=public.get(ip, ()),
        id=str(state.get("id", "N/A")) if leads else "N/A",
        kind="master (leader)" if leads else "master (standby)",
        status="",
        region=region,
        zone=zone,
        raw={},
    )


def _agent(agent: Json, public: dict[str, tuple[str, ...]]) -> Node:
    ip = address_of(agent)
    region, zone = _place(agent.get("domain"))
    is_public = str((agent.get("attributes") or {}).get("public_ip", "")).lower() == "true"
    return Node(
        hostname=str(agent.get("hostname", "")),
        ip=ip,
        public_ips=public.get(ip, ()),
        id=str(agent.get("id", "")),
        kind="agent (public)" if is_public else "agent",
        status=_status(agent),
        region=region,
        zone=zone,
        raw=agent,
    )


def _status(agent: Json) -> str:
    drain = agent.get("drain_info")
    if isinstance(drain, dict) and drain.get("state"):
        return str(drain["state"])
    if agent.get("deactivated") or agent.get("active") is False:
        return "DEACTIVATED"
    return "ACTIVE"


def word(health: Any) -> str:
    """A health number in words."""
    return {0: "healthy", 1: "unhealthy"}.get(health, "unknown")


def address_of(agent: Json) -> str:
    """The address in ``slave(1)@10.0.0.2:5051``."""
    address, _ = pid_address(str(agent.get("pid", ""))) or (str(agent.get("hostname", "")), 0)
    return address


def _place(domain: Any) -> tuple[str, str]:
    fault = domain.get("fault_domain", {}) if isinstance(domain, dict) else {}
    return str(fault.get("region", {}).get("name", "")), str(fault.get("zone", {}).get("name", ""))
