"""Control groups of a booted node: a child of the caller's own group in every hierarchy.

Theory: systemd-nspawn mounts the v1 controllers read-only inside a node and systemd decides at its start what it may
use, so limits would silently do nothing. When nspawn is started from a child group, the node's cgroup namespace is
rooted there, and ``node-init`` may remount its own view writable: the node can write its own subtree and nothing else,
the caller's limits keep holding, and the host's hierarchies are neither mounted nor moved.
On pure v2 nspawn delegates a subtree by itself; only the controllers must be handed down first, and the kernel wants
the caller's processes out of the inner group for that (into the leaf ``dcos-local-caller``).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

CALLER_LEAF = "dcos-local-caller"
NEEDED = ("cpu", "memory", "pids")  # limits of units and tasks stand on these


def parse_membership(text: str) -> dict[str, str]:
    """``/proc/<pid>/cgroup`` as hierarchy (``""`` for v2, else the controller list) to path."""
    rows = (line.split(":", 2) for line in text.splitlines() if line.count(":") >= 2)
    return {controllers: path for _, controllers, path in rows}


def parse_mounts(text: str) -> dict[str, str]:
    """``/proc/mounts`` as hierarchy to mount point, keyed as in ``parse_membership``."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[2] not in ("cgroup", "cgroup2"):
            continue
        if fields[2] == "cgroup2":
            found.setdefault("", fields[1])
            continue
        options = fields[3].split(",")
        known = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "net_cls", "net_prio"}
        known |= {"perf_event", "hugetlb", "rdma", "misc"}
        named = [option for option in options if option.startswith("name=")]
        found.setdefault(",".join(named or [option for option in options if option in known]), fields[1])
    return found


def groups_of(pid: int | str = "self", proc: Path = Path("/proc")) -> dict[str, Path]:
    """The folder of each hierarchy that the process is in, where that hierarchy is mounted."""
    membership = parse_membership((proc / str(pid) / "cgroup").read_text())
    mounts = parse_mounts((proc / "mounts").read_text())
    by_set = {frozenset(key.split(",")): point for key, point in mounts.items()}
    found: dict[str, Path] = {}
    for key, path in membership.items():
        point = by_set.get(frozenset(key.split(",")))
        if point is not None and (folder := Path(point + path)).is_dir():
            found[key] = folder
    return found


def make_children(name: str) -> list[Path]:
    """Make the child group ``name`` of this process's own groups; returns the folders, v1 and v2."""
    made: list[Path] = []
    own = groups_of()
    only_v2 = set(own) == {""}
    for key, folder in own.items():
        if folder.name == CALLER_LEAF:
            folder = folder.parent
        child = folder / name
        if only_v2:
            _delegate_v2(folder)
        child.mkdir(exist_ok=True)
        if "cpuset" in key.split(","):
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (child / setting).write_text((folder / setting).read_text())
        made.append(child)
    return made


def _delegate_v2(folder: Path) -> None:
    offered = (folder / "cgroup.controllers").read_text().split()
    control = folder / "cgroup.subtree_control"
    wanted = [name for name in offered if name not in control.read_text().split()]
    if not wanted:
        return
    if (folder / "cgroup.type").exists():  # every group but the root: it may not hold processes beside children
        leaf = folder / CALLER_LEAF
        leaf.mkdir(exist_ok=True)
        _move(folder, leaf)
    for name in wanted:  # one by one: a controller that this machine cannot hand down spoils the others otherwise
        try:
            control.write_text(f"+{name}")
        except OSError:
            if name in NEEDED:
                raise


def _move(source: Path, target: Path) -> None:
    """Every process of one group to another; some begin and end meanwhile."""
    before: list[str] = []
    while (found := (source / "cgroup.procs").read_text().split()) and found != before:
        for pid in found:
            try:
                (target / "cgroup.procs").write_text(pid)
            except ProcessLookupError:
                continue
        before = found


def remove(folders: Iterable[Path]) -> None:
    """Remove empty groups, innermost first; a group that still holds a process stays."""
    for folder in folders:
        if not folder.is_dir():
            continue
        inner = sorted((path for path in folder.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
        for path in [*inner, folder]:
            try:
                path.rmdir()
            except OSError:
                continue


def processes(folders: Iterable[Path]) -> set[int]:
    """Every process in the groups or below them."""
    found: set[int] = set()
    for folder in folders:
        for listing in [folder / "cgroup.procs", *folder.rglob("cgroup.procs")]:
            try:
                found.update(int(pid) for pid in listing.read_text().split())
            except OSError:
                continue
    return found


def memory_bytes(folders: Iterable[Path]) -> int | None:
    """Memory in use by a group without its page cache; None where the kernel does not count it."""
    for folder in folders:
        statistics = folder / "memory.stat"
        if not statistics.exists():
            continue
        values = dict(line.split() for line in statistics.read_text().splitlines())
        for keys in (("total_rss", "total_shmem"), ("rss",), ("anon", "shmem")):
            if keys[0] in values:
                return sum(int(values.get(key, 0)) for key in keys)
    return None
