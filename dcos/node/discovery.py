"""Who is in the cluster: masters by setting or as they contend in ZooKeeper, agents from the leading master."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import aiohttp
import msgspec

from dcos.node.config import Config
from dcos.node.core.report import Target
from dcos.registry import NodeRole
from dcos.runtime import http
from dcos.runtime.credentials import pair_of
from dcos.runtime.log import Logger
from dcos.runtime.tls import agent_router_port, scheme
from dcos.store import detect
from dcos.store.base import Store
from dcos.store.election import ranked
from dcos.store.tree import join
from dcos.wire.errors import WireError
from dcos.wire.pid import pid_address

T = TypeVar("T", bound=msgspec.Struct)


class Candidate(msgspec.Struct, frozen=True):
    """A master that contends."""

    ip: str
    address: str
    """``ip:port`` of its API."""
    id: str


class _Agent(msgspec.Struct):
    id: str
    hostname: str
    pid: str = ""
    attributes: dict[str, Any] = {}


class _Agents(msgspec.Struct):
    """What ``GET /slaves`` answers."""

    slaves: list[_Agent] = []
    recovered_slaves: list[_Agent] = []


async def watch_candidates(store: Store, path: str) -> AsyncIterator[tuple[Candidate, ...]]:
    """All contending masters, the leader first, now and at each change."""
    async for names in store.watch_children(path):
        found = []
        for name in ranked(names or (), detect.MASTER_LABEL):
            node = await store.get(join(path, name))
            if node is None:
                continue
            try:
                info = detect.master_info(node.data)
            except WireError:
                continue
            address = detect.address_of(info)
            found.append(Candidate(address.rpartition(":")[0], address, info.id))
        yield tuple(found)


class _Value(msgspec.Struct, frozen=True):
    value: str = ""


class _Lost(msgspec.Struct, frozen=True):
    id: _Value = _Value()


class _ListOfLost(msgspec.Struct, frozen=True):
    slaves: tuple[_Lost, ...] = ()


class _Registry(msgspec.Struct, frozen=True):
    """What ``GET /registrar(1)/registry`` answers."""

    unreachable: _ListOfLost = _ListOfLost()


class Directory:
    """``targets`` is the list to ask; what was known last stands while ZooKeeper or Mesos do not answer."""

    def __init__(self, config: Config, own: Target, session: aiohttp.ClientSession, log: Logger) -> None:
        self._config = config
        self._own = own
        self._session = session
        self._log = log
        self._named = http.basic(pair_of(config.mesos_credential, log))
        self._candidates: tuple[Candidate, ...] = ()
        self._agents: dict[str, tuple[Target, float]] = {}
        self._doubted: frozenset[str] = frozenset()
        """Agents that left the list and, by the registry, may come back."""
        self._doubted_at = 0.0
        self.changed = asyncio.Event()
        """Set when the masters change."""
        self.settled = False
        """Whether the leading master told its agents when it was asked last."""

    async def run(self, rng: random.Random) -> None:
        """Follow ZooKeeper for ever."""
        url = self._config.zk
        if url is None:
            return
        async for candidates in detect.follow(
            url,
            lambda store: watch_candidates(store, url.path),
            rng=rng,
            session_timeout_s=self._config.zk_session_timeout,
        ):
            self._candidates = candidates
            self.changed.set()

    async def targets(self, now: float) -> tuple[Target, ...]:
        """Every node, masters first. ``now``: monotonic seconds."""
        listed = await self._listed()
        self._remember(listed, now)
        if self.settled:
            await self._forget_the_gone({target.ip for target in listed}, now)
        return (*self._masters(), *(target for target, _ in self._agents.values()))

    def _masters(self) -> tuple[Target, ...]:
        ids = {candidate.ip: candidate.id for candidate in self._candidates}
        leader = self._candidates[0].ip if self._candidates else None
        ips = dict.fromkeys([*(self._config.master_list or ids), self._own.ip])
        return tuple(Target(ip, NodeRole.MASTER, ids.get(ip, ""), ip == leader) for ip in ips)

    def _remember(self, agents: list[Target], now: float) -> None:
        """An agent that left the list stays for a while: its node may be in trouble, which is what we are here to tell."""
        for target in agents:
            self._agents[target.ip] = (target, now)
        oldest = now - self._config.forget_after
        self._agents = {ip: entry for ip, entry in self._agents.items() if entry[1] >= oldest}

    async def _forget_the_gone(self, listed: set[str], now: float) -> None:
        """Of those that left the list only unreachable ones stay: an operator marked the others gone, or ended them."""
        missing = frozenset(self._agents.keys() - listed)
        if not missing or (missing == self._doubted and now < self._doubted_at + self._config.pull_interval):
            return
        registry = await self._ask("/registrar(1)/registry", _Registry)
        if registry is None:
            return
        lost = {one.id.value for one in registry.unreachable.slaves}
        for ip in missing:
            if self._agents[ip][0].mesos_id not in lost:
                del self._agents[ip]
        self._doubted, self._doubted_at = missing & self._agents.keys(), now

    async def _listed(self) -> list[Target]:
        self.settled = False
        told = await self._ask("/slaves", _Agents) if self._candidates else None
        if told is None:
            return []
        self.settled = True
        return [_target(agent) for agent in (*told.recovered_slaves, *told.slaves)]

    async def _ask(self, path: str, kind: type[T]) -> T | None:
        """The leading master; None: it does not answer."""
        url = f"{scheme()}://{self._candidates[0].address}{path}"
        try:
            timeout = aiohttp.ClientTimeout(total=self._config.pull_timeout)
            async with self._session.get(url, timeout=timeout, headers=self._named, raise_for_status=True) as answer:
                return msgspec.json.decode(await answer.read(), type=kind)
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
            self._log.warning("agents_unknown", url=url, error=str(error) or type(error).__name__)
            return None


def url_of(target: Target, config: Config) -> str:
    """Where another node's dcos-diagnostics is asked: masters at their own port, agents at their Admin Router."""
    master = target.role is NodeRole.MASTER
    port = config.port if master else config.agent_port or agent_router_port()
    host = f"[{target.ip}]" if ":" in target.ip else target.ip
    return f"{scheme()}://{host}:{port}"


def _target(agent: _Agent) -> Target:
    """The address is that of ``slave(1)@10.0.0.5:5051``; the attribute ``public_ip:true`` marks a public agent."""
    ip, _ = pid_address(agent.pid) or (agent.hostname, 0)
    public = str(agent.attributes.get("public_ip", "")).lower() == "true"
    return Target(ip, NodeRole.PUBLIC_AGENT if public else NodeRole.AGENT, agent.id)
