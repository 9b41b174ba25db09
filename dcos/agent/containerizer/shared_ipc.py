"""System V IPC, message queues and /dev/shm that the tasks of a group share, in the namespaces of the process that holds them.

Source: Mesos isolator namespaces/ipc (nested containers share their parent's unless they ask for their own).
"""

from __future__ import annotations

import asyncio
import os
import shlex
from pathlib import Path

from dcos.agent.containerizer import processes
from dcos.agent.containerizer.base import LaunchError
from dcos.agent.containerizer.box import Box
from dcos.agent.containerizer.script import tool
from dcos.runtime.files import write_atomic

_READY_S = 30.0
_WAITER = "sleep"


def holding_script(shm_bytes: int) -> str:
    """What the holder runs: it makes IPC and a /dev/shm of that size, then waits for ever."""
    options = "nosuid,nodev,noexec"
    inside = (
        f"mount -t tmpfs -o {options},mode=1777,size={shm_bytes} shm /dev/shm || exit 125;"
        f" [ ! -d /dev/mqueue ] || mount -t mqueue -o {options} mqueue /dev/mqueue || exit 125;"
        f" exec {_WAITER} infinity"
    )
    words = [tool("unshare"), "--ipc", "--mount", "--propagation", "slave", "/bin/sh", "-c", inside]
    return f"#!/bin/sh\nexec {shlex.join(words)}\n"


async def ready(box: Box, pid: int) -> None:
    """Until the holder has made it all and waits.   Errors: LaunchError."""
    deadline = asyncio.get_running_loop().time() + _READY_S
    while _name(pid) != _WAITER:
        if not processes.alive(pid):
            raise LaunchError(f"the holder of what group {box.container_id} shares has ended")
        if asyncio.get_running_loop().time() > deadline:
            raise LaunchError(f"the holder of what group {box.container_id} shares was not ready in {_READY_S:g} s")
        await asyncio.sleep(0.002)


def holds(pid: int) -> bool:
    """Whether the holder has IPC of its own (those that agents of old started have none)."""
    try:
        return os.readlink(f"/proc/{pid}/ns/ipc") != os.readlink("/proc/self/ns/ipc")
    except OSError:
        return False


def enter(box: Box, pid: int) -> None:
    """Make the launch script of ``box`` run in the IPC and with the /dev/shm of ``pid``, its mounts still its own."""
    inner = box.directory / "sharing"
    write_atomic(inner, box.launch.read_text(), mode=0o700)
    words = [tool("nsenter"), f"--ipc=/proc/{pid}/ns/ipc", f"--mount=/proc/{pid}/ns/mnt", "--"]
    words += [tool("unshare"), "--mount", "--propagation", "slave", "/bin/sh", str(inner)]
    write_atomic(box.launch, f"#!/bin/sh\nexec {shlex.join(words)}\n", mode=0o700)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
