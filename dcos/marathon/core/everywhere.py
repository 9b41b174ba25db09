"""One instance on every agent that matches, as agents come and go: ``instances: "all"``, of pods ``scaling.kind: "all"``.

An agent matches when the master says that it is there, its constraints hold, and its whole resources would suffice; one that
is full now still counts (the app waits for it and says so), one that is deactivated or draining counts only while an instance
is there. Nothing is reserved: an instance is launched from the agent's own offer, bound to agents without one by the
constraint ``@agent UNIQUE``. Which agents there are only the operator API tells; until it has, one more than there are is
wanted, so that nothing counts as deployed too early.
"""

from __future__ import annotations

from collections.abc import Iterator

from dcos.marathon.core import agents, shortfall
from dcos.marathon.core.agents import Agent, Cluster
from dcos.marathon.core.state import CoreSettings, State
from dcos.model.marathon_state import Instance
from dcos.model.resource_kinds import UNRESERVED
from dcos.model.run_spec import RunSpec, bound, constrained, scaled
from dcos.scheduling.constraints import Spread, allows
from dcos.scheduling.match import Policy

ONE_EACH = ("@agent", "UNIQUE")


def is_everywhere(spec: RunSpec | None) -> bool:
    return spec is not None and spec.instances_mode == "all"


def matching(spec: RunSpec, cluster: Cluster, policy: Policy, occupied: frozenset[str]) -> frozenset[str]:
    """Ids of the agents that shall have an instance; those ``occupied`` come first where constraints limit the number."""
    spread = Spread({constraint[0] for constraint in spec.constraints})
    chosen: set[str] = set()
    ordered = sorted(cluster.agents.values(), key=lambda one: (one.ref.agent_id not in occupied, one.ref.agent_id))
    for agent in ordered:
        if not agent.active and agent.ref.agent_id not in occupied:
            continue
        if _fits(spec, agent, policy, spread):
            spread.add(agent.ref)
            chosen.add(agent.ref.agent_id)
    return frozenset(chosen)


def _fits(spec: RunSpec, agent: Agent, policy: Policy, spread: Spread) -> bool:
    if not all(allows(constraint, agent.ref, spread, spec.instances) for constraint in spec.constraints):
        return False
    bare = constrained(spec, ())
    return not shortfall.lacks(bare, agents.place_of(agent, spec.role or UNRESERVED, whole=True), (), policy)


def agents_of(state: State, settings: CoreSettings, spec: RunSpec) -> frozenset[str] | None:
    """The agents that shall have an instance; None: not known yet. Remembered until the cluster is seen again."""
    cluster = state.cluster
    if cluster is None:
        return None
    key = (cluster.at, spec.version or "")
    known = state.everywhere.get(spec.id)
    if known is None or known[0] != key:
        occupied = frozenset(one.agent.agent_id for one in state.instances_of(spec.id) if one.occupies)
        known = key, matching(spec, cluster, settings.policy, occupied)
        state.everywhere[spec.id] = known
    fresh = {
        one.agent.agent_id
        for one in state.instances_of(spec.id)
        if one.since > cluster.at and one.is_wanted and one.agent.agent_id not in cluster.agents
    }
    return known[1] | fresh


def count(state: State, settings: CoreSettings, spec: RunSpec) -> int:
    """The number of instances wanted now."""
    agent_ids = agents_of(state, settings, spec)
    if agent_ids is None:
        return 1 + sum(1 for one in state.instances_of(spec.id) if one.is_wanted)
    return len(agent_ids)


def shown(state: State, spec: RunSpec) -> int:
    """The number of instances for answers: of the agents as last seen."""
    known = state.everywhere.get(spec.id)
    if known is None:
        return sum(1 for one in state.instances_of(spec.id) if one.is_wanted)
    return len(known[1])


def effective(state: State, settings: CoreSettings, spec: RunSpec) -> RunSpec:
    """The definition with its number of instances now; others as they are."""
    if not is_everywhere(spec):
        return spec
    return bound(scaled(spec, count(state, settings, spec)), ONE_EACH)


def strays(state: State, settings: CoreSettings, spec: RunSpec) -> Iterator[Instance]:
    """Instances on agents that match no more (or are gone)."""
    agent_ids = agents_of(state, settings, spec)
    if agent_ids is None:
        return
    for one in state.instances_of(spec.id):
        if one.is_wanted and one.agent.agent_id not in agent_ids:
            yield one
