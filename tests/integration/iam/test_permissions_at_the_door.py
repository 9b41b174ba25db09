"""Permissions as the front door checks them: real bouncer, secret store, Admin Router and Mesos master."""

from __future__ import annotations

import contextlib
import http.client
import time
import urllib.request
from collections.abc import Iterator

import pytest

from dcos.testing.cluster import Answer
from dcos.testing.identity import GuardedCluster, guarded, why_not
from dcos.testing.patience import PATIENCE_S
from tests.integration.iam.forged import forgeries

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]
ROUTES = {
    "/mesos/state-summary": "dcos:adminrouter:ops:mesos",
    "/service/marathon/v2/info": "dcos:adminrouter:service:marathon",
    "/marathon/v2/info": "dcos:adminrouter:service:marathon",
    "/service/metronome/v1/jobs": "dcos:adminrouter:service:metronome",
    "/service/some/where/": "dcos:adminrouter:service:some",
    "/agent/none/x": "dcos:adminrouter:ops:slave",
    "/slave/none/x": "dcos:adminrouter:ops:slave",
    "/metadata": "dcos:adminrouter:ops:metadata",
    "/dcos-metadata/other.json": "dcos:adminrouter:ops:metadata",
    "/pkgpanda/active.buildinfo.full.json": "dcos:adminrouter:ops:metadata",
    "/exhibitor/exhibitor/v1/cluster/list": "dcos:adminrouter:ops:exhibitor",
    "/mesos_dns/v1/version": "dcos:adminrouter:ops:mesos-dns",
    "/net/v1/version": "dcos:adminrouter:ops:networking",
    "/package/list": "dcos:adminrouter:package",
    "/capabilities": "dcos:adminrouter:package",
    "/cosmos/service/x": "dcos:adminrouter:package",
    "/system/health/v1": "dcos:adminrouter:ops:system-health",
    "/system/v1/logs/x": "dcos:adminrouter:ops:system-logs",
    "/system/v1/metrics/x": "dcos:adminrouter:ops:system-metrics",
    "/system/v1/agent/none/logs": "dcos:adminrouter:ops:system-logs",
    "/system/v1/agent/none/metrics/v0/node": "dcos:adminrouter:ops:system-metrics",
    "/acs/api/v1/users": "dcos:adminrouter:acs",
    "/acs/api/v1/auth/oidc/providers": "dcos:adminrouter:acs",
    "/acs/api/v1/auth/oidc/providers/some": "dcos:adminrouter:acs",
    "/acs/api/v1/auth/saml/providers": "dcos:adminrouter:acs",
    "/acs/api/v1/auth/saml/providers/some": "dcos:adminrouter:acs",
    "/acs/api/v1/auth/saml/providers/some/acs-callback-url": "dcos:adminrouter:acs",
    "/acs/api/v1/auth/saml/providers/some/acs-callback/x": "dcos:adminrouter:acs",
    "/acs/api/v1/auth/%6Fidc/providers/some": "dcos:adminrouter:acs",
    "/acs/api/v1/ldap/config": "dcos:adminrouter:acs",
    "/acs/api/v1/users/admin/permissions": "dcos:adminrouter:acs",
    "/acs/api/v1/internal/policyquery?rid=a&uid=b&action=full": "dcos:adminrouter:acs",
}
_OPEN = ("/dcos-metadata/dcos-version.json", "/acs/api/v1/auth/jwks", "/acs/api/v1/auth/providers", "/nginx/metrics")


@pytest.fixture(scope="module")
def cluster() -> Iterator[GuardedCluster]:
    with guarded("permissions") as made:
        made.start_identity("--security=permissive")
        made.start_mesos()
        made.eventually("a master", lambda: made.through("GET", "/mesos/state-summary").status == 200)
        yield made


@pytest.fixture
def bob(cluster: GuardedCluster) -> Iterator[str]:
    made = cluster.through("PUT", "/acs/api/v1/users/bob", {"password": "for bob"})
    assert made.status == 201, made
    cluster.log_in("bob", "for bob")
    yield "bob"
    cluster.through("DELETE", "/acs/api/v1/users/bob")


def _header(answer: Answer, name: str) -> str | None:
    return next((value for key, value in answer.headers.items() if key.lower() == name), None)


