"""Why a request is refused. Drawn: Refused > Invalid, BadRequest, Unknown, Conflict, Locked, TooMany, OutOfPorts."""

from __future__ import annotations

from collections.abc import Sequence


class Refused(Exception):
    """A request that breaks a rule; the text is for the client."""

    status = 422

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Invalid(Refused):
    """Rules of the object are broken: ``faults`` are (path, text)."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("Object is not valid")
        self.faults = tuple(faults)


class BadRequest(Refused):
    status = 400


class Unknown(Refused):
    status = 404


class Conflict(Refused):
    status = 409


class Locked(Refused):
    """Other deployments change the same apps."""

    status = 409

    def __init__(self, deployments: Sequence[str]) -> None:
        super().__init__("locked")
        self.deployments = tuple(deployments)


class TooMany(Refused):
    status = 403


def app_unknown(app_id: str) -> Unknown:
    return Unknown(f"App '{app_id}' does not exist")


def group_unknown(group_id: str) -> Unknown:
    return Unknown(f"Group '{group_id}' does not exist")
