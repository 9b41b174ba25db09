"""Looks at the cluster through the operator API while some app needs more than offers tell.

A look asks for all agents and the roles' quota; the larger the cluster, the longer until the next: 5 s and 1 s more for every
200 agents. Where the master does not answer (or does not let us), Marathon goes on without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import aiohttp
import msgspec

from dcos.client.mesos import MesosError, MesosMaster, MesosRefused, MesosUnreachable
from dcos.marathon.core import events
from dcos.marathon.core.agents import Agent, Cluster, Role
from dcos.marathon.core.state import State
from dcos.model import values
from dcos.model.marathon_state import AgentRef
from dcos.model.resources import Resources
from dcos.model.v1 import master as v1
from dcos.runtime.log import get_logger
from dcos.wire import mesos_json
from dcos.wire.errors import WireError

LEAST_S: Final = 5.0
AGENTS_PER_S: Final = 200
IDLE_S: Final = 1.0
TIMEOUT_S: Final = 30.0


class _Quota(msgspec.Struct, frozen=True):
    limit: dict[str, Any] = {}
    consumed: dict[str, Any] = {}


class _Role(msgspec.Struct, frozen=True):
    name: str
    quota: _Quota | None = None


class _Roles(msgspec.Struct, frozen=True):
    roles: tuple[_Role, ...] = ()


def agent_of(seen: v1.ResponseGetAgentsAgent) -> Agent | None:
    info = seen.agent_info
    if info.id is None:
        return None
    domain = info.domain.fault_domain if info.domain else None
    return Agent(
        ref=AgentRef(
            host=info.hostname,
            agent_id=info.id.value,
            region=domain.region.name if domain else None,
            zone=domain.zone.name if domain else None,
            attributes=info.attributes,
        ),
        total=Resources.of(seen.total_resources),
        held=Resources.of(seen.allocated_resources) + Resources.of(seen.offered_resources),
        active=seen.active and not seen.deactivated and seen.drain_info is None,
        address=(seen.pid or "").rpartition("@")[2] or f"{info.hostname}:{info.port or 5051}",
    )


def role_of(quota: _Quota | None) -> Role:
    def amounts(given: Mapping[str, Any]) -> dict[str, int]:
        return {name: values.thousandths(float(one)) for name, one in given.items() if isinstance(one, int | float)}

    return Role(amounts(quota.limit), amounts(quota.consumed)) if quota else Role()


async def look(master: MesosMaster, now: float) -> Cluster:
    """Errors: MesosError, WireError."""
    roles = await master.get("/roles", _Roles)
    body = mesos_json.encode(v1.Call(type=v1.CallType.GET_AGENTS))
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with master.open("POST", "/api/v1", body=body, timeout=timeout) as response:
        try:
            raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise MesosUnreachable(f"GET_AGENTS: {error or type(error).__name__}") from error
        if response.status != 200:
            raise MesosRefused(response.status, raw.decode(errors="replace")[:500])
    # thousands of agents take a while: the loop goes on meanwhile
    agents = await asyncio.to_thread(agents_of, raw)
    return Cluster(at=now, agents=agents, roles={one.name: role_of(one.quota) for one in roles.roles})


def agents_of(raw: bytes) -> dict[str, Agent]:
    """The answer to GET_AGENTS, by agent id.   Errors: WireError."""
    answer = mesos_json.decode(raw, v1.Response)
    seen = answer.get_agents.agents if answer.get_agents else ()
    agents = [agent for one in seen if (agent := agent_of(one)) is not None]
    return {agent.ref.agent_id: agent for agent in agents}


Look = Callable[[float], Awaitable[Cluster]]
"""The cluster as it is, dated as given.   Errors: MesosError, WireError."""


class ClusterFeed:
    """``tell`` takes what was seen."""

    def __init__(
        self, state: State, look: Look, tell: Callable[[events.Event], None], now: Callable[[], float]
    ) -> None:
        self._state = state
        self._look = look
        self._tell = tell
        self._now = now
        self._log = get_logger("marathon_cluster")
        self._failing = False

    async def run(self) -> None:
        while True:
            if not self._state.wants_cluster(self._now()):
                await asyncio.sleep(IDLE_S)
                continue
            count = 0
            try:
                seen = await self._look(self._now())
            except (MesosError, WireError) as error:
                if not self._failing:
                    self._log.warning("cluster_not_seen", error=str(error))
                self._failing = True
            else:
                self._failing = False
                count = len(seen.agents)
                self._tell(events.ClusterSeen(seen))
            await asyncio.sleep(LEAST_S + count / AGENTS_PER_S)
