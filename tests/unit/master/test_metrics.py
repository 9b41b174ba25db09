"""Sums that metrics and quota are shown from."""

from __future__ import annotations

from dcos.master.core.quota import consumption
from dcos.master.core.quota_account import is_open
from dcos.master.core.tally import Tally
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceReservationInfo,
    ResourceReservationInfoType,
    ResourceSharedInfo,
    ValueScalar,
    ValueType,
    Volume,
    VolumeMode,
)
from tests.unit.master.stage import Stage, framework_info


def volume() -> Resources:
    """A shared one."""
    static = ResourceReservationInfo(type=ResourceReservationInfoType.STATIC, role="r")
    return Resources.of(
        [
            Resource(
                name="disk",
                type=ValueType.SCALAR,
                scalar=ValueScalar(value=64),
                reservations=(static,),
                disk=ResourceDiskInfo(
                    persistence=ResourceDiskInfoPersistence(id="v"),
                    volume=Volume(container_path="v", mode=VolumeMode.RW),
                ),
                shared=ResourceSharedInfo(),
            )
        ]
    )


def test_a_shared_volume_counts_once_however_many_use_it() -> None:
    tally = Tally()
    for resources in (volume(), volume(), Resources.parse("cpus(t):1;disk:5")):
        tally.add(resources)
    assert tally.quantities(lambda _: True) == {"disk": 69_000, "cpus": 1000}
    assert tally.quantities(is_open) == {"disk": 5000}


def test_the_same_port_on_two_agents_is_two_ports() -> None:
    stage = Stage()
    framework, _ = stage.subscribe(framework_info("f", "a/b"))
    for _ in range(2):
        held = Resources.parse("cpus:1;ports:[31000-31000]")
        stage.state.frameworks[framework].used_tally.add("a/b", held)
    assert consumption(stage.state) == {role: {"cpus": 2000, "ports": 2000} for role in ("a", "a/b")}
