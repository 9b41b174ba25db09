"""Marathon: the real election, repository, core, loop and scheduler client; two instances of it share one framework."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

from dcos.marathon.api import Service
from dcos.marathon.config import Config
from dcos.marathon.core import events
from dcos.marathon.core.state import State
from dcos.marathon.metrics import Metrics
from dcos.marathon.service import Marathon
from dcos.marathon.stream import Bus
from dcos.model.schedulers import Refused
from dcos.runtime.app import App
from dcos.store.detect import MARATHON_LABEL
from dcos.store.election import Candidate
from dcos.testing.sim.process import Life
from dcos.testing.sim.scheduler import SchedulerProcess, fresh_ids
from dcos.testing.sim.senses import SimSenses

if TYPE_CHECKING:
    from dcos.testing.sim.world import World


class MarathonProcess(SchedulerProcess[State]):
    service: Service | None

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, f"marathon{number}", f"10.4.0.{number}")

    def config(self) -> Config:
        return Config(
            master="zk://zk:2181/mesos",
            zk="zk://zk:2181/marathon",
            reconciliation_interval=60.0,
            task_launch_confirm_timeout=60.0,
            task_launch_timeout=120.0,
            decline_offer_duration=20.0,
        )

    async def run(self, life: Life, app: App[Any]) -> None:
        own = f"{self.host}:8080"
        self.service = service = Service(
            config=app.config,
            own=own,
            bus=Bus(app.clock.now, 10),
            proxy=cast(Any, None),
            metrics=Metrics(app.clock.monotonic),
            abdicate=lambda: None,
            wish=cast(Any, None),
        )
        store = self.session = self.world.session(life)
        base = "/marathon/state"
        candidate = Candidate(
            store, "/marathon/leader", label=MARATHON_LABEL, data=own.encode(), epoch_path=f"{base}/epoch"
        )
        marathon = Marathon(
            app,
            store,
            service,
            candidate,
            base,
            subscribe=lambda framework: self.subscribe(life, framework),
            ids=fresh_ids(life),
            senses=SimSenses(self, life),
        )
        try:
            await marathon.stand()
        finally:
            await store.close()

    def ask(self, event: events.Event) -> None:
        """A client's request, if this instance leads; its answer does not matter."""
        if self.life is not None and self.running and self.service is not None and self.service.leader is not None:
            self.world.trace(self.name, "asked", type(event).__name__)
            self.life.spawn(_asked(self.service.leader.ask(event)), "request")


async def _asked(answer: Any) -> None:
    with contextlib.suppress(Refused):
        await answer
