"""Virtual IPs from one state of the cluster to the next: what has not changed is not looked at again.

Gives exactly what ``vips.collect``, ``addresses`` and ``services`` give for each state (a property test says so), for less:
a state tells which tasks changed since the one before; where it does not, states share the objects that did not change, so a
task whose object is the same asks for the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from dcos.model.cluster import ClusterState, TaskKey
from dcos.net.core import vips
from dcos.net.core.addresses import Assignment
from dcos.net.core.vips import Addresses, Backend, BadLabel, Ranges, Service, Target, VipName, Vips


class Made(NamedTuple):
    vips: Vips
    addresses: Addresses
    services: Mapping[Service, tuple[Target, ...]]
    changed: frozenset[Service]
    """Of ``services`` now or the time before: those that differ."""
    agents: frozenset[str]
    """Addresses of agents with backends."""
    lost: frozenset[tuple[Service, Target]]
    """Targets that served until now and are gone or silent; not those that only take no new connections."""


class Following:
    """One node's; states come in order."""

    def __init__(self, ranges: Ranges, node_ip: str, *, ipv6: bool = True) -> None:
        self._node_ip = node_ip
        self._ipv6 = ipv6
        self._state: ClusterState | None = None
        self._silent: frozenset[str] = frozenset()
        self._asked: dict[TaskKey, tuple[VipName | Backend, ...]] = {}
        """Of tasks that ask for any: VIP, backend, VIP, backend ..., flat, because there are very many."""
        self._askers: dict[VipName, list[TaskKey]] = {}
        """A task as often as it asks."""
        self._bad: dict[TaskKey, tuple[BadLabel, ...]] = {}
        self._backends: dict[VipName, tuple[Backend, ...]] = {}
        self._at: Counter[str] = Counter()
        """Backends by address of their agent."""
        self._agents: frozenset[str] = frozenset()
        self._numeric: dict[str, int] = {}
        """Numeric virtual addresses and how many VIPs each has."""
        self._having: dict[str, tuple[Counter[str], Assignment]] = {
            "v4": (Counter(), Assignment(ranges.min4, ranges.max4)),
            "v6": (Counter(), Assignment(ranges.min6, ranges.max6)),
        }
        """By family: named VIPs of each name with backends of it, and the names' addresses."""
        self._addresses = Addresses({}, {})
        self._services: dict[VipName, tuple[tuple[Service, tuple[Target, ...]], ...]] = {}
        self._wanted: dict[Service, tuple[Target, ...]] = {}
        self._finishing: dict[VipName, frozenset[tuple[Service, Target]]] = {}

    def take(self, state: ClusterState, silent: frozenset[str] = frozenset()) -> Made:
        """All of it for ``state``; agents at ``silent`` serve only what nobody else serves."""
        touched: set[VipName] = set()
        self._look(state, touched)
        if silent != self._silent:
            moved = silent ^ self._silent
            self._silent = silent
            touched |= {vip for vip, found in self._backends.items() if any(one.agent_ip in moved for one in found)}
        moved_names = self._gather(touched)
        moved_names -= {vip.host for vip in touched}
        if moved_names:
            touched |= {vip for vip in self._backends if vip.host in moved_names}
        changed, lost = self._serve(touched)
        bad = tuple(wrong for key in sorted(self._bad) for wrong in self._bad[key])
        return Made(Vips(dict(self._backends), bad), self._addresses, dict(self._wanted), changed, self._agents, lost)

    # ---- tasks to VIPs -----------------------------------------------------------------------------------------------

    def _look(self, state: ClusterState, touched: set[VipName]) -> None:
        """Find VIPs that any task asks for otherwise than before."""
        before, self._state = self._state, state
        if state is before:
            return
        for key in state.tasks if before is None else state.changed_beneath(before):
            self._ask(key, state, touched)

    def _ask(self, key: TaskKey, state: ClusterState, touched: set[VipName]) -> None:
        task = state.tasks.get(key)
        found: tuple[tuple[VipName, Backend], ...] = ()
        bad: tuple[BadLabel, ...] = ()
        if task is not None:
            agent, framework = state.agents.get(task.agent_id), state.frameworks.get(task.framework_id)
            if agent is not None and framework is not None:
                found, bad = vips.asked_by(task, agent, framework, ipv6=self._ipv6)
        asked = tuple(one for pair in found for one in pair)
        before = self._asked.get(key, ())
        if before != asked:
            for vip in _vips_of(before):
                touched.add(vip)
                self._askers[vip] = [one for one in self._askers[vip] if one != key]
            for vip, _ in found:
                touched.add(vip)
                self._askers.setdefault(vip, []).append(key)
            if asked:
                self._asked[key] = asked
            else:
                del self._asked[key]
        if bad:
            self._bad[key] = bad
        elif self._bad:
            self._bad.pop(key, None)

    def _backends_of(self, vip: VipName) -> Iterator[Backend]:
        """Of all tasks that ask for it."""
        for key in set(self._askers[vip]):
            asked = self._asked[key]
            for index, one in enumerate(asked[::2]):
                if one == vip:
                    yield asked[2 * index + 1]  # type: ignore[misc]

    # ---- VIPs to backends and addresses ------------------------------------------------------------------------------

    def _gather(self, touched: Iterable[VipName]) -> set[str]:
        """Backends of the VIPs that were touched; names that have another address now."""
        names: set[str] = set()
        for vip in touched:
            before = self._backends.get(vip, ())
            backends = vips.in_order(set(self._backends_of(vip)))
            if backends:
                self._backends[vip] = backends
            else:
                del self._askers[vip]
                self._backends.pop(vip, None)
            self._count_agents(before, backends)
            if vip.named:
                names |= self._count_families(vip, before, backends)
            elif bool(before) != bool(backends):
                self._numeric[vip.host] = self._numeric.get(vip.host, 0) + (1 if backends else -1)
                if not self._numeric[vip.host]:
                    del self._numeric[vip.host]
                names.add(vip.host)
        return self._give(names) if names else names

    def _count_agents(self, before: Iterable[Backend], after: Iterable[Backend]) -> None:
        known = len(self._at)
        came = [one.agent_ip for one in after]
        self._at.update(came)
        grown = len(self._at) != known
        for one in before:
            self._at[one.agent_ip] -= 1
            if not self._at[one.agent_ip]:
                del self._at[one.agent_ip]
                grown = True
        if grown:
            self._agents = frozenset(self._at)

    def _count_families(self, vip: VipName, before: Iterable[Backend], after: Iterable[Backend]) -> set[str]:
        """The name, if the families that it needs addresses of are others now."""
        differ: set[str] = set()
        for family, (counts, _) in self._having.items():
            colon = family == "v6"
            was, now = (any((":" in one.target.ip) == colon for one in found) for found in (before, after))
            if was != now:
                counts[vip.host] += 1 if now else -1
                if counts[vip.host] == (1 if now else 0):
                    differ.add(vip.host)
        return differ

    def _give(self, names: set[str]) -> set[str]:
        """Addresses after the need of ``names`` changed; names that have another now."""
        moved: set[str] = set()
        for counts, assignment in self._having.values():
            come = [one for one in names if counts.get(one)]
            gone = [one for one in names if not counts.get(one)]
            moved |= assignment.take(come, gone, self._numeric)
            for one in gone:
                counts.pop(one, None)
        (_, v4), (_, v6) = self._having.values()
        self._addresses = Addresses(dict(v4.given), dict(v6.given))
        return moved

    # ---- backends to what the kernel should do -----------------------------------------------------------------------

    def _serve(self, touched: Iterable[VipName]) -> tuple[frozenset[Service], frozenset[tuple[Service, Target]]]:
        """What is served otherwise than before, and whom it has lost."""
        before: dict[Service, tuple[Target, ...]] = {}
        lost: set[tuple[Service, Target]] = set()
        for vip in touched:
            lost |= self._finishing.pop(vip, frozenset())
            for service, targets in self._services.pop(vip, ()):
                before[service] = targets
                lost.update((service, one) for one in targets)
                del self._wanted[service]
        changed = set(before)
        for vip in touched:
            backends = self._backends.get(vip)
            if backends is None:
                continue
            where = (vip, backends, self._addresses.v4.get(vip.host), self._addresses.v6.get(vip.host))
            made = self._services[vip] = tuple(vips.services_of(*where, self._node_ip, self._silent))
            finishing = frozenset(vips.finishing(*where, self._node_ip, self._silent))
            if finishing:
                self._finishing[vip] = finishing
                lost -= finishing
            for service, targets in made:
                self._wanted[service] = targets
                lost.difference_update((service, one) for one in targets)
                if before.get(service) == targets:
                    changed.discard(service)
                else:
                    changed.add(service)
        return frozenset(changed), frozenset(lost)


def _vips_of(asked: tuple[VipName | Backend, ...]) -> set[VipName]:
    return set(asked[::2])  # type: ignore[arg-type]
