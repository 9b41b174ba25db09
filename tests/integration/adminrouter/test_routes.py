"""Every route: who may, where it goes, what arrives there."""

from __future__ import annotations

import json
import ssl

import pytest

from dcos.testing.cluster import http
from tests.integration.adminrouter.front_door import AUTH, BAD_TOKEN, OLD_TOKEN, TOKEN, FrontDoor

pytestmark = pytest.mark.integration

PROTECTED = [
    # path asked, upstream, path that arrives
    ("/acs/api/v1/users", "dcos-bouncer", "/acs/api/v1/users"),
    ("/acs/api/v1/users/bob?x=1", "dcos-bouncer", "/acs/api/v1/users/bob?x=1"),
    ("/exhibitor/", "dcos-exhibitor", "/"),
    ("/exhibitor/exhibitor/v1/cluster/state", "dcos-exhibitor", "/exhibitor/v1/cluster/state"),
    ("/mesos/", "master", "/"),
    ("/mesos/master/state?jsonp=x", "master", "/master/state?jsonp=x"),
    ("/mesos/api/v1", "master", "/api/v1"),
    ("/mesos_dns/v1/version", "dcos-mesos-dns", "/v1/version"),
    ("/net/v1/nodes", "dcos-net", "/v1/nodes"),
    ("/marathon/v2/info", "dcos-marathon", "/v2/info"),
    ("/marathon/", "dcos-marathon", "/"),
    ("/service/marathon/v2/info?a=b", "dcos-marathon", "/v2/info?a=b"),
    ("/service/web/", "app", "/"),
    ("/service/web/a%20b/%C3%BC?q=%20", "app", "/a%20b/%C3%BC?q=%20"),
    ("/service/group/web/x", "app", "/x"),
    ("/service//group//web//x", "app", "/x"),
    ("/service/raw/x", "app", "/service/raw/x"),
    ("/service/big/x", "unbuffered", "/x"),
    ("/service/spark/jobs", "app", "/ui/jobs"),
    ("/service/fw-1/jobs", "app", "/ui/jobs"),
    ("/service/dev/kafka/v1", "app", "/v1"),
    ("/service/fw-2/v1", "app", "/v1"),
    ("/agent/agent-1", "agent", "/"),
    ("/agent/agent-1/files/browse?path=/", "agent", "/files/browse?path=/"),
    ("/slave/agent-1/api/v1", "agent", "/api/v1"),
    ("/system/v1/agent/agent-1/logs/v2/component", "other-router", "/system/v1/logs/v2/component"),
    ("/system/v1/agent/agent-1/metrics/v0/node", "other-router", "/system/v1/metrics/v0/node"),
    ("/system/v1/agent/agent-1/nginx/metrics", "other-router", "/nginx/metrics"),
    (
        "/system/v1/agent/agent-1/dcos-metadata/dcos-version.json",
        "other-router",
        "/dcos-metadata/dcos-version.json",
    ),
    ("/pkgpanda/repository/?x=1", "pkgpanda-api", "/repository/?x=1"),
    ("/system/checks/v1/node", "dcos-checks-api", "/system/checks/v1/node"),
    ("/dcos-history-service/history/last", "dcos-history", "/history/last"),
    ("/system/v1/logs/v2/component", "dcos-log", "/v2/component"),
    ("/system/v1/metrics/v0/node", "telegraf-dcos-metrics", "/v0/node"),
    ("/dcos-ui-update-service/api/v1/version/", "dcos-ui-update-service", "/api/v1/version/"),
    ("/navstar/lashup/key", "dcos-net", "/lashup/key"),
    ("/system/v1/leader/mesos/logs/v2/component?x=1", "other-router", "/system/v1/logs/v2/component?x=1"),
    ("/system/v1/leader/marathon/logs/v2/component", "other-router", "/system/v1/logs/v2/component"),
    ("/system/health/v1", "dcos-diagnostics", "/system/health/v1"),
    ("/system/health/v1/report", "dcos-diagnostics", "/system/health/v1/report"),
    ("/package/search", "dcos-cosmos", "/package/search"),
    ("/capabilities", "dcos-cosmos", "/capabilities"),
    ("/cosmos/service/describe", "dcos-cosmos", "/service/describe"),
]
ANSWERED_HERE = [
    # path, status with a token, part of the body
    ("/metadata", 200, '"CLUSTER_ID": "the-id"'),
    ("/pkgpanda/active.buildinfo.full.json", 200, '{"built": true}'),
    ("/dcos-metadata/other.json", 200, "{}"),
    ("/agent/nobody/files", 404, "404 Not Found: agent `nobody` unknown."),
    ("/service/nothing/here", 404, "404 Not Found: service not found."),
    ("/service/bad/", 404, "404 Not Found: service not found."),
    ("/service/hidden/", 404, "404 Not Found: service not found."),
    ("/service/dev/lost/", 404, "404 Not Found: service not found."),
    ("/service/metronome/", 503, "503 Service Unavailable: Metronome leader is unknown"),
]
OPEN = [
    ("/", 200, "Test &amp; Co"),
    ("/dcos-metadata/dcos-version.json", 200, '{"version": "3.0.0"}'),
    ("/dcos-metadata/ui-config.json", 200, '"path": "/acs/api/v1/uiconfig/"'),
    ("/acs/api/v1/auth/providers", 200, '"path": "/acs/api/v1/auth/providers"'),
    ("/acs/api/v1/auth/saml/providers/a/sp-metadata", 200, '"path": "/acs/api/v1/auth/saml/providers/a/sp-metadata"'),
    ("/acs/api/v1/auth/saml/providers/a/acs-callback", 200, '"path": "/acs/api/v1/auth/saml/providers/a/acs-callback"'),
    ("/exhibitor/exhibitor/v1/cluster/status", 200, '"path": "/exhibitor/v1/cluster/status"'),
    ("/cache/master/state", 200, '"path": "/master/state"'),
    ("/nginx/metrics", 200, "nginx_up 1"),
    ("/nginx/status", 200, "<h1>Admin Router</h1>"),
    ("/nowhere", 404, "404"),
    ("/_dcos/decide", 404, "404"),
    ("/_dcos/401.html", 404, "404"),
]
SLASHLESS = (
    "mesos_dns",
    "net",
    "package",
    "cosmos/service",
    "pkgpanda",
    "cache/master",
    "system/v1/logs",
    "system/v1/metrics",
    "acs/api/v1/auth",
    "dcos-ui-update-service/api",
)
"""Proxied prefixes that end with a slash."""
NO_GOOD_TOKEN = [
    pytest.param({}, id="none"),
    pytest.param({"Authorization": f"token={BAD_TOKEN}"}, id="another key"),
    pytest.param({"Authorization": f"token={OLD_TOKEN}"}, id="over"),
    pytest.param({"Authorization": "token="}, id="empty"),
    pytest.param({"Authorization": TOKEN}, id="without the word"),
    pytest.param({"Authorization": "Basic Ym9iOmI="}, id="basic"),
    pytest.param({"Cookie": f"dcos-acs-auth-cookie={BAD_TOKEN}"}, id="bad cookie"),
    pytest.param({"Cookie": f"xdcos-acs-auth-cookie={TOKEN}"}, id="other cookie"),
    pytest.param({"Cookie": f"dcos-acs-auth-cookie={TOKEN}", "Authorization": "token=bad"}, id="header before cookie"),
]


