"""What somebody may do: permission ids, actions, and which id covers which.

An id names things from left to right. It covers itself, everything below it after a colon, and, where its last part is a
path, everything below that path: ``dcos:mesos`` covers ``dcos:mesos:master:flags``; ``...:services:/dev`` covers
``...:services:/dev/db`` but not ``...:services:/devel``. Whoever has any action on ``dcos:superuser`` may do everything; ``full``
is every action. What is not granted is denied.   Source: DC/OS permission reference; ``docs/guides/security.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

SUPERUSER = "dcos:superuser"
FULL = "full"
ACTIONS = ("create", "read", "update", "delete", FULL)


@dataclass(frozen=True, slots=True)
class Permission:
    """What a request needs."""

    rid: str
    action: str = FULL

    def __str__(self) -> str:
        return f"{self.rid} {self.action}"


@dataclass(frozen=True, slots=True)
class Grants:
    """Actions by permission id: a subject's own and its groups' together."""

    actions: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def superuser(self) -> bool:
        return bool(self.actions.get(SUPERUSER))

    def allow(self, wanted: Permission) -> bool:
        if self.superuser:
            return True
        granted = (self.actions.get(rid) for rid in covering(wanted.rid))
        return any(actions is not None and (wanted.action in actions or FULL in actions) for actions in granted)


NOTHING = Grants()


def covering(rid: str) -> Iterator[str]:
    """Every id that covers ``rid``, itself first."""
    yield rid
    for place in range(len(rid) - 1, 0, -1):
        if rid[place] == ":":
            yield rid[:place]
        elif rid[place] == "/":
            # the root of paths is ":/", and "/a/" and "/a/*" mean the same as "/a"
            yield rid[: place + 1]
            yield rid[: place + 1] + "*"
            if rid[place - 1] != ":":
                yield rid[:place]
