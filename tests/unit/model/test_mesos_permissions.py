"""Each action of Mesos by permissions: what it needs, what suffices, what is named when it is missing."""

from __future__ import annotations

import pytest

from dcos.model.acls import Action
from dcos.model.authorizer import PLAIN, About
from dcos.model.mesos_permissions import AGENT, MASTER, NEEDS, ON_AGENTS, SHOWN_BY_AGENTS, By, Granted
from dcos.model.permissions import Grants

DEV = About(roles=("dev", "web"), spaces=("/dev/db",), user="alice")
M, A = "dcos:mesos:master", "dcos:mesos:agent"

# action, object, what is known of it, (id, action) that is named and suffices
MASTERS: list[tuple[Action, str | None, About, str, str]] = [
    (Action.REGISTER_FRAMEWORK, "dev", PLAIN, f"{M}:framework:role:dev", "create"),
    (Action.REGISTER_FRAMEWORK, "dev/team", PLAIN, f"{M}:framework:role:dev/team", "create"),
    (Action.REGISTER_FRAMEWORK, None, PLAIN, f"{M}:framework:role", "create"),
    (Action.TEARDOWN_FRAMEWORK, "spark", PLAIN, f"{M}:framework:principal:spark", "delete"),
    (Action.TEARDOWN_FRAMEWORK, "", PLAIN, f"{M}:framework:principal", "delete"),
    (Action.RUN_TASK, "nobody", PLAIN, f"{M}:task:user:nobody", "create"),
    (Action.RESERVE_RESOURCES, "dev", PLAIN, f"{M}:reservation:role:dev", "create"),
    (Action.UNRESERVE_RESOURCES, "spark", PLAIN, f"{M}:reservation:principal:spark", "delete"),
    (Action.UNRESERVE_RESOURCES, None, PLAIN, f"{M}:reservation:principal", "delete"),
    (Action.CREATE_VOLUME, "dev", PLAIN, f"{M}:volume:role:dev", "create"),
    (Action.RESIZE_VOLUME, "dev", PLAIN, f"{M}:volume:role:dev", "create"),
    (Action.DESTROY_VOLUME, "spark", PLAIN, f"{M}:volume:principal:spark", "delete"),
    (Action.CREATE_BLOCK_DISK, "dev", PLAIN, f"{M}:block_disk", "create"),
    (Action.DESTROY_BLOCK_DISK, "dev", PLAIN, f"{M}:block_disk", "delete"),
    (Action.CREATE_MOUNT_DISK, "dev", PLAIN, f"{M}:mount_disk", "create"),
    (Action.DESTROY_MOUNT_DISK, "dev", PLAIN, f"{M}:mount_disk", "delete"),
    (Action.DESTROY_RAW_DISK, "dev", PLAIN, f"{M}:mount_disk", "delete"),
    (Action.GET_QUOTA, "dev", PLAIN, f"{M}:quota:role:dev", "read"),
    (Action.UPDATE_QUOTA, "dev", PLAIN, f"{M}:quota:role:dev", "update"),
    (Action.UPDATE_WEIGHT, "dev", PLAIN, f"{M}:weight:role:dev", "update"),
    (Action.VIEW_ROLE, "dev", PLAIN, f"{M}:framework:role:dev", "read"),
    (Action.GET_ENDPOINT, "/metrics/snapshot", PLAIN, f"{M}:endpoint:path:/metrics/snapshot", "read"),
    (Action.VIEW_FRAMEWORK, "root", DEV, f"{M}:framework:role:dev", "read"),
    (Action.VIEW_TASK, "root", DEV, f"{M}:task:app_id:/dev/db", "read"),
    (Action.VIEW_TASK, "root", PLAIN, f"{M}:task:app_id", "read"),
    (Action.VIEW_EXECUTOR, "root", DEV, f"{M}:executor:app_id:/dev/db", "read"),
    (Action.ACCESS_MESOS_LOG, None, PLAIN, f"{M}:log", "read"),
    (Action.VIEW_FLAGS, None, PLAIN, f"{M}:flags", "read"),
    (Action.SET_LOG_LEVEL, None, PLAIN, f"{M}:endpoint:path:/logging/toggle", "read"),
    (Action.REGISTER_AGENT, None, PLAIN, f"{M}:agent", "create"),
    (Action.DRAIN_AGENT, None, PLAIN, f"{M}:agent", "delete"),
    (Action.MARK_AGENT_GONE, None, PLAIN, f"{M}:agent", "delete"),
    (Action.DEACTIVATE_AGENT, None, PLAIN, f"{M}:agent", "update"),
    (Action.REACTIVATE_AGENT, None, PLAIN, f"{M}:agent", "update"),
    (Action.UPDATE_MAINTENANCE_SCHEDULE, None, PLAIN, f"{M}:agent", "update"),
    (Action.START_MAINTENANCE, None, PLAIN, f"{M}:agent", "update"),
    (Action.STOP_MAINTENANCE, None, PLAIN, f"{M}:agent", "update"),
    (Action.GET_MAINTENANCE_SCHEDULE, None, PLAIN, f"{M}:agent", "read"),
    (Action.GET_MAINTENANCE_STATUS, None, PLAIN, f"{M}:agent", "read"),
]
AGENTS: list[tuple[Action, str | None, About, str, str]] = [
    (Action.GET_ENDPOINT, "/containers", PLAIN, f"{A}:endpoint:path:/containers", "read"),
    (Action.VIEW_FRAMEWORK, "root", DEV, f"{A}:framework:role:dev", "read"),
    (Action.VIEW_TASK, "root", DEV, f"{A}:task:app_id:/dev/db", "read"),
    (Action.VIEW_EXECUTOR, "root", DEV, f"{A}:executor:app_id:/dev/db", "read"),
    (Action.VIEW_CONTAINER, "root", DEV, f"{A}:executor:app_id:/dev/db", "read"),
    (Action.ACCESS_SANDBOX, "root", DEV, f"{A}:sandbox:app_id:/dev/db", "read"),
    (Action.ACCESS_SANDBOX, "root", PLAIN, f"{A}:sandbox:app_id", "read"),
    (Action.ACCESS_MESOS_LOG, None, PLAIN, f"{A}:log", "read"),
    (Action.VIEW_FLAGS, None, PLAIN, f"{A}:flags", "read"),
    (Action.SET_LOG_LEVEL, None, PLAIN, f"{A}:endpoint:path:/logging/toggle", "read"),
    (Action.LAUNCH_NESTED_CONTAINER_UNDER_PARENT, "alice", DEV, f"{A}:container:app_id:/dev/db", "update"),
    (Action.LAUNCH_NESTED_CONTAINER_AS_USER, "bob", DEV, f"{A}:nested_container_session:user:bob", "create"),
    (Action.LAUNCH_SESSION_UNDER_PARENT, "alice", DEV, f"{A}:nested_container_session:app_id:/dev/db", "create"),
    (Action.LAUNCH_SESSION_AS_USER, None, DEV, f"{A}:nested_container_session:user:alice", "create"),
    (Action.LAUNCH_SESSION_AS_USER, None, PLAIN, f"{A}:nested_container_session:user", "create"),
    (Action.ATTACH_CONTAINER_INPUT, "alice", DEV, f"{A}:container:app_id:/dev/db", "update"),
    (Action.ATTACH_CONTAINER_OUTPUT, "alice", DEV, f"{A}:container:app_id:/dev/db", "update"),
    (Action.KILL_NESTED_CONTAINER, "alice", DEV, f"{A}:container:app_id:/dev/db", "update"),
    (Action.WAIT_NESTED_CONTAINER, "alice", DEV, f"{A}:container:app_id:/dev/db", "update"),
    (Action.REMOVE_NESTED_CONTAINER, "alice", DEV, f"{A}:container:app_id:/dev/db", "update"),
    (Action.LAUNCH_STANDALONE_CONTAINER, None, PLAIN, f"{A}:container:app_id", "update"),
    (Action.KILL_STANDALONE_CONTAINER, None, PLAIN, f"{A}:container:app_id", "update"),
    (Action.WAIT_STANDALONE_CONTAINER, None, PLAIN, f"{A}:container:app_id", "update"),
    (Action.REMOVE_STANDALONE_CONTAINER, None, PLAIN, f"{A}:container:app_id", "update"),
    (Action.VIEW_STANDALONE_CONTAINER, None, PLAIN, f"{A}:executor:app_id", "read"),
    (Action.PRUNE_IMAGES, None, PLAIN, A, "update"),
    (Action.VIEW_RESOURCE_PROVIDER, None, PLAIN, f"{A}:resource_provider", "read"),
    (Action.MODIFY_RESOURCE_PROVIDER_CONFIG, "create", PLAIN, f"{A}:resource_provider_config", "create"),
    (Action.MODIFY_RESOURCE_PROVIDER_CONFIG, "update", PLAIN, f"{A}:resource_provider_config", "update"),
    (Action.MODIFY_RESOURCE_PROVIDER_CONFIG, "delete", PLAIN, f"{A}:resource_provider_config", "delete"),
    (Action.MARK_RESOURCE_PROVIDER_GONE, None, PLAIN, f"{A}:resource_provider_config", "delete"),
]
CASES = [*((False, *row) for row in MASTERS), *((True, *row) for row in AGENTS)]


