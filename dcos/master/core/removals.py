"""How fast agents may be given up: one at once, the others in turn, one each interval.

Source: Mesos ``--agent_removal_rate_limit`` (a permit each duration divided by their number).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Removals:
    waiting: dict[str, str] = field(default_factory=dict)
    """Agent to why, in the order in which they came."""
    next_at: float = 0.0
    """When the next permit is there."""

    def ask(self, agent: str, why: str, now: float, interval_s: float) -> bool:
        """Whether ``agent`` may be given up at once; otherwise it waits (nothing changes if it does already)."""
        if agent in self.waiting:
            return False
        if interval_s > 0 and (self.waiting or now < self.next_at):
            self.waiting[agent] = why
            return False
        self.next_at = now + interval_s
        return True

    def take(self, now: float, interval_s: float) -> tuple[str, str] | None:
        """The next (agent, why), if it is time."""
        if not self.waiting or now < self.next_at:
            return None
        self.next_at = now + interval_s
        agent = next(iter(self.waiting))
        return agent, self.waiting.pop(agent)

    def cancel(self, agent: str) -> bool:
        """The agent is back; whether it was waiting."""
        return self.waiting.pop(agent, None) is not None
