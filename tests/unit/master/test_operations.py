"""Operations on resources by schedulers in ACCEPT: what they make, and what is refused."""

from __future__ import annotations

import msgspec
import pytest

from dcos.model.resource_messages import Form, join, split
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    FrameworkInfoCapabilityType,
    OfferOperation,
    OperationState,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    TaskState,
    ValueScalar,
    Volume,
    VolumeMode,
)
from dcos.wire import agent_link
from tests.unit.master.operation_makers import (
    create,
    create_disk,
    destroy,
    destroy_disk,
    disk,
    grow,
    res,
    reserve,
    shrink,
    unreserve,
)
from tests.unit.master.operation_play import BIG, Play, bag, check_refused, with_resources
from tests.unit.master.stage import framework_info, launch, launch_group, task


def test_reserve_create_and_launch_in_one_call(play: Play) -> None:
    play.begin()
    disk, volume = res("disk:64", "r"), res("disk:64", "r", volume="v")
    info = with_resources(task("t", play.agent_id), volume)
    play.take(reserve(disk, res("cpus:1", "r")), create(volume), launch(info))
    assert [str(one.info.type) for one in play.applied()] == ["RESERVE", "CREATE"]
    (run,) = play.sent(play.link, agent_link.RunTask)
    assert bag(*run.task.resources).contains(bag(volume))
    record = play.state.agents[play.agent_id]
    assert record.total.contains(bag(volume, res("cpus:1", "r")))
    assert record.used == bag(*info.resources)
    play.check()
    play.update(play.framework, "t", TaskState.TASK_FINISHED)
    play.wait(6)
    play.check()
    offered = play.state.frameworks[play.framework].offered
    assert offered.contains(bag(volume, res("cpus:1", "r")))


def test_what_was_made_is_offered_at_once_and_to_the_role_only(play: Play) -> None:
    play.begin()
    other, other_stream = play.subscribe(framework_info("other", "s"))
    play.clear()
    play.take(reserve(res("cpus:1;", "r"), res("mem:100", "r")), refuse_s=1000.0)
    offers = play.offers(play.stream)
    assert offers
    assert bag(*offers[-1].resources) == bag(res("cpus:1", "r"), res("mem:100", "r"))
    (rest,) = play.offers(other_stream)
    assert bag(*rest.resources) == Resources.parse("cpus:3;mem:924;disk:1000;ports:[31000-31009]")
    assert other != play.framework
    play.check()


def test_undone_in_reverse_order(play: Play) -> None:
    play.begin()
    disk, volume = res("disk:64", "r"), res("disk:64", "r", volume="v")
    play.take(reserve(disk), create(volume), refuse_s=0)
    play.wait(2)
    play.take(destroy(volume), unreserve(disk), refuse_s=0)
    assert [str(one.info.type) for one in play.applied()] == ["RESERVE", "CREATE", "DESTROY", "UNRESERVE"]
    assert play.state.agents[play.agent_id].total == Resources.parse(BIG)
    play.check()


def test_grow_and_shrink(play: Play) -> None:
    play.begin()
    disk, volume = res("disk:100", "r"), res("disk:60", "r", volume="v")
    play.take(reserve(disk), create(volume), refuse_s=0)
    play.wait(2)
    bigger = res("disk:80", "r", volume="v")
    # what grew cannot be used by a later operation of the same call
    play.take(grow(volume, res("disk:20", "r")), launch(with_resources(task("t", play.agent_id), bigger)), refuse_s=0)
    assert [one.state for one in play.statuses(play.stream)] == [TaskState.TASK_ERROR]
    assert play.state.agents[play.agent_id].total.contains(bag(bigger, res("disk:20", "r")))
    play.check()
    play.wait(2)
    play.take(shrink(bigger, 70.0), refuse_s=0)
    assert play.state.agents[play.agent_id].total.contains(bag(res("disk:10", "r", volume="v"), res("disk:90", "r")))
    play.check()


