"""The cluster's state, followed: one snapshot that is always there and news of every change.

The follower subscribes to the leading master's operator event stream (the whole state first, then changes, so that a name is
known a moment after its task runs). A master without that stream is asked for ``/state`` again and again instead. When the
leader is lost, the last state stays until a new leader tells its own; what that one cannot know yet is carried over.

Use: ``spawn(follower.run())``; ``async for state in follower.changes(): ...``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Set

import aiohttp
import msgspec

from dcos.client.carried import Carried
from dcos.client.mesos import MesosError, MesosMaster, MesosRefused, MesosUnreachable, leader_of
from dcos.model.cluster import (
    Changed,
    ClusterAgent,
    ClusterFramework,
    ClusterState,
    Leader,
    RunningTask,
    TaskKey,
    frozen_map,
)
from dcos.model.task_states import TERMINAL
from dcos.model.v1.types import MasterInfo
from dcos.runtime.log import get_logger
from dcos.wire import recordio
from dcos.wire.errors import WireError
from dcos.wire.mesos_state import (
    AgentGone,
    AgentSeen,
    Everything,
    FrameworkGone,
    FrameworkSeen,
    Heartbeat,
    StateEvent,
    TaskChanged,
    TaskSeen,
    decode_event,
    decode_state,
)

_SUBSCRIBE = b'{"type":"SUBSCRIBE"}'
_EXTENSIONS = {"extensions": "true"}
"""A master of ours tells of agents that are unreachable or gone then, too; others take no notice."""
_MOST_STATE = 512 * 1024 * 1024
"""Bytes of the first record, which holds every agent and task: a hundred thousand tasks are 50 to 200 MB."""
_BIG = 1 << 20
"""Bytes of a record that is read in a thread: twenty thousand tasks take half a second, in which questions are to be answered."""
_A_TURN = 16 * 1024
"""Bytes of records that are taken in before others get their turn: some twenty to thirty tasks, half a millisecond."""
_MISSED_HEARTBEATS = 3
_NO_STREAM = frozenset({400, 404, 405, 406, 415, 501})
"""Answers to SUBSCRIBE that say: this master does not know it."""


class Cluster:
    """What is known, changed by one event after another; ``state`` is an immutable copy, made when asked for."""

    def __init__(self) -> None:
        self._agents: dict[str, ClusterAgent] = {}
        self._frameworks: dict[str, ClusterFramework] = {}
        self._tasks: dict[TaskKey, RunningTask] = {}
        self._leader: Leader | None = None
        self._revision = 0
        self._state: ClusterState | None = ClusterState()
        self._told = 0
        """Revision of the newest copy."""
        self._touched: set[TaskKey] | None = None
        """Tasks that changed since; None: more than tasks did."""
        self._frozen: tuple[Mapping[str, ClusterAgent], Mapping[str, ClusterFramework]] | None = None
        """Copies of agents and frameworks, as long as they are true."""
        self._carried = Carried()

    def apply(self, event: StateEvent, leader: Leader | None = None) -> bool:
        """Take in one event (``leader``: who told it); tells whether anything changed."""
        changed = self._apply(event)
        if leader is not None and leader != self._leader:
            self._leader, self._touched = leader, None
            changed = True
        if changed:
            self._revision += 1
            self._state = None
        return changed

    def _apply(self, event: StateEvent) -> bool:
        if not isinstance(event, Heartbeat | TaskSeen | TaskChanged):
            self._touched = self._frozen = None
        match event:
            case Heartbeat():
                return self._forget(*self._carried.beat())
            case Everything():
                return self._replace(event)
            case TaskSeen(task):
                return self._task(task)
            case TaskChanged():
                known = self._tasks.get((event.framework_id, event.task_id))
                return known is not None and self._task(_updated(known, event))
            case AgentSeen(agent):
                self._carried.returned(agent.id)
                changed = self._agents.get(agent.id) != agent
                self._agents[agent.id] = agent
                return changed
            case AgentGone(agent_id):
                forgotten = self._carried.gone(agent_id)
                return self._give_up(agent_id, forgotten) or self._forget({agent_id}, forgotten)
            case FrameworkSeen(framework):
                changed = self._frameworks.get(framework.id) != framework
                self._frameworks[framework.id] = framework
                return changed
            case FrameworkGone(framework_id):
                orphans = [key for key in self._tasks if key[0] == framework_id]
                for key in orphans:
                    del self._tasks[key]
                return self._frameworks.pop(framework_id, None) is not None or bool(orphans)

    def _replace(self, event: Everything) -> bool:
        agents = {agent.id: agent for agent in event.agents}
        frameworks = {one.id: one for one in event.frameworks}
        tasks = {(task.framework_id, task.id): task for task in event.tasks if task.state not in TERMINAL}
        self._carried.take(event.recovered, (self._agents, self._frameworks, self._tasks), agents, frameworks, tasks)
        same = (agents, frameworks, tasks) == (self._agents, self._frameworks, self._tasks)
        self._agents, self._frameworks, self._tasks = agents, frameworks, tasks
        return not same or self._revision == 0

    def _give_up(self, agent_id: str, forgotten: Set[TaskKey]) -> bool:
        """Keep an agent, as one that nobody reaches, as long as tasks that are not in ``forgotten`` may run on it."""
        known = self._agents.get(agent_id)
        if known is None or not any(
            task.agent_id == agent_id and key not in forgotten for key, task in self._tasks.items()
        ):
            return False
        self._agents[agent_id] = msgspec.structs.replace(known, reachable=False)
        self._forget(frozenset(), forgotten)
        return True

    def _forget(self, agents: Set[str], tasks: Set[TaskKey]) -> bool:
        found = [key for key in tasks if self._tasks.pop(key, None) is not None]
        gone = [agent_id for agent_id in agents if self._agents.pop(agent_id, None) is not None]
        if found or gone:
            self._touched = self._frozen = None
        return bool(found or gone)

    def _task(self, task: RunningTask) -> bool:
        key = (task.framework_id, task.id)
        self._carried.told(task.agent_id, key)
        if self._touched is not None:
            self._touched.add(key)
        if task.state in TERMINAL:
            return self._tasks.pop(key, None) is not None
        changed = self._tasks.get(key) != task
        self._tasks[key] = task
        return changed

    @property
    def revision(self) -> int:
        """0: nothing is known yet."""
        return self._revision

    @property
    def state(self) -> ClusterState:
        if self._state is None:
            if self._frozen is None:
                self._frozen = frozen_map(self._agents), frozen_map(self._frameworks)
            self._state = ClusterState(
                revision=self._revision,
                leader=self._leader,
                agents=self._frozen[0],
                frameworks=self._frozen[1],
                tasks=frozen_map(self._tasks),
                changed=Changed(self._told, frozenset(self._touched)) if self._touched is not None else None,
            )
            self._told, self._touched = self._revision, set()
        return self._state


def _updated(task: RunningTask, event: TaskChanged) -> RunningTask:
    return msgspec.structs.replace(
        task,
        state=event.state,
        healthy=event.healthy,
        container_ips=event.container_ips or task.container_ips,
        mapped_ports=task.mapped_ports or event.mapped_ports,
        status_at=event.at or task.status_at,
    )


class ClusterFollower:
    """Keeps a ``Cluster`` equal to the leading master's. ``poll_s``: how often a master without event stream is asked."""

    def __init__(
        self,
        master: MesosMaster,
        *,
        rng: random.Random,
        poll_s: float = 2.0,
        backoff_s: tuple[float, float] = (0.2, 5.0),
    ) -> None:
        self._master = master
        self._rng = rng
        self._poll_s = poll_s
        self._backoff_s = backoff_s
        self._cluster = Cluster()
        self._changed = asyncio.Event()
        self._connected = False
        self._log = get_logger("cluster")

    @property
    def state(self) -> ClusterState:
        """The newest snapshot; revision 0 until a master has told something."""
        return self._cluster.state

    @property
    def connected(self) -> bool:
        """Is the state being kept up to date right now?"""
        return self._connected

    async def changes(self, *, settle_s: float = 0.02) -> AsyncIterator[ClusterState]:
        """Snapshots: the first known, then the newest after each change; changes within ``settle_s`` come as one."""
        seen = 0
        while True:
            while self._cluster.revision == seen:
                await self._changed.wait()
            await asyncio.sleep(settle_s)
            state = self._cluster.state
            seen = state.revision
            yield state

    async def known(self) -> ClusterState:
        """Wait for the first state."""
        while self._cluster.revision == 0:
            await self._changed.wait()
        return self._cluster.state

    def feed(self, event: StateEvent, leader: Leader | None = None) -> None:
        """Take in an event from elsewhere than the stream (a file, a test)."""
        if self._cluster.apply(event, leader):
            self._changed.set()
            self._changed = asyncio.Event()

    async def run(self) -> None:
        """Follow for ever."""
        shortest, longest = self._backoff_s
        delay = shortest
        leader: MasterInfo | None = None
        while True:
            leader = self._master.leader or await self._master.leader_changed(None)
            assert leader is not None
            moved = asyncio.create_task(self._master.leader_changed(leader))
            stream = asyncio.create_task(self._stream(leader))
            try:
                await asyncio.wait((moved, stream), return_when=asyncio.FIRST_COMPLETED)
            finally:
                was_connected, self._connected = self._connected, False
                moved.cancel()
                stream.cancel()
                results = await asyncio.gather(moved, stream, return_exceptions=True)
            error = results[1]
            if isinstance(error, Exception) and not isinstance(error, MesosError | WireError):
                raise error
            if was_connected or self._master.leader != leader:
                delay = shortest
            if isinstance(error, Exception):
                self._log.info("state_lost", error=str(error), retry_in_s=round(delay, 2))
            await asyncio.sleep(delay * (0.5 + self._rng.random()))
            delay = min(delay * 2, longest)

    async def _stream(self, leader: MasterInfo) -> None:
        """One stream (or spell of polling); ends by an exception."""
        async with self._master.open("POST", "/api/v1", body=_SUBSCRIBE, params=_EXTENSIONS) as response:
            if response.status in _NO_STREAM:
                await self._poll(leader)
            if response.status != 200:
                raise MesosRefused(response.status, (await response.text())[:500])
            decoder = recordio.Decoder(_MOST_STATE)
            silence_s = 30.0
            while True:
                try:
                    async with asyncio.timeout(silence_s):
                        chunk = await response.content.readany()
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    raise MesosUnreachable(f"event stream: {error or type(error).__name__}") from error
                if not chunk:
                    raise MesosUnreachable("event stream: closed by the master")
                taken = 0
                for record in decoder.feed(chunk):
                    taken += len(record)
                    if taken > _A_TURN:
                        await asyncio.sleep(0)
                        taken = 0
                    big = len(record) > _BIG
                    event = await asyncio.to_thread(decode_event, record) if big else decode_event(record)
                    if isinstance(event, Everything):
                        self._connected = True
                        silence_s = event.heartbeat_s * _MISSED_HEARTBEATS
                        self._log.info("following", agents=len(event.agents), tasks=len(event.tasks))
                        self.feed(event, leader_of(leader))
                    else:
                        self.feed(event)

    async def _poll(self, leader: MasterInfo) -> None:
        """Ask for the whole state; ends by an exception, or after a minute so that the stream is tried again."""
        self._log.info("polling", every_s=self._poll_s)
        for _ in range(max(1, int(60.0 / self._poll_s))):
            state = decode_state(await self._master.get("/state"))
            self._connected = True
            self.feed(state, state.leader or leader_of(leader))
            await asyncio.sleep(self._poll_s)
        raise MesosUnreachable("polling: trying the event stream again")
