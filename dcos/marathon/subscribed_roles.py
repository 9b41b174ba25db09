"""Keep the roles that the master knows of Marathon those that its apps have.

A new subscription carries them; while one stands, UPDATE_FRAMEWORK does. An update that the master did not take is sent again,
after 1 s at first and up to 60 s later: without it the new role would have no offers until the next subscription.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from dcos.marathon.core import events
from dcos.marathon.leader import Leader
from dcos.model.v1.scheduler import Call, CallType, CallUpdateFramework
from dcos.model.v1.types import FrameworkInfo

BACKOFF_S: Final = (1.0, 60.0)


class Subscription(Protocol):
    """What is needed of ``dcos.client.scheduler.SchedulerClient``."""

    framework: FrameworkInfo

    @property
    def subscribed(self) -> bool: ...


class SubscribedRoles:
    """``default``: the role that is always there. ``wake`` is called when ``keep`` should be, though nothing changed."""

    def __init__(
        self,
        leader: Leader,
        client: Subscription,
        default: str,
        wake: Callable[[], None],
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self._leader = leader
        self._client = client
        self._default = default
        self._wake = wake
        self._backoff_s = backoff_s
        self._wait_s = backoff_s[0]
        self._owed = False
        self._timer: asyncio.TimerHandle | None = None

    def keep(self) -> None:
        """Send what the master does not know. While a subscription is under way, asked for with the roles known before, an update
        would be lost: it waits."""
        client, state = self._client, self._leader.state
        roles = state.roles(self._default)
        if not client.subscribed or (roles == client.framework.roles and not self._owed):
            return
        self._owed = False
        client.framework = msgspec.structs.replace(client.framework, roles=roles)
        suppressed = tuple(sorted(state.suppressed & set(roles)))
        update = CallUpdateFramework(framework_info=client.framework, suppressed_roles=suppressed)
        taken = self._leader.pass_on(Call(type=CallType.UPDATE_FRAMEWORK, update_framework=update))
        taken.add_done_callback(self._answered)
        self._leader.tell(events.CallLost(wants_offers=True))

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _answered(self, taken: asyncio.Future[bool]) -> None:
        self._stop_waiting()
        if taken.result():
            self._wait_s = self._backoff_s[0]
            return
        self._timer = asyncio.get_running_loop().call_later(self._wait_s, self._again)
        self._wait_s = min(self._wait_s * 2, self._backoff_s[1])

    def _again(self) -> None:
        self._owed = True
        self._wake()
