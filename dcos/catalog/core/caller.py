"""Who asks the catalog: on whose behalf it acts, and what it may do for them.

Marathon, Admin Router and Mesos check the caller's own token. What the caller needs in Mesos is looked at here as well: before
anything is begun that could not be brought to its end.
"""

from __future__ import annotations

from dataclasses import dataclass

from dcos.catalog.core.errors import forbidden
from dcos.model.permissions import Grants, Permission

PACKAGES = Permission("dcos:adminrouter:package")
"""What the front door asks for, too."""


def to_tear_down(principal: str | None) -> Permission:
    """The right to end frameworks of ``principal``."""
    rid = "dcos:mesos:master:framework:principal"
    return Permission(f"{rid}:{principal}" if principal else rid, "delete")


@dataclass(frozen=True, slots=True)
class Caller:
    authorization: str | None
    """The header that is passed on."""
    uid: str = ""
    grants: Grants | None = None
    """None: permissions are not checked."""

    @property
    def in_mesos(self) -> str | None:
        """The header for what is done in Mesos; None: nobody checks it there."""
        return self.authorization if self.grants is not None else None

    def need(self, *wanted: Permission) -> None:
        """Errors: Forbidden, for the first that is missing."""
        for one in wanted:
            if self.grants is not None and not self.grants.allow(one):
                raise forbidden("cosmos", f"{self.uid} needs the permission {one.rid} with action {one.action}")
