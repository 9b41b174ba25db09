"""The master with operators at work: quota, weights, maintenance, draining, a change of leader; the same must hold."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from dcos.master.core.events import MarkGone
from dcos.master.core.registry import Standing
from dcos.master.core.state import Rules
from dcos.model.v1 import maintenance, master, scheduler
from dcos.model.v1.master import CallType
from dcos.model.v1.quota import QuotaConfig
from dcos.model.v1.scheduler import Call
from dcos.model.v1.types import (
    AgentID,
    DrainState,
    MachineID,
    TimeInfo,
    Unavailability,
    ValueScalar,
    WeightInfo,
)
from tests.property.test_master_safety import PICK, Cluster
from tests.unit.master.stage import Stage


class Operated(Cluster):
    @initialize()
    def begin(self) -> None:
        super().begin()
        self.stage = Stage(Rules(ping_s=2.0, removal_interval_s=5.0, offer_timeout_s=30.0))

    @rule(
        role=st.sampled_from(["a", "b", "*"]),
        guarantee=st.sampled_from([0, 1, 2]),
        limit=st.sampled_from([None, 2, 3]),
    )
    def set_quota(self, role: str, guarantee: int, limit: int | None) -> None:
        config = QuotaConfig(
            role=role,
            guarantees={"cpus": ValueScalar(value=guarantee)} if guarantee else {},
            limits={"cpus": ValueScalar(value=limit)} if limit else {},
        )
        call = master.CallUpdateQuota(quota_configs=(config,), force=True)
        assert self.stage.operate(CallType.UPDATE_QUOTA, update_quota=call).status == 200

    @rule(role=st.sampled_from(["a", "b", "a/c"]), weight=st.sampled_from([0.5, 2.0]))
    def weigh(self, role: str, weight: float) -> None:
        infos = (WeightInfo(role=role, weight=weight),)
        call = master.CallUpdateWeights(weight_infos=infos)
        assert self.stage.operate(CallType.UPDATE_WEIGHTS, update_weights=call).status == 200

    @rule(pick=PICK, what=st.sampled_from(["drain", "gone", "deactivate", "reactivate", "mark"]))
    def judge(self, pick: int, what: str) -> None:
        agent = self._one(self.stage.registry, pick)
        if agent is None:
            return
        ident = AgentID(value=agent)
        if what in ("drain", "gone"):
            drain = master.CallDrainAgent(agent_id=ident, mark_gone=what == "gone")
            self.stage.operate(CallType.DRAIN_AGENT, drain_agent=drain)
        elif what == "deactivate":
            off = master.CallDeactivateAgent(agent_id=ident)
            self.stage.operate(CallType.DEACTIVATE_AGENT, deactivate_agent=off)
        elif what == "reactivate":
            on = master.CallReactivateAgent(agent_id=ident)
            self.stage.operate(CallType.REACTIVATE_AGENT, reactivate_agent=on)
        else:
            self.stage.do(MarkGone(self.stage.now, next(self.stage.numbers), agent))

    @rule(hosts=st.sampled_from([(), ("host",)]))
    def schedule(self, hosts: tuple[str, ...]) -> None:
        away = Unavailability(start=TimeInfo(nanoseconds=1))
        window = maintenance.Window(machine_ids=tuple(MachineID(hostname=one) for one in hosts), unavailability=away)
        call = master.CallUpdateMaintenanceSchedule(schedule=maintenance.Schedule(windows=(window,) if hosts else ()))
        self.stage.operate(CallType.UPDATE_MAINTENANCE_SCHEDULE, update_maintenance_schedule=call)

    @rule(up=st.booleans())
    def machine(self, up: bool) -> None:
        ids = (MachineID(hostname="host"),)
        if up:
            self.stage.operate(CallType.STOP_MAINTENANCE, stop_maintenance=master.CallStopMaintenance(machines=ids))
        else:
            self.stage.operate(CallType.START_MAINTENANCE, start_maintenance=master.CallStartMaintenance(machines=ids))

    @rule(pick=PICK, yes=st.booleans())
    def answer(self, pick: int, yes: bool) -> None:
        asked = self._one(self.stage.state.inverse_offers.values(), pick)
        if asked is None:
            return
        ids = (asked.message.id,)
        if yes:
            accept = scheduler.CallAcceptInverseOffers(inverse_offer_ids=ids)
            self.stage.call(
                asked.framework,
                Call(type=scheduler.CallType.ACCEPT_INVERSE_OFFERS, accept_inverse_offers=accept),
            )
        else:
            decline = scheduler.CallDeclineInverseOffers(inverse_offer_ids=ids)
            self.stage.call(
                asked.framework,
                Call(type=scheduler.CallType.DECLINE_INVERSE_OFFERS, decline_inverse_offers=decline),
            )

    @rule()
    def fail_over(self) -> None:
        """Another master leads; agents come back later, with what they run."""
        for agent in list(self.stage.state.agents.values()):
            if agent.connected:
                self._remember(agent.id)
        self.stage = self.stage.successor()
        self.ended.clear()

    @invariant()
    def the_registry_says_what_memory_says(self) -> None:
        if not hasattr(self, "stage"):
            return
        state = self.stage.state
        homes = {
            Standing.ADMITTED: set(state.agents) | set(state.recovered),
            Standing.UNREACHABLE: set(state.unreachable),
            Standing.GONE: set(state.gone),
        }
        for standing, names in homes.items():
            assert names == {name for name, one in self.stage.registry.items() if one.standing is standing}
        for agent in state.agents.values():
            stored = self.stage.registry[agent.id]
            assert (stored.deactivated, stored.drain) == (agent.deactivated, agent.drain)
        assert {one.role: one for one in self.stage.kept.values() if isinstance(one, QuotaConfig)} == state.quotas

    @invariant()
    def who_is_out_of_use_has_no_offers(self) -> None:
        if not hasattr(self, "stage"):
            return
        for agent in self.stage.state.agents.values():
            if agent.deactivated:
                assert not agent.offers
            if agent.drain is not None and agent.drain.state is DrainState.DRAINED:
                assert agent.deactivated

    @invariant()
    def inverse_offers_are_for_the_living(self) -> None:
        if not hasattr(self, "stage"):
            return
        state = self.stage.state
        by_agent = {one.id for agent in state.agents.values() for one in agent.inverse_offers.values()}
        by_framework = {name for framework in state.frameworks.values() for name in framework.inverse_offers}
        assert set(state.inverse_offers) == by_agent == by_framework
        for one in state.inverse_offers.values():
            assert state.agents[one.agent].unavailability is not None
            assert state.frameworks[one.framework].connected
        assert set(state.removals.waiting) <= set(state.agents) | set(state.recovered)


TestOperated = Operated.TestCase
TestOperated.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
