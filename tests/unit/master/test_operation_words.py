"""Why operations on resources are refused: each rule, in the words that schedulers and operators know.

Source: Mesos master operation validation.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from dcos.master.core.operation_validation import operation_problem
from dcos.model.v1.types import (
    AgentInfoCapabilityType,
    OfferOperation,
    OfferOperationType,
    Resource,
    ResourceAllocationInfo,
    ResourceProviderID,
    ValueScalar,
)
from tests.unit.master.operation_makers import create, create_disk, destroy_disk, disk, grow, res, reserve, shrink
from tests.unit.master.operation_play import Play, check_refused


@pytest.fixture
def play() -> Play:
    return Play()


def with_disk(one: Resource, **disk: object) -> Resource:
    assert one.disk is not None
    return msgspec.structs.replace(one, disk=msgspec.structs.replace(one.disk, **disk))  # type: ignore[arg-type]


def of_provider(resource: Resource, name: str = "p") -> Resource:
    return msgspec.structs.replace(resource, provider_id=ResourceProviderID(value=name))


VOLUME = res("disk:10", "r", volume="v")
REFUSED: list[tuple[OfferOperation, str]] = [
    (OfferOperation(type=OfferOperationType.RESERVE), "Expecting 'reserve' to be present"),
    (OfferOperation(type=OfferOperationType.UNKNOWN), "Unknown offer operation"),
    (reserve(msgspec.structs.replace(res("cpus:1", "r"), name="")), "Operation attempted with invalid resources: "),
    (reserve(msgspec.structs.replace(res("gpus:1", "r"), scalar=ValueScalar(value=0.5))), "Invalid 'gpus' resource: "),
    (reserve(), "Invalid resources: No resources specified"),
    (
        reserve(of_provider(res("disk:1", "r")), of_provider(res("disk:1", "r"), "q")),
        "Invalid resources: The resources have multiple resource providers: p, q",
    ),
    (create(with_disk(VOLUME, persistence=None, volume=None)), "Invalid DiskInfo: DiskInfo is set but empty"),
    (create(with_disk(VOLUME, volume=None)), "Expecting 'volume' to be set for persistent volume"),
    (create(disk("MOUNT", provider=None)), "Not a persistent volume: 'persistence' is not set in DiskInfo"),
    (grow(of_provider(VOLUME), res("disk:5", "r")), "Growing a volume from a resource provider is not supported"),
    (
        grow(res("disk:10", "r"), res("disk:5", "r")),
        "Invalid persistent volume in the 'GrowVolume.volume' field: Resource ",
    ),
    (
        grow(msgspec.structs.replace(VOLUME, name=""), res("disk:5", "r")),
        "Operation attempted with invalid resources: Resource '' is invalid: Empty resource name",
    ),
    (grow(VOLUME, res("disk:5", "r")), "Invalid GROW_VOLUME operation: "),
    (shrink(of_provider(VOLUME), 1), "Shrinking a volume from a resource provider is not supported"),
    (
        shrink(res("disk:10", "r"), 1),
        "Invalid persistent volume in the 'ShrinkVolume.volume' field: Resource ",
    ),
    (shrink(VOLUME, 1), "Invalid SHRINK_VOLUME operation: "),
    (
        destroy_disk(
            of_provider(
                with_disk(
                    res("disk:10", "r", volume="v"),
                    source=disk("MOUNT", volume="x").disk.source,  # type: ignore[union-attr]
                )
            )
        ),
        "cannot be destroyed directly. Please destroy the persistent volume first then destroy the disk resource",
    ),
]


@pytest.mark.parametrize(("operation", "why"), REFUSED, ids=range(len(REFUSED)))
def test_refused(play: Play, operation: OfferOperation, why: str) -> None:
    check_refused(play, operation, why)


OLD_AGENT = [
    (reserve(res("cpus:1", "r/s")), "cannot be reserved on an agent without HIERARCHICAL_ROLE capability"),
    (create(res("disk:10", "r/s", volume="v")), "cannot be created on an agent without HIERARCHICAL_ROLE capability"),
    (
        reserve(res("cpus:1", "r", "r/s")),
        "with reservation refinement cannot be reserved on an agent without RESERVATION_REFINEMENT capability",
    ),
    (
        create(res("disk:10", "r", "r/s", volume="v")),
        "with reservation refinement cannot be created on an agent without RESERVATION_REFINEMENT capability",
    ),
    (grow(VOLUME, res("disk:5", "r")), "cannot be grown on an agent without RESIZE_VOLUME capability"),
    (shrink(VOLUME, 5), "cannot be shrunk on an agent without RESIZE_VOLUME capability"),
    (create_disk(disk("RAW")), "Not supported because the agent does not have RESOURCE_PROVIDER capability"),
]


@pytest.mark.parametrize(("operation", "why"), OLD_AGENT, ids=[why for _, why in OLD_AGENT])
def test_what_an_agent_must_be_able_to(play: Play, operation: OfferOperation, why: str) -> None:
    play.begin("r", "r/s")
    kinds = AgentInfoCapabilityType
    able = {kinds.MULTI_ROLE, kinds.HIERARCHICAL_ROLE} if "REFINEMENT" in why else {kinds.MULTI_ROLE}
    agent = play.state.agents[play.agent_id]
    agent.capabilities = frozenset(able)
    problem = operation_problem(operation, agent, None, None)
    assert problem is not None
    assert why in problem


FROM_OPERATORS = [
    (reserve(res("cpus:1", "r"), source=(msgspec.structs.replace(res("cpus:1"), name=""),)), "Resource '' is invalid"),
    (
        reserve(res("cpus:1", "r"), source=(res("cpus:1", "s"), res("mem:1", "t"))),
        "Invalid source: Mixed reservations are not supported",
    ),
    (
        reserve(res("cpus:1", "r"), source=(res("cpus:2"),)),
        "Source and target resources should refer to identical resource quantities: cpus:2 vs. cpus:1",
    ),
    (reserve(source=(res("cpus:1"),)), "Invalid resources: Resource cannot be empty"),
]


@pytest.mark.parametrize(("operation", "why"), FROM_OPERATORS, ids=[why for _, why in FROM_OPERATORS])
def test_operators_say_what_is_reserved_anew(play: Play, operation: OfferOperation, why: str) -> None:
    play.begin()
    assert play.order(operation) == 400
    assert why in play.answer


ALLOCATED = ResourceAllocationInfo(role="r")


@pytest.mark.parametrize("made", [reserve, create])
def test_operators_have_nothing_allocated(play: Play, made: Callable[..., OfferOperation]) -> None:
    play.begin()
    given = VOLUME if made is create else res("cpus:1", "r")
    assert play.order(made(msgspec.structs.replace(given, allocation_info=ALLOCATED))) == 400
    assert "attempted with an allocated resource" in play.answer


def test_volumes_belong_to_their_principals(play: Play) -> None:
    play.begin()
    for named, why in (
        (None, "Create volume operation attempted by principal 'p', but there is a volume in the operation with no"),
        (
            "q",
            "attempted by authenticated principal 'p', which does not match a volume in the operation with principal",
        ),
    ):
        assert play.order(create(res("disk:10", "r", volume="v", principal=named)), principal="p") == 400
        assert why in play.answer
