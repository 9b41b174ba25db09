"""The OCI runtime configuration of a task in an image.

What a task sees: its image's files, its sandbox at ``--sandbox_directory``, the machine's network and names. It may do what
Docker lets a container do (the same capabilities).   Source: OCI runtime specification; Mesos docker/runtime isolator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcos.agent.containerizer.box import Mark
from dcos.agent.containerizer.limits import PERIOD_US, cpu_shares, oom_adjustment, quota_us
from dcos.agent.containerizer.privileges import Capabilities
from dcos.model.v1.types import RLimitInfo

CAPABILITIES = (
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
_SHM_BYTES = 64 * 2**20
_NODEV = ["nosuid", "noexec", "nodev"]
_HIDDEN = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True)
class User:
    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Mount:
    source: str
    target: str
    read_only: bool


def runtime_spec(
    *,
    argv: Sequence[str],
    environment: Mapping[str, str],
    directory: str,
    user: User,
    mark: Mark,
    cgroups_path: str | None,
    mounts: Sequence[Mount],
    pid_namespace: bool,
    rlimits: RLimitInfo | None,
    capabilities: Capabilities | None = None,
    seccomp: Mapping[str, Any] | None = None,
    shares_ipc: bool = False,
    shm_bytes: int | None = None,
    no_new_privileges: bool = False,
    own_network: bool = False,
) -> dict[str, Any]:
    """``config.json``."""
    namespaces = [{"type": "mount"}]
    if not shares_ipc:
        namespaces.append({"type": "ipc"})
    if pid_namespace:
        namespaces.append({"type": "pid"})
    if own_network:
        # runc is started in them; named, they are entered by whoever joins the container
        namespaces += [{"type": "network", "path": "/proc/self/ns/net"}, {"type": "uts", "path": "/proc/self/ns/uts"}]
    linux: dict[str, Any] = {
        "namespaces": namespaces,
        "resources": limit_resources(mark) if cgroups_path is not None and not mark.group else {},
        "maskedPaths": _HIDDEN,
        "readonlyPaths": _READ_ONLY,
    }
    if cgroups_path is not None:
        linux["cgroupsPath"] = cgroups_path
    if seccomp is not None:
        linux["seccomp"] = seccomp
    adjustment = None if mark.group else oom_adjustment(mark.mem_bytes, mark.mem_hard_bytes)
    return {
        "ociVersion": "1.0.2",
        "process": {
            **({} if adjustment is None else {"oomScoreAdj": adjustment}),
            "terminal": False,
            "user": {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)},
            "args": list(argv),
            "env": [f"{name}={value}" for name, value in environment.items()],
            "cwd": directory,
            "capabilities": _capabilities(capabilities, user),
            "rlimits": [_rlimit(one) for one in (rlimits.rlimits if rlimits is not None else ())],
            "noNewPrivileges": no_new_privileges,
        },
        "root": {"path": "rootfs", "readonly": False},
        "mounts": [*_system_mounts(shares_ipc, shm_bytes), *(_bind(one) for one in mounts)],
        "linux": linux,
    }


def _capabilities(asked: Capabilities | None, user: User) -> dict[str, list[str]]:
    """Those of a task that asks (or whose operator does) hold for users other than root too."""
    if asked is None:
        return {kind: list(CAPABILITIES) for kind in ("bounding", "effective", "permitted")}
    effective = list(asked.effective)
    return {
        # a program of root's gets all that its bounding set holds
        "bounding": effective if user.uid == 0 else list(asked.bounding),
        **dict.fromkeys(("effective", "permitted", "inheritable", "ambient"), effective),
    }


def _system_mounts(shares_ipc: bool, shm_bytes: int | None) -> list[dict[str, Any]]:
    shm = {
        "destination": "/dev/shm",
        "type": "tmpfs",
        "source": "shm",
        "options": [*_NODEV, "mode=1777", f"size={_SHM_BYTES if shm_bytes is None else shm_bytes}"],
    }
    if shares_ipc:
        shm = {"destination": "/dev/shm", "type": "bind", "source": "/dev/shm", "options": ["rbind", *_NODEV, "rw"]}
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": _NODEV},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        },
        shm,
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": _NODEV},
        # the network is the machine's: sysfs can be shown, not mounted anew
        {"destination": "/sys", "type": "bind", "source": "/sys", "options": ["rbind", *_NODEV, "ro"]},
    ]


def _bind(mount: Mount) -> dict[str, Any]:
    return {
        "destination": mount.target,
        "type": "bind",
        "source": mount.source,
        "options": ["rbind", "rprivate", "ro" if mount.read_only else "rw"],
    }


def limit_resources(mark: Mark) -> dict[str, Any]:
    """``linux.resources``, also as ``runc update`` reads it."""
    cpu: dict[str, Any] = {"shares": cpu_shares(mark.cpus, low=mark.low_priority)}
    if mark.cpus_hard is not None:
        cpu |= {"quota": quota_us(mark.cpus_hard), "period": PERIOD_US}
    resources: dict[str, Any] = {"cpu": cpu}
    if mark.mem_hard_bytes is not None:
        resources["memory"] = {"limit": mark.mem_hard_bytes, "reservation": min(mark.mem_bytes, mark.mem_hard_bytes)}
        if mark.limits_swap:
            resources["memory"]["swap"] = mark.mem_hard_bytes
    return resources


def _rlimit(one: Any) -> dict[str, Any]:
    most = 2**64 - 1
    return {
        "type": str(one.type).replace("RLMT_", "RLIMIT_"),
        "soft": most if one.soft is None else one.soft,
        "hard": most if one.hard is None else one.hard,
    }


def account_in(rootfs: Path, text: str) -> User:
    """``user[:group]``, names or numbers, by the image's own ``/etc/passwd`` and ``/etc/group``.   Errors: ValueError."""
    name, _, group = text.partition(":")
    entries = [line.split(":") for line in _lines(rootfs / "etc/passwd")]
    groups = [line.split(":") for line in _lines(rootfs / "etc/group")]
    entry = next((one for one in entries if len(one) > 3 and name in (one[0], one[2])), None)
    if entry is not None:
        uid, gid = int(entry[2]), int(entry[3])
        extra = tuple(int(one[2]) for one in groups if len(one) > 3 and entry[0] in one[3].split(","))
    elif name.isdigit():
        uid, gid, extra = int(name), 0, ()
    else:
        raise ValueError(f"the image has no user {name!r}")
    if group:
        found = next((one for one in groups if len(one) > 2 and group in (one[0], one[2])), None)
        if found is None and not group.isdigit():
            raise ValueError(f"the image has no group {group!r}")
        gid = int(found[2]) if found is not None else int(group)
    return User(uid, gid, extra)


def _lines(path: Path) -> list[str]:
    try:
        # an image's link must not lead us to the machine's own file
        return [] if path.is_symlink() else path.read_text(errors="replace").splitlines()
    except OSError:
        return []