def _grant(cluster: GuardedCluster, uid: str, rid: str, method: str = "PUT") -> None:
    escaped = rid.replace("/", "%252F")
    cluster.through("PUT", f"/acs/api/v1/acls/{escaped}", {"description": ""})
    assert cluster.through(method, f"/acs/api/v1/acls/{escaped}/users/{uid}/full").status == 204


@pytest.mark.parametrize("path", ROUTES)
def test_each_route_needs_its_permission_and_says_so(cluster: GuardedCluster, bob: str, path: str) -> None:
    assert cluster.through("GET", path, uid=None).status == 401
    refused = cluster.through("GET", path, uid=bob)
    assert refused.status == 403, refused
    assert _header(refused, "x-dcos-missing-permission") == ROUTES[path]
    assert f"<code>{ROUTES[path]}</code>" in refused.text
    assert cluster.through("GET", path).status not in (401, 403), "a superuser may"


@pytest.mark.parametrize("path", _OPEN)
def test_what_needs_nothing(cluster: GuardedCluster, path: str) -> None:
    assert cluster.through("GET", path, uid=None).status == 200


def test_everybody_may_read_about_itself_but_change_nothing(cluster: GuardedCluster, bob: str) -> None:
    own = "/acs/api/v1/users/bob"
    assert cluster.through("GET", own, uid=bob).json()["uid"] == bob
    assert cluster.through("GET", f"{own}/permissions", uid=bob).json() == {"direct": [], "groups": []}
    assert cluster.through("GET", f"{own}/groups", uid=bob).json() == {"array": []}
    assert cluster.through("PATCH", own, {"password": "other"}, uid=bob).status == 403
    assert cluster.through("DELETE", own, uid=bob).status == 403
    assert cluster.through("PUT", "/acs/api/v1/groups/superusers/users/bob", uid=bob).status == 403
    for path in ("/acs/api/v1/users/bob/../admin", "/acs/api/v1/users/bob%2F..%2Fadmin", "/acs/api/v1/users//admin"):
        assert cluster.through("GET", path, uid=bob).status in (400, 403, 404)


def test_a_right_holds_soon_and_ends_soon(cluster: GuardedCluster, bob: str) -> None:
    path, rid = "/mesos/state-summary", "dcos:adminrouter:ops:mesos"

    def status() -> int:
        return cluster.through("GET", path, uid=bob).status

    assert status() == 403
    for method, wanted in (("PUT", 200), ("DELETE", 403)):
        _grant(cluster, bob, rid, method)
        cluster.eventually(f"{method} holds", lambda wanted=wanted: status() == wanted)
    assert cluster.through("PUT", "/acs/api/v1/groups/superusers/users/bob").status == 204
    cluster.eventually("a superuser may", lambda: status() == 200)
    assert cluster.through("GET", "/acs/api/v1/users", uid=bob).status == 200
    assert cluster.through("DELETE", "/acs/api/v1/users/bob").status == 204
    cluster.eventually("who is deleted may nothing", lambda: status() == 403)
    assert cluster.through("PUT", "/acs/api/v1/users/bob", {"password": "for bob"}).status == 201


def test_nested_services_have_names_of_their_own(cluster: GuardedCluster, bob: str) -> None:
    _grant(cluster, bob, "dcos:adminrouter:service:metronome")
    jobs = "/service/metronome/v1/jobs"  # where nobody leads
    cluster.eventually("granted", lambda: cluster.through("GET", jobs, uid=bob).status == 503)
    assert cluster.through("GET", "/service/marathon/v2/apps", uid=bob).status == 403
    assert cluster.through("GET", "/service//marathon/v2/apps", uid=bob).status == 403
    assert cluster.through("GET", "/service/metronome/../marathon/v2/apps", uid=bob).status == 403
    assert cluster.through("GET", "/service/metronome/%2e%2e/marathon/v2/apps", uid=bob).status == 403


def test_bouncer_away_for_a_while_changes_nothing_for_who_is_known(cluster: GuardedCluster, bob: str) -> None:
    _grant(cluster, bob, "dcos:adminrouter:ops:metadata")
    cluster.eventually("granted", lambda: cluster.through("GET", "/metadata", uid=bob).status == 200)
    cluster.processes["bouncer"].kill()
    try:
        time.sleep(5)  # longer than nginx remembers
        assert cluster.through("GET", "/metadata", uid=bob).status == 200
        assert cluster.through("GET", "/mesos/state-summary", uid=bob).status == 403
    finally:
        cluster.processes["bouncer"].start()
        cluster.eventually("bouncer is back", lambda: cluster.log_in("admin", "open sesame"))


