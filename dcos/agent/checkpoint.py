"""Checkpoints: what the agent must know again after its own death, as JSON below ``<work_dir>/meta``.

    meta/boot_id
    meta/resources/{resources_and_operations.state,resources.info}
    meta/slaves/{latest,<S>/{slave.info,drain.config}}
    meta/slaves/<S>/frameworks/<F>/{framework.info,framework.pid,framework.shutdown}
    meta/.../executors/<E>/executor.info
    meta/.../executors/<E>/runs/{latest,<C>/{executor.sentinel,http.marker,pids/forked.pid,tasks/<T>/...}}
    meta/.../runs/<C>/tasks/<T>/{task.info,task.updates}

``framework.shutdown`` (ours alone) names the runs that end because their framework was removed: a master that leads later does
not know of it, so the agent must. A run's id never comes again, thus the file may stay when all is over.
``http.marker`` stands where the executor speaks HTTP, as custom and default ones do. Some files are for people and tools that
know upstream's layout, and are not read: ``forked.pid``, the main process of a run; ``framework.pid``, whose libprocess address
is that of every scheduler of the HTTP API; ``resources.info``. ``task.info`` holds the TaskInfo and its container id;
``task.updates`` is a log, one JSON line per update or acknowledgement. A line cut off by a power loss ends the log.

Source: Mesos agent checkpoint layout.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from dcos.agent.sandbox import WorkDir, link
from dcos.model.v1.types import (
    AgentInfo,
    DrainConfig,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkInfo,
    Operation,
    Resource,
    TaskInfo,
    TaskStatus,
)
from dcos.runtime.files import write_atomic
from dcos.wire import mesos_json

T = TypeVar("T")
_NO_ADDRESS = "@0.0.0.0:0"
_SHUTDOWN = "framework.shutdown"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class CheckpointError(Exception):
    """A checkpoint cannot be read: says which file."""


class SavedTask(msgspec.Struct, frozen=True, kw_only=True):
    """``task.info``."""

    container_id: str
    task: TaskInfo


class SavedResources(msgspec.Struct, frozen=True, kw_only=True):
    """``resources_and_operations.state``: what differs from the flags, and operations whose end is not acknowledged."""

    resources: tuple[Resource, ...] = ()
    operations: tuple[Operation, ...] = ()


class UpdateLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of ``task.updates``: an update, or the uuid of an acknowledged one."""

    update: TaskStatus | None = None
    acknowledged: bytes | None = None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    info: SavedTask
    updates: tuple[TaskStatus, ...]
    acknowledged: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run that was not closed."""

    framework: FrameworkInfo
    executor: ExecutorInfo
    run_id: str
    tasks: tuple[TaskRecord, ...]
    custom: bool = False
    """A custom executor's."""
    shut: bool = False
    """It is being ended, for its framework was shut down."""


_encode = mesos_json.encode
_line = msgspec.json.Decoder(UpdateLine).decode


