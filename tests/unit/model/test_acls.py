"""ACLs: upstream's matrices, order, hierarchy of roles; their JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dcos.model.acls import ANY, EVERYTHING, Action, Entity, Kind, allows, matches
from dcos.wire.acls import parse
from dcos.wire.errors import WireError

NONE = Entity(Kind.NONE)
AB = Entity(values=frozenset("ab"))
A = Entity(values=frozenset("a"))


@pytest.mark.parametrize(
    ("request_", "acl", "matched", "allowed"),
    [
        (A, AB, True, True),
        (AB, A, False, False),
        (A, NONE, True, False),
        (A, ANY, True, True),
        (NONE, AB, False, False),
        (NONE, NONE, True, True),
        (NONE, ANY, False, False),
        (ANY, AB, False, False),
        (ANY, NONE, True, False),
        (ANY, ANY, True, True),
    ],
)
def test_the_matrices(request_: Entity, acl: Entity, matched: bool, allowed: bool) -> None:
    assert matches(request_, acl) is matched
    assert allows(request_, acl) is allowed


def made(**sections: Any) -> Any:
    return parse(json.dumps(sections))


def entity(*values: str, kind: str | None = None) -> dict[str, Any]:
    return {"type": kind} if kind else {"values": list(values)}


def test_the_first_match_decides() -> None:
    acls = made(
        register_frameworks=[
            {"principals": entity("foo", "bar"), "roles": entity("analytics")},
            {"principals": entity("foo"), "roles": entity(kind="NONE")},
        ]
    )
    register = Action.REGISTER_FRAMEWORK
    assert acls.allows(register, "foo", "analytics")
    assert not acls.allows(register, "foo", "other")
    assert acls.allows(register, "bar", "other"), "nothing matches: permissive"
    assert acls.allows(Action.RUN_TASK, "foo", "root")


def test_not_permissive() -> None:
    acls = made(permissive=False, run_tasks=[{"principals": entity("a"), "users": entity("alice")}])
    assert acls.allows(Action.RUN_TASK, "a", "alice")
    assert not acls.allows(Action.RUN_TASK, "a", "root")
    assert not acls.allows(Action.VIEW_FLAGS, "a")
    assert not acls.allows(Action.RUN_TASK, None, "alice")


def test_nobody_known_asks_for_any() -> None:
    acls = made(view_flags=[{"principals": entity("a"), "flags": entity(kind="ANY")}, ANYONE_NO_FLAGS])
    assert acls.allows(Action.VIEW_FLAGS, "a")
    assert not acls.allows(Action.VIEW_FLAGS, "b")
    assert not acls.allows(Action.VIEW_FLAGS, None)


ANYONE_NO_FLAGS = {"principals": {"type": "ANY"}, "flags": {"type": "NONE"}}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [("eng", True), ("eng/dev", True), ("eng/dev/x", True), ("engx", False), ("ops", False), ("ops/a", True)],
)
def test_hierarchical_roles(role: str, allowed: bool) -> None:
    acls = made(
        permissive=False, update_quotas=[{"principals": entity("op"), "roles": entity("eng", "eng/%", "ops/%")}]
    )
    assert acls.allows(Action.UPDATE_QUOTA, "op", role) is allowed
    assert not acls.allows(Action.UPDATE_QUOTA, "x", role)


def test_without_acls_everything_is_allowed() -> None:
    assert all(EVERYTHING.allows(action, None) for action in Action)
    assert not EVERYTHING.decides(Action.VIEW_TASK)


def test_every_section_can_be_read() -> None:
    for action in Action:
        section = action.value
        acls = made(
            permissive=False, **{section.name: [{"principals": entity("p"), section.objects: entity(kind="ANY")}]}
        )
        assert acls.allows(action, "p", None if section.whole else "/flags"), action
        assert not acls.allows(action, "q")
        assert acls.decides(action)
    assert len({action.value.name for action in Action}) == len(Action)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{", ""),
        ("[]", ""),
        ('{"permissive": 1}', "permissive"),
        ('{"run_tasks": 1}', "run_tasks"),
        ('{"run_tasks": [1]}', "run_tasks[0]"),
        ('{"run_tasks": [{"principals": {"type": "ANY"}}]}', "run_tasks[0].users"),
        ('{"run_tasks": [{"users": {"type": "ANY"}}]}', "run_tasks[0].principals"),
        ('{"run_tasks": [{"users": {"type": "ALL"}, "principals": {}}]}', "run_tasks[0].users.type"),
        ('{"run_tasks": [{"users": {"values": [1]}, "principals": {}}]}', "run_tasks[0].users.values"),
        ('{"view_flags": [{"principals": {}, "flags": {"values": ["x"]}}]}', "view_flags[0].flags"),
        ('{"get_endpoints": [{"principals": {}, "paths": {"values": ["/nope"]}}]}', "get_endpoints[0].paths"),
    ],
)
def test_mistakes_are_named(text: str, path: str) -> None:
    with pytest.raises(WireError) as error:
        parse(text)
    assert error.value.path == path


def test_sections_of_old_are_told() -> None:
    assert made(set_quotas=[], remove_quotas=[]).unknown == ("remove_quotas", "set_quotas")
