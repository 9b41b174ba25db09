"""Measures for autoscaling and rollouts: agents' statistics, the instances' own counters, Prometheus queries.

Only gathers; the core decides. An app or pod is looked at once per its interval; everything has a timeout, and a look that fails
is a value that is not known, with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Protocol

import aiohttp
import msgspec

from dcos.client import prometheus
from dcos.client.prometheus import NoValue
from dcos.marathon.core import events, usage
from dcos.marathon.core.autoscale import Sample
from dcos.marathon.core.state import Measurement, State
from dcos.marathon.core.usage import Count, Usage
from dcos.marathon.probes import endpoint, pod_endpoint
from dcos.model.marathon import App
from dcos.model.marathon_growth import Autoscaling, Promotion, RequestTarget
from dcos.model.marathon_state import Condition, Instance
from dcos.model.run_spec import RunSpec
from dcos.runtime.tls import scheme
from dcos.scheduling import pods

LOOK_S: Final = 1.0
TIMEOUT_S: Final = 5.0
PARALLEL: Final = 50
MAX_TROUBLES: Final = 5


class _Statistics(msgspec.Struct, frozen=True):
    timestamp: float
    cpus_system_time_secs: float | None = None
    cpus_user_time_secs: float | None = None
    mem_rss_bytes: float | None = None


class _Executor(msgspec.Struct, frozen=True):
    executor_id: str
    statistics: _Statistics | None = None


@dataclass(slots=True)
class _Memory:
    """Of one app or pod: what was seen last time."""

    due: float = 0.0
    usages: dict[str, Usage] = field(default_factory=dict)
    counts: dict[str, Count] = field(default_factory=dict)


class Sources(Protocol):
    """Where values come from."""

    async def get(self, url: str, *, auth: bool = True) -> bytes:
        """What an agent or an instance serves.   Errors: NoValue."""
        ...

    async def query(self, url: str | None, text: str) -> float:
        """The first value of a Prometheus query; ``url`` None: at the one that Marathon is set up with.   Errors: NoValue."""
        ...


class Measurer:
    """``tell`` takes what was found."""

    def __init__(
        self, state: State, tell: Callable[[events.Event], None], now: Callable[[], float], sources: Sources
    ) -> None:
        self._state = state
        self._tell = tell
        self._now = now
        self._sources = sources
        self._memories: dict[str, _Memory] = {}
        self._bounds: dict[str, float] = {}

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Everything that is due now."""
        state, now = self._state, self._now()
        scaled = {one.id: one for one in state.watched() if one.autoscaling is not None}
        for gone in set(self._memories) - set(scaled):
            del self._memories[gone]
        due = []
        for spec_id, spec in scaled.items():
            memory = self._memories.setdefault(spec_id, _Memory())
            if now >= memory.due and spec.autoscaling is not None:
                memory.due = now + spec.autoscaling.interval_seconds
                due.append((spec, spec.autoscaling, memory))
        if due:
            needed = [spec.id for spec, policy, _ in due if policy.cpu is not None or policy.mem is not None]
            statistics, troubles = await self._statistics(needed)
            await asyncio.gather(*(self._sample(*one, statistics, troubles) for one in due))
        await self._rollouts(now)

    # ---- autoscaling ----

    def _running(self, spec_id: str) -> list[Instance]:
        return [one for one in self._state.instances_of(spec_id) if one.condition is Condition.RUNNING]

    async def _statistics(self, spec_ids: Collection[str]) -> tuple[dict[str, Usage], dict[str, str]]:
        """(usage by executor id, trouble by agent id) of the agents where these run."""
        cluster = self._state.cluster
        agents = {one.agent.agent_id for spec_id in spec_ids for one in self._running(spec_id)}
        found: dict[str, Usage] = {}
        troubles: dict[str, str] = {}

        async def ask(agent_id: str) -> None:
            agent = cluster.agents.get(agent_id) if cluster else None
            if agent is None:
                troubles[agent_id] = f"the master did not yet tell of agent {agent_id}"
                return
            try:
                raw = await self._sources.get(f"{scheme()}://{agent.address}/monitor/statistics")
                for one in msgspec.json.decode(raw, type=list[_Executor]):
                    if one.statistics is not None:
                        found[one.executor_id] = _usage(one.statistics)
            except (NoValue, msgspec.MsgspecError) as error:
                troubles[agent_id] = f"agent {agent.ref.host}: {error}"

        await asyncio.gather(*(ask(one) for one in sorted(agents)))
        return found, troubles

    async def _sample(
        self,
        spec: RunSpec,
        policy: Autoscaling,
        memory: _Memory,
        statistics: dict[str, Usage],
        agent_troubles: dict[str, str],
    ) -> None:
        running = self._running(spec.id)
        troubles = [
            agent_troubles[agent]
            for agent in sorted({one.agent.agent_id for one in running})
            if agent in agent_troubles and (policy.cpu is not None or policy.mem is not None)
        ]
        executors = [one.task.id if isinstance(spec, App) else pods.executor_id(one.id) for one in running]
        mine = {one: statistics[one] for one in executors if one in statistics}
        cpu = usage.average(usage.cpu_percent(memory.usages, mine, spec.cpus), len(running))
        mem = usage.average(usage.mem_percent(mine, spec.mem), len(running))
        memory.usages = mine
        requests = query = None
        if policy.requests is not None:
            requests = await self._requests(spec, policy.requests, running, memory, troubles)
        if policy.query is not None:
            try:
                query = await self._sources.query(policy.query.prometheus_url, policy.query.query)
            except NoValue as error:
                troubles.append(str(error))
        sample = Sample(
            cpu=cpu if policy.cpu is not None else None,
            mem=mem if policy.mem is not None else None,
            requests=requests,
            query=query,
            troubles=tuple(troubles[:MAX_TROUBLES]),
        )
        self._tell(events.Sampled(spec.id, sample))

    async def _requests(
        self, spec: RunSpec, target: RequestTarget, running: list[Instance], memory: _Memory, troubles: list[str]
    ) -> float | None:
        counts: dict[str, Count] = {}

        async def ask(one: Instance) -> None:
            where = _where(spec, one, target)
            if where is None:
                troubles.append(f"{one.id} has no port {target.endpoint or target.port_index}")
                return
            host = f"[{where[0]}]" if ":" in where[0] else where[0]
            try:
                raw = await self._sources.get(f"http://{host}:{where[1]}{target.path}", auth=False)
                value = prometheus.counter(raw.decode(errors="replace"), target.metric)
                counts[one.task.id] = Count(self._now(), value)
            except NoValue as error:
                troubles.append(f"{one.id}: {error}")

        await asyncio.gather(*(ask(one) for one in running))
        rates = [usage.rate(memory.counts.get(task_id), count) for task_id, count in counts.items()]
        memory.counts = counts
        return usage.total([one for one in rates if one is not None], len(running))

    # ---- rollouts ----

    async def _rollouts(self, now: float) -> None:
        under_way: dict[str, Promotion] = {}
        for deployment in list(self._state.deployments.values()):
            for spec_id in deployment.rollouts:
                spec = self._state.wanted(spec_id)
                promotion = spec.upgrade_strategy.promotion if spec and spec.upgrade_strategy else None
                if promotion is not None and promotion.metric is not None:
                    under_way[spec_id] = promotion
        self._bounds = {spec_id: due for spec_id, due in self._bounds.items() if spec_id in under_way}
        due = {spec_id: one for spec_id, one in under_way.items() if now >= self._bounds.get(spec_id, 0.0)}
        await asyncio.gather(*(self._bound(spec_id, promotion, now) for spec_id, promotion in due.items()))

    async def _bound(self, spec_id: str, promotion: Promotion, now: float) -> None:
        self._bounds[spec_id] = now + promotion.interval_seconds
        assert promotion.metric is not None
        try:
            value = await self._sources.query(promotion.metric.prometheus_url, promotion.metric.query)
            found = Measurement(now, value)
        except NoValue as error:
            found = Measurement(now, None, str(error))
        self._tell(events.Measured(spec_id, found))


