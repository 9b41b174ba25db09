"""Sums that metrics and quota are shown from."""

from __future__ import annotations

from dcos.master.core.quota import by_role, consumption
from dcos.master.core.quota_account import is_open
from dcos.master.core.records import TaskRecord
from dcos.model.resources import Kind, Resources
from dcos.model.v1.types import (
    AgentID,
    FrameworkID,
    Resource,
    ResourceDiskInfo,
    ResourceDiskInfoPersistence,
    ResourceReservationInfo,
    ResourceReservationInfoType,
    ResourceSharedInfo,
    Task,
    TaskID,
    TaskState,
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


def test_what_is_held_is_summed_by_role() -> None:
    small = Resources.parse("cpus:0.1;mem:32;ports:[31000-31000]")
    held = [("r", small), ("r", small), ("s", small), ("t", Resources.parse("cpus(t):1"))]
    assert by_role(held, is_open) == {
        "r": {"cpus": 200, "mem": 64_000, "ports": 2000},
        "s": {"cpus": 100, "mem": 32_000, "ports": 1000},
    }


def test_a_shared_volume_counts_once_however_many_use_it() -> None:
    def every(kind: Kind) -> bool:
        return True

    assert by_role([("r", volume()), ("r", volume())], every) == {"r": {"disk": 64_000}}


def test_the_same_port_on_two_agents_is_two_ports() -> None:
    stage = Stage()
    framework, _ = stage.subscribe(framework_info("f", "a/b"))
    for number in range(2):
        agent, _ = stage.agent(hostname=f"h{number}")
        task = Task(
            name="t",
            task_id=TaskID(value=str(number)),
            framework_id=FrameworkID(value=framework),
            agent_id=AgentID(value=agent),
            state=TaskState.TASK_RUNNING,
        )
        record = TaskRecord(task, framework, agent, "a/b", Resources.parse("cpus:1;ports:[31000-31000]"))
        stage.state.frameworks[framework].tasks[str(number)] = record
    assert consumption(stage.state) == {role: {"cpus": 2000, "ports": 2000} for role in ("a", "a/b")}
