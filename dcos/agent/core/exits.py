"""How a task's main process ended, and what its scheduler is told about it.

Source: Mesos command executor (state and message by wait(2) status) and memory isolator (out of memory).
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from dcos.model.v1.types import Resource, TaskState, TaskStatusReason


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of a container. ``code`` or ``signal`` is set; neither when nobody saw the end."""

    code: int | None = None
    signal: int | None = None
    out_of_memory: bool = False
    core_dumped: bool = False
    subject: str = "Command"
    """What ended, as messages name it."""
    limitation: str | None = None
    """The words that tell of memory running out."""
    limited: tuple[Resource, ...] = ()
    """What it wanted too much of."""

    @property
    def known(self) -> bool:
        return self.code is not None or self.signal is not None

    @property
    def succeeded(self) -> bool:
        return self.code == 0

    @property
    def wait_status(self) -> int | None:
        """As wait(2) gives it."""
        if self.signal is not None:
            return self.signal | (0x80 if self.core_dumped else 0)
        return None if self.code is None else self.code << 8

    @classmethod
    def of_shell(cls, status: int, *, out_of_memory: bool = False) -> Exit:
        """From what a shell's ``wait`` (or runc) reports: 128 + n for signal n.

        A program that itself exits with such a number cannot be told from one that was killed by that signal.
        """
        number = status - 128
        if number > 0 and number in _SIGNALS:
            return cls(signal=number, out_of_memory=out_of_memory)
        return cls(code=status, out_of_memory=out_of_memory)


_SIGNALS = frozenset(int(number) for number in signal.Signals)


@dataclass(frozen=True, slots=True)
class Verdict:
    """State, words and reason of a terminal update."""

    state: TaskState
    message: str
    reason: TaskStatusReason | None = None
    limited: tuple[Resource, ...] = ()


def describe(end: Exit) -> str:
    """``Command exited with status 1`` or ``Command terminated with signal Killed``."""
    if end.signal is not None:
        core = " (core dumped)" if end.core_dumped else ""
        return f"{end.subject} terminated with signal {signal.strsignal(end.signal) or end.signal}{core}"
    if end.code is not None:
        return f"{end.subject} exited with status {end.code}"
    return "Abnormal executor termination: unknown"


def judge(end: Exit, *, killed: bool, timed_out: bool, mem_mb: float) -> Verdict:
    """``killed``: the agent asked it to end; ``timed_out``: because of ``max_completion_time``."""
    if timed_out:
        return Verdict(TaskState.TASK_FAILED, describe(end), TaskStatusReason.REASON_MAX_COMPLETION_TIME_REACHED)
    if killed:
        return Verdict(TaskState.TASK_KILLED, describe(end))
    if end.out_of_memory:
        return Verdict(
            TaskState.TASK_FAILED,
            end.limitation or f"Memory limit exceeded: Requested: {mem_mb:g}MB",
            TaskStatusReason.REASON_CONTAINER_LIMITATION_MEMORY,
            end.limited,
        )
    if not end.known:
        return Verdict(TaskState.TASK_FAILED, describe(end), TaskStatusReason.REASON_EXECUTOR_TERMINATED)
    if end.succeeded:
        return Verdict(TaskState.TASK_FINISHED, describe(end))
    return Verdict(TaskState.TASK_FAILED, describe(end))
