"""Names of secrets, and which task may read which.

A secret's path is ``a/b/name`` without a slash at its start; what stands before the name is its folder. A task may read the
secrets whose folder is its own path (its app's id) or a group above it: an app ``/a/b`` reads ``name``, ``a/name`` and
``a/b/name``, but not ``c/name``. Schedulers tell a task's path by the label ``DCOS_SPACE``; a task without it reads secrets
without a folder.
Source: DC/OS Enterprise, "Spaces for secrets".
"""

from __future__ import annotations

import re

from dcos.model.v1.types import Labels

SPACE_LABEL = "DCOS_SPACE"
MAX_CHARACTERS = 512
_PART = re.compile(r"[a-zA-Z0-9_.\-@:+=~,]+")


def spaces_of(*given: Labels | None) -> tuple[str, ...]:
    """What labels say: each path once, as it is written; none where none was said."""
    found = (
        one.value or "" for labels in given if labels is not None for one in labels.labels if one.key == SPACE_LABEL
    )
    return tuple(dict.fromkeys(path for path in found if path))


def check(path: str) -> str:
    """The path without slashes around it.   Errors: ValueError."""
    plain = path.strip("/")
    parts = plain.split("/")
    if not plain or len(plain) > MAX_CHARACTERS:
        raise ValueError(f"a secret's path has 1 to {MAX_CHARACTERS} characters")
    for part in parts:
        if part in (".", "..") or not _PART.fullmatch(part):
            raise ValueError(f"{part!r} cannot be part of a secret's path")
    return plain


def readable(path: str, space: str) -> bool:
    """Whether a task of ``space`` may read the secret.   Errors: ValueError (no path of a secret)."""
    folder = check(path).rpartition("/")[0]
    own = space.strip("/")
    return not folder or own == folder or own.startswith(folder + "/")
