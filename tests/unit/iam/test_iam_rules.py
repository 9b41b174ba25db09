"""Accounts, logins and limits, as tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dcos.iam.core import login, sha_crypt
from dcos.iam.core.errors import IamError
from dcos.iam.core.limits import FailureLimit
from dcos.iam.core.users import LEGACY_OIDC_PROVIDER, User, change, changed, check_uid, creation, shown
from dcos.wire import jwt

PUBLIC_KEY = jwt.public_pem(jwt.generate_key().public_key())


@pytest.mark.parametrize("uid", ["bob", "bob@example.com", "a.b-c_d", ".", "..", "X" * 96, "Bob"])
def test_good_uids(uid: str) -> None:
    assert check_uid(uid) == uid


@pytest.mark.parametrize("uid", ["", "X" * 97, "a b", "a/b", "bob\n", "böb", "anonymous", "a:b"])
def test_bad_uids(uid: str) -> None:
    with pytest.raises(IamError) as caught:
        check_uid(uid)
    assert (caught.value.status, caught.value.code) == (400, "ERR_INVALID_USER_ID")


@pytest.mark.parametrize(
    ("uid", "body", "kind", "provider"),
    [
        pytest.param("bob", {"password": "secret"}, "internal", "", id="password"),
        pytest.param("svc", {"public_key": PUBLIC_KEY, "description": "d"}, "internal", "", id="service"),
        pytest.param("bob@x.org", {}, "oidc", LEGACY_OIDC_PROVIDER, id="e-mail alone"),
        pytest.param(
            "bob@x.org",
            {"creator_uid": "a", "cluster_url": "u"},
            "oidc",
            LEGACY_OIDC_PROVIDER,
            id="what the old UI sends",
        ),
        pytest.param("bob@x.org", {"password": "secret"}, "internal", "", id="e-mail with password"),
        pytest.param("bob", {"provider_type": "ldap"}, "ldap", "", id="ldap"),
        pytest.param("bob", {"provider_type": "saml", "provider_id": "idp"}, "saml", "idp", id="saml"),
    ],
)
def test_creations(uid: str, body: dict[str, str], kind: str, provider: str) -> None:
    made = creation(uid, body)
    assert (made.user.provider_type, made.user.provider_id) == (kind, provider)
    assert made.password == body.get("password")
    assert made.user.is_service == ("public_key" in body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({}, "ERR_INVALID_DATA", id="nothing"),
        pytest.param({"password": "abcd"}, "ERR_INVALID_DATA", id="short password"),
        pytest.param({"password": ""}, "ERR_INVALID_DATA", id="empty password"),
        pytest.param({"password": "secret", "public_key": PUBLIC_KEY}, "ERR_INVALID_DATA", id="both"),
        pytest.param({"public_key": "x"}, "ERR_INVALID_PUBLIC_KEY", id="bad key"),
        pytest.param({"provider_type": "kerberos", "password": "secret"}, "ERR_INVALID_DATA", id="unknown provider"),
        pytest.param({"provider_type": "oidc"}, "ERR_INVALID_DATA", id="oidc without id"),
        pytest.param({"provider_type": "ldap", "password": "secret"}, "ERR_INVALID_DATA", id="ldap with password"),
        pytest.param({"provider_id": "x", "password": "secret"}, "ERR_INVALID_DATA", id="internal with id"),
        pytest.param({"password": "secret", "more": "x"}, None, id="unexpected field"),
        pytest.param({"password": 7}, None, id="wrong type"),
    ],
)
def test_refused_creations(body: dict[str, object], code: str | None) -> None:
    with pytest.raises(IamError) as caught:
        creation("bob", body)
    assert (caught.value.status, caught.value.code) == (400, code)


def test_changes() -> None:
    bob = User(uid="bob", description="old", password_hash="h")
    assert changed(bob, change({"description": "new"}), None) == User(uid="bob", description="new", password_hash="h")
    assert changed(bob, change({"password": "fresh"}), "h2") == User(uid="bob", description="old", password_hash="h2")
    for refused in ({}, {"password": "x"}, {"uid": "y"}):
        with pytest.raises(IamError):
            change(refused)
    for user in (User(uid="svc", public_key=PUBLIC_KEY), User(uid="bob", provider_type="ldap")):
        with pytest.raises(IamError) as caught:
            changed(user, change({"password": "secret"}), "h")
        assert caught.value.code == "ERR_INVALID_DATA"


def test_what_is_shown_has_no_hash() -> None:
    assert shown(User(uid="bob", description="d", password_hash="h")) == {
        "uid": "bob",
        "description": "d",
        "url": "/acs/api/v1/users/bob",
        "is_remote": False,
        "is_service": False,
        "provider_type": "internal",
        "provider_id": "",
    }
    assert shown(User(uid="svc", public_key="PEM"))["public_key"] == "PEM"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"uid": "b", "password": "p"}, login.PasswordLogin("b", "p")),
        ({"uid": "b", "password": "p", "other": 1}, login.PasswordLogin("b", "p")),
        ({"uid": "b", "token": "t"}, login.ServiceLogin("b", "t", None)),
        ({"uid": "b", "token": "t", "exp": 0}, login.ServiceLogin("b", "t", 0)),
        ({"token": "t"}, login.IdTokenLogin("t")),
    ],
)
def test_logins(body: dict[str, object], wanted: login.Login) -> None:
    assert login.parse(body) == wanted


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"uid": "b"},
        {"password": "p"},
        {"uid": "", "password": "p"},
        {"uid": "b", "password": ""},
        {"uid": "b", "password": "p", "token": "t"},
        {"uid": 7, "password": "p"},
        {"uid": "b", "token": "t", "exp": "0"},
        {"uid": "b", "token": "t", "exp": True},
    ],
)
def test_refused_logins(body: dict[str, object]) -> None:
    with pytest.raises(IamError) as caught:
        login.parse(body)
    assert caught.value.status == 400


def test_only_service_accounts_choose_the_end_of_a_token() -> None:
    service, person = User(uid="s", public_key="k"), User(uid="p", password_hash="h")
    assert login.token_end(person, 0, 100.5, 50) == 150
    assert login.token_end(service, 0, 100.5, 50) is None
    assert login.token_end(service, 120, 100.5, 50) == 120
    assert login.token_end(service, None, 100.5, 50) == 150


def test_the_limit_drains_one_by_one() -> None:
    limit = FailureLimit(burst=3, interval_s=10)
    for _ in range(3):
        assert limit.wait_s("bob", 0) == 0
        limit.failed("bob", 0)
    assert limit.wait_s("bob", 0) == 10
    assert limit.wait_s("bob", 4) == 6
    assert limit.wait_s("bob", 10) == 0
    assert limit.wait_s("eve", 0) == 0
    limit.failed("bob", 10)
    assert limit.wait_s("bob", 10) == 10
    limit.succeeded("bob")
    assert limit.wait_s("bob", 10) == 0


def test_the_limits_memory_is_bounded() -> None:
    limit = FailureLimit(burst=1, interval_s=10, capacity=2)
    for who in ("a", "b", "c"):
        limit.failed(who, 0)
    assert len(limit) == 2
    assert limit.wait_s("a", 0) == 0
    assert limit.wait_s("c", 0) == 10


CRYPT = json.loads((Path(__file__).parents[2] / "golden/iam/sha_crypt.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("password", "stored"), [(row["password"], row["hash"]) for row in CRYPT])
def test_sha_crypt(password: str, stored: str) -> None:
    assert sha_crypt.is_sha_crypt(stored)
    assert sha_crypt.verify(password, stored)
    assert not sha_crypt.verify(password + "x", stored)


@pytest.mark.parametrize("stored", ["", "$6$", "$5$abc$x", "$6$salt$short", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"])
def test_other_hashes_never_match(stored: str) -> None:
    assert not sha_crypt.verify("", stored)
