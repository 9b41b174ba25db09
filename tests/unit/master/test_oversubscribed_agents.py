"""Agents that have more to offer than the machine has: revocable resources, for those who take them."""

from __future__ import annotations

import msgspec

from dcos.master.core import effects
from dcos.model.resources import Resources
from dcos.model.v1.types import FrameworkInfoCapabilityType, ResourceRevocableInfo
from tests.unit.master.stage import AWARE, Stage, framework_info

BEYOND = tuple(
    msgspec.structs.replace(one, revocable=ResourceRevocableInfo()) for one in Resources.parse("cpus:2").messages()
)


def test_only_who_takes_revocable_resources_is_offered_them() -> None:
    stage = Stage()
    _, plain = stage.subscribe(framework_info("plain"))
    agent, link = stage.agent("cpus:4;mem:1024", oversubscribed=BEYOND)
    (offer,) = stage.offers(plain)
    assert Resources.of(offer.resources).scalar("cpus") == 4000
    assert not Resources.of(offer.resources).revocable()
    kinds = (*AWARE, FrameworkInfoCapabilityType.REVOCABLE_RESOURCES)
    _, taker = stage.subscribe(framework_info("taker", capabilities=kinds))
    stage.wait(2)
    offered = sum((Resources.of(one.resources) for one in stage.offers(taker)), Resources.parse(""))
    assert offered.revocable() == offered
    assert offered.scalar("cpus") == 2000
    # what is not told again is not there any more
    record = stage.state.agents[agent]
    stage.cut(link)
    stage.back(record.info, pid=record.pid)
    assert not stage.state.agents[agent].total.revocable()


def test_what_is_beyond_the_machine_s_is_revocable() -> None:
    stage = Stage()
    assert stage.agent(oversubscribed=Resources.parse("cpus:2").messages())[0] == ""
    (why,) = [dict(one.about)["why"] for one in stage.effects if getattr(one, "event", "") == "agent_refused"]
    assert why == "its oversubscribed resources are not revocable"
    assert any(isinstance(one, effects.CloseLink) for one in stage.effects)
