"""Hashing passwords, beside the event loop.

New hashes are argon2id with 19 MiB and two passes. Two run at a time, and no more than ``_WAITING`` may wait: guessing cannot
take all of a master's memory or processors. Checking takes as long for an account that is not there or has no password.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2

from dcos.iam.core import sha_crypt
from dcos.iam.core.errors import IamError

_THREADS = 2
_WAITING = 64
_Result = TypeVar("_Result")


class Passwords:
    """Argon2id off the loop. Close it at the end."""

    def __init__(self, *, memory_kib: int = 19 * 1024, passes: int = 2) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        return await self._beside(functools.partial(self._hasher.hash, password))

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether ``password`` made ``stored``; None (no such account or no password) works as long and says False."""
        right = await self._beside(functools.partial(self._verify, password, stored or self._nobody))
        return right and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """A hash that should be made anew at the next login."""
        try:
            return self._hasher.check_needs_rehash(stored)
        except argon2.exceptions.InvalidHashError:
            return True

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, stored: str) -> bool:
        if sha_crypt.is_sha_crypt(stored):
            return sha_crypt.verify(password, stored)
        try:
            return self._hasher.verify(stored, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    async def _beside(self, work: Callable[[], _Result]) -> _Result:
        if self._waiting >= _WAITING:
            raise IamError(503, "Too many logins at once.", "ERR_BUSY", {"Retry-After": "1"})
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def is_known_hash(text: str) -> bool:
    """Whether ``text`` is a password hash that ``Passwords`` can check."""
    if sha_crypt.is_sha_crypt(text):
        return True
    try:
        return argon2.extract_parameters(text).type is argon2.Type.ID
    except argon2.exceptions.InvalidHashError:
        return False