def test_refinement(play: Play) -> None:
    play.begin("a/b", resources="cpus:2;mem:512")
    assert play.order(reserve(res("cpus:2", "a"))) == 202
    play.wait(6)
    play.take(reserve(res("cpus:1", "a", "a/b")), refuse_s=0)
    record = play.state.agents[play.agent_id]
    assert record.total == bag(res("cpus:1", "a"), res("cpus:1", "a", "a/b"), res("mem:512"))
    play.wait(2)
    plain, plain_stream = play.subscribe(
        framework_info("plain", "a/b", capabilities=(FrameworkInfoCapabilityType.MULTI_ROLE,))
    )
    assert plain
    play.decline(play.framework, [play.offer()], refuse_s=1000.0)
    (given,) = play.offers(plain_stream)
    assert bag(*given.resources) == bag(res("cpus:1", "a"), res("mem:512"))
    assert {one.role for one in given.resources} == {"a", "*"}
    play.check()


def test_legacy_form_is_understood(play: Play) -> None:
    play.begin("r", capabilities=())
    (legacy,) = Resources.of([res("disk:64", "r", principal="p")]).messages()
    (old,) = join(*split(legacy), None, Form.LEGACY)
    assert (old.role, old.reservations) == ("r", ())
    play.take(reserve(old), refuse_s=0)
    assert play.state.agents[play.agent_id].total.contains(bag(legacy))
    (sent,) = play.applied()
    assert sent.info.reserve is not None
    assert sent.info.reserve.resources[0].reservations[0].principal == "p"


READ_ONLY = msgspec.structs.replace(
    res("disk:10", "r", volume="v"),
    disk=ResourceDiskInfo(
        persistence=ResourceDiskInfoPersistence(id="v"), volume=Volume(container_path="data", mode=VolumeMode.RO)
    ),
)
ZERO = msgspec.structs.replace(res("disk:1", "r"), scalar=ValueScalar(value=0.0))
REFUSED = [
    (reserve(res("cpus:1")), "is not dynamically reserved"),
    (reserve(res("cpus:1", "s")), "was allocated to role 'r'"),
    (reserve(res("cpus:9", "r")), "does not contain"),
    (reserve(res("cpus:1", "r"), source=(res("cpus:1"),)), "Reservation updates are not yet implemented"),
    (reserve(res("disk:10", "r", volume="v")), "must already be reserved"),
    (unreserve(res("cpus:1")), "is not dynamically reserved"),
    (unreserve(res("cpus:1", "r")), "does not contain"),
    (unreserve(res("disk:1", "r", volume="v")), "Please destroy the persistent volume first"),
    (create(res("disk:10", "r")), "Not a persistent volume"),
    (create(res("disk:10", volume="v")), "cannot be created from unreserved resources"),
    (create(res("disk:10", "r", volume="a/b")), "contains invalid characters"),
    (create(res("disk:10", "r", volume="v", shared=True)), "no SHARED_RESOURCES capability"),
    (create(READ_ONLY), "Read-only persistent volume not supported"),
    (destroy(res("disk:10", "r", volume="v")), "Persistent volumes not found"),
    (grow(res("disk:10", "r", volume="v"), ZERO), "must be greater than zero"),
    (grow(res("disk:10", "r", volume="v"), res("disk:5")), "Incompatible resources"),
    (grow(res("disk:10", "r", volume="v"), res("cpus:5", "r")), "Incompatible resources"),
    (shrink(res("disk:10", "r", volume="v"), 10.0), "must be smaller than the size"),
    (shrink(res("disk:10", "r", volume="v"), -1.0), "must be greater than zero"),
    (shrink(res("disk:10", "r", volume="v", shared=True), 1.0), "shared persistent volume is not supported"),
]
OF_PROVIDERS = [
    (create_disk(disk("RAW", provider=None)), "'source' is not managed by a resource provider"),
    (create_disk(disk("MOUNT")), "'source' is not a RAW disk resource"),
    (create_disk(disk("RAW"), "PATH"), "'target_type' is neither MOUNT or BLOCK"),
    (
        create_disk(disk("RAW", profile="x"), profile="y"),
        "'target_profile' must not be set when 'source' has a profile",
    ),
    (create_disk(disk("RAW")), "'target_profile' must be set when 'source' has no profile"),
    (create_disk(disk("RAW", profile="x")), "Resource provider p is not known"),
    (destroy_disk(disk("MOUNT", provider=None, volume="v")), "'source' is not managed by a resource provider"),
    (destroy_disk(disk("PATH", volume="v")), "'source' is neither a MOUNT, BLOCK or RAW disk resource"),
    (destroy_disk(disk("BLOCK")), "'source' is not backed by a CSI volume"),
    (destroy_disk(disk("BLOCK", volume="v")), "Resource provider p is not known"),
    (
        reserve(res("cpus:1", "r"), msgspec.structs.replace(disk("RAW"), reservations=res("cpus:1", "r").reservations)),
        "Some resources have a resource provider and some do not",
    ),
]
REFUSED += OF_PROVIDERS


