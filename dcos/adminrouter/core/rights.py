"""Which right a request needs where that depends on more than its route."""

from __future__ import annotations

import re
from urllib.parse import unquote

from dcos.adminrouter.core.targets import Decision, Target

_OWN = re.compile(r"acs/(?:GET|HEAD)/acs/api/v1/users/(?P<uid>[^/]+)(?:/(?:permissions|groups)/?)?/?")


def asks_about_itself(uid: str, subject: str) -> bool:
    """Whether somebody reads its own account, groups or permissions, which needs no right."""
    found = _OWN.fullmatch(subject)
    return found is not None and bool(uid) and found["uid"] == uid


def service_name(subject: str, decision: Decision | None) -> str:
    """The service of ``service/<path>`` or ``first/<segment>``: what was found, else the first word of the path."""
    if isinstance(decision, Target) and decision.location:
        return unquote(decision.location.removeprefix("/service/"))
    return subject.partition("/")[2].partition("/")[0]
