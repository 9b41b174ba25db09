"""Launch delays after failures, one per app or pod and configuration.

First failure: ``backoffSeconds``, then times ``backoffFactor`` up to ``maxLaunchDelaySeconds``; forgotten when nothing
failed for as long as the longest delay.   Source: Marathon's RateLimiter.
"""

from __future__ import annotations

from dataclasses import dataclass

from dcos.model.run_spec import RunSpec


@dataclass(frozen=True, slots=True)
class Delay:
    config_version: str
    current_s: float
    until: float


def after_failure(spec: RunSpec, delay: Delay | None, now: float) -> Delay:
    if delay is None or delay.config_version != spec.config_version:
        wait = spec.backoff_seconds
    else:
        wait = delay.current_s * spec.backoff_factor
    wait = min(wait, spec.max_launch_delay_seconds)
    return Delay(spec.config_version, wait, now + wait)


def waits_until(spec: RunSpec, delay: Delay | None, now: float) -> float | None:
    """When launches may go on; None: now."""
    if delay is None or delay.config_version != spec.config_version or delay.until <= now:
        return None
    return delay.until


def is_stale(spec: RunSpec, delay: Delay, now: float) -> bool:
    return delay.config_version != spec.config_version or now > delay.until + spec.max_launch_delay_seconds
