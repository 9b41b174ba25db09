"""Metronome: the real election, repository, core, loop and scheduler client; two instances of it share one framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dcos.metronome.api import Service
from dcos.metronome.config import Config
from dcos.metronome.core.state import State
from dcos.metronome.service import Metronome
from dcos.runtime.app import App
from dcos.testing.sim.process import Life
from dcos.testing.sim.scheduler import SchedulerProcess, fresh_ids

if TYPE_CHECKING:
    from dcos.testing.sim.world import World


class MetronomeProcess(SchedulerProcess[State]):
    service: Service | None

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world, f"metronome{number}", f"10.5.0.{number}")

    def config(self) -> Config:
        return Config(
            master="zk://zk:2181/mesos",
            zk="zk://zk:2181/metronome",
            reconciliation_interval=60.0,
            task_launch_confirm_timeout=1e6,
            task_launch_timeout=1e6,
            decline_offer_duration=20.0,
        )

    async def run(self, life: Life, app: App[Any]) -> None:
        self.service = service = Service(config=app.config, own=f"{self.host}:9000", proxy=cast(Any, None))
        store = self.session = self.world.session(life)
        metronome = Metronome(
            app,
            store,
            service,
            "/metronome",
            subscribe=lambda framework: self.subscribe(life, framework),
            ids=fresh_ids(life),
        )
        try:
            await metronome.stand()
        finally:
            await store.close()
