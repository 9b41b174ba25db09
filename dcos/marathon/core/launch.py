"""What waits to be launched, and which offers are wanted for it.

Instances with a reservation that do not run are launched again before new ones are made. When something begins to wait,
offers of its role are revived; those of roles that nothing waits for are suppressed.
"""

from __future__ import annotations

from dcos.marathon.core import backoff, residents
from dcos.marathon.core.queue import QueueEntry
from dcos.marathon.core.turn import Turn
from dcos.model.pods import Pod
from dcos.model.run_spec import RunSpec
from dcos.scheduling import calls, ids
from dcos.scheduling.match import demand_of

LEAST_REVIVE_PAUSE_S = 0.2
PAUSE_PER_OFFER_S = 0.001
"""About twenty times what making and looking at an offer costs the master and us."""


def want(turn: Turn, spec: RunSpec, count: int) -> None:
    """Set how many more instances of ``spec`` shall be there."""
    queue = turn.state.queue
    relaunch, roles = 0, frozenset[str]()
    if spec.is_resident:
        count -= residents.schedule(turn, spec, count)
        waiting = residents.scheduled(turn, spec.id)
        relaunch, roles = len(waiting), frozenset(one.role for one in waiting)
    entry = queue.get(spec.id)
    if count <= 0 and not relaunch:
        queue.pop(spec.id)
        return
    asleep = backoff.waits_until(spec, turn.state.delays.get(spec.id), turn.now) is not None
    if entry is None:
        entry = QueueEntry(spec, demand_of(spec, turn.settings.policy), count, turn.now, relaunch=relaunch)
        turn.state.wants_revive = True
    else:
        more = count + relaunch > entry.total or (queue.is_asleep(spec.id) and not asleep)
        updated = entry.spec.config_version != spec.config_version
        if more or updated:
            turn.state.wants_revive = True
        if updated:
            entry.uuids.clear()
        if entry.spec is not spec:
            entry.spec, entry.demand = spec, demand_of(spec, turn.settings.policy)
        entry.count, entry.relaunch = max(0, count), relaunch
    entry.relaunch_roles = roles
    if isinstance(spec, Pod):
        _name(turn, entry)
    queue.put(entry, asleep=asleep)


def _name(turn: Turn, entry: QueueEntry) -> None:
    del entry.uuids[max(0, entry.count) :]
    entry.uuids += [turn.fresh() for _ in range(entry.count - len(entry.uuids))]


def forget_waiting(turn: Turn, instance_id: str) -> None:
    """Give up a pod's instance that waits for an offer; another one takes its place."""
    entry = turn.state.queue.get(ids.spec_of_instance(instance_id))
    uuid = entry.uuid_of(instance_id) if entry is not None else None
    if entry is not None and uuid is not None:
        entry.uuids.remove(uuid)
        _name(turn, entry)


def wake(turn: Turn, spec_id: str) -> None:
    """Its back-off is over."""
    entry = turn.state.queue.get(spec_id)
    if entry is not None:
        turn.state.queue.put(entry, asleep=False)
        turn.state.wants_revive = True


def drop(turn: Turn, spec_id: str) -> None:
    turn.state.queue.pop(spec_id)


# ---- offers ----------------------------------------------------------------------------------------------------------


def tune_offers(turn: Turn) -> None:
    """Revive the roles that something waits in, suppress the others."""
    state = turn.state
    if not state.subscribed:
        return
    waiting = state.queue.roles | state.released_roles | set(state.missed.values())
    roles = set(state.roles(turn.settings.role))
    idle = roles - waiting - state.suppressed
    if turn.now < state.sweep_until:
        idle -= residents.reservable(roles)
    if idle:
        state.suppressed |= idle
        turn.send(calls.suppress(sorted(idle)))
    if not waiting:
        state.wants_revive = False
        return
    if not (state.wants_revive or waiting & state.suppressed) or not (
        state.queue.is_awake or state.releases or state.missed
    ):
        return
    if state.last_revive is not None and turn.now - state.last_revive < _revive_pause(turn):
        return
    state.suppressed -= waiting
    state.wants_revive = False
    state.last_revive, state.offered = turn.now, 0
    turn.send(calls.revive(sorted(waiting)))


def _revive_pause(turn: Turn) -> float:
    """Shorter than the setting where the last revive brought few offers: a small cluster answers at once."""
    return min(turn.settings.min_revive_interval_s, max(LEAST_REVIVE_PAUSE_S, turn.state.offered * PAUSE_PER_OFFER_S))


def check_scale(turn: Turn) -> None:
    """Look at every app and pod now and then, a few at a time, though nothing happened to them."""
    state, settings = turn.state, turn.settings
    if not state.to_check and turn.now >= state.next_scale_check:
        state.to_check = [*state.apps, *state.pods]
        state.next_scale_check = turn.now + settings.scale_check_interval_s
        state.check_at_once = 1 + int(len(state.to_check) / max(1.0, settings.scale_check_interval_s))
    state.dirty.update(state.to_check[-state.check_at_once :])
    del state.to_check[-state.check_at_once :]


def tick(turn: Turn) -> None:
    """End delays that are over, forget those that are stale, fill the launch tokens up."""
    state = turn.state
    for entry in state.queue.asleep:
        if backoff.waits_until(entry.spec, state.delays.get(entry.spec.id), turn.now) is None:
            wake(turn, entry.spec.id)
    for spec_id, delay in list(state.delays.items()):
        waiting = state.queue.get(spec_id)
        spec = state.wanted(spec_id) or (waiting.spec if waiting else None)
        if spec is None or backoff.is_stale(spec, delay, turn.now):
            del state.delays[spec_id]
    if turn.now - state.tokens_since >= turn.settings.launch_token_refresh_s:
        state.tokens_since = turn.now
        give_tokens(turn, turn.settings.launch_tokens)


def give_tokens(turn: Turn, count: int) -> None:
    """Launches that may be made before more of those under way are known to run."""
    state = turn.state
    if state.tokens <= 0 and state.queue.is_awake:
        state.wants_revive = True
    state.tokens = min(turn.settings.launch_tokens, state.tokens + count)
