"""Status updates of one task on their way to the scheduler: one at a time, in order, until acknowledged.

Theory: a stream is a queue. Its head is in flight; it is sent again after 10 s, 20 s, 40 s ... at most 10 min, and at
once when the agent registers anew. An acknowledgement names the head by uuid and lets the next one go. The stream ends
with the acknowledgement of a terminal update.

Source: Mesos task status update manager; numbers of its constants.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from dcos.model.task_states import TERMINAL
from dcos.model.v1.types import TaskStatus

RETRY_MIN_S = 10.0
RETRY_MAX_S = 600.0


@dataclass(slots=True)
class UpdateStream:
    """The queue. ``due_at`` is when the head is to be sent (again), None while there is nothing to send."""

    pending: deque[TaskStatus] = field(default_factory=deque)
    due_at: float | None = None
    interval_s: float = RETRY_MIN_S
    closed: bool = False
    last_acknowledged: TaskStatus | None = None

    def push(self, status: TaskStatus, now: float) -> None:
        """Queue ``status``; it is due at once if nothing is in flight."""
        self.pending.append(status)
        if len(self.pending) == 1:
            self.resend(now)

    def acknowledge(self, uuid: bytes, now: float) -> TaskStatus | None:
        """The update that this acknowledgement ends, or None for a late or foreign one."""
        if not self.pending or self.pending[0].uuid != uuid:
            return None
        done = self.pending.popleft()
        self.last_acknowledged = done
        self.closed = done.state in TERMINAL
        self.due_at = None
        if self.closed:
            self.pending.clear()
        elif self.pending:
            self.resend(now)
        return done

    def resend(self, now: float) -> None:
        """Make the head due now, with the shortest interval again."""
        self.interval_s = RETRY_MIN_S
        self.due_at = now if self.pending else None

    def take_due(self, now: float) -> TaskStatus | None:
        """The head if it is to be sent now; the next time is set."""
        if self.due_at is None or self.due_at > now or not self.pending:
            return None
        self.due_at = now + self.interval_s
        self.interval_s = min(self.interval_s * 2, RETRY_MAX_S)
        return self.pending[0]

    @property
    def head(self) -> TaskStatus | None:
        """What the master should know of last: the update in flight, else the last acknowledged one."""
        return self.pending[0] if self.pending else self.last_acknowledged
