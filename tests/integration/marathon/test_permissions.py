"""Marathon with permissions behind a real front door: what each account sees and may change."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dcos.testing.identity import GuardedCluster, guarded_scheduler, why_not

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]
MARKER = str(3_000_000 + 10 * os.getpid())
_SPEC = "dcos:service:marathon:marathon:services:"


@pytest.fixture
def cluster() -> Iterator[GuardedCluster]:
    with guarded_scheduler("marathon", markers=[MARKER]) as made:
        yield made


def test_each_account_has_its_own_marathon(cluster: GuardedCluster) -> None:
    for uid in ("dev", "looker"):
        assert cluster.through("PUT", f"/acs/api/v1/users/{uid}", {"password": "a password"}).status == 201
        cluster.grant(uid, "dcos:adminrouter:service:marathon", "full")
    cluster.grant("dev", f"{_SPEC}/dev", "full")
    cluster.grant("looker", f"{_SPEC}/", "read")
    for uid in ("dev", "looker"):
        cluster.log_in(uid, "a password")

    def ask(uid: str | None, method: str, path: str, body: object = None) -> tuple[int, str]:
        answer = cluster.through(method, f"/service/marathon{path}", body, uid=uid)
        return answer.status, answer.text

    cluster.eventually("Marathon leads", lambda: ask("admin", "GET", "/v2/apps")[0] == 200)
    direct = cluster.port("marathon")
    with pytest.raises(OSError, match="401"):
        cluster.ask_at(direct, "GET", "/v2/apps")
    assert cluster.ask_at(direct, "GET", "/ping")

    app = {"cmd": f"exec sleep {MARKER}", "cpus": 0.1, "mem": 16}
    assert ask("admin", "POST", "/v2/apps", {**app, "id": "/prod/db"})[0] == 201
    status, text = ask("dev", "POST", "/v2/apps", {**app, "id": "/prod/mine"})
    assert (status, f"dev needs the permission {_SPEC}/prod/mine with action create" in text) == (403, True)
    assert ask("dev", "POST", "/v2/apps", {**app, "id": "/dev/db"})[0] == 201
    assert ask("looker", "POST", "/v2/apps", {**app, "id": "/dev/more"})[0] == 403
    assert ask("looker", "DELETE", "/v2/apps/dev/db")[0] == 403

    def seen(uid: str) -> set[str]:
        answer = cluster.through("GET", "/service/marathon/v2/apps", uid=uid)
        return {one["id"] for one in answer.json()["apps"]}

    assert seen("admin") == seen("looker") == {"/prod/db", "/dev/db"}
    assert seen("dev") == {"/dev/db"}
    assert ask("dev", "GET", "/v2/apps/prod/db")[0] == 403
    assert ask("dev", "GET", "/v2/apps/dev/db")[0] == 200
    for path in ("/v2/groups", "/v2/tasks", "/v2/deployments", "/v2/queue"):
        status, text = ask("dev", "GET", path)
        assert (status, "/prod" in text) == (200, False), path
    for path in ("/v2/info", "/v2/events", "/metrics", "/v2/leader"):
        assert ask("dev", "GET", path)[0] == 403, path

    cluster.eventually("both run", lambda: len(cluster.pid_of(MARKER)) == 2)
    tasks = cluster.through("GET", "/service/marathon/v2/tasks").json()["tasks"]
    prod = next(one["id"] for one in tasks if one["appId"] == "/prod/db")
    assert ask("dev", "POST", "/v2/tasks/delete", {"ids": [prod]})[0] == 403
    assert ask("dev", "PUT", "/v2/groups/dev", {"switchTo": "/prod"})[0] == 403
    assert ask("dev", "PUT", "/v2/groups", {"id": "/prod", "apps": []})[0] == 403
    assert ask("dev", "DELETE", "/v2/apps/dev/..%2f..%2fprod/db")[0] in (403, 404)
    assert ask("dev", "DELETE", "/v2/apps/dev/db")[0] == 200
    assert ask("admin", "DELETE", "/v2/apps/prod/db")[0] == 200
    cluster.eventually("all ended", lambda: not cluster.pid_of(MARKER))


def test_the_front_door_finds_services_as_its_own_account(cluster: GuardedCluster) -> None:
    program = "exec python3 -m http.server $PORT0 --bind 127.0.0.1"
    app = {
        "id": "/web", "cmd": program, "cpus": 0.1, "mem": 32, "portDefinitions": [{"port": 0}],
        "labels": {"DCOS_SERVICE_NAME": "web", "DCOS_SERVICE_SCHEME": "http", "DCOS_SERVICE_PORT_INDEX": "0"},
    }  # fmt: skip
    cluster.eventually("taken", lambda: cluster.through("POST", "/service/marathon/v2/apps", app).status == 201)
    cluster.eventually("found", lambda: cluster.through("GET", "/service/web/").status == 200)
    assert cluster.through("DELETE", "/service/marathon/v2/apps/web").status == 200
    cluster.eventually("gone", lambda: cluster.through("GET", "/service/web/").status == 404)
