"""The leading Marathon's loop, with the event stream that hears of what was stored."""

from __future__ import annotations

from collections.abc import Callable

from dcos.client.scheduler_loop import SchedulerLoop
from dcos.marathon.core import effects, events
from dcos.marathon.core.scheduler import Result, Scheduler
from dcos.marathon.core.state import State
from dcos.marathon.metrics import Metrics
from dcos.marathon.persist import Repository
from dcos.marathon.stream import Bus
from dcos.model.v1.scheduler import Event
from dcos.runtime.clock import Clock, SteadyClock


class Leader(SchedulerLoop[events.Event, Result]):
    """Made when leadership is gained, gone when it is lost."""

    def __init__(
        self,
        core: Scheduler,
        repository: Repository,
        bus: Bus,
        metrics: Metrics,
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        super().__init__(
            core,
            repository.save,
            SteadyClock(clock),  # one set back must not hold up revives and kills
            name="marathon",
            on_change=on_change,
            told=self._told,
            message=self._message_of,
        )
        self.core = core
        self.repository = repository
        self._bus = bus
        self._metrics = metrics

    @property
    def state(self) -> State:
        return self.core.state

    def _told(self, effect: effects.Effect) -> None:
        self._metrics.decided(effect)
        if isinstance(effect, effects.Publish):
            self._bus.publish(effect.kind, effect.fields)
        elif isinstance(effect, effects.MatchMore):
            self.tell(events.MatchMore())

    def _message_of(self, event: Event) -> None:
        if event.message is not None:
            self._bus.publish(
                "framework_message_event",
                {
                    "executorId": event.message.executor_id.value,
                    "slaveId": event.message.agent_id.value,
                    "message": list(event.message.data),
                },
            )