def test_the_audit_log_tells_who_changed_what(cluster: GuardedCluster, bob: str) -> None:
    url = f"http://127.0.0.1:{cluster.port('router')}/acs/api/v1/groups/audited"
    headers = {
        "Authorization": f"token={cluster.tokens['admin']}",
        "X-Dcos-Uid": "somebody-else",
        "Content-Type": "application/json",
    }
    request = urllib.request.Request(url, data=b'{"description": ""}', method="PUT", headers=headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        assert answer.status == 201
    text = (cluster.folder / "bouncer.log").read_text()
    (line,) = (one for one in text.splitlines() if "group-add" in one)
    assert "uid=admin" in line
    assert "somebody-else" not in text
    assert cluster.through("DELETE", "/acs/api/v1/groups/audited").status == 204


def test_the_audit_log_tells_who_was_refused_what(cluster: GuardedCluster, bob: str) -> None:
    cluster.through("GET", "/package/search", uid=bob)
    lines = [line for line in (cluster.folder / "router.log").read_text().splitlines() if "audit" in line]
    assert any("deny" in line and "dcos:adminrouter:package" in line and "bob" in line for line in lines)
    text = "\n".join((cluster.folder / f"{name}.log").read_text() for name in ("router", "bouncer", "secrets"))
    assert "for bob" not in text
    assert cluster.tokens["bob"] not in text


def test_no_forged_token_gets_through(cluster: GuardedCluster) -> None:
    good = cluster.tokens["admin"]
    cookie = {"Cookie": f"dcos-acs-auth-cookie={good}"}
    for path in ("/mesos/state-summary", "/acs/api/v1/users", "/secrets/v1/store", "/service/marathon/v2/apps"):
        for value in forgeries(cluster):
            for more in ({}, cookie):
                # a header wins over a cookie, so a bad one is not saved by a good cookie
                status = _asked(cluster, path, {"Authorization": value, **more})
                assert status in (400, 401), (path, value, status)
        assert _asked(cluster, path, cookie) not in (401, 403)


def _asked(cluster: GuardedCluster, path: str, headers: dict[str, str]) -> int:
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", cluster.port("router"), timeout=PATIENCE_S)
    ) as link:
        link.putrequest("GET", path, skip_accept_encoding=True)
        for name, value in headers.items():
            link.putheader(name, value.encode())
        link.endheaders()
        return link.getresponse().status


_TRICKS = (
    "/mesos/../acs/api/v1/users",
    "/acs/api/v1/auth/../users",
    "/acs/api/v1/auth/%2e%2e/users",
    "/acs/api/v1/auth/..%2fusers",
    "/acs/api/v1/auth//../users",
    "/acs/api/v1//users",
    "//acs/api/v1/users",
    "/./acs/api/v1/users",
    "/acs%2Fapi%2Fv1%2Fusers",
    "/secrets/v1/../../acs/api/v1/users",
    "/secrets/v1/..%2f..%2facs/api/v1/users",
    "/acs/api/v1/users/bob/..",
    "/acs/api/v1/users/bob/permissions/../../admin",
    "/_dcos/decide",
    "/acs/api/v1/users;/auth/jwks",
    "/acs/api/v1/auth/jwks/../../users",
    "/cache/master/../../acs/api/v1/users",
)


@pytest.mark.parametrize("path", _TRICKS)
def test_no_path_leads_around_the_check(cluster: GuardedCluster, bob: str, path: str) -> None:
    for headers in ({}, {"Authorization": f"token={cluster.tokens[bob]}"}):
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", cluster.port("router"), timeout=PATIENCE_S)
        ) as link:
            link.putrequest("GET", path, skip_accept_encoding=True)
            for name, value in headers.items():
                link.putheader(name, value)
            link.endheaders()
            reply = link.getresponse()
            body = reply.read()
        own = path.endswith("/bob/..") or b'"uid": "bob"' in body
        assert b'"uid": "admin"' not in body, path
        assert reply.status >= 300 or own or b"<html" in body, (path, reply.status, body[:200])