def some(*pairs: tuple[str, str]) -> Grants:
    actions: dict[str, frozenset[str]] = {}
    for rid, action in pairs:
        actions[rid] = actions.get(rid, frozenset()) | {action}
    return Grants(actions)


def decider(grants: Grants, *, agent: bool = False, anonymous: bool = False) -> Granted:
    made = Granted(ON_AGENTS if agent else NEEDS, anonymous=anonymous)
    made.tell("bob", grants)
    return made


@pytest.mark.parametrize(
    ("agent", "action", "what", "about", "rid", "verb"),
    CASES,
    ids=[f"{'agent' if row[0] else 'master'} {row[1].name} {row[4]} {row[5]}" for row in CASES],
)
def test_each_action(agent: bool, action: Action, what: str | None, about: About, rid: str, verb: str) -> None:
    nothing = decider(Grants(), agent=agent)
    assert not nothing.allows(action, "bob", what, about)
    assert nothing.missing(action, "bob", what, about) == rid
    assert nothing.decides(action, "bob")
    for enough in ((rid, verb), (rid, "full"), (rid.rpartition(":")[0], verb), ("dcos:superuser", "read")):
        assert decider(some(enough), agent=agent).allows(action, "bob", what, about), enough
    others = {"create", "read", "update", "delete"} - {verb}
    too_little = decider(some(*((rid, other) for other in others), (f"{rid}x", "full")), agent=agent)
    assert not too_little.allows(action, "bob", what, about)


