"""Which ids and role names are legal; the first problem, or None.   Source: Mesos ids and docs/roles.md."""

from __future__ import annotations

MAX_ID_BYTES = 255
_BLANKS = " \t\n\v\f\r\x7f"


def id_problem(text: str) -> str | None:
    """Ids of frameworks, tasks, executors, agents and volumes."""
    if not text:
        return "ID must not be empty"
    if len(text.encode()) > MAX_ID_BYTES:
        return f"ID must not be greater than {MAX_ID_BYTES} characters"
    if text in (".", ".."):
        return f"'{text}' is disallowed"
    if any(ord(letter) < 32 or letter in "\x7f/\\" for letter in text):
        return f"'{text}' contains invalid characters"
    return None


def role_problem(role: str) -> str | None:
    if role == "*":
        return None
    if not role:
        return "Empty role name is invalid"
    if role.startswith("/"):
        return f"Role '{role}' cannot start with a slash"
    if role.endswith("/"):
        return f"Role '{role}' cannot end with a slash"
    if "//" in role:
        return f"Role '{role}' cannot contain two adjacent slashes"
    for part in role.split("/"):
        if part in (".", "..", "*"):
            return f"Role '{role}' cannot include '{part}' as a component"
        if part.startswith("-"):
            return f"Role component '{part}' is invalid because it begins with a dash"
        if any(letter in _BLANKS for letter in part):
            return f"Role component '{part}' is invalid because it contains white space or a control character"
    return None
