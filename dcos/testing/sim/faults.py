"""What goes wrong, chosen by the seed: each fault is one function, drawn again and again until the storm is over.

A fault that lasts says when it ends; ``World.calm`` ends all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from dcos.agent.core.exits import Exit
from dcos.model.resources import Resources
from dcos.testing.sim import orders
from dcos.testing.sim.machine import Container, ports_of
from dcos.testing.sim.process import Process

if TYPE_CHECKING:
    from dcos.testing.sim.agent import AgentProcess
    from dcos.testing.sim.world import World

T = TypeVar("T", bound=Process)
Fault = Callable[["World"], None]


def _pick(world: World, of: list[T]) -> T | None:
    running = [one for one in of if one.running]
    return world.rng.choice(running) if running else None


def crash_leader(world: World) -> None:
    for one in world.masters:
        if one.leads:
            one.crash(world.rng.uniform(0.1, 20.0))
            return


def crash_master(world: World) -> None:
    one = _pick(world, world.masters)
    if one is not None:
        one.crash(world.rng.uniform(0.1, 20.0))


def crash_agent(world: World) -> None:
    one = _pick(world, world.agents)
    if one is not None:
        one.crash(world.rng.choice((0.1, 1.0, 5.0, 30.0, world.scale.lost_s)))


def crash_agent_at_a_write(world: World) -> None:
    one = _pick(world, world.agents)
    if one is not None and one.life is not None:
        one.life.countdown = world.rng.randint(1, 12)


def crash_framework(world: World) -> None:
    one = _pick(world, world.frameworks)
    if one is not None:
        one.crash(world.rng.choice((0.1, 1.0, 10.0, 40.0)), silent=world.rng.random() < 0.3)


def succeed_framework(world: World) -> None:
    """A second instance of a scheduler takes over while the first still lives, and may be cut off."""
    one = _pick(world, world.frameworks)
    if one is not None:
        one.succeed()


def crash_everything(world: World) -> None:
    """All masters at once, or everything but the machines."""
    for one in world.masters if world.rng.random() < 0.5 else world.processes:
        one.crash(world.rng.uniform(0.1, 15.0))


def stop_gracefully(world: World) -> None:
    """A clean end: sessions are closed, connections are ended."""
    one = _pick(world, world.processes)
    if one is not None:
        one.stop(world.rng.uniform(0.5, 10.0))


def power_loss(world: World) -> None:
    """A machine goes away without a word, containers included, and boots again."""
    one = _pick(world, world.processes)
    if one is None:
        return
    down_s = world.rng.choice((5.0, 30.0, world.scale.lost_s))
    one.crash(down_s + 0.5, silent=True)
    world.power_off(one, down_s)


def partition(world: World) -> None:
    """Two groups of hosts that do not hear each other; sometimes only one way."""
    hosts = [*world.hosts, "zk"]
    world.rng.shuffle(hosts)
    aside = hosts[: world.rng.choice((1, 1, 1, 2, max(1, len(hosts) // 2)))]
    rest = [one for one in hosts if one not in aside]
    ways = world.rng.choice(("both", "both", "in", "out"))
    pairs = []
    for one in aside:
        for other in rest:
            if ways in ("both", "out"):
                pairs.append((one, other))
            if ways in ("both", "in"):
                pairs.append((other, one))
    world.cut(pairs, world.rng.choice((1.0, 5.0, 15.0, 40.0, world.scale.lost_s)))


def cut_one_path(world: World) -> None:
    """Two hosts do not hear each other; both hear all others."""
    one, other = world.rng.sample([*world.hosts, "zk"], 2)
    world.cut([(one, other), (other, one)], world.rng.choice((2.0, 15.0, 60.0, world.scale.lost_s)))


def break_connections(world: World) -> None:
    count = world.network.reset_some(world.rng.choice((0.1, 0.5, 1.0)))
    world.trace("faults", "breaks", count, "connections")


def lossy_network(world: World) -> None:
    world.degrade(world.rng.choice((0.001, 0.01, 0.05)), world.rng.choice((0.002, 0.05, 0.5)), world.rng.uniform(5, 40))


def slow_network(world: World) -> None:
    world.degrade(0.0, world.rng.choice((0.1, 0.5, 2.0)), world.rng.uniform(5, 40))


def lose_session(world: World) -> None:
    """The server ends a session, of the leader more often than not."""
    leading = [one for one in world.masters if one.leads]
    others: list[Any] = [*world.masters, *world.marathons, *world.metronomes]
    one: Any = leading[0] if leading and world.rng.random() < 0.6 else _pick(world, others)
    if one is not None and one.session is not None:
        world.trace("faults", "session of", one.name, "ends")
        world.ensemble.end_of(one.session)
        # the client hears of it with its next ping
        world.loop.call_later(world.rng.uniform(0.0, world.scale.session_s / 3), one.session.back)


def lose_answer(world: World) -> None:
    """The next write of a master is not answered; it may have been done."""
    leading = [one for one in world.masters if one.leads]
    one: Any = (
        leading[0]
        if leading and world.rng.random() < 0.7
        else _pick(world, [*world.masters, *world.marathons, *world.metronomes])
    )
    if one is not None and one.session is not None:
        world.trace("faults", "an answer to", one.name, "will be lost")
        one.session.fail_next_write(applied=world.rng.random() < 0.5)


def store_away(world: World) -> None:
    """The whole ensemble is out of reach."""
    pairs = [(host, "zk") for host in world.hosts] + [("zk", host) for host in world.hosts]
    world.cut(pairs, world.rng.choice((1.0, 5.0, 15.0, 40.0)))


def clock_jump(world: World) -> None:
    several: list[list[Process]] = [
        [*world.processes],
        [*world.processes],
        [*world.marathons, *world.metronomes],
        [*world.masters],
    ]
    one = _pick(world, world.rng.choice(several))
    if one is not None:
        by = world.rng.choice((-86400.0, -3600.0, -5.0, 5.0, 3600.0, 86400.0))
        one.clock.ahead_s += by
        world.jobs.jumped = True
        world.trace(one.name, "clock jumps", by)


def mark_gone(world: World) -> None:
    """An operator gives an agent up for good."""
    one = _pick(world, world.agents)
    if one is not None and one.daemon is not None and one.daemon.agent_id is not None:
        world.operator.ask(orders.gone(one.daemon.agent_id))


def drain_agent(world: World) -> None:
    """An operator takes an agent out of use, with or without its tasks, for a time or for good."""
    one = _pick(world, world.agents)
    if one is not None and one.daemon is not None and one.daemon.agent_id is not None:
        agent = one.daemon.agent_id
        order = world.rng.choice(
            (
                orders.drain(agent, mark_gone=False),
                orders.drain(agent, mark_gone=False),
                orders.drain(agent, mark_gone=True),
                orders.deactivate(agent),
            )
        )
        world.operator.ask(order)
        if world.rng.random() < 0.5:
            world.loop.call_later(world.rng.uniform(5.0, 60.0), world.operator.ask, orders.reactivate(agent))


def set_weight(world: World) -> None:
    world.operator.ask(orders.weight(world.rng.choice(("a", "b", "c")), world.rng.choice((0.5, 1.0, 2.0, 7.0))))


def set_quota(world: World) -> None:
    """A role gets guarantees and limits, or loses them."""
    rng = world.rng
    guarantees = rng.choice(("", "cpus:1", "cpus:2;mem:256", "mem:128"))
    limits = rng.choice(("", "cpus:2", "cpus:3;mem:512", "cpus:5"))
    order = orders.set_quota(rng.choice(("a", "a", "b", "c")), guarantees, limits, force=rng.random() < 0.5)
    world.operator.ask(order)


def schedule_maintenance(world: World) -> None:
    """Some machines will be away soon: the whole schedule anew."""
    rng = world.rng
    chosen = rng.sample(world.agents, min(len(world.agents), rng.choice((0, 1, 1, 2))))
    start = world.operator.now() + rng.choice((-10.0, 5.0, 60.0, 3600.0))
    listed = [one.machine_id() for one in chosen]
    world.operator.ask(orders.schedule(listed, [one.name for one in world.agents], start, rng.choice((10.0, 600.0))))


def maintain(world: World) -> None:
    """A machine is taken down as scheduled, and comes up again."""
    one = world.rng.choice(world.agents)
    every = [one.name for one in world.agents]
    world.operator.ask(orders.schedule([one.machine_id()], every, world.operator.now(), 60.0))
    world.loop.call_later(world.rng.uniform(1.0, 10.0), _take_down, world, one)
    world.loop.call_later(world.rng.uniform(11.0, 90.0), world.operator.ask, orders.bring_up([one.machine_id()]))


def _take_down(world: World, one: AgentProcess) -> None:
    agent_id = one.daemon.agent_id if one.daemon is not None else None
    world.operator.ask(orders.take_down([one.machine_id()], [agent_id] if agent_id else []))


def tear_down(world: World) -> None:
    """An operator removes a framework; it comes back as a new one."""
    one = _pick(world, world.frameworks)
    if one is not None and one.id is not None:
        world.operator.ask(orders.teardown(one.id))


def crash_executor(world: World) -> None:
    """A custom executor's process dies, whatever it is doing."""
    live = [
        (agent.machine, container)
        for agent in world.agents
        for container in agent.machine.live
        if container.program is not None
    ]
    if live:
        machine, container = world.rng.choice(live)
        machine.exit(container, world.rng.choice((Exit(code=1), Exit(signal=9), Exit(code=0))))


