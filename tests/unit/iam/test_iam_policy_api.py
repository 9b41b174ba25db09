"""Groups and access lists over the store's twin."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.iam.policy_store import PolicyStore
from dcos.model.permissions import Permission
from tests.unit.iam.served import ACCOUNT_PEM, Bouncer

_RID = "dcos:service:marathon:marathon:services:/dev"
_AT = "/acls/dcos:service:marathon:marathon:services:%252Fdev"


async def _code(bouncer: Bouncer, method: str, path: str, body: Any = None) -> tuple[int, str | None]:
    status, said, _ = await bouncer.ask(method, path, body)
    return status, said.get("code") if isinstance(said, dict) else None


@pytest.fixture
async def peopled(bouncer: Bouncer) -> Bouncer:
    for uid, body in (
        ("bob", {"password": "secret"}),
        ("amy", {"password": "secret"}),
        ("svc", {"public_key": ACCOUNT_PEM}),
    ):
        assert (await bouncer.ask("PUT", f"/users/{uid}", body))[0] == 201
    assert (await bouncer.ask("PUT", "/groups/devs", {"description": "Developers"}))[0] == 201
    assert (await bouncer.ask("PUT", _AT, {"description": "dev apps"}))[0] == 201
    return bouncer


async def test_groups_have_members(peopled: Bouncer) -> None:
    assert await _code(peopled, "PUT", "/groups/devs", {"description": ""}) == (409, "ERR_GROUP_EXISTS")
    for uid in ("bob", "svc"):
        assert await _code(peopled, "PUT", f"/groups/devs/users/{uid}") == (204, None)
    assert (await _code(peopled, "PUT", "/groups/devs/users/bob"))[0] == 409
    assert await _code(peopled, "PUT", "/groups/devs/users/none") == (400, "ERR_UNKNOWN_USER_ID")
    assert await _code(peopled, "PUT", "/groups/none/users/bob") == (400, "ERR_UNKNOWN_GROUP_ID")
    _, members, _ = await peopled.ask("GET", "/groups/devs/users")
    assert [row["user"]["uid"] for row in members["array"]] == ["bob"]
    assert members["array"][0]["membershipurl"] == "/acs/api/v1/groups/devs/users/bob"
    _, services, _ = await peopled.ask("GET", "/groups/devs/users?type=service")
    assert [row["user"]["uid"] for row in services["array"]] == ["svc"]
    _, groups, _ = await peopled.ask("GET", "/users/bob/groups")
    group = {"gid": "devs", "url": "/acs/api/v1/groups/devs", "description": "Developers", "provider_type": "internal"}
    assert groups == {"array": [{"membershipurl": "/acs/api/v1/groups/devs/users/bob", "group": group}]}
    assert await _code(peopled, "PATCH", "/groups/devs", {"description": "D"}) == (204, None)
    assert (await peopled.ask("GET", "/groups/devs"))[1]["description"] == "D"
    assert await _code(peopled, "DELETE", "/groups/devs/users/bob") == (204, None)
    assert (await _code(peopled, "DELETE", "/groups/devs/users/bob"))[0] == 400
    assert await _code(peopled, "DELETE", "/groups/devs") == (204, None)
    assert await _code(peopled, "GET", "/groups/devs") == (400, "ERR_UNKNOWN_GROUP_ID")
    _, groups, _ = await peopled.ask("GET", "/groups")
    assert [row["gid"] for row in groups["array"]] == ["superusers"]


async def test_permissions_are_granted_seen_and_taken(peopled: Bouncer) -> None:
    await peopled.ask("PUT", "/groups/devs/users/bob")
    assert await _code(peopled, "PUT", f"{_AT}/users/bob/read") == (204, None)
    assert (await _code(peopled, "PUT", f"{_AT}/users/bob/read"))[0] == 409
    assert await _code(peopled, "PUT", f"{_AT}/groups/devs/full") == (204, None)
    assert await _code(peopled, "PUT", f"{_AT}/users/bob/fly") == (400, "ERR_INVALID_ACTION")
    assert await _code(peopled, "PUT", "/acls/none/users/bob/read") == (400, "ERR_UNKNOWN_RESOURCE_ID")
    url = "/acs/api/v1" + _AT
    _, held, reply = await peopled.ask("GET", "/users/bob/permissions")
    assert reply.headers["Cache-Control"] == "private, max-age=5"
    assert held == {
        "direct": [
            {
                "rid": _RID,
                "description": "dev apps",
                "aclurl": url,
                "actions": [{"name": "read", "url": f"{url}/users/bob/read"}],
            }
        ],
        "groups": [
            {
                "rid": _RID,
                "gid": "devs",
                "description": "dev apps",
                "aclurl": url,
                "membershipurl": "/acs/api/v1/groups/devs/users/bob",
                "actions": [{"name": "full", "url": f"{url}/groups/devs/full"}],
            }
        ],
    }
    assert (await peopled.ask("GET", f"{_AT}/users/bob/delete"))[1] == {"allowed": True}
    assert (await peopled.ask("GET", f"{_AT}/users/amy/delete"))[1] == {"allowed": False}
    _, both, _ = await peopled.ask("GET", f"{_AT}/permissions")
    assert ([one["uid"] for one in both["users"]], [one["gid"] for one in both["groups"]]) == (["bob"], ["devs"])
    asked = f"/internal/policyquery?rid={_RID}/db&uid=bob&action=update"
    assert (await peopled.ask("GET", asked))[1] == {"allowed": True}
    assert await _code(peopled, "DELETE", f"{_AT}/groups/devs/full") == (204, None)
    assert (await peopled.ask("GET", asked))[1] == {"allowed": False}
    assert await _code(peopled, "DELETE", f"{_AT}/groups/devs/full") == (400, "ERR_GROUP_NOT_IN_ACL")
    assert await _code(peopled, "DELETE", f"{_AT}/users/bob/full") == (400, "ERR_ACTION_NOT_YET_STORED")
    assert await _code(peopled, "DELETE", f"{_AT}/users/bob") == (204, None)
    assert await _code(peopled, "DELETE", f"{_AT}/users/bob") == (400, "ERR_USER_NOT_IN_ACL")
    assert await _code(peopled, "DELETE", _AT) == (204, None)
    assert (await peopled.ask("GET", "/acls"))[1]["array"] == [
        {"rid": "dcos:superuser", "url": "/acs/api/v1/acls/dcos:superuser", "description": "Everything"}
    ]


async def test_a_deleted_account_leaves_nothing_behind(peopled: Bouncer) -> None:
    await peopled.ask("PUT", "/groups/devs/users/bob")
    await peopled.ask("PUT", f"{_AT}/users/bob/read")
    assert await _code(peopled, "DELETE", "/users/bob") == (204, None)
    await peopled.ask("PUT", "/users/bob", {"password": "another"})
    assert (await peopled.ask("GET", "/users/bob/permissions"))[1] == {"direct": [], "groups": []}


async def test_there_is_always_a_superuser(peopled: Bouncer) -> None:
    for uid in ("bob", "amy"):
        assert await _code(peopled, "PUT", f"/groups/superusers/users/{uid}") == (204, None)
    assert (await peopled.ask("GET", "/internal/policyquery?rid=any:thing&uid=bob&action=full"))[1] == {"allowed": True}
    assert await _code(peopled, "DELETE", "/users/amy") == (204, None)
    assert await _code(peopled, "DELETE", "/users/bob") == (400, "ERR_NO_MORE_SUPERUSERS")
    assert await _code(peopled, "DELETE", "/groups/superusers/users/bob") == (400, "ERR_NO_MORE_SUPERUSERS")
    for path in ("/groups/superusers", "/acls/dcos:superuser", "/acls/dcos:superuser/groups/superusers/full"):
        assert await _code(peopled, "DELETE", path) == (400, "ERR_IS_SUPERUSER_GROUP")


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        pytest.param("PUT", "/groups/a%20b", {"description": ""}, "ERR_INVALID_GROUP_ID", id="gid"),
        pytest.param("PUT", "/groups/new", {}, "ERR_INVALID_DATA", id="no description"),
        pytest.param("PUT", "/groups/new", {"description": "", "x": ""}, None, id="unexpected field"),
        pytest.param("PUT", "/acls/a%20b", {"description": ""}, "ERR_INVALID_RESOURCE_ID", id="rid"),
        pytest.param(
            "PUT", "/groups/new", {"description": "", "provider_type": "x"}, "ERR_INVALID_DATA", id="provider"
        ),
        pytest.param("GET", "/internal/policyquery?rid=a", None, "ERR_MISSING_QUERY_PARAMETERS", id="query"),
    ],
)
async def test_refusals(peopled: Bouncer, method: str, path: str, body: Any, code: str | None) -> None:
    assert await _code(peopled, method, path, body) == (400, code)


async def test_another_master_sees_changes_and_both_may_write(peopled: Bouncer) -> None:
    other = PolicyStore(peopled.ensemble.session())
    await other.prepare("nobody")
    assert other.group("superusers").members == ("nobody",)
    await other.make_superuser("amy")
    await peopled.ask("PUT", "/groups/superusers/users/bob")
    await other.refresh()
    assert other.policy.grants("bob").allow(Permission("x"))
    assert other.policy.grants("amy").superuser
