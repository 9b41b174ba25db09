"""The allocator under whatever happens: accounts stay true, limits and guarantees hold, nothing is given twice or leaks."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dcos.master.core.allocator import Allocator, Grant
from dcos.master.core.clients import Traits
from dcos.master.core.quota_account import Quota, QuotaAccount, open_quantities, top_of
from dcos.model.resources import EMPTY, Resources

PICK = st.integers(0, 1000)
ROLES = st.sampled_from(["a", "a/b", "a/b/c", "q", "q/r", "*", "z"])
TOTALS = st.sampled_from(
    [
        "cpus:4;mem:1024;ports:[1-10]",
        "cpus:2;cpus(q):2;mem:256;mem(q):64",
        "cpus:1;mem:64;cpus(a):1;mem(a/b):32",
        "cpus:8;mem:8192;disk:100",
        "cpus:0.5;mem:16",
    ]
)
AMOUNTS = st.dictionaries(st.sampled_from(["cpus", "mem"]), st.sampled_from([0, 500, 1000, 3000, 512_000]), max_size=2)
QUOTAS = st.dictionaries(st.sampled_from(["a", "q", "z", "none"]), st.tuples(AMOUNTS, AMOUNTS), max_size=3)
ENOUGH = ({"cpus": 10}, {"mem": 32_000})


class Market(RuleBasedStateMachine):
    @initialize(quotas=QUOTAS)
    def begin(self, quotas: dict[str, tuple[dict[str, int], dict[str, int]]]) -> None:
        self.allocator = Allocator(enough=ENOUGH)
        self.set_quotas(quotas)
        self.now = 0.0
        self.held: list[Grant] = []
        self.names = 0
        for role in ("a", "q/r", "z"):
            self.join([role], False)
        for total in ("cpus:4;mem:1024;ports:[1-10]", "cpus:2;mem:256"):
            self.add_agent(total, True)

    def _one(self, of: Any, pick: int) -> Any:
        items = list(of)
        return items[pick % len(items)] if items else None

    # ---- what happens ------------------------------------------------------------------------------------------------

    @rule(roles=st.lists(ROLES, min_size=1, max_size=2, unique=True), revocable=st.booleans())
    def join(self, roles: list[str], revocable: bool) -> None:
        self.names += 1
        self.allocator.add_framework(f"f{self.names}", roles, traits=Traits(revocable=revocable, refined=True))

    @rule(pick=PICK)
    def leave(self, pick: int) -> None:
        framework = self._one(self.allocator._clients, pick)
        if framework is not None:
            for grant in [one for one in self.held if one.framework == framework]:
                self._back(grant)
            self.allocator.remove_framework(framework)

    @rule(pick=PICK, roles=st.lists(ROLES, max_size=2, unique=True))
    def change_roles(self, pick: int, roles: list[str]) -> None:
        framework = self._one(self.allocator._clients, pick)
        if framework is not None:
            self.allocator.update_framework(framework, roles, suppressed=roles[1:], traits=Traits())

    @rule(pick=PICK, what=st.sampled_from(["deactivate", "activate", "suppress", "revive"]))
    def hush(self, pick: int, what: str) -> None:
        framework = self._one(self.allocator._clients, pick)
        if framework is None:
            return
        if what in ("suppress", "revive"):
            getattr(self.allocator, what)(framework, list(self.allocator._clients[framework].suppressed))
        else:
            getattr(self.allocator, f"{what}_framework")(framework)

    @rule(total=TOTALS, active=st.booleans())
    def add_agent(self, total: str, active: bool) -> None:
        self.names += 1
        self.allocator.add_agent(f"s{self.names}", Resources.parse(total), active=active, hostname=f"h{self.names % 3}")

    @rule(pick=PICK, role=ROLES, share=st.sampled_from(["cpus:1;mem:64", "mem:32", "cpus:0.5"]))
    def bring(self, pick: int, role: str, share: str) -> None:
        """An agent has something running that no offer was made for."""
        slot = self._one(self.allocator._slots.values(), pick)
        resources = Resources.parse(share)
        if slot is not None and slot.free.contains(resources):
            self.allocator.charge("brought", role, slot.id, resources)
            self.held.append(Grant("brought", role, slot.id, resources))

    @rule(pick=PICK)
    def remove_agent(self, pick: int) -> None:
        agent = self._one(self.allocator._slots, pick)
        if agent is not None:
            for grant in [one for one in self.held if one.agent == agent]:
                self._back(grant)
            self.allocator.remove_agent(agent)

    @rule(pick=PICK, more=TOTALS)
    def grow_agent(self, pick: int, more: str) -> None:
        slot = self._one(self.allocator._slots.values(), pick)
        if slot is not None:
            self.allocator.update_agent(slot.id, slot.total + Resources.parse(more))

    @rule(pick=PICK, what=st.sampled_from(["activate_agent", "deactivate_agent"]))
    def flip_agent(self, pick: int, what: str) -> None:
        agent = self._one(self.allocator._slots, pick)
        if agent is not None:
            getattr(self.allocator, what)(agent)

    @rule(hosts=st.sampled_from([None, frozenset({"h0"}), frozenset({"h0", "h1"}), frozenset()]))
    def whitelist(self, hosts: frozenset[str] | None) -> None:
        self.allocator.set_whitelist(hosts)

    @rule(given=QUOTAS)
    def set_quotas(self, given: dict[str, tuple[dict[str, int], dict[str, int]]]) -> None:
        self.allocator.set_quotas(
            {
                role: Quota(
                    guarantees=guarantees,
                    limits={name: max(limit, guarantees.get(name, 0)) for name, limit in limits.items()},
                )
                for role, (guarantees, limits) in given.items()
            }
        )

    @rule(role=ROLES, weight=st.sampled_from([0.5, 1.0, 3.0]))
    def weigh(self, role: str, weight: float) -> None:
        self.allocator.set_weight(role, weight)

    @rule(pick=PICK, refuse_s=st.sampled_from([None, 0.0, 3.0, 600.0]))
    def give_back(self, pick: int, refuse_s: float | None) -> None:
        grant = self._one(self.held, pick)
        if grant is not None:
            self._back(grant, refuse_s)

    @rule(pick=PICK)
    def reserve(self, pick: int) -> None:
        """What is held unreserved becomes the role's."""
        grant = self._one(self.held, pick)
        plain = grant.resources.filter(lambda kind: kind.name == "cpus" and not kind.reservations) if grant else EMPTY
        if not plain or grant.role == "*":
            return
        amount = plain.scalar("cpus") / 1000
        made = Resources.parse(f"cpus({grant.role}):{amount}")
        self.allocator.convert(grant.framework, grant.role, grant.agent, plain, made)
        self.held.remove(grant)
        self.held.append(Grant(grant.framework, grant.role, grant.agent, grant.resources - plain + made))

    def _back(self, grant: Grant, refuse_s: float | None = None) -> None:
        self.held.remove(grant)
        self.allocator.recover(
            grant.framework, grant.role, grant.agent, grant.resources, refuse_s=refuse_s, now=self.now, offered=True
        )

    @rule(seconds=st.sampled_from([1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.allocator.cycle(self.now)

    @rule()
    def nothing_is_overlooked(self) -> None:
        """A look at everything, right after a cycle, finds nothing that the marks did not lead to."""
        self.now += 1.0
        self.allocator.cycle(self.now)
        self.decide()
        self.allocator._look_everywhere()
        assert self.allocator.run(self.now) == []

    def decide(self) -> None:
        """Limits bind what is granted in a role that has them; what no guarantee covers leaves all guarantees room; each
        grant is worth an offer.
        """
        account = self.allocator.account
        room = {role: account.room(role) for role in account.quotas}
        guaranteed = {role: dict(lacks) for role, lacks in account.missing.items()}
        grants = self.allocator.run(self.now)
        given: dict[str, dict[str, int]] = {}
        for grant in grants:
            worth = grant.resources.scalar_quantities()
            assert any(all(worth.get(name, 0) >= least for name, least in some.items()) for some in ENOUGH)
            for name, amount in open_quantities(grant.resources).items():
                got = given.setdefault(grant.role, {})
                got[name] = got.get(name, 0) + amount
        for role, amounts in given.items():
            for name, amount in amounts.items():
                if role in room and name in room[role]:
                    assert amount <= room[role][name]
                beyond = amount - guaranteed.get(role, {}).get(name, 0)
                if beyond > 0 and name in account.required:
                    assert account.available.get(name, 0) >= account.required[name]
        self.held += grants

    @invariant()
    def decide_at_once(self) -> None:
        """As the master does after each event."""
        if hasattr(self, "allocator"):
            self.decide()

    # ---- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_given_twice(self) -> None:
        if not hasattr(self, "allocator"):
            return
        for slot in self.allocator._slots.values():
            used = EMPTY
            for grant in self.held:
                if grant.agent == slot.id:
                    assert (slot.total - used).contains(grant.resources)
                    used += grant.resources
            assert slot.used == used
            assert slot.free == slot.total - used

    @invariant()
    def accounts_are_true(self) -> None:
        if not hasattr(self, "allocator"):
            return
        allocator, account = self.allocator, self.allocator.account
        allocations: dict[tuple[str, str, str], Resources] = {}
        for grant in self.held:
            key = (grant.framework, grant.role, grant.agent)
            allocations[key] = allocations.get(key, EMPTY) + grant.resources
        assert allocator._allocations == allocations
        anew = QuotaAccount()
        anew.start(
            account.quotas,
            (slot.total for slot in allocator._slots.values()),
            ((role, held) for (_, role, _), held in allocations.items()),
        )
        assert (account.consumed, account.missing) == (anew.consumed, anew.missing)
        assert (account.required, account.available) == (anew.required, anew.available)

    @invariant()
    def shares_are_ordered(self) -> None:
        if not hasattr(self, "allocator"):
            return
        allocator = self.allocator
        held: dict[str, Resources] = {}
        for grant in self.held:
            top = top_of(grant.role)
            held[top] = held.get(top, EMPTY) + grant.resources
        order = list(dict.fromkeys(top_of(role) for role in allocator._roles_sorter.order()))
        shares = [
            allocator.totals.share(held.get(role, EMPTY).scalar_quantities()) / allocator.weights.get(role, 1.0)
            for role in order
        ]
        assert shares == sorted(shares)

    @invariant()
    def nothing_is_remembered_of_what_is_gone(self) -> None:
        if not hasattr(self, "allocator"):
            return
        allocator = self.allocator
        agents = set(allocator._slots)
        assert set(allocator._pending) <= agents
        assert set(allocator._withheld) <= agents
        assert allocator._cooling == {slot.id for slot in allocator._slots.values() if slot.cooling}
        assert all(found <= agents for found in allocator._filtered.values())
        wanted = {role for client in allocator._clients.values() for role in client.suppressed}
        assert set(allocator._roles) == wanted | {grant.role for grant in self.held}
        assert set(allocator._held) == {(grant.framework, grant.role) for grant in self.held}

    def teardown(self) -> None:
        if not hasattr(self, "allocator"):
            return
        for grant in list(self.held):
            self._back(grant)
        for framework in list(self.allocator._clients):
            self.allocator.remove_framework(framework)
        for agent in list(self.allocator._slots):
            self.allocator.remove_agent(agent)
        allocator = self.allocator
        left = (allocator._roles, allocator._held, allocator._allocations, allocator._filtered)
        assert left == ({}, {}, {}, {})
        assert allocator.totals.amounts == {}
        assert len(allocator._roles_sorter) == 0


TestMarket = Market.TestCase
TestMarket.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
