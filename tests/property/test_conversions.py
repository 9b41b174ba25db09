"""Operations keep quantities, undo each other and mean the same in every form; what is checkpointed comes back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.model.conversions import ConversionError, checkpointed, conversion, stacked, with_checkpointed
from dcos.model.resource_messages import Form, join, reservations_of, split
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    OfferOperation,
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoSource,
    ResourceDiskInfoSourceMount,
    ResourceDiskInfoSourcePath,
    ResourceDiskInfoSourceType,
)
from tests.unit.master.operation_makers import create, destroy, grow, res, reserve, shrink, unreserve

KINDS = ResourceDiskInfoSourceType
SOURCES = [
    None,
    ResourceDiskInfoSource(type=KINDS.PATH, path=ResourceDiskInfoSourcePath(root="/one")),
    ResourceDiskInfoSource(type=KINDS.PATH, path=ResourceDiskInfoSourcePath(root="/two")),
    ResourceDiskInfoSource(type=KINDS.MOUNT, mount=ResourceDiskInfoSourceMount(root="/three")),
]
STACKS = [(), ("a",), ("a", "a/b"), ("c",)]
sizes = st.integers(1, 50)


def on(one: Resource, source: ResourceDiskInfoSource | None) -> Resource:
    if source is None:
        return one
    disk = one.disk or ResourceDiskInfo()
    return msgspec.structs.replace(one, disk=msgspec.structs.replace(disk, source=source))


@st.composite
def resources(draw: st.DrawFn) -> Resource:
    stack = draw(st.sampled_from(STACKS))
    name = draw(st.sampled_from(["cpus", "mem", "disk", "ports"]))
    if name == "ports":
        begin = 100 * STACKS.index(stack) + draw(st.integers(1, 20))  # a port is there once
        return res(f"ports:[{begin}-{begin + draw(st.integers(0, 9))}]", *stack)
    one = res(f"{name}:{draw(sizes)}", *stack)
    return on(one, draw(st.sampled_from(SOURCES))) if name == "disk" else one


def pushed(one: Resource) -> Resource:
    role = {"": "a", "a": "a/b", "a/b": "a/b/d", "c": "c/d"}[
        (one.reservations[-1].role or "") if one.reservations else ""
    ]
    (entry,) = res("cpus:1", role).reservations
    return msgspec.structs.replace(one, reservations=(*one.reservations, entry))


def apply(have: Resources, *operations: OfferOperation) -> Resources:
    for operation in operations:
        after = conversion(stacked(operation)).apply(have)
        assert after.quantities() == have.quantities()
        have = after
    return have


@given(st.lists(resources(), min_size=1, max_size=5), st.data())
def test_reserve_and_unreserve(have: list[Resource], data: st.DataObject) -> None:
    total = Resources.of(have)
    one = pushed(data.draw(st.sampled_from(have)))
    reserved = apply(total, reserve(one))
    assert reserved.contains(Resources.of((one,)))
    assert apply(reserved, unreserve(one)) == total


@given(sizes, sizes, st.sampled_from(SOURCES), st.booleans())
def test_volumes(size: int, more: int, source: ResourceDiskInfoSource | None, shared: bool) -> None:
    disk = on(res(f"disk:{size}", "a"), source)
    rest = on(res(f"disk:{more}", "a"), SOURCES[1] if source is None else source)
    volume = on(res(f"disk:{size}", "a", volume="v", shared=shared), source)
    total = Resources.of((disk, rest))
    made = apply(total, create(volume))
    assert made.contains(Resources.of((volume,)))
    assert apply(made, destroy(volume)) == total
    if source is SOURCES[1] and not shared:
        bigger = on(res(f"disk:{size + more}", "a", volume="v"), source)
        grown = apply(made, grow(volume, rest))
        assert grown == Resources.of((bigger,))
        assert apply(grown, shrink(bigger, float(more))) == made


@given(st.lists(resources(), min_size=1, max_size=6), st.data())
def test_checkpointed_comes_back(have: list[Resource], data: st.DataObject) -> None:
    by_flags = Resources.of(msgspec.structs.replace(one, reservations=()) for one in have)
    total = by_flags
    for one in have:
        if one.reservations:
            base = msgspec.structs.replace(one, reservations=())
            for depth in range(len(one.reservations)):
                base = msgspec.structs.replace(base, reservations=one.reservations[: depth + 1])
                try:
                    total = apply(total, reserve(base))
                except ConversionError:
                    break
    saved = checkpointed(total).messages()
    wire = msgspec.json.decode(msgspec.json.encode(saved), type=tuple[Resource, ...])
    assert with_checkpointed(by_flags, wire) == total
    assert with_checkpointed(by_flags, data.draw(st.permutations(wire))) == total


@given(resources())
def test_forms_mean_the_same(one: Resource) -> None:
    kind, amount = split(one)
    for form in Form:
        for message in join(kind, amount, "a", form):
            assert split(message)[0] is kind
            (again,) = conversion(stacked(unreserve(message))).consumed if kind.reservations else ((kind, amount),)
            assert again[0] is kind
            operation = stacked(reserve(message), "r").reserve
            assert operation is not None
            (sent,) = operation.resources
            assert sent.role is None
            assert sent.reservations == reservations_of(message) == kind.reservations
            assert sent.allocation_info == message.allocation_info


@given(st.lists(resources(), max_size=3), resources())
def test_what_is_not_there_is_refused(have: list[Resource], one: Resource) -> None:
    total = Resources.of(have)
    wanted = pushed(one)
    if not total.contains(Resources.of((one,))):
        with pytest.raises(ConversionError, match="does not contain"):
            apply(total, reserve(wanted))
