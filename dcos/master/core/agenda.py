"""What the allocator has to look at next: frameworks that come and ask, agents that change, what is given back and refused.

Every change marks the agents that it touches. An agent that a whole run left alone is *settled*: it is looked at again when
something of it changes, when a filter ends, or, for one framework only, when that framework comes or asks again. An agent of
which quota *withheld* something is looked at again when resources come back anywhere: a few at once, all at the next cycle.

What a framework returned without a filter is kept from it, but from nobody else, until the next cycle (1 s): upstream's
cycle has the same effect, and without it two sides could throw an offer to and fro as fast as they can.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from dcos.master.core.clients import Client, Traits
from dcos.master.core.ledger import Ledger, Slot, until_of
from dcos.master.core.quota_account import Quota, top_of
from dcos.model.resources import Resources

_STIRRED = 64
"""Agents with something withheld that are looked at again at once when resources come back."""


class Agenda(Ledger):
    """Base of the allocator, over the account."""

    """The decisions on what is free."""

    def __init__(
        self,
        *,
        interval_s: float = 1.0,
        weights: Mapping[str, float] | None = None,
        excluded: frozenset[str] = frozenset(),
        random_roles: bool = False,
        random_frameworks: bool = False,
        draw: Callable[[], float] = lambda: 0.5,
    ) -> None:
        super().__init__(
            weights=weights,
            excluded=excluded,
            random_roles=random_roles,
            random_frameworks=random_frameworks,
            draw=draw,
        )
        self._interval_s = interval_s
        self.weights: dict[str, float] = dict(weights or {})
        self._clients: dict[str, Client] = {}
        self._pending: dict[str, set[str] | None] = {}
        """Agents to look at; the frameworks that may have become able to take something there (None: all)."""
        self._wanting: set[str] = set()
        """Frameworks that may take something on any agent."""
        self._cooling: set[str] = set()
        self._wake: list[tuple[float, str]] = []
        """Heap of when a filter on a settled agent ends."""
        self._filtered: dict[tuple[str, str], set[str]] = {}
        """Agents on which (framework, role) has filters."""
        self._withheld: dict[str, None] = {}
        """Agents of which quota withheld something, those looked at again longest ago first."""
        self._freed: set[str] | None = set()
        """Roles with limits that gave something back since the last cycle; None: all may get more."""
        self._whitelist: frozenset[str] | None = None
        self._awaited: int | None = None
        """No decisions before so many agents are there."""

    # ---- frameworks --------------------------------------------------------------------------------------------------

    def add_framework(
        self,
        framework: str,
        roles: Iterable[str],
        *,
        suppressed: Iterable[str] = (),
        traits: Traits,
        active: bool = True,
    ) -> None:
        hushed = frozenset(suppressed)
        client = Client(framework, traits, active, {role: role in hushed for role in roles})
        self._clients[framework] = client
        for role in client.suppressed:
            self._subscribe(client, role)
        if active:
            self._wants(framework)

    def update_framework(
        self, framework: str, roles: Iterable[str], *, suppressed: Iterable[str] = (), traits: Traits
    ) -> None:
        """New roles and traits; roles that leave suppression lose their filters."""
        client = self._clients[framework]
        hushed = frozenset(suppressed)
        before = client.suppressed
        client.traits = traits
        client.suppressed = {role: role in hushed for role in roles}
        for role in before:
            if role not in client.suppressed:
                self._unfilter(framework, role)
                self._roles[role].subscribed.discard(framework)
                self._roles[role].sorter.deactivate(framework)
                self._forget_role(framework, role)
        for role in client.suppressed:
            if role not in before:
                self._subscribe(client, role)
            elif before[role] and not client.suppressed[role]:
                self._unfilter(framework, role)
            self._activate(client, role)
        self._wants(framework)

    def remove_framework(self, framework: str) -> None:
        """Everything it held must have been recovered before."""
        client = self._clients.pop(framework)
        for role in client.suppressed:
            self._unfilter(framework, role)
            self._roles[role].subscribed.discard(framework)
            self._forget_role(framework, role)

    def activate_framework(self, framework: str) -> None:
        client = self._clients[framework]
        client.active = True
        for role in client.suppressed:
            self._activate(client, role)
        self._wants(framework)

    def deactivate_framework(self, framework: str) -> None:
        """No more offers, its filters are forgotten; what it holds still counts."""
        client = self._clients[framework]
        client.active = False
        for role in client.suppressed:
            self._unfilter(framework, role)
            self._activate(client, role)

    def suppress(self, framework: str, roles: Iterable[str]) -> None:
        client = self._clients[framework]
        for role in roles:
            client.suppressed[role] = True
            self._activate(client, role)

    def revive(self, framework: str, roles: Iterable[str]) -> None:
        """Offer to ``roles`` again, whatever was refused."""
        client = self._clients[framework]
        for role in roles:
            client.suppressed[role] = False
            self._unfilter(framework, role)
            self._activate(client, role)
        self._wants(framework)

    def set_weight(self, role: str, weight: float) -> None:
        self.weights[role] = weight
        self._roles_sorter.set_weight(role, weight)

    def replace_weights(self, weights: Mapping[str, float]) -> None:
        """These, and 1 for every other role."""
        for role in list(self.weights):
            if role not in weights:
                self._roles_sorter.set_weight(role, 1.0)
        self.weights = dict(weights)
        for role, weight in weights.items():
            self._roles_sorter.set_weight(role, weight)

    def set_quotas(self, quotas: Mapping[str, Quota]) -> None:
        """All there are, by top-level role."""
        self._replace_quotas(quotas)
        self._withheld.clear()
        self._look_everywhere()

    def suppressed_roles(self, framework: str) -> frozenset[str]:
        return frozenset(role for role, hushed in self._clients[framework].suppressed.items() if hushed)

    def _subscribe(self, client: Client, role: str) -> None:
        self._track(client.id, role).subscribed.add(client.id)
        self._activate(client, role)

    def _activate(self, client: Client, role: str) -> None:
        sorter = self._roles[role].sorter
        if client.active and not client.suppressed[role]:
            sorter.activate(client.id)
        else:
            sorter.deactivate(client.id)

    # ---- agents ------------------------------------------------------------------------------------------------------

    def add_agent(
        self,
        agent: str,
        total: Resources,
        *,
        used: Iterable[tuple[str, str, Resources]] = (),
        active: bool = True,
        remote: bool = False,
        multi_role: bool = True,
        hierarchical: bool = True,
        hostname: str = "",
    ) -> None:
        """``used``: (framework, role, resources) already running there; the frameworks must be known."""
        slot = Slot(agent, hostname, total, active, remote, multi_role, hierarchical)
        slot.listed = self._whitelist is None or hostname in self._whitelist
        self._add_slot(slot)
        for framework, role, resources in used:
            self.charge(framework, role, agent, resources)
        self._pending[agent] = None
        self._stir_all()
        if self._awaited is not None and len(self._slots) >= self._awaited:
            self.resume()

    def update_agent(self, agent: str, total: Resources) -> None:
        self._set_total(self._slots[agent], total)
        self._pending[agent] = None
        self._stir_all()

    def remove_agent(self, agent: str) -> None:
        """Everything on it must have been recovered before."""
        slot = self._remove_slot(agent)
        for key in slot.filters:
            self._filtered[key].discard(agent)
        self._pending.pop(agent, None)
        self._withheld.pop(agent, None)
        self._cooling.discard(agent)

    def activate_agent(self, agent: str) -> None:
        self._slots[agent].active = True
        self._pending[agent] = None

    def deactivate_agent(self, agent: str) -> None:
        self._slots[agent].active = False

    def describe_agent(self, agent: str, *, remote: bool, multi_role: bool, hierarchical: bool) -> None:
        """The agent came back with another domain or other capabilities."""
        slot = self._slots[agent]
        if (slot.remote, slot.multi_role, slot.hierarchical) != (remote, multi_role, hierarchical):
            slot.remote, slot.multi_role, slot.hierarchical = remote, multi_role, hierarchical
            self._pending[agent] = None

    def set_whitelist(self, hosts: frozenset[str] | None) -> None:
        """Only agents of ``hosts`` are offered; None for all."""
        self._whitelist = hosts
        for slot in self._slots.values():
            listed = hosts is None or slot.hostname in hosts
            if listed and not slot.listed:
                self._pending[slot.id] = None
            slot.listed = listed

    def pause(self, awaited: int) -> None:
        """Decide nothing before ``awaited`` agents are there, or ``resume``."""
        self._awaited = awaited

    def resume(self) -> None:
        self._awaited = None

    # ---- give and take -----------------------------------------------------------------------------------------------

    def recover(
        self,
        framework: str,
        role: str,
        agent: str,
        resources: Resources,
        *,
        refuse_s: float | None = None,
        now: float = 0.0,
        offered: bool = False,
    ) -> None:
        """``resources`` are free again.

        ``refuse_s``: seconds for which the framework does not want them (0 none). ``offered``: they come from an offer,
        so that without a filter the framework gets them again at the next cycle at the earliest.
        """
        if not resources:
            return
        self._uncharge(framework, role, agent, resources)
        self._pending[agent] = None
        if self._withheld:
            self._stir(role)
        slot = self._slots[agent]
        where = (framework, role)
        client = self._clients.get(framework)
        if refuse_s is not None and refuse_s > 0 and client is not None and role in client.suppressed:
            until = now + max(refuse_s, self._interval_s)
            insort(slot.filters.setdefault(where, []), (until, resources), key=until_of)
            self._filtered.setdefault(where, set()).add(agent)
        elif offered:
            slot.cooling.add(where)
            self._cooling.add(agent)

    def unfilter_agent(self, agent: str) -> None:
        """The agent's attributes changed: what was refused of it counts no more."""
        slot = self._slots[agent]
        for key in slot.filters:
            self._filtered[key].discard(agent)
        slot.filters.clear()
        self._pending[agent] = None

    def _unfilter(self, framework: str, role: str) -> None:
        key = (framework, role)
        for agent in self._filtered.pop(key, ()):
            self._slots[agent].filters.pop(key, None)

    def _wants(self, framework: str) -> None:
        """``framework`` may take what others left: the next run looks at every agent with something free, for it alone."""
        self._wanting.add(framework)

    def _mark_for_wanting(self) -> None:
        """Once for all frameworks that came or asked again since the last run."""
        wanting, self._wanting = self._wanting, set()
        if not wanting:
            return
        for agent, slot in self._slots.items():
            if slot.free and slot.active:
                some = self._pending.get(agent, set())
                if some is not None:
                    self._pending[agent] = wanting | some if some else wanting

    def _look_everywhere(self) -> None:
        for agent, slot in self._slots.items():
            if slot.free and slot.active:
                self._pending[agent] = None

    def _mark(self, agent: str, frameworks: Iterable[str] | None) -> None:
        """Look at an agent, for ``frameworks`` only unless None."""
        if frameworks is None:
            self._pending[agent] = None
        elif agent not in self._pending:
            self._pending[agent] = set(frameworks)
        elif (some := self._pending[agent]) is not None:
            some.update(frameworks)

    def _stir(self, role: str) -> None:
        """``role`` gave something back, so that what quota withheld may be given now."""
        top = top_of(role)
        if self.account.required:
            self._stir_all()
        elif self.account.room(top) and top in self._roles:
            if self._freed is not None:
                self._freed.add(top)
            self._look_at_withheld(self._roles[top].subscribed, _STIRRED)

    def _stir_all(self) -> None:
        """There may be more for everybody whom the guarantees of others kept from it."""
        if self._withheld and (self.account.required or self.account.eased):
            self._freed = None
            self._look_at_withheld(None, _STIRRED)

    def _count_total(self, total: Resources, sign: int) -> None:
        """What is reserved on agents counts as consumed: with less of it there may be room again."""
        super()._count_total(total, sign)
        if sign < 0 and self._withheld:
            self._freed = None

    def _look_at_withheld(self, frameworks: Iterable[str] | None, count: int | None) -> None:
        for agent in list(islice(self._withheld, count)):
            del self._withheld[agent]
            self._withheld[agent] = None
            self._mark(agent, frameworks)

    # ---- the next run --------------------------------------------------------------------------------------------------

    def cycle(self, now: float) -> None:
        """To be called each ``interval_s``: returned offers may go to the same framework again, filters end."""
        for agent in self._cooling:
            self._slots[agent].cooling.clear()
            self._pending[agent] = None
        self._cooling.clear()
        while self._wake and self._wake[0][0] <= now:
            _, agent = heapq.heappop(self._wake)
            if agent in self._slots:
                self._pending[agent] = None
        if self._freed is None or self.account.eased:
            self.account.eased = False
            self._look_at_withheld(None, None)
        else:
            for role in self._freed & self._roles.keys():
                self._look_at_withheld(self._roles[role].subscribed, None)
        self._freed = set()

    @property
    def has_work(self) -> bool:
        return bool(self._pending or self._wanting) and self._awaited is None

    # ---- views -------------------------------------------------------------------------------------------------------

    def filters_active(self) -> dict[str, int]:
        """By role: how many agents some framework has filters on."""
        out: dict[str, int] = {}
        for (_, role), agents in self._filtered.items():
            out[role] = out.get(role, 0) + len(agents)
        return out
