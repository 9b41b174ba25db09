"""Health of one task: which results become updates, and when it must die.

Source: Mesos health checker: failures within the grace period count only after the first success; every counted failure
and every first success after none or a failure is told; ``consecutive_failures`` in a row kill.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dcos.model.v1.types import HealthCheck


class Answer(StrEnum):
    """What a result leads to."""

    NOTHING = "nothing"
    TELL = "tell"
    TELL_AND_KILL = "tell-and-kill"


@dataclass(slots=True)
class Health:
    """``started_at`` is when the checker began (the grace period counts from there)."""

    started_at: float | None = None
    healthy: bool | None = None
    failures: int = 0
    succeeded: bool = False

    def result(self, check: HealthCheck, ok: bool, now: float) -> Answer:
        """Take one result in."""
        if ok:
            changed = self.healthy is not True
            self.healthy, self.failures, self.succeeded = True, 0, True
            return Answer.TELL if changed else Answer.NOTHING
        began = now if self.started_at is None else self.started_at
        if not self.succeeded and now - began < check.grace_period_seconds:
            return Answer.NOTHING
        self.failures += 1
        self.healthy = False
        return Answer.TELL_AND_KILL if self.failures >= check.consecutive_failures else Answer.TELL
