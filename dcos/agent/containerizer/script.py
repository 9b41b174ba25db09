"""The shell scripts that start a task: small, generated, gone into the task by ``exec``.

``launch`` runs as root: limits, then the user switch. ``task`` runs as the user: folder, output files, environment, then the
command takes its place, so that one pid stays the task's from start to end. Values of variables are in a file that only
the user can read, never in arguments.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from dcos.agent.containerizer.base import LaunchError
from dcos.agent.containerizer.privileges import Capabilities
from dcos.model.v1.types import RLimitInfo

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RLIMITS = {
    "RLMT_AS": "as",
    "RLMT_CORE": "core",
    "RLMT_CPU": "cpu",
    "RLMT_DATA": "data",
    "RLMT_FSIZE": "fsize",
    "RLMT_MEMLOCK": "memlock",
    "RLMT_MSGQUEUE": "msgqueue",
    "RLMT_NICE": "nice",
    "RLMT_NOFILE": "nofile",
    "RLMT_NPROC": "nproc",
    "RLMT_RSS": "rss",
    "RLMT_RTPRIO": "rtprio",
    "RLMT_RTTIME": "rttime",
    "RLMT_SIGPENDING": "sigpending",
    "RLMT_STACK": "stack",
}


def task_script(argv: Sequence[str], *, program: str, environment: Mapping[str, str], output: bool = True) -> str:
    """What the user runs, in its folder already. ``argv[0]`` is the name that ``program`` sees."""
    lines = ["#!/bin/sh", "umask 022"]
    if output:
        lines.append("exec >>stdout 2>>stderr || exit 125")
    lines.append("unset PWD OLDPWD")
    odd = []
    for name, value in environment.items():
        if _NAME.fullmatch(name):
            lines.append(f"export {name}={shlex.quote(value)}")
        else:
            odd.append(f"{name}={value}")
    words = [program, *argv[1:]]
    if argv and argv[0] not in (program, Path(program).name) and (bash := shutil.which("bash")):
        words = [bash, "-c", 'exec -a "$0" "$@"', argv[0], *words]
    if odd:
        words = ["/usr/bin/env", *odd, *words]
    lines.append("exec " + shlex.join(words))
    return "\n".join(lines) + "\n"


def launch_script(
    task: Path,
    *,
    directory: Path,
    user: str | None,
    rlimits: RLimitInfo | None,
    capabilities: Capabilities | None = None,
    confining: Sequence[str] = (),
    groups: Sequence[int] = (),
) -> str:
    """What the launcher runs, as the agent's user: which may reach a folder that the task's user may not.

    ``confining``: words before all others.   Errors: LaunchError.
    """
    words = [*confining, *rlimit_words(rlimits), *user_words(user, capabilities, groups), "/bin/sh", str(task)]
    return f"#!/bin/sh\ncd {shlex.quote(str(directory))} && exec {shlex.join(words)}\n"


def user_words(user: str | None, capabilities: Capabilities | None = None, groups: Sequence[int] = ()) -> list[str]:
    """Words before a command that make it run as ``user`` (None: as ourselves), with ``capabilities`` (None: the user's).

    ``groups``: ids of groups that another user has beside its own.

    Errors: LaunchError.
    """
    entry = account(user) if user is not None else None
    other = entry is not None and entry.pw_uid != os.geteuid()
    if not other and capabilities is None:
        return []
    if os.geteuid() != 0:
        if other:
            raise LaunchError(f"user {user!r}: only root can run tasks as another user (see --switch_user)")
        raise LaunchError("only root can give or take capabilities")
    words = [tool("setpriv")]
    if other and entry is not None:
        own = "--init-groups"
        if groups:
            every = sorted({*os.getgrouplist(entry.pw_name, entry.pw_gid), *groups})
            own = f"--groups={','.join(map(str, every))}"
        words += [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", own]
    if capabilities is not None:
        if other:
            words.append(f"--bounding-set={_set_of(capabilities.bounding)}")
            words += [f"--{kind}-caps={_set_of(capabilities.effective)}" for kind in ("inh", "ambient")]
        else:
            # a program of root's has all that its bounding set holds
            words.append(f"--bounding-set={_set_of(capabilities.effective)}")
    return [*words, "--"]


def _set_of(names: Sequence[str]) -> str:
    """As setpriv reads it."""
    return ",".join(["-all", *(f"+{one.removeprefix('CAP_').lower()}" for one in names)])


def account(user: str) -> pwd.struct_passwd:
    """Errors: LaunchError when there is no such user."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise LaunchError(f"Failed to get user information for '{user}': no such user") from None


def rlimit_words(info: RLimitInfo | None) -> list[str]:
    """``prlimit`` with the asked limits; unset soft and hard mean unlimited."""
    if info is None or not info.rlimits:
        return []
    words = [tool("prlimit")]
    for one in info.rlimits:
        name = _RLIMITS.get(str(one.type))
        if name is None:
            raise LaunchError(f"rlimit {one.type}: unknown")
        soft = "unlimited" if one.soft is None else str(one.soft)
        hard = "unlimited" if one.hard is None else str(one.hard)
        words.append(f"--{name}={soft}:{hard}")
    return words


def tool(name: str) -> str:
    """Where a program is.   Errors: LaunchError."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise LaunchError(f"{name} is missing on this machine (package util-linux)")
    return found
