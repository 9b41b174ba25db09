"""Marathon: the real election, repository, core, loop and scheduler client; two instances of it share one framework."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from dcos.client.scheduler import SchedulerClient
from dcos.client.scheduler_http import Reply
from dcos.client.scheduler_service import EXIT_FRAMEWORK, EXIT_LEADERSHIP
from dcos.marathon.api import Service
from dcos.marathon.config import Config
from dcos.marathon.core import events
from dcos.marathon.metrics import Metrics
from dcos.marathon.service import Marathon
from dcos.marathon.stream import Bus
from dcos.model.marathon import CheckCommand, ExecutorResources
from dcos.model.marathon_state import Condition
from dcos.model.pods import Pod, PodContainer, PodExec, Scaling
from dcos.model.pods import Resources as Needs
from dcos.model.resources import Resources
from dcos.model.schedulers import Refused as RequestRefused
from dcos.model.v1.types import FrameworkInfo, MasterInfo
from dcos.runtime.app import App, Exit
from dcos.store.detect import MARATHON_LABEL, follow_sessions, watch_leading_master
from dcos.store.election import Candidate
from dcos.testing.sim.launches import OVERHEAD
from dcos.testing.sim.network import Refused
from dcos.testing.sim.process import Life, Process

if TYPE_CHECKING:
    from dcos.marathon.core.state import State
    from dcos.testing.sim.world import World

WISH = Resources.parse("cpus:0.05;mem:16")
NAME = "marathon"
_APP: dict[str, Any] = {"cmd": "run 0 0 0.5", "cpus": 0.05, "mem": 16, "portDefinitions": []}
_COMMAND = PodExec(command=CheckCommand(shell=_APP["cmd"]))
_CONTAINERS = tuple(PodContainer(name=name, resources=Needs(cpus=0.05, mem=16.0), exec=_COMMAND) for name in "ab")
_EXECUTOR = ExecutorResources(cpus=OVERHEAD.scalar("cpus") / 1000, mem=OVERHEAD.scalar("mem") / 1000, disk=1.0)
POD = "/pod"
_GROUP_APPS = ("/group/first", "/group/second")
_LIVES = frozenset({Condition.STARTING, Condition.RUNNING, Condition.KILLING})


class SimTransport:
    """The scheduler client's way to a master over the simulated network."""

    def __init__(self, world: World, life: Life) -> None:
        self._network = world.network
        self._life = life

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    @contextlib.asynccontextmanager
    async def subscribe(self, base: str, body: bytes) -> AsyncIterator[Reply]:
        async def text() -> str:
            return ""

        async def nothing() -> bytes:
            return b""

        try:
            end = await self._network.connect(self._life, base.removeprefix("http://"), "/subscribe", body)
        except Refused as error:
            yield Reply(error.status, "", None, text, nothing)
            return
        try:
            yield Reply(200, "", end.greeting, text, end.read)
        finally:
            if self._life.alive:
                end.close()

    async def call(self, base: str, body: bytes, stream_id: str, timeout_s: float) -> tuple[int, str]:
        try:
            async with asyncio.timeout(timeout_s):
                end = await self._network.connect(self._life, base.removeprefix("http://"), "/call", (stream_id, body))
        except Refused as error:
            return error.status, error.text
        end.close()
        return 202, end.greeting


class MarathonProcess(Process):
    kind = "framework"

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, f"{NAME}{number}", f"10.4.0.{number}")
        self.service: Service | None = None
        self.session: Any = None

    def config(self) -> Config:
        return Config(
            master="zk://zk:2181/mesos",
            zk="zk://zk:2181/marathon",
            reconciliation_interval=60.0,
            task_launch_confirm_timeout=60.0,
            task_launch_timeout=120.0,
            decline_offer_duration=20.0,
        )

    @property
    def state(self) -> State | None:
        """Of the one that leads, as far as it knows."""
        if not self.running or self.service is None or self.service.leader is None:
            return None
        return self.service.leader.state

    async def run(self, life: Life, app: App[Any]) -> None:
        config: Config = app.config
        own = f"{self.host}:8080"
        self.service = service = Service(
            config=config,
            own=own,
            bus=Bus(app.clock.now, 10),
            proxy=cast(Any, None),
            metrics=Metrics(app.clock.monotonic),
            abdicate=lambda: None,
            wish=cast(Any, None),
        )
        store = self.session = self.world.session(life)
        base = "/marathon/state"
        candidate = Candidate(
            store, "/marathon/leader", label=MARATHON_LABEL, data=own.encode(), epoch_path=f"{base}/epoch"
        )

        def subscribe(framework: FrameworkInfo) -> SchedulerClient:
            return SchedulerClient(
                masters(self.world, life), framework, jitter=app.rng.random, transport=SimTransport(self.world, life)
            )

        try:
            await Marathon(app, store, service, candidate, base, subscribe=subscribe, ids=fresh_ids(life)).stand()
        finally:
            await store.close()

    def ended(self, reason: Exit) -> None:
        if reason.code not in (0, EXIT_LEADERSHIP, EXIT_FRAMEWORK):
            self.world.trace.violation(self.name, f"ended itself with code {reason.code}: {reason.reason}")

    # ---- what its clients do -----------------------------------------------------------------------------------------

    def ask(self, event: events.Event) -> None:
        """A client's request, if this instance leads; its answer does not matter."""
        if self.life is not None and self.running and self.service is not None and self.service.leader is not None:
            self.world.trace(self.name, "asked", type(event).__name__)
            self.life.spawn(_asked(self.service.leader.ask(event)), "request")


async def _asked(answer: Any) -> None:
    with contextlib.suppress(RequestRefused):
        await answer