def test_every_action_has_a_row_and_a_case() -> None:
    assert set(NEEDS) == set(Action)
    assert {row[1] for row in CASES} == set(Action)
    assert {row[1] for row in CASES if row[0]} >= set(SHOWN_BY_AGENTS)
    assert all(MASTER not in need.rid for action in SHOWN_BY_AGENTS for part in ON_AGENTS[action] for need in part)
    assert (MASTER, AGENT) == (M, A)


def test_a_task_of_a_group_needs_the_group_besides() -> None:
    user, group = (f"{M}:task:user:alice", "create"), (f"{M}:task:app_id:/dev", "create")
    assert decider(some(user)).allows(Action.RUN_TASK, "bob", "alice", PLAIN)
    assert not decider(some(user)).allows(Action.RUN_TASK, "bob", "alice", DEV)
    assert decider(some(user)).missing(Action.RUN_TASK, "bob", "alice", DEV) == f"{M}:task:app_id:/dev/db"
    assert decider(some(user, group)).allows(Action.RUN_TASK, "bob", "alice", DEV)
    both = About(spaces=("/dev/db", "/prod"))
    assert not decider(some(user, group)).allows(Action.RUN_TASK, "bob", "alice", both), "each group counts"
    assert decider(some(user, group)).missing(Action.RUN_TASK, "bob", "alice", both) == f"{M}:task:app_id:/prod"
    assert decider(Grants(), agent=True).allows(Action.RUN_TASK, "bob", "alice", DEV), "the master asked before"


