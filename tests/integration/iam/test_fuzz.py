"""Requests made to get past the front door: real nginx, real identity service. Nothing of it may pass.

What the identity service is asked to do is seen from what it did: no account, group or permission may appear. What reaches other
services is seen at mock upstreams in ``tests/integration/adminrouter/test_fuzz.py``.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
from collections.abc import Iterator

import pytest

from dcos.testing.identity import GuardedCluster, guarded, why_not
from dcos.testing.patience import PATIENCE_S

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]
_WRITES = {
    "/acs/api/v1/users/intruder": b'{"password": "an intruder"}',
    "/acs/api/v1/groups/intruders": b'{"description": ""}',
    "/acs/api/v1/acls/dcos:superuser:intruder": b'{"description": ""}',
    "/acs/api/v1/groups/superusers/users/bob": b"",
    "/acs/api/v1/acls/dcos:superuser/users/bob/full": b"",
    "/acs/api/v1/auth/oidc/providers/intruder": b'{"description": "", "issuer": "http://127.0.0.1:1", '
    b'"base_url": "http://127.0.0.1:1", "client_id": "a", "client_secret": "b"}',
}
_BACK = ("/../", "/%2e%2e/", "%2f..%2f", "%2F%2e%2e%2F", "/.%2e/", "//../", "/..//", "%5c..%5c", "/..;/", "/%00/../")
_OPEN = ("auth/", "auth/login", "auth/jwks")


def _tricks(path: str) -> Iterator[str]:
    """Forms of ``path`` that end, by somebody's reading, below a path that is open, or come from there."""
    depth = path.removeprefix("/acs/api/v1/").count("/") + 1
    rest = path.removeprefix("/acs/api/v1/")
    for back, opened in itertools.product(_BACK, _OPEN):
        yield f"{path}{back * depth}{opened}"
        # one segment for who does not decode: the last id of the path goes on to the end
        yield f"{path}{'%2f..' * depth}%2f{opened.replace('/', '%2f')}"
        yield f"{path}{back[:-1] * depth}{back[-1]}{opened}"
        yield f"/acs/api/v1/{opened.rstrip('/')}{back * opened.rstrip('/').count('/')}{back}{rest}"
    yield from (path.replace("/acs", "//acs"), path.replace("/api", "/./api"), path.replace("/", "%2F"))
    yield from (path.upper(), f"{path}?/auth/", f"{path}#/auth/", f"{path};/auth/jwks", f"{path}/", f"{path}%00")
    yield f"http://cluster.test/acs/api/v1/auth/..{path.removeprefix('/acs/api/v1')}"
    yield f"http://cluster.test{path}"


@pytest.fixture(scope="module")
def cluster() -> Iterator[GuardedCluster]:
    with guarded("fuzz") as made:
        made.start_identity("--security=permissive")
        assert made.through("PUT", "/acs/api/v1/users/bob", {"password": "for bob"}).status == 201
        made.log_in("bob", "for bob")
        yield made


def _sent(cluster: GuardedCluster, method: str, path: str, body: bytes, token: str | None) -> tuple[int, bytes]:
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", cluster.port("router"), timeout=PATIENCE_S)
    ) as link:
        link._validate_path = lambda _: None  # type: ignore[attr-defined]
        link.putrequest(method, path, skip_accept_encoding=True)
        link.putheader("Content-Type", "application/json")
        link.putheader("Content-Length", str(len(body)))
        if token is not None:
            link.putheader("Authorization", f"token={token}")
        link.endheaders(body)
        reply = link.getresponse()
        return reply.status, reply.read()


def _known(cluster: GuardedCluster) -> str:
    """Everything that the identity service holds, as text to be compared."""
    users = cluster.through("GET", "/acs/api/v1/users").json()
    held = [users, *(cluster.through("GET", f"/acs/api/v1/{what}").json() for what in ("groups", "acls"))]
    held += [cluster.through("GET", f"/acs/api/v1/users/{uid}/permissions").json() for uid in ("bob", "admin")]
    held.append(cluster.through("GET", "/acs/api/v1/auth/oidc/providers").json())
    return json.dumps(held, sort_keys=True)


@pytest.mark.parametrize("path", _WRITES)
def test_no_path_writes_without_the_right(cluster: GuardedCluster, path: str) -> None:
    before = _known(cluster)
    for token in (None, cluster.tokens["bob"]):
        for trick in _tricks(path):
            for method in ("PUT", "DELETE"):
                status, body = _sent(cluster, method, trick, _WRITES[path], token)
                assert status >= 300, (method, trick, status, body[:200])
    assert _known(cluster) == before
