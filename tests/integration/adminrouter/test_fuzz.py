"""Requests that are not what they should be: no upstream may see one without a token, but on the open routes.

Every mock upstream says in its answer which path reached it, so an answer that passed the check unduly shows itself.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Iterator

import pytest

from tests.integration.adminrouter.front_door import AUTH, BAD_TOKEN, TOKEN, FrontDoor

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
_PATIENCE_S = 60.0
_OPEN = (
    ("dcos-bouncer", "/acs/api/v1/auth/"),
    ("dcos-bouncer", "/acs/api/v1/uiconfig/"),
    ("dcos-exhibitor", "/exhibitor/v1/cluster/status"),
    ("master", "/master/"),
)
"""What may be reached without a token: upstream and how the path begins that it sees."""


def _answers(door: FrontDoor, raw: bytes, *, idle_s: float = _PATIENCE_S) -> bytes:
    """Whatever comes back until the connection is closed; after ``idle_s`` of silence our end says that nothing more comes."""
    got = b""
    with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", door.port), _PATIENCE_S) as link:
        link.sendall(raw)
        link.settimeout(idle_s)
        while True:
            try:
                chunk = link.recv(65536)
            except TimeoutError:
                link.settimeout(_PATIENCE_S)
                link.shutdown(socket.SHUT_WR)
                continue
            if not chunk:
                break
            got += chunk
    return got


def _reached(answer: bytes) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Upstream, path and headers of every request that passed."""
    at = answer.find(b'{"upstream"')
    while at >= 0:
        said, _ = json.JSONDecoder().raw_decode(answer[at:].decode(errors="replace"))
        yield said["upstream"], said["path"], said["headers"]
        at = answer.find(b'{"upstream"', at + 1)


def _is_open(upstream: str, path: str) -> bool:
    return ".." not in path and any(upstream == name and path.startswith(begin) for name, begin in _OPEN)


def _request(path: str, *headers: str, method: str = "GET", body: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: cluster.test", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1")


PARTS = (
    *(
        "mesos",
        "service",
        "web",
        "marathon",
        "acs",
        "api",
        "v1",
        "auth",
        "users",
        "agent",
        "agent-1",
        "package",
        "cache",
    ),
    *(
        "master",
        "exhibitor",
        "cluster",
        "status",
        "secrets",
        "system",
        "health",
        "metadata",
        "_dcos",
        "decide",
        "token",
    ),
    *("dcos-metadata", "dcos-version.json", "ui-config.json", "nginx", "metrics", "login", "none", "mesos_dns", "net"),
)
JOINTS = (
    "/",
    "/",
    "/",
    "//",
    "/./",
    "/../",
    "%2f",
    "%2F",
    "%252f",
    "/%2e%2e/",
    "/%2e/",
    "\\",
    "%5c",
    ";/",
    "?",
    "#",
    "%00",
)
ENDS = (
    "",
    "/",
    "/..",
    "%2f..",
    "?x=/../",
    "%0d%0aX-Dcos-Uid:%20admin",
    "%20HTTP/1.1",
    "..;/",
    "%c0%ae%c0%ae/",
    "%u002e",
    "*",
)


def _paths(seed: int, count: int) -> Iterator[str]:
    rng = random.Random(seed)
    for _ in range(count):
        words = [rng.choice(PARTS) for _ in range(rng.randint(1, 6))]
        path = "".join(rng.choice(JOINTS) + word for word in words) + rng.choice(ENDS)
        if rng.random() < 0.1:
            path = f"http://other.test{path}"
        yield path if path.startswith(("/", "http")) or rng.random() < 0.2 else f"/{path}"


@pytest.mark.parametrize("seed", range(6))
def test_no_path_passes_without_a_token(door: FrontDoor, seed: int) -> None:
    for path in _paths(seed, 250):
        for upstream, seen, _ in _reached(_answers(door, _request(path.replace(" ", "%20")))):
            assert _is_open(upstream, seen), (path, upstream, seen)


@pytest.mark.parametrize("seed", range(2))
def test_what_passes_with_a_token_is_what_was_decided_on(door: FrontDoor, seed: int) -> None:
    """No upstream of fixed routes sees a path that it could read as another route's."""
    fixed = ("dcos-bouncer", "dcos-cosmos", "dcos-diagnostics", "dcos-net", "dcos-mesos-dns", "dcos-exhibitor")
    reached = 0
    for path in _paths(100 + seed, 250):
        answer = _answers(door, _request(path.replace(" ", "%20"), f"Authorization: {AUTH['Authorization']}"))
        for upstream, seen, headers in _reached(answer):
            reached += 1
            assert "X-Dcos-Uid" not in headers or headers["X-Dcos-Uid"] == "bob"
            if upstream in fixed:
                plain = seen.partition("?")[0].lower()
                assert "/../" not in plain.replace("%2e", ".").replace("%2f", "/"), (path, upstream, seen)
    assert reached, "some of them have to be fine"


