"""What the results of health checks mean.

Failures within the grace period count only after the first success. An instance is alive when its last result was a
success, and healthy when every check says so.   Source: Marathon's HealthCheckActor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dcos.model.marathon import HealthCheck
from dcos.model.pods import PodHealthCheck

Check = HealthCheck | PodHealthCheck


@dataclass(frozen=True, slots=True)
class Health:
    """One check of one instance. Times are Unix seconds."""

    first_success: float | None = None
    last_success: float | None = None
    last_failure: float | None = None
    last_failure_cause: str | None = None
    consecutive_failures: int = 0
    alive: bool = False

    @property
    def is_known(self) -> bool:
        return self.last_success is not None or self.last_failure is not None


def after(check: Check, before: Health, alive: bool, cause: str | None, *, started_at: float, now: float) -> Health:
    """The state after one more result; the same object when the result does not count."""
    if alive:
        return replace(
            before,
            first_success=before.first_success or now,
            last_success=now,
            consecutive_failures=0,
            alive=True,
        )
    if before.first_success is None and now < started_at + check.grace_period_seconds:
        return before
    return replace(
        before,
        last_failure=now,
        last_failure_cause=cause,
        consecutive_failures=before.consecutive_failures + 1,
        alive=False,
    )


def remembered(alive: bool, since: float) -> Health:
    """What the agent last said of a task, read back from the store: it tells us of changes only."""
    if alive:
        return Health(first_success=since, last_success=since, alive=True)
    return Health(last_failure=since, consecutive_failures=1)


def must_kill(check: Check, health: Health) -> bool:
    return 0 < check.max_consecutive_failures <= health.consecutive_failures


def overall(healths: Sequence[Health]) -> bool | None:
    """Healthy, unhealthy, or unknown (None: no check, or one without a result yet)."""
    if any(one.is_known and not one.alive for one in healths):
        return False
    if not healths or any(not one.is_known for one in healths):
        return None
    return True
