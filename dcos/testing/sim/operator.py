"""The operator: asks the leading master once for each order, and in the end puts back into use what was taken out of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dcos.model.v1.types import DrainState, MachineInfoMode
from dcos.testing.sim import orders
from dcos.testing.sim.master import PORT, MasterProcess
from dcos.testing.sim.network import Refused
from dcos.testing.sim.orders import Order
from dcos.testing.sim.process import EPOCH, Life, Place
from dcos.testing.sim.promises import Promises

if TYPE_CHECKING:
    from dcos.testing.sim.world import World


class Operator:
    def __init__(self, world: World) -> None:
        self._world = world
        self.promises = Promises()
        self._life = Life(Place(world, "operator", "10.3.0.1"), 1)

    def now(self) -> float:
        """Unix seconds."""
        return EPOCH + self._world.loop.time()

    def ask(self, order: Order) -> None:
        self._world.trace("operator", order.words)
        self._life.spawn(self._ask(order), "operator")

    async def _ask(self, order: Order) -> None:
        self.promises.asked(order.promise)
        status: int | None = 503
        for master in self._world.masters:
            if master.leads:
                status = await self._ask_leader(master, order)
                break
        self._world.trace("operator", order.words, "answered", status)
        self.promises.answered(order.promise, status)

    async def _ask_leader(self, master: MasterProcess, order: Order) -> int | None:
        """The status of the answer; None when none came."""
        try:
            async with asyncio.timeout(10.0):
                end = await self._world.network.connect(self._life, f"{master.host}:{PORT}", "/operator", order)
                end.close()
        except Refused as error:
            return error.status
        except (ConnectionError, TimeoutError):
            return None
        return 200

    def tidy_up(self) -> None:
        """A new leader does not know which frameworks were removed (upstream's neither): the operator has to say it again.

        Agents that were taken out of use come back into it, machines that are down come up.
        """
        for master in self._world.masters:
            if not master.leads or master.api is None:
                continue
            state = master.api.state
            for framework in list(state.frameworks.values()):
                if framework.id in self._world.removed and framework.stream is None:
                    self.ask(orders.teardown(framework.id))
            for agent in list(state.agents.values()):
                if agent.deactivated and (agent.drain is None or agent.drain.state is DrainState.DRAINED):
                    self.ask(orders.reactivate(agent.id))
            if self._world.marathons or self._world.metronomes:
                # what is kept for others may be all that there is
                for role in list(state.quotas):
                    self.ask(orders.set_quota(role, "", "", force=True))
            down = [one.id for one in state.machines.values() if one.mode is MachineInfoMode.DOWN]
            if down:
                self.ask(orders.bring_up(down))

    def end(self) -> None:
        self._life.end(silent=True)
