"""Sizes as Mesos writes them: ``4KB``, ``2GB``, units of 1024.   Source: Mesos Bytes text form."""

from __future__ import annotations

import re

_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}


def parse(text: str) -> int:
    """``2GB`` to bytes.   Errors: ValueError."""
    match = re.fullmatch(r"\s*(\d+)\s*([KMGT]?B)\s*", text)
    if match is None:
        raise ValueError("must be a number and a unit of B, KB, MB, GB, TB")
    return int(match[1]) * _UNITS[match[2]]


def text(value: int) -> str:
    """The largest unit that gives a whole number."""
    for unit, size in reversed(_UNITS.items()):
        if value and value % size == 0:
            return f"{value // size}{unit}"
    return f"{value}B"
