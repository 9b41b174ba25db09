"""What would take long to count each time anew, of all apps and pods that are wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

from dcos.marathon.core import normalize
from dcos.model.marathon import App
from dcos.model.run_spec import RunSpec

K = TypeVar("K")


class Census:
    def __init__(self, specs: Iterable[RunSpec] = ()) -> None:
        self.ports: Counter[int] = Counter()
        """Service ports of apps."""
        self.roles: Counter[str] = Counter()
        self.depending: set[str] = set()
        """Those that have dependencies of their own."""
        for spec in specs:
            self.replace(None, spec)

    def replace(self, before: RunSpec | None, after: RunSpec | None) -> None:
        """``after`` is wanted in place of ``before``."""
        if before is not None:
            self._count(before, -1)
            self.depending.discard(before.id)
        if after is not None:
            self._count(after, 1)
            if after.dependencies:
                self.depending.add(after.id)

    def _count(self, spec: RunSpec, step: int) -> None:
        if isinstance(spec, App):
            for port in normalize.service_ports(spec):
                _add(self.ports, port, step)
        if spec.role:
            _add(self.roles, spec.role, step)


def _add(counter: Counter[K], key: K, step: int) -> None:
    counter[key] += step
    if not counter[key]:
        del counter[key]
