"""When old sandboxes go.   Source: Mesos agent garbage collection (docs/sandbox.md)."""

from __future__ import annotations


def allowed_age_s(gc_delay_s: float, headroom: float, disk_used: float) -> float:
    """``disk_used`` is a fraction; a full disk allows no age at all."""
    return gc_delay_s * max(0.0, 1.0 - headroom - disk_used)


def due(scheduled: dict[str, float], age_s: float, now: float) -> list[str]:
    """Paths whose time of the last change (values) lies ``age_s`` or more back, oldest first."""
    return sorted((path for path, changed in scheduled.items() if changed + age_s <= now), key=scheduled.__getitem__)
