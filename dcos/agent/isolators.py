"""``--isolation``: which of upstream's isolators do what here, one row each.

What those of ``ALWAYS`` do is done whether they are named or not; those of ``BY_NAME`` only work when named.
Source: Mesos 1.11, --isolation.
"""

from __future__ import annotations

from collections.abc import Iterable

ALWAYS = {
    "posix/cpu": "Statistics; limits need the systemd launcher.",
    "posix/mem": "Statistics; limits need the systemd launcher.",
    "posix/rlimits": "Limits that tasks name.",
    "cgroups/cpu": "With the systemd launcher, and for images and Docker with any.",
    "cgroups/mem": "With the systemd launcher, and for images and Docker with any.",
    "filesystem/posix": "The task sees the machine's files.",
    "filesystem/linux": "Images and volumes, as root.",
    "docker/runtime": "What images say of their command, user and environment.",
    "docker/volume": "Volumes of Docker's volume plugins.",
    "environment_secret": "Variables that are secrets, by value or from the secret store.",
    "network/cni": "Networks of --network_cni_config_dir.",
    "volume/host_path": "Volumes that are paths of the machine.",
    "volume/image": "Volumes that are the files of an image.",
    "volume/sandbox_path": "Volumes that are folders of a sandbox.",
    "volume/secret": "Volumes that are secrets, by value or from the secret store.",
}
BY_NAME = {
    "disk/du": "What sandboxes take; over quota only with --enforce_container_disk_quota.",
    "linux/capabilities": "Capabilities that tasks and flags name.",
    "linux/nnp": "No task gains privileges by running a program.",
    "linux/seccomp": "Profiles of system calls.",
    "namespaces/ipc": "IPC of commands without an image (images have their own with any).",
    "namespaces/pid": "Processes of a task's own.",
    "network/ports": "Ports that tasks listen on.",
}
WITHOUT_EFFECT = {
    "appc/runtime": "There are no appc images.",
    "cgroups/all": "Nothing beyond cgroups/cpu and cgroups/mem.",
    "cgroups/blkio": "No statistics of block devices.",
    "cgroups/cpuset": "Tasks are not pinned to processors.",
    "cgroups/devices": "Commands see the machine's devices; images see none but the usual.",
    "cgroups/hugetlb": "No limits of huge pages.",
    "cgroups/net_cls": "Packets are not marked.",
    "cgroups/net_prio": "Packets are not marked.",
    "cgroups/perf_event": "No performance counters.",
    "cgroups/pids": "No limit of processes but systemd's.",
    "disk/xfs": "No quota is set; disk/du measures.",
    "filesystem/shared": "Gone with upstream's own container images.",
    "gpu/nvidia": "Tasks get no GPU.",
    "linux/devices": "Tasks get no devices of their own.",
    "network/port_mapping": "Tasks share the machine's network, or join one by network/cni.",
    "volume/csi": "There are no CSI volumes: such a task fails.",
}


def unknown(names: Iterable[str]) -> list[str]:
    """Those that upstream does not have either."""
    return [one for one in names if not any(one in some for some in (ALWAYS, BY_NAME, WITHOUT_EFFECT))]


def idle(names: Iterable[str]) -> dict[str, str]:
    """Those that do nothing here, and what that means."""
    return {one: WITHOUT_EFFECT[one] for one in names if one in WITHOUT_EFFECT}
