"""The cluster's health as one immutable tree, and the views of it that the API has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dcos.node.core.units import Health, UnitHealth
from dcos.registry import NodeRole

ROLE_NAMES = {NodeRole.MASTER: "master", NodeRole.AGENT: "agent", NodeRole.PUBLIC_AGENT: "agent_public"}
"""What this API calls them."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """A node to be asked."""

    ip: str
    role: NodeRole
    mesos_id: str = ""
    leader: bool = False


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """What a node answered; ``units`` None: nothing, so its health is unknown."""

    target: Target
    units: tuple[UnitHealth, ...] | None = None
    hostname: str = ""
    mesos_id: str = ""

    @property
    def health(self) -> Health:
        if self.units is None:
            return Health.UNKNOWN
        return Health(max((unit.health for unit in self.units), default=0))

    @property
    def role(self) -> str:
        return ROLE_NAMES[self.target.role]

    @property
    def short(self) -> Json:
        return {"host_ip": self.target.ip, "health": int(self.health), "role": self.role}

    def unit(self, id: str) -> UnitHealth | None:
        return next((unit for unit in self.units or () if unit.id == id), None)

    def help_for(self, unit: str) -> str:
        reach = f"--mesos-id={self.mesos_id}" if self.mesos_id else f"--private-ip={self.target.ip}"
        return f"Log in with `dcos node ssh {reach}` and read `journalctl -xeu {unit}`."


class NotKnown(LookupError):
    """No such unit or node; the text says which."""


@dataclass(frozen=True)
class Report:
    """All nodes by address. ``updated``: Unix seconds, 0 before the first round."""

    nodes: Mapping[str, NodeHealth] = field(default_factory=dict)
    updated: float = 0.0

    @classmethod
    def of(cls, nodes: Sequence[NodeHealth], now: float) -> Report:
        return cls({node.target.ip: node for node in sorted(nodes, key=lambda node: node.target.ip)}, now)

    # ---- by unit ----

    def units_short(self) -> Json:
        return {"units": [self.unit_short(id) for id in sorted(self._unit_ids())]}

    def unit_short(self, id: str) -> Json:
        """Errors: NotKnown."""
        seen = [unit for _, unit in self._with(id)]
        first = seen[0]
        return {
            "id": id,
            "name": first.name,
            "health": max(unit.health for unit in seen),
            "description": first.description,
        }

    def nodes_of(self, id: str) -> Json:
        """Errors: NotKnown."""
        return {
            "nodes": [
                {"host_ip": node.target.ip, "health": unit.health, "role": node.role} for node, unit in self._with(id)
            ]
        }

    def node_of(self, id: str, ip: str) -> Json:
        """Errors: NotKnown."""
        for node, unit in self._with(id):
            if node.target.ip == ip:
                return {
                    "host_ip": ip,
                    "health": unit.health,
                    "role": node.role,
                    "output": unit.output,
                    "help": node.help_for(id),
                }
        raise NotKnown(f"Node {ip} not found")

    def _unit_ids(self) -> set[str]:
        return {unit.id for node in self.nodes.values() for unit in node.units or ()}

    def _with(self, id: str) -> list[tuple[NodeHealth, UnitHealth]]:
        found = [(node, unit) for node in self.nodes.values() if (unit := node.unit(id)) is not None]
        if not found:
            raise NotKnown(f"Unit {id} not found")
        return found

    # ---- by node ----

    def nodes_short(self) -> Json:
        return {"nodes": [node.short for node in self.nodes.values()]}

    def node(self, ip: str) -> NodeHealth:
        """Errors: NotKnown."""
        try:
            return self.nodes[ip]
        except KeyError:
            raise NotKnown(f"Node {ip} not found") from None

    def units_of(self, ip: str) -> Json:
        """Errors: NotKnown."""
        node = self.node(ip)
        return {"units": [self._helped(node, unit) for unit in node.units or ()]}

    def unit_of(self, ip: str, id: str) -> Json:
        """Errors: NotKnown."""
        node = self.node(ip)
        unit = node.unit(id)
        if unit is None:
            raise NotKnown(f"Unit {id} not found")
        return self._helped(node, unit)

    @staticmethod
    def _helped(node: NodeHealth, unit: UnitHealth) -> Json:
        return {
            "id": unit.id,
            "health": unit.health,
            "output": unit.output,
            "description": unit.description,
            "help": node.help_for(unit.id),
            "name": unit.name,
        }

    # ---- all of it ----

    def tree(self) -> Json:
        """The download: every unit with its nodes, every node with its units."""
        when = datetime.fromtimestamp(self.updated, UTC).isoformat().replace("+00:00", "Z")

        def node_json(node: NodeHealth) -> Json:
            return {
                "Leader": node.target.leader,
                "Role": node.role,
                "IP": node.target.ip,
                "Host": node.hostname,
                "Health": int(node.health),
                "Output": {unit.id: unit.output for unit in node.units or ()},
                "MesosID": node.mesos_id,
            }

        def unit_json(unit: UnitHealth) -> Json:
            return {
                "UnitName": unit.id,
                "Health": unit.health,
                "Title": unit.description,
                "Timestamp": when,
                "PrettyName": unit.name,
            }

        units = {}
        for id in sorted(self._unit_ids()):
            seen = self._with(id)
            worst = max(unit.health for _, unit in seen)
            units[id] = {**unit_json(seen[0][1]), "Health": worst, "Nodes": [node_json(node) for node, _ in seen]}
        nodes = {
            ip: {**node_json(node), "Units": [unit_json(unit) for unit in node.units or ()]}
            for ip, node in self.nodes.items()
        }
        return {"Units": units, "Nodes": nodes, "UpdatedTime": when}

    @property
    def updated_text(self) -> str:
        """As in the header ``Last-Modified-3DT``; empty before the first round."""
        return datetime.fromtimestamp(self.updated, UTC).ctime() if self.updated else ""
