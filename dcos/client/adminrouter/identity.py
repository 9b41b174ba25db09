"""Who somebody is: login providers, login, and what a cluster says about itself.

Source: dcos-cli pkg/login and pkg/setup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from dcos.client.adminrouter.failures import ClientError, LoginNeeded, NotFound, Refused, Unreachable
from dcos.client.adminrouter.transport import Transport, Verify

_PROTECTED: Final = "/pkgpanda/active.buildinfo.full.json"
USERS: Final = "dcos-users"


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What ``/metadata`` and its neighbours tell."""

    id: str
    name: str
    version: str


def canonical_url(text: str, *, verify: Verify, timeout_s: float, user_agent: str) -> str:
    """The address a cluster really has: scheme added where it is missing, redirects of ``/`` followed.

    Errors: Unreachable, Untrusted.
    """
    given = text.strip().rstrip("/")
    candidates = [given] if "://" in given else [f"https://{given}", f"http://{given}"]
    trouble: ClientError | None = None
    for candidate in candidates:
        with Transport(candidate, verify=verify, timeout_s=timeout_s, user_agent=user_agent) as transport:
            try:
                reply = transport.ask("HEAD", "/")
            except Unreachable as error:
                trouble = trouble or error
                continue
        parts = urlsplit(reply.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    raise trouble or Unreachable(f"{text}: nobody answers")


def needs_login(transport: Transport) -> bool:
    """Whether the cluster asks for a token. A route that is there or nowhere, but open, asks for none."""
    reply = transport.ask("HEAD", _PROTECTED, authenticated=False)
    if reply.status == 401:
        return True
    if reply.status in (200, 404):
        return False
    raise Refused(reply.status, b"", reply.headers, f"{transport.url}: cannot tell how to log in")


def providers(transport: Transport) -> dict[str, dict[str, Any]]:
    """Login providers by id; a cluster without the endpoint has the one its challenge stands for."""
    try:
        found = transport.request("GET", "/acs/api/v1/auth/providers", authenticated=False).json()
    except NotFound:
        return {USERS: {"authentication-type": "dcos-uid-password", "description": "Log in with a local user account."}}
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}


def login(transport: Transport, uid: str, password: str) -> str:
    """The token.   Errors: LoginNeeded for wrong credentials."""
    credentials = {"uid": uid, "password": password}
    reply = transport.request("POST", "/acs/api/v1/auth/login", body=credentials, authenticated=False).json()
    token = reply.get("token") if isinstance(reply, dict) else None
    if not isinstance(token, str) or not token:
        raise ClientError("the cluster answered the login without a token")
    return token


def login_with_token(transport: Transport, uid: str | None, token: str) -> str:
    """The token for one that another authority, or an account's own key, signed.   Errors: LoginNeeded."""
    body = {"token": token} | ({"uid": uid} if uid else {})
    reply = transport.request("POST", "/acs/api/v1/auth/login", body=body, authenticated=False).json()
    got = reply.get("token") if isinstance(reply, dict) else None
    if not isinstance(got, str) or not got:
        raise ClientError("the cluster answered the login without a token")
    return got


def check_token(transport: Transport, token: str) -> None:
    """Errors: LoginNeeded for one that the cluster does not take."""
    reply = transport.ask("HEAD", _PROTECTED, headers={"Authorization": f"token={token}"}, authenticated=False)
    if reply.status == 401:
        raise LoginNeeded(401, b'{"message": "the cluster does not take this token"}', reply.headers, transport.url)
    if reply.status not in (200, 403, 404):
        raise Refused(reply.status, b"", reply.headers, f"{transport.url}: cannot tell whether the token is good")


def authority(transport: Transport) -> bytes:
    """The cluster's own CA certificate, PEM.   Errors: NotFound."""
    return transport.request("GET", "/ca/dcos-ca.crt", authenticated=False).body


def version(transport: Transport) -> str:
    """Release of the cluster; empty where it does not tell."""
    try:
        found = transport.request("GET", "/dcos-metadata/dcos-version.json", authenticated=False).json()
    except Refused:
        return ""
    return str(found.get("version", "")) if isinstance(found, dict) else ""


def public_address(transport: Transport) -> str:
    """Of the master that answers, as others reach it; empty where it does not tell.   Errors: LoginNeeded."""
    found = transport.get("/metadata")
    return str(found.get("PUBLIC_IPV4") or "") if isinstance(found, dict) else ""


def cluster_facts(transport: Transport) -> ClusterFacts:
    """Errors: LoginNeeded, ClientError for a cluster without an id."""
    metadata = transport.get("/metadata")
    cluster_id = str(metadata.get("CLUSTER_ID") or "").strip() if isinstance(metadata, dict) else ""
    if not cluster_id:
        raise ClientError(f"{transport.url} does not tell its cluster id yet; try again in a moment")
    try:
        name = str(transport.get("/mesos/state-summary").get("cluster") or "")
    except LoginNeeded:
        raise
    except ClientError:
        name = ""
    return ClusterFacts(cluster_id, name or cluster_id, version(transport))
