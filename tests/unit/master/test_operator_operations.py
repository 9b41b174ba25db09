"""Operations on resources by operators."""

from __future__ import annotations

import dataclasses

from dcos.model.acls import Acls
from dcos.model.resources import Resources
from dcos.wire import agent_link
from tests.unit.master.operation_makers import (
    create,
    destroy,
    grow,
    res,
    reserve,
    shrink,
    unreserve,
)
from tests.unit.master.operation_play import BIG, Play, bag


def test_operators_reserve_and_rescind_offers(play: Play) -> None:
    play.begin()
    assert play.order(reserve(res("cpus:2", "s"))) == 202
    assert play.kinds(play.stream).count("RESCIND") == 1
    (order,) = play.applied()
    assert order.framework_id is None
    play.check()
    assert bag(res("cpus:2", "s")) == play.state.agents[play.agent_id].total.reserved()["s"]
    play.finish(order)
    assert len(play.sent(play.link, agent_link.AcknowledgeOperation)) == 1
    play.wait(6)
    assert bag(*play.offer().resources) == Resources.parse("cpus:2;mem:1024;disk:1000;ports:[31000-31009]")
    assert play.order(unreserve(res("cpus:2", "s"))) == 202
    assert play.state.agents[play.agent_id].total == Resources.parse(BIG)
    play.check()


def test_operators_take_what_is_free_before_what_is_offered(play: Play) -> None:
    play.begin()
    play.decline(play.framework, [play.offer()], refuse_s=1000.0)
    assert play.order(reserve(res("cpus:2", "s"))) == 202
    assert "RESCIND" not in play.kinds(play.stream)
    play.check()


def test_operators_are_refused(play: Play) -> None:
    play.begin()
    assert play.order(reserve(res("cpus:1", "s")), agent="nobody") == 400
    assert play.answer == "No agent found with specified ID"
    assert play.order(reserve(res("cpus:1"))) == 400
    assert play.answer.startswith(f"Invalid RESERVE operation on agent {play.agent_id} at ")
    assert play.order(reserve(res("cpus:1", "s")), principal="p") == 400
    assert play.order(reserve(res("cpus:5", "s"))) == 409
    assert "does not contain" in play.answer
    play.run_task(play.framework, resources="cpus:3;mem:64")
    assert play.order(reserve(res("cpus:2", "s"))) == 409
    play.check()


def test_what_makes_no_sense_is_said_before_what_is_forbidden(play: Play) -> None:
    play.begin()
    disk, volume = res("disk:100", "s"), res("disk:60", "s", volume="v")
    assert play.order(reserve(disk)) == 202
    assert play.order(create(volume)) == 202
    play.state.rules = dataclasses.replace(play.state.rules, acls=Acls(permissive=False))
    before = play.state.agents[play.agent_id].total
    for sound, bad in (
        (reserve(disk), reserve(res("disk:100"))),
        (unreserve(res("disk:40", "s")), unreserve(res("disk:40"))),
        (create(res("disk:40", "s", volume="w")), create(res("disk:40", "s"))),
        (destroy(volume), destroy(res("disk:60", "s"))),
        (grow(volume, res("disk:40", "s")), grow(volume, res("disk:40"))),
        (shrink(volume, 10.0), shrink(volume, 0.0)),
    ):
        assert play.order(bad) == 400, bad.type
        assert play.order(sound, agent="nobody") == 400, sound.type
        assert (play.order(sound), play.answer) == (403, ""), sound.type
    assert play.order(reserve(res("disk:5000", "s"))) == 403, "who may not learns nothing of what is there"
    assert play.state.agents[play.agent_id].total == before
    play.check()


def test_operators_make_and_resize_volumes(play: Play) -> None:
    play.begin()
    disk, volume = res("disk:100", "s"), res("disk:60", "s", volume="v")
    for operation in (
        reserve(disk),
        create(volume),
        grow(volume, res("disk:40", "s")),
        shrink(res("disk:100", "s", volume="v"), 50.0),
        destroy(res("disk:50", "s", volume="v")),
        unreserve(disk),
    ):
        assert play.order(operation) == 202, play.answer
        play.check()
    assert play.state.agents[play.agent_id].total == Resources.parse(BIG)


def test_operators_reserve_anew_in_one_step(play: Play) -> None:
    play.begin()
    assert play.order(reserve(res("cpus:1", "s"))) == 202
    assert play.order(reserve(res("cpus:1", "t"), source=(res("cpus:1", "s"),))) == 202, play.answer
    assert set(play.state.agents[play.agent_id].total.reserved()) == {"t"}
    assert play.order(reserve(res("cpus:2", "t"), source=(res("cpus:1", "t"),))) == 400
    play.check()
