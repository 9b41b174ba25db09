"""Answers of frameworks to inverse offers.

Source: the schema table in ``dcos/wire/schema`` (Mesos 1.11); a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum

from dcos.model.v1.base import Message
from dcos.model.v1.types import FrameworkID, TimeInfo


class InverseOfferStatusStatus(StrEnum):
    UNKNOWN = "UNKNOWN"
    ACCEPT = "ACCEPT"
    DECLINE = "DECLINE"


class InverseOfferStatus(Message, frozen=True, kw_only=True):
    status: InverseOfferStatusStatus
    framework_id: FrameworkID
    timestamp: TimeInfo
