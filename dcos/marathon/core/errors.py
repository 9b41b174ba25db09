"""Why a request is refused, beside what every scheduler refuses."""

from __future__ import annotations

from collections.abc import Sequence

from dcos.model.schedulers import BadRequest as BadRequest
from dcos.model.schedulers import Conflict as Conflict
from dcos.model.schedulers import Invalid as Invalid
from dcos.model.schedulers import Refused as Refused
from dcos.model.schedulers import Unknown as Unknown


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


def pod_unknown(pod_id: str) -> Unknown:
    return Unknown(f"Pod '{pod_id}' does not exist")


def group_unknown(group_id: str) -> Unknown:
    return Unknown(f"Group '{group_id}' does not exist")
