"""Whoever is offered something may have it, and whoever may have something is offered it: the allocator against plain rules.

Everything a framework, an agent or a resource can be is mixed: capabilities, regions, GPUs, constraints, minima of its own,
reservations with refinement, revocable and shared resources, filters, suppression, a whitelist, quota, and both kinds of sorter.
The rules are written here a second time, without marks, heaps and caches: slow, one (framework, role, agent) at a time.

Source: mesos-resources-and-allocation: capabilities, filters, one allocation run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dcos.master.core.allocator import Allocator, Grant
from dcos.master.core.clients import Traits
from dcos.master.core.quota_account import Quota
from dcos.model.resources import EMPTY, Kind, Resources
from dcos.model.v1.types import (
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceReservationInfo,
    ResourceReservationInfoType,
    ResourceRevocableInfo,
    ResourceSharedInfo,
    ValueScalar,
    ValueType,
    Volume,
    VolumeMode,
)

PICK = st.integers(0, 1000)
USUALLY = st.sampled_from([True, True, True, False])
RARELY = st.sampled_from([False, False, False, True])
ROLES = ("a", "a/b", "q", "*")
DYNAMIC, STATIC = ResourceReservationInfoType.DYNAMIC, ResourceReservationInfoType.STATIC
ENOUGH: Final = ({"cpus": 10}, {"mem": 32_000})
"""cpus:0.01|mem:32"""


def scalar(name: str, value: float, *roles: str, revocable: bool = False) -> Resource:
    stack = tuple(ResourceReservationInfo(type=DYNAMIC, role=role) for role in roles)
    return Resource(
        name=name,
        type=ValueType.SCALAR,
        scalar=ValueScalar(value=value),
        reservations=stack,
        revocable=ResourceRevocableInfo() if revocable else None,
    )


def volume(role: str, name: str, *, shared: bool) -> Resource:
    return Resource(
        name="disk",
        type=ValueType.SCALAR,
        scalar=ValueScalar(value=64),
        reservations=(ResourceReservationInfo(type=STATIC, role=role),),
        disk=ResourceDiskInfo(
            persistence=ResourceDiskInfoPersistence(id=name), volume=Volume(container_path="v", mode=VolumeMode.RW)
        ),
        shared=ResourceSharedInfo() if shared else None,
    )


PLAIN = (scalar("cpus", 2), scalar("mem", 64))
MACHINES: Final = tuple(
    Resources.of(given)
    for given in (
        PLAIN,
        (*PLAIN, scalar("gpus", 1)),
        (*PLAIN, scalar("cpus", 4, revocable=True)),
        (*PLAIN, scalar("cpus", 1, "a"), scalar("cpus", 1, "a", "a/b")),
        (*PLAIN, volume("a", "v", shared=True), volume("q", "w", shared=False)),
        (scalar("cpus", 0.005), scalar("mem", 8), scalar("mem", 16, "q")),
        (scalar("mem", 31), scalar("mem", 31, revocable=True)),
        (volume("a", "v", shared=True),),
        (*PLAIN, volume("a", "v", shared=True), scalar("cpus", 4, revocable=True), scalar("cpus", 1, "a", "a/b")),
    )
)
TRAITS = st.builds(
    dict,
    gpus=st.booleans(),
    revocable=st.booleans(),
    shared=st.booleans(),
    refined=st.booleans(),
    region_aware=st.booleans(),
    multi_role=RARELY,
    enough=st.sampled_from([{}, {}, {"a": ({"cpus": 3000},)}, {"q": ()}]),
)


@dataclass
class Buyer:
    """A framework as the rules see it."""

    name: str
    traits: Traits
    roles: dict[str, bool]
    """Role to suppressed."""
    active: bool = True
    avoids: frozenset[str] = frozenset()
    """Host names that its constraints exclude."""
    refused: dict[tuple[str, str], list[tuple[float, Resources]]] = field(default_factory=dict)
    """By (role, agent), until when."""
    cooling: set[tuple[str, str]] = field(default_factory=set)
    """(role, agent) returned without a filter since the last cycle."""


@dataclass
class Stall:
    """An agent as the rules see it."""

    name: str
    host: str
    total: Resources
    active: bool
    remote: bool
    multi_role: bool
    hierarchical: bool


class Bazaar(RuleBasedStateMachine):
    random_order = False

    @initialize(
        seed=PICK,
        buyers=st.lists(st.tuples(st.sampled_from(ROLES), TRAITS), min_size=3, max_size=6),
        machines=st.lists(PICK, min_size=3, max_size=6),
    )
    def begin(self, seed: int, buyers: list[tuple[str, dict[str, Any]]], machines: list[int]) -> None:
        rng = random.Random(seed)
        self.allocator = Allocator(
            enough=ENOUGH,
            shuffle=rng.shuffle,
            draw=rng.random,
            random_roles=self.random_order,
            random_frameworks=self.random_order,
        )
        self.now = 0.0
        self.numbers = 0
        self.buyers: dict[str, Buyer] = {}
        self.stalls: dict[str, Stall] = {}
        self.listed: frozenset[str] | None = None
        self.held: list[Grant] = []
        self.quotas = False
        for role, given in buyers:
            self.join([role], given, frozenset())
        for machine in machines:
            self.set_up(machine, True, False, True, True)

    # ---- what happens ------------------------------------------------------------------------------------------------

    def _one(self, of: Any, pick: int) -> Any:
        items = list(of)
        return items[pick % len(items)] if items else None

    def _traits(self, given: dict[str, Any], avoids: frozenset[str]) -> Traits:
        stalls = self.stalls
        wants = (lambda _role, agent: stalls[agent].host not in avoids) if avoids else None
        return Traits(**given, wants=wants)

    @rule(
        roles=st.lists(st.sampled_from(ROLES), min_size=1, max_size=2, unique=True),
        given=TRAITS,
        avoids=st.sampled_from([frozenset(), frozenset(), frozenset({"h0"}), frozenset({"h1", "h2"})]),
    )
    def join(self, roles: list[str], given: dict[str, Any], avoids: frozenset[str]) -> None:
        self.numbers += 1
        name = f"f{self.numbers}"
        traits = self._traits(given, avoids)
        self.buyers[name] = Buyer(name, traits, dict.fromkeys(roles, False), avoids=avoids)
        self.allocator.add_framework(name, roles, traits=traits)

    @rule(pick=PICK, roles=st.lists(st.sampled_from(ROLES), max_size=2, unique=True), given=TRAITS)
    def change(self, pick: int, roles: list[str], given: dict[str, Any]) -> None:
        buyer = self._one(self.buyers.values(), pick)
        if buyer is None:
            return
        hushed = set(roles[1:]) if pick % 2 else set()
        before, buyer.roles = buyer.roles, {role: role in hushed for role in roles}
        buyer.traits = self._traits(given, buyer.avoids)
        for key in list(buyer.refused):
            role = key[0]
            if role not in buyer.roles or (before.get(role) and not buyer.roles[role]):
                del buyer.refused[key]
        self.allocator.update_framework(buyer.name, roles, suppressed=hushed, traits=buyer.traits)

    @rule(pick=PICK, what=st.sampled_from(["deactivate", "activate", "suppress", "revive"]))
    def hush(self, pick: int, what: str) -> None:
        buyer = self._one(self.buyers.values(), pick)
        if buyer is None:
            return
        if what in ("deactivate", "activate"):
            buyer.active = what == "activate"
            if not buyer.active:
                buyer.refused.clear()
            getattr(self.allocator, f"{what}_framework")(buyer.name)
            return
        buyer.roles = dict.fromkeys(buyer.roles, what == "suppress")
        if what == "revive":
            buyer.refused.clear()
        getattr(self.allocator, what)(buyer.name, list(buyer.roles))

    @rule(pick=PICK)
    def leave(self, pick: int) -> None:
        buyer = self._one(self.buyers.values(), pick)
        if buyer is not None:
            for grant in [one for one in self.held if one.framework == buyer.name]:
                self._back(grant, None)
            self.allocator.remove_framework(buyer.name)
            del self.buyers[buyer.name]

    @rule(machine=PICK, active=USUALLY, remote=RARELY, multi_role=USUALLY, hierarchical=USUALLY)
    def set_up(self, machine: int, active: bool, remote: bool, multi_role: bool, hierarchical: bool) -> None:
        self.numbers += 1
        name, host = f"s{self.numbers}", f"h{self.numbers % 3}"
        total = MACHINES[machine % len(MACHINES)]
        self.stalls[name] = Stall(name, host, total, active, remote, multi_role, hierarchical)
        self.allocator.add_agent(
            name, total, active=active, remote=remote, multi_role=multi_role, hierarchical=hierarchical, hostname=host
        )

    @rule(pick=PICK)
    def take_down(self, pick: int) -> None:
        stall = self._one(self.stalls.values(), pick)
        if stall is not None:
            for grant in [one for one in self.held if one.agent == stall.name]:
                self._back(grant, None)
            self.allocator.remove_agent(stall.name)
            del self.stalls[stall.name]
            for buyer in self.buyers.values():
                buyer.refused = {key: given for key, given in buyer.refused.items() if key[1] != stall.name}
                buyer.cooling = {key for key in buyer.cooling if key[1] != stall.name}

    @rule(pick=PICK, active=USUALLY)
    def flip(self, pick: int, active: bool) -> None:
        stall = self._one(self.stalls.values(), pick)
        if stall is not None:
            stall.active = active
            (self.allocator.activate_agent if active else self.allocator.deactivate_agent)(stall.name)

    @rule(pick=PICK, remote=RARELY, multi_role=USUALLY, hierarchical=USUALLY, attributes=st.booleans())
    def describe(self, pick: int, remote: bool, multi_role: bool, hierarchical: bool, attributes: bool) -> None:
        """The agent came back another one."""
        stall = self._one(self.stalls.values(), pick)
        if stall is None:
            return
        stall.remote, stall.multi_role, stall.hierarchical = remote, multi_role, hierarchical
        self.allocator.describe_agent(stall.name, remote=remote, multi_role=multi_role, hierarchical=hierarchical)
        if attributes:
            self.allocator.unfilter_agent(stall.name)
            for buyer in self.buyers.values():
                buyer.refused = {key: given for key, given in buyer.refused.items() if key[1] != stall.name}

    @rule(pick=PICK, machine=PICK)
    def enlarge(self, pick: int, machine: int) -> None:
        stall = self._one(self.stalls.values(), pick)
        more = MACHINES[machine % 4]
        if stall is not None:
            stall.total += more
            self.allocator.update_agent(stall.name, stall.total)

    @rule(hosts=st.sampled_from([None, None, frozenset({"h0", "h1"}), frozenset()]))
    def whitelist(self, hosts: frozenset[str] | None) -> None:
        self.listed = hosts
        self.allocator.set_whitelist(hosts)

    @rule(limit=st.sampled_from([None, None, 0, 1500, 5000]), guarantee=st.sampled_from([0, 1000]))
    def limit(self, limit: int | None, guarantee: int) -> None:
        self.quotas = limit is not None
        given = (
            {} if limit is None else {"q": Quota(guarantees={"cpus": min(guarantee, limit)}, limits={"cpus": limit})}
        )
        self.allocator.set_quotas(given)

    @rule(pick=PICK, refuse_s=st.sampled_from([None, 0.0, 0.5, 3.0, 600.0]))
    def give_back(self, pick: int, refuse_s: float | None) -> None:
        grant = self._one(self.held, pick)
        if grant is not None:
            self._back(grant, refuse_s)

    def _back(self, grant: Grant, refuse_s: float | None) -> None:
        self.held.remove(grant)
        self.allocator.recover(
            grant.framework, grant.role, grant.agent, grant.resources, refuse_s=refuse_s, now=self.now, offered=True
        )
        buyer, where = self.buyers[grant.framework], (grant.role, grant.agent)
        if refuse_s and grant.role in buyer.roles:
            buyer.refused.setdefault(where, []).append((self.now + max(refuse_s, 1.0), grant.resources))
        else:
            buyer.cooling.add(where)

    @rule(seconds=st.sampled_from([0.25, 1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        if seconds >= 1.0:
            self.allocator.cycle(self.now)
            for buyer in self.buyers.values():
                buyer.cooling.clear()

    # ---- the rules ---------------------------------------------------------------------------------------------------

    def usable(self, buyer: Buyer, role: str, resources: Resources) -> Resources:
        """What of it the framework could take for that role."""
        traits = buyer.traits

        def takes(kind: Kind) -> bool:
            owner = kind.reservations[-1].role if kind.reservations else None
            return (
                (owner is None or role == owner or role.startswith(f"{owner}/"))
                and (traits.revocable or not kind.revocable)
                and (traits.shared or not kind.shared)
                and (traits.refined or len(kind.reservations) < 2)
            )

        return resources.filter(takes)

    def meets(self, buyer: Buyer, role: str, stall: Stall) -> bool:
        """Whether they may deal at all."""
        traits = buyer.traits
        return (
            stall.active
            and (self.listed is None or stall.host in self.listed)
            and buyer.active
            and buyer.roles.get(role) is False
            and (traits.gpus or not any(kind.name == "gpus" for kind, _ in stall.total))
            and (traits.region_aware or not stall.remote)
            and (stall.multi_role or not traits.multi_role)
            and (stall.hierarchical or "/" not in role)
            and stall.host not in buyer.avoids
            and (role, stall.name) not in buyer.cooling
        )

    def enough(self, buyer: Buyer, role: str, resources: Resources) -> bool:
        minima = buyer.traits.enough.get(role, ENOUGH)
        have = resources.scalar_quantities()
        return not minima or any(all(have.get(name, 0) >= least for name, least in one.items()) for one in minima)

    def refuses(self, buyer: Buyer, role: str, agent: str, resources: Resources) -> bool:
        return any(
            until > self.now and given.contains(resources) for until, given in buyer.refused.get((role, agent), ())
        )

    def takes(self, buyer: Buyer, role: str, stall: Stall, resources: Resources) -> bool:
        """Whether it has to be offered ``resources``, which are all that is left for it."""
        return (
            self.meets(buyer, role, stall)
            and bool(resources.exclusive())
            and self.enough(buyer, role, resources)
            and not self.refuses(buyer, role, stall.name, resources)
        )

    # ---- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def decide(self) -> None:
        if not hasattr(self, "allocator"):
            return
        free = {name: self.allocator.free(name) for name in self.stalls}
        turns = self._turns()
        grants = self.allocator.run(self.now)
        handed: dict[str, set[Kind]] = {}
        for grant in grants:
            buyer, stall = self.buyers[grant.framework], self.stalls[grant.agent]
            assert self.meets(buyer, grant.role, stall)
            assert self.usable(buyer, grant.role, grant.resources) == grant.resources
            assert grant.resources.exclusive()
            assert self.enough(buyer, grant.role, grant.resources)
            assert not self.refuses(buyer, grant.role, grant.agent, grant.resources)
            assert free[grant.agent].contains(grant.resources), "nothing is given twice"
            free[grant.agent] -= grant.resources.exclusive()
            shared = {kind for kind, _ in grant.resources if kind.shared}
            assert not shared & handed.get(grant.agent, set()), "a shared volume is in one offer of a run"
            handed.setdefault(grant.agent, set()).update(shared)
        if not self.quotas and not self.random_order and len({grant.agent for grant in grants}) == 1:
            self._in_turn(turns, grants)
        self.held += grants
        for name, left in free.items():
            assert self.allocator.free(name) == left

    def _turns(self) -> list[tuple[str, str]]:
        """(role, framework) in fair order, before anything is given."""
        allocator = self.allocator
        return [
            (role, framework)
            for role in allocator._roles_sorter.order()
            for framework in allocator._roles[role].sorter.order()
        ]

    def _in_turn(self, turns: list[tuple[str, str]], grants: list[Grant]) -> None:
        """On one agent the first in turn who takes anything gets all that it may have."""
        stall = self.stalls[grants[0].agent]
        whole = self.allocator.free(stall.name) + Resources.total(one.resources.exclusive() for one in grants)
        for role, framework in turns:
            have = self.usable(self.buyers[framework], role, whole)
            if self.takes(self.buyers[framework], role, stall, have):
                assert Grant(framework, role, stall.name, have) in grants
                return

    @rule()
    def nobody_is_overlooked(self) -> None:
        """Right after a cycle, nobody takes anything of what is left (without quota, which withholds)."""
        self.now += 1.0
        self.allocator.cycle(self.now)
        for buyer in self.buyers.values():
            buyer.cooling.clear()
        self.decide()
        if self.quotas:
            return
        for stall in self.stalls.values():
            left = self.allocator.free(stall.name)
            for buyer in self.buyers.values():
                for role in buyer.roles:
                    assert not self.takes(buyer, role, stall, self.usable(buyer, role, left)), (buyer, role, stall)

    @invariant()
    def everything_is_somewhere(self) -> None:
        if not hasattr(self, "allocator"):
            return
        for stall in self.stalls.values():
            used = EMPTY
            for grant in self.held:
                if grant.agent == stall.name:
                    used += grant.resources.exclusive()
            assert stall.total.contains(used)
            assert self.allocator.free(stall.name).exclusive() == (stall.total - used).exclusive()
            assert self.allocator.free(stall.name).shared() == stall.total.shared()

    @invariant()
    def limits_are_kept(self) -> None:
        """What was held before a limit came may be more; from then on only less."""
        if not hasattr(self, "allocator"):
            return
        account = self.allocator.account
        for role, quota in account.quotas.items():
            for name, most in quota.limits.items():
                room = account.room(role).get(name, 0)
                assert room == max(0, most - account.consumed[role].get(name, 0))

    def teardown(self) -> None:
        if not hasattr(self, "allocator"):
            return
        for grant in list(self.held):
            self._back(grant, None)
        for name in list(self.buyers):
            self.allocator.remove_framework(name)
        for name in list(self.stalls):
            self.allocator.remove_agent(name)
        allocator = self.allocator
        assert (allocator._roles, allocator._held, allocator._allocations) == ({}, {}, {})
        assert allocator.totals.amounts == {}


class Lottery(Bazaar):
    random_order = True


_SETTINGS = settings(
    max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestBazaar = Bazaar.TestCase
TestBazaar.settings = _SETTINGS
TestLottery = Lottery.TestCase
TestLottery.settings = settings(_SETTINGS, max_examples=60)