@pytest.mark.parametrize(("path", "upstream", "arrives"), PROTECTED, ids=[row[0] for row in PROTECTED])
def test_a_good_token_reaches_the_upstream(door: FrontDoor, path: str, upstream: str, arrives: str) -> None:
    reply = door.ask(path, headers=AUTH)
    assert (reply.status, reply.seen["upstream"], reply.seen["path"]) == (200, upstream, arrives)
    assert reply.headers["Set-Cookie"] == f"from={upstream}"


@pytest.mark.parametrize("headers", NO_GOOD_TOKEN)
@pytest.mark.parametrize("path", [row[0] for row in PROTECTED] + [row[0] for row in ANSWERED_HERE])
def test_without_a_good_token_nothing_is_told(door: FrontDoor, path: str, headers: dict[str, str]) -> None:
    reply = door.ask(path, headers=headers)
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"] == "oauthjwt"
    assert reply.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert b"/#/login?redirect=" in reply.body


@pytest.mark.parametrize(("path", "status", "part"), ANSWERED_HERE, ids=[row[0] for row in ANSWERED_HERE])
def test_what_is_answered_here(door: FrontDoor, path: str, status: int, part: str) -> None:
    reply = door.ask(path, headers=AUTH)
    assert (reply.status, part in reply.body.decode()) == (status, True), reply.body


