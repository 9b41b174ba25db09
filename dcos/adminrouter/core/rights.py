"""Which right a request needs where that depends on more than its route."""

from __future__ import annotations

import re
from urllib.parse import unquote

from dcos.adminrouter.core.targets import Decision, Target

_OWN = re.compile(r"acs/acs/api/v1/users/(?P<uid>[^/]+)(?:/(?:permissions|groups)/?)?/?")


def asks_about_itself(uid: str, subject: str, method: str) -> bool:
    """Whether somebody reads its own account, groups or permissions, which needs no right."""
    found = _OWN.fullmatch(subject)
    return found is not None and method in ("GET", "HEAD") and bool(uid) and found["uid"] == uid


def service_name(subject: str, decision: Decision | None) -> str:
    """The service of ``service/<path>``: what was found, or the first word of the path where nothing was."""
    if isinstance(decision, Target) and decision.location:
        return unquote(decision.location.removeprefix("/service/"))
    return subject.removeprefix("service/").partition("/")[0]
