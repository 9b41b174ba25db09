"""The first user's password: hashed here, so that no configuration file ever holds the password itself."""

from __future__ import annotations

import secrets

import argon2

_MEMORY_KIB = 19 * 1024
_PASSES = 2


def hash_password(password: str) -> str:
    """An argon2id hash, as the identity service makes it. Errors: ValueError for an empty one."""
    if not password:
        raise ValueError("the password must not be empty")
    return argon2.PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1).hash(password)


def random_password() -> str:
    return secrets.token_urlsafe(15)
