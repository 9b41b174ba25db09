"""This node's own units: states from the source, judged, with the journal's last words of the unhealthy ones."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from dcos.node.core.report import ROLE_NAMES
from dcos.node.core.units import EXCLUDED, UnitHealth, expected_units, resting_units, unit_health
from dcos.node.sources import UnitSource
from dcos.registry import NodeRole
from dcos.runtime import process

_JOURNAL_S = 3.0
_LONGEST_LINE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Self:
    """What this node is. ``wants``: folder with the links of dcos.target; ``agent_work`` Mesos agent's work folder."""

    role: NodeRole
    ip: str
    wants: Path
    agent_work: Path
    journal_lines: int


class LocalHealth:
    def __init__(self, about: Self, source: UnitSource) -> None:
        self.about = about
        self._source = source

    def names(self) -> tuple[str, ...]:
        """The service table's units, and whatever else was hung into dcos.target."""
        names = set(expected_units(self.about.role))
        if self.about.wants.is_dir():
            names |= {link.name for link in self.about.wants.iterdir() if not link.name.startswith(".")}
        return tuple(sorted(names - EXCLUDED))

    async def units(self) -> tuple[UnitHealth, ...]:
        """Errors: SourceError."""
        names = self.names()
        resting = resting_units(self.about.role)
        states = await self._source.states(names)
        judged = [unit_health(name, states[name], rests=name in resting) for name in names]
        return tuple(await asyncio.gather(*(self._with_journal(unit) for unit in judged)))

    async def _with_journal(self, unit: UnitHealth) -> UnitHealth:
        if not unit.health or not self.about.journal_lines:
            return unit
        argv = ["journalctl", "--no-pager", "--quiet", "--output=short-iso", "--unit", unit.id]
        try:
            result = await process.run([*argv, f"--lines={self.about.journal_lines}"], timeout_s=_JOURNAL_S)
        except (process.ProcessError, TimeoutError):
            return unit
        lines = [line[:_LONGEST_LINE] for line in result.stdout.decode(errors="replace").splitlines()]
        return msgspec.structs.replace(unit, output="\n".join([unit.output, *lines])) if lines else unit

    async def describe(self) -> dict[str, Any]:
        """The answer to ``GET /system/health/v1``.   Errors: SourceError."""
        return {
            "units": await self.units(),
            "hostname": socket.gethostname(),
            "ip": self.about.ip,
            "dcos_version": os.environ.get("DCOS_VERSION", ""),
            "node_role": ROLE_NAMES[self.about.role],
            "mesos_id": self.agent_id(),
            "dcos_diagnostics_version": _version(),
        }

    def agent_id(self) -> str:
        """The Mesos agent's id as it keeps it over restarts; empty on masters and before its first registration."""
        try:
            return (self.about.agent_work / "meta/slaves/latest").readlink().name
        except OSError:
            return ""


def _version() -> str:
    try:
        return metadata.version("dcos")
    except metadata.PackageNotFoundError:
        return os.environ.get("DCOS_VERSION", "")
