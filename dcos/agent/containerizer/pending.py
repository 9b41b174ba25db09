"""What containers wait for right now: shown at ``/containerizer/debug``, so that one that hangs is found.

Source: Mesos 1.11's tracker of pending operations (names of members).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


class Pending:
    """Operations that have begun and not ended, oldest first."""

    def __init__(self) -> None:
        self._under_way: dict[object, dict[str, Any]] = {}

    @contextlib.contextmanager
    def during(self, component: str, operation: str, container_id: str) -> Iterator[None]:
        key = object()
        self._under_way[key] = {
            "operation": operation,
            "component": component,
            "args": {"containerId": container_id},
        }
        try:
            yield
        finally:
            del self._under_way[key]

    def json(self) -> list[dict[str, Any]]:
        return list(self._under_way.values())
