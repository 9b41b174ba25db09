"""Bouncer with a real OpenLDAP server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dcos.testing import slapd
from dcos.testing.slapd import BASE, LOOKUP_DN, LOOKUP_PASSWORD, LdapServer
from dcos.wire import jwt
from tests.unit.iam.served import KEY, NOW, Bouncer

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(slapd.why_not() is not None, reason=str(slapd.why_not())),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LdapServer]:
    with slapd.slapd(tmp_path_factory.mktemp("slapd")) as running:
        yield running


def _config(server: LdapServer, **changes: Any) -> dict[str, Any]:
    made = {
        "host": "localhost",
        "port": server.port,
        "enforce-starttls": True,
        "use-ldaps": False,
        "ca-certs": server.ca,
        "lookup-dn": LOOKUP_DN,
        "lookup-password": LOOKUP_PASSWORD,
        "user-search": {"search-base": BASE, "search-filter-template": "(uid=%(username)s)"},
        "group-search": {"search-base": BASE, "search-filter-template": "(cn=%(groupname)s)"},
        **changes,
    }
    return {key: value for key, value in made.items() if value is not None}


async def _log_in(bouncer: Bouncer, uid: str, password: str) -> int:
    status, said, _ = await bouncer.ask("POST", "/auth/login", {"uid": uid, "password": password})
    if status == 200:
        assert jwt.verify(said["token"], [KEY.public_key()], NOW).uid == uid
    return status


async def _code(bouncer: Bouncer, method: str, path: str, body: Any = None) -> tuple[int, str | None]:
    status, said, _ = await bouncer.ask(method, path, body)
    return status, said.get("code") if isinstance(said, dict) else None


async def test_settings_are_kept_and_shown_without_the_password(bouncer: Bouncer, server: LdapServer) -> None:
    assert await _code(bouncer, "GET", "/ldap/config") == (400, "ERR_LDAP_CONFIG_NOT_AVAILABLE")
    assert await _code(bouncer, "DELETE", "/ldap/config") == (400, "ERR_LDAP_CONFIG_NOT_AVAILABLE")
    for bad in ({"port": 0}, {"use-ldaps": True}, {"user-search": None}, {"lookup-dn": None}, {"more": 1}):
        assert await _code(bouncer, "PUT", "/ldap/config", _config(server, **bad)) == (
            400,
            "ERR_LDAP_CONFIG_INVALID",
        ), bad
    assert await _code(bouncer, "PUT", "/ldap/config", _config(server)) == (200, None)
    status, shown, _ = await bouncer.ask("GET", "/ldap/config")
    assert (status, shown["host"], "lookup-password" in shown) == (200, "localhost", False)
    assert "dcos-ldap" in (await bouncer.ask("GET", "/auth/providers"))[1]
    assert await _code(bouncer, "DELETE", "/ldap/config") == (204, None)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="search, StartTLS"),
        pytest.param({"enforce-starttls": False, "use-ldaps": True}, id="search, ldaps"),
        pytest.param({"user-search": None, "dntemplate": f"uid=%(username)s,{BASE}"}, id="template"),
    ],
)
async def test_people_of_the_directory_log_in(bouncer: Bouncer, server: LdapServer, changes: dict[str, Any]) -> None:
    changes = dict(changes)
    if changes.get("use-ldaps"):
        changes["port"] = server.tls_port
    assert await _code(bouncer, "PUT", "/ldap/config", _config(server, **changes)) == (200, None)
    credentials = {"uid": "ann", "password": "ann password"}
    status, said, _ = await bouncer.ask("POST", "/ldap/config/test", credentials)
    assert (status, said["code"]) == (200, "TEST_PASSED")
    assert await _log_in(bouncer, "ann", "wrong") == 401
    assert await _code(bouncer, "GET", "/users/ann") == (400, "ERR_UNKNOWN_USER_ID")
    assert await _log_in(bouncer, "ann", "ann password") == 200
    _, user, _ = await bouncer.ask("GET", "/users/ann")
    assert (user["provider_type"], user["is_remote"]) == ("ldap", True)
    assert (await bouncer.ask("GET", "/users/ann/permissions"))[1] == {"direct": [], "groups": []}
    assert await _log_in(bouncer, "ann", "ann password") == 200
    for uid in ("*", "a*", "ann)(uid=ben", "ann,dc=example", "nobody", "twin"):
        assert await _log_in(bouncer, uid, "ann password") == 401
    assert (await bouncer.ask("POST", "/auth/login", {"uid": "ann", "password": ""}))[0] == 400


async def test_local_accounts_never_go_to_the_directory(bouncer: Bouncer, server: LdapServer) -> None:
    await bouncer.ask("PUT", "/ldap/config", _config(server))
    await bouncer.ask("PUT", "/users/ben", {"password": "local password"})
    assert await _log_in(bouncer, "ben", "ben password") == 401
    assert await _log_in(bouncer, "ben", "local password") == 200


async def test_tests_tell_what_is_wrong(bouncer: Bouncer, server: LdapServer) -> None:
    async def tested(uid: str = "ann", password: str = "ann password", **changes: Any) -> tuple[int, str | None]:
        await bouncer.ask("PUT", "/ldap/config", _config(server, **changes))
        return await _code(bouncer, "POST", "/ldap/config/test", {"uid": uid, "password": password})

    assert await tested(password="wrong") == (502, "INVALID_CREDENTIALS")
    assert await tested(uid="nobody") == (502, "USER_NOT_FOUND")
    assert await tested(**{"port": 1}) == (502, "CONNECTION_FAILED")
    assert await tested(**{"lookup-password": "wrong"}) == (502, "CONNECTION_FAILED")
    assert await tested(**{"ca-certs": None}) == (502, "CONNECTION_FAILED"), "an unknown authority is not trusted"
    assert await tested(**{"host": "127.0.0.2"}) == (502, "CONNECTION_FAILED")
    assert await _log_in(bouncer, "ann", "ann password") == 401


async def test_users_and_groups_are_imported(bouncer: Bouncer, server: LdapServer) -> None:
    await bouncer.ask("PUT", "/ldap/config", _config(server))
    assert await _code(bouncer, "POST", "/ldap/importuser", {"username": "nobody"}) == (
        400,
        "ERR_LDAP_IMPORT_USER_NOT_FOUND",
    )
    assert await _code(bouncer, "POST", "/ldap/importuser", {"username": "ben"}) == (201, None)
    assert (await bouncer.ask("GET", "/users/ben"))[1]["description"] == "Ben B."
    assert await _code(bouncer, "POST", "/ldap/importuser", {"username": "ben"}) == (409, "ERR_USER_EXISTS")
    assert await _code(bouncer, "POST", "/ldap/importgroup", {"groupname": "nobodies"}) == (
        400,
        "ERR_LDAP_IMPORT_GROUP_NOT_FOUND",
    )
    for _ in range(2):
        assert await _code(bouncer, "POST", "/ldap/importgroup", {"groupname": "staff"}) == (201, None)
    _, members, _ = await bouncer.ask("GET", "/groups/staff/users")
    assert [one["user"]["uid"] for one in members["array"]] == ["ann", "ben"]
    assert (await bouncer.ask("GET", "/groups/staff"))[1]["provider_type"] == "ldap"
    assert await _log_in(bouncer, "ben", "ben password") == 200
