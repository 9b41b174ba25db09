"""Where in a request the token is.   Source: Admin Router: substring search for ``token=`` then ``Bearer``."""

from __future__ import annotations

import re

_FORMS = (re.compile(r"token=(\S+)"), re.compile(r"Bearer\s+(\S+)"))


def token_in(authorization: str) -> str | None:
    """The token in an ``Authorization`` header, None if there is none."""
    for form in _FORMS:
        match = form.search(authorization)
        if match:
            return match[1]
    return None