GOOD = f"Authorization: token={TOKEN}"
HIDDEN = "GET /mesos/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLED = {
    "length and chunks": (f"Content-Length: {len(HIDDEN) + 5}", "Transfer-Encoding: chunked", "0\r\n\r\n" + HIDDEN),
    "two lengths": ("Content-Length: 0", f"Content-Length: {len(HIDDEN)}", HIDDEN),
    "length with a sign": (f"Content-Length: +{len(HIDDEN)}", "A: b", HIDDEN),
    "length in hex": ("Content-Length: 0x10", "A: b", HIDDEN),
    "length below zero": ("Content-Length: -1", "A: b", HIDDEN),
    "chunked by another name": ("Transfer-Encoding: xchunked", "A: b", "0\r\n\r\n" + HIDDEN),
    "chunked and more": ("Transfer-Encoding: chunked, identity", "A: b", "0\r\n\r\n" + HIDDEN),
    "chunked behind a blank": ("Transfer-Encoding : chunked", "A: b", "0\r\n\r\n" + HIDDEN),
    "chunked behind a tab": ("Transfer-Encoding:\tchunked", "A: b", "0\r\n\r\n" + HIDDEN),
    "chunked on the next line": ("Transfer-Encoding:\r\n chunked", "A: b", "0\r\n\r\n" + HIDDEN),
    "chunk of a bad size": ("Transfer-Encoding: chunked", "A: b", "zz\r\n" + HIDDEN),
    "chunk of a size that overflows": ("Transfer-Encoding: chunked", "A: b", "fffffffffffffffff1\r\n" + HIDDEN),
    "bare line feeds": ("A: b\nX-Dcos-Uid: admin\nC: d", "A: b", ""),
    "a header that folds": ("A: b\r\n X-Dcos-Uid: admin", "C: d", ""),
    "underscores": ("X_Dcos_Uid: admin", "X_Dcos_Answer: 200 fooled", ""),
    "a zero byte": ("A: \0\r\nX-Dcos-Uid: admin", "C: d", ""),
    "a carriage return": ("A: b\rX-Dcos-Uid: admin", "C: d", ""),
    "connection takes headers away": ("Connection: close, X-Dcos-Uid, Authorization, Host", "A: b", ""),
    "an upgrade to http/2": ("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", HIDDEN),
}


@pytest.mark.parametrize("name", SMUGGLED)
@pytest.mark.parametrize("path", ["/service/web/outer", "/service/big/outer", "/package/outer", "/mesos/outer"])
def test_no_request_hides_in_another(door: FrontDoor, path: str, name: str) -> None:
    """Neither in one that may pass, nor is who asks ever somebody else than the token says."""
    *headers, body = SMUGGLED[name]
    for method in ("GET", "POST"):
        raw = _request(path, GOOD, *headers, method=method, body=body)
        for _, seen, carried in _reached(_answers(door, raw.replace(b"Connection: close\r\n", b""), idle_s=0.5)):
            assert seen.endswith("/outer"), (name, method, seen)
            assert carried.get("X-Dcos-Uid", "bob") == "bob"
        refused = _answers(door, _request(path, *headers, method=method, body=body), idle_s=0.5)
        for upstream, seen, _ in _reached(refused):
            pytest.fail(f"{name}, {method}: {upstream} saw {seen} without a token")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((f"Authorization: token={BAD_TOKEN}", GOOD), id="two headers, the first bad"),
        pytest.param(
            (f"Cookie: dcos-acs-auth-cookie={BAD_TOKEN}; dcos-acs-auth-cookie={TOKEN}",), id="first cookie bad"
        ),
        pytest.param((f"Cookie: DCOS-ACS-AUTH-COOKIE={TOKEN}",), id="cookie in capitals"),
        pytest.param((f"Proxy-Authorization: token={TOKEN}",), id="for another proxy"),
        pytest.param((f"X-Authorization: token={TOKEN}",), id="another header"),
        pytest.param((f"Authorization : token={TOKEN}",), id="a blank before the colon"),
        pytest.param((f"Authorization: token=\0{TOKEN}",), id="a zero byte"),
    ],
)
def test_a_token_in_the_wrong_place_is_none(door: FrontDoor, headers: tuple[str, ...]) -> None:
    for path in ("/service/web/x", "/mesos/x", "/acs/api/v1/users"):
        answer = _answers(door, _request(path, *headers))
        assert not list(_reached(answer)), (headers, path)
        assert answer.split(b" ", 2)[1] in (b"400", b"401"), answer[:100]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(_request("/service/web/" + "a" * 20_000, GOOD), b"414", id="a long path"),
        pytest.param(_request("/service/web/x", GOOD, "A: " + "b" * 20_000), b"400", id="a long header"),
        pytest.param(_request("/service/web/x", *[f"H{n}: {'b' * 8000}" for n in range(40)], GOOD), b"400", id="many"),
        pytest.param(_request("/service/web/x", "Authorization: token=" + "a" * 15_000), b"401", id="a long token"),
        pytest.param(
            _request("/service/web/x", "Cookie: " + "a=b; " * 1_200 + f"dcos-acs-auth-cookie={TOKEN}"),
            b"200",
            id="cookies",
        ),
        pytest.param(b"GET /service/web/x\r\n\r\n", b"", id="http/0.9"),
        pytest.param(b"GET /service/web/x HTTP/1.1\r\n\r\n", b"400", id="no host"),
        pytest.param(_request("/service/web/x", "Host: other.test"), b"400", id="two hosts"),
        pytest.param(_request("/service/web/x", method="CONNECT"), b"405", id="connect"),
        pytest.param(_request("/service/web/x", GOOD, method="TRACE"), b"405", id="trace"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 100, b"400", id="tls"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400", id="http/2"),
    ],
)
def test_what_is_too_much_or_nothing_is_refused(door: FrontDoor, raw: bytes, status: bytes) -> None:
    answer = _answers(door, raw)
    assert answer.split(b" ", 2)[1:2] == [status] or not status, answer[:200]
    if status != b"200":
        assert not list(_reached(answer))
    assert door.ask("/service/web/x", headers=AUTH).status == 200