@pytest.mark.parametrize(("path", "status", "part"), OPEN, ids=[row[0] for row in OPEN])
def test_what_needs_no_token(door: FrontDoor, path: str, status: int, part: str) -> None:
    reply = door.ask(path)
    assert (reply.status, part in reply.body.decode()) == (status, True), reply.body


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_is_checked_and_passed(door: FrontDoor, method: str) -> None:
    body = b"x" * 10 if method in ("POST", "PUT", "PATCH") else None
    for path in ("/mesos/m", "/service/web/m", "/acs/api/v1/m", "/package/m", "/agent/agent-1/m"):
        refused = door.ask(path, method=method, body=body)
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "oauthjwt")
        passed = door.ask(path, method=method, body=body, headers=AUTH)
        assert passed.status == 200
        if method != "HEAD":
            assert (passed.seen["method"], passed.seen["length"]) == (method, len(body or b""))


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/marathon", 307, "/marathon/"),
        ("/marathon?a=b", 307, "/marathon/?a=b"),
        ("/mesos", 301, "/mesos/"),
        ("/mesos?a=b", 301, "/mesos/?a=b"),
        ("/exhibitor", 301, "/exhibitor/"),
        ("/service/web", 301, "/service/web/"),
        ("/service/web?x=1", 301, "/service/web/?x=1"),
        ("/service/any.thing-2", 301, "/service/any.thing-2/"),
        *((f"/{name}", 301, f"/{name}/") for name in SLASHLESS),
        *((f"/{name}?a=b", 301, f"/{name}/?a=b") for name in SLASHLESS),
        ("/login", 302, "/#/login"),
        ("/login?redirect_uri=x", 302, "/#/login?redirect_uri=x"),
    ],
)
def test_redirects_are_relative(door: FrontDoor, path: str, status: int, location: str) -> None:
    reply = door.ask(path, headers=AUTH | {"Host": "evil.example"})
    assert (reply.status, reply.headers["Location"]) == (status, location)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/service/web/../../mesos/x", ("master", "/x")),
        ("/service/web/%2e%2e/big/x", ("unbuffered", "/x")),
        ("/service/web/a%2Fb", ("app", "/a/b")),
        ("/service/web/a%0Ab%0D%0AX-Evil:%201", ("app", "/a%0Ab%0D%0AX-Evil:%201")),
        ("/service/web/a%3Fb%23c%25d", ("app", "/a%3Fb%23c%25d")),
        ("/mesos/a%0Ab", ("master", "/a%0Ab")),
        ("/agent/agent-1/a%0Ab", ("agent", "/a%0Ab")),
    ],
)
def test_paths_are_normalized_once_and_escaped_again(door: FrontDoor, path: str, expected: tuple[str, str]) -> None:
    seen = door.ask(path, headers=AUTH).seen
    assert (seen["upstream"], seen["path"]) == expected
    assert "X-Evil" not in seen["headers"]


@pytest.mark.parametrize(
    "path",
    [
        "/service/web%0AX-Dcos-Need:%20none/",
        "/service/%0d%0aHost:x/",
        "/service/a%3Fb/",
        "/service/%00/",
        "/service/%FF%FE/",
        "/service/" + "a/" * 40,
        "/service/" + "a" * 4000 + "/",
    ],
)
def test_odd_names_lead_nowhere(door: FrontDoor, path: str) -> None:
    assert door.ask(path).status in (400, 401)
    reply = door.ask(path, headers=AUTH)
    assert reply.status in (400, 404), reply.body


def test_headers_that_arrive(door: FrontDoor) -> None:
    for path in ("/service/web/", "/mesos/x", "/package/x", "/agent/agent-1/x", "/acs/api/v1/x"):
        sent = AUTH | {"Host": "cluster.example:81", "X-Forwarded-For": "203.0.113.9"}
        headers = door.ask(path, headers=sent).seen["headers"]
        assert headers["Host"] == "cluster.example:81"
        assert headers["X-Real-IP"] == "127.0.0.1"
        assert headers["X-Forwarded-For"] == "203.0.113.9, 127.0.0.1"
        assert headers["X-Forwarded-Proto"] == "http"
        assert headers["Authorization"] == AUTH["Authorization"]
        assert {name for name in headers if name.lower().startswith("x-dcos")} <= {"X-Dcos-Uid"}


