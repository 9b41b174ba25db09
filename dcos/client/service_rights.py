"""What the cluster's own services may do in Mesos. Their certificates prove them, so nobody has to be asked for it: they work
before the identity service does, and while it is away. Their names are theirs: an account that is called so has these rights
in Mesos and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dcos import registry
from dcos.model.mesos_permissions import MASTER, MESOS
from dcos.model.permissions import Grants

AGENT_PRINCIPAL: Final = "dcos_mesos_agent"
_AGENTS: Final = ("dcos-mesos-slave", "dcos-mesos-slave-public")
_READ: Final = {MESOS: frozenset({"read"})}


def principal_of(service: str) -> str:
    """Of a service by the name on its certificate: ``dcos-marathon`` is ``dcos_marathon``, as it calls itself."""
    return AGENT_PRINCIPAL if service in _AGENTS else service.replace("-", "_")


def _scheduler(principal: str) -> Grants:
    """Any role, any user, any group; of reservations and volumes its own."""
    made, gone = frozenset({"create"}), frozenset({"delete"})
    return Grants(
        {
            **_READ,
            f"{MASTER}:framework:role": made,
            f"{MASTER}:task": made,
            f"{MASTER}:reservation:role": made,
            f"{MASTER}:volume:role": made,
            f"{MASTER}:reservation:principal:{principal}": gone,
            f"{MASTER}:volume:principal:{principal}": gone,
        }
    )


RIGHTS: Final[Mapping[str, Grants]] = {
    **{principal_of(row.name): Grants(_READ) for row in registry.SERVICES},
    "dcos_marathon": _scheduler("dcos_marathon"),
    "dcos_metronome": _scheduler("dcos_metronome"),
    AGENT_PRINCIPAL: Grants(
        {
            MASTER: frozenset({"read"}),
            f"{MASTER}:agent": frozenset({"create"}),
            f"{MASTER}:reservation:role": frozenset({"create"}),
        }
    ),
}
