"""The agent's operations: applied once, saved with their result, told until acknowledged."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from dcos.agent.core.operation_events import ChangeVolumes, OperationAsked, SaveResources, VolumesChanged
from dcos.agent.core.operations import Operations
from dcos.model.conversions import ConversionError, with_checkpointed
from dcos.model.resources import Resources
from dcos.model.v1.types import OfferOperation, OperationState, Resource
from dcos.wire.agent_link import UpdateOperationStatus, UpdateResources
from tests.unit.master.operation_makers import create, destroy, res, reserve, unreserve

FLAGS = "cpus:4;mem:1024;disk:100;disk(s):50"
DISK = res("disk:64", "r")
VOLUME = res("disk:64", "r", volume="v")


class Desk:
    """An agent's operations, and what they said and saved."""

    def __init__(self, saved: SaveResources | None = None, flags: str = FLAGS) -> None:
        numbers = itertools.count(1)
        self.core = Operations(lambda: next(numbers).to_bytes(16, "big"))
        given = saved or SaveResources((), ())
        self.core.restore(Resources.parse(flags).messages(), given.resources, given.operations)
        self.saved = given
        self.changes: list[ChangeVolumes] = []
        self.said: list[UpdateOperationStatus] = []
        self.totals: list[Resources] = []
        self.take()

    def take(self) -> None:
        for save in self.core.saves:
            if isinstance(save, SaveResources):
                self.saved = msgspec.json.decode(msgspec.json.encode(save), type=SaveResources)
            else:
                self.changes.append(save)
        for message in self.core.messages:
            if isinstance(message, UpdateResources):
                self.totals.append(Resources.of(message.total))
            else:
                self.said.append(message)
        self.core.saves, self.core.messages = [], []

    def connect(self, now: float = 0.0) -> None:
        self.core.connected("S0", now)
        self.take()

    def ask(self, number: int, operation: OfferOperation, now: float = 0.0) -> None:
        self.core.asked(OperationAsked(number.to_bytes(16, "big"), operation, "F", now))
        self.take()

    def done(self, error: str | None = None) -> None:
        self.core.volumes_changed(VolumesChanged(self.changes.pop(0).uuid, error, 0.0))
        self.take()

    def states(self) -> list[str]:
        return [str(one.status.state).removeprefix("OPERATION_") for one in self.said]


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.connect()
    return made


def bag(*resources: Resource) -> Resources:
    return Resources.of(resources)


def test_applied_saved_told(desk: Desk) -> None:
    desk.ask(1, reserve(DISK, id="o"))
    assert desk.states() == ["FINISHED"]
    assert bag(*desk.saved.resources) == bag(DISK)
    assert [one.latest_status.state for one in desk.saved.operations] == [OperationState.OPERATION_FINISHED]
    assert desk.core.total == Resources.parse("cpus:4;mem:1024;disk:36;disk(s):50") + bag(DISK)
    status = desk.said[0].status
    assert bag(*status.converted_resources) == bag(DISK)
    assert status.agent_id is not None
    assert status.agent_id.value == "S0"


def test_a_volume_is_finished_when_it_is_on_disk(desk: Desk) -> None:
    desk.ask(1, reserve(DISK))
    desk.ask(2, create(VOLUME))
    assert desk.states() == ["FINISHED"]
    assert desk.changes == [ChangeVolumes((2).to_bytes(16, "big"), (VOLUME,), ())]
    assert bag(*desk.saved.resources) == bag(VOLUME), "saved before the disk is touched"
    desk.done()
    assert desk.states() == ["FINISHED", "FINISHED"]
    desk.ask(3, destroy(VOLUME))
    assert desk.changes == [ChangeVolumes((3).to_bytes(16, "big"), (), (VOLUME,))]
    desk.done()
    assert bag(*desk.saved.resources) == bag(DISK)


