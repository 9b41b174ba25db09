"""Virtual IPs from one state of the cluster to the next: what has not changed is not looked at again.

Gives exactly what ``vips.collect``, ``addresses`` and ``services`` give for each state (a property test says so), for less:
states share the objects that did not change, so a task whose object is the same asks for the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dcos.model.cluster import ClusterAgent, ClusterFramework, ClusterState, RunningTask, TaskKey
from dcos.net.core import vips
from dcos.net.core.vips import Addresses, Backend, BadLabel, Ranges, Service, Target, VipName, Vips


class _Asked(NamedTuple):
    """What a task asked for, and what that was made from."""

    task: RunningTask
    agent: ClusterAgent | None
    framework: ClusterFramework | None
    vips: tuple[tuple[VipName, Backend], ...]
    bad: tuple[BadLabel, ...]


class Made(NamedTuple):
    vips: Vips
    addresses: Addresses
    services: dict[Service, tuple[Target, ...]]


class Following:
    """One node's; states come in order."""

    def __init__(self, ranges: Ranges, node_ip: str, *, ipv6: bool = True) -> None:
        self._ranges = ranges
        self._node_ip = node_ip
        self._ipv6 = ipv6
        self._silent: frozenset[str] = frozenset()
        self._asked: dict[TaskKey, _Asked] = {}
        self._askers: dict[VipName, dict[TaskKey, tuple[Backend, ...]]] = {}
        self._backends: dict[VipName, tuple[Backend, ...]] = {}
        self._families: dict[VipName, tuple[bool, bool]] = {}
        self._addresses = vips.addresses(Vips({}, ()), ranges)
        self._services: dict[VipName, tuple[tuple[Service, tuple[Target, ...]], ...]] = {}

    def take(self, state: ClusterState, silent: frozenset[str] = frozenset()) -> Made:
        """All of it for ``state``; agents at ``silent`` serve only what nobody else serves."""
        touched = self._look(state)
        if silent != self._silent:
            moved = silent ^ self._silent
            self._silent = silent
            touched |= {vip for vip, found in self._backends.items() if any(one.agent_ip in moved for one in found)}
        before = self._addresses
        if self._gather(touched):
            self._addresses = vips.addresses(Vips(self._backends, ()), self._ranges)
            touched |= {vip for vip in self._backends if _differ(vip.host, before, self._addresses)}
        for vip in touched & self._backends.keys():
            self._serve(vip)
        bad = tuple(wrong for key in state.tasks if (one := self._asked.get(key)) and one.bad for wrong in one.bad)
        wanted = {service: targets for vip in self._backends for service, targets in self._services[vip]}
        return Made(Vips(dict(self._backends), bad), self._addresses, wanted)

    def _look(self, state: ClusterState) -> set[VipName]:
        """VIPs that any task asks for otherwise than before."""
        touched: set[VipName] = set()
        asked, agents, frameworks = self._asked, state.agents, state.frameworks
        for key, task in state.tasks.items():
            agent, framework = agents.get(task.agent_id), frameworks.get(task.framework_id)
            before = asked.get(key)
            if before is not None and before[0] is task and before[1] is agent and before[2] is framework:
                continue
            found: tuple[tuple[VipName, Backend], ...] = ()
            bad: tuple[BadLabel, ...] = ()
            if agent is not None and framework is not None:
                found, bad = vips.asked_by(task, agent, framework, ipv6=self._ipv6)
            if before is None or before.vips != found:
                self._forget(key, touched)
                for vip, backend in found:
                    mine = self._askers.setdefault(vip, {})
                    mine[key] = (*mine.get(key, ()), backend)
                    touched.add(vip)
            asked[key] = _Asked(task, agent, framework, found, bad)
        if len(asked) > len(state.tasks):  # it has all of them
            for key in [key for key in asked if key not in state.tasks]:
                self._forget(key, touched)
        return touched

    def _forget(self, key: TaskKey, touched: set[VipName]) -> None:
        before = self._asked.pop(key, None)
        for vip, _ in before.vips if before is not None else ():
            touched.add(vip)
            self._askers[vip].pop(key, None)

    def _gather(self, touched: Iterable[VipName]) -> bool:
        """Backends of the VIPs that were touched; whether addresses have to be given anew."""
        renamed = unsorted = False
        for vip in touched:
            backends = vips.in_order({one for each in self._askers[vip].values() for one in each})
            if not backends:
                del self._askers[vip]
                renamed |= self._families.pop(vip, None) is not None
                self._backends.pop(vip, None)
                self._services.pop(vip, None)
                continue
            families = (
                any(":" not in one.target.ip for one in backends),
                any(":" in one.target.ip for one in backends),
            )
            unsorted |= vip not in self._backends
            renamed |= self._families.get(vip) != families
            self._families[vip], self._backends[vip] = families, backends
        if unsorted:
            self._backends = {vip: self._backends[vip] for vip in sorted(self._backends)}
        return renamed

    def _serve(self, vip: VipName) -> None:
        v4, v6 = self._addresses.v4.get(vip.host), self._addresses.v6.get(vip.host)
        self._services[vip] = tuple(vips.services_of(vip, self._backends[vip], v4, v6, self._node_ip, self._silent))


def _differ(host: str, one: Addresses, other: Addresses) -> bool:
    return one.v4.get(host) != other.v4.get(host) or one.v6.get(host) != other.v6.get(host)
