"""Who may have what: the judge's own sums over what a master holds, made without the allocator's books.

A role with quota consumes what is reserved to it or below, and what is used or offered there unreserved.
"""

from __future__ import annotations

from collections.abc import Collection

from dcos.master.core.records import AgentRecord, OfferRecord
from dcos.master.core.state import State
from dcos.model.resources import Resources

_LEAST = Resources.parse("cpus:0.01"), Resources.parse("mem:32")
"""An agent with less of both is not offered."""


def _below(role: str, top: str) -> bool:
    return role == top or role.startswith(f"{top}/")


def consumed(state: State, top: str) -> dict[str, int]:
    """Thousandths by name."""
    out: dict[str, int] = {}

    def add(resources: Resources) -> None:
        for name, amount in resources.non_revocable().scalar_quantities().items():
            out[name] = out.get(name, 0) + amount

    for agent in state.agents.values():
        for role, reserved in agent.total.reserved().items():
            if _below(role, top):
                add(reserved)
        for task in agent.tasks.values():
            if task.holds and _below(task.role, top):
                add(task.resources.unreserved())
        for executor in agent.executors.values():
            if executor.role is not None and _below(executor.role, top):
                add(executor.resources.unreserved())
        for offer in agent.offers.values():
            if _below(offer.role, top):
                add(offer.resources.unreserved())
    return out


def limits_broken(state: State, before: Collection[str]) -> list[str]:
    """Offers that were made since ``before`` and brought their role above its limit.

    What comes back with an agent may exceed a limit, and so may roles below, as upstream's; nothing that is given may.
    """
    made = [offer for name, offer in state.offers.items() if name not in before]
    out = []
    for role, config in state.quotas.items():
        mine = [offer for offer in made if offer.role == role]
        if not mine or not config.limits:
            continue
        has = consumed(state, role)
        below = [one for one in made if one.role != role and _below(one.role, role)]
        for name, limit in config.limits.items():
            # roles below may have been given theirs after it
            had = has.get(name, 0) - sum(_given(one, name) for one in below)
            if had > round(limit.value * 1000) and any(_given(one, name) for one in mine):
                out.append(f"{role} may have {limit.value:g} {name} and was offered up to {had / 1000:g}")
    return out


def _given(offer: OfferRecord, name: str) -> int:
    return offer.resources.unreserved().scalar_quantities().get(name, 0)


def left_over(state: State, agent: AgentRecord) -> Resources:
    """What nobody has or is offered of what everybody may have."""
    return (agent.total - agent.used - agent.offered).unreserved()


def unmet(state: State, roles: Collection[str]) -> list[str]:
    """While everybody who may be in ``roles`` holds every offer: guarantees that lack what lies about."""
    out = []
    for role, config in state.quotas.items():
        if role not in roles:
            continue
        has = consumed(state, role)
        room = {name: limit.value * 1000 - has.get(name, 0) for name, limit in config.limits.items()}
        if any(left <= 0 for left in room.values()):
            continue  # without some of what is limited, an offer may be nothing to begin with
        for name, wanted in config.guarantees.items():
            lacks = round(wanted.value * 1000) - has.get(name, 0)
            for agent in state.agents.values():
                free = left_over(state, agent)
                if lacks > 0 and _usable(agent, free) and free.scalar_quantities().get(name, 0) > 0:
                    out.append(
                        f"{role} lacks {lacks / 1000:g} {name} of its guarantee while {agent.id} has {free} left"
                    )
    return out


def lying_about(state: State, roles: Collection[str]) -> list[str]:
    """While everybody holds every offer, and no role has quota: agents with something that nobody was offered."""
    if state.quotas or not roles:
        return []
    out = []
    for agent in state.agents.values():
        free = left_over(state, agent)
        if _usable(agent, free):
            out.append(f"{agent.id} has {free}, and nobody is offered it")
    return out


def has_room(state: State) -> bool:
    """Whether there is place for more, whatever roles there are."""
    little = Resources.parse("cpus:0.5;mem:64")
    return not state.quotas and any(
        agent.active and agent.unavailability is None and left_over(state, agent).contains(little)
        for agent in state.agents.values()
    )


def _usable(agent: AgentRecord, free: Resources) -> bool:
    return agent.active and any(free.contains(least) for least in _LEAST)
