"""The kernel of virtual machines: Debian's User-mode Linux with its modules, made once and kept beside the node image.

Unpacked, not installed: nothing of it is on this machine's search path. The directory's name is the hash of what it is
made from. The release is newer than the node image's: kernels before 6.13 do not run on processors with AMX.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from dcos.install.command import CommandFailed, run
from dcos.install.local import image
from dcos.install.locking import locked

SUITE = "forky"
PACKAGES = ("user-mode-linux", "busybox-static")
_OPTIONS = (
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    "--dpkgopt=path-exclude=/usr/share/*",
    # a mirror of an unreleased suite may lag; its packages are signed all the same
    '--aptopt=Acquire::Check-Valid-Until "false"',
)


def path(base: Path) -> Path:
    """Where the tree is, or will be."""
    parts = (SUITE, *PACKAGES, *_OPTIONS, "1")
    return base / "kernels" / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def build(base: Path) -> Path:
    """Make the tree unless it is there; older ones go.   Errors: CommandFailed."""
    target = path(base)
    with locked(target.parent / ".lock"):
        if target.is_dir():
            return target
        for old in target.parent.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
        partial = target.with_suffix(".partial")
        program, *words = image.debootstrap(partial, "extract", PACKAGES, SUITE)
        try:
            run([program, *_OPTIONS, *words])
        except CommandFailed:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        partial.rename(target)
        return target
