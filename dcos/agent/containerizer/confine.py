"""Commands without an image, kept apart from the machine: processes, System V IPC and /dev/shm, system calls, privileges.

Words before a command, and the files in its box that they need. Whoever joins the container later is confined alike: by
``nsenter`` into the namespaces (``enter.py``), by ``joining`` to the rest.
Source: Mesos isolators namespaces/pid, namespaces/ipc, linux/seccomp, linux/nnp.
"""

from __future__ import annotations

import ctypes.util
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dcos.agent.containerizer.base import LaunchError
from dcos.agent.containerizer.box import Box
from dcos.agent.containerizer.privileges import Confinement
from dcos.agent.containerizer.script import tool
from dcos.runtime.files import write_atomic

_SHIMS = Path(__file__).parent / "shim"
_SECCOMP = "seccomp.json"
_NO_NEW = "no-new-privileges"
_OWN_PIDS = "own-pids"
"""Marks in a box."""


def confining(box: Box, rules: Confinement, mounts: Sequence[tuple[str, str, bool]] = ()) -> list[str]:
    """Words before a command of ``box`` that confine it as ``rules`` say.

    ``mounts``: (source, target, read only) of volumes that it alone sees.   Errors: LaunchError.
    """
    words: list[str] = []
    if rules.own_pids or rules.own_ipc or mounts:
        words += [tool("unshare"), "--mount", "--propagation", "slave"]
        if rules.own_ipc:
            words.append("--ipc")
        shm = "" if rules.shm_bytes is None else str(rules.shm_bytes)
        words += ["/bin/sh", str(_SHIMS / "inside.sh"), str(box.directory) if rules.own_pids else "", shm]
        words.append(_mount_script(box.directory, mounts) if mounts else "")
    if rules.own_pids:
        write_atomic(box.directory / _OWN_PIDS, "", mode=0o600)
    if rules.seccomp is not None:
        if ctypes.util.find_library("seccomp") is None:
            raise LaunchError("seccomp: libseccomp is missing on this machine (package libseccomp2)")
        write_atomic(box.directory / _SECCOMP, msgspec.json.encode(rules.seccomp), mode=0o600)
    if rules.no_new_privileges:
        write_atomic(box.directory / _NO_NEW, "", mode=0o600)
    return words + joining(box)


def mounting(folder: Path, mounts: Sequence[tuple[str, str, bool]]) -> list[str]:
    """Words before a command that alone sees ``mounts``; what they need is written to ``folder``."""
    if not mounts:
        return []
    words = [tool("unshare"), "--mount", "--propagation", "slave"]
    return [*words, "/bin/sh", str(_SHIMS / "inside.sh"), "", "", _mount_script(folder, mounts)]


def _mount_script(folder: Path, mounts: Sequence[tuple[str, str, bool]]) -> str:
    lines = []
    for source, target, read_only in mounts:
        lines.append(f"mount --rbind {shlex.quote(source)} {shlex.quote(target)} || exit 125")
        if read_only:
            lines.append(f"mount -o remount,bind,ro {shlex.quote(target)} || exit 125")
    path = folder / "mounts"
    write_atomic(path, "\n".join(lines) + "\n", mode=0o600)
    return str(path)


def joining(box: Box) -> list[str]:
    """Words before a command that runs in the namespaces of ``box`` already.   Errors: LaunchError."""
    words: list[str] = []
    profile = box.directory / _SECCOMP
    if profile.exists():
        words += [sys.executable, "-I", "-S", str(_SHIMS / "seccomp.py"), str(profile)]
    if (box.directory / _NO_NEW).exists():
        words += [tool("setpriv"), "--no-new-privs", "--"]
    return words


def shall_have_own_pids(box: Box) -> bool:
    """Whether the container is, or is about to be, in a process namespace."""
    return (box.directory / _OWN_PIDS).exists()


def has_own_pids(box: Box) -> bool:
    """Whether the container's process namespace has been made."""
    return (box.directory / "namespace").exists()