def _where(spec: RunSpec, instance: Instance, target: RequestTarget) -> tuple[str, int] | None:
    if isinstance(spec, App):
        return endpoint(spec, instance, target.port_index)
    name = target.endpoint or next((one.name for one in spec.endpoints), None)
    return pod_endpoint(spec, instance, name) if name is not None else None


class HttpSources:
    """``credential``: what agents want, (principal, secret)."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        prometheus_url: str | None = None,
        credential: tuple[str, str] | None = None,
    ) -> None:
        self._session = session
        self._prometheus = prometheus_url
        self._auth = aiohttp.BasicAuth(*credential) if credential else None
        self._turns = asyncio.Semaphore(PARALLEL)

    async def get(self, url: str, *, auth: bool = True) -> bytes:
        try:
            async with (
                self._turns,
                self._session.get(
                    url,
                    auth=self._auth if auth else None,
                    timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                    allow_redirects=False,
                ) as response,
            ):
                raw = await response.content.read(prometheus.MAX_BYTES)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NoValue(str(error) or type(error).__name__) from error
        if response.status != 200:
            raise NoValue(f"status {response.status}")
        return raw

    async def query(self, url: str | None, text: str) -> float:
        where = url or self._prometheus
        if where is None:
            raise NoValue("no Prometheus is known: set prometheusUrl or --prometheus_url")
        return await prometheus.query(self._session, where, text, timeout_s=TIMEOUT_S)


def _usage(one: _Statistics) -> Usage:
    cpu = None
    if one.cpus_user_time_secs is not None or one.cpus_system_time_secs is not None:
        cpu = (one.cpus_user_time_secs or 0.0) + (one.cpus_system_time_secs or 0.0)
    return Usage(one.timestamp, cpu, one.mem_rss_bytes)
