"""The event bus behind /v2/events: each client has a bounded queue; one that cannot keep up is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from dcos.model.marathon_state import iso
from dcos.wire.marathon import without_extensions

EXTENSIONS = frozenset(
    {
        *("app_waiting_event", "autoscaling_event", "rebalance_event"),
        *("deployment_rollout_event", "deployment_paused_event", "deployment_continued_event"),
    }
)
"""Events that upstream has not: there are clients that fail at what they do not know."""

APP = "appDefinition"
"""The member of an event that is an app as the API writes it; its extensions are for those who ask for them, too."""


class Subscriber:
    """One client of the stream; ``kinds`` empty: all of upstream's, and ours where it asks for ``extensions``."""

    def __init__(self, kinds: Collection[str], limit: int, *, extensions: bool = False) -> None:
        self.kinds = frozenset(kinds)
        self.extensions = extensions
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(limit)
        self.overrun = asyncio.Event()

    def wants(self, kind: str) -> bool:
        if self.kinds:
            return kind in self.kinds
        return self.extensions or kind not in EXTENSIONS


class Bus:
    def __init__(self, now: Callable[[], float], limit: int) -> None:
        self._now = now
        self._limit = limit
        self._subscribers: set[Subscriber] = set()

    @property
    def attached(self) -> int:
        """Clients that listen."""
        return len(self._subscribers)

    def attach(self, kinds: Collection[str], address: str, *, extensions: bool = False) -> Subscriber:
        subscriber = Subscriber(kinds, self._limit, extensions=extensions)
        self._subscribers.add(subscriber)
        self.publish("event_stream_attached", {"remoteAddress": address})
        return subscriber

    def detach(self, subscriber: Subscriber, address: str) -> None:
        self._subscribers.discard(subscriber)
        self.publish("event_stream_detached", {"remoteAddress": address})

    def publish(self, kind: str, fields: dict[str, Any]) -> None:
        if not self._subscribers:
            return
        told = {**fields, "eventType": kind, "timestamp": iso(self._now())}
        whole = _frame(kind, told)
        plain = _frame(kind, {**told, APP: without_extensions(told[APP])}) if APP in told else whole
        for subscriber in list(self._subscribers):
            if not subscriber.wants(kind):
                continue
            try:
                subscriber.queue.put_nowait(whole if subscriber.extensions else plain)
            except asyncio.QueueFull:
                subscriber.overrun.set()
                self._subscribers.discard(subscriber)


def _frame(kind: str, told: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(told))
