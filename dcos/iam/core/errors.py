"""What is said to a caller who asked for something that cannot be.

Every refusal is an ``IamError``: HTTP status, machine code and text; the caller's fault unless the status is 5xx.
Source: Bouncer's error table.
"""

from __future__ import annotations

from collections.abc import Mapping

_PHRASES: Mapping[int, str] = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


class IamError(Exception):
    """A refused request. ``code`` None: the body has none."""

    def __init__(
        self, status: int, text: str, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, str]:
        said = {"title": f"{self.status} {_PHRASES.get(self.status, 'Error')}", "description": self.text}
        return said if self.code is None else {**said, "code": self.code}


def invalid_credentials() -> IamError:
    """The one answer to every failed login: which part was wrong is not told."""
    return IamError(401, "Invalid credentials.", "ERR_INVALID_CREDENTIALS", {"WWW-Authenticate": "acsjwt"})


def invalid_data(text: str) -> IamError:
    return IamError(400, text, "ERR_INVALID_DATA")


def unknown_user(uid: str) -> IamError:
    return IamError(400, f"User with uid `{uid}` not known.", "ERR_UNKNOWN_USER_ID")


def user_exists(uid: str) -> IamError:
    return IamError(409, f"User with uid `{uid}` already exists.", "ERR_USER_EXISTS")


def unexpected_input(hint: str) -> IamError:
    return IamError(400, f"Unexpected JSON input. Hint: {hint}")


def too_many_attempts(wait_s: float) -> IamError:
    """Ours: upstream lets anyone guess for ever."""
    seconds = max(1, int(wait_s + 0.999))
    return IamError(
        429,
        f"Too many failed logins. Try again in {seconds} seconds.",
        "ERR_TOO_MANY_ATTEMPTS",
        {"Retry-After": str(seconds)},
    )


def unknown_group(gid: str) -> IamError:
    return IamError(400, f"Group with gid `{gid}` not known.", "ERR_UNKNOWN_GROUP_ID")


def unknown_resource(rid: str) -> IamError:
    return IamError(400, f"ACL with resource ID `{rid}` not known.", "ERR_UNKNOWN_RESOURCE_ID")
