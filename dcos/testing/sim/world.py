"""One seed's world: what it is made of, what happens to it, and whether the truth survives."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import traceback
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from dcos.store.base import Store
from dcos.store.detect import address_of, follow_sessions, watch_leading_master
from dcos.testing.sim import apps, faults, shares
from dcos.testing.sim.agent import AgentProcess
from dcos.testing.sim.clients import Clients
from dcos.testing.sim.ensemble import SimEnsemble, SimSession
from dcos.testing.sim.framework import FrameworkProcess
from dcos.testing.sim.jobs import Jobs
from dcos.testing.sim.loop import Spinning, Stalled, VirtualLoop
from dcos.testing.sim.machine import Machine
from dcos.testing.sim.marathon import MarathonProcess
from dcos.testing.sim.master import MasterProcess
from dcos.testing.sim.metronome import MetronomeProcess
from dcos.testing.sim.network import Network
from dcos.testing.sim.notes import Habits
from dcos.testing.sim.operator import Operator
from dcos.testing.sim.process import Life, Process
from dcos.testing.sim.trace import Trace
from dcos.testing.sim.truth import Truth
from dcos.testing.sim.upgrades import Upgrades

QUIET_LIMIT_S = 1500.0
"""Virtual time in which truth must be known again: longer than the longest retry (10 minutes)."""

_SIZES = ("cpus:2;mem:512;disk:64", "cpus:4;mem:1024;disk:100", "cpus:8;mem:4096;disk:16;ports:[31000-31009]")
PAUSED_S = 90.0
"""How long a deployment is paused once all is quiet."""
_TRIES_TO_PAUSE = 100

_ROUNDS = 8
"""Tries to reconcile: a call from before the quiet may still block the first ones, a state change between two words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How big the seed's cluster is and how its times are set."""

    agents: int
    frameworks: int
    storm_s: float
    pause_s: float
    """Mean between two faults."""
    marathon: bool = False
    metronome: bool = False
    whole: bool = False
    """Agents have the real containerizer, with docker and nested containers."""
    session_s: float = 10.0
    ping_s: float = 5.0
    missed_pings: int = 3
    reregister_s: float = 60.0
    allocation_s: float = 1.0
    offer_timeout_s: float | None = None
    removals: tuple[int, float] | None = None
    """How many agents may be given up in how many seconds."""

    @property
    def lost_s(self) -> float:
        """Away for this long, an agent is unreachable."""
        return self.ping_s * self.missed_pings + self.reregister_s + 20.0

    @classmethod
    def of(cls, rng: random.Random) -> Scale:
        size = rng.random()
        agents = rng.randint(1, 5) if size < 0.83 else rng.randint(6, 15) if size < 0.985 else 50
        marathon = agents < 50 and rng.random() < 0.25
        return cls(
            agents=agents,
            whole=agents < 6 and rng.random() < 0.25,
            marathon=marathon,
            metronome=agents < 16 and rng.random() < 0.15,
            frameworks=1 if marathon else rng.choice((1, 1, 2, 2, 3)) if agents < 50 else 4,
            storm_s=rng.choice((30.0, 60.0, 60.0, 120.0, 240.0)) if agents < 50 else 60.0,
            pause_s=rng.choice((2.0, 6.0, 15.0)),
            session_s=rng.choice((4.0, 10.0)),
            ping_s=rng.choice((2.0, 5.0, 15.0)),
            missed_pings=rng.choice((2, 3, 5)),
            reregister_s=rng.choice((15.0, 60.0)),
            allocation_s=rng.choice((1.0, 5.0)),
            offer_timeout_s=rng.choice((None, None, 10.0)),
            removals=rng.choice((None, None, (1, 10.0))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    seed: int
    problems: tuple[str, ...]
    digest: str
    virtual_s: float
    tasks: int
    messages: int
    faults: int
    trace: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


class World:
    def __init__(self, seed: int, folder: Path, loop: VirtualLoop, *, keep_trace: bool = False) -> None:
        self.loop = loop
        self.rng = random.Random(seed)
        self.trace = Trace(loop, keep=keep_trace)
        self.scale = Scale.of(self.rng)
        self.network = Network(loop, random.Random(self.rng.getrandbits(64)), self.trace)
        self.truth = Truth(self)
        self.ensemble = SimEnsemble(self.truth.observe)
        self.quiet = False
        self.operator = Operator(self)
        self.removed: set[str] = set()
        """Frameworks whose schedulers were told that they are no more."""
        self.faults = 0
        self._ids = 0
        self._sessions: dict[SimSession, None] = {}
        self._ends: dict[int, tuple[tuple[str, str], ...]] = {}
        """Cut paths, by the number of the fault."""
        self._cuts: dict[tuple[str, str], int] = {}
        self.trace("world", f"seed={seed}", self.scale)
        self.masters = [MasterProcess(self, number) for number in (1, 2, 3)]
        self.agents = [self._agent(number, folder) for number in range(1, self.scale.agents + 1)]
        self.frameworks = [
            FrameworkProcess(self, number, self._habits(number)) for number in range(1, self.scale.frameworks + 1)
        ]
        self.marathons = [MarathonProcess(self, number) for number in (1, 2)] if self.scale.marathon else []
        self.clients = Clients(self, self.marathons)
        self.metronomes = [MetronomeProcess(self, number) for number in (1, 2)] if self.scale.metronome else []
        self.jobs = Jobs(self, self.metronomes)
        self.processes: list[Process] = [
            *self.masters,
            *self.agents,
            *self.frameworks,
            *self.marathons,
            *self.metronomes,
        ]
        self.hosts = [one.host for one in self.processes] + [one.hosts[1] for one in self.frameworks]

    def _agent(self, number: int, folder: Path) -> AgentProcess:
        total = self.rng.choice(_SIZES if not self.scale.marathon else apps.SIZES)
        rng = random.Random(self.rng.getrandbits(64))
        name = f"agent{number}"
        machine = Machine(name, folder / name, total, rng, self.truth, self.loop)
        machine.whole = self.scale.whole
        return AgentProcess(self, number, machine)

    def _habits(self, number: int) -> Habits:
        rng = self.rng
        aware = rng.random() < 0.75
        roomy = self.scale.marathon or self.scale.metronome  # what people want must have room in the end
        return Habits(
            name=f"f{number}",
            service=rng.random() < 0.5 and not roomy,
            aware=aware,
            role=rng.choice(("*", "a", "b")) if not aware else rng.choice(("a", "b", "a/c")),
            count=rng.randint(2, 12) * max(1, self.scale.agents // 5),
            groups=aware and rng.random() < 0.4,
            programs=rng.random() < 0.4,
            hushes=rng.random() < 0.4,
            ponders=rng.random() < 0.3,
            reserves=aware and rng.random() < 0.4 and not self.scale.marathon,
            checkpoint=rng.random() < 0.85,
            failover_s=rng.choice((1e6, 1e6, 1e6, 30.0)),
            mean_s=rng.choice((5.0, 40.0, 200.0)) if not roomy else 10.0,
            reconcile_s=rng.choice((15.0, 40.0, 120.0)),
        )

    # ---- what processes use ------------------------------------------------------------------------------------------

    def new_id(self, kind: str) -> str:
        self._ids += 1
        return f"{kind}-{self._ids}"

    def session(self, life: Life) -> SimSession:
        made = self.ensemble.session_of(life, self.scale.session_s, self.network.store_delay)
        self._sessions = {one: None for one in self._sessions if one.life.alive}
        self._sessions[made] = None
        if not self._store_in_reach(life.host):
            made.outage()
        return made

    async def leaders(self, life: Life) -> AsyncIterator[str | None]:
        """``host:port`` of the leading master as this process sees it, for ever."""

        async def connect() -> Store:
            return self.session(life)

        async for info in follow_sessions(
            connect, lambda store: watch_leading_master(store, "/mesos"), rng=life.rng, name="sim"
        ):
            yield None if info is None else address_of(info)

    def trouble(self, name: str, group: BaseExceptionGroup[Exception]) -> None:
        """A process failed in a way that nobody foresaw."""
        text = "".join(traceback.format_exception(group))
        self.trace.violation(name, f"unknown trouble:\n{text}")

    # ---- what faults use ---------------------------------------------------------------------------------------------

    def _store_in_reach(self, host: str) -> bool:
        return self.network.passes(host, "zk") and self.network.passes("zk", host)

    def cut(self, pairs: list[tuple[str, str]], for_s: float) -> None:
        """Nothing passes along ``pairs`` for a time."""
        self.trace("faults", "cuts", f"{len(pairs)} paths for {for_s:.0f} s", pairs if len(pairs) < 5 else pairs[:4])
        for pair in pairs:
            self._cuts[pair] = self._cuts.get(pair, 0) + 1
            self.network.cut(*pair)
        self._look_at_sessions()
        number = self.faults
        self._ends[number] = tuple(pairs)
        self.loop.call_later(for_s, self._uncut, number)

    def _uncut(self, number: int) -> None:
        pairs = self._ends.pop(number, ())
        self.trace("faults", "ends a cut of", len(pairs), "paths")
        for pair in pairs:
            self._cuts[pair] -= 1
            if not self._cuts[pair]:
                del self._cuts[pair]
                self.network.heal(*pair)
        self._look_at_sessions()

    def _look_at_sessions(self) -> None:
        for one in list(self._sessions):
            if one.life.alive:
                if self._store_in_reach(one.life.host):
                    one.back()
                else:
                    one.outage()

    def power_off(self, process: Process, down_s: float) -> None:
        self.network.power(process.host, on=False)
        self._look_at_sessions()
        if isinstance(process, AgentProcess):
            process.machine.reboot()
        self.loop.call_later(down_s, self._power_on, process.host)

    def _power_on(self, host: str) -> None:
        self.network.power(host, on=True)
        self._look_at_sessions()

    def degrade(self, loss: float, delay_s: float, for_s: float) -> None:
        self.trace("faults", "network", f"loss={loss} delay={delay_s} for {for_s:.0f} s")
        self.network.loss, self.network.delay_s = loss, delay_s
        self.loop.call_later(for_s, self._mend)

    def _mend(self) -> None:
        self.network.loss, self.network.delay_s = 0.0, 0.002

    # ---- the run -----------------------------------------------------------------------------------------------------

    async def run(self) -> list[str]:
        """The storm, then the quiet.   Returns what is not as it must be."""
        for process in self.processes:
            self.loop.call_later(self.rng.uniform(0.0, 5.0), process.start)
        await asyncio.sleep(10.0)
        self.clients.begin()
        self.jobs.begin()
        until = self.loop.time() + self.scale.storm_s
        table = faults.chosen(self.rng, marathon=bool(self.marathons), metronome=bool(self.metronomes))
        choices, weights = list(table), list(table.values())
        self.trace("world", "may suffer", *(one.__name__ for one in choices))
        while self.loop.time() < until and not self.trace.violations:
            await asyncio.sleep(self.rng.expovariate(1.0 / self.scale.pause_s))
            fault = self.rng.choices(choices, weights)[0]
            self.trace("faults", fault.__name__)
            self.faults += 1
            fault(self)
        self.calm()
        problems = await self._settle("the storm", self.truth.problems)
        if not problems:
            problems = await self._paused()
        if not problems:
            problems = await self._reconciled()
        if not problems:
            problems = await self._scheduled()
        if not problems:
            problems = await self._shared()
        if not problems:
            problems = await self._all_killed()
        return [*self.trace.violations, *problems]

    def calm(self) -> None:
        self.trace("world", "calm")
        self.quiet = True
        for number in list(self._ends):
            self._uncut(number)
        self._mend()
        for host in self.hosts:
            self.network.power(host, on=True)
        for framework in self.frameworks:
            framework.lay_ghosts()
        for agent in self.agents:
            agent.machine.docker_away = False
            agent.machine.heal()
        for process in self.processes:
            if process.life is not None:
                process.life.countdown = None
            if not process.running:
                process.start_later(self.rng.uniform(0.0, 5.0))
        self._look_at_sessions()

    async def _settle(self, after: str, problems: object) -> list[str]:
        assert callable(problems)
        until = self.loop.time() + QUIET_LIMIT_S
        while not self.trace.violations:
            await asyncio.sleep(5.0)
            self.operator.tidy_up()
            found: list[str] = problems()
            if not found:
                break
            if self.loop.time() > until:
                return [f"after {after}: {one}" for one in found]
        return []

    async def _paused(self) -> list[str]:
        """An update that is paused in the middle stays as it is, and goes on when it is told to."""
        app = self.clients.restart_one()
        if app is None:
            return []
        for _ in range(_TRIES_TO_PAUSE):
            await asyncio.sleep(self.rng.uniform(0.02, 0.2))
            if self.clients.steer(app, "pause"):
                break
        await asyncio.sleep(PAUSED_S)
        found = self.clients.stands_still(app)
        if found is not None and found[0] != found[1]:
            return [f"{app} was paused with {found[0]}, {PAUSED_S:.0f} s later there are {found[1]}"]
        self.clients.steer(app, "continue")
        return await self._settle("the pause", self.truth.problems)

    async def _reconciled(self) -> list[str]:
        """What the master answers to reconciliation, implicit and explicit, is what lives."""
        for how in ("implicit", "explicit"):
            for _ in range(_ROUNDS):
                out = await self._reconciled_once(how)
                if not out:
                    break
            else:
                return out
        return []

    async def _reconciled_once(self, how: str) -> list[str]:
        out = []
        before = {one.name: one.running_notes() for one in self.frameworks}
        for framework in self.frameworks:
            framework.ask(implicitly=how == "implicit")
        await asyncio.sleep(4.0)
        for framework in self.frameworks:
            after = framework.running_notes()
            asked = {name for name in before[framework.name] & after if self.truth.lives(name)}
            silent = {name for name in asked if framework.notes[name].state not in framework.answers.get(name, ())}
            if silent:
                out.append(f"{how} reconciliation did not tell {framework.name} the truth about {sorted(silent)}")
        return out

    async def _scheduled(self) -> list[str]:
        """Metronome's schedules fire, each minute once, and their runs end."""
        if not self.metronomes:
            return []
        self.jobs.ticking = True
        self.jobs.calm()
        since = self.loop.time()
        await asyncio.sleep(300.0)
        leading = [one.api.state for one in self.masters if one.leads and one.api is not None]
        out = self.jobs.missed(since, self.loop.time(), roomy=any(shares.has_room(one) for one in leading))
        self.jobs.ticking = False
        return out

    async def _shared(self) -> list[str]:
        """Everybody asks for everything: guarantees are met, and nothing lies about unoffered."""
        roles = {one.habits.role for one in self.frameworks}
        if self.marathons or self.metronomes:
            return []
        for framework in self.frameworks:
            framework.offers.hold()

        def problems() -> list[str]:
            leaders = [one.api.state for one in self.masters if one.leads and one.api is not None]
            if len(leaders) != 1:
                return [f"{len(leaders)} masters lead"]
            return [*shares.unmet(leaders[0], roles), *shares.lying_about(leaders[0], roles)]

        out = await self._settle("asking for everything", problems)
        for framework in self.frameworks:
            framework.offers.release()
        return out

    async def _all_killed(self) -> list[str]:
        """Kills end everything, and everything is free again."""
        self.clients.deleting = True
        for framework in self.frameworks:
            for note in framework.notes.values():
                if note.live:
                    framework.want_killed(note)

        def problems() -> list[str]:
            out = self.truth.problems()
            out += [f"{name} still runs" for name, run in self.truth.runs.items() if run.live]
            out += [
                f"{agent.name} still has container {one.plan.container_id}"
                for agent in self.agents
                for one in agent.machine.live
            ]
            out += [f"{agent.name} still keeps docker's {one}" for agent in self.agents for one in agent.machine.docker]
            for master in self.masters:
                if master.leads and master.api is not None:
                    out += [
                        f"{agent.id} still counts {agent.used} used"
                        for agent in master.api.state.agents.values()
                        if agent.used
                    ]
            return out

        return await self._settle("killing all", problems)

    async def end(self) -> None:
        """Everything dies, and nothing is left waiting."""
        for process in self.processes:
            process.finish()
        self.operator.end()
        for _ in range(5):
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)


class _Errors(logging.Handler):
    """ERROR means that a person should act: none may be logged."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.levelname} {record.name} {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + "".join(traceback.format_exception(record.exc_info[1]))
        if record.levelno >= logging.ERROR:
            self._trace.violation("log", text)
        elif self._trace.lines:
            self._trace.lines.append(f"{'':10} {'log':<12} {text}")


@contextlib.contextmanager
def _logging(trace: Trace, *, whole: bool) -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = [_Errors(trace)]
    root.setLevel(logging.INFO if whole else logging.ERROR)
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def run_seed(seed: int, folder: Path, *, keep_trace: bool = False) -> Result:
    """One world from beginning to end. ``folder`` is for the agents' disks."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        world = World(seed, folder, loop, keep_trace=keep_trace)
        judged = Upgrades(world.trace).judging() if world.marathons else contextlib.nullcontext()
        with _logging(world.trace, whole=keep_trace), judged:
            try:
                problems = loop.run_until_complete(world.run())
            except (Stalled, Spinning) as error:
                problems = [f"{type(error).__name__} at {loop.time():.3f} s: {error}"]
            virtual_s = loop.time()
            loop.run_until_complete(world.end())
            loop.run_until_complete(loop.shutdown_asyncgens())
        return Result(
            seed=seed,
            problems=tuple(problems),
            digest=world.trace.digest,
            virtual_s=virtual_s,
            tasks=len(world.truth.wishes),
            messages=world.network.messages,
            faults=world.faults,
            trace=tuple(world.trace.lines),
        )
    finally:
        asyncio.set_event_loop(None)
        loop.close()
