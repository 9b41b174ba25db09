"""dcos-exhibitor's folder, and its lock: two ZooKeepers on one data folder would ruin it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class Taken(Exception):
    """Somebody uses the folder."""


@contextlib.contextmanager
def held(state: Path) -> Iterator[None]:
    """Hold the lock of ``state``, which is made with all folders in it, 0700 where they are ours.   Errors: Taken, OSError."""
    for folder in (state, state / "conf", state / "zookeeper/snapshot", state / "zookeeper/transactions"):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in (state, state / "conf", state / "zookeeper", *(state / "zookeeper").iterdir()):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(0o700)
    lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:
            owner = state.stat()
            os.fchown(lock, owner.st_uid, owner.st_gid)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Taken(f"another dcos-exhibitor uses {state}") from error
        yield
    finally:
        os.close(lock)
