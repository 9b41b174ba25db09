"""Where an agent's files lie below ``--work_dir``, and how sandboxes are made.

    slaves/<S>/frameworks/<F>/executors/<E>/runs/{<C>,latest}        sandboxes
    .../runs/<C>/containers/<N>, .../runs/<C>/tasks/<T> -> it         sandboxes of a group's tasks
    meta/...                                                         checkpoints (``checkpoint.py``)
    containers/<C>                                                   sandboxes of standalone containers
    provisioner/ store/                                              images

Source: Mesos agent path layout (``docs/sandbox.md``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dcos.agent.containerizer.base import LaunchError
from dcos.agent.containerizer.script import account
from dcos.agent.core.events import Plan

MODE = 0o750


class BadId(LaunchError):
    """An id that cannot be the name of a folder."""


@dataclass(frozen=True, slots=True)
class WorkDir:
    root: Path

    @property
    def meta(self) -> Path:
        return self.root / "meta"

    @property
    def store(self) -> Path:
        return self.root / "store"

    def slave(self, agent_id: str) -> Path:
        return self.root / "slaves" / agent_id

    def framework(self, agent_id: str, framework_id: str) -> Path:
        return self.slave(agent_id) / "frameworks" / framework_id

    def executor(self, agent_id: str, framework_id: str, executor_id: str) -> Path:
        return self.framework(agent_id, framework_id) / "executors" / executor_id

    def run(self, agent_id: str, framework_id: str, executor_id: str, run_id: str) -> Path:
        """The sandbox of an executor's run."""
        return self.executor(agent_id, framework_id, executor_id) / "runs" / run_id

    def sandbox(self, agent_id: str, plan: Plan) -> Path:
        """The sandbox of a task."""
        run = self.run(agent_id, plan.framework_id, plan.executor_id, plan.run_id)
        return run / "containers" / plan.container_id if plan.nested else run

    def standalone(self, container_id: str) -> Path:
        """The sandbox of a container that no executor is behind."""
        return self.root / "containers" / container_id


def check_id(kind: str, value: str) -> str:
    """An id as a folder's name.   Errors: BadId."""
    if not value or value in (".", "..") or "/" in value or "\0" in value or len(value.encode()) > 255:
        raise BadId(f"{kind} {value!r} cannot be the name of a folder")
    return value


def make_sandbox(work: WorkDir, agent_id: str, plan: Plan, user: str | None) -> Path:
    """Folders, ``latest`` and ``tasks`` links, empty ``stdout`` and ``stderr``, owned by ``user``; returns the sandbox.

    Errors: LaunchError.
    """
    for kind, value in (
        ("framework id", plan.framework_id),
        ("executor id", plan.executor_id),
        ("task id", plan.task_id),
    ):
        check_id(kind, value)
    owner = owner_of(user)
    run = work.run(agent_id, plan.framework_id, plan.executor_id, plan.run_id)
    try:
        run.parent.mkdir(parents=True, exist_ok=True)
        # (a user is given where users are switched)
        _own(run, owner_of(plan.executor_user) if plan.nested and user is not None else owner)
        link(run.parent / "latest", run)
        if not plan.nested:
            return make_inside(run, (), owner)
        sandbox = make_inside(run, ("containers", plan.container_id), owner)
        with folder_in(run, ("tasks",), owner) as tasks:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(plan.task_id, dir_fd=tasks)
            os.symlink(sandbox, plan.task_id, dir_fd=tasks)
    except OSError as error:
        raise LaunchError(f"Failed to create the sandbox: {error}") from error
    return sandbox


def owner_of(user: str | None) -> tuple[int, int] | None:
    """uid and gid to give files to; None: they stay ours.   Errors: LaunchError."""
    if user is None or os.geteuid() != 0:
        return None
    entry = account(user)
    return entry.pw_uid, entry.pw_gid


def make_inside(base: Path, parts: tuple[str, ...], owner: tuple[int, int] | None) -> Path:
    """A sandbox with its files below ``base``, a folder that tasks write to, maybe this moment.   Errors: OSError."""
    with folder_in(base, parts, owner) as folder:
        for name in ("stdout", "stderr"):
            _fresh_file(name, owner, folder)
    return base.joinpath(*parts)


@contextlib.contextmanager
def folder_in(base: Path, parts: tuple[str, ...], owner: tuple[int, int] | None) -> Iterator[int]:
    """Descriptor of ``base/parts``, made (for ``owner``) where missing; never through a link, for root must not be led away."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    place = os.open(base, flags)
    try:
        for part in parts:
            made = True
            try:
                os.mkdir(part, MODE, dir_fd=place)
            except FileExistsError:
                made = False
            inner = os.open(part, flags, dir_fd=place)
            os.close(place)
            place = inner
            if made:
                os.fchmod(place, MODE)
                if owner is not None:
                    os.fchown(place, *owner)
        yield place
    finally:
        os.close(place)


def link(path: Path, target: Path) -> None:
    """A symlink, replaced whole."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)


def _own(folder: Path, owner: tuple[int, int] | None) -> None:
    folder.mkdir(exist_ok=True, mode=MODE)
    folder.chmod(MODE)
    if owner is not None:
        os.chown(folder, *owner)


def _fresh_file(path: str | Path, owner: tuple[int, int] | None, folder: int | None = None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
    try:
        os.fchmod(descriptor, 0o644)
        if owner is not None:
            os.fchown(descriptor, *owner)
    finally:
        os.close(descriptor)


def plain_file(path: Path, owner: tuple[int, int] | None = None) -> None:
    """Make sure that ``path`` is a regular file, not a link that somebody put there: it will be opened by root."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with contextlib.suppress(FileNotFoundError):
            path.rename(path.with_name(f"{path.name}.replaced"))
    _fresh_file(path, owner)
