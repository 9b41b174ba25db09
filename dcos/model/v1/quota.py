"""Quota messages.

Source: the schema table in ``dcos/wire/schema`` (Mesos 1.11); a test holds the two together.
"""

from __future__ import annotations

from msgspec import field

from dcos.model.v1.base import Message
from dcos.model.v1.types import Resource, ValueScalar


class QuotaInfo(Message, frozen=True, kw_only=True):
    role: str | None = None
    principal: str | None = None
    guarantee: tuple[Resource, ...] = ()


class QuotaRequest(Message, frozen=True, kw_only=True):
    force: bool | None = None
    role: str | None = None
    guarantee: tuple[Resource, ...] = ()


class QuotaConfig(Message, frozen=True, kw_only=True):
    role: str
    guarantees: dict[str, ValueScalar] = field(default_factory=dict)
    limits: dict[str, ValueScalar] = field(default_factory=dict)


class QuotaStatus(Message, frozen=True, kw_only=True):
    infos: tuple[QuotaInfo, ...] = ()
    configs: tuple[QuotaConfig, ...] = ()
