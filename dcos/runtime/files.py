"""Files: written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_atomic(
    path: Path, data: bytes | str, *, mode: int = 0o644, durable: bool = False, owner: tuple[int, int] | None = None
) -> None:
    """Replace ``path`` by rename; ``durable`` also survives power loss. The mode holds from the first byte on.

    ``owner``: numbers of user and group that get it; None: ours.
    """
    raw = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_if_changed(path: Path, data: bytes | str, *, mode: int = 0o644) -> bool:
    """As ``write_atomic`` but leaves an equal file alone; tells whether it wrote."""
    raw = data.encode() if isinstance(data, str) else data
    try:
        if path.read_bytes() == raw:
            return False
    except FileNotFoundError:
        pass
    write_atomic(path, raw, mode=mode)
    return True
