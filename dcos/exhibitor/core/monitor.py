"""When ZooKeeper is started and restarted.

Theory: what is known of the server is a state (down, not serving, serving) and since when. A server that exits or falls to
down is started at once; one that stays down or not serving (a start counts as down) for the patience, which is twice the
time an ensemble may take to form, is started anew. One that keeps dying right after its start waits longer each time.
The switch ``restarts`` off means: hands off.   Source: Exhibitor's MonitorRunningInstance.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Final, assert_never

QUICK_DEATH_S: Final = 10.0
MAX_DELAY_S: Final = 10.0


class InstanceState(enum.IntEnum):
    """Exhibitor's codes."""

    LATENT = 0
    DOWN = 1
    NOT_SERVING = 2
    SERVING = 3

    @property
    def description(self) -> str:
        return self.name.lower().replace("_", " ")


class Action(enum.Enum):
    NOTHING = "nothing"
    START = "start"
    RESTART = "restart"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known. Times are monotonic seconds."""

    state: InstanceState = InstanceState.LATENT
    since: float = 0.0
    is_leader: bool = False
    running: bool = False
    started: float = 0.0
    quick_deaths: int = 0
    start_at: float = 0.0
    restarts: bool = True


@dataclass(frozen=True, slots=True)
class Checked:
    """The server was asked how it is."""

    state: InstanceState
    is_leader: bool
    now: float


@dataclass(frozen=True, slots=True)
class Started:
    """It was started, or one that runs was taken over."""

    now: float


@dataclass(frozen=True, slots=True)
class Exited:
    """Its process ended; ``wanted``: by us."""

    now: float
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A person asked for ``action``."""

    action: Action
    now: float


@dataclass(frozen=True, slots=True)
class Switched:
    """A person turned automatic restarts on or off."""

    on: bool


Event = Checked | Started | Exited | Asked | Switched


def step(watch: Watch, event: Event, patience_s: float) -> tuple[Watch, Action]:
    """What is known after ``event``, and what to do now."""
    match event:
        case Started(now):
            return replace(watch, state=InstanceState.DOWN, since=now, running=True, started=now), Action.NOTHING
        case Exited(now, wanted):
            quick = not wanted and now - watch.started < QUICK_DEATH_S
            deaths = watch.quick_deaths + 1 if quick else 0
            delay = min(MAX_DELAY_S, 0.5 * 2 ** (deaths - 2)) if deaths > 1 else 0.0
            after = replace(watch, running=False, is_leader=False, quick_deaths=deaths, start_at=now + delay)
            if after.state != InstanceState.DOWN:
                after = replace(after, state=InstanceState.DOWN, since=now)
            return after, Action.START if watch.restarts and not delay and not wanted else Action.NOTHING
        case Checked(state, is_leader, now):
            return _checked(watch, state, is_leader, now, patience_s)
        case Asked(action, now):
            if action == Action.START and watch.running:
                return watch, Action.NOTHING
            return replace(watch, quick_deaths=0, start_at=now), action
        case Switched(on):
            return replace(watch, restarts=on), Action.NOTHING
        case other:
            assert_never(other)


def _checked(
    watch: Watch, state: InstanceState, is_leader: bool, now: float, patience_s: float
) -> tuple[Watch, Action]:
    if not watch.running:
        return watch, Action.START if watch.restarts and now >= watch.start_at else Action.NOTHING
    if state != watch.state:
        fell = state == InstanceState.DOWN
        after = replace(watch, state=state, since=now, is_leader=is_leader)
        if state == InstanceState.SERVING:
            after = replace(after, quick_deaths=0)
        return after, Action.RESTART if fell and watch.restarts else Action.NOTHING
    after = replace(watch, is_leader=is_leader)
    if state != InstanceState.SERVING and now - watch.since > patience_s and watch.restarts:
        return replace(after, since=now), Action.RESTART
    return after, Action.NOTHING


def state_from(ruok: str, srvr: str) -> tuple[InstanceState, bool]:
    """(state, is it the leader) from the answers to two four-letter words; an empty text is no answer."""
    if ruok.strip() != "imok":
        return InstanceState.DOWN, False
    for line in srvr.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "Mode":
            return InstanceState.SERVING, value.strip() in ("leader", "standalone")
    return InstanceState.NOT_SERVING, False
