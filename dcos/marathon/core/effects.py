"""What the core wants done. Stored effects of one batch are one transaction; sends and publications follow it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dcos.model.marathon_state import Deployment, Group, History, Instance, Release, TaskFailure
from dcos.model.past import RootChange
from dcos.model.run_spec import RunSpec
from dcos.model.schedulers import Send as Send


@dataclass(frozen=True, slots=True)
class SaveSpec:
    """Store this version of an app or pod and make it the current one."""

    spec: RunSpec


@dataclass(frozen=True, slots=True)
class RemoveSpec:
    """The app or pod is no longer wanted; its versions stay until ``ForgetSpec``."""

    spec_id: str


@dataclass(frozen=True, slots=True)
class ForgetSpec:
    spec_id: str
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForgetVersion:
    spec_id: str
    version: str


@dataclass(frozen=True, slots=True)
class SaveGroup:
    group: Group


@dataclass(frozen=True, slots=True)
class DropGroup:
    group_id: str


@dataclass(frozen=True, slots=True)
class SaveRootChange:
    change: RootChange


@dataclass(frozen=True, slots=True)
class DropRootChange:
    version: str


@dataclass(frozen=True, slots=True)
class SaveInstance:
    instance: Instance


@dataclass(frozen=True, slots=True)
class DropInstance:
    instance_id: str


@dataclass(frozen=True, slots=True)
class SaveDeployment:
    deployment: Deployment


@dataclass(frozen=True, slots=True)
class DropDeployment:
    deployment_id: str


@dataclass(frozen=True, slots=True)
class SaveFailure:
    failure: TaskFailure


@dataclass(frozen=True, slots=True)
class SaveHistory:
    history: History


@dataclass(frozen=True, slots=True)
class SaveRelease:
    release: Release


@dataclass(frozen=True, slots=True)
class DropRelease:
    instance_id: str


@dataclass(frozen=True, slots=True)
class SaveFrameworkId:
    framework_id: str


@dataclass(frozen=True, slots=True)
class Publish:
    """An event for /v2/events; type and timestamp are added by the shell."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MatchMore:
    """Offers wait to be looked at: let other events have their turn, then go on with ``events.MatchMore``."""


Stored = (
    SaveSpec
    | RemoveSpec
    | ForgetSpec
    | ForgetVersion
    | SaveGroup
    | DropGroup
    | SaveRootChange
    | DropRootChange
    | SaveInstance
    | DropInstance
    | SaveDeployment
    | DropDeployment
    | SaveFailure
    | SaveHistory
    | SaveRelease
    | DropRelease
    | SaveFrameworkId
)
Effect = Stored | Send | Publish | MatchMore
