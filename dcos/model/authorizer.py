"""Who decides what is allowed in Mesos: ACLs of a file (``acls.py``) or permissions of accounts (``mesos_permissions.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from dcos.model.acls import Action


@dataclass(frozen=True, slots=True)
class About:
    """What is known of an action's object beside its name. ACLs do not look at it."""

    roles: tuple[str, ...] = ()
    """Of the framework, or those that a container's resources are allocated to."""
    spaces: tuple[str, ...] = ()
    """Paths of the service or job groups that it belongs to, by the label ``DCOS_SPACE``; none where none was said."""
    user: str = ""
    """Whom it runs as where the object's name does not say."""


PLAIN: Final = About()


class Authorizer(Protocol):
    """Pure and at once: what it has to know of a principal, it knows before it is asked."""

    def allows(self, action: Action, principal: str | None, what: str | None = None, about: About = PLAIN) -> bool:
        """May ``principal`` (None: nobody known) do ``action`` to ``what`` (None: to anything)?"""
        ...

    def decides(self, action: Action, principal: str | None) -> bool:
        """Whether the answer to this principal can be no at all."""
        ...

    def missing(self, action: Action, principal: str | None, what: str | None = None, about: About = PLAIN) -> str:
        """The id of the permission that is needed, to be told to who was refused; empty where there are no ids."""
        ...

    def asker(self, named: str | None, proved: str | None) -> str | None:
        """By whom a framework's deeds are judged: who it says it is, or who its scheduler proved to be."""
        ...

    def bare(self, principal: str | None) -> bool:
        """Whether a framework may register that names no role at all."""
        ...
