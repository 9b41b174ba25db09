"""People who want apps and pods of Marathon: what they asked for last is what must run, once all is quiet."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from dcos.marathon.core import events
from dcos.model.marathon_state import Condition, Held
from dcos.testing.sim import apps
from dcos.testing.sim.apps import Kind

if TYPE_CHECKING:
    from dcos.marathon.core.state import State
    from dcos.testing.sim.marathon import MarathonProcess
    from dcos.testing.sim.world import World

_LIVES = frozenset({Condition.STARTING, Condition.RUNNING, Condition.KILLING})
_LOADS = (5.0, 15.0, 25.0, 35.0)
SPECIAL = 3
"""Of the special kinds in one world."""


class Clients:
    def __init__(self, world: World, processes: list[MarathonProcess]) -> None:
        self._world = world
        self._processes = processes
        special = world.rng.sample(apps.SPECIAL, SPECIAL) if processes else ()
        self._kinds = {one.id: one for one in (*apps.COMMON, *special)}
        self.wanted: dict[str, int] = {}
        self.measures = {apps.LOAD: _LOADS[1], apps.ERRORS: 0.0}
        self.deleting = False
        self.superseded = False
        """A deployment was cancelled, or another forced over it: what it had not replaced yet stays, as upstream's."""

    def leader(self) -> MarathonProcess | None:
        return next((one for one in self._processes if one.state is not None), None)

    # ---- what they do ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """What is wanted before anything goes wrong."""
        rng = self._world.rng
        for kind in self._kinds.values() if self._processes else ():
            if rng.random() < 0.5:
                self.wanted[kind.id] = rng.randint(1, kind.most) if kind.counted else 1
        self.insist()

    def change(self) -> None:
        """Ask for another number of instances, a restart, an upgrade, or the end of one; steer what is under way."""
        rng, leader = self._world.rng, self.leader()
        kind = rng.choice(list(self._kinds.values()))
        what = rng.random() if kind is not apps.STEPS else rng.uniform(0.5, 0.86)
        if leader is not None and leader.state is not None and leader.state.deployments:
            self.superseded = True
        if what < 0.5 or kind.id not in self.wanted:
            self.wanted[kind.id] = rng.randint(0, kind.most) if kind.counted else 1
        if kind is apps.SCALED:
            self.measures[apps.LOAD] = rng.choice(_LOADS)
        if leader is None or leader.state is None:
            return
        state = leader.state
        if what < 0.5:
            self.insist()
        elif what < 0.6 and kind.id in state.apps:
            leader.ask(events.RestartApp(kind.id, force=True))
        elif what < 0.78 and kind.id in state.apps:
            self.measures[apps.ERRORS] = rng.choice((0.0, 0.0, 5.0))
            leader.ask(events.PutApps(((kind.id, apps.upgrade(rng, kind)),), force=rng.random() < 0.5))
        elif what < 0.86 and state.deployments:
            deployment, way = rng.choice(list(state.deployments)), rng.random()
            if way < 0.4:
                leader.ask(events.CancelDeployment(deployment, force=rng.random() < 0.5))
            else:
                leader.ask(events.SteerDeployment(deployment, rng.choice(("pause", "continue", "promote"))))
        elif what < 0.92:
            self.wanted.update(dict.fromkeys(apps.GROUP, self.wanted.get(apps.GROUP[0], rng.randint(1, 2))))
            self.insist()
        else:
            running = [one.id for one in state.instances.values()]
            if running:
                extra = rng.choice(("", "", "", "wipe", "scale"))
                leader.ask(events.KillInstances((rng.choice(running),), wipe=extra == "wipe", scale=extra == "scale"))

    def insist(self) -> None:
        """As long as an app is not what was asked for, ask again."""
        leader = self.leader()
        state = leader.state if leader is not None else None
        if leader is None or state is None:
            return
        for app, count in self.wanted.items():
            kind, present = self._kinds.get(app), state.wanted(app)
            is_pod = kind is not None and kind.is_pod
            if self.deleting:
                if present is not None:
                    leader.ask(events.DeletePod(app) if is_pod else events.DeleteApp(app))
            elif kind is None:
                if present is None or present.instances != count:
                    leader.ask(events.PutGroup("/group", apps.group(count), force=True))
            elif is_pod:
                if present is None or present.instances != count:
                    leader.ask(events.PutPod(kind.pod(count), force=True))
            elif app not in state.apps:
                leader.ask(events.CreateApp(kind.app(count)))
            elif (kind.counted or not state.apps[app].instances) and state.apps[app].instances != count:
                self.superseded = self.superseded or bool(state.deployments)
                leader.ask(events.PutApps(((app, {"instances": count}),), force=True))

    def _let_go_on(self, leader: MarathonProcess, state: State) -> None:
        """What waits for somebody's word."""
        self.measures[apps.ERRORS] = 0.0
        for deployment in state.deployments.values():
            if deployment.held is not None or deployment.rollouts:
                leader.ask(events.SteerDeployment(deployment.id, "continue"))

    # ---- an update that is paused, once all is quiet ------------------------------------------------------------------

    def restart_one(self) -> str | None:
        """Have something that runs replaced, whatever its kind; its id."""
        leader = self.leader()
        if leader is None or leader.state is None:
            return None
        running = [one for one in self._kinds if self.wanted.get(one) and leader.state.instances_of(one)]
        if not running:
            return None
        kind: Kind = self._kinds[self._world.rng.choice(running)]
        if kind.is_pod:
            pod = replace(kind.pod(self.wanted[kind.id]), labels={"release": "paused"})
            leader.ask(events.PutPod(pod, force=True))
        else:
            leader.ask(events.RestartApp(kind.id, force=True))
        return kind.id

    def steer(self, app: str, action: str) -> bool:
        """Say it to the app's deployment, if there is one."""
        leader = self.leader()
        deployment = leader.state.deployment_of(app) if leader is not None and leader.state is not None else None
        if leader is None or deployment is None:
            return False
        leader.ask(events.SteerDeployment(deployment.id, action))
        return True

    def stands_still(self, app: str) -> tuple[Held, Held] | None:
        """What the paused deployment of the app keeps, and what of it is there; None: none is paused."""
        leader = self.leader()
        state = leader.state if leader is not None else None
        deployment = state.deployment_of(app) if state is not None else None
        spec = state.wanted(app) if state is not None else None
        if state is None or spec is None or deployment is None or deployment.held is None or app not in deployment.held:
            return None
        there = [one for one in state.instances_of(app) if one.condition is Condition.RUNNING]
        new = sum(1 for one in there if one.config_version == spec.config_version)
        return deployment.held[app], Held(new=new, old=len(there) - new)

    # ---- what must be true once all is quiet -------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """What is not as wanted (yet)."""
        self.insist()
        leaders = [one for one in self._processes if one.state is not None]
        if len(leaders) != 1 or leaders[0].state is None:
            return [f"{len(leaders)} Marathons lead"]
        state = leaders[0].state
        if not state.subscribed:
            return ["Marathon is not subscribed"]
        self._let_go_on(leaders[0], state)
        out = [f"deployment {one} is not done: {state.waits}" for one in state.deployments]
        out += [
            f"{one.id} is of configuration {one.config_version}, wanted is {wanted.config_version}"
            for one in state.instances.values()
            if not self.superseded
            and not one.rests
            and (wanted := state.wanted(one.app_id)) is not None
            and one.config_version != wanted.config_version
        ]
        tasks = {}
        for instance, task in [(one, task) for one in state.instances.values() for task in one.tasks]:
            tasks[task.id] = instance
            lives = self._world.truth.lives(task.id)
            if lives != (instance.condition in _LIVES):
                out.append(f"{task.id} {'runs' if lives else 'does not run'}, Marathon thinks {instance.condition}")
        out += [
            f"{one.id} is not healthy"
            for one in state.instances.values()
            if not one.rests and not state.is_healthy(one)
        ]
        out += [
            f"{one.id} is left of what is no more wanted"
            for one in state.instances.values()
            if state.wanted(one.app_id) is None
        ]
        for app in self.wanted:
            count = self._count(app)
            mine = [one for one in state.instances_of(app) if not one.rests]
            if len(mine) != count:
                out.append(f"{app} has {len(mine)} instances, {count} were asked for")
            numbers = Counter((one.config_version, one.index) for one in mine)
            out += [f"{app} has {many} instances with the number {one[1]}" for one, many in numbers.items() if many > 1]
            if self._kinds.get(app) is apps.EVERYWHERE and len({one.agent.agent_id for one in mine}) < len(mine):
                out.append(f"{app} has several instances on one agent")
            if self._kinds.get(app) is apps.BALANCED and mine:
                have = [sum(1 for one in mine if one.agent.host == agent.name) for agent in self._world.agents]
                out += [f"{app} is spread as {have}"] if max(have) - min(have) > 1 else []
        out += [f"{name} runs and Marathon does not know it" for name in self.living() if name not in tasks]
        return out + self._world.truth.residents.problems(state)

    def _count(self, app: str) -> int:
        kind: Kind | None = self._kinds.get(app)
        if self.deleting:
            return 0
        if kind is apps.SCALED:
            return apps.scaled_to(self.measures[apps.LOAD])
        return len(self._world.agents) if kind is apps.EVERYWHERE else self.wanted[app]

    def living(self) -> list[str]:
        return [
            name
            for name, run in self._world.truth.runs.items()
            if run.live and name not in self._world.truth.wishes and not self._world.jobs.owns(name)
        ]