def docker_away(world: World) -> None:
    """A machine's Docker Engine does not answer for a while; what it runs lives on."""
    machine = world.rng.choice(world.agents).machine
    machine.docker_away = True
    world.loop.call_later(world.rng.choice((1.0, 10.0, 60.0)), machine.docker_back)


def nest_container(world: World) -> None:
    """An operator starts a container inside of a running one."""
    agent = _pick(world, world.agents)
    for _ in range(world.rng.randint(1, 3)):
        if agent is not None:
            agent.nest(world.rng)


def kill_nested(world: World) -> None:
    """An operator kills a nested container, or removes one that ended."""
    agent = _pick(world, world.agents)
    if agent is not None:
        agent.end_nested(world.rng)


def change_machine(world: World) -> None:
    """A machine gets more cpus and another attribute; its agent is restarted, and keeps its tasks and its id."""
    one = _pick(world, world.agents)
    if one is not None:
        one.machine.total += Resources.parse("cpus:1")
        one.attributes = (*one.attributes, f"mark{len(one.attributes)}")
        one.crash(world.rng.uniform(0.1, 5.0))


def sicken(world: World) -> None:
    """Something that serves on a port answers no more that it is well, for a time or for good."""
    serving = [one for agent in world.agents for one in agent.machine.live if ports_of(one.plan)]
    if serving:
        chosen = world.rng.choice(serving)
        chosen.ill = True
        world.loop.call_later(world.rng.choice((5.0, 20.0, 1e6)), _well, chosen)