def test_our_own_headers_cannot_be_brought_in(door: FrontDoor) -> None:
    honest = door.ask("/mesos/x", headers=AUTH).seen["headers"].get("X-Dcos-Uid")
    lying = door.ask("/mesos/x", headers=AUTH | {"X-Dcos-Uid": "somebody-else"}).seen["headers"].get("X-Dcos-Uid")
    assert lying == honest != "somebody-else"
    evil = {"X-Dcos-Answer": "404 fooled", "X-Dcos-Need": "none", "X-Dcos-Subject": "none", "X-Dcos-Upstream": "x"}
    assert door.ask("/service/web/", headers=evil).status == 401
    assert door.ask("/metadata", headers=AUTH | evil).status == 200
    assert door.ask("/service/web/", headers=AUTH | evil).status == 200
    assert door.ask("/package/x", headers=AUTH | evil).status == 200


@pytest.mark.parametrize(
    "path", ["/mesos_dns/v1/version", "/net/v1/nodes", "/navstar/lashup/key", "/system/checks/v1/node"]
)
def test_names_and_networking_do_not_see_tokens(door: FrontDoor, path: str) -> None:
    assert "Authorization" not in door.ask(path, headers=AUTH).seen["headers"]


@pytest.mark.parametrize("word", ["token=", "Bearer ", "Bearer  ", "xtoken="])
def test_forms_of_the_header(door: FrontDoor, word: str) -> None:
    assert door.ask("/mesos/x", headers={"Authorization": word + TOKEN}).status == 200


@pytest.mark.parametrize(
    ("cookies", "arrive"),
    [
        (f"dcos-acs-auth-cookie={TOKEN}", None),
        (f"a=1; dcos-acs-auth-cookie={TOKEN}; b=2", "a=1; b=2"),
        (f"a=1; dcos-acs-auth-cookie={TOKEN}", "a=1"),
        (f"dcos-acs-auth-cookie={TOKEN}; dcos-acs-info-cookie=abc; b=2", "b=2"),
        (f"dcos-acs-info-cookie=abc; a=1;dcos-acs-auth-cookie={TOKEN};b=2", "a=1;b=2"),
        (f"dcos-acs-auth-cookie={TOKEN}; x=1; dcos-acs-auth-cookie=y", "x=1"),
        (f"dcos-acs-auth-cookie={TOKEN}; " + "; ".join(["dcos-acs-auth-cookie=y"] * 4) + "; x=1", None),
        (f"dcos-acs-auth-cookie={TOKEN}; xdcos-acs-auth-cookie=1", "xdcos-acs-auth-cookie=1"),
    ],
)
def test_cookies(door: FrontDoor, cookies: str, arrive: str | None) -> None:
    for path in ("/service/web/", "/mesos/x", "/package/x"):
        headers = door.ask(path, headers={"Cookie": cookies}).seen["headers"]
        assert headers.get("Cookie") == arrive
        assert headers["Authorization"] == f"token={TOKEN}"


@pytest.mark.parametrize(
    ("path", "sent", "arrives"),
    [
        ("/pkgpanda/redirect", "http://cluster.test/x", "/pkgpanda/x"),
        ("/pkgpanda/redirect", "http://elsewhere.test/x", "http://elsewhere.test/x"),
        ("/exhibitor/redirect", "http://cluster.test/x", "/exhibitor/x"),
        ("/exhibitor/redirect", "https://cluster.test/x?y=1", "/exhibitor/x?y=1"),
        ("/exhibitor/redirect", "/x", "/x"),
        ("/mesos/redirect", "//10.0.0.9:5050/master/state", "//10.0.0.9:5050/master/state"),
        ("/service/web/redirect", "http://cluster.test/x", "/service/web/x"),
    ],
)
def test_redirects_of_upstreams(door: FrontDoor, path: str, sent: str, arrives: str) -> None:
    reply = door.ask(f"{path}?to={sent.replace('?', '%3F')}", headers=AUTH)
    assert (reply.status, reply.headers["Location"]) == (302, arrives)


@pytest.mark.parametrize("host", ["cluster.test:8080", "CLUSTER.test", "10.0.0.1:80"])
def test_redirects_of_services_to_the_host_with_or_without_port(door: FrontDoor, host: str) -> None:
    for to in (host, host.lower().partition(":")[0]):
        reply = door.ask(f"/service/web/redirect?to=http://{to}/x", headers=AUTH | {"Host": host})
        assert (reply.status, reply.headers["Location"]) == (302, "/service/web/x")