async def masters(world: World, life: Life) -> AsyncIterator[MasterInfo | None]:
    """The leading master as ``life`` sees it, for ever."""

    async def connect() -> Any:
        return world.session(life)

    async for info in follow_sessions(
        connect, lambda store: watch_leading_master(store, "/mesos"), rng=life.rng, name="sim"
    ):
        yield info


def fresh_ids(life: Life) -> Iterator[str]:
    while True:
        yield str(uuid.UUID(int=life.rng.getrandbits(128), version=4))


def _pod(instances: int) -> Pod:
    """Two containers that run and end together."""
    scaling = Scaling(instances=instances)
    return Pod(id=POD, containers=_CONTAINERS, executor_resources=_EXECUTOR, scaling=scaling)


def _group(count: int) -> dict[str, Any]:
    """Its second app comes after the first."""
    first, second = ({**_APP, "id": app, "instances": count} for app in _GROUP_APPS)
    return {"id": "/group", "apps": [first, {**second, "dependencies": [_GROUP_APPS[0]]}]}


class Clients:
    """People who want apps, one by one and in a group, and a pod: what they asked for last is what must run."""

    def __init__(self, world: World, processes: list[MarathonProcess]) -> None:
        self._world = world
        self._processes = processes
        self.wanted: dict[str, int] = {}
        self.deleting = False
        self.superseded = False
        """A deployment was cancelled, or another forced over it: what it had not replaced yet stays, as upstream's."""

    def leader(self) -> MarathonProcess | None:
        return next((one for one in self._processes if one.state is not None), None)

    def change(self) -> None:
        """Ask for another number of instances, a restart, or the end of one."""
        rng, leader = self._world.rng, self.leader()
        app = rng.choice(("/app1", "/app2", POD))
        what = rng.random()
        if leader is not None and leader.state is not None and leader.state.deployments:
            self.superseded = True
        if what < 0.5 or app not in self.wanted:
            self.wanted[app] = rng.randint(0, 3)
        if leader is None or leader.state is None:
            return
        if what < 0.5:
            self.insist()
        elif what < 0.7 and app in leader.state.apps:
            leader.ask(events.RestartApp(app, force=True))
        elif what < 0.85 and app in leader.state.apps:
            strategy = {
                "minimumHealthCapacity": rng.choice((0.0, 0.5, 1.0, 1.0)),
                "maximumOverCapacity": rng.choice((0.0, 0.3, 1.0)),
            }
            fields = {"labels": {"release": str(rng.randint(1, 9))}, "upgradeStrategy": strategy}
            leader.ask(events.PutApps(((app, fields),), force=rng.random() < 0.5))
        elif what < 0.9 and leader.state.deployments:
            deployment = rng.choice(list(leader.state.deployments))
            leader.ask(events.CancelDeployment(deployment, force=rng.random() < 0.5))
        elif what < 0.94:
            self.wanted.update(dict.fromkeys(_GROUP_APPS, self.wanted.get(_GROUP_APPS[0], rng.randint(1, 2))))
            self.insist()
        else:
            running = [one.id for one in leader.state.instances.values()]
            if running:
                leader.ask(events.KillInstances((rng.choice(running),)))

    def insist(self) -> None:
        """As long as an app is not what was asked for, ask again."""
        leader = self.leader()
        state = leader.state if leader is not None else None
        if leader is None or state is None:
            return
        for app, count in self.wanted.items():
            present = state.wanted(app)
            if self.deleting:
                if present is not None:
                    leader.ask(events.DeletePod(app) if app == POD else events.DeleteApp(app))
            elif app == POD:
                if present is None or present.instances != count:
                    leader.ask(events.PutPod(_pod(count), force=True))
            elif app in _GROUP_APPS and app not in state.apps:
                leader.ask(events.PutGroup("/group", _group(count), force=True))
            elif app not in state.apps:
                leader.ask(events.CreateApp({**_APP, "id": app, "instances": count}))
            elif state.apps[app].instances != count:
                self.superseded = self.superseded or bool(state.deployments)
                leader.ask(events.PutApps(((app, {"instances": count}),), force=True))

    def problems(self) -> list[str]:
        """What is not as wanted (yet)."""
        self.insist()
        leaders = [one.state for one in self._processes if one.state is not None]
        if len(leaders) != 1:
            return [f"{len(leaders)} Marathons lead"]
        (state,) = leaders
        if not state.subscribed:
            return ["Marathon is not subscribed"]
        out = [f"deployment {one} is not done: {state.waits}" for one in state.deployments]
        out += [
            f"{one.id} is of configuration {one.config_version}, wanted is {wanted.config_version}"
            for one in state.instances.values()
            if not self.superseded
            and (wanted := state.apps.get(one.app_id)) is not None
            and one.config_version != wanted.config_version
        ]
        tasks = {}
        for instance, task in [(one, task) for one in state.instances.values() for task in one.tasks]:
            tasks[task.id] = instance
            lives = self._world.truth.lives(task.id)
            if lives != (instance.condition in _LIVES):
                out.append(f"{task.id} {'runs' if lives else 'does not run'}, Marathon thinks {instance.condition}")
        for app, count in self.wanted.items():
            count = 0 if self.deleting else count
            mine = sum(1 for one in state.instances.values() if one.app_id == app)
            if mine != count:
                out.append(f"{app} has {mine} instances, {count} were asked for")
        out += [f"{name} runs and Marathon does not know it" for name in self.living() if name not in tasks]
        return out

    def living(self) -> list[str]:
        return [
            name
            for name, run in self._world.truth.runs.items()
            if run.live and name not in self._world.truth.wishes and not self._world.jobs.owns(name)
        ]
