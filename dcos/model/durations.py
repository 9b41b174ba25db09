"""Durations as Mesos writes them: ``15mins``, ``1.5hrs``, ``2secs``.   Source: Mesos Duration text form."""

from __future__ import annotations

_UNITS = (
    ("weeks", 604800.0),
    ("days", 86400.0),
    ("hrs", 3600.0),
    ("mins", 60.0),
    ("secs", 1.0),
    ("ms", 1e-3),
    ("us", 1e-6),
)


def text(seconds: float) -> str:
    """The largest unit that gives a whole number."""
    nanoseconds = round(seconds * 1e9)
    if nanoseconds == 0:
        return "0ns"
    for unit, size in _UNITS:
        count = nanoseconds / (size * 1e9)
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    return f"{nanoseconds}ns"