def test_a_crash_while_the_disk_is_changed(desk: Desk) -> None:
    desk.ask(1, reserve(DISK))
    desk.ask(2, create(VOLUME, id="o"))
    again = Desk(desk.saved)
    assert [one.uuid for one in again.changes] == [(2).to_bytes(16, "big")]
    assert again.core.total == desk.core.total
    again.done()
    again.connect()
    assert sorted(again.states()) == ["FINISHED", "FINISHED"]


def test_known_operations_are_not_applied_again(desk: Desk) -> None:
    desk.ask(1, reserve(DISK))
    total = desk.core.total
    again = Desk(desk.saved)
    again.connect()
    again.ask(1, reserve(DISK))
    assert again.core.total == total
    assert again.states() == ["FINISHED", "FINISHED"]
    assert {one.status.uuid for one in again.said} == {desk.said[0].status.uuid}


def test_told_until_acknowledged(desk: Desk) -> None:
    desk.ask(1, reserve(DISK))
    for now in (9.0, 10.0, 29.0, 30.0, 69.0, 70.0):
        desk.core.tick(now)
    desk.take()
    assert len(desk.said) == 4
    assert desk.core.next_deadline() == 150.0
    status = desk.said[0].status
    assert status.uuid is not None
    desk.core.acknowledged((1).to_bytes(16, "big"), b"x" * 16)
    assert desk.core.runs
    desk.core.acknowledged((1).to_bytes(16, "big"), status.uuid.value)
    desk.take()
    assert desk.core.runs == {}
    assert desk.saved.operations == ()
    assert bag(*desk.saved.resources) == bag(DISK)
    assert desk.core.next_deadline() is None


def test_nothing_is_said_without_a_master() -> None:
    desk = Desk()
    desk.ask(1, reserve(DISK))
    assert desk.said == []
    assert desk.core.next_deadline() is None
    desk.connect()
    assert desk.states() == ["FINISHED"]


@pytest.mark.parametrize("operation", [unreserve(DISK), create(VOLUME), destroy(VOLUME), reserve(res("cpus:5", "r"))])
def test_what_does_not_fit_is_dropped(desk: Desk, operation: OfferOperation) -> None:
    desk.ask(1, operation)
    assert desk.states() == ["DROPPED"]
    assert desk.totals == [Resources.parse(FLAGS)]
    assert desk.core.total == Resources.parse(FLAGS)


def test_a_draining_agent_takes_none(desk: Desk) -> None:
    desk.core.closed = "Agent is draining"
    desk.ask(1, reserve(DISK))
    assert desk.states() == ["DROPPED"]
    assert desk.said[0].status.message == "Agent is draining"


def test_a_disk_that_fails(desk: Desk) -> None:
    desk.ask(1, reserve(DISK))
    desk.ask(2, create(VOLUME))
    desk.done("no space")
    assert desk.states() == ["FINISHED", "FAILED"]
    assert desk.said[-1].status.message == "no space"
    assert bag(*desk.saved.resources) == bag(DISK)
    assert desk.totals == [desk.core.total]


def test_static_reservations_stay_below(desk: Desk) -> None:
    refined = msgspec.structs.replace(
        res("disk(s):20"), reservations=(*res("disk(s):20").reservations, *res("cpus:1", "s/t").reservations)
    )
    desk.ask(1, reserve(refined))
    assert desk.states() == ["FINISHED"]
    again = Desk(desk.saved)
    assert again.core.total == Resources.parse("cpus:4;mem:1024;disk:100;disk(s):30") + bag(refined)


def test_flags_that_shrank() -> None:
    with pytest.raises(ConversionError, match="Incompatible agent resources"):
        with_checkpointed(Resources.parse("disk:10"), (DISK,))


def test_missing(desk: Desk) -> None:
    assert desk.core.missing(Resources.parse("cpus:99").messages()) == Resources()
    assert desk.core.missing((DISK,)) == bag(DISK)
    desk.ask(1, reserve(DISK))
    assert desk.core.missing((DISK,)) == Resources()
