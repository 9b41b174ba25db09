"""What happens to every scheduler from its master, and what it sends there. Source: the v1 scheduler API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dcos.model.v1.scheduler import Call
from dcos.model.v1.types import Offer, TaskStatus

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Subscribed:
    framework_id: str
    master: str
    region: str | None = None
    """The master's, where it has one."""


@dataclass(frozen=True, slots=True)
class OffersReceived:
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Rescinded:
    offer_id: str


@dataclass(frozen=True, slots=True)
class StatusReceived:
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class Disconnected:
    pass


@dataclass(frozen=True, slots=True)
class CallLost:
    """A call could not be sent or was refused: what it asked for must be asked again."""

    wants_offers: bool = False
    task_ids: tuple[str, ...] = ()
    """Tasks that were surely not launched."""


FromMaster = Subscribed | OffersReceived | Rescinded | StatusReceived | Disconnected | CallLost


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went on; sent about once a second."""


@dataclass(frozen=True, slots=True)
class Send:
    """An effect: a call to the master, in order."""

    call: Call
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """What follows from an event: effects in order (``Send`` and a scheduler's own), and what a request answers."""

    effects: tuple[Any, ...]
    result: R


class Refused(Exception):
    """A request that breaks a rule; the text is for the client. Drawn: Refused > Invalid, BadRequest, Unknown, Conflict."""

    status = 422

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Invalid(Refused):
    """Rules of the object are broken: ``faults`` are (path, text)."""

    def __init__(self, faults: tuple[tuple[str, str], ...] | list[tuple[str, str]]) -> None:
        super().__init__("Object is not valid")
        self.faults = tuple(faults)


class BadRequest(Refused):
    status = 400


class Unknown(Refused):
    status = 404


class Conflict(Refused):
    status = 409
