"""Why tasks are refused: each rule, in the words that schedulers know."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dcos.model.v1.types import ExecutorInfo, FrameworkInfo, TaskInfo, TaskState, TaskStatusReason
from dcos.wire import mesos_json
from tests.unit.master.stage import Stage, framework_info, launch, launch_group, task

Json = dict[str, Any]


def scalars(cpus: float = 1.0, mem: float = 64.0, **more: float) -> list[Json]:
    amounts = {"cpus": cpus, "mem": mem, **more}
    return [{"name": name, "type": "SCALAR", "scalar": {"value": value}} for name, value in amounts.items()]


def ports(begin: int, end: int) -> Json:
    return {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": begin, "end": end}]}}


def task_of(agent: str, **fields: Any) -> TaskInfo:
    given: Json = {
        "name": "t",
        "task_id": {"value": "t"},
        "agent_id": {"value": agent},
        "resources": scalars(),
        "command": {"value": "true"},
    }
    given |= fields
    return mesos_json.decode(
        json.dumps({name: one for name, one in given.items() if one is not None}).encode(), TaskInfo
    )


def executor_of(**fields: Any) -> ExecutorInfo:
    given: Json = {
        "executor_id": {"value": "e"},
        "type": "DEFAULT",
        "framework_id": {"value": "m-0000"},
        "resources": scalars(0.1, 32.0, disk=10.0),
    }
    given |= fields
    return mesos_json.decode(
        json.dumps({name: one for name, one in given.items() if one is not None}).encode(), ExecutorInfo
    )


CUSTOM: Json = {"executor_id": {"value": "e"}, "type": "CUSTOM", "command": {"value": "run"}}


CSI: Json = {"type": "CSI_VOLUME", "csi_volume": {"plugin_name": "x"}}


def variable(**fields: Any) -> Json:
    return {"value": "x", "environment": {"variables": [{"name": "V", **fields}]}}


LAUNCHED: list[tuple[Json, str]] = [
    ({"task_id": {"value": ".."}}, "'..' is disallowed"),
    ({"agent_id": {"value": "other"}}, "Task uses invalid agent other while agent m-S0 is expected"),
    (
        {"kill_policy": {"grace_period": {"nanoseconds": -1}}},
        "Task's 'kill_policy.grace_period' must be non-negative",
    ),
    ({"max_completion_time": {"nanoseconds": -1}}, "Task's `max_completion_time` must be non-negative"),
    ({"check": {}}, "Task uses invalid check: CheckInfo must specify 'type'"),
    ({"check": {"type": "TCP"}}, "Task uses invalid check: Expecting 'tcp' to be set for TCP check"),
    (
        {"check": {"type": "COMMAND", "command": {"command": {}}}},
        "Task uses invalid check: Command check must contain 'shell command'",
    ),
    (
        {"check": {"type": "HTTP", "http": {"port": 1, "path": "x"}}},
        "Task uses invalid check: The path 'x' of HTTP check must start with '/'",
    ),
    (
        {"check": {"type": "TCP", "tcp": {"port": 1}, "delay_seconds": -1}},
        "Task uses invalid check: Expecting 'delay_seconds' to be non-negative",
    ),
    ({"check": {"type": "UNKNOWN"}}, "Task uses invalid check: 'UNKNOWN' is not a valid check type"),
    ({"check": {"type": "COMMAND"}}, "Task uses invalid check: Expecting 'command' to be set for COMMAND check"),
    ({"check": {"type": "HTTP"}}, "Task uses invalid check: Expecting 'http' to be set for HTTP check"),
    (
        {"check": {"type": "COMMAND", "command": {"command": variable()}}},
        "Check's `CommandInfo` is invalid: Environment variable 'V' of type 'VALUE' must have a value set",
    ),
    ({"health_check": {}}, "Task uses invalid health check: HealthCheck must specify 'type'"),
    (
        {"health_check": {"type": "UNKNOWN"}},
        "Task uses invalid health check: 'UNKNOWN' is not a valid health check type",
    ),
    (
        {"health_check": {"type": "COMMAND"}},
        "Task uses invalid health check: Expecting 'command' to be set for COMMAND health check",
    ),
    (
        {"health_check": {"type": "COMMAND", "command": variable()}},
        "Health check's `CommandInfo` is invalid: Environment variable 'V' of type 'VALUE' must have a value set",
    ),
    (
        {"health_check": {"type": "HTTP"}},
        "Task uses invalid health check: Expecting 'http' to be set for HTTP health check",
    ),
    (
        {"health_check": {"http": {"port": 1, "path": "x"}}},
        "Task uses invalid health check: The path 'x' of HTTP health check must start with '/'",
    ),
    (
        {"health_check": {"type": "TCP"}},
        "Task uses invalid health check: Expecting 'tcp' to be set for TCP health check",
    ),
    (
        {"health_check": {"type": "COMMAND", "command": {"shell": False}}},
        "Task uses invalid health check: Command health check must contain 'executable path'",
    ),
    (
        {"health_check": {"type": "HTTP", "http": {"port": 1, "scheme": "ftp"}}},
        "Task uses invalid health check: Unsupported HTTP health check scheme: 'ftp'",
    ),
    (
        {"health_check": {"type": "TCP", "tcp": {"port": 1}, "grace_period_seconds": -1}},
        "Task uses invalid health check: Expecting 'grace_period_seconds' to be non-negative",
    ),
    ({"resources": []}, "Task uses no resources"),
    (
        {"resources": [{**scalars()[0], "allocation_info": {"role": "other"}}]},
        "Resource 'cpus' is allocated to role 'other', the offer to 'r'",
    ),
    ({"resources": scalars(cpus=-1.0)}, "Resource 'cpus' is invalid: Invalid scalar resource"),
    ({"resources": scalars(cpus=0.0001)}, "Invalid scalar resource: value <= 0"),
    ({"resources": [ports(5, 1)]}, "Resource 'ports' is invalid: Invalid ranges resource: begin > end"),
    (
        {"resources": scalars(gpus=0.5)},
        "Task uses invalid resources: Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer",
    ),
    (
        {"resources": [{"name": "disk", "type": "SCALAR", "scalar": {"value": 1}, "disk": {}}]},
        "Task uses invalid resources: Invalid DiskInfo: DiskInfo is set but empty",
    ),
    (
        {"resources": [*scalars(), {**scalars()[0], "revocable": {}}]},
        "Task mixes revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus'",
    ),
    (
        {"command": variable(type="VALUE")},
        "Task's `CommandInfo` is invalid: Environment variable 'V' of type 'VALUE' must have a value set",
    ),
    (
        {"command": variable(type="VALUE", value="x", secret={"type": "VALUE"})},
        "Environment variable 'V' of type 'VALUE' must not have a secret set",
    ),
    ({"command": variable(type="SECRET")}, "Environment variable 'V' of type 'SECRET' must have a secret set"),
    (
        {"command": variable(type="SECRET", value="x", secret={"type": "VALUE"})},
        "Environment variable 'V' of type 'SECRET' must not have a value set",
    ),
    (
        {"command": variable(type="SECRET", secret={"type": "REFERENCE"})},
        "an invalid secret: Secret of type REFERENCE must have the 'reference' field set",
    ),
    (
        {
            "command": variable(
                type="SECRET", secret={"type": "REFERENCE", "reference": {"name": "n"}, "value": {"data": "AA=="}}
            )
        },
        "an invalid secret: Secret 'n' of type REFERENCE must not have the 'value' field set",
    ),
    (
        {
            "command": variable(
                type="SECRET", secret={"type": "VALUE", "reference": {"name": "n"}, "value": {"data": "AQ=="}}
            )
        },
        "an invalid secret: Secret of type VALUE must not have the 'reference' field set",
    ),
    (
        {"command": variable(type="SECRET", secret={"type": "VALUE"})},
        "Environment variable 'V' specifies an invalid secret: Secret of type VALUE must have the 'value' field set",
    ),
    (
        {"command": variable(type="SECRET", secret={"type": "VALUE", "value": {"data": "AGE="}})},
        "Environment variable 'V' specifies a secret containing null bytes",
    ),
    (
        {"command": variable(type="UNKNOWN", value="x")},
        "Environment variable of type 'UNKNOWN' is not allowed",
    ),
    (
        {"container": {"type": "MESOS", "volumes": [{"mode": "RW", "container_path": "p"}]}},
        "Task's `ContainerInfo` is invalid: Invalid volume: Only one of them should be set",
    ),
    (
        {
            "container": {
                "type": "MESOS",
                "volumes": [
                    {
                        "mode": "RW",
                        "container_path": "p",
                        "source": CSI,
                    }
                ],
            }
        },
        "'source.csi_volume.static_provisioning' is not set for CSI volume",
    ),
    *(
        (
            {"container": {"type": "MESOS", "volumes": [{"mode": "RW", "container_path": "p", "source": source}]}},
            f"Task's `ContainerInfo` is invalid: Invalid volume: {why}",
        )
        for source, why in (
            ({"type": "UNKNOWN"}, "'source.type' is unknown"),
            ({"type": "DOCKER_VOLUME"}, "'source.docker_volume' is not set for DOCKER_VOLUME volume"),
            ({"type": "HOST_PATH"}, "'source.host_path' is not set for HOST_PATH volume"),
            ({"type": "SANDBOX_PATH"}, "'source.sandbox_path' is not set for SANDBOX_PATH volume"),
            ({"type": "SECRET"}, "'source.secret' is not set for SECRET volume"),
            ({"type": "CSI_VOLUME"}, "'source.csi_volume' is not set for CSI volume"),
        )
    ),
    ({"container": {"type": "DOCKER"}}, "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"),
    (
        {"container": {"type": "DOCKER", "docker": {"image": "i", "parameters": [{"key": "name", "value": "x"}]}}},
        "Parameter in DockerInfo must not be 'name'",
    ),
    ({"limits": {"disk": {"value": 1}}}, "Only cpus and mem may be included in a task's resource limits"),
    ({"limits": {"cpus": {"value": 0.5}}}, "The cpu limit must be greater than or equal to the cpu request"),
    ({"limits": {"mem": {"value": 1}}}, "The memory limit must be greater than or equal to the memory request"),
    (
        {"limits": {"mem": {"value": 1}}, "resources": scalars()[:1]},
        "When a memory limit is specified, a memory request must also be specified",
    ),
    ({"command": None}, "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"),
    ({"executor": CUSTOM}, "Task should have at least one (but not both)"),
    (
        {"container": {"type": "MESOS", "linux_info": {"share_cgroups": False}}},
        "Only tasks in a task group may have 'share_cgroups' set to 'false'",
    ),
    ({"resources": scalars(cpus=9.0)}, "required by task and its executor is more than available"),
    ({"command": None, "executor": {**CUSTOM, "type": "DEFAULT"}}, "must not be set for 'DEFAULT' executor"),
    ({"command": None, "executor": {**CUSTOM, "type": "DEFAULT", "command": None}}, "must be 'CUSTOM'"),
    ({"command": None, "executor": {"executor_id": {"value": "e"}}}, "'ExecutorInfo.command' must be set"),
    (
        {"command": None, "executor": {**CUSTOM, "framework_id": {"value": "x"}}},
        "ExecutorInfo has an invalid FrameworkID (Actual: x vs Expected: ",
    ),
    (
        {"command": None, "executor": {**CUSTOM, "shutdown_grace_period": {"nanoseconds": -1}}},
        "ExecutorInfo's 'shutdown_grace_period' must be non-negative",
    ),
    (
        {
            "command": None,
            "resources": [*scalars(), ports(31000, 31001)],
            "executor": {**CUSTOM, "resources": [ports(31001, 31002)]},
        },
        "There are overlapping resources in the task resources",
    ),
]


@pytest.mark.parametrize(("fields", "why"), LAUNCHED, ids=[why[:60] for _, why in LAUNCHED])
def test_a_bad_task_is_an_error(fields: Json, why: str) -> None:
    stage, framework, stream = begun()
    (offer,) = stage.offers(stream)
    stage.accept(framework, [offer], [launch(task_of(offer.agent_id.value, **fields), task("good", "m-S0"))])
    (status,) = stage.statuses(stream)
    assert status.state is TaskState.TASK_ERROR
    assert status.reason is TaskStatusReason.REASON_TASK_INVALID
    assert status.uuid is None
    assert why in (status.message or "")
    assert list(stage.state.frameworks[framework].tasks) == ["good"], "the others of the call go on"


def begun(info: FrameworkInfo | None = None) -> tuple[Stage, str, str]:
    stage = Stage()
    framework, stream = stage.subscribe(info or framework_info())
    stage.agent("cpus:4;mem:1024;disk:100;ports:[31000-31009]")
    return stage, framework, stream


OF_GROUPS: list[tuple[Json, list[Json], str]] = [
    ({"type": None}, [{}], "'ExecutorInfo.type' must be set"),
    ({"type": "UNKNOWN"}, [{}], "Unknown executor type"),
    ({"framework_id": None}, [{}], "'ExecutorInfo.framework_id' must be set"),
    ({"framework_id": {"value": "x"}}, [{}], "ExecutorInfo has an invalid FrameworkID (Actual: x vs Expected: "),
    ({"command": {"value": "x"}}, [{}], "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"),
    ({"type": "CUSTOM"}, [{}], "'ExecutorInfo.command' must be set for 'CUSTOM' executor"),
    (
        {"container": {"type": "DOCKER", "docker": {"image": "i"}}},
        [{}],
        "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor",
    ),
    (
        {"container": {"type": "MESOS", "mesos": {"image": {"type": "DOCKER", "docker": {"name": "i"}}}}},
        [{}],
        "'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor",
    ),
    (
        {"type": "CUSTOM", "command": {"value": "x"}, "container": {"type": "DOCKER", "docker": {"image": "i"}}},
        [{}],
        "Docker ContainerInfo is not supported on the executor",
    ),
    (
        {"resources": scalars(0.001, 32.0, disk=10.0)},
        [{}],
        "Executor 'e' uses less CPUs (0.001) than the minimum required (0.01)",
    ),
    (
        {"resources": scalars(0.1, 16.0, disk=10.0)},
        [{}],
        "Executor 'e' uses less memory (16MB) than the minimum required (32MB)",
    ),
    ({"resources": scalars(0.1, 32.0)}, [{}], "Executor 'e' uses no disk"),
    (
        {},
        [{"container": {"type": "DOCKER", "docker": {"image": "i"}}}],
        "Task 'a' is invalid: Docker ContainerInfo is not supported on the task",
    ),
    (
        {},
        [
            {
                "container": {"type": "MESOS", "network_infos": [{"name": "n"}]},
                "health_check": {"type": "TCP", "tcp": {"port": 1}},
            }
        ],
        "HTTP and TCP health checks are not supported for nested containers not joining parent's network",
    ),
    ({}, [{"limits": {"cpus": {"value": 2}}}], "Resource limits may only be set for tasks within a task group"),
    ({}, [{}, {"task_id": {"value": "a"}}], "Task 'a' is invalid: Task has duplicate ID: a"),
    (
        {},
        [{"executor": {"executor_id": {"value": "other"}, "type": "DEFAULT"}}],
        "The `ExecutorInfo` of task 'a' is different from executor 'e'",
    ),
    (
        {},
        [{"resources": [*scalars(), ports(31000, 31003)]}, {"resources": [*scalars(), ports(31003, 31004)]}],
        "There are overlapping resources in the task group's task resources",
    ),
    ({}, [{"resources": scalars(9.0)}], "required by task group and its executor are more than available"),
    (
        {},
        [{"container": {"type": "MESOS", "linux_info": {"share_cgroups": False}}}, {}],
        "the value of 'share_cgroups' must be the same for all tasks",
    ),
]


@pytest.mark.parametrize(("executor", "tasks", "why"), OF_GROUPS, ids=[why[:60] for *_, why in OF_GROUPS])
def test_a_bad_group_is_an_error_for_each_of_its_tasks(executor: Json, tasks: list[Json], why: str) -> None:
    stage, framework, stream = begun()
    (offer,) = stage.offers(stream)
    names = "abc"
    infos = [
        task_of(offer.agent_id.value, **{"task_id": {"value": names[position]}, **fields})
        for position, fields in enumerate(tasks)
    ]
    stage.accept(framework, [offer], [launch_group(executor_of(**executor), *infos)])
    statuses = stage.statuses(stream)
    assert len(statuses) == len(tasks)
    for status in statuses:
        assert (status.state, status.reason) == (TaskState.TASK_ERROR, TaskStatusReason.REASON_TASK_GROUP_INVALID)
        assert why in (status.message or "")
    assert not stage.state.frameworks[framework].tasks
    assert not stage.state.frameworks[framework].executors


def test_a_task_may_be_of_no_size() -> None:
    stage, framework, stream = begun()
    (offer,) = stage.offers(stream)
    empty = task_of("m-S0", resources=scalars(0.0, 0.0))
    stage.accept(framework, [offer], [launch(empty)], refuse_s=0)
    assert stage.statuses(stream) == []
    assert list(stage.state.frameworks[framework].tasks) == ["t"]
    assert not stage.state.agents["m-S0"].used
    stage.update(framework, "t", TaskState.TASK_FINISHED)
    assert not stage.state.agents["m-S0"].used


def test_the_framework_of_a_custom_executor_is_filled_in_for_a_single_task() -> None:
    stage, framework, stream = begun()
    custom = mesos_json.decode(json.dumps(CUSTOM).encode(), ExecutorInfo)
    stage.accept(framework, stage.offers(stream), [launch(task("a", "m-S0", executor=custom))])
    ((_, executor),) = stage.state.frameworks[framework].executors.items()
    assert executor.info.framework_id is not None
    assert executor.info.framework_id.value == framework


def test_tasks_under_one_executor_agree_on_cgroups_over_time() -> None:
    stage, framework, stream = begun()
    own = {"type": "MESOS", "linux_info": {"share_cgroups": False}}
    (offer,) = stage.offers(stream)
    first = task_of("m-S0", task_id={"value": "a"}, container=own, limits={"cpus": {"value": "Infinity"}})
    stage.accept(framework, [offer], [launch_group(executor_of(), first)], refuse_s=0)
    stage.clear()
    stage.wait(2)
    (offer,) = stage.offers(stream)
    stage.accept(framework, [offer], [launch_group(executor_of(), task_of("m-S0", task_id={"value": "b"}))])
    (status,) = stage.statuses(stream)
    assert "under a single executor" in (status.message or "")
    assert list(stage.state.frameworks[framework].tasks) == ["a"]


def test_the_id_of_an_unreachable_task_is_not_used_again() -> None:
    stage, framework, stream = begun()
    stage.run_task(framework, "t")
    stage.wait(120)
    assert "t" in stage.state.frameworks[framework].unreachable
    stage.clear()
    second, _ = stage.agent()
    (offer,) = stage.offers(stream)
    stage.accept(framework, [offer], [launch(task("t", second))])
    (status,) = stage.statuses(stream)
    assert status.message == "Task reuses the ID of an unreachable task: t"


def test_another_executor_of_the_same_id_is_refused() -> None:
    stage, framework, stream = begun()
    (offer,) = stage.offers(stream)
    custom = mesos_json.decode(json.dumps(CUSTOM).encode(), ExecutorInfo)
    stage.accept(framework, [offer], [launch(task("a", "m-S0", executor=custom))], refuse_s=0)
    stage.clear()
    stage.wait(2)
    (offer,) = stage.offers(stream)
    other = mesos_json.decode(json.dumps({**CUSTOM, "name": "other"}).encode(), ExecutorInfo)
    stage.accept(framework, [offer], [launch(task("b", "m-S0", executor=other))])
    (status,) = stage.statuses(stream)
    assert status.message == "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID."
