"""What is true in the simulated world, whoever knows it; what must hold at every moment, and what once all is quiet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import msgspec

from dcos.master.core.state import State
from dcos.model.resources import EMPTY, Resources
from dcos.model.task_states import TERMINAL
from dcos.model.v1.types import Resource, TaskState, TaskStatus, TaskStatusReason, TaskStatusSource
from dcos.store.base import Create, Operation, Set
from dcos.testing.sim import shares
from dcos.testing.sim.apps import WISH
from dcos.testing.sim.launches import OVERHEAD
from dcos.testing.sim.reservations import by_label
from dcos.testing.sim.residents import Residents

if TYPE_CHECKING:
    from dcos.testing.sim.agent import AgentProcess
    from dcos.testing.sim.framework import FrameworkProcess
    from dcos.testing.sim.machine import Machine, Run
    from dcos.testing.sim.notes import TaskNote
    from dcos.testing.sim.world import World

_RUNS = frozenset({TaskState.TASK_STARTING, TaskState.TASK_RUNNING, TaskState.TASK_KILLING})
_LIVES = _RUNS | {TaskState.TASK_STAGING}
"""What a task that ended can never be again. (UNREACHABLE and UNKNOWN say that the master cannot tell.)"""
_EPOCH = "/mesos-registry/epoch"
_PAGES = "/mesos-registry/pages/"


class Truth:
    def __init__(self, world: World) -> None:
        self.world = world
        self.wishes: dict[str, Resources] = {}
        self.runs: dict[str, Run] = {}
        """By task id, which is unique in the world."""
        self.residents = Residents(world)
        self.standings: dict[str, set[str]] = {}
        """What the registry ever said of an agent."""
        self._registered: dict[str, dict[str, str]] = {}
        """Standings by agent, by page."""
        self._leader_session = 0

    # ---- at every moment ---------------------------------------------------------------------------------------------

    def asked(self, task: str, wish: Resources) -> None:
        self.wishes[task] = wish

    def runs_now(self, run: Run) -> None:
        """A task was started."""
        before = self.runs.get(run.task)
        if before is not None:
            self.world.trace.violation(
                run.machine.name, f"{run.task} was started twice (first on {before.machine.name})"
            )
        self.runs[run.task] = run
        self.world.jobs.started(run)
        self.residents.started(run)
        self.started(run.machine, run.task)

    def started(self, machine: Machine, name: str) -> None:
        """A container of a task or a custom executor, or a task within one: the machine must have what all need."""
        self.world.trace(machine.name, "container", name)
        used = EMPTY
        for run in machine.tasks.values():
            if not self._on_its_way_out(machine, run.framework):
                used += self.wishes.get(run.task, WISH)
        for one in machine.live:
            if one.plan.executor and not self._on_its_way_out(machine, one.plan.framework_id):
                used += OVERHEAD
        if not machine.total.contains(used):
            names = " ".join(machine.tasks)
            self.world.trace.violation(machine.name, f"resources used twice: {used} of {machine.total} by {names}")

    def _on_its_way_out(self, machine: Machine, framework_id: str) -> bool:
        """Its framework was removed: as upstream's, the master gives such resources to others at once."""
        daemon = next(one.daemon for one in self.world.agents if one.machine is machine)
        framework = daemon.core.frameworks.get(framework_id) if daemon is not None else None
        return framework is None or framework.terminating

    def lives(self, task: str) -> bool:
        return task in self.runs and self.runs[task].live

    def told(self, framework: FrameworkProcess, note: TaskNote, status: TaskStatus) -> None:
        """A scheduler hears of a task."""
        trace, state = self.world.trace, status.state
        if note.final and not note.abandoned and state in _LIVES:
            trace.violation(framework.name, f"{note.id} came back: {state} after {' '.join(note.heard)}")
        run = self.runs.get(note.id)
        by_agent = status.source is not TaskStatusSource.SOURCE_MASTER
        ending = run is not None and self._on_its_way_out(run.machine, run.framework)
        sure = by_agent or (state is TaskState.TASK_GONE and framework.habits.checkpoint and not ending)
        if run is not None and run.live and state in TERMINAL and sure:
            trace.violation(framework.name, f"{note.id} was told {state}, yet it runs on {run.machine.name}")
        agent = status.agent_id.value if status.agent_id is not None else ""
        known = self.standings.get(agent, set())
        if state is TaskState.TASK_UNREACHABLE and "UNREACHABLE" not in known:
            trace.violation(framework.name, f"{note.id} told UNREACHABLE before the registry said so of {agent}")
        if status.reason is TaskStatusReason.REASON_AGENT_REMOVED_BY_OPERATOR and "GONE" not in known:
            trace.violation(framework.name, f"{note.id} told GONE_BY_OPERATOR before the registry said so of {agent}")
        if (
            state is TaskState.TASK_LOST
            and status.reason is TaskStatusReason.REASON_AGENT_REMOVED
            and not known & {"UNREACHABLE", "GONE", "NONE"}
        ):
            trace.violation(framework.name, f"{note.id} told LOST before the registry gave {agent} up")

    def observe(self, session: int, operations: Sequence[Operation]) -> None:
        """A write that the store did."""
        self.world.jobs.observe(session, operations)
        for one in operations:
            if one.path == _EPOCH and isinstance(one, Set):
                self._leader_session = session
            elif one.path.startswith(_PAGES):
                if session != self._leader_session:
                    self.world.trace.violation("store", f"session {session} wrote {one.path} without leading")
                self._page_written(one.path, one.data if isinstance(one, Create | Set) else b'{"agents":{}}')

    def _page_written(self, path: str, data: bytes) -> None:
        """Note the standing of each agent that changed; one that left its page for another is not gone."""
        after = {agent: str(entry["standing"]) for agent, entry in msgspec.json.decode(data)["agents"].items()}
        before = self._registered.get(path, {})
        self._registered[path] = after
        for agent in {**before, **after}:
            standing = after.get(agent, "NONE")
            if standing != before.get(agent) and (agent in after or not self._registry_has(agent)):
                self.standings.setdefault(agent, set()).add(standing)
                self.world.trace("store", "agent", agent, standing)

    def was_given_up(self, run: Run) -> bool:
        """Whether the registry ever said that nobody can count on the task's agent."""
        return bool(self.standings.get(run.agent, set()) & {"UNREACHABLE", "GONE", "NONE"})

    def allocated(self, state: State, before: Collection[str]) -> None:
        """The allocator ran, where roles have quota. ``before``: the offers from before."""
        for one in shares.limits_broken(state, before):
            self.world.trace.violation("allocator", one)

    def _registry_has(self, agent: str) -> bool:
        return any(agent in page for page in self._registered.values())

    def agent_left(self, agent: AgentProcess, code: int) -> None:
        """The agent's process ended itself."""
        if code not in (0, 3):
            self.world.trace.violation(agent.name, f"ended itself with code {code}")
        if code == 3 and agent.machine.live:
            names = " ".join(one.plan.task_id for one in agent.machine.live)
            self.world.trace.violation(agent.name, f"left while it ran {names}")

    # ---- once all is quiet -------------------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """Where somebody's knowledge is not the truth (yet)."""
        world = self.world
        leaders = [one for one in world.masters if one.leads]
        if len(leaders) != 1:
            return [f"{len(leaders)} masters lead"]
        assert leaders[0].api is not None
        state = leaders[0].api.state
        out = self._agents(state)
        for framework in world.frameworks:
            out += self._framework(framework, state)
        out += books(state)
        out += world.operator.promises.problems(state)
        reserved = self._reserved()
        for framework in world.frameworks:
            out += framework.reservations.problems(reserved, state.unreachable)
        known = {name for framework in world.frameworks for name in framework.notes}
        known |= set(world.clients.living())
        out += world.clients.problems() if world.marathons else []
        known |= set(world.jobs.living())
        out += world.jobs.problems()
        out += [
            f"{name} runs and no framework knows it"
            for name, run in self.runs.items()
            if run.live and name not in known
        ]
        return out

    def _agents(self, state: State) -> list[str]:
        out = []
        for agent in self.world.agents:
            daemon = agent.daemon
            if not agent.running or daemon is None or not daemon.core.registered:
                out.append(f"{agent.name} is not registered")
                continue
            record = state.agents.get(daemon.agent_id or "")
            if record is None or not record.connected:
                out.append(f"{agent.name} ({daemon.agent_id}) is not connected at the leader")
                continue
            out += [
                f"{agent.name} owes updates of {run.task_id}: {' '.join(one.state for one in run.stream.pending)}"
                for _, _, run in daemon.core.runs()
                if run.stream.pending
            ]
            live = set(agent.machine.tasks)
            mine = {task for _, task in record.tasks}
            if live != mine:
                out.append(f"{agent.name} runs {sorted(live)}, the master thinks {sorted(mine)}")
            if {one.name for one in record.info.attributes} != set(agent.attributes):
                out.append(
                    f"{agent.name} has attributes {agent.attributes}, the master thinks {record.info.attributes}"
                )
            out += self._nested(agent)
            if record.total != daemon.core.operations.total:
                out.append(f"{agent.name} has {daemon.core.operations.total}, the master thinks {record.total}")
            out += [
                f"{agent.name} owes the end of operation {run.info.id}"
                for run in daemon.core.operations.runs.values()
                if run.framework_id not in self.world.removed  # the master acknowledges those after a day
            ]
            out += [
                f"the master waits for operation {one.info.id} on {agent.name}"
                for one in record.operations.values()
                if one.framework not in self.world.removed
            ]
            held = {run.task_id for _, _, run in daemon.core.runs()}
            if live != held:
                out.append(f"{agent.name} runs {sorted(live)}, its daemon thinks {sorted(held)}")
        return out

    def _nested(self, agent: AgentProcess) -> list[str]:
        """Containers within containers end with them."""
        live = {one.plan.container_id for one in agent.machine.live}
        groups = {executor.run_id for _, executor, _ in agent.daemon.core.runs()} if agent.daemon is not None else set()
        out = []
        for name in live:
            parent = name.rpartition(".")[0]
            if parent and parent not in live and parent.rpartition(".")[2] not in live | groups:
                out.append(f"{agent.name}: {name} lives on without {parent}")
        return out

    def _reserved(self) -> dict[str, list[Resource]]:
        """What agents have reserved, by the operation that asked for it."""
        found: dict[str, list[Resource]] = {}
        for agent in self.world.agents:
            if agent.daemon is not None:
                for label, held in by_label(agent.daemon.core.operations.total.messages()).items():
                    found.setdefault(label, []).extend(held)
        return found

    def _framework(self, framework: FrameworkProcess, state: State) -> list[str]:
        if not framework.running or framework.id is None:
            return [f"{framework.name} is not there"]
        record = state.frameworks.get(framework.id)
        if record is None or record.stream is None:
            return [f"{framework.name} ({framework.id}) is not connected at the leader"]
        out = []
        offered = set(record.offers)
        if framework.offers.hushed and offered:
            out.append(f"{framework.name} suppressed its roles and is offered {sorted(offered)}")
        if framework.offers.open.keys() != offered:
            out.append(f"{framework.name} holds {sorted(framework.offers.open)}, the master thinks {sorted(offered)}")
        if framework.offers.asked.keys() != set(record.inverse_offers):
            out.append(
                f"{framework.name} holds inverse offers {sorted(framework.offers.asked)},"
                f" the master thinks {sorted(record.inverse_offers)}"
            )
        out += [
            f"{framework.name} was not asked to leave {agent.id}"
            for agent in state.agents.values()
            if agent.unavailability is not None
            and record.id in {owner for (owner, _), task in agent.tasks.items() if task.holds}
            and record.id not in agent.inverse_offers
            and record.id not in agent.answers
        ]
        out += self._groups(framework)
        for note in framework.notes.values():
            run = self.runs.get(note.id)
            if run is not None and run.live:
                if note.state not in _RUNS:
                    out.append(f"{note.id} runs on {run.machine.name}, its framework thinks {note.state}")
            elif note.state is TaskState.TASK_UNREACHABLE and note.agent in state.unreachable:
                # an agent that was given up and returned when its machine was down: upstream tells no more of it
                continue
            elif note.live and note.state is not TaskState.TASK_UNKNOWN:
                out.append(f"{note.id} does not run, its framework thinks {note.state}")
        return out

    def _groups(self, framework: FrameworkProcess) -> list[str]:
        """A group lives and dies together, but for tasks that are done."""
        groups: dict[str, list[TaskNote]] = {}
        for note in framework.notes.values():
            if note.group:
                groups.setdefault(note.group, []).append(note)
        out = []
        for name, notes in groups.items():
            dead = [one.id for one in notes if one.final and one.state is not TaskState.TASK_FINISHED]
            live = [one.id for one in notes if self.lives(one.id)]
            if dead and live:
                out.append(f"group {name}: {' '.join(live)} live on without {' '.join(dead)}")
        return out


def books(state: State) -> list[str]:
    """Whether the master's sums are those of what it holds."""
    out = []
    for agent in state.agents.values():
        used = offered = EMPTY
        for task in agent.tasks.values():
            used += task.resources if task.holds else EMPTY
        for executor in agent.executors.values():
            used += executor.resources
        for offer in agent.offers.values():
            offered += offer.resources
        if agent.used != used:
            out.append(f"the master counts {agent.used} used on {agent.id}, the tasks sum to {used}")
        if agent.offered != offered:
            out.append(f"the master counts {agent.offered} offered on {agent.id}, the offers sum to {offered}")
        if not agent.total.contains(used + offered):
            out.append(f"{agent.id} has {agent.total}, given out are {used} and {offered}")
        if state.allocator.free(agent.id) != agent.total - used - offered:
            out.append(f"{agent.id}: the allocator thinks {state.allocator.free(agent.id)} free")
    return out
