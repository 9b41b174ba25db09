"""Operations on shared volumes, and on disks of type PATH and MOUNT."""

from __future__ import annotations

import msgspec

from dcos.model.resources import Resources
from dcos.model.v1.types import (
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoSource,
    ResourceDiskInfoSourceMount,
    ResourceDiskInfoSourcePath,
    ResourceDiskInfoSourceType,
    TaskState,
)
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
from tests.unit.master.operation_play import BIG, SHARING, Play, bag, with_resources
from tests.unit.master.stage import framework_info, launch, task


def test_a_shared_volume_serves_many_tasks(play: Play) -> None:
    play.begin(capabilities=SHARING)
    volume = res("disk:64", "r", volume="v", shared=True)
    one = with_resources(task("one", play.agent_id), volume)
    two = with_resources(task("two", play.agent_id), volume)
    play.take(reserve(res("disk:64", "r")), create(volume), launch(one, two), refuse_s=0)
    assert set(play.state.frameworks[play.framework].tasks) == {"one", "two"}
    play.check()
    play.wait(2)
    offer = play.offer()
    assert bag(*offer.resources).contains(bag(volume)), "in use, and offered still"
    play.take(destroy(volume, id="o"), refuse_s=0)
    assert "Persistent volumes in use" in str(play.operation_statuses()[-1].message)
    for name in ("one", "two"):
        play.update(play.framework, name, TaskState.TASK_FINISHED)
    play.check()
    play.wait(2)
    play.take(destroy(volume), unreserve(res("disk:64", "r")), refuse_s=0)
    assert play.state.agents[play.agent_id].total == Resources.parse(BIG)
    play.check()


def test_destroying_a_shared_volume_rescinds_other_offers_of_it(play: Play) -> None:
    play.begin(capabilities=SHARING)
    volume = res("disk:64", "r", volume="v", shared=True)
    play.take(
        reserve(res("disk:64", "r")), create(volume), launch(task("t", play.agent_id, "cpus:1;mem:64")), refuse_s=0
    )
    play.wait(2)
    other, stream = play.subscribe(framework_info("other", "r", capabilities=SHARING))
    play.update(play.framework, "t", TaskState.TASK_FINISHED)
    play.wait(2)
    holders = [one for one in play.state.offers.values() if one.resources.contains(bag(volume))]
    assert len(holders) > 1
    mine = next(one for one in holders if one.framework == play.framework)
    play.accept(play.framework, [mine.message], [destroy(volume)], refuse_s=0)
    assert not [one for one in play.state.offers.values() if one.resources.shared()]
    assert play.kinds(stream).count("RESCIND") + play.kinds(play.stream).count("RESCIND") == len(holders) - 1
    assert other
    play.check()


def on(one: Resource, kind: str, root: str) -> Resource:
    kinds = ResourceDiskInfoSourceType
    source = ResourceDiskInfoSource(
        type=kinds(kind),
        path=ResourceDiskInfoSourcePath(root=root) if kind == "PATH" else None,
        mount=ResourceDiskInfoSourceMount(root=root) if kind == "MOUNT" else None,
    )
    return msgspec.structs.replace(one, disk=msgspec.structs.replace(one.disk or ResourceDiskInfo(), source=source))


def test_a_mount_disk_goes_as_a_whole(play: Play) -> None:
    play.begin()
    record = play.state.agents[play.agent_id]
    total = Resources.parse("cpus:4;mem:1024") + bag(
        on(res("disk:500"), "MOUNT", "/m"), on(res("disk:500"), "PATH", "/p")
    )
    play.say(play.link, agent_link.UpdateResources(total=total.messages()))
    whole, part = on(res("disk:500", "r"), "MOUNT", "/m"), on(res("disk:100", "r"), "MOUNT", "/m")
    volume = on(res("disk:500", "r", volume="v"), "MOUNT", "/m")
    assert play.order(reserve(part)) == 409
    assert play.order(reserve(whole)) == 202
    assert play.order(create(on(res("disk:100", "r", volume="v"), "MOUNT", "/m"))) == 409
    assert play.order(create(volume)) == 202
    assert play.order(shrink(volume, 100.0)) == 400
    assert "on a MOUNT disk is not supported" in play.answer
    assert play.order(grow(volume, whole)) == 400
    assert "Incompatible resources" in play.answer
    assert play.order(destroy(volume)) == 202
    assert play.order(unreserve(whole)) == 202
    assert record.total == total


def test_a_path_disk_can_be_divided_but_not_mixed(play: Play) -> None:
    play.begin()
    record = play.state.agents[play.agent_id]
    total = Resources.parse("cpus:4;mem:1024;disk:100") + bag(on(res("disk:500"), "PATH", "/p"))
    play.say(play.link, agent_link.UpdateResources(total=total.messages()))
    volume = on(res("disk:60", "r", volume="v"), "PATH", "/p")
    assert play.order(reserve(on(res("disk:100", "r"), "PATH", "/p"), res("disk:50", "r"))) == 202
    assert play.order(create(volume)) == 202
    assert play.order(grow(volume, res("disk:10", "r"))) == 400
    assert play.order(grow(volume, on(res("disk:10", "r"), "PATH", "/p"))) == 202
    wanted = on(res("disk:70", "r", volume="v"), "PATH", "/p"), on(res("disk:30", "r"), "PATH", "/p")
    assert record.total.contains(bag(*wanted, res("disk:50", "r")))
    assert record.total.quantities() == total.quantities()
