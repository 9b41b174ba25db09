"""What a framework's principal may not do: each action that ACLs name, refused with upstream's words and reasons.

Source: Mesos docs/authorization.md, ``ActionObject`` and the master's ``accept``.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from dcos.master.api_admin import quota_seen
from dcos.master.core.authorization import operation_wants
from dcos.master.core.state import Rules
from dcos.master.core.viewer import Viewer
from dcos.model.acls import Acls, Action
from dcos.model.resources import Resources
from dcos.model.v1.quota import QuotaConfig
from dcos.model.v1.types import (
    CommandInfo,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    OfferOperation,
    OperationID,
    Resource,
    ValueScalar,
)
from dcos.wire import acls as acls_wire
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
from tests.unit.master.served import basic, serving
from tests.unit.master.stage import Stage, framework_info, launch, launch_group, task
from tests.unit.master.test_access import acls

ANY, NONE = {"type": "ANY"}, {"type": "NONE"}


def forbid(section: str, objects: str) -> Acls:
    """``p`` may do this to nothing; everything else is allowed."""
    return acls_wire.parse(json.dumps({section: [{"principals": {"values": ["p"]}, objects: NONE}]}))


def begun(acls: Acls) -> tuple[Stage, str, str, str]:
    """(stage, framework of principal p, its stream, agent)"""
    stage = Stage(Rules(acls=acls))
    agent, _ = stage.agent("cpus:4;mem:1024;disk:1000")
    framework, stream = stage.subscribe(framework_info("fw", "r", principal="p", failover_timeout=100.0))
    return stage, framework, stream, agent


def test_a_task_under_a_user_that_is_not_allowed() -> None:
    stage, framework, stream, agent = begun(forbid("run_tasks", "users"))
    stage.accept(framework, stage.offers(stream), [launch(task("t", agent))])
    (status,) = stage.statuses(stream)
    assert (status.state, status.reason) == ("TASK_ERROR", "REASON_TASK_UNAUTHORIZED")
    assert status.message == (
        f"Principal 'p' no authorized to launch task t of framework {framework} under user 'root'"
    )


def test_one_task_that_is_not_allowed_refuses_its_group() -> None:
    rule = {"principals": {"values": ["p"]}, "users": {"values": ["root"]}}
    rules = acls_wire.parse(json.dumps({"run_tasks": [rule, {"principals": ANY, "users": NONE}]}))
    stage, framework, stream, agent = begun(rules)
    executor = ExecutorInfo(
        type=ExecutorInfoType.DEFAULT,
        executor_id=ExecutorID(value="e"),
        resources=Resources.parse("cpus:0.1;mem:32;disk:10").messages(),
    )
    other = msgspec.structs.replace(task("b", agent), command=CommandInfo(value="x", user="nobody"))
    stage.accept(framework, stage.offers(stream), [launch_group(executor, task("a", agent), other)])
    statuses = stage.statuses(stream)
    assert [(one.state, one.reason) for one in statuses] == [("TASK_ERROR", "REASON_TASK_GROUP_UNAUTHORIZED")] * 2
    assert {one.message for one in statuses} == {
        f"Task 'b' is not authorized to launch task b of framework {framework} under user 'nobody'"
    }


VOLUME = res("disk:10", "r", volume="v", principal="p")
OPERATIONS: list[tuple[str, str, list[OfferOperation], str]] = [
    ("reserve_resources", "roles", [reserve(res("cpus:1", "r", principal="p"))], "RESERVE_RESOURCES on object r"),
    (
        "unreserve_resources",
        "reserver_principals",
        [reserve(res("cpus:1", "r", principal="p")), unreserve(res("cpus:1", "r", principal="p"))],
        "UNRESERVE_RESOURCES on object p",
    ),
    (
        "create_volumes",
        "roles",
        [reserve(res("disk:10", "r", principal="p")), create(VOLUME)],
        "CREATE_VOLUME on object r",
    ),
    (
        "destroy_volumes",
        "creator_principals",
        [reserve(res("disk:10", "r", principal="p")), create(VOLUME), destroy(VOLUME)],
        "DESTROY_VOLUME on object p",
    ),
    (
        "resize_volumes",
        "roles",
        [
            reserve(res("disk:15", "r", principal="p")),
            create(VOLUME),
            grow(VOLUME, res("disk:5", "r", principal="p")),
        ],
        "RESIZE_VOLUME on object r",
    ),
    (
        "resize_volumes",
        "roles",
        [reserve(res("disk:10", "r", principal="p")), create(VOLUME), shrink(VOLUME, 5)],
        "RESIZE_VOLUME on object r",
    ),
]


@pytest.mark.parametrize(
    ("section", "objects", "operations", "what"), OPERATIONS, ids=[f"{row[0]} {row[2][-1].type}" for row in OPERATIONS]
)
def test_an_operation_that_is_not_allowed(
    section: str, objects: str, operations: list[OfferOperation], what: str
) -> None:
    stage, framework, stream, _ = begun(forbid(section, objects))
    named = [msgspec.structs.replace(one, id=OperationID(value=str(number))) for number, one in enumerate(operations)]
    stage.accept(framework, stage.offers(stream), named)
    statuses = [one.update_operation_status.status for one in stage.events(stream) if one.update_operation_status]
    (status,) = [one for one in statuses if one.state == "OPERATION_ERROR"]
    assert status.operation_id == OperationID(value=str(len(operations) - 1))
    assert status.message == f"Principal 'p' no authorized to perform action {what}"


def test_disks_of_providers_are_asked_about_by_kind() -> None:
    def held(kind: str) -> Resource:
        return msgspec.structs.replace(
            disk(kind, profile="x", volume="v"), reservations=res("cpus:1", "r").reservations
        )

    wanted = [
        (create_disk(held("RAW"), "MOUNT"), Action.CREATE_MOUNT_DISK),
        (create_disk(held("RAW"), "BLOCK"), Action.CREATE_BLOCK_DISK),
        (destroy_disk(held("MOUNT")), Action.DESTROY_MOUNT_DISK),
        (destroy_disk(held("BLOCK")), Action.DESTROY_BLOCK_DISK),
        (destroy_disk(held("RAW")), Action.DESTROY_RAW_DISK),
    ]
    for operation, action in wanted:
        assert list(operation_wants(operation)) == [(action, "r")]


ASKED_ABOUT_FRAMEWORKS = {
    *(
        "register_frameworks",
        "run_tasks",
        "reserve_resources",
        "unreserve_resources",
        "create_volumes",
        "destroy_volumes",
    ),
    *("resize_volumes", "create_block_disks", "destroy_block_disks", "create_mount_disks", "destroy_mount_disks"),
    "destroy_raw_disks",
}
READS = {
    *(
        "view_frameworks",
        "view_tasks",
        "view_executors",
        "view_roles",
        "view_flags",
        "get_endpoints",
        "access_mesos_logs",
    ),
    "get_quotas",
}


def test_every_action_of_a_master_is_tried_somewhere() -> None:
    """Frameworks' here; reads here, in ``test_access`` and ``test_operator_events``; changes in ``test_calls``; agents that
    register in ``test_agent_proof``. The rest are an agent's own.
    """
    of_agents = {
        *(
            "access_sandboxes",
            "view_containers",
            "prune_images",
            "view_standalone_containers",
            "view_resource_providers",
        ),
        *("modify_resource_provider_configs", "mark_resource_providers_gone"),
    }
    changes = {
        *("teardown_frameworks", "update_quotas", "update_weights", "set_log_level", "update_maintenance_schedules"),
        *("get_maintenance_schedules", "start_maintenances", "stop_maintenances", "get_maintenance_statuses"),
        *("drain_agents", "deactivate_agents", "reactivate_agents", "mark_agents_gone"),
    }
    every = {action.value.name for action in Action}
    of_agents |= {name for name in every if "_container" in name}
    assert every == ASKED_ABOUT_FRAMEWORKS | READS | {"register_agents"} | changes | of_agents


def test_executors_and_quotas_that_may_not_be_seen() -> None:
    stage, framework, stream, agent = begun(Acls())
    executor = ExecutorInfo(
        executor_id=ExecutorID(value="e"),
        command=CommandInfo(value="run", user="other"),
        resources=Resources.parse("cpus:0.1;mem:32").messages(),
    )
    stage.accept(framework, stage.offers(stream), [launch(task("t", agent, executor=executor))])
    (record,) = stage.state.frameworks[framework].executors.values()
    info = stage.state.frameworks[framework].info
    viewers = acls_wire.parse(json.dumps({"view_executors": [{"principals": ANY, "users": {"values": ["root"]}},
                                                             {"principals": ANY, "users": NONE}]}))  # fmt: skip
    assert not Viewer(viewers, "p").executor(record.info, info), "by the user of its command"
    assert Viewer(viewers, "p").executor(ExecutorInfo(executor_id=ExecutorID(value="x")), info), "or its framework's"
    for role in ("a", "b"):
        stage.state.quotas[role] = QuotaConfig(role=role, limits={"cpus": ValueScalar(value=1)})
    some = acls_wire.parse(json.dumps({"get_quotas": [{"principals": ANY, "roles": {"values": ["a"]}},
                                                      {"principals": ANY, "roles": NONE}]}))  # fmt: skip
    assert [one.role for one in quota_seen(stage.state, Viewer(some, "p")).configs] == ["a"]
    assert [one.role for one in quota_seen(stage.state, Viewer(some, "p")).infos] == ["a"]


async def test_the_log_is_for_those_who_may_read_it(tmp_path: Path) -> None:
    log, secrets = tmp_path / "log", tmp_path / "secrets"
    log.write_text("hello")
    secrets.write_text("chief x\nhand y\n")
    secrets.chmod(0o600)
    rules = [{"principals": {"values": ["chief"]}, "logs": ANY}, {"principals": ANY, "logs": NONE}]
    flags = (acls(access_mesos_logs=rules), "--authenticate_http_readonly", f"--credentials={secrets}")
    async with serving(*flags, "--authenticate_http_readwrite", f"--external_log_file={log}") as master:
        for name, secret, status in (("chief", "x", 200), ("hand", "y", 403)):
            headers = basic(name, secret)
            for path in ("read?path=/master/log&offset=0", "browse?path=/master/log", "download?path=/master/log"):
                assert (await master.get(f"/files/{path}", headers)).status == status, (name, path)
            for call in ("READ_FILE", "LIST_FILES"):
                member = {"path": "/master/log", **({"offset": 0} if call == "READ_FILE" else {})}
                assert (await master.call(call, headers, **member)).status == status, (name, call)