def test_one_role_is_enough_and_each_group_is_needed() -> None:
    web = decider(some((f"{M}:framework:role:web", "read")))
    assert web.allows(Action.VIEW_FRAMEWORK, "bob", "root", DEV)
    assert not web.allows(Action.VIEW_FRAMEWORK, "bob", "root", About(roles=("webx",)))
    debugger = decider(some((f"{A}:container:role:web", "update")), agent=True)
    assert debugger.allows(Action.ATTACH_CONTAINER_OUTPUT, "bob", "alice", DEV), "by role as well as by group"
    dev = decider(some((f"{A}:sandbox:app_id:/dev", "read")), agent=True)
    assert dev.allows(Action.ACCESS_SANDBOX, "bob", "root", About(spaces=("dev/x",))), "with or without the first slash"
    assert not dev.allows(Action.ACCESS_SANDBOX, "bob", "root", About(spaces=("/devel",)))
    assert not dev.allows(Action.ACCESS_SANDBOX, "bob", "root", About(spaces=("/dev", "/prod")))
    assert not dev.allows(Action.ACCESS_SANDBOX, "bob", "root", PLAIN), "what says no group is nobody's group"


@pytest.mark.parametrize("kind", ["framework", "weight", "quota"])
def test_who_reads_anything_of_a_role_sees_the_role(kind: str) -> None:
    assert decider(some((f"{M}:{kind}:role:dev", "read"))).allows(Action.VIEW_ROLE, "bob", "dev")


def test_who_may_everything() -> None:
    for grants in (some(("dcos:superuser", "full")), some(("dcos:mesos", "full"))):
        assert not decider(grants).decides(Action.VIEW_TASK, "bob")
        assert decider(grants).bare("bob")
    assert decider(some(("dcos:mesos", "read"))).decides(Action.VIEW_TASK, "bob")
    assert not decider(Grants()).bare("bob")


def test_who_proved_nothing() -> None:
    strict, permissive = decider(Grants()), decider(Grants(), anonymous=True)
    assert not strict.allows(Action.TEARDOWN_FRAMEWORK, None, "x")
    assert strict.missing(Action.VIEW_FLAGS, None) == f"{M}:flags"
    assert permissive.allows(Action.TEARDOWN_FRAMEWORK, None, "x")
    assert not permissive.decides(Action.VIEW_TASK, None)
    assert not permissive.allows(Action.TEARDOWN_FRAMEWORK, "carol", "x"), "who has a name has its rights only"
    assert (permissive.asker("named", None), permissive.asker("named", "proved")) == (None, "proved")


def test_what_was_told_last_holds() -> None:
    made = decider(some((f"{M}:flags", "read")))
    assert made.allows(Action.VIEW_FLAGS, "bob")
    made.tell("bob", Grants())
    assert not made.allows(Action.VIEW_FLAGS, "bob")
    assert made.rights("bob") == made.rights("carol") == made.rights(None) == Grants()


def test_services_are_known_from_the_start_and_keep_their_rights() -> None:
    made = Granted(services={"dcos_marathon": some((f"{M}:flags", "read"))}, anonymous=False)
    assert made.knows("dcos_marathon")
    assert not made.knows("bob")
    made.tell("dcos_marathon", some(("dcos:superuser", "full")))
    assert made.allows(Action.VIEW_FLAGS, "dcos_marathon")
    assert not made.allows(Action.ACCESS_MESOS_LOG, "dcos_marathon")


def test_endings_of_ids() -> None:
    assert {one.by for row in NEEDS.values() for part in row for one in part} == set(By)