@pytest.mark.parametrize(("operation", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_refused(play: Play, operation: OfferOperation, why: str) -> None:
    check_refused(play, operation, why)


def test_principals_must_match(play: Play) -> None:
    play.begin(principal="p")
    play.take(
        reserve(res("disk:10", "r", principal="q"), id="1"),
        reserve(res("disk:10", "r"), id="2"),
        reserve(res("disk:10", "r", principal="p"), id="3"),
    )
    assert [one.state for one in play.operation_statuses()] == [OperationState.OPERATION_ERROR] * 2
    assert "principal 'q'" in str(play.operation_statuses()[0].message)
    assert "no principal" in str(play.operation_statuses()[1].message)
    assert len(play.applied()) == 1


def test_volume_ids_are_unique_for_each_role(play: Play) -> None:
    play.begin()
    volume = res("disk:10", "r", volume="v")
    play.take(reserve(res("disk:100", "r")), create(volume), create(volume, id="again"), refuse_s=0)
    (status,) = play.operation_statuses()
    assert "Persistence ID 'v' is not unique" in str(status.message)


def test_feedback_needs_capabilities(play: Play) -> None:
    play.begin()
    play.state.agents[play.agent_id].capabilities = frozenset()
    play.take(reserve(res("cpus:1", "r"), id="o"))
    (status,) = play.operation_statuses()
    assert "RESOURCE_PROVIDER" in str(status.message)


def test_invalid_offers(play: Play) -> None:
    play.begin()
    offer = play.offer()
    play.decline(play.framework, [offer], refuse_s=100.0)
    play.accept(play.framework, [offer], [reserve(res("cpus:1", "r"), id="o")])
    (status,) = play.operation_statuses()
    assert status.state is OperationState.OPERATION_ERROR
    assert "is no longer valid" in str(status.message)


def test_a_task_may_only_read_a_volume(play: Play) -> None:
    play.begin()
    volume = res("disk:10", "r", volume="v")
    reader = with_resources(task("t", play.agent_id), READ_ONLY)
    play.take(reserve(res("disk:10", "r")), create(volume), launch(reader), refuse_s=0)
    assert "t" in play.state.frameworks[play.framework].tasks
    play.check()
    assert volume.disk in [kind.disk for kind, _ in play.state.agents[play.agent_id].total], "shown as it was made"


def test_a_group_uses_a_volume(play: Play) -> None:
    play.begin()
    volume = res("disk:10", "r", volume="v")
    executor = ExecutorInfo(
        executor_id=ExecutorID(value="e"),
        type=ExecutorInfoType.DEFAULT,
        framework_id=FrameworkID(value=play.framework),
        resources=Resources.parse("cpus:0.1;mem:32;disk:1").messages(),
    )
    tasks = with_resources(task("one", play.agent_id), volume), task("two", play.agent_id)
    play.take(reserve(res("disk:10", "r")), create(volume), launch_group(executor, *tasks), refuse_s=0)
    assert set(play.state.frameworks[play.framework].tasks) == {"one", "two"}
    play.check()
