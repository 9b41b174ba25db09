"""The base of every Mesos v1 message: a frozen value that encodes as the original's JSON does."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


class Message(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A message of the Mesos v1 API.

    A frozen tree cannot be part of a cycle, so the garbage collector need not look at it: a master keeps millions.

    Unset optional members are ``None`` and left out of JSON, empty repeated members too; members with an explicit
    default in the schema are always written.   Source: JSON rules of Mesos 1.11's v1 API.
    """


def explicit(value: T) -> T:
    """A default that is written even when the member has it (msgspec leaves out plain defaults only)."""
    made: T = msgspec.field(default_factory=lambda: value)
    return made
