"""How an ensemble becomes another one, a server at a time, without ever losing its quorum.

Theory: nothing is remembered. The next step follows from the configuration that ZooKeeper itself has agreed on, the wanted
one, and which servers run now; so whoever goes on after an interruption goes on rightly, whether the step before it was
taken or not. Each step adds, changes or removes one server, and only if a majority of the voters runs before and after it:
ZooKeeper needs both to agree. Servers come before others go, so that no step tolerates less than the smaller ensemble; a dead
one goes before a living one. A server that comes was started before as one that only follows, so it has all data when it
votes.   Source of the rules: ZooKeeper's guide to dynamic reconfiguration.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from dcos.exhibitor.core.ensemble import Ensemble, Member


@dataclass(frozen=True, slots=True)
class Change:
    """The next configuration, one server away from the present one, and in words what it does."""

    members: Ensemble
    text: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done safely now: why."""

    reason: str


def same_servers(one: Ensemble, other: Ensemble) -> bool:
    """Whatever their ids are."""
    return {(member.host, member.observer) for member in one.members} == {
        (member.host, member.observer) for member in other.members
    }


def renumbered(current: Ensemble, target: Ensemble) -> Ensemble:
    """``target`` with ids that can be had: who is in ``current`` keeps its id, who comes gets its own one if nobody has it, else
    the next beyond all. Lists of masters are numbered along their addresses, so a new one may shift all others."""
    ids = {member.host: member.id for member in current.members}
    taken = set(ids.values())
    beyond = max((*taken, *(member.id for member in target.members)))
    members = []
    for member in target.members:
        number = ids.get(member.host, member.id)
        if member.host not in ids:
            if number in taken:
                beyond += 1
                number = beyond
            taken.add(number)
        members.append(Member(number, member.host, observer=member.observer))
    return Ensemble(tuple(sorted(members, key=lambda one: one.id)))


def majority(ensemble: Ensemble) -> int:
    """How many voters must run."""
    return len(voters(ensemble)) // 2 + 1


def voters(ensemble: Ensemble) -> tuple[Member, ...]:
    return tuple(member for member in ensemble.members if not member.observer)


def has_quorum(ensemble: Ensemble, running: Collection[str]) -> bool:
    """``running``: hosts of servers that run and follow the leader (it among them)."""
    return sum(member.host in running for member in voters(ensemble)) >= majority(ensemble)


def next_step(current: Ensemble, target: Ensemble, running: Collection[str]) -> Change | Wait | None:
    """From ``current`` towards ``target``; None: there is nothing to do."""
    if current == target:
        return None
    moved = [(is_, to) for is_ in current.members for to in target.members if is_.host == to.host and is_.id != to.id]
    if moved:
        is_, to = moved[0]
        return Wait(f"{is_.host} has the id {is_.id} and cannot take {to.id}: the list must give its id as it is")
    if not has_quorum(current, running):
        return Wait("fewer than a majority of the present servers run")
    reasons = []
    for members, text, blocked in _candidates(current, target, running):
        if blocked:
            reasons.append(blocked)
        elif not voters(members) or not has_quorum(members, running):
            reasons.append(f"{text} would leave no quorum")
        else:
            return Change(members, text)
    return Wait("; ".join(reasons))


def _candidates(current: Ensemble, target: Ensemble, running: Collection[str]) -> Iterator[tuple[Ensemble, str, str]]:
    """(members after it, in words, why not now), best first."""
    here = {member.id: member for member in current.members}
    for member in target.members:
        there = here.get(member.id)
        if there is None:
            blocked = "" if member.host in running else f"{member.host} does not follow yet"
            yield _with(current, member), f"adding {member.host}", blocked
        elif there.host == member.host and there != member:
            role = "an observer" if member.observer else "a voter"
            blocked = "" if member.host in running else f"{member.host} does not run"
            yield _with(current, member), f"making {member.host} {role}", blocked
    wanted = {member.host for member in target.members}
    leaving = [member for member in current.members if member.host not in wanted]
    for member in sorted(leaving, key=lambda one: (one.host in running, one.id)):
        rest = tuple(one for one in current.members if one != member)
        yield Ensemble(rest), f"removing {member.host}", ""


def _with(ensemble: Ensemble, member: Member) -> Ensemble:
    others = [one for one in ensemble.members if one.id != member.id]
    return Ensemble(tuple(sorted((*others, member), key=lambda one: one.id)))