class Checkpoints:
    """The folder ``meta``."""

    def __init__(self, work: WorkDir) -> None:
        self._meta = work.meta

    # ---- the agent ---------------------------------------------------------------------------------------------------

    def boot_id(self) -> str | None:
        try:
            return (self._meta / "boot_id").read_text().strip()
        except FileNotFoundError:
            return None

    def save_boot_id(self, boot_id: str) -> None:
        self._meta.mkdir(parents=True, exist_ok=True)
        write_atomic(self._meta / "boot_id", boot_id, durable=True)

    def agent(self) -> AgentInfo | None:
        """The latest agent, with its id.   Errors: CheckpointError."""
        path = self._meta / "slaves" / "latest" / "slave.info"
        if not path.exists():
            return None
        return _read(path, AgentInfo)

    def save_agent(self, info: AgentInfo) -> None:
        assert info.id is not None
        folder = self._slave(info.id.value)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / "slave.info", _encode(info), durable=True)
        link(folder.parent / "latest", folder)

    def drain(self, agent_id: str) -> DrainConfig | None:
        """What an operator's drain said, while that goes on.   Errors: CheckpointError."""
        path = self._slave(agent_id) / "drain.config"
        return _read(path, DrainConfig) if path.exists() else None

    def save_drain(self, agent_id: str, config: DrainConfig | None) -> None:
        path = self._slave(agent_id) / "drain.config"
        if config is None:
            path.unlink(missing_ok=True)
        else:
            write_atomic(path, _encode(config), durable=True)

    def forget_agent(self) -> None:
        """The next start asks for a new id."""
        (self._meta / "slaves" / "latest").unlink(missing_ok=True)

    def resources(self) -> SavedResources:
        """Errors: CheckpointError."""
        path = self._resources
        return _read(path, SavedResources) if path.exists() else SavedResources()

    def save_resources(self, resources: tuple[Resource, ...], operations: tuple[Operation, ...]) -> None:
        """In one write: an operation and its result are there together or not at all."""
        self._resources.parent.mkdir(parents=True, exist_ok=True)
        saved = SavedResources(resources=resources, operations=operations)
        write_atomic(self._resources, _encode(saved), durable=True)
        target = self._resources.with_name("resources.target")
        write_atomic(target, _encode(resources))
        target.replace(self._resources.with_name("resources.info"))

    @property
    def _resources(self) -> Path:
        return self._meta / "resources" / "resources_and_operations.state"

    # ---- writing -----------------------------------------------------------------------------------------------------

    def save_framework(self, agent_id: str, framework: FrameworkInfo) -> None:
        assert framework.id is not None
        folder = self._framework(agent_id, framework.id.value)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / "framework.info", _encode(framework))
        write_atomic(folder / "framework.pid", _NO_ADDRESS)

    def save_framework_shutdown(self, agent_id: str, framework_id: str, run_ids: tuple[str, ...]) -> None:
        """In one write: all its runs end or none."""
        write_atomic(self._framework(agent_id, framework_id) / _SHUTDOWN, _encode(run_ids))

    def save_executor(
        self, agent_id: str, framework_id: str, executor: ExecutorInfo, run_id: str, *, custom: bool = False
    ) -> None:
        folder = self._executor(agent_id, framework_id, executor.executor_id.value)
        run = folder / "runs" / run_id
        (run / "tasks").mkdir(parents=True, exist_ok=True)
        if custom or executor.type is ExecutorInfoType.DEFAULT:
            write_atomic(run / "http.marker", b"")
        # the command's environment may hold secrets
        write_atomic(folder / "executor.info", _encode(executor), mode=0o600)
        link(folder / "runs" / "latest", run)

    def save_forked_pid(self, agent_id: str, framework_id: str, executor_id: str, run_id: str, pid: int) -> None:
        """The main process of a run."""
        folder = self._run(agent_id, framework_id, executor_id, run_id) / "pids"
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / "forked.pid", str(pid))

    def save_task(
        self, agent_id: str, framework_id: str, executor_id: str, run_id: str, task: TaskInfo, container_id: str
    ) -> None:
        folder = self._task(agent_id, framework_id, executor_id, run_id, task.task_id.value)
        folder.mkdir(parents=True, exist_ok=True)
        # the command's environment may hold secrets
        write_atomic(folder / "task.info", _encode(SavedTask(container_id=container_id, task=task)), mode=0o600)

    def save_update(self, agent_id: str, framework_id: str, executor_id: str, run_id: str, status: TaskStatus) -> None:
        path = self._task(agent_id, framework_id, executor_id, run_id, status.task_id.value) / "task.updates"
        _append(path, UpdateLine(update=status))

    def save_acknowledgement(
        self, agent_id: str, framework_id: str, executor_id: str, run_id: str, task_id: str, uuid: bytes
    ) -> None:
        path = self._task(agent_id, framework_id, executor_id, run_id, task_id) / "task.updates"
        _append(path, UpdateLine(acknowledged=uuid))

    def close_run(self, agent_id: str, framework_id: str, executor_id: str, run_id: str) -> None:
        """The run owes nothing any more."""
        run = self._run(agent_id, framework_id, executor_id, run_id)
        if run.is_dir():
            write_atomic(run / "executor.sentinel", b"")

    # ---- reading -----------------------------------------------------------------------------------------------------

    unread = 0
    """Runs that were left out."""

    def runs(self, agent_id: str, *, strict: bool) -> Iterator[RunRecord]:
        """Every run without a sentinel.   Errors: CheckpointError, with ``strict``; else what cannot be read is left out."""
        for framework_path in sorted(self._slave(agent_id).glob("frameworks/*/framework.info")):
            for executor_path in sorted(framework_path.parent.glob("executors/*/executor.info")):
                for run in sorted(executor_path.parent.glob("runs/*")):
                    if run.is_symlink() or (run / "executor.sentinel").exists():
                        continue
                    try:
                        yield self._read_run(framework_path, executor_path, run)
                    except CheckpointError:
                        if strict:
                            raise
                        self.unread += 1

    def _read_run(self, framework_path: Path, executor_path: Path, run: Path) -> RunRecord:
        tasks = []
        for folder in sorted(run.glob("tasks/*")):
            if not (folder / "task.info").exists():
                continue
            updates, acknowledged = _read_updates(folder / "task.updates")
            tasks.append(TaskRecord(_read(folder / "task.info", SavedTask), updates, acknowledged))
        return RunRecord(
            _read(framework_path, FrameworkInfo),
            _read(executor_path, ExecutorInfo),
            run.name,
            tuple(tasks),
            (run / "http.marker").exists(),
            _is_shut(framework_path.with_name(_SHUTDOWN), run.name),
        )

    # ---- paths -------------------------------------------------------------------------------------------------------

    def _slave(self, agent_id: str) -> Path:
        return self._meta / "slaves" / agent_id

    def _framework(self, agent_id: str, framework_id: str) -> Path:
        return self._slave(agent_id) / "frameworks" / framework_id

    def _executor(self, agent_id: str, framework_id: str, executor_id: str) -> Path:
        return self._framework(agent_id, framework_id) / "executors" / executor_id

    def _run(self, agent_id: str, framework_id: str, executor_id: str, run_id: str) -> Path:
        return self._executor(agent_id, framework_id, executor_id) / "runs" / run_id

    def _task(self, agent_id: str, framework_id: str, executor_id: str, run_id: str, task_id: str) -> Path:
        return self._run(agent_id, framework_id, executor_id, run_id) / "tasks" / task_id

    def run_folder(self, agent_id: str, framework_id: str, executor_id: str, run_id: str) -> Path:
        return self._run(agent_id, framework_id, executor_id, run_id)

    def remove_agent(self, agent_id: str) -> None:
        shutil.rmtree(self._slave(agent_id), ignore_errors=True)


def current_boot_id() -> str:
    return BOOT_ID.read_text().strip()


def _append(path: Path, line: UpdateLine) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, _encode(line) + b"\n")
    finally:
        os.close(descriptor)


def _read_updates(path: Path) -> tuple[tuple[TaskStatus, ...], frozenset[bytes]]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return (), frozenset()
    updates: list[TaskStatus] = []
    acknowledged: set[bytes] = set()
    for text in raw.split(b"\n"):
        if not text:
            continue
        try:
            line = _line(text)
        except msgspec.MsgspecError:
            break
        if line.update is not None:
            updates.append(line.update)
        if line.acknowledged is not None:
            acknowledged.add(line.acknowledged)
    return tuple(updates), frozenset(acknowledged)


def _is_shut(path: Path, run_id: str) -> bool:
    return path.exists() and run_id in _read(path, tuple[str, ...])


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind, strict=False)
    except (OSError, msgspec.MsgspecError) as error:
        raise CheckpointError(f"{path}: {error}") from error