def test_what_logs_say_of_buffering_passes(door: FrontDoor) -> None:
    assert door.ask("/system/v1/logs/unbuffered", headers=AUTH).headers["X-Accel-Buffering"] == "no"


def test_an_errors_body_is_the_upstreams_own(door: FrontDoor) -> None:
    reply = door.ask("/system/v1/logs/broken", headers=AUTH)
    assert (reply.status, reply.body) == (502, b"my own trouble")


@pytest.mark.parametrize("path", ["/system/v1/agent/agent-1/other", "/system/v1/agent/agent-1", "/system/v2/x"])
def test_there_are_no_other_paths(door: FrontDoor, path: str) -> None:
    assert door.ask(path, headers=AUTH).status == 404


def test_what_stays_out_of_browsers_memories(door: FrontDoor) -> None:
    for path in ("/acs/api/v1/users", "/pkgpanda/active.buildinfo.full.json"):
        assert door.ask(path, headers=AUTH).headers.get_all("Cache-Control") == ["no-cache, no-store, must-revalidate"]
    assert door.ask("/dcos-metadata/dcos-version.json").headers["Cache-Control"] == "no-cache"
    assert door.ask("/").headers["Cache-Control"] == "max-age=30"


def test_general_manners(door: FrontDoor) -> None:
    assert door.ask("/").headers["Server"] == "nginx"
    assert door.ask("/").headers["X-Frame-Options"] == "DENY"
    assert door.ask("/service/web/", headers=AUTH).headers["X-Frame-Options"] is None
    assert door.ask("/", method="HEAD").status == 200
    for path in ("/mesos/x", "/agent/agent-1/x"):
        assert door.ask(path, headers=AUTH).headers["Connection"] == "close"
    assert door.ask("/service/web/x", headers=AUTH).headers["Connection"] != "close"
    assert (
        "Accept-Encoding"
        not in door.ask("/agent/agent-1/x", headers=AUTH | {"Accept-Encoding": "gzip"}).seen["headers"]
    )


def test_bodies_up_to_a_limit(door: FrontDoor) -> None:
    over = {"Content-Length": str(2 * 1024**3)}
    assert door.ask("/package/x", method="POST", headers=AUTH | over).status == 413
    assert door.ask("/service/web/x", method="POST", headers={"Content-Length": str(33 * 1024**3)} | AUTH).status == 413


def test_the_state_is_fetched_once_for_many(door: FrontDoor) -> None:
    before = door.world.state.state_fetches
    statuses = [door.ask("/cache/master/state-summary?told=1").headers["X-Cache-Status"] for _ in range(5)]
    assert statuses == ["MISS", "HIT", "HIT", "HIT", "HIT"]
    assert door.world.state.state_fetches == before + 1
    again = door.ask("/cache/master/state-summary?told=1", headers={"Cache-Control": "no-cache"})
    assert (again.headers["X-Cache-Status"], door.world.state.state_fetches) == ("BYPASS", before + 2)


def test_metadata_is_json(door: FrontDoor) -> None:
    reply = door.ask("/metadata", headers=AUTH)
    assert json.loads(reply.body) == {"PUBLIC_IPV4": "127.0.0.1", "CLUSTER_ID": "the-id"}
    assert reply.headers["Content-Type"].startswith("application/json")


def test_https_is_served_and_its_key_is_private(door: FrontDoor) -> None:
    url = f"https://127.0.0.1:{door.tls_port}"
    assert http(f"{url}/").status == 200
    assert http(f"{url}/mesos/x").status == 401
    seen = http(f"{url}/service/web/", token=TOKEN).json()
    assert seen["headers"]["X-Forwarded-Proto"] == "https"
    folder = door.folder / "var/lib/dcos/adminrouter"
    assert (folder / "server.key").stat().st_mode & 0o777 == 0o600
    context = ssl.create_default_context(cafile=str(folder / "server.crt"))
    assert context.cert_store_stats()["x509"] == 1


def test_memories_with_tokens_are_private(door: FrontDoor) -> None:
    run = door.folder / "run/dcos/dcos-adminrouter"
    assert (run / "decisions").stat().st_mode & 0o777 == 0o700
    assert (run / "decide.sock").stat().st_mode & 0o777 == 0o600
    assert TOKEN not in door.log.read_text(errors="replace")
