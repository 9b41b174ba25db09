"""Unix sockets to listen at, however long their names are."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path


def listening(path: Path, *, mode: int = 0o600, backlog: int = 1024) -> socket.socket:
    """A socket with permission bits ``mode`` that does not block; one of the same name is replaced.   Errors: OSError.

    Only the socket's own name in its folder has to be short: the kernel takes no address of more than 107 bytes.
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    door = socket.socket(socket.AF_UNIX)
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        door.bind(f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(mode)
        door.listen(backlog)
        door.setblocking(False)
    except BaseException:
        door.close()
        raise
    finally:
        os.close(folder)
    return door
