"""Why an app or pod is not yet as it shall be: every reason, per agent where agents differ, and what would help.

Made from the state when somebody asks; nothing is remembered for it. A ``Wait`` is one reason; ``sentence`` puts them into words.
Kinds: ``disconnected``, ``backoff``, ``agentsUnknown``, ``reservation``, ``offers`` (refused ones, per agent), ``noOffers``,
``quota``, ``starting``, ``health``, ``readiness``, ``unreachable``, ``ending``, ``earlierStep``, ``rollout``, ``paused``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dcos.marathon.core import agents, backoff, everywhere, rollout, shortfall
from dcos.marathon.core.queue import QueueEntry
from dcos.marathon.core.shortfall import Lack
from dcos.marathon.core.state import CoreSettings, State
from dcos.marathon.core.turn import Turn
from dcos.model import values
from dcos.model.marathon_state import Condition, Deployment, Goal, Instance, iso
from dcos.model.resource_kinds import UNRESERVED
from dcos.model.run_spec import RunSpec
from dcos.scheduling.constraints import Spread
from dcos.scheduling.match import Place, Reason, match, match_new_volumes, place_of

MAX_AGENTS = 100
"""Agents that one reason lists."""
SAID_AGENTS = 5
"""Agents that the sentence names."""

_STARTING = (Condition.PROVISIONED, Condition.STAGING, Condition.STARTING)


@dataclass(frozen=True, slots=True)
class AgentWait:
    """What one agent has to do with it."""

    agent_id: str
    host: str
    text: str
    helps: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    kind: str
    text: str
    helps: str = ""
    agents: tuple[AgentWait, ...] = ()
    until: float | None = None


def waits(state: State, settings: CoreSettings, spec_id: str, now: float) -> tuple[Wait, ...]:
    """All reasons, the first ones first; empty: nothing is waited for."""
    found = list(_deployment(state, spec_id, now))
    entry = state.queue.get(spec_id)
    if entry is not None:
        found += _launching(state, settings, entry, now)
    found += _instances(state, spec_id, now)
    return tuple(found)


def sentence(found: Sequence[Wait]) -> str:
    """One sentence for people."""
    parts = []
    for wait in found:
        text = wait.text
        if wait.agents:
            named = [f"agent {one.host}: {one.text}" for one in wait.agents[:SAID_AGENTS]]
            more = len(wait.agents) - SAID_AGENTS
            text += ": " + "; ".join(named) + (f"; and {more} more agents" if more > 0 else "")
        parts.append(text)
    return ". ".join(parts)


def wait_json(wait: Wait) -> dict[str, Any]:
    made: dict[str, Any] = {"kind": wait.kind, "text": wait.text}
    if wait.agents:
        made["agents"] = [
            {
                "agentId": one.agent_id,
                "host": one.host,
                "text": one.text,
                **({"helps": one.helps} if one.helps else {}),
            }
            for one in wait.agents
        ]
    if wait.helps:
        made["helps"] = wait.helps
    if wait.until is not None:
        made["until"] = iso(wait.until)
    return made


def some(count: int, what: str = "instance") -> str:
    """``1 instance``, ``3 instances``."""
    return f"{count} {what}" + ("" if count == 1 else "s")


TELL_AFTER_S = 5.0
"""A launch that takes no longer is nothing to tell of."""
TELL_AGAIN_S = 30.0
"""An app whose reason changes is told of no more often."""
LOOK_AT_ONCE = 200
TELL_AT_ONCE = 5
"""Entries looked at, and explanations made, in one tick; the others come with the next ones."""


def tell(turn: Turn) -> None:
    """Events for what waits: when it has waited for a while, and again when the reason is another."""
    state, told = turn.state, 0
    if not state.to_tell:
        state.to_tell = list(state.queue)
    for _ in range(min(LOOK_AT_ONCE, len(state.to_tell))):
        entry = state.queue.get(state.to_tell.pop())
        if entry is None or turn.now < max(entry.since + TELL_AFTER_S, entry.told_at + TELL_AGAIN_S):
            continue
        kind = _kind(state, entry, turn.now)
        if kind == entry.told:
            continue
        entry.told, entry.told_at = kind, turn.now
        found = waits(state, turn.settings, entry.spec.id, turn.now)
        turn.publish(
            "app_waiting_event",
            appId=entry.spec.id,
            reason=kind,
            waits=[wait_json(one) for one in found],
            explanation=sentence(found),
        )
        told += 1
        if told >= TELL_AT_ONCE:
            return


def _kind(state: State, entry: QueueEntry, now: float) -> str:
    if not state.subscribed:
        return "disconnected"
    if backoff.waits_until(entry.spec, state.delays.get(entry.spec.id), now) is not None:
        return "backoff"
    return "offers" if entry.was_refused else "noOffers"


# ---- deployments -----------------------------------------------------------------------------------------------------


def _deployment(state: State, spec_id: str, now: float) -> Iterator[Wait]:
    deployment = state.deployment_of(spec_id)
    if deployment is None:
        return
    yield from _rollout(state, deployment, spec_id, now)
    number, steps = deployment.current + 1, len(deployment.steps)
    present = {action.app_id for action in deployment.steps[deployment.current].actions}
    later = {action.app_id for step in deployment.steps[deployment.current + 1 :] for action in step.actions}
    if spec_id not in present and spec_id in later:
        before = ", ".join(_unfinished(state, deployment, present))
        yield Wait(
            "earlierStep",
            f"its turn in deployment {deployment.id} comes after step {number} of {steps}, which waits for {before}",
            f"what {before} waits for",
        )


def _rollout(state: State, deployment: Deployment, spec_id: str, now: float) -> Iterator[Wait]:
    steer = f"PUT /v2/deployments/{deployment.id} with the action 'continue', or 'abort'"
    if deployment.held is not None:
        yield Wait("paused", f"deployment {deployment.id} is paused", steer)
        return
    progress = deployment.rollouts.get(spec_id)
    spec = state.wanted(spec_id)
    strategy = spec.upgrade_strategy if spec is not None else None
    if progress is None or strategy is None or progress.reached_at is None:
        return
    verdict = rollout.judge(strategy.steps, strategy.promotion, progress, reached=True, now=now)
    if not verdict.waits:
        yield Wait(
            "rollout", f"step {progress.index + 1} of {len(strategy.steps)} is done, the next begins", "a moment"
        )
        return
    measured = state.measured.get(spec_id)
    more = ""
    if measured is not None:
        more = f" (last measured {measured.value:g})" if measured.value is not None else f" ({measured.trouble})"
    yield Wait("rollout", verdict.waits + more, steer, until=verdict.until)


def _unfinished(state: State, deployment: Deployment, present: set[str]) -> list[str]:
    return sorted(present - state.finished.get(deployment.id, set())) or sorted(present)


# ---- launching -------------------------------------------------------------------------------------------------------


def _launching(state: State, settings: CoreSettings, entry: QueueEntry, now: float) -> Iterator[Wait]:
    spec = entry.spec
    head = f"{entry.total} of {some(spec.instances)} {'wait' if entry.total != 1 else 'waits'}"
    if not state.subscribed:
        yield Wait(
            "disconnected", f"{head}: no leading Mesos master is subscribed to", "a leading master that can be reached"
        )
        return
    until = backoff.waits_until(spec, state.delays.get(spec.id), now)
    if until is not None:
        failure = state.failures.get(spec.id)
        cause = ""
        if failure is not None:
            cause = f", the last at {failure.timestamp} on {failure.host}: {failure.state.value}"
            cause += f", {failure.message}" if failure.message else ""
        yield Wait(
            "backoff",
            f"{head} until {iso(until)} ({until - now:.0f} s more) because instances failed{cause}",
            f"mending what fails; DELETE /v2/queue{spec.id}/delay launches at once",
            until=until,
        )
        return
    if entry.relaunch:
        yield _reserved(state, spec)
    if not entry.count:
        return
    if everywhere.is_everywhere(spec) and state.cluster is None:
        yield Wait(
            "agentsUnknown",
            f"{spec.id} runs on all agents, and the master has not told yet which there are",
            "a master that answers GET_AGENTS and /roles to Marathon's principal",
        )
    yield from _quota(state, spec)
    refused = _refused(state, settings, entry, now)
    if refused:
        yield Wait("offers", f"{head} for a fitting offer", _commonest(refused), tuple(refused[:MAX_AGENTS]))
    else:
        yield _no_offers(state, settings, spec, head)


def _reserved(state: State, spec: RunSpec) -> Wait:
    """Instances that can only be launched where their volumes are."""
    waiting = [one for one in state.instances_of(spec.id) if one.condition is Condition.SCHEDULED]
    host, reasons = state.refused_again.get(spec.id, ("", ()))
    agents_of = tuple(
        AgentWait(
            one.agent.agent_id,
            one.agent.host,
            f"its reservation was offered and is no use: {', '.join(reasons)}"
            if one.agent.host == host
            else "keeps its volumes, and has not offered them yet",
            "the agent's return; or DELETE of the task with wipe=true, which gives its data up",
        )
        for one in waiting[:MAX_AGENTS]
    )
    return Wait("reservation", f"{some(len(waiting))} to be launched on what is reserved", "", agents_of)


def _refused(state: State, settings: CoreSettings, entry: QueueEntry, now: float) -> list[AgentWait]:
    """Per agent: what speaks against its last offer, or, where it made none, against what the master says it has free."""
    spec = entry.spec
    siblings = [one for one in state.instances_of(spec.id) if one.holds_place]
    spread = state.spread_of(spec)
    found: dict[str, AgentWait] = {}
    for refusal in entry.refusals():
        agent_id = refusal.offer.agent_id.value
        place = place_of(refusal.offer, now=now, default_role=settings.role)
        lacks = shortfall.lacks(spec, place, siblings, settings.policy, spread)
        text, helps = _words(lacks, _last_word(entry, place, spread, settings))
        found[agent_id] = AgentWait(agent_id, refusal.offer.hostname, text, helps)
    for agent_id, agent in (state.cluster.agents if state.cluster else {}).items():
        if agent_id in found:
            continue
        if len(found) >= MAX_AGENTS:
            break
        host = agent.ref.host
        if not agent.active:
            text = "not connected, deactivated or draining"
            found[agent_id] = AgentWait(agent_id, host, text, "its return")
            continue
        there = agents.place_of(agent, spec.role or UNRESERVED)
        lacks = shortfall.lacks(spec, there, siblings, settings.policy, spread)
        text, helps = _words(lacks, "has room, its offer is yet to come")
        found[agent_id] = AgentWait(agent_id, host, text, helps)
    return list(found.values())


def _last_word(entry: QueueEntry, place: Place, spread: Spread, settings: CoreSettings) -> str:
    way = match_new_volumes if entry.demand.volumes else match
    found = way(entry.demand, place, spread, settings.policy, 0)
    if not isinstance(found, tuple):
        return "fits by now, its next offer is yet to come"
    if Reason.PORTS in found:
        return "the ports that are wanted are not free"
    return "no disk for its persistent volumes" if Reason.DISK in found else ", ".join(found)


def _words(lacks: Sequence[Lack], otherwise: str) -> tuple[str, str]:
    if not lacks:
        return otherwise, ""
    return ", ".join(one.text for one in lacks), "; ".join(one.helps for one in lacks)


def _commonest(refused: Sequence[AgentWait]) -> str:
    helps = [one.helps for one in refused if one.helps]
    return max(helps, key=lambda one: (helps.count(one), -helps.index(one))) if helps else "the next offers"


def _quota(state: State, spec: RunSpec) -> Iterator[Wait]:
    if state.cluster is None:
        return
    name = spec.role or UNRESERVED
    while name:
        role = state.cluster.roles.get(name)
        for resource, limit in (role.limits if role else {}).items():
            wanted = values.thousandths(float(getattr(spec, resource, 0.0)))
            used = role.consumed.get(resource, 0) if role else 0
            if wanted and used + wanted > limit:
                text = values.text_of_number
                yield Wait(
                    "quota",
                    f"quota of role {name}: {text(used)} of {text(limit)} {resource} are used, {text(wanted)} wanted",
                    f"a limit of at least {text(used + wanted)} {resource} for role {name}",
                )
        name = name.rpartition("/")[0]


def _no_offers(state: State, settings: CoreSettings, spec: RunSpec, head: str) -> Wait:
    role = spec.role or UNRESERVED
    if role in state.suppressed or state.wants_revive:
        soon = settings.min_revive_interval_s
        return Wait("noOffers", f"{head}: offers are asked for again within {soon:g} s", "a moment")
    if state.cluster is not None and not state.cluster.agents:
        return Wait("noOffers", f"{head}: the cluster has no agent", "an agent")
    return Wait(
        "noOffers",
        f"{head}: no agent has offered anything to role {role} since",
        f"agents with free resources for role {role}; other frameworks may hold or have been offered them",
    )


# ---- instances -------------------------------------------------------------------------------------------------------


def _instances(state: State, spec_id: str, now: float) -> Iterator[Wait]:
    instances = state.instances_of(spec_id)
    alive = [one for one in instances if one.goal is Goal.RUNNING]
    yield from _group(
        "starting",
        [one for one in alive if one.condition in _STARTING],
        "to get running",
        lambda one: f"{one.condition.value} for {now - one.since:.0f} s",
        "the fetching and start of the task; its sandbox shows how far it is",
    )
    running = [one for one in alive if one.condition is Condition.RUNNING]
    yield from _group(
        "health",
        [one for one in running if not state.is_healthy(one)],
        "to pass the health check",
        lambda one: _cause(state, one),
        "an instance that answers its health check",
    )
    yield from _group(
        "readiness",
        [one for one in running if state.is_healthy(one) and not state.is_ready(one) and _deploying(state, spec_id)],
        "to pass the readiness check",
        lambda one: _readiness(state, one),
        "an instance that answers its readiness check",
    )
    yield from _group(
        "unreachable",
        [one for one in alive if one.is_unreachable],
        "for an agent that cannot be reached",
        lambda one: f"unreachable for {now - (one.unreachable_since or now):.0f} s",
        "the agent's return; else what unreachableStrategy says",
    )
    yield from _group(
        "ending",
        [one for one in instances if one.goal is not Goal.RUNNING and not one.is_terminal],
        "to end",
        lambda one: f"killed {now - state.kill_sent.get(one.id, now):.0f} s ago, still {one.condition.value}",
        "a shorter taskKillGracePeriodSeconds, or a task that ends on SIGTERM",
    )


def _deploying(state: State, spec_id: str) -> bool:
    return spec_id in state.locks


def _group(kind: str, members: Sequence[Instance], what: str, text: Any, helps: str) -> Iterator[Wait]:
    if not members:
        return
    agents_of = tuple(AgentWait(one.agent.agent_id, one.agent.host, text(one)) for one in members[:MAX_AGENTS])
    yield Wait(kind, f"{some(len(members))} {'have' if len(members) > 1 else 'has'} yet {what}", helps, agents_of)


def _cause(state: State, instance: Instance) -> str:
    failed = [one for one in state.health.get(instance.id, ()) if one.is_known and not one.alive]
    if not failed:
        return "no result yet"
    last = max(failed, key=lambda one: one.last_failure or 0.0)
    cause = last.last_failure_cause or instance.task.message or "no cause given"
    return f"failed {last.consecutive_failures} times, last: {cause}"


def _readiness(state: State, instance: Instance) -> str:
    response = state.readiness.get(instance.id, {}).get("lastResponse") or {}
    return f"answers {response['status']}" if "status" in response else "not ready yet"