def _well(container: Container) -> None:
    container.ill = False


def change_apps(world: World) -> None:
    """Somebody wants something else of Marathon."""
    world.clients.change()


def change_jobs(world: World) -> None:
    """Somebody wants something of Metronome."""
    world.jobs.change()


def crash_metronome(world: World) -> None:
    one = _pick(world, world.metronomes)
    if one is not None:
        one.crash(world.rng.choice((0.1, 1.0, 10.0)), silent=world.rng.random() < 0.3)


def crash_marathon(world: World) -> None:
    one = _pick(world, world.marathons)
    if one is not None:
        one.crash(world.rng.choice((0.1, 1.0, 10.0)), silent=world.rng.random() < 0.3)


def kill_tasks(world: World) -> None:
    one = _pick(world, world.frameworks)
    if one is not None:
        for note in [note for note in one.notes.values() if note.live][: world.rng.randint(1, 3)]:
            one.want_killed(note)


TABLE: dict[Fault, int] = {
    crash_leader: 6,
    crash_master: 4,
    crash_agent: 8,
    crash_agent_at_a_write: 6,
    crash_framework: 6,
    crash_everything: 1,
    stop_gracefully: 3,
    power_loss: 4,
    partition: 8,
    cut_one_path: 6,
    break_connections: 6,
    lossy_network: 4,
    slow_network: 4,
    lose_session: 5,
    lose_answer: 4,
    store_away: 2,
    clock_jump: 4,
    mark_gone: 1,
    drain_agent: 2,
    set_weight: 3,
    set_quota: 4,
    schedule_maintenance: 3,
    maintain: 2,
    succeed_framework: 3,
    tear_down: 1,
    kill_tasks: 14,
    crash_executor: 6,
    docker_away: 2,
    nest_container: 6,
    kill_nested: 3,
    change_machine: 2,
    change_apps: 14,
    sicken: 4,
    crash_marathon: 4,
    change_jobs: 10,
    crash_metronome: 4,
}
"""How often, compared with each other."""
OF_MARATHON = (change_apps, sicken, crash_marathon)
OF_METRONOME = (change_jobs, crash_metronome)


def chosen(rng: random.Random, *, marathon: bool, metronome: bool) -> dict[Fault, int]:
    """All of the table that can happen, or in every other seed a few of it: rare meetings of two faults need others to keep
    away."""
    idle = (*(OF_MARATHON if not marathon else ()), *(OF_METRONOME if not metronome else ()))
    table = {fault: weight for fault, weight in TABLE.items() if fault not in idle} or TABLE
    few = {fault: weight for fault, weight in table.items() if rng.random() < 0.25}
    made = few if len(few) > 2 and rng.random() < 0.5 else table
    # people are busy wherever there are any
    busy = {**({change_apps: 30} if marathon else {}), **({change_jobs: 24} if metronome else {})}
    return {**made, **{fault: weight for fault, weight in busy.items() if fault in TABLE}}
