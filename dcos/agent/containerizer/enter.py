"""The way into a running container: its control groups and its namespaces, then the user, then the command.

For containers on the machine's own files. (Those with an image are entered by runc.)
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from dcos.agent.containerizer.base import LaunchError
from dcos.agent.containerizer.privileges import Capabilities
from dcos.agent.containerizer.script import rlimit_words, tool, user_words
from dcos.model.v1.types import RLimitInfo

_GROUPS = Path("/sys/fs/cgroup")
_READY_S = 20.0
_KINDS = {
    "mnt": "--mount",
    "uts": "--uts",
    "ipc": "--ipc",
    "net": "--net",
    # the main process of a container may be only the parent of the first one in its process namespace
    "pid_for_children": "--pid",
    "cgroup": "--cgroup",
}


def group_files(pid: int) -> list[Path]:
    """Every ``cgroup.procs`` of the control groups that ``pid`` is in and we are not.

    On cgroup v1 one for each hierarchy (systemd's own among them), on v2 one.
    """
    ours = dict(_groups("self"))
    found = []
    for controllers, path in _groups(str(pid)):
        if ours.get(controllers) == path:
            continue
        file = _folder(controllers) / path.lstrip("/") / "cgroup.procs"
        if file.exists():
            found.append(file)
    return found


def _groups(process: str) -> list[tuple[str, str]]:
    """(controllers, path) of each hierarchy; controllers are empty for v2."""
    try:
        lines = Path("/proc", process, "cgroup").read_text().splitlines()
    except OSError:
        return []
    parts = [line.split(":", 2) for line in lines]
    return [(one[1], one[2]) for one in parts if len(one) == 3]


def _folder(controllers: str) -> Path:
    if controllers:
        return _GROUPS / controllers.removeprefix("name=")
    unified = _GROUPS / "unified"
    return unified if unified.is_dir() else _GROUPS


async def in_own_processes(pid: int) -> None:
    """Return once ``pid``, the main process of a container, leads into its process namespace: it is running before that.

    Errors: LaunchError where it does not get there.
    """
    deadline = asyncio.get_running_loop().time() + _READY_S
    ours = os.readlink("/proc/self/ns/pid")
    while True:
        try:
            if os.readlink(f"/proc/{pid}/ns/pid_for_children") != ours:
                return
        except OSError as error:
            raise LaunchError(f"the container's process {pid} has ended") from error
        if asyncio.get_running_loop().time() > deadline:
            raise LaunchError(f"the container's process {pid} has no process namespace after {_READY_S:g} s")
        await asyncio.sleep(0.005)


def namespace_words(pid: int, directory: Path) -> list[str]:
    """``nsenter`` into those namespaces of ``pid`` that are not ours, and ``directory`` there; nothing when all are."""
    flags = []
    for kind, flag in _KINDS.items():
        try:
            if os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"):
                flags.append(f"{flag}=/proc/{pid}/ns/{kind}")
        except OSError:
            continue
    if not flags:
        return []
    # a mount namespace comes with its own root
    root = (
        [f"--root=/proc/{pid}/root", f"--wdns={directory}"] if any(one.startswith("--mount") for one in flags) else []
    )
    return [tool("nsenter"), *flags, *root, "--"]


def entry_script(
    task: Path,
    *,
    directory: Path,
    pid: int | None,
    user: str | None,
    rlimits: RLimitInfo | None,
    groups: list[Path],
    tty: str | None,
    capabilities: Capabilities | None = None,
    joining: Sequence[str] = (),
    extra_groups: Sequence[int] = (),
) -> str:
    """What the agent's user runs to get ``task`` (a script) going beside process ``pid``.   Errors: LaunchError."""
    words = [] if pid is None else namespace_words(pid, directory)
    words += [*joining, *rlimit_words(rlimits), *user_words(user, capabilities, extra_groups), "/bin/sh", str(task)]
    return start_script(words, directory=directory, groups=groups, tty=tty)


def start_script(
    words: list[str], *, directory: Path, groups: list[Path], tty: str | None, output: Path | None = None
) -> str:
    """``words`` in a folder and control groups, with a terminal (its path) as the session's own, where there is one.

    ``output``: folder of the files that it writes to instead of what it inherits.
    """
    lines = ["#!/bin/sh"]
    lines += [f"echo $$ >{shlex.quote(str(one))} || exit 125" for one in groups]
    if tty is not None:
        # the leader of a session without a terminal opens one: that is then its terminal
        lines.append(f"exec <{tty} >{tty} 2>&1 || exit 125")
    if output is not None:
        names = [shlex.quote(str(output / name)) for name in ("stdout", "stderr")]
        lines.append(f"exec >>{names[0]} 2>>{names[1]} || exit 125")
    lines.append(f"cd {shlex.quote(str(directory))} && exec {shlex.join(words)}")
    return "\n".join(lines) + "\n"
