"""Launch delays after failures, one per app and configuration.

First failure: ``backoffSeconds``, then times ``backoffFactor`` up to ``maxLaunchDelaySeconds``; forgotten when nothing
failed for as long as the longest delay.   Source: Marathon's RateLimiter.
"""

from __future__ import annotations

from dataclasses import dataclass

from dcos.model.marathon import App


@dataclass(frozen=True, slots=True)
class Delay:
    config_version: str
    current_s: float
    until: float


def after_failure(app: App, delay: Delay | None, now: float) -> Delay:
    if delay is None or delay.config_version != app.config_version:
        wait = app.backoff_seconds
    else:
        wait = delay.current_s * app.backoff_factor
    wait = min(wait, app.max_launch_delay_seconds)
    return Delay(app.config_version, wait, now + wait)


def waits_until(app: App, delay: Delay | None, now: float) -> float | None:
    """When launches may go on; None: now."""
    if delay is None or delay.config_version != app.config_version or delay.until <= now:
        return None
    return delay.until


def is_stale(app: App, delay: Delay, now: float) -> bool:
    return delay.config_version != app.config_version or now > delay.until + app.max_launch_delay_seconds
