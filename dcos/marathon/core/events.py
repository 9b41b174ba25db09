"""What happens to Marathon: from the master, from clients, from health checks, from time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dcos.marathon.core.agents import Cluster
from dcos.marathon.core.autoscale import Sample
from dcos.marathon.core.past import Past
from dcos.marathon.core.root import Fields
from dcos.marathon.core.state import Measurement
from dcos.model.marathon import App
from dcos.model.pods import Pod
from dcos.model.run_spec import RunSpec
from dcos.model.schedulers import CallLost as CallLost
from dcos.model.schedulers import Disconnected as Disconnected
from dcos.model.schedulers import OffersReceived as OffersReceived
from dcos.model.schedulers import Rescinded as Rescinded
from dcos.model.schedulers import StatusReceived as StatusReceived
from dcos.model.schedulers import Subscribed as Subscribed
from dcos.model.schedulers import Tick as Tick

# ---- from clients ----


@dataclass(frozen=True, slots=True)
class CreateApp:
    fields: Fields
    force: bool = False


@dataclass(frozen=True, slots=True)
class PutApps:
    """One atomic change of several apps, each (id, members of its body or the stored app to roll back to)."""

    apps: tuple[tuple[str, Fields | App], ...]
    partial: bool = True
    must_exist: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class DeleteApp:
    app_id: str
    force: bool = True


@dataclass(frozen=True, slots=True)
class RestartApp:
    app_id: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class PutPod:
    """The whole pod, as given. ``create``: it must be new. ``keep_number``: where it is autoscaled, it goes on with as many
    instances as there are."""

    pod: Pod
    create: bool = False
    force: bool = False
    keep_number: bool = False


@dataclass(frozen=True, slots=True)
class DeletePod:
    pod_id: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class PutGroup:
    group_id: str
    fields: Fields
    create: bool = False
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RollBackGroup:
    """Want the group as it was in ``root``; ``specs``: the definitions of all that was in it."""

    group_id: str
    root: Past
    specs: Mapping[str, RunSpec]
    force: bool = False


@dataclass(frozen=True, slots=True)
class DeleteGroup:
    group_id: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class SetEnforceRole:
    group_id: str
    enforce: bool


@dataclass(frozen=True, slots=True)
class KillInstances:
    """``scale``: their apps and pods shall have as many fewer. ``wipe``: also forget them."""

    instance_ids: tuple[str, ...]
    scale: bool = False
    wipe: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class CancelDeployment:
    """Force only stops it; otherwise a new deployment undoes it."""

    deployment_id: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class SteerDeployment:
    """``continue``, ``pause`` or ``promote`` (end all steps of its rollouts)."""

    deployment_id: str
    action: str


@dataclass(frozen=True, slots=True)
class ResetDelay:
    app_id: str


# ---- from itself ----


@dataclass(frozen=True, slots=True)
class MatchMore:
    """Go on with the offers that wait."""


# ---- from checks ----


@dataclass(frozen=True, slots=True)
class Probed:
    """A health check of Marathon's own had a result."""

    instance_id: str
    index: int
    alive: bool
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class ReadinessProbed:
    instance_id: str
    ready: bool
    name: str
    response: dict[str, object] = field(default_factory=dict)


# ---- from the operator API and from measurements ----


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    cluster: Cluster


@dataclass(frozen=True, slots=True)
class Sampled:
    """An app or pod with autoscaling was measured."""

    spec_id: str
    sample: Sample


@dataclass(frozen=True, slots=True)
class Measured:
    """The query of a rollout was answered."""

    spec_id: str
    measurement: Measurement


Event = (
    Subscribed
    | OffersReceived
    | StatusReceived
    | Disconnected
    | CallLost
    | CreateApp
    | PutApps
    | DeleteApp
    | RestartApp
    | PutPod
    | DeletePod
    | PutGroup
    | RollBackGroup
    | DeleteGroup
    | SetEnforceRole
    | KillInstances
    | CancelDeployment
    | SteerDeployment
    | ResetDelay
    | Rescinded
    | MatchMore
    | Probed
    | ReadinessProbed
    | ClusterSeen
    | Sampled
    | Measured
    | Tick
)
