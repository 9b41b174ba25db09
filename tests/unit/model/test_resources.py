from __future__ import annotations

import pytest

from dcos.model import values
from dcos.model.resource_kinds import Kind, may_use
from dcos.model.resource_messages import Form
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1.types import (
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceDiskInfoSource,
    ResourceDiskInfoSourceMount,
    ResourceDiskInfoSourceType,
    ResourceReservationInfo,
    ResourceReservationInfoType,
    ResourceSharedInfo,
    ValueScalar,
    ValueType,
)
from dcos.wire import mesos_json


def disk(size: float, kind: ResourceDiskInfoSourceType, root: str = "/mnt/a") -> Resource:
    source = ResourceDiskInfoSource(type=kind, mount=ResourceDiskInfoSourceMount(root=root))
    return Resource(
        name="disk", type=ValueType.SCALAR, scalar=ValueScalar(value=size), disk=ResourceDiskInfo(source=source)
    )


MOUNT, PATH = ResourceDiskInfoSourceType.MOUNT, ResourceDiskInfoSourceType.PATH


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.1, 100), (1.5123, 1512), (0.0004, 0), (0.0005, 1), (-0.0005, -1), (1.0005, 1001)],
    ids=str,
)
def test_scalars_have_three_decimals(value: float, expected: int) -> None:
    assert values.thousandths(value) == expected


def test_scalars_add_exactly() -> None:
    a_tenth = Resources.scalars(cpus=0.1)
    assert a_tenth + Resources.scalars(cpus=0.2) == Resources.scalars(cpus=0.3)
    assert a_tenth + a_tenth + a_tenth - Resources.scalars(cpus=0.3) == EMPTY
    assert Resources.scalars(cpus=1.001) - Resources.scalars(cpus=1) == Resources.scalars(cpus=0.001)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("ports:[1-5]", "ports:[3-3]", "ports:[1-2,4-5]"),
        ("ports:[1-5]", "ports:[1-5]", ""),
        ("ports:[1-5,8-9]", "ports:[4-8]", "ports:[1-3,9-9]"),
        ("ports:[1-5]", "ports:[7-9]", "ports:[1-5]"),
        ("cpus:1", "cpus:2", ""),
        ("cpus(r):1;cpus:1", "cpus:1", "cpus(r):1"),
        ("zones:{a,b,c}", "zones:{b,d}", "zones:{a,c}"),
    ],
    ids=str,
)
def test_subtraction(left: str, right: str, expected: str) -> None:
    assert Resources.parse(left) - Resources.parse(right) == Resources.parse(expected)


def test_ranges_that_touch_become_one() -> None:
    assert Resources.parse("ports:[1-3]") + Resources.parse("ports:[4-9]") == Resources.parse("ports:[1-9]")


def test_reserved_and_unreserved_stay_apart() -> None:
    both = Resources.parse("cpus(role1):1;cpus:1")
    assert len(both) == 2
    assert both.scalar("cpus") == 2000
    assert not both.contains(Resources.parse("cpus:2"))
    assert both.reserved() == {"role1": Resources.parse("cpus(role1):1")}
    assert both.unreserved() == Resources.parse("cpus:1")


def test_mount_disks_are_whole() -> None:
    two = Resources.of([disk(100, MOUNT), disk(100, MOUNT)])
    assert len(two.messages()) == 2
    assert two.scalar("disk") == 200_000
    assert not two.contains(Resources.of([disk(50, MOUNT)]))
    assert two - Resources.of([disk(100, MOUNT)]) == Resources.of([disk(100, MOUNT)])


def test_path_disks_are_divisible() -> None:
    assert Resources.of([disk(100, PATH)]).contains(Resources.of([disk(50, PATH)]))


def test_principals_keep_reservations_apart() -> None:
    def reserved(principal: str) -> Resources:
        one = ResourceReservationInfo(type=ResourceReservationInfoType.DYNAMIC, role="r", principal=principal)
        return Resources.of(
            [Resource(name="cpus", type=ValueType.SCALAR, scalar=ValueScalar(value=1), reservations=(one,))]
        )

    assert len(reserved("p1") + reserved("p2")) == 2


def test_shared_volumes_are_counted() -> None:
    volume = Resource(
        name="disk",
        type=ValueType.SCALAR,
        scalar=ValueScalar(value=64),
        role="r",
        disk=ResourceDiskInfo(persistence=ResourceDiskInfoPersistence(id="v")),
        shared=ResourceSharedInfo(),
    )
    one = Resources.of([volume])
    two = one + one
    assert len(two.messages()) == 2
    assert two.scalar("disk") == 64_000
    assert (two - one).contains(two)
    assert two - one - one == EMPTY


@pytest.mark.parametrize(
    ("reserved_to", "role", "expected"),
    [("*", "x", True), ("a", "a", True), ("a", "a/b/c", True), ("a/b", "a", False), ("a", "ab", False)],
)
def test_ancestors_reservations_may_be_used(reserved_to: str, role: str, expected: bool) -> None:
    assert may_use(reserved_to, role) is expected


def test_the_three_forms() -> None:
    static = Resources.parse("cpus(db):1.5")
    assert mesos_json.encode(static.messages("db")[0]) == (
        b'{"name":"cpus","type":"SCALAR","scalar":{"value":1.5},"allocation_info":{"role":"db"},'
        b'"reservations":[{"type":"STATIC","role":"db"}]}'
    )
    assert mesos_json.encode(static.messages(form=Form.LEGACY)[0]) == (
        b'{"name":"cpus","type":"SCALAR","scalar":{"value":1.5},"role":"db"}'
    )
    assert mesos_json.encode(Resources.parse("cpus:1").messages(form=Form.ENDPOINT)[0]) == (
        b'{"name":"cpus","type":"SCALAR","scalar":{"value":1.0},"role":"*"}'
    )
    for form in Form:
        assert Resources.of(static.messages(form=form)) == static


def test_text_is_upstreams() -> None:
    have = Resources.parse("ports:[31007-32000,31000-31004];cpus:1.8;mem:23017")
    assert have.describe("golden") == (
        "ports(allocated: golden):[31000-31004, 31007-32000]; cpus(allocated: golden):1.8; mem(allocated: golden):23017"
    )
    assert Resources.parse("disk(a):1").describe() == "disk(reservations: [(STATIC,a)]):1"


@pytest.mark.parametrize("text", ["cpus", "cpus:abc", "ports:[5-1]", "ports:[1-2", "cpus(a:1", "a:1;a:[1-2]"], ids=str)
def test_bad_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Resources.parse(text)


def test_kinds_are_interned() -> None:
    assert Kind.of("cpus") is Kind.of("cpus")
    assert Resources.parse("cpus(a):1") == Resources.parse("cpus:1", default_role="a")
